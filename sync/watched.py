"""Which mailboxes are to be listened to, who does, and what came of it: the database's side of `sync.watching`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from connectors.base import Account
from sync import claims
from sync.engine import account_of
from sync.watch_line import Target
from terracrm.config import Settings
from terracrm.domain.records import StreamKind
from terracrm.errors import ConfigError, SignInRefused
from terracrm.models import UNREAD, Mailbox, MailboxWatch, MirrorFolder, Stream, utcnow

LEASE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Found:
    """A mailbox that wants to be listened to; `target` is None, with the reason, when it cannot be opened."""

    target: Target | None
    read_at: datetime | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """Since when a mailbox tells of its changes, or why it does not."""

    since: datetime | None = None
    error: str = ""


class Targets:
    """The mailboxes that are read on schedule. The ids of their folders are kept while they are the same."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folders: dict[int, tuple[tuple[int, int], frozenset[str]]] = {}

    def read(self, session: Session) -> dict[int, Found]:
        """All of them as they are now, by mailbox. One without folders has not been read yet, and is due anyway."""
        marks = _readable(
            select(
                Stream.mailbox_id,
                func.count(MirrorFolder.id),
                func.sum(MirrorFolder.id),
                func.max(Stream.last_success_at),
            )
        ).group_by(Stream.mailbox_id)
        rows = {mailbox_id: (count, total, read_at) for mailbox_id, count, total, read_at in session.execute(marks)}
        mailboxes = session.scalars(select(Mailbox).where(Mailbox.id.in_(rows)).order_by(Mailbox.address))
        return {mailbox.id: self._found(session, mailbox, *rows[mailbox.id]) for mailbox in mailboxes.unique().all()}

    def forget(self, mailbox_id: int) -> None:
        """Look at the folders of a mailbox anew: something is wrong with them."""
        self._folders.pop(mailbox_id, None)

    def _found(self, session: Session, mailbox: Mailbox, count: int, total: int, read_at: datetime | None) -> Found:
        kept = self._folders.get(mailbox.id)
        if kept is None or kept[0] != (count, total):
            query = _readable(select(MirrorFolder.remote_id)).where(Stream.mailbox_id == mailbox.id)
            kept = self._folders[mailbox.id] = ((count, total), frozenset(session.scalars(query)))
        try:
            account: Account = account_of(self._settings, mailbox)
        except (ConfigError, SignInRefused) as error:  # another stream was refused while this one runs
            return Found(None, read_at, str(error))
        return Found(Target(mailbox.id, account, kept[1]), read_at)


def _readable(query: Any) -> Any:
    """Of folders that are read on schedule: their stream, and their mailbox, may be due."""
    return (
        query.select_from(MirrorFolder)
        .join(MirrorFolder.stream)
        .join(Stream.mailbox)
        .where(
            Mailbox.is_enabled,
            Stream.is_enabled,
            Stream.direction != "off",
            Stream.kind != StreamKind.POSTS,
            Stream.state.not_in(UNREAD),
            MirrorFolder.gone_at.is_(None),
            MirrorFolder.is_excluded.is_(False),
            or_(Stream.direction != "out", MirrorFolder.role != ""),
        )
    )


def hold(session: Session, claim: str, statuses: Mapping[int, Status]) -> None:
    """Claim what is free of these mailboxes, keep what is ours, give back the rest of ours, and say how each stands.

    The caller commits; what another daemon takes at the same moment raises IntegrityError.
    """
    now = utcnow()
    until = now + timedelta(seconds=LEASE_SECONDS)
    rows = {row.mailbox_id: row for row in session.scalars(select(MailboxWatch))}
    for mailbox_id, status in statuses.items():
        row = rows.get(mailbox_id)
        if row is None:
            session.add(MailboxWatch(mailbox_id=mailbox_id, claim=claim, claimed_until=until, **_told(status)))
        elif row.claim == claim or claims.is_free(row):
            session.execute(
                update(MailboxWatch)
                .where(MailboxWatch.mailbox_id == mailbox_id, MailboxWatch.claim == row.claim)
                .values(claim=claim, claimed_until=until, **_told(status))
            )
    release(session, claim, keep=statuses)


def is_free(session: Session, claim: str, mailbox_ids: Collection[int]) -> bool:
    """Whether one of these mailboxes could be ours and is not."""
    rows = {row.mailbox_id: row for row in session.scalars(select(MailboxWatch))}
    return any(each not in rows or (rows[each].claim != claim and claims.is_free(rows[each])) for each in mailbox_ids)


def held(session: Session, claim: str) -> set[int]:
    """The mailboxes that are ours."""
    return set(session.scalars(select(MailboxWatch.mailbox_id).where(MailboxWatch.claim == claim)))


def release(session: Session, claim: str, keep: Collection[int] = ()) -> None:
    """Give back what is ours, but for some."""
    session.execute(
        update(MailboxWatch)
        .where(MailboxWatch.claim == claim, MailboxWatch.mailbox_id.not_in(keep))
        .values(claim="", claimed_until=None, since=None, error="")
    )


def _told(status: Status) -> dict[str, object]:
    return {"since": status.since, "error": status.error}
