"""Calendar items become meetings: one per UID and occurrence, however many mirrored attendees (S3).

Each copy keeps with its link what it said (`Link.base`), so that the meeting is told from all copies together, in
whatever order they come, and told anew when one of them changes or goes. A series is a row, and each occurrence in a
rolling window is one. A meeting is part of the relationship history when somebody from outside takes part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from zlib import crc32

from pydantic import TypeAdapter
from sqlalchemy import BindParameter, ColumnElement, CompoundSelect, and_, bindparam, delete, exists, select, union
from sqlalchemy.orm import Session, aliased

from terracrm.domain.addresses import normalise
from terracrm.domain.meeting_identity import occurrence_key, original_start, recognised, without_secrets
from terracrm.domain.meetings import APART, Copy, tell
from terracrm.domain.records import MeetingKind, MeetingRecord
from terracrm.models import ActivityMailbox, Link, Mailbox, Meeting, MeetingCopy, UTCDateTime, utcnow
from terracrm.services import links, meeting_rows, touches
from terracrm.services.meeting_entries import RULE
from terracrm.services.meeting_rows import Family
from terracrm.services.sources import Source, lock_directory

ENTITY = "meeting"
NOWHERE = 0
# A window that is a little short is moved on once a day, not with every run.
SLACK = timedelta(days=1)
LOCK = 7205002
_SNAPSHOT = TypeAdapter(MeetingRecord)


def lock(session: Session, records: Iterable[MeetingRecord]) -> None:
    """Let only one transaction at a time tell these meetings: two copies that come at once know of each other.

    To be called once for a page, so that all lock in the same order. SQLite has one writer anyway.
    """
    _lock(session, [recognised(record).uid for record in records])


def _lock(session: Session, uids: Iterable[str]) -> None:
    """The directory first, always: who changes it may withdraw meetings, too."""
    uids = {uid for uid in uids if uid}
    if uids:
        lock_directory(session, for_writing=False)
    if session.get_bind().dialect.name == "postgresql":
        for key in sorted({crc32(uid.encode()) - 2**31 for uid in uids}):
            session.connection().exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK}, {key})")


def store(session: Session, source: Source, remote_id: str, version: str, record: MeetingRecord) -> bool:
    """Take in one calendar item; True. The organizer's copy decides over the others."""
    lock_directory(session, for_writing=False)
    record = without_secrets(recognised(record))
    uid = record.uid or f"{source.mailbox_id}:{remote_id}"
    link = links.find(session, source.mailbox_id, remote_id)
    if link is not None and _uid_of(session, link) != uid:
        withdraw(session, source, link)  # the item has become another meeting
        link = None
    if link is None:
        method = "uid" if record.uid else "item"
        link = links.add(session, source, ENTITY, NOWHERE, remote_id, RULE, method)
    link.version, link.gone_at = version, None
    link.base = _SNAPSHOT.dump_python(record, mode="json", exclude_defaults=True)
    session.flush()
    _retell(session, source, uid, link)
    return True


def links_of(session: Session, source: Source, record: MeetingRecord) -> list[Link]:
    """The links of this mailbox to copies of this meeting."""
    known = recognised(record)
    key = f"{known.uid}/{occurrence_key(known.original_start)}"
    meeting_id = session.scalar(select(Meeting.id).where(Meeting.meeting_key == key))
    return links.of(session, ENTITY, meeting_id, source.mailbox_id) if known.uid and meeting_id else []


def withdraw(session: Session, source: Source, link: Link) -> None:
    """This copy became private: remove it and what it told; what other calendars hold is told by them (S4)."""
    meeting, mailbox_id = session.get(Meeting, link.local_id), link.mailbox_id
    _lock(session, [meeting.uid] if meeting is not None else [])
    links.withdraw(session, [link])
    session.flush()
    if meeting is None:
        return
    family = select(Meeting.activity_id).where(Meeting.uid == meeting.uid, Meeting.activity_id.is_not(None))
    touches.activities(session, [found for found in session.scalars(family) if found is not None])
    held = select(MeetingCopy.link_id).join(Meeting, Meeting.id == MeetingCopy.meeting_id)
    if not session.scalars(held.where(Meeting.uid == meeting.uid, MeetingCopy.mailbox_id == mailbox_id).limit(1)).all():
        mine = ActivityMailbox.activity_id.in_(family), ActivityMailbox.mailbox_id == mailbox_id
        session.execute(delete(ActivityMailbox).where(*mine))
    _retell(session, source, meeting.uid)


def due(session: Session, source: Source) -> list[str]:
    """The meetings that time or a deletion has changed, though Outlook tells of no change.

    To be asked for when all calendars of the mailbox were read: a meeting that moved may leave one calendar before it
    is met in another. Meetings that left every calendar before they began are cancelled (S9), those whose deciding
    copy left are told by the next, and the windows of series are moved on.
    """
    now = utcnow()
    window = now + timedelta(days=source.calendar_future_days) - SLACK
    asked = {"mailbox_id": source.mailbox_id, "now": now, "window": window}
    return sorted(session.scalars(_changed_by_themselves(), asked))


