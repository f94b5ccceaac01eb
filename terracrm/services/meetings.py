"""Meetings as the portal reads them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.domain.records import MeetingKind
from terracrm.errors import NotFound
from terracrm.models import Activity, ActivityMailbox, Link, Mailbox, Meeting, MeetingCopy
from terracrm.services import access
from terracrm.services.access import Viewer
from terracrm.services.people import Person, others, people_of, speaker

NEAR_BEFORE, NEAR_AFTER = 2, 4


@dataclass(frozen=True, slots=True)
class Copy:
    """A mailbox whose calendar holds the meeting, with its owner's answer."""

    mailbox: str
    response: str


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Another occurrence of the same series."""

    activity_id: int
    meeting: Meeting


@dataclass(frozen=True, slots=True)
class MeetingPage:
    """A meeting with all that its page shows. `near` are the occurrences before and after it, in their order."""

    activity: Activity
    meeting: Meeting
    series: Meeting | None
    near: list[Occurrence]
    people: list[Person]
    copies: list[Copy]
    mailbox: str

    @property
    def text(self) -> str:
        """What it says; an occurrence that says nothing of its own says what the series says."""
        is_usual = self.series is not None and self.meeting.kind == MeetingKind.OCCURRENCE
        return self.series.body_text if self.series and is_usual else self.meeting.body_text

    @property
    def is_changed(self) -> bool:
        """Whether it differs from the series that it belongs to."""
        return self.series is not None and self.meeting.kind == MeetingKind.EXCEPTION

    @property
    def organizer(self) -> Person | None:
        """Who called the meeting."""
        return speaker(self.people)

    @property
    def attendees(self) -> list[Person]:
        """Everybody else."""
        return others(self.people)


def page(session: Session, viewer: Viewer, activity_id: int) -> MeetingPage:
    """The page of a meeting with clients; NotFound when there is none or the viewer may not read it."""
    row = session.execute(
        select(Activity, Meeting)
        .join(Meeting, Meeting.activity_id == Activity.id)
        .where(Activity.id == activity_id, access.readable_activities(viewer))
    ).first()
    if row is None:
        raise NotFound("There is no such meeting.")
    activity, meeting = row
    series = session.get(Meeting, meeting.series_id) if meeting.series_id else None
    source = session.get(Mailbox, activity.mailbox_id) if activity.mailbox_id else None
    return MeetingPage(
        activity,
        meeting,
        series or (meeting if meeting.recurrence else None),
        _near(session, viewer, meeting),
        people_of(session, viewer, [activity_id]).get(activity_id, []),
        _copies(session, activity_id, meeting),
        source.address if source else "",
    )


def _near(session: Session, viewer: Viewer, meeting: Meeting) -> list[Occurrence]:
    """The occurrences of its series that the viewer may read: some before it, and some after it."""
    if meeting.series_id is None or meeting.start_at is None:
        return []
    rows = (
        select(Activity.id, Meeting)
        .join(Meeting, Meeting.activity_id == Activity.id)
        .where(Meeting.series_id == meeting.series_id, Meeting.id != meeting.id, access.readable_activities(viewer))
    )
    before = rows.where(Meeting.start_at < meeting.start_at).order_by(Meeting.start_at.desc()).limit(NEAR_BEFORE)
    after = rows.where(Meeting.start_at >= meeting.start_at).order_by(Meeting.start_at).limit(NEAR_AFTER)
    found = [*reversed(session.execute(before).all()), *session.execute(after).all()]
    return [Occurrence(activity_id, one) for activity_id, one in found]


def _copies(session: Session, activity_id: int, meeting: Meeting) -> list[Copy]:
    """The calendars that hold it, each with the answer to this occurrence where there is one, else to the series."""
    ids = [meeting.id, meeting.series_id] if meeting.series_id else [meeting.id]
    rows = session.execute(
        select(Mailbox.address, MeetingCopy.response, MeetingCopy.meeting_id)
        .join(Mailbox, Mailbox.id == MeetingCopy.mailbox_id)
        .join(Link, Link.id == MeetingCopy.link_id)
        .join(ActivityMailbox, ActivityMailbox.mailbox_id == Mailbox.id)
        .where(ActivityMailbox.activity_id == activity_id, MeetingCopy.meeting_id.in_(ids), Link.gone_at.is_(None))
        .order_by(Mailbox.address, MeetingCopy.meeting_id == meeting.id)
    )
    return list({address: Copy(address, response) for address, response, _ in rows}.values())
