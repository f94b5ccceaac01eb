"""The brake over EWS: a server that shows an empty folder by mistake, and a person who really empties one (Y2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from connectors.base import Account
from connectors.exchange_ews import ExchangeEWS
from connectors.exchange_ews.connect import connect
from connectors.simulator.simulator import Simulator
from sync.engine import run_stream
from sync.planning import plan_mailbox
from sync.run import Summary
from terracrm.config import Settings
from terracrm.models import Link, Plan, Stream
from terracrm.services import access, mailboxes, plans

SQLITE_FIRST = True

ANNA = "anna@example.test"
LETTERS = 6


def letter(number: int) -> bytes:
    return (
        f"Message-ID: <{number}@lavka.example>\r\nFrom: olga@lavka.example\r\nTo: {ANNA}\r\n"
        f"Subject: Letter {number}\r\nDate: Mon, 02 Mar 2026 12:00:00 +0300\r\n\r\nHello {number}\r\n"
    ).encode()


class Desk:
    """Anna's mailbox with its letters, and its mail here."""

    def __init__(self, settings: Settings, sessions: sessionmaker[Session], simulator: Simulator, file: Path) -> None:
        self.settings, self.sessions, self.simulator = settings, sessions, simulator
        settings.sync.brake_items, settings.sync.reconcile_hours = 3, 0
        simulator.add_mailbox(ANNA, "Anna")
        for number in range(LETTERS):
            simulator.deliver(letter(number), [ANNA])
        with sessions.begin() as session:
            mailbox = mailboxes.add(session, ANNA, simulator.url, ANNA, password_file=file, streams=["mail"])
            mailboxes.enable(session, mailbox)
        assert self.run().counts.created == LETTERS

    def run(self) -> Summary:
        with self.sessions() as session:
            stream_id = session.scalars(select(Stream.id)).one()
        summary = run_stream(self.settings, self.sessions, stream_id, ExchangeEWS)
        assert summary is not None
        return summary

    def live(self) -> int:
        with self.sessions() as session:
            return session.scalar(select(func.count()).select_from(Link).where(Link.gone_at.is_(None))) or 0


@pytest.fixture
def desk(sessions: sessionmaker[Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("TERRACRM_PATHS__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TERRACRM_MIRROR__INTERNAL_DOMAINS", "example.test")
    file = tmp_path / "password"
    file.write_text("secret-word\n")
    with Simulator(domain="example.test", password="secret-word") as simulator:
        yield Desk(Settings(), sessions, simulator, file)


@pytest.mark.parametrize("most", [3, 100])
def test_a_folder_that_the_server_shows_as_empty_by_mistake_stays_and_heals_by_itself(desk: Desk, most: int) -> None:
    desk.settings.sync.brake_items = most
    fault = desk.simulator.fault("empty_folder")
    summary = desk.run()
    assert (summary.state, desk.live()) == ("backoff", LETTERS)
    assert "Inbox" in summary.error
    desk.simulator.faults.remove(fault.number)
    summary = desk.run()
    assert (summary.state, desk.live(), summary.counts.created) == ("ok", LETTERS, 0)


def test_a_letter_that_the_server_tells_as_deleted_by_mistake_stays(desk: Desk) -> None:
    fault = desk.simulator.fault("false_delete", item="Letter 2")
    outlook = connect(Account(ANNA, desk.simulator.url, ANNA, "secret-word"))
    outlook.inbox.all().get(subject="Letter 1").delete()
    summary = desk.run()
    assert (summary.state, desk.live()) == ("backoff", LETTERS)
    desk.simulator.faults.remove(fault.number)
    summary = desk.run()
    assert (summary.state, desk.live(), summary.counts.deleted) == ("ok", LETTERS - 1, 1)


def test_a_letter_that_was_moved_is_no_contradiction(desk: Desk) -> None:
    outlook = connect(Account(ANNA, desk.simulator.url, ANNA, "secret-word"))
    outlook.inbox.all().get(subject="Letter 1").move(outlook.sent)
    summary = desk.run()
    assert (summary.state, desk.live()) == ("ok", LETTERS)


def test_a_server_that_forgot_its_place_and_shows_nothing_removes_nothing(desk: Desk) -> None:
    desk.simulator.fault("invalid_sync_state", operation="SyncFolderItems", count=1)
    fault = desk.simulator.fault("empty_folder")
    summary = desk.run()
    assert (summary.state, desk.live()) == ("backoff", LETTERS)
    desk.simulator.faults.remove(fault.number)
    summary = desk.run()
    assert (summary.state, desk.live(), summary.counts.created) == ("ok", LETTERS, 0)


def test_a_folder_that_a_person_emptied_waits_and_is_planned_alike(desk: Desk) -> None:
    outlook = connect(Account(ANNA, desk.simulator.url, ANNA, "secret-word"))
    outlook.inbox.all().delete(delete_type="MoveToDeletedItems")
    summary = desk.run()
    assert (summary.state, desk.live()) == ("approval", LETTERS)
    with desk.sessions.begin() as session:
        plan = session.scalars(select(Plan)).one()
        kept = plans.steps(session, plan.id)
        mailbox_id = plan.mailbox_id
    looked = plan_mailbox(desk.settings, desk.sessions, ExchangeEWS, mailbox_id)
    assert {step.fingerprint for step in looked} == {step.fingerprint for step in kept}
    with desk.sessions.begin() as session:
        plans.approve(session, access.operator(), plan.id)
    summary = desk.run()
    assert (summary.state, summary.counts.deleted, desk.live()) == ("ok", LETTERS, 0)
