"""Who has a mailbox, who may open whose, and what a user name means."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING

from connectors.simulator.rows import Mailbox

if TYPE_CHECKING:
    from connectors.simulator.store import Store


class Mailboxes:
    """The mailboxes of the server."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Mailbox] | None = None
        self._numbers: dict[int, Mailbox] = {}
        self._guids: dict[str, Mailbox] = {}

    def forget(self) -> None:
        """Read the mailboxes anew when they are next asked for."""
        self._known = None

    def _load(self) -> dict[str, Mailbox]:
        if self._known is None:
            rows = self._store.rows("SELECT number, address, name, guid, kind FROM mailbox")
            found = [Mailbox(*row) for row in rows]
            self._numbers = {box.number: box for box in found}
            self._guids = {box.guid: box for box in found}
            self._known = {box.address.lower(): box for box in found}
        return self._known

    def all(self) -> list[Mailbox]:
        """Every mailbox, oldest first."""
        return sorted(self._load().values(), key=lambda box: box.number)

    def find(self, address: str) -> Mailbox | None:
        """The mailbox with that SMTP address, in any case."""
        address = address.strip().lower()
        return self._load().get(address.removeprefix("smtp:"))

    def by_number(self, number: int) -> Mailbox:
        """The mailbox with that number. KeyError when there is none."""
        self._load()
        return self._numbers[number]

    def by_guid(self, guid: str) -> Mailbox | None:
        """The mailbox that an id names."""
        self._load()
        return self._guids.get(guid)

    def by_sid(self, sid: str) -> Mailbox | None:
        """The mailbox whose owner has that security identifier."""
        return next((box for box in self.all() if box.sid == sid), None)

    def by_user_name(self, name: str) -> Mailbox | None:
        """The mailbox of `user@domain`, `DOMAIN\\user` or `user`."""
        user = name.rpartition("\\")[2].strip()
        return self.find(user) or self.find(f"{user}@{self._store.domain}")

    def add(self, address: str, name: str | None = None, *, kind: str = "user") -> Mailbox:
        """The mailbox with that address, made with its default folders when there is none.

        A `shared` mailbox has no sign-in of its own; `grant` lets others open it.
        """
        known = self.find(address)
        if known is not None:
            return known
        name = name or address.partition("@")[0].replace(".", " ").replace("_", " ").title()
        digest = hashlib.md5((self._store.secret + address.lower()).encode(), usedforsecurity=False)
        with self._store.transaction():
            self._store.execute(
                "INSERT INTO mailbox (address, name, guid, kind) VALUES (?, ?, ?, ?)",
                address,
                name,
                str(uuid.UUID(bytes=digest.digest(), version=4)),
                kind,
            )
            self.forget()
            box = self.find(address)
            assert box is not None
            self._store.folders.make_defaults(box)
        return box

    def grant(self, mailbox: Mailbox, grantee: Mailbox) -> None:
        """Give full access to everything in a mailbox."""
        with self._store.transaction():
            self._store.execute("INSERT OR IGNORE INTO access VALUES (?, ?)", mailbox.number, grantee.number)

    def may_open(self, mailbox: Mailbox, user: Mailbox) -> bool:
        """True for its owner and for who has full access."""
        return mailbox.number == user.number or bool(
            self._store.value("SELECT 1 FROM access WHERE mailbox = ? AND grantee = ?", mailbox.number, user.number)
        )
