"""`terracrm task`: what is to be done for clients (W3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from terracrm import db
from tests.cli.conftest import Terracrm
from tests.office import Office, make_office


@pytest.fixture(autouse=True)
def office(terracrm: Terracrm, folder: Path) -> Iterator[Office]:
    """The small office in the database of the commands."""
    terracrm("db", "upgrade")
    engine = db.make_engine(f"sqlite:///{next(folder.rglob('*.db'))}")
    with db.session_factory(engine)() as session:
        made = make_office(session)
        session.commit()
        yield made
    engine.dispose()


def row(terracrm: Terracrm, *words: object) -> dict[str, object]:
    outcome = terracrm("task", *words, "--json")
    assert outcome.code == 0, outcome.err
    found: dict[str, object] = json.loads(outcome.out)
    return found


def test_a_task_goes_through_its_life(terracrm: Terracrm, office: Office) -> None:
    maria = office.contacts["maria@market.example"].id
    made = row(
        terracrm, "add", "Call back", "--contact", maria, "--responsible", "anna", "--due", "2026-01-15",
        "--remind", "2026-01-15T09:00", "--text", "About the contract", "--importance", "high",
    )  # fmt: skip
    assert made["clients"] == [{"entity": "contact", "id": maria, "name": "Мария Иванова"}]
    assert (made["state"], made["due_on"], made["is_overdue"]) == ("open", "2026-01-15", True)
    assert made["remind_at"] == "2026-01-15T06:00:00+00:00"
    number = made["id"]

    assert row(terracrm, "set", number, "--due", "none", "--responsible", "boris")["responsible"] == "Boris Orlov"
    assert row(terracrm, "done", number)["state"] == "done"
    assert row(terracrm, "reopen", number, "--user", "boris")["state"] == "open"
    assert row(terracrm, "done", number, "--user", "boris")["done_by"] == "Boris Orlov"
    assert row(terracrm, "reopen", number)["due_on"] is None
    assert row(terracrm, "cancel", number)["state"] == "cancelled"


def test_lists_are_for_people_and_for_programs(terracrm: Terracrm) -> None:
    for subject, due in (("Later", "2199-01-01"), ("Sooner", "2020-01-01")):
        row(terracrm, "add", subject, "--responsible", "anna", "--due", due)
    lines = terracrm("task", "list").out.splitlines()
    assert [line.split("  ")[-1] for line in lines] == [
        "Sooner: due 2020-01-01 (overdue), Anna Sokolova",
        "Later: due 2199-01-01, Anna Sokolova",
    ]
    assert "Later" not in terracrm("task", "list", "--overdue").out
    assert terracrm("task", "list", "--responsible", "boris").out == ""
    assert terracrm("task", "list", "--user", "boris").out == ""
    told = [json.loads(line) for line in terracrm("task", "list", "--state", "all", "--json").out.splitlines()]
    assert {found["subject"] for found in told} == {"Later", "Sooner"}
    counts = json.loads(terracrm("stats", "--json").out)["tasks"]
    assert counts == {"open": 2, "done": 0}


BAD = [
    (("add", "Call"), 2, "Say who is to do the task"),
    (("add", " ", "--responsible", "anna"), 2, "needs a subject"),
    (("add", "Call", "--responsible", "viktor"), 2, "Only a client manager"),
    (("add", "Call", "--responsible", "nobody"), 1, "no user nobody"),
    (("add", "Call", "--responsible", "anna", "--contact", "999"), 1, "no such client"),
    (("add", "Call", "--responsible", "anna", "--due", "soon"), 2, "is no day"),
    (("add", "Call", "--responsible", "anna", "--remind", "soon"), 2, "is no time"),
    (("add", "Call", "--responsible", "anna", "--importance", "huge"), 2, "low, normal, high"),
    (("add", "Call", "--user", "viktor", "--responsible", "anna"), 1, "changes nothing"),
    (("done", "999"), 1, "no such task"),
    (("set", "999"), 2, "say what is to be changed"),
    (("list", "--state", "lost"), 2, "--state is one of"),
]


@pytest.mark.parametrize(("words", "code", "says"), BAD, ids=[" ".join(words) for words, _, _ in BAD])
def test_what_cannot_be_is_refused_in_plain_words(
    terracrm: Terracrm, words: tuple[str, ...], code: int, says: str
) -> None:
    outcome = terracrm("task", *words)
    assert (outcome.code, outcome.out) == (code, "")
    assert says in outcome.err
