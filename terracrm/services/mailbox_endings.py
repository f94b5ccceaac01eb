"""A mailbox is disconnected, and connected again (S15). `purges` takes out what it brought.

A disconnected mailbox has no password any more: nobody can open it, whatever else is said of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import ColumnElement, Select, Text, cast, delete, func, select
from sqlalchemy.orm import Session

from terracrm.db import begin_write
from terracrm.domain.records import StreamKind
from terracrm.errors import InvalidInput
from terracrm.models import Link, Mailbox, OutboxItem, Stream
from terracrm.services import audit, client_writes, mailboxes, outbox
from terracrm.services.mailboxes import is_disconnected

IsFree = Callable[[Stream], bool]
"""Whether no living worker runs a stream."""


@dataclass(frozen=True, slots=True)
class Disconnection:
    """What a disconnection does: entries of the history and contacts that stay, writes that go.

    `cards` are the clients that stay in Outlook, as they are then. `unknown` writes were begun and never answered: they
    stay on the list, so that a reconnection doubles nothing.
    """

    entries: int
    contacts: int
    owed: int
    unknown: int
    cards: int


@dataclass(frozen=True, slots=True)
class Resumption:
    """How a stream goes on: with what changed since `since`, or, when that is None, with all that there is."""

    stream: str
    since: datetime | None
    folders: int


def leaving(session: Session, mailbox: Mailbox) -> Disconnection:
    """What a disconnection would do; changes nothing."""
    mine = Link.mailbox_id == mailbox.id
    held = select(func.count(Link.local_id.distinct())).where(mine)
    owed = select(func.count()).select_from(OutboxItem).where(OutboxItem.mailbox_id == mailbox.id)
    is_card = Link.rule == outbox.CLIENTS, Link.gone_at.is_(None)
    return Disconnection(
        entries=_count(session, held.where(Link.entity == "message"))
        + _count(session, held.where(Link.entity == "meeting")),
        contacts=_count(session, held.where(Link.entity == outbox.CONTACT)),
        owed=_count(session, owed.where(_was_not_begun())),
        unknown=_count(session, owed.where(~_was_not_begun())),
        cards=_count(session, held.where(Link.entity == outbox.CONTACT, *is_card)),
    )


def disconnect(session: Session, mailbox: Mailbox, user_id: int | None, is_free: IsFree) -> Disconnection:
    """Read and write this mailbox no more: its password and what is owed to it go, all that it told stays.

    Raises InvalidInput while it is being read or written, or when it is disconnected already.
    """
    begin_write(session)
    require_rest(session, mailbox, is_free)
    session.refresh(mailbox)
    if is_disconnected(mailbox):
        raise InvalidInput(f"{mailbox.address} is disconnected already")
    done = leaving(session, mailbox)
    let_go(session, mailbox)
    audit.record(session, user_id, "mailbox.disconnect", "mailbox", mailbox.id, mailbox.address)
    return done


def resuming(mailbox: Mailbox) -> list[Resumption]:
    """How the streams of a mailbox would go on."""
    return [
        Resumption(
            stream.kind,
            stream.last_success_at,
            sum(folder.cursor is not None and folder.gone_at is None for folder in stream.folders),
        )
        for stream in mailbox.streams
    ]


def reconnect(
    session: Session,
    mailbox: Mailbox,
    user_id: int | None,
    *,
    password_encrypted: str = "",
    password_file: Path | None = None,
) -> list[Resumption]:
    """Open a disconnected mailbox again; it goes on where it stopped, and what changed meanwhile is written there.

    Nothing is doubled, also where the server has forgotten how far it was read (S13). Raises InvalidInput for a mailbox
    that is connected.
    """
    begin_write(session)
    require_disconnected(mailbox)
    found = resuming(mailbox)
    mailboxes.set_password(session, mailbox, password_encrypted=password_encrypted, password_file=password_file)
    mailboxes.enable(session, mailbox)
    for stream in mailbox.streams:
        if stream.kind == StreamKind.CONTACTS and stream.direction in outbox.OUT:
            client_writes.owe_all(session, stream)
    audit.record(session, user_id, "mailbox.reconnect", "mailbox", mailbox.id, mailbox.address)
    return found


def require_disconnected(mailbox: Mailbox) -> None:
    """Raise InvalidInput for a mailbox that is connected."""
    if not is_disconnected(mailbox):
        raise InvalidInput(
            f"{mailbox.address} is not disconnected; terracrm mailbox password gives it another password, "
            "and terracrm mailbox enable goes on with one that is paused"
        )


def require_rest(session: Session, mailbox: Mailbox, is_free: IsFree) -> None:
    """Keep all runs of a mailbox off until the transaction ends; raises InvalidInput where there is one."""
    streams = select(Stream).where(Stream.mailbox_id == mailbox.id).order_by(Stream.id).with_for_update()
    busy = [
        stream.kind
        for stream in session.scalars(streams.execution_options(populate_existing=True))
        if not is_free(stream)
    ]
    if busy:
        raise InvalidInput(
            f"{mailbox.address} is being read or written just now ({', '.join(busy)}): "
            f"terracrm mailbox pause {mailbox.address}, and try again when the run has ended"
        )


def let_go(session: Session, mailbox: Mailbox) -> None:
    """No worker may open or go on with this mailbox; what was begun is remembered (W4, S9)."""
    mailbox.is_enabled = False
    mailbox.password_encrypted = mailbox.password_file = ""
    for stream in mailbox.streams:
        stream.claim, stream.claimed_until = "", None
    session.execute(delete(OutboxItem).where(OutboxItem.mailbox_id == mailbox.id, _was_not_begun()))
    session.flush()


def _was_not_begun() -> ColumnElement[bool]:
    """Nothing of this may have got through: no creation has a key, and nothing says what was being set or removed."""
    # An empty JSON column is NULL, or the word null where it was emptied.
    return (OutboxItem.key == "") & (func.coalesce(cast(OutboxItem.sent, Text), "null") == "null")


def _count(session: Session, query: Select[int]) -> int:
    return session.scalar(query) or 0
