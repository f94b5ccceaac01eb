"""`terracrm sync plan`: what would be written into a mailbox, and nothing is (Y1)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from terracrm import db
from terracrm.models import Contact, OutboxItem
from terracrm.services import outbox
from tests.cli.conftest import Terracrm
from tests.cli.test_mailbox_outlook import ANNA, mailbox

__all__ = ["mailbox"]


@pytest.fixture
def rows(folder: Path) -> Iterator[Session]:
    """The database of the commands."""
    engine = db.make_engine(f"sqlite:///{next(folder.rglob('terracrm.db'))}")
    with db.session_factory(engine)() as session:
        yield session
    engine.dispose()


def steps(terracrm: Terracrm) -> list[dict[str, Any]]:
    return [json.loads(line) for line in terracrm("sync", "plan", "--mailbox", ANNA, "--json").out.splitlines()]


@pytest.mark.usefixtures("mailbox")
def test_nothing_is_planned_for_a_mailbox_that_is_only_read(terracrm: Terracrm) -> None:
    assert steps(terracrm) == []
    shown = terracrm("sync", "plan", "--mailbox", ANNA)
    assert (shown.code, shown.out.startswith(f"Nothing is written into {ANNA}")) == (0, True)
    assert "there is no mailbox" in terracrm("sync", "plan", "--mailbox", "who@nowhere.example").err


@pytest.mark.usefixtures("mailbox")
def test_a_plan_says_what_is_made_changed_and_removed_and_touches_nothing(terracrm: Terracrm, rows: Session) -> None:
    terracrm("mailbox", "outlook", ANNA, "--clients", "on", "--apply")
    before = rows.query(OutboxItem).count()
    [made] = steps(terracrm)
    assert (made["act"], made["entity"], made["name"], made["rule"], made["direction"]) == (
        "create", "contact", "Maria", "in_scope", "out"
    )  # fmt: skip
    assert {"field": "display_name", "old": "", "new": "Maria"} in made["fields"]
    assert rows.query(OutboxItem).count() == before
    shown = terracrm("sync", "plan", "--mailbox", ANNA).out
    assert f"  create contact {made['id']} (Maria): in scope\n" in shown
    assert "    display_name     empty -> Maria\n" in shown

    terracrm("sync", "run")
    assert steps(terracrm) == []
    assert "has all that it should" in terracrm("sync", "plan", "--mailbox", ANNA).out

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
    assert steps(terracrm) == [removed]
