"""Figure 15: what one new mail costs where fifty people have its client in their Outlook."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import event, select, update

from benchmarks.office import DOMAIN, Exchange, Office, exchange, mail, make, until
from benchmarks.report import Bench, Figure
from sync.connecting import connect
from sync.engine import run_stream
from sync.schedule import due_streams
from terracrm.domain.names import name_key
from terracrm.models import Contact, ContactAddress, Link, Stream, Team, User
from terracrm.services import outbox

CLIENT = "petr@vesna.example"
BURST = 20
DELAY_SECONDS = 5
WRITES = ("CreateItem", "UpdateItem", "DeleteItem")


def measure(bench: Bench) -> None:
    """One mail, and many within the write delay: how often the card of the client is written in each mailbox."""
    addresses = [f"user{number}@{DOMAIN}" for number in range(8 if bench.quick else 50)]
    with exchange(addresses) as server:
        delay = {"write_delay_seconds": DELAY_SECONDS, "scope": "team"}
        office = make(bench.folder / "cards", server.url, addresses, sync={"watch": False}, outlook=delay)
        team = Cards(office, server, addresses)
        team.run_contacts()
        for count in (1, BURST):
            writes, seconds, statements = team.refreshed(count)
            told = (
                f"{len(addresses)} mailboxes; CPU and SQL statements of the whole run of a mailbox: "
                f"{seconds * 1000:.0f} ms, {statements:.0f}"
            )
            name = "one mail" if count == 1 else f"{count} mails at once"
            bench.tell(Figure(15, f"{name}: writes of its client in a mailbox", writes, "writes", writes, "<= 1", told))


class Cards:
    """A client of a team, all of whom have the client in Outlook."""

    def __init__(self, office: Office, server: Exchange, addresses: Sequence[str]) -> None:
        self._office, self._server, self._addresses, self._mails = office, server, addresses, 0
        with office.sessions.begin() as session:
            team = Team(name="North")
            for user in session.scalars(select(User).where(User.role_code == "manager")):
                user.team = team
            client = Contact(display_name="Petr Volkov", name_key=name_key("Petr Volkov"), team=team)
            client.addresses.append(ContactAddress(address=CLIENT, written=CLIENT, label="1"))
            session.add(client)
            session.execute(update(Stream).where(Stream.kind == "contacts").values(direction="both"))
            self._mail = session.scalars(select(Stream.id).where(Stream.kind == "mail").order_by(Stream.id)).first()
            self._contacts = list(session.scalars(select(Stream.id).where(Stream.kind == "contacts")))
        self._run(self._mail)

    def run_contacts(self) -> None:
        """Write the cards that are not there yet."""
        for stream_id in self._contacts:
            self._run(stream_id)
        made = self._server.requests()
        assert made["CreateItem"] == len(self._contacts), made

    def refreshed(self, mails: int) -> tuple[float, float, float]:
        """Bring in so many mails one by one: the writes, CPU seconds and statements in a mailbox that follow."""
        for _ in range(mails):
            self._mails += 1
            subject = f"Order {self._mails}"
            said = mail(self._mails, CLIENT, self._addresses[0], subject)
            self._server.deliver(said, self._addresses[:1])
            self._run(self._mail)
        assert not self._due(), "the delay was too short for this machine"
        until(lambda: len(self._due()) == len(self._contacts), "the cards are owed", 4 * DELAY_SECONDS)
        self._server.requests()
        before = time.process_time()
        with self._statements() as counted:
            while due := self._due():
                for stream_id in due:
                    self._run(stream_id)
        seconds = time.process_time() - before
        made = self._server.requests()
        with self._office.sessions() as session:
            texts = session.scalars(select(Link.written).where(Link.rule == outbox.CLIENTS)).all()
        assert len(texts) == len(self._contacts)
        assert all(subject in text for text in texts), "a card lacks the mail"
        count = len(self._contacts)
        return sum(made[name] for name in WRITES) / count, seconds / count, counted["statements"] / count

    def _due(self) -> list[int]:
        with self._office.sessions() as session:
            return [each for each in due_streams(session, self._office.settings) if each in self._contacts]

    def _run(self, stream_id: int | None) -> None:
        assert stream_id
        summary = run_stream(self._office.settings, self._office.sessions, stream_id, connect)
        assert summary
        assert not summary.error, summary

    @contextmanager
    def _statements(self) -> Iterator[Counter[str]]:
        counted: Counter[str] = Counter()

        def count(*_: object) -> None:
            counted["statements"] += 1

        engine = self._office.sessions.kw["bind"]
        event.listen(engine, "before_cursor_execute", count)
        try:
            yield counted
        finally:
            event.remove(engine, "before_cursor_execute", count)
