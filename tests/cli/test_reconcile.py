"""`terracrm sync reconcile`, `terracrm quarantine`, and `terracrm mailbox change` (S13, S14), against a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from connectors.simulator.simulator import Simulator
from terracrm import db
from terracrm.models import Activity, AuditEntry, Link, Message, QuarantinedItem, Stream, utcnow

from .conftest import PASSWORD, Terracrm, letter

ANNA = "anna@romashka.example"


SICK: dict[str, dict[str, Any]] = {
    "ErrorContentConversionFailed": {"kind": "conversion_failed", "item": "Sick"},  # the whole batch
    "ErrorItemCorrupt": {"kind": "corrupt_item", "item": "Sick"},
    "ErrorItemPropertyRequestFailed": {
        "kind": "error",
        "operation": "GetItem",
        "code": "ErrorItemPropertyRequestFailed",
        "per_item": True,
        "position": 0,
        "count": 2,  # in its batch, and alone
    },
}


@pytest.fixture
def mirrored(terracrm: Terracrm, simulator: Simulator, password_file: Path, folder: Path) -> Iterator[Session]:
    """Anna's mailbox with four mails, mirrored, and the database of the commands."""
    for number in range(3):
        simulator.deliver(letter(f"n{number}@market.example", f"Order {number}"), [ANNA])
    who = ("--username", "service@romashka.example", "--password-file", password_file, "--impersonate")
    terracrm("mailbox", "add", ANNA, "--server", simulator.url, *who, "--enable", "--streams", "mail")
    assert terracrm("sync", "run").code == 0
    engine = db.make_engine(f"sqlite:///{next(folder.rglob('*.db'))}")
    with db.session_factory(engine)() as session:
        yield session
    engine.dispose()


def facts(out: str) -> dict[str, Any]:
    (line,) = out.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_gap_is_told_mended_and_over(terracrm: Terracrm, mirrored: Session) -> None:
    told = terracrm("sync", "reconcile")
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith(f"{ANNA} mail: 4 here, 4 there, 0 missing, 0 extra (ok, ")
    link = mirrored.scalars(select(Link).order_by(Link.id)).first()
    assert link is not None
    lost = link.remote_id
    mirrored.execute(delete(Link).where(Link.id == link.id))
    mirrored.commit()
    told = terracrm("sync", "reconcile", "--mailbox", ANNA, "--stream", "mail")
    assert told.code == 3
    assert "3 here, 4 there, 1 missing, 0 extra (degraded" in told.out
    assert f"  missing  Inbox: {lost}" in told.out
    assert "not the same here and in the mailbox: 1 missing; terracrm sync reconcile" in terracrm("mailbox", "list").out
    found = facts(terracrm("sync", "reconcile", "--repair", "--json").out)
    assert {"here", "there", "missing", "extra", "stale", "quarantined", "skipped"} <= found.keys()
    assert (found["missing"], found["repaired"], found["state"], found["refused"]) == (1, 1, "ok", "")
    assert found["gaps"][0] | {"local_id": 0, "name": ""} == {
        "kind": "missing",
        "folder": "Inbox",
        "remote_id": lost,
        "entity": "message",
        "local_id": 0,
        "name": "",
    }
    assert facts(terracrm("sync", "reconcile", "--json").out)["missing"] == 0
    mirrored.rollback()
    assert mirrored.scalar(select(func.count()).select_from(Message)) == 4


def test_the_server_is_asked_little_and_an_empty_answer_is_not_believed(
    terracrm: Terracrm, mirrored: Session, simulator: Simulator
) -> None:
    simulator.fault("empty_folder", operation="FindItem")
    found = facts(terracrm("sync", "reconcile", "--repair", "--json").out)
    assert (found["here"], found["there"], found["extra"]) == (4, 4, 0)
    assert mirrored.scalar(select(func.count()).select_from(Link).where(Link.gone_at.is_not(None))) == 0


@pytest.mark.usefixtures("mirrored")
def test_a_sick_item_stops_none_of_the_others(terracrm: Terracrm, simulator: Simulator) -> None:
    for code, fault in SICK.items():
        simulator.fault(**fault)
        for number in range(9):
            simulator.deliver(letter(f"{code}{number}@market.example", f"Well {number}"), [ANNA])
        simulator.deliver(letter(f"{code}@market.example", "Sick letter"), [ANNA])
        simulator.requests.clear()
        [run] = [json.loads(line) for line in terracrm("sync", "run", "--json").out.splitlines()]
        assert (run["created"], run["quarantined"], run["state"]) == (9, 1, "degraded"), code
        assert simulator.requests.count("GetItem") <= 9
        assert code in facts(terracrm("quarantine", "list", "--json").out)["error"]
        simulator.faults.clear()
        terracrm("quarantine", "retry", "--all")
        [run] = [json.loads(line) for line in terracrm("sync", "run", "--json").out.splitlines()]
        assert (run["created"], run["state"]) == (1, "ok"), code


