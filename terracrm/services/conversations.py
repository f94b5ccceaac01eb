"""A conversation as its page shows it: all messages that the viewer may read, oldest first, a page at a time.

Threads change their id when they join, so a conversation is asked for by any of its messages. What the viewer may
not read is neither shown nor counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.domain.capture import Detail
from terracrm.domain.threads import read_subject
from terracrm.errors import NotFound
from terracrm.models import Activity, Message, MessageBody
from terracrm.services import access, topics
from terracrm.services.access import Viewer
from terracrm.services.people import Person, others, people_of, speaker
from terracrm.services.topics import TopicRow

MESSAGES_SHOWN = 50
PEOPLE_READ = 500


@dataclass(frozen=True, slots=True)
class Part:
    """One message of a conversation; `text` is what is new in it.

    `new_subject` is its subject where that is another matter than the conversation's, else "". `only_headers`: its
    content is not kept (S6).
    """

    id: int
    occurred_at: datetime
    direction: str
    new_subject: str
    text: str
    has_attachments: bool
    only_headers: bool
    people: list[Person]

    @property
    def speaker(self) -> Person | None:
        """The sender."""
        return speaker(self.people)

    @property
    def others(self) -> list[Person]:
        """Those whom it was addressed to."""
        return others(self.people)


@dataclass(frozen=True, slots=True)
class Conversation:
    """One page of a conversation: `total` counts the messages of all its pages. `first_id` is its oldest message."""

    first_id: int
    subject: str
    parts: list[Part]
    people: list[Person]
    topics: list[TopicRow]
    total: int
    page: int

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return _page_of(self.total - 1)


class _Line(NamedTuple):
    id: int
    occurred_at: datetime
    subject: str


def place(session: Session, viewer: Viewer, message_id: int) -> tuple[int, int]:
    """The oldest message of the conversation that this message is part of, and the page that this one is on.

    Raises NotFound for a message that the viewer may not read.
    """
    lines = _lines(session, viewer, message_id)
    return lines[0].id, _page_of(next(place for place, line in enumerate(lines) if line.id == message_id))


def of_message(session: Session, viewer: Viewer, message_id: int, page: int = 1) -> Conversation:
    """A page of the conversation that a message is part of; NotFound as above, and for a page that is not there."""
    lines = _lines(session, viewer, message_id)
    shown = lines[(page - 1) * MESSAGES_SHOWN : page * MESSAGES_SHOWN]
    if not shown:
        raise NotFound("There is no such page of this conversation.")
    subject = next((line.subject for line in lines if line.subject), "")
    return Conversation(
        first_id=lines[0].id,
        subject=subject,
        parts=_parts(session, viewer, [line.id for line in shown], subject),
        people=_people(session, viewer, [line.id for line in lines[:PEOPLE_READ]]),
        topics=topics.of_conversation(session, viewer, message_id),
        total=len(lines),
        page=page,
    )


def _page_of(position: int) -> int:
    return position // MESSAGES_SHOWN + 1


def _lines(session: Session, viewer: Viewer, message_id: int) -> list[_Line]:
    """What the viewer may read of the conversation, oldest first; NotFound unless the message is among it."""
    thread = select(Message.thread_id).where(Message.activity_id == message_id).scalar_subquery()
    rows = session.execute(
        select(Activity.id, Activity.occurred_at, Activity.subject)
        .join(Message, Message.activity_id == Activity.id)
        .where(Message.thread_id == thread, access.readable_activities(viewer))
        .order_by(Activity.occurred_at, Activity.id)
    )
    lines = [_Line(*row) for row in rows]
    if not any(line.id == message_id for line in lines):
        raise NotFound("There is no such message.")
    return lines


def _parts(session: Session, viewer: Viewer, ids: Sequence[int], subject: str) -> list[Part]:
    rows = session.execute(
        select(Activity, Message.detail, MessageBody.unique_text)
        .join(Message, Message.activity_id == Activity.id)
        .outerjoin(MessageBody, MessageBody.activity_id == Activity.id)
        .where(Activity.id.in_(ids))
        .order_by(Activity.occurred_at, Activity.id)
    ).all()
    people = people_of(session, viewer, ids)
    base = read_subject(subject).base
    return [
        Part(
            id=activity.id,
            occurred_at=activity.occurred_at,
            direction=activity.direction,
            new_subject=activity.subject if read_subject(activity.subject).base != base else "",
            text=unique_text or activity.snippet,
            has_attachments=activity.has_attachments,
            only_headers=detail == Detail.HEADERS,
            people=people.get(activity.id, []),
        )
        for activity, detail, unique_text in rows
    ]


def _people(session: Session, viewer: Viewer, ids: Sequence[int]) -> list[Person]:
    """Who takes part in any of these messages, once each; those from outside first."""
    found = {
        person.address or person.name: person
        for people in people_of(session, viewer, ids).values()
        for person in people
    }
    return sorted(found.values(), key=lambda person: (person.is_ours, person.label.casefold()))
