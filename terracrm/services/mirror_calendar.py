"""Calendar items become meetings: one per UID and occurrence, however many mirrored attendees (S3).

A meeting is part of the relationship history when somebody from outside takes part.
"""

from __future__ import annotations

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.orm import Session

from terracrm.domain.addresses import normalise
from terracrm.domain.capture import has_outsiders, meeting_key, snippet
from terracrm.domain.records import MeetingRecord
from terracrm.models import Activity, ActivityKind, ActivityMailbox, Link, Mailbox, Meeting, MeetingCopy, utcnow
from terracrm.models import Participant as ParticipantRow
from terracrm.services import history, links, search
from terracrm.services.activities import Entry, add_entries, participant_rows
from terracrm.services.matching import match
from terracrm.services.sources import Source, lock_directory

ENTITY = "meeting"
RULE = "calendar"


def store(session: Session, source: Source, remote_id: str, version: str, record: MeetingRecord) -> bool:
    """Take in one calendar item; True. The organizer's copy decides over the others."""
    lock_directory(session, for_writing=False)
    uid, occurrence = meeting_key(record)
    key = f"{uid or f'{source.mailbox_id}:{remote_id}'}/{occurrence}"
    link = links.find(session, source.mailbox_id, remote_id)
    meeting = session.scalar(select(Meeting).where(Meeting.meeting_key == key))
    if link is not None and (meeting is None or link.local_id != meeting.id):
        withdraw(session, source, link)  # the item has become another meeting
        link = None
    if meeting is None:
        meeting = Meeting(meeting_key=key, uid=uid, occurrence=occurrence, kind=record.kind)
        session.add(meeting)
    if meeting.id is None or record.is_organizer or not _has_organizer(session, meeting):
        _write(meeting, source, record)
        session.flush()
        _write_activity(session, source, meeting, record)
    _write_copy(session, source, link, meeting, remote_id, version, record)
    return True


def cancel_abandoned(session: Session, mailbox_id: int) -> None:
    """A meeting of this mailbox that has not begun and that left every calendar is cancelled (S9).

    To be called when all its calendars were read: a meeting that moved may leave one before it is met in another.
    """
    copy = exists().where(Link.entity == ENTITY, Link.local_id == Meeting.id)
    session.execute(
        update(Meeting)
        .where(
            Meeting.start_at > utcnow(),
            Meeting.is_cancelled.is_(False),
            copy.where(Link.mailbox_id == mailbox_id),
            ~copy.where(Link.gone_at.is_(None)),
        )
        .values(is_cancelled=True)
    )


def links_of(session: Session, source: Source, record: MeetingRecord) -> list[Link]:
    """The links of this mailbox to copies of this meeting."""
    uid, occurrence = meeting_key(record)
    meeting_id = session.scalar(select(Meeting.id).where(Meeting.meeting_key == f"{uid}/{occurrence}"))
    return links.of(session, ENTITY, meeting_id, source.mailbox_id) if uid and meeting_id else []


def withdraw(session: Session, _: Source, link: Link) -> None:
    """This copy became private: remove it, and the meeting too when no other calendar has it (S4).

    Another calendar's next change says what the meeting is from then on.
    """
    meeting, mailbox_id = session.get(Meeting, link.local_id), link.mailbox_id
    is_held = links.withdraw(session, link)
    if meeting is None:
        return
    if not is_held:
        _drop_activity(session, meeting)
        session.delete(meeting)
    elif not links.of(session, ENTITY, meeting.id, mailbox_id):
        session.execute(
            delete(ActivityMailbox).where(
                ActivityMailbox.activity_id == meeting.activity_id, ActivityMailbox.mailbox_id == mailbox_id
            )
        )
    session.flush()


def _has_organizer(session: Session, meeting: Meeting) -> bool:
    """Whether the organizer's copy told what the meeting is, and is still there."""
    told = exists().where(
        Link.entity == ENTITY,
        Link.local_id == meeting.id,
        Link.mailbox_id == meeting.source_mailbox_id,
        Link.gone_at.is_(None),
    )
    return meeting.from_organizer and bool(session.scalar(select(told)))


