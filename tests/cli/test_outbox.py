"""`terracrm outbox`: what is still to be written into Outlook (W5)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from terracrm import db
from terracrm.models import OutboxItem, Stream
from terracrm.services import outbox
from tests.cli.conftest import Terracrm
from tests.office import OURS, make_office


@pytest.fixture(autouse=True)
def rows(terracrm: Terracrm, folder: Path) -> Iterator[Session]:
    """The small office in the database of the commands, and 60 cards owed to Anna's mailbox, the last given up."""
    terracrm("db", "upgrade")
    engine = db.make_engine(f"sqlite:///{next(folder.rglob('*.db'))}")
    with db.session_factory(engine)() as session:
        office = make_office(session)
        anna, maria = office.mailboxes["anna"].id, office.contacts["maria@market.example"].id
        session.add_all(
            OutboxItem(mailbox_id=anna, entity=outbox.CONTACT, local_id=maria + number) for number in range(59)
        )
        session.add(
            OutboxItem(
                mailbox_id=anna,
                entity=outbox.TASK,
                local_id=office.activities["question"].id,
                state=outbox.GIVEN_UP,
                attempts=10,
                reason="changed",
                error="The mailbox is full.",
            )
        )
        session.add_all(Stream(mailbox_id=anna, kind=kind, direction="both") for kind in outbox.KINDS.values())
        session.commit()
        yield session
    engine.dispose()


def test_all_that_is_owed_is_listed_given_up_ones_first(terracrm: Terracrm) -> None:
    lines = terracrm("outbox", "list").out.splitlines()
    assert len(lines) == 60
    assert f"anna@{OURS}  task" in lines[0]
    assert lines[0].endswith("(changed), given up, 10 tries: The mailbox is full.")
    assert "Мария Иванова" in lines[1]
    told = [
        json.loads(line) for line in terracrm("outbox", "list", "--mailbox", f"anna@{OURS}", "--json").out.splitlines()
    ]
    assert (len(told), told[0]["is_given_up"], told[0]["entity"]) == (60, True, "task")
    assert terracrm("outbox", "list", "--mailbox", f"boris@{OURS}").out == ""


def test_what_failed_is_tried_again(terracrm: Terracrm, rows: Session) -> None:
    number = json.loads(terracrm("outbox", "list", "--json").out.splitlines()[0])["id"]
    assert terracrm("outbox", "retry", number).out == "1 write is tried again.\n"
    assert rows.get_one(OutboxItem, number, populate_existing=True).state == outbox.OWED
    for words in (("--all",), ("--mailbox", f"anna@{OURS}")):
        assert terracrm("outbox", "retry", *words).out == "Nothing has failed.\n"


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("retry",), 2, "say one of ID, --mailbox ADDRESS and --all"),
        (("retry", "1", "--all"), 2, "say one of"),
        (("retry", "4711"), 1, "no longer owed"),
        (("retry", "--mailbox", "who@nowhere.example"), 1, "there is no mailbox"),
        (("list", "--mailbox", "who@nowhere.example"), 1, "there is no mailbox"),
    ],
)
def test_what_does_not_fit_is_refused(terracrm: Terracrm, words: tuple[str, ...], code: int, what: str) -> None:
    refused = terracrm("outbox", *words)
    assert (refused.code, what in refused.err) == (code, True), refused.err
