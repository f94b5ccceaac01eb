"""`terracrm plan`: what waits for approval, and the decision (Y1, Y2)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from terracrm import db
from terracrm.models import AuditEntry, Plan, StreamState
from terracrm.services import plans
from terracrm.services.plans import Field, Step
from tests.cli.conftest import Terracrm
from tests.office import OURS, make_office

ANNA, BORIS = f"anna@{OURS}", f"boris@{OURS}"


@pytest.fixture(autouse=True)
def rows(terracrm: Terracrm, folder: Path) -> Iterator[Session]:
    """The small office in the database of the commands; the brake stopped Anna's mail, and Boris's was looked at."""
    terracrm("db", "upgrade")
    engine = db.make_engine(f"sqlite:///{next(folder.rglob('*.db'))}")
    with db.session_factory(engine)() as session:
        office = make_office(session)
        anna, boris = (office.mailboxes[name].streams[0] for name in ("anna", "boris"))
        inbox, maria = anna.folders[0].id, office.contacts["maria@market.example"].id
        gone = [
            Step(
                anna.id, "in", "remove", "message", office.activities["question"].id, inbox, f"m{n}", "", "left_folder"
            )
            for n in range(60)
        ]
        card = Step(
            anna.id, "out", "change", "contact", maria, inbox, "card", "", "in_scope",
            (Field("job_title", "Закупщик", "Директор"), Field("history", "old subjects", "new subjects")),
        )  # fmt: skip
        new = Step(boris.id, "in", "create", "contact", 5, None, "new", "", "", (Field("notes", "", "a\n\n b" * 60),))
        plans.store(session, anna.mailbox_id, anna.id, plans.BRAKE, [*gone, card], items=1000)
        anna.state = StreamState.APPROVAL
        plans.store(session, boris.mailbox_id, None, plans.COMMAND, [new])
        session.commit()
        yield session
    engine.dispose()


def test_what_waits_is_listed_first(terracrm: Terracrm) -> None:
    first, second = terracrm("plan", "list").out.splitlines()
    assert first.startswith(f"    1  {ANNA} mail: waits for a decision, 60 removed, 1 changed of 1000 items, made ")
    assert second.startswith(f"    2  {BORIS}: open, 1 created, made ")
    told = [json.loads(line) for line in terracrm("plan", "list", "--mailbox", BORIS, "--json").out.splitlines()]
    assert [(plan["id"], plan["cause"], plan["state"], plan["creations"]) for plan in told] == [
        (2, "command", "open", 1)
    ]


def test_a_plan_is_shown_step_by_step(terracrm: Terracrm) -> None:
    lines = terracrm("plan", "show", 1).out.splitlines()
    assert lines[0].startswith(f"1  {ANNA} mail: waits")
    assert lines[1] == "mail from Outlook:"
    assert re.search(r"\(Договор поставки сметаны, 20\d\d-\d\d-\d\d \d\d:\d\d\): left folder$", lines[2])
    assert lines[62] == "mail into Outlook:"
    assert lines[63].endswith("(Мария Иванова): in scope")
    assert lines[64:] == ["    job_title        Закупщик -> Директор", "    history          changes"]
    told = [json.loads(line) for line in terracrm("plan", "show", 1, "--act", "change", "--json").out.splitlines()]
    [step] = told
    assert {name: step[name] for name in ("plan", "mailbox", "direction", "act", "entity", "rule", "name")} == {
        "plan": 1, "mailbox": ANNA, "direction": "out", "act": "change", "entity": "contact", "rule": "in_scope",
        "name": "Мария Иванова",
    }  # fmt: skip
    assert step["fields"][0] == {"field": "job_title", "old": "Закупщик", "new": "Директор"}
    shown = terracrm("plan", "show", 2).out.splitlines()
    assert shown[2] == "  create contact"
    assert shown[3].startswith("    notes            empty -> a / ba / b")
    assert shown[3].endswith("…")


def test_what_is_approved_or_rejected_is_so_once(terracrm: Terracrm, rows: Session) -> None:
    done = terracrm("plan", "approve", 1)
    assert (done.code, done.err) == (0, "")
    assert f"Plan 1 is approved: 60 removed, 1 changed of 1000 items. The next run of {ANNA} mail" in done.out
    rows.expire_all()
    plan = rows.get_one(Plan, 1)
    assert plan.stream
    assert (plan.state, plan.stream.state, plan.user_id) == ("approved", "ok", None)
    assert "command line" in (rows.query(AuditEntry).filter_by(entity="plan").one().detail)
    for word in ("approve", "reject"):
        again = terracrm("plan", word, 1)
        assert (again.code, "plan 1 is approved already" in again.err) == (2, True)
    assert "sync run --plan 2" in terracrm("plan", "approve", 2).err


def test_a_rejected_plan_says_how_it_goes_on(terracrm: Terracrm, rows: Session) -> None:
    done = terracrm("plan", "reject", 1)
    assert (done.code, f"terracrm mailbox enable {ANNA}" in done.out) == (0, True)
    assert rows.get_one(Plan, 1, populate_existing=True).state == "rejected"
    assert "plan 1 was rejected" in terracrm("mailbox", "list", "--json").out
    assert terracrm("mailbox", "enable", ANNA).code == 0
    rows.expire_all()
    stream = rows.get_one(Plan, 1).stream
    assert stream
    assert (stream.state, stream.last_error) == ("ok", "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("plan", "show", 9), "no such plan"),
        (("plan", "approve", 9), "no such plan"),
        (("plan", "show", 1, "--act", "burn"), "burn is none of remove, change, create"),
        (("plan", "list", "--mailbox", "who@nowhere.example"), "no mailbox who@nowhere.example"),
    ],
)
def test_what_is_not_there_is_said(terracrm: Terracrm, words: tuple[object, ...], says: str) -> None:
    answer = terracrm(*words)
    assert (answer.code != 0, says in answer.err) == (True, True)
