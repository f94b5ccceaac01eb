"""What is written into a mailbox, one kind of thing at a time: client cards, tasks, posts (W1-W3).

`push` drives them all: it claims what is owed, lets the `Outbound` of its kind plan a step from how each thing is now,
takes it through the connector outside of any transaction, and lets the `Outbound` note what came of it. Nothing here
or there knows tables but through services.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.orm import Session

from connectors.base import Connector, Version
from terracrm.config import Settings
from terracrm.domain.records import Change, Folder, StreamKind, Writable
from terracrm.models import Link, Mailbox, Stream


@dataclass(frozen=True, slots=True)
class Target:
    """The mailbox that is written into, within one transaction, and the run that does it."""

    settings: Settings
    mailbox: Mailbox
    stream: Stream
    run_id: int


@dataclass(frozen=True, slots=True)
class Place:
    """A folder to create in: `role` as in MirrorFolder, and the names on the way to it from another folder.

    That is `above`, a well-known one by its name, or any; without names it is that folder itself. A folder of the role
    that is known is taken whatever it is called now.
    """

    role: str
    kind: StreamKind
    above: str | Folder
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """What a step changes of one field, for a person to read (Y1)."""

    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Create:
    """Make an item; `why` is the rule (Y1), and from `until` on it is owed anew. `sent` is what our side says.

    In JSON terms, `sent` is kept on the OutboxItem until the item is linked, so that an item whose creation got
    through, but not its answer, is linked with what was created (base = sent = OutboxItem.sent). `memo` is what the
    Outbound wants back when it is done.
    """

    place: Place
    record: Writable
    sent: dict[str, Any]
    why: str = ""
    differences: tuple[Difference, ...] = ()
    until: datetime | None = None
    memo: Any = None


@dataclass(frozen=True, slots=True)
class Write:
    """Set fields of the linked item, if it still is at the link's version.

    `sent` is what our side says of them, in JSON terms: kept on the OutboxItem until it is known what became of it.
    """

    record: Writable
    fields: Collection[str]
    sent: dict[str, Any] = field(default_factory=dict, kw_only=True)
    why: str = ""
    differences: tuple[Difference, ...] = ()
    until: datetime | None = None
    memo: Any = None


@dataclass(frozen=True, slots=True)
class Remove:
    """Move the linked item to Deleted Items, if it still is at the link's version; `why` is the rule (Y1).

    `anyhow`: also when somebody has changed it since; that somebody has deleted it is as good. Nothing of it is read.
    """

    why: str
    anyhow: bool = False
    memo: Any = None


@dataclass(frozen=True, slots=True)
class Nothing:
    """Both sides agree, or nothing may be written; `why` says which. From `until` on the thing is owed anew."""

    why: str = ""
    until: datetime | None = None


Step = Create | Write | Remove | Nothing


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a step: the version it left behind, and the item as it was read back after it.

    Where `read_back.version` is another one, somebody (or the server) has changed the item since: the next pull tells
    what. `read_back` is None when it could not be read. `found` when the item was there already, by its key, from a
    former try: then what was created is `Create.sent`, put back to what it was then. `memo` is what the Outbound's own
    `write` learned.
    """

    version: Version
    read_back: Change | None = None
    found: bool = False
    memo: dict[str, Any] = field(default_factory=dict)


class Outbound(Protocol):
    """One kind of thing that is written into mailboxes. Stateless; sessions are the caller's transaction."""

    entity: str
    """OutboxItem.entity and Link.entity."""
    kind: StreamKind
    """In whose runs it is written."""
    rule: str
    """Link.rule of what it writes."""

    def places(self, session: Session, target: Target) -> Sequence[Place]:
        """The folders that are found or made, and get their role, before the mailbox is read."""

    def settle(self, session: Session, target: Target) -> None:
        """Owe all that the mailbox lacks or should no longer have, whatever was owed before (outbox.owe)."""

    def withdraw(self, session: Session, target: Target) -> None:
        """Owe what may not be told in the mailbox any more, of which not all folders were read."""

    def plan(self, session: Session, target: Target, wanted: Mapping[int, Link | None]) -> dict[int, Step]:
        """The step that brings each of these things up to date, by their local ids. Changes nothing.

        With each comes the live link of the mailbox to it. A batch takes as many queries as one thing does.
        """

    def write(self, connector: Connector, step: Write, remote_id: str, version: str, key: str) -> Written:
        """Take the step; `connector.update` and nothing else, unless the kind knows better.

        `key` is the link's; a new one for an item that a person made. Where nothing turns out to differ, nothing is
        written and the version stays.
        """

    def is_same(self, link: Link, now: Change) -> bool:
        """Whether the item still says what it said when both sides last agreed, though its version is another."""

    def done(
        self, session: Session, target: Target, local_id: int, link: Link, step: Create | Write, written: Written
    ) -> None:
        """Note on the link what both sides now agree on: base and sent. Version and key are the caller's."""
