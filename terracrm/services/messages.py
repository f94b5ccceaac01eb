"""Mail as the portal reads it: a message with its thread."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.errors import NotFound
from terracrm.models import (
    Activity,
    Link,
    Mailbox,
    Message,
    MessageBody,
    MessageCopy,
    MirrorFolder,
)
from terracrm.services import access
from terracrm.services.access import Viewer
from terracrm.services.people import Person, blind_copies, by_role, people_of, speaker

THREAD_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Copy:
    """A mailbox that holds the message. `is_gone`: the Outlook item is no longer there (S9)."""

    mailbox: str
    folder: str
    received_at: datetime | None
    is_read: bool
    is_gone: bool
    categories: list[str]


@dataclass(frozen=True, slots=True)
class ThreadMessage:
    """Another message of the conversation; `text` is what is new in it, as far as it was told apart."""

    id: int
    occurred_at: datetime
    direction: str
    subject: str
    speaker: Person | None
    text: str


@dataclass(frozen=True, slots=True)
class MessagePage:
    """A message with all that its page shows."""

    activity: Activity
    message: Message
    body: MessageBody
    people: list[Person]
    copies: list[Copy]
    thread: list[ThreadMessage]

    @property
    def people_by_role(self) -> list[tuple[str, list[Person]]]:
        """Sender first, then To, Cc and Bcc."""
        return by_role(self.people)

    @property
    def speaker(self) -> Person | None:
        """The sender."""
        return speaker(self.people)


def page(session: Session, viewer: Viewer, message_id: int) -> MessagePage:
    """The page of a message; NotFound when there is none or the viewer may not read it."""
    activity, message = _readable(session, viewer, message_id)
    people = people_of(session, viewer, [message_id]).get(message_id, [])
    return MessagePage(
        activity=activity,
        message=message,
        body=_body(session, message_id),
        people=people,
        copies=_copies(session, viewer, message_id, blind_copies(session, viewer, message_id, people)),
        thread=_thread(session, viewer, message),
    )


def body(session: Session, viewer: Viewer, message_id: int) -> MessageBody:
    """The body alone, under the same rule."""
    _readable(session, viewer, message_id)
    return _body(session, message_id)


def _readable(session: Session, viewer: Viewer, message_id: int) -> tuple[Activity, Message]:
    row = session.execute(
        select(Activity, Message)
        .join(Message, Message.activity_id == Activity.id)
        .where(Activity.id == message_id, access.readable_activities(viewer))
    ).first()
    if row is None:
        raise NotFound("There is no such message.")
    return row


def _body(session: Session, message_id: int) -> MessageBody:
    return session.get(MessageBody, message_id) or MessageBody(activity_id=message_id, unique_text="", text="", html="")


def _copies(session: Session, viewer: Viewer, message_id: int, hidden: set[str]) -> list[Copy]:
    """The copies, without those that would give away a blind copy which the viewer does not see.

    How a colleague files mail is the colleague's own business: folder and categories stay empty.
    """
    rows = session.execute(
        select(MessageCopy, Mailbox.address, MirrorFolder.path, Link.gone_at)
        .join(Mailbox, Mailbox.id == MessageCopy.mailbox_id)
        .join(Link, Link.id == MessageCopy.link_id)
        .join(MirrorFolder, MirrorFolder.id == Link.folder_id)
        .where(MessageCopy.message_id == message_id)
        .order_by(Mailbox.address, MirrorFolder.path)
    )
    found = []
    for copy, address, path, gone_at in rows:
        folder, categories = (path, copy.categories) if access.sees_inside(viewer, copy.mailbox_id) else ("", "")
        if address not in hidden:
            is_gone = gone_at is not None
            found.append(Copy(address, folder, copy.received_at, copy.is_read, is_gone, categories.split("\n")))
    return found


def _thread(session: Session, viewer: Viewer, message: Message) -> list[ThreadMessage]:
    """The whole conversation, oldest first, the message itself among it."""
    rows = session.execute(
        select(Activity, MessageBody.unique_text)
        .join(Message, Message.activity_id == Activity.id)
        .outerjoin(MessageBody, MessageBody.activity_id == Activity.id)
        .where(Message.thread_id == message.thread_id, access.readable_activities(viewer))
        .order_by(Activity.occurred_at.desc(), Activity.id.desc())
        .limit(THREAD_SHOWN)
    ).all()
    people = people_of(session, viewer, [activity.id for activity, _ in rows])
    return [
        ThreadMessage(
            activity.id,
            activity.occurred_at,
            activity.direction,
            activity.subject,
            speaker(people.get(activity.id, [])),
            unique_text or activity.snippet,
        )
        for activity, unique_text in reversed(rows)
    ]