def _write(meeting: Meeting, source: Source, record: MeetingRecord) -> None:
    meeting.kind = record.kind
    meeting.subject = record.subject
    meeting.start_at, meeting.end_at = record.start, record.end
    meeting.is_all_day = record.is_all_day
    meeting.start_date, meeting.end_date = record.start_date, record.end_date
    meeting.zone, meeting.location = record.zone, record.location
    meeting.is_cancelled = record.is_cancelled
    meeting.recurrence = record.recurrence
    meeting.from_organizer = record.is_organizer
    meeting.source_mailbox_id = source.mailbox_id
    meeting.body_text = record.body_text


def _write_activity(session: Session, source: Source, meeting: Meeting, record: MeetingRecord) -> None:
    if record.start is None or not has_outsiders(record.participants, source.policy, source.address):
        _drop_activity(session, meeting)
        return
    matches = match(session, source.policy, {normalise(p.address) for p in record.participants})
    if meeting.activity_id is None:
        entry = Entry(
            kind=ActivityKind.MEETING,
            occurred_at=record.start,
            direction="",
            subject=record.subject,
            snippet=snippet(record.body_text),
            has_attachments=False,
            rule=RULE,
            participants=record.participants,
        )
        meeting.activity_id = add_entries(session, source, [entry], matches)[0]
        _add_holders(session, source, meeting.id, meeting.activity_id)
    else:
        activity = session.get_one(Activity, meeting.activity_id)
        activity.occurred_at = record.start
        activity.subject, activity.snippet = record.subject, snippet(record.body_text)
        session.flush()
        session.execute(delete(ParticipantRow).where(ParticipantRow.activity_id == activity.id))
        session.execute(insert(ParticipantRow), participant_rows(source, activity.id, record.participants, matches))
        history.refresh(session, [activity.id])
    people = " ".join(f"{p.name} {p.address}" for p in record.participants[:20])
    text = f"{record.subject} {record.location} {people} {record.body_text[: source.full_text_chars]}"
    search.index_activities(session, [(meeting.activity_id, record.start, text)])


def _add_holders(session: Session, source: Source, meeting_id: int, activity_id: int) -> None:
    """The other calendars that held the meeting before it became history hold the entry, too."""
    others = select(MeetingCopy.mailbox_id, Mailbox.sharing).join(Mailbox, Mailbox.id == MeetingCopy.mailbox_id)
    held = others.where(MeetingCopy.meeting_id == meeting_id, MeetingCopy.mailbox_id != source.mailbox_id)
    found = dict(session.execute(held.distinct()).all())
    if found:
        rows = [{"activity_id": activity_id, "mailbox_id": mailbox_id} for mailbox_id in sorted(found)]
        session.execute(insert(ActivityMailbox), rows)
        session.get_one(Activity, activity_id).sharing = min(source.sharing, *found.values())


def _write_copy(
    session: Session,
    source: Source,
    link: Link | None,
    meeting: Meeting,
    remote_id: str,
    version: str,
    record: MeetingRecord,
) -> None:
    if link is None:
        method = "uid" if record.uid else "item"
        link = links.add(session, source, ENTITY, meeting.id, remote_id, RULE, method)
        session.flush()
    link.local_id, link.version, link.gone_at = meeting.id, version, None
    session.merge(
        MeetingCopy(
            link_id=link.id,
            meeting_id=meeting.id,
            mailbox_id=source.mailbox_id,
            response=record.my_response,
            categories="\n".join(record.categories),
        )
    )
    if meeting.activity_id is not None:
        session.merge(ActivityMailbox(activity_id=meeting.activity_id, mailbox_id=source.mailbox_id))
        activity = session.get_one(Activity, meeting.activity_id)
        activity.sharing = min(activity.sharing, source.sharing)
    session.flush()


def _drop_activity(session: Session, meeting: Meeting) -> None:
    if meeting.activity_id is None:
        return
    activity_id, meeting.activity_id = meeting.activity_id, None
    session.flush()
    search.remove(session, "activity_search", [activity_id])
    session.execute(delete(Activity).where(Activity.id == activity_id))
