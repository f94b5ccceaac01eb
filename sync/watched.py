"""Which mailboxes are to be listened to, who does, and what came of it: the database's side of `sync.watching`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
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


Mark = tuple[object, ...]
"""What of a mailbox and its folders must be as it was for a Target to be kept."""
_OPENED_BY = (
    Mailbox.address,
    Mailbox.server,
    Mailbox.username,
    Mailbox.password_encrypted,
    Mailbox.impersonate,
    Mailbox.verify_tls,
)


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
    """The mailboxes that are read on schedule. What was found of one is kept while nothing about it changes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._targets: dict[int, tuple[Mark, Target]] = {}

    def read(self, session: Session) -> dict[int, Found]:
        """All of them as they are now, by mailbox. One without folders has not been read yet, and is due anyway."""
        folders = func.count(MirrorFolder.id), func.sum(MirrorFolder.id), func.max(Stream.last_success_at)
        rows = session.execute(
            _readable(select(Mailbox.id, Mailbox.password_file, *folders, *_OPENED_BY))
            .group_by(Mailbox.id)
            .order_by(Mailbox.address)
        ).all()
        refused = dict(session.execute(select(Stream.mailbox_id, Stream.last_error).where(Stream.is_refused)).all())
        return {
            mailbox_id: self._found(
                session, mailbox_id, read_at, (count, total, refused.get(mailbox_id), _stamp(file), *opened_by)
            )
            for mailbox_id, file, count, total, read_at, *opened_by in rows
        }

    def forget(self, mailbox_id: int) -> None:
        """Look at a mailbox and its folders anew: something is wrong with them."""
        self._targets.pop(mailbox_id, None)

    def _found(self, session: Session, mailbox_id: int, read_at: datetime | None, mark: Mark) -> Found:
        kept = self._targets.get(mailbox_id)
        if kept is None or kept[0] != mark:
            query = _readable(select(MirrorFolder.remote_id)).where(Stream.mailbox_id == mailbox_id)
            try:
                account: Account = account_of(self._settings, session.get_one(Mailbox, mailbox_id))
            except (ConfigError, SignInRefused) as error:  # another stream was refused while this one runs
                return Found(None, read_at, str(error))
            kept = mark, Target(mailbox_id, account, frozenset(session.scalars(query)))
            self._targets[mailbox_id] = kept
        return Found(kept[1], read_at)


def _stamp(password_file: str) -> object:
    """What changes with the file of a password; None without one."""
    try:
        found = Path(password_file).stat() if password_file else None
    except OSError:
        return password_file
    return found and (found.st_mtime_ns, found.st_size, found.st_ino)


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
    until = utcnow() + timedelta(seconds=LEASE_SECONDS)
    rows = {row.mailbox_id: row for row in session.execute(select(MailboxWatch.__table__))}
    same = []
    for mailbox_id, status in statuses.items():
        row = rows.get(mailbox_id)
        if row is None:
            session.add(MailboxWatch(mailbox_id=mailbox_id, claim=claim, claimed_until=until, **_told(status)))
        elif row.claim == claim and (row.since, row.error) == (status.since, status.error):
            same.append(mailbox_id)
        elif row.claim == claim or claims.is_free(row):
            session.execute(
                update(MailboxWatch)
                .where(MailboxWatch.mailbox_id == mailbox_id, MailboxWatch.claim == row.claim)
                .values(claim=claim, claimed_until=until, **_told(status))
            )
    kept = MailboxWatch.claim == claim, MailboxWatch.mailbox_id.in_(same)
    session.execute(update(MailboxWatch).where(*kept).values(claimed_until=until))
    release(session, claim, keep=statuses)


def is_free(session: Session, claim: str, mailbox_ids: Collection[int]) -> bool:
    """Whether one of these mailboxes could be ours and is not."""
    rows = {row.mailbox_id: row for row in session.execute(select(MailboxWatch.__table__))}
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
