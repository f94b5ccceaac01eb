"""Meetings as the portal reads them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.errors import NotFound
from terracrm.models import Activity, Mailbox, Meeting, MeetingCopy
from terracrm.services import access
from terracrm.services.access import Viewer
from terracrm.services.people import Person, people_of


@dataclass(frozen=True, slots=True)
class Copy:
    """A mailbox whose calendar holds the meeting, with its owner's answer."""

    mailbox: str
    response: str


@dataclass(frozen=True, slots=True)
class MeetingPage:
    """A meeting with all that its page shows."""

    activity: Activity
    meeting: Meeting
    people: list[Person]
    copies: list[Copy]
    mailbox: str

    @property
    def organizer(self) -> Person | None:
        """Who called the meeting."""
        return next((person for person in self.people if person.role == "organizer"), None)

    @property
    def attendees(self) -> list[Person]:
        """Everybody else."""
        return [person for person in self.people if person.role != "organizer"]


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
    copies = session.execute(
        select(Mailbox.address, MeetingCopy.response)
        .join(Mailbox, Mailbox.id == MeetingCopy.mailbox_id)
        .where(MeetingCopy.meeting_id == meeting.id)
        .order_by(Mailbox.address)
    )
    source = session.get(Mailbox, activity.mailbox_id) if activity.mailbox_id else None
    return MeetingPage(
        activity,
        meeting,
        people_of(session, viewer, [activity_id]).get(activity_id, []),
        [Copy(*copy) for copy in copies],
        source.address if source else "",
    )
