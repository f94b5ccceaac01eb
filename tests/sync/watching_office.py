"""Watchers in the test's own process, over the memory server or the simulator, and what they woke."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from connectors.base import Account, Watch
from connectors.memory import MemoryServer
from connectors.memory_watch import MemoryWatch
from sync.schedule import due_streams
from sync.watching import Watcher
from terracrm.config import Settings
from terracrm.models import Mailbox, MailboxWatch, Stream

LATER = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass
class Watching:
    """Watchers with short waits; `opened` are the connections of the memory server, in their order."""

    settings: Settings
    sessions: sessionmaker[Session]
    open_watch: Callable[[Account], Watch]
    capacity: int = 200
    opened: list[MemoryWatch] = field(default_factory=list)
    watchers: list[Watcher] = field(default_factory=list)

    def start(self) -> Watcher:
        """Another watcher, as of another daemon."""
        made = Watcher(self.settings, self.sessions, self.open_watch, self.capacity, lambda: None)
        self.watchers.append(made)
        return made

    def until(self, what: Callable[[], bool], why: str = "it did not happen") -> None:
        """Let the watchers tick until something holds."""
        deadline = time.monotonic() + 20
        while not what():
            assert time.monotonic() < deadline, why
            for watcher in self.watchers:
                watcher.tick()
            time.sleep(0.02)

    def listens(self, *addresses: str) -> bool:
        """Whether exactly these mailboxes tell of their changes, as the portal would say."""
        return self.since().keys() == set(addresses)

    def since(self) -> dict[str, datetime]:
        """The mailboxes that tell of their changes, and since when."""
        rows = select(Mailbox.address, MailboxWatch.since).join(MailboxWatch, MailboxWatch.mailbox_id == Mailbox.id)
        with self.sessions() as session:
            return {address: since for address, since in session.execute(rows) if since is not None}

    def errors(self) -> dict[str, str]:
        """Why mailboxes tell nothing."""
        rows = select(Mailbox.address, MailboxWatch.error).join(MailboxWatch, MailboxWatch.mailbox_id == Mailbox.id)
        with self.sessions() as session:
            return {address: error for address, error in session.execute(rows) if error}

    def rest(self) -> None:
        """All streams have just been read, and are not due for long."""
        with self.sessions.begin() as session:
            session.execute(update(Stream).values(due_at=LATER, woken_at=None))

    def due(self) -> set[tuple[str, str]]:
        """The streams that are due now: name of the mailbox and kind."""
        with self.sessions() as session:
            ids = due_streams(session, self.settings)
            rows = select(Mailbox.address, Stream.kind).join(Stream.mailbox).where(Stream.id.in_(ids))
            return {(address.partition("@")[0], kind) for address, kind in session.execute(rows)}

    def settled(self, *addresses: str) -> None:
        """Listen to these mailboxes, with nothing left to be read."""
        self.until(lambda: self.listens(*addresses), f"not listening: {self.errors()}")
        names = {address.partition("@")[0] for address in addresses}
        self.until(lambda: names <= {name for name, _ in self.due()}, "not everything was to be read once")
        time.sleep(0.05)
        self.rest()

    def stop(self) -> None:
        """End all."""
        for watcher in self.watchers:
            watcher.stop()


def over_memory(settings: Settings, sessions: sessionmaker[Session], server: MemoryServer) -> Watching:
    """Watchers of mailboxes on a memory server."""
    opened: list[MemoryWatch] = []

    def open_watch(account: Account) -> MemoryWatch:
        opened.append(MemoryWatch(account, server))
        return opened[-1]

    return Watching(settings, sessions, open_watch, opened=opened)