@cache
def _changed_by_themselves() -> CompoundSelect[str]:
    """Built once: each run of a calendar asks, and building it takes longer than the answer."""
    mailbox_id: BindParameter[int] = bindparam("mailbox_id")
    mine = (
        select(Meeting.uid)
        .join(MeetingCopy, MeetingCopy.meeting_id == Meeting.id)
        .join(Link, Link.id == MeetingCopy.link_id)
        .where(MeetingCopy.mailbox_id == mailbox_id)
    )
    here, left = mine.where(Link.gone_at.is_(None)), mine.where(Link.gone_at.is_not(None))
    is_short = Meeting.expanded_until < bindparam("window", type_=UTCDateTime)
    has_other_teller = and_(Meeting.source_mailbox_id == mailbox_id, ~_is_held(Meeting, mailbox_id), _is_held(Meeting))
    planned, family = aliased(Meeting), aliased(Meeting)
    is_planned = and_(planned.start_at > bindparam("now", type_=UTCDateTime), planned.is_cancelled.is_(False))
    abandoned = left.join(planned, planned.uid == Meeting.uid).where(
        is_planned, ~exists().where(family.uid == Meeting.uid, _is_held(family))
    )
    return union(here.where(is_short), left.where(has_other_teller), abandoned)


def settle(session: Session, source: Source, uids: Iterable[str]) -> None:
    """Tell these meetings anew."""
    _lock(session, uids)
    for uid in uids:
        _retell(session, source, uid)


def _is_held(row: type[Meeting], mailbox_id: BindParameter[int] | None = None) -> ColumnElement[bool]:
    """Whether some calendar has the item that this row is of, or that of one mailbox."""
    held = aliased(Link)
    found = exists().where(held.entity == ENTITY, held.local_id == row.id, held.gone_at.is_(None))
    return found.where(held.mailbox_id == mailbox_id) if mailbox_id is not None else found


def _uid_of(session: Session, link: Link) -> str | None:
    return session.scalar(select(Meeting.uid).where(Meeting.id == link.local_id))


def _retell(session: Session, source: Source, uid: str, new: Link | None = None) -> None:
    """Write what the copies of a family say together; without a copy nothing of it stays."""
    rows = list(session.scalars(select(Meeting).where(Meeting.uid == uid).order_by(Meeting.id)))
    held = _held(session, rows, new)
    if not held:
        meeting_rows.remove(session, rows)
    held = [(link, address, level) for link, address, level in held if link.base]
    if not held:
        return
    now = utcnow()
    until = now + timedelta(days=source.calendar_future_days)
    apart = {row.id for row in rows if row.occurrence.startswith(APART)}
    copies = [_copy(link, address, is_apart=link.local_id in apart) for link, address, _ in held]
    if all(copy.gone_at for copy in copies if copy.record.recurrence):
        until = min([until, *(row.expanded_until for row in rows if row.expanded_until)])
    first = min([now - timedelta(days=source.calendar_past_days), *_written(rows)])
    sharing = {link.mailbox_id: level for link, _, level in held}
    family = Family(uid, rows, copies, sharing, until, now)
    places = meeting_rows.write(session, source, family, tell(copies, first, until))
    for (link, _, _), copy in zip(held, copies, strict=True):
        link.local_id = places[copy.key]
    _write_copies(session, {link.id: (link, copy.record) for (link, _, _), copy in zip(held, copies, strict=True)})


def _held(session: Session, rows: Sequence[Meeting], new: Link | None) -> list[tuple[Link, str, int]]:
    """The copies of a family: link, address of the mailbox and its sharing level."""
    mine = Link.local_id.in_([row.id for row in rows]) if rows else Link.id == NOWHERE
    if new is not None:
        mine = mine | (Link.id == new.id)
    found = (
        select(Link, Mailbox.address, Mailbox.sharing)
        .join(Mailbox, Mailbox.id == Link.mailbox_id)
        .where(Link.entity == ENTITY, mine)
        .order_by(Link.id)
    )
    return [(link, normalise(address), level) for link, address, level in session.execute(found)]


def _copy(link: Link, address: str, *, is_apart: bool) -> Copy:
    record = _SNAPSHOT.validate_python(link.base)
    return Copy(link.mailbox_id, address, link.remote_id, record, link.gone_at, is_apart)


def _written(rows: Iterable[Meeting]) -> list[datetime]:
    """Where the occurrences begin that a rule has put there: they are told as long as there is one to tell them."""
    starts = (original_start(row.occurrence) for row in rows if row.kind == MeetingKind.OCCURRENCE and row.series_id)
    return [start for start in starts if start is not None]


def _write_copies(session: Session, copies: Mapping[int, tuple[Link, MeetingRecord]]) -> None:
    known = {row.link_id: row for row in session.scalars(select(MeetingCopy).where(MeetingCopy.link_id.in_(copies)))}
    for link_id, (link, record) in copies.items():
        row = known.get(link_id)
        if row is None:
            row = MeetingCopy(link_id=link_id, mailbox_id=link.mailbox_id)
            session.add(row)
        row.meeting_id = link.local_id
        row.response, row.categories = record.my_response, "\n".join(record.categories)
    session.flush()
