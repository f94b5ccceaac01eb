"""Mailboxes of the memory server that tell of their changes, with faults on demand."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from queue import SimpleQueue

from connectors.base import Account, Told
from connectors.memory import MemoryServer
from terracrm.errors import ConnectorError, Forgotten


class MemoryWatch:
    """The Watch of a MemoryServer. `fail` lets a held connection break; `elsewhere` are on another server.

    What happens while nobody listens is told by the next `listen`, as Exchange does.
    """

    def __init__(self, account: Account, server: MemoryServer, elsewhere: Collection[str] = ()) -> None:
        self._account, self._server, self._elsewhere = account, server, elsewhere
        self._news: SimpleQueue[Told | ConnectorError | None] = SimpleQueue()
        self.addresses: set[str] = set()
        server.listeners.append(self._hear)

    def _hear(self, address: str, folder_id: str) -> None:
        if address in self.addresses:
            self._news.put(Told(address, frozenset([folder_id])))

    def fail(self, error: ConnectorError) -> None:
        """Let the connection break with this error."""
        if isinstance(error, Forgotten):
            self.addresses -= error.addresses
        self._news.put(error)

    def sign_in(self) -> None:
        """Sign in."""
        self._server.enter(self._account)

    def subscribe(self, account: Account, folder_ids: Collection[str]) -> None:
        """Tell of all folders of a mailbox."""
        self._server.enter(account)
        self.addresses.add(account.address)

    def unsubscribe(self, address: str) -> None:
        """Tell of it no more."""
        self.addresses.discard(address)

    def listen(self) -> Iterator[Collection[Told]]:
        """What happens, as it happens."""
        strange = frozenset(self.addresses & set(self._elsewhere))
        if strange and strange != self.addresses:
            self.addresses -= strange
            raise Forgotten("The server does not know the mailbox.", strange)
        yield ()
        while (told := self._news.get()) is not None:
            if isinstance(told, ConnectorError):
                raise told
            yield [told]

    def interrupt(self) -> None:
        """End it."""
        self._news.put(None)

    def close(self) -> None:
        """Hear no more."""
        if self._hear in self._server.listeners:
            self._server.listeners.remove(self._hear)
