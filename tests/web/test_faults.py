"""What servers refuse is told in the reader's language: every sentence that the code can say is known to the pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.exchange_ews import errors
from sync.brake import Braked
from sync.outcomes import UNEXPECTED
from terracrm.services.plans import Step
from web import faults

ROOT = Path(__file__).parents[2]
SAID_BY = [
    *sorted(ROOT.glob("connectors/exchange_ews/*.py")),
    ROOT / "connectors/outlook_limits.py",
    ROOT / "terracrm/services/alert_messages.py",
    *(
        ROOT / "sync" / f"{name}.py"
        for name in ("attachments", "clients", "folders", "places", "posts", "push", "tasks", "watch_line", "webhook")
    ),
]
ERRORS = {"Temporary", "AuthFailed", "SignInRefused", "CursorExpired", "VersionConflict", "ItemGone", "ItemRejected",
          "Unsupported", "ChannelUnusable"}  # fmt: skip
CODED = (errors.DENIED, errors.UNSUPPORTED, errors.PLAIN, errors.SICK_ITEM, errors.REFUSED)


def sentences(path: Path) -> Iterator[str]:
    """What the errors of a module say, with words in the places of values; not what a table says."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS and node.args:
            said = node.args[0]
            if isinstance(said, ast.Constant):
                yield said.value
            elif isinstance(said, ast.JoinedStr):
                text = "".join(part.value if isinstance(part, ast.Constant) else _value(part) for part in said.values)
                if re.search("[a-z]{3}", text.replace("a word", "").replace("ErrorSomething", "")):
                    yield text


def _value(part: ast.expr) -> str:
    words = {"status": "503", "code": "ErrorSomething"}
    return words.get(ast.unparse(part.value), "a word") if isinstance(part, ast.FormattedValue) else ""


@pytest.mark.parametrize("path", SAID_BY, ids=lambda path: path.name)
def test_every_sentence_about_a_server_is_known(path: Path) -> None:
    assert [said for said in sentences(path) if not faults.is_known(said)] == []


def test_every_code_of_exchange_is_known() -> None:
    said = [text for table in CODED for text in table.values()]
    assert len(said) > 60
    assert [text for text in said if not faults.is_known(f"{text.removesuffix('.')} (ErrorSomething: its text).")] == []
    assert [text for text in said if not faults.is_known(f"{text} (ErrorSomething)")] == []


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("The server is busy.", "<The server is busy.>"),
        ("ex.office.test did not answer in time.", "<ex.office.test did not answer in time.>"),
        ("The account is disabled. (ErrorAccountDisabled)", "<The account is disabled> (ErrorAccountDisabled)"),
        ("This item is corrupt (ErrorItemCorrupt).", "<This item is corrupt> (ErrorItemCorrupt)"),
        (
            "Exchange cannot save this item (ErrorItemSave: It (the item) is locked.).",
            "<Exchange cannot save this item> (ErrorItemSave: It (the item) is locked.)",
        ),
        (
            "Another mailbox that holds this mail cannot be opened now: The answer of ex was cut off.",
            "<Another mailbox that holds this mail cannot be opened now: <The answer of ex was cut off.>>",
        ),
        ("Nobody has ever said that: 100 %", "Nobody has ever said that: 100 %"),
        ("", ""),
    ],
)
def test_a_stored_error_is_told_in_the_reader_s_language(
    stored: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "gettext", lambda text: f"<{text}>")
    assert faults.fault(stored) == shown


def test_what_went_wrong_unexpectedly_is_known() -> None:
    assert faults.is_known(UNEXPECTED)
    assert faults.is_known("the database could not be used: disk I/O error")


@pytest.mark.parametrize("acts", [("remove",), ("change",), ("remove", "change")])
@pytest.mark.parametrize("direction", ["in", "out"])
def test_what_the_brake_says_is_known(acts: tuple[str, ...], direction: str) -> None:
    steps = [Step(1, direction, act, "contact", number) for number, act in enumerate(acts)]
    assert faults.is_known(Braked(steps, 100).of_plan(7))
    assert faults.is_known(str(Braked(steps, 100)))
