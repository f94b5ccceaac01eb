"""`terracrm sync plan`: what runs would do here and in Outlook, and nothing is; `sync run --plan`: just that (Y1)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from connectors.base import Account
from connectors.simulator.simulator import Simulator
from sync.connecting import connect
from terracrm import db
from terracrm.models import Contact, Link, Message, OutboxItem, Plan, SyncRun
from terracrm.services import outbox
from tests.cli.conftest import PASSWORD, Terracrm, letter
from tests.cli.test_mailbox_outlook import ANNA, mailbox

__all__ = ["mailbox"]


@pytest.fixture
def rows(folder: Path) -> Iterator[Session]:
    """The database of the commands."""
    engine = db.make_engine(f"sqlite:///{next(folder.rglob('terracrm.db'))}")
    with db.session_factory(engine)() as session:
        yield session
    engine.dispose()


def steps(terracrm: Terracrm, *words: object) -> list[dict[str, Any]]:
    done = terracrm("sync", "plan", "--mailbox", ANNA, *words, "--json")
    assert (done.code, done.err) == (0, "")
    return [json.loads(line) for line in done.out.splitlines()]


def delete(simulator: Simulator, *folders: str) -> None:
    """Somebody empties these folders of Anna's mailbox in Outlook."""
    account = Account(ANNA, simulator.url, "service@romashka.example", PASSWORD, impersonate=True)
    connector = connect(account)
    for folder in connector.folders():
        if folder.well_known in folders:
            for page in connector.changes(folder, None, 100):
                for change in page.changes:
                    connector.delete(change.remote_id, change.version)
    connector.close()


def counted(rows: Session) -> tuple[int, ...]:
    rows.expire_all()
    return tuple(rows.query(model).count() for model in (Message, Contact, Link, OutboxItem, SyncRun))


@pytest.mark.usefixtures("mailbox")
def test_a_mailbox_without_news_has_nothing_to_do(terracrm: Terracrm, rows: Session) -> None:
    assert steps(terracrm) == []
    shown = terracrm("sync", "plan", "--mailbox", ANNA)
    assert (shown.code, shown.out) == (0, f"Plan 2: {ANNA}: nothing is to be done, both sides agree\n")
    assert [plan.state for plan in rows.query(Plan).order_by(Plan.id)] == ["superseded", "open"]
    assert terracrm("sync", "run", "--plan", 2).code == 0


@pytest.mark.usefixtures("mailbox")
def test_what_would_be_written_is_told_field_by_field_and_nothing_is(terracrm: Terracrm, rows: Session) -> None:
    terracrm("mailbox", "outlook", ANNA, "--clients", "on", "--apply")
    before = counted(rows)
    [folder, made] = steps(terracrm)
    assert (folder["act"], folder["entity"], folder["id"], folder["name"], folder["direction"]) == (
        "create", "folder", None, "TerraCRM Clients", "out"
    )  # fmt: skip
    assert (made["act"], made["entity"], made["name"], made["rule"], made["direction"], made["stream"]) == (
        "create", "contact", "Maria", "in_scope", "out", "contacts"
    )  # fmt: skip
    assert {"field": "display_name", "old": "", "new": "Maria"} in made["fields"]
    assert counted(rows) == before
    shown = terracrm("sync", "plan", "--mailbox", ANNA).out
    assert "contacts into Outlook:\n  create folder (TerraCRM Clients): written into\n" in shown
    assert f"\n  create contact {made['id']} (Maria): in scope\n" in shown
    assert "    display_name     empty -> Maria\n" in shown
    assert shown.endswith(f"terracrm sync run --plan {made['plan'] + 1} does just these steps.\n")

    terracrm("sync", "run")
    assert steps(terracrm) == []

    rows.expire_all()
    rows.get_one(Contact, made["id"]).job_title = "Buyer"
    outbox.owe(rows, 1, outbox.CONTACT, [made["id"]], "portal")
    rows.commit()
    [changed] = steps(terracrm)
    assert (changed["act"], changed["reason"]) == ("change", "portal")
    assert changed["fields"] == [{"field": "job_title", "old": "", "new": "Buyer"}]

    terracrm("mailbox", "outlook", ANNA, "--clients", "remove", "--apply")
    [removed] = steps(terracrm)
    assert (removed["act"], removed["rule"], removed["fields"]) == ("remove", "left_scope", [])
    again = steps(terracrm)
    assert again == [removed | {"plan": removed["plan"] + 1}]


