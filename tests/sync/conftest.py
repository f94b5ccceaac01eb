"""An office in memory: a remote server, the CRM's database, and runs of its streams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from connectors.base import Account, Connector
from connectors.memory import MemoryConnector, MemoryServer
from sync.engine import run_stream
from sync.run import Summary
from terracrm.config import Settings
from terracrm.domain.records import Folder
from terracrm.models import Mailbox, Stream
from terracrm.services import mailboxes, stats
from tests.sync.clients_office import CARDS, ClientsOffice

DOMAIN = "office.test"


@dataclass
class Office:
    """Mailboxes on a memory server, mirrored into one database."""

    settings: Settings
    sessions: sessionmaker[Session]
    server: MemoryServer = field(default_factory=MemoryServer)
    password_file: Path = Path()

    def address(self, name: str) -> str:
        """The mailbox of a person."""
        return f"{name}@{DOMAIN}"

    def add(self, name: str, **options: object) -> None:
        """A mailbox name@office.test there, under sync here."""
        address = self.address(name)
        self.server.add_mailbox(address)
        with self.sessions.begin() as session:
            mailbox = mailboxes.add(
                session, address, "https://mail.test", address, password_file=self.password_file, **options
            )
            mailboxes.enable(session, mailbox)

    def folder(self, name: str, path: str) -> Folder:
        """A folder of a mailbox."""
        account = Account(self.address(name), "", self.address(name), "secret")
        return next(f for f in MemoryConnector(account, self.server).folders() if f.path == path)

    def connect(self, account: Account) -> Connector:
        """Open a mailbox of this office."""
        return MemoryConnector(account, self.server)

    def run(self, name: str, kind: str, connect: Callable[[Account], Connector] | None = None) -> Summary:
        """Run one stream."""
        with self.sessions() as session:
            stream_id = session.scalars(
                select(Stream.id).join(Mailbox).where(Mailbox.address == self.address(name), Stream.kind == kind)
            ).one()
        summary = run_stream(self.settings, self.sessions, stream_id, connect or self.connect)
        assert summary is not None
        return summary

    def stats(self) -> dict[str, object]:
        """The counts of everything."""
        with self.sessions() as session:
            return stats.counts(session)


@pytest.fixture
def office(sessions: sessionmaker[Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """An office with the mailboxes of Anna and Boris."""
    monkeypatch.setenv("TERRACRM_PATHS__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TERRACRM_MIRROR__INTERNAL_DOMAINS", DOMAIN)
    password_file = tmp_path / "password"
    password_file.write_text("secret\n")
    made = Office(Settings(), sessions, password_file=password_file)
    made.add("anna")
    made.add("boris")
    return made


@pytest.fixture
def clients(office: Office) -> ClientsOffice:
    """Anna's clients in her Outlook; nobody has any yet."""
    return ClientsOffice(office)


@pytest.fixture
def vera(clients: ClientsOffice) -> int:
    """A client of Anna with a card that both sides agree on."""
    made = clients.client("Vera Orlova", phone="+7 495 000-00-01", job_title="CEO", notes="Likes mountains")
    clients.settled()
    return made


@pytest.fixture
def braked(office: Office) -> ClientsOffice:
    """Anna's mailbox with eight cards, and a brake that lets three things happen."""
    made = ClientsOffice(office)
    office.settings.sync.brake_items, office.settings.sync.brake_percent = 3, 10
    for number in range(CARDS):
        made.client(f"{chr(ord('A') + number)}nna Client")
    assert made.settled().counts.written == CARDS
    return made