def test_a_sick_item_is_listed_and_tried_again_when_asked_for(
    terracrm: Terracrm, mirrored: Session, simulator: Simulator
) -> None:
    assert terracrm("quarantine", "list").out == ""
    assert terracrm("quarantine", "retry", "--all").out == "Nothing is in quarantine.\n"
    simulator.fault("conversion_failed", item="Sick")
    for number in range(5):
        simulator.deliver(letter(f"m{number}@market.example", f"Well {number}"), [ANNA])
    simulator.deliver(letter("s@market.example", "Sick letter"), [ANNA])
    [run] = [json.loads(line) for line in terracrm("sync", "run", "--json").out.splitlines()]
    assert (run["created"], run["quarantined"], run["state"]) == (5, 1, "degraded")
    found = facts(terracrm("sync", "reconcile", "--json").out)
    assert (found["here"], found["there"], found["quarantined"], found["missing"]) == (9, 10, 1, 0)
    sick = facts(terracrm("quarantine", "list", "--mailbox", ANNA, "--json").out)
    assert (sick["mailbox"], sick["stream"], sick["folder"], sick["attempts"]) == (ANNA, "mail", "Inbox", 1)
    assert "ErrorContentConversionFailed" in sick["error"]
    assert "1 try, next " in terracrm("quarantine", "list").out
    terracrm("sync", "run")
    mirrored.rollback()
    assert mirrored.scalars(select(QuarantinedItem)).one().attempts == 1, "it has its own time"
    assert terracrm("quarantine", "retry", sick["id"]).out == "1 item is tried again.\n"
    mirrored.rollback()
    assert mirrored.scalars(select(Stream)).one().due_at <= utcnow()
    terracrm("sync", "run")
    mirrored.rollback()
    assert mirrored.scalars(select(QuarantinedItem)).one().attempts == 2
    simulator.faults.clear()
    assert facts(terracrm("quarantine", "retry", "--mailbox", ANNA, "--json").out) == {"retried": 1}
    [run] = [json.loads(line) for line in terracrm("sync", "run", "--json").out.splitlines()]
    assert (run["created"], run["state"]) == (1, "ok")
    assert terracrm("quarantine", "list").out == ""


REFUSED = [
    ("sync reconcile --anyway", 2, "--anyway goes with --repair"),
    ("sync reconcile --mailbox who@nowhere.example", 1, "there is no mailbox"),
    ("sync reconcile --stream letters", 2, "letters is none of"),
    ("quarantine retry", 2, "say one of ID, --mailbox ADDRESS and --all"),
    ("quarantine retry 4711", 1, "no longer in quarantine"),
    (f"mailbox change {ANNA}", 2, "say what has changed"),
    (f"mailbox change {ANNA} --address nobody", 2, "no e-mail address"),
    (f"mailbox change {ANNA} --server mail.example", 2, "no server URL"),
    (f"mailbox change {ANNA} --address boris@romashka.example", 2, "is there already"),
]


def test_what_does_not_fit_is_refused(terracrm: Terracrm, password_file: Path) -> None:
    for address in (ANNA, "boris@romashka.example"):
        who = ("--server", "http://127.0.0.1:9", "--username", "x", "--password-file", password_file)
        assert terracrm("mailbox", "add", address, *who).code == 0
    for words, code, what in REFUSED:
        refused = terracrm(*words.split())
        assert (refused.code, what in refused.err) == (code, True), (words, refused.err)


def test_a_mailbox_that_was_renamed_or_moved_goes_on(
    terracrm: Terracrm, mirrored: Session, simulator: Simulator
) -> None:
    with Simulator(domain="romashka.example", password=PASSWORD) as other:
        renamed = "anna.ivanova@romashka.example"
        other.add_mailbox(renamed, "Anna")
        for number in range(3):
            other.deliver(letter(f"n{number}@market.example", f"Order {number}"), [renamed])
        told = terracrm("mailbox", "change", ANNA, "--address", renamed, "--server", other.url)
        assert told.out.startswith(f"{ANNA} is changed: it is {renamed} now.\n")
        assert terracrm("sync", "run", "--json").code == 0
        found = facts(terracrm("sync", "reconcile", "--json").out)
        assert (found["mailbox"], found["here"], found["there"], found["state"]) == (renamed, 3, 3, "ok")
    line = mirrored.scalars(select(AuditEntry).where(AuditEntry.action == "mailbox.change")).one()
    assert ANNA in line.detail
    assert mirrored.scalar(select(func.count()).select_from(Activity)) == 4
