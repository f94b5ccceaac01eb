"""A mailbox moves to another Exchange server, all of it, and over EWS everything is found again (S13)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import exchangelib
import pytest
from exchangelib import items as ews
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from connectors.base import Account
from connectors.exchange_ews import ExchangeEWS
from connectors.exchange_ews.connect import connect
from connectors.simulator.simulator import Simulator
from sync.engine import run_stream
from sync.run import Order, Summary
from terracrm.config import Settings
from terracrm.domain.names import name_key
from terracrm.domain.records import StreamKind
from terracrm.models import (
    Activity,
    Company,
    Conflict,
    Contact,
    ContactAddress,
    FieldChange,
    Link,
    Meeting,
    Message,
    Reconciliation,
    Stream,
    User,
)
from terracrm.services import access, mailboxes, tasks
from terracrm.services.tasks import Draft

SQLITE_FIRST = True

ANNA = "anna@example.test"
CLIENTS, HISTORY = "TerraCRM Clients", "TerraCRM History"
KINDS = ("contacts", "calendar", "mail", "tasks", "posts")
WHAT = (Activity, Message, Meeting, Contact, FieldChange, Conflict)


class Desk:
    """Anna in Outlook, with clients, tasks and posts written into her mailbox."""

    def __init__(self, settings: Settings, sessions: sessionmaker[Session], simulator: Simulator, file: Path) -> None:
        self.settings, self.sessions, self.simulator = settings, sessions, simulator
        simulator.add_mailbox(ANNA, "Anna")
        self.outlook = connect(Account(ANNA, simulator.url, ANNA, "secret"))
        with sessions.begin() as session:
            user = User(name="anna", full_name="Anna", email=ANNA, role_code="manager", language="en")
            company = Company(name="Market", name_key="market")
            session.add_all([user, company])
            session.flush()
            for number in range(3):
                address = f"client{number}@market.test"
                client = Contact(display_name=f"Client {number}", name_key=name_key(f"Client {number}"))
                client.owner_id, client.company_id = user.id, company.id
                client.addresses.append(ContactAddress(address=address, written=address, label="1"))
                session.add(client)
            mailbox = mailboxes.add(session, ANNA, simulator.url, ANNA, password_file=file)
            next(stream for stream in mailbox.streams if stream.kind == "contacts").direction = "both"
            mailbox.streams.append(Stream(kind="tasks", direction="both"))
            since = datetime(2026, 1, 1, tzinfo=UTC)
            mailbox.streams.append(Stream(kind="posts", direction="out", posts_since=since))
            mailboxes.enable(session, mailbox)
            session.flush()
            viewer = access.viewer_of(session, user)
            tasks.add(session, viewer, Draft("Call back", "", None, None, "normal"), contact_id=1)

    def run(self, kind: str, order: Order | None = None) -> Summary:
        with self.sessions() as session:
            stream_id = session.scalars(select(Stream.id).where(Stream.kind == kind)).one()
        summary = run_stream(self.settings, self.sessions, stream_id, ExchangeEWS, order=order)
        assert summary is not None
        assert summary.error == ""
        return summary

    def counts(self) -> list[int]:
        with self.sessions() as session:
            return [session.scalar(select(func.count()).select_from(model)) or 0 for model in WHAT]

    def linked(self) -> dict[str, int]:
        """The items that are linked and there, by what they are and by which rule."""
        with self.sessions() as session:
            live = select(Link.entity, Link.rule, func.count()).where(Link.gone_at.is_(None))
            rows = session.execute(live.group_by(Link.entity, Link.rule))
            return {f"{entity} {rule}": count for entity, rule, count in rows}

    def shown(self) -> dict[str, list[str]]:
        """The subjects of all items in all folders."""
        found = {}
        for folder in self.outlook.msg_folder_root.walk():
            if subjects := sorted(str(item.subject or getattr(item, "display_name", "")) for item in folder.all()):
                found[folder.absolute.rpartition("Top of Information Store")[2]] = subjects
        return found

    def move(self, other: Simulator) -> None:
        """Copy the mailbox to another server, where it gets other ids, and go on there."""
        other.add_mailbox("somebody@example.test", "Somebody")  # so that numbers differ, too
        other.add_mailbox(ANNA, "Anna")
        there = connect(Account(ANNA, other.url, ANNA, "secret"))
        for folder in [*self.outlook.msg_folder_root.walk()]:
            place = self._place(folder, there)
            if items := list(folder.all().only("id", "changekey")):
                there.upload([(place, data) for data in self.outlook.export(items)])
        self.outlook.protocol.close()
        self.outlook = there
        with self.sessions.begin() as session:
            mailboxes.change(session, mailboxes.get(session, ANNA), server=other.url)

    def _place(self, folder: Any, there: exchangelib.Account) -> Any:
        place = there.msg_folder_root
        for name in folder.absolute.split("/")[folder.absolute.split("/").index("Top of Information Store") + 1 :]:
            found = [child for child in place.children if child.name == name]
            made = type(folder) if type(folder) in (exchangelib.folders.Contacts,) else exchangelib.Folder
            place = found[0] if found else made(parent=place, name=name).save()
        return place


@pytest.fixture
def desk(sessions: sessionmaker[Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("TERRACRM_PATHS__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TERRACRM_MIRROR__INTERNAL_DOMAINS", "example.test")
    password_file = tmp_path / "password"
    password_file.write_text("secret\n")
    with Simulator() as simulator:
        made = Desk(Settings(), sessions, simulator, password_file)
        yield made
        made.outlook.protocol.close()


def letter(number: int) -> bytes:
    lines = [
        f"From: Client <client{number}@market.test>",
        f"To: Anna <{ANNA}>",
        f"Message-ID: <n{number}@market.test>",
        "Date: Mon, 02 Nov 2026 10:00:00 +0300",
        f"Subject: Letter {number}",
        "",
        "Ten boxes.",
    ]
    return "\r\n".join(lines).encode()


def test_a_mailbox_that_moved_to_another_server_goes_on(desk: Desk) -> None:
    for number in range(3):
        desk.simulator.deliver(letter(number), [ANNA])
    when = exchangelib.EWSDateTime.from_datetime(datetime(2026, 12, 2, 9, tzinfo=UTC))
    guest = exchangelib.Attendee(mailbox=exchangelib.Mailbox(email_address="client1@market.test"))
    calendar = desk.outlook.calendar
    ews.CalendarItem(
        account=desk.outlook, folder=calendar, subject="Tasting", start=when, end=when, required_attendees=[guest]
    ).save(send_meeting_invitations="SendToNone")
    ews.Contact(account=desk.outlook, folder=desk.outlook.contacts, display_name="Her Own").save()
    for _ in range(2):
        for kind in KINDS:
            desk.run(kind)
    before, linked, shown = desk.counts(), desk.linked(), desk.shown()
    assert linked == {
        "contact clients": 4,  # hers, too
        "contact contacts_folder": 1,
        "meeting calendar": 1,
        "message mail": 3,
        "post posts": linked["post posts"],
        "task tasks": 1,
    }
    assert linked["post posts"] >= 3
    with desk.sessions() as session:
        ids = set(session.scalars(select(Link.remote_id)))
    with Simulator() as other:
        desk.move(other)
        for _ in range(3):
            for kind in KINDS:
                assert desk.run(kind).counts.written == 0
        assert (desk.counts(), desk.linked(), desk.shown()) == (before, linked, shown)
        with desk.sessions() as session:
            assert not ids & set(session.scalars(select(Link.remote_id).where(Link.gone_at.is_(None))))
        for kind in KINDS:
            order = Order()
            desk.run(kind, order)
            with desk.sessions() as session:
                row = session.get_one(Reconciliation, order.count_id)
                assert (row.missing, row.extra, row.stale, row.there >= row.here > 0) == (0, 0, 0, True), kind
        assert {stream.kind for stream in streams(desk)} == set(KINDS) == {kind.value for kind in StreamKind}
        assert {stream.state for stream in streams(desk)} == {"ok"}
        desk.outlook.protocol.close()


def streams(desk: Desk) -> list[Stream]:
    with desk.sessions() as session:
        return list(session.scalars(select(Stream)))
