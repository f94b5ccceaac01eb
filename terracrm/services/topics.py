"""What activities are about beside who took part: set and removed by hand, and as pages show it (M3).

What is set on one message of a conversation is that of the whole conversation (`inheritance`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select
from sqlalchemy.orm import Session

from terracrm.domain.topics import COMPANY, CONTACT, MANUAL, OWN
from terracrm.errors import Forbidden, InvalidInput, NotFound
from terracrm.models import Activity, ActivityTopic, Company, Contact, Message, User
from terracrm.services import access, audit, history, topic_tokens
from terracrm.services.access import Viewer


@dataclass(frozen=True, slots=True)
class TopicRow:
    """One topic of an activity. `giver_id` is the message that it came from, if the viewer may read that.

    `set_by` is who set it by hand; `may_remove` when this viewer can take it away again.
    """

    id: int
    activity_id: int
    entity: str
    entity_id: int
    name: str
    method: str
    giver_id: int | None
    set_by: str
    set_at: datetime
    may_remove: bool


def set_topic(session: Session, viewer: Viewer, activity_id: int, entity: str, entity_id: int) -> Activity:
    """Say that an activity, and the conversation that it is part of, is about a company or contact.

    Raises Forbidden for a role that changes nothing, NotFound for an activity or client that the viewer does not see.
    """
    activity = to_be_linked(session, viewer, activity_id)
    if not _names(session, viewer, {(entity, entity_id)}):
        raise NotFound("There is no such client.")
    same = (
        ActivityTopic.activity_id == activity_id,
        ActivityTopic.entity == entity,
        ActivityTopic.entity_id == entity_id,
    )
    if session.scalar(select(ActivityTopic.id).where(*same, ActivityTopic.method == MANUAL)) is not None:
        return activity
    session.execute(delete(ActivityTopic).where(*same))
    row = {"activity_id": activity_id, "entity": entity, "entity_id": entity_id, "method": MANUAL}
    session.execute(insert(ActivityTopic).values(row | {"user_id": viewer.signs_as}))
    audit.record(session, viewer.signs_as, "topic.set", "activity", activity_id, f"{entity}:{entity_id}")
    history.refresh(session, [activity_id])
    return activity


def remove(session: Session, viewer: Viewer, topic_id: int) -> Activity:
    """Take away a topic that was set by hand, with what others inherited of it; the activity that had it.

    Raises InvalidInput for one that was not set by hand: that goes when what it comes from goes.
    """
    _require_right(viewer)
    row = session.execute(select(ActivityTopic.__table__).where(ActivityTopic.id == topic_id)).first()
    if row is None:
        raise NotFound("There is no such link.")
    activity = to_be_linked(session, viewer, row.activity_id)
    if not _names(session, viewer, {(row.entity, row.entity_id)}):
        raise NotFound("There is no such link.")
    if row.method != MANUAL:
        raise InvalidInput("Only what was set by hand can be removed.")
    session.execute(delete(ActivityTopic).where(ActivityTopic.id == topic_id))
    detail = f"{row.entity}:{row.entity_id}"
    audit.record(session, viewer.signs_as, "topic.remove", "activity", row.activity_id, detail)
    history.refresh(session, [row.activity_id])
    topic_tokens.read(session, {activity.id: activity.subject})
    return activity


def to_be_linked(session: Session, viewer: Viewer, activity_id: int) -> Activity:
    """An activity of which this viewer may say what it is about; raises as `set_topic` does."""
    _require_right(viewer)
    readable = select(Activity).where(Activity.id == activity_id, access.readable_activities(viewer))
    activity = session.scalar(readable)
    if activity is None:
        raise NotFound("There is no such entry.")
    return activity


def of_activity(session: Session, viewer: Viewer, activity_id: int) -> list[TopicRow]:
    """What an activity that the viewer reads is about, as far as the viewer sees these clients."""
    return _rows(session, viewer, ActivityTopic.activity_id == activity_id)


def of_activities(session: Session, viewer: Viewer, activity_ids: Collection[int]) -> dict[int, list[TopicRow]]:
    """The same for several at once; those that are about nobody are left out."""
    found: dict[int, list[TopicRow]] = defaultdict(list)
    for row in _rows(session, viewer, ActivityTopic.activity_id.in_(activity_ids)) if activity_ids else ():
        found[row.activity_id].append(row)
    return dict(found)


def of_conversation(session: Session, viewer: Viewer, message_id: int) -> list[TopicRow]:
    """What the messages of a conversation that the viewer reads are about: each topic of their own, others once."""
    thread = select(Message.thread_id).where(Message.activity_id == message_id).scalar_subquery()
    mine = (
        select(Message.activity_id)
        .join(Activity, Activity.id == Message.activity_id)
        .where(Message.thread_id == thread, access.readable_activities(viewer))
    )
    once = select(func.min(ActivityTopic.id)).where(ActivityTopic.activity_id.in_(mine))
    once = once.group_by(ActivityTopic.entity, ActivityTopic.entity_id)
    own = and_(ActivityTopic.activity_id.in_(mine), ActivityTopic.method.in_(OWN))
    rows = _rows(session, viewer, or_(own, ActivityTopic.id.in_(once)))
    said = {(row.entity, row.entity_id) for row in rows if row.method in OWN}
    return [row for row in rows if row.method in OWN or (row.entity, row.entity_id) not in said]


def _require_right(viewer: Viewer) -> None:
    if not viewer.decides:
        raise Forbidden("This role changes nothing.")


def _rows(session: Session, viewer: Viewer, which: ColumnElement[bool]) -> list[TopicRow]:
    found = session.execute(
        select(ActivityTopic, User.full_name, User.name)
        .outerjoin(User, User.id == ActivityTopic.user_id)
        .where(which)
        .order_by(ActivityTopic.entity.desc(), ActivityTopic.id)
        .execution_options(populate_existing=True)
    ).all()
    names = _names(session, viewer, {(topic.entity, topic.entity_id) for topic, _, _ in found})
    givers = {topic.from_activity_id for topic, _, _ in found}
    readable = set(
        session.scalars(select(Activity.id).where(Activity.id.in_(givers), access.readable_activities(viewer)))
    )
    return [
        TopicRow(
            id=topic.id,
            activity_id=topic.activity_id,
            entity=topic.entity,
            entity_id=topic.entity_id,
            name=names[topic.entity, topic.entity_id],
            method=topic.method,
            giver_id=topic.from_activity_id if topic.from_activity_id in readable else None,
            set_by=full_name or name or "",
            set_at=topic.created_at,
            may_remove=topic.method == MANUAL and viewer.decides,
        )
        for topic, full_name, name in found
        if (topic.entity, topic.entity_id) in names
    ]


def _names(session: Session, viewer: Viewer, wanted: Collection[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """The names of those of these clients whom the viewer sees."""
    companies = {id_ for entity, id_ in wanted if entity == COMPANY}
    contacts = {id_ for entity, id_ in wanted if entity == CONTACT}
    found: dict[tuple[str, int], str] = {}
    if companies:
        rows = select(Company.id, Company.name).where(Company.id.in_(companies), access.companies(viewer))
        found |= {(COMPANY, id_): name for id_, name in session.execute(rows)}
    if contacts:
        people = select(Contact.id, Contact.display_name).where(Contact.id.in_(contacts), access.contacts(viewer))
        found |= {(CONTACT, id_): name for id_, name in session.execute(people)}
    return found