@pytest.mark.usefixtures("mailbox")
def test_what_came_and_went_in_outlook_is_told_and_done_by_its_plan(
    terracrm: Terracrm, rows: Session, simulator: Simulator
) -> None:
    delete(simulator, "sentitems")
    simulator.deliver(letter("second@market.example", "More milk"), [ANNA])
    before = counted(rows)
    found = steps(terracrm)
    assert sorted((step["direction"], step["act"], step["entity"], step["rule"]) for step in found) == [
        ("in", "create", "message", "mail"), ("in", "remove", "message", "left_folder")
    ]  # fmt: skip
    assert {step["name"] for step in found} >= {"RE: Order of milk"}
    assert steps(terracrm, "--stream", "contacts") == []
    assert counted(rows) == before

    done = terracrm("sync", "run", "--plan", found[0]["plan"])
    assert (done.code, done.err) == (0, "")
    assert "1 created, 1 deleted" in done.out
    assert rows.query(Message).count() == 3
    assert rows.query(Link).filter(Link.gone_at.is_not(None)).count() == 1
    assert rows.get_one(Plan, found[0]["plan"]).state == "done"
    again = terracrm("sync", "run", "--plan", found[0]["plan"])
    assert (again.code, "is done" in again.err) == (2, True)


@pytest.mark.usefixtures("mailbox")
def test_what_has_moved_since_is_left_and_told(terracrm: Terracrm, rows: Session, simulator: Simulator) -> None:
    delete(simulator, "sentitems")
    [planned] = steps(terracrm)
    simulator.deliver(letter("second@market.example", "More milk"), [ANNA])
    done = terracrm("sync", "run", "--plan", planned["plan"])
    assert done.code == 3
    assert "this has moved, and was left as it is:" in done.out
    assert "  create message: mail (not in the plan)\n" in done.out
    assert (rows.query(Message).count(), rows.query(Link).filter(Link.gone_at.is_not(None)).count()) == (2, 1)
    [left] = steps(terracrm)
    assert (left["act"], left["entity"]) == ("create", "message")


@pytest.mark.usefixtures("mailbox")
def test_a_run_that_was_stopped_goes_on_when_it_is_approved(
    terracrm: Terracrm, rows: Session, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERRACRM_SYNC__BRAKE_ITEMS", "1")
    delete(simulator, "sentitems", "inbox")
    stopped = terracrm("sync", "run", "--stream", "mail")
    assert (stopped.code, "terracrm plan approve 1 " in stopped.err) == (1, True)
    assert rows.query(Link).filter(Link.gone_at.is_not(None)).count() == 1  # what the brake lets through
    waits = terracrm("sync", "run", "--mailbox", ANNA, "--stream", "mail")
    assert (waits.code, "terracrm plan approve 1 " in waits.err, "mailbox enable" in waits.err) == (1, True, False)
    assert "waits for approval" in terracrm("sync", "run", "--plan", 1).err
    assert terracrm("plan", "list").out.startswith(f"    1  {ANNA} mail: waits for a decision, 1 removed of 2 items")
    assert terracrm("plan", "approve", 1).code == 0
    assert "1 deleted" in terracrm("sync", "run", "--stream", "mail").out
    assert terracrm("plan", "list").out.startswith(f"    1  {ANNA} mail: done")


@pytest.mark.usefixtures("mailbox")
def test_a_purge_leaves_no_plan_of_the_mailbox(terracrm: Terracrm, simulator: Simulator) -> None:
    simulator.deliver(letter("second@market.example", "More milk"), [ANNA])
    assert len(steps(terracrm)) == 1
    assert terracrm("mailbox", "purge", ANNA, "--apply").code == 0
    assert terracrm("plan", "list").out == ""


def test_what_cannot_be_planned_is_said(terracrm: Terracrm, password_file: Path) -> None:
    who = ("--server", "http://127.0.0.1:9/EWS/Exchange.asmx", "--username", "x", "--password-file", password_file)
    terracrm("mailbox", "add", ANNA, *who)
    for words, says in (
        (("plan", "--mailbox", "who@nowhere.example"), "there is no mailbox"),
        (("plan", "--mailbox", ANNA, "--stream", "fax"), "--stream: fax is none of"),
        (("plan", "--mailbox", ANNA, "--stream", "posts"), f"{ANNA} keeps no posts"),
        (("plan", "--mailbox", ANNA), "127.0.0.1"),
        (("run", "--plan", 7), "there is no plan 7"),
        (("run", "--plan", 7, "--mailbox", ANNA), "leave out --mailbox"),
    ):
        answer = terracrm("sync", *words)
        assert (answer.code != 0, says in answer.err, answer.out) == (True, True, ""), answer.err
