"""`terracrm conflict`: fields that were changed on both sides (W1)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from terracrm import db
from terracrm.models import Conflict, Contact
from tests.cli.conftest import Terracrm
from tests.office import make_office


@pytest.fixture(autouse=True)
def rows(terracrm: Terracrm, folder: Path) -> Iterator[Session]:
    """The small office in the database of the commands, with a conflict about each of two fields of Мария."""
    terracrm("db", "upgrade")
    engine = db.make_engine(f"sqlite:///{next(folder.rglob('*.db'))}")
    with db.session_factory(engine)() as session:
        office = make_office(session)
        maria = office.contacts["maria@market.example"]
        box = office.mailboxes["anna"].id
        for field, crm, outlook, winner in (
            ("job_title", "Закупщик", "Директор", "crm"),
            ("phones", {"label": "mobile", "number": "+7 495 123-45-67"}, None, "crm"),
        ):
            row = Conflict(entity="contact", entity_id=maria.id, field=field, crm_value=crm, outlook_value=outlook)
            row.winner, row.rule, row.mailbox_id = winner, "latest", box
            session.add(row)
            session.flush()
        session.commit()
        yield session
    engine.dispose()


def job_title(rows: Session) -> str:
    rows.expire_all()
    return rows.query(Contact).filter(Contact.name_key == "мария иванова").one().job_title


def test_both_values_are_listed_with_the_rule(terracrm: Terracrm) -> None:
    lines = terracrm("conflict", "list").out.splitlines()
    assert lines[1:3] == [
        "       stands: +7 495 123-45-67 (mobile) (of the CRM: the later change wins)",
        "       other:  empty (of Outlook)",
    ]
    told = json.loads(terracrm("conflict", "list", "--json").out.splitlines()[1])
    assert (told["name"], told["field"], told["won"], told["other"]) == (
        "Мария Иванова", "job_title", "Закупщик", "Директор"
    )  # fmt: skip
    assert terracrm("conflict", "list", "--decided").out == ""


def test_the_other_value_is_taken_and_a_decision_holds(terracrm: Terracrm, rows: Session) -> None:
    assert terracrm("conflict", "take", 1).out == "job_title of Мария Иванова is now: Директор\n"
    assert job_title(rows) == "Директор"
    assert terracrm("conflict", "keep", 2).out == "phones of Мария Иванова stays: +7 495 123-45-67\n"
    assert terracrm("conflict", "list").out == ""
    assert "taken" in terracrm("conflict", "list", "--decided").out
    again = terracrm("conflict", "take", 1)
    assert (again.code, "decided about this conflict already" in again.err) == (1, True)
    assert "no such conflict" in terracrm("conflict", "keep", 4711).err


def test_what_was_changed_since_is_overwritten_only_when_said(terracrm: Terracrm, rows: Session) -> None:
    rows.query(Contact).filter(Contact.name_key == "мария иванова").one().job_title = "Владелец"
    rows.commit()
    assert "changed since: Владелец" in terracrm("conflict", "list").out
    refused = terracrm("conflict", "take", 1)
    assert (refused.code, "is now Владелец" in refused.err) == (1, True)
    assert job_title(rows) == "Владелец"
    assert terracrm("conflict", "take", 1, "--anyway").code == 0
    assert job_title(rows) == "Директор"
