"""Which mailboxes tell of their changes at once, as far as the daemon that listens has written it down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import false, func, select
from sqlalchemy.orm import Session

from terracrm.models import Mailbox, MailboxWatch


@dataclass(frozen=True, slots=True)
class Listening:
    """Since when a mailbox tells of its changes; without `since` it does not, for `error` where that is known."""

    since: datetime | None = None
    error: str = ""


def of(session: Session, mailbox_id: int, now: datetime) -> Listening:
    """How a mailbox stands. What a daemon said that has died holds for another minute at most."""
    row = session.get(MailboxWatch, mailbox_id)
    return Listening(row.since, row.error) if row and row.claimed_until and row.claimed_until > now else Listening()


def told_at_once(session: Session, now: datetime) -> dict[str, bool]:
    """Whether the mailboxes that are mirrored tell of their changes, by address."""
    is_told = (MailboxWatch.since.is_not(None)) & (MailboxWatch.claimed_until > now)
    rows = session.execute(
        select(Mailbox.address, func.coalesce(is_told, false()))
        .outerjoin(MailboxWatch, MailboxWatch.mailbox_id == Mailbox.id)
        .where(Mailbox.is_enabled)
        .order_by(Mailbox.address)
    )
    return {address: bool(told) for address, told in rows}
