"""Which topics the messages of a conversation inherit, kept in step with the conversation (M3).

Worked out anew for a whole conversation whenever messages join or leave it, a topic is set or removed, or what is
known of its people changes. So it does not matter what came first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from terracrm.domain.topics import COMPANY, CONTACT, OWN, Gift, Member, Topic, inherited
from terracrm.models import Activity, ActivityTopic, Message, Participant, ThreadKey, User
from terracrm.services import access
from terracrm.services.matching import INTERNAL, chunks


def settle_around(session: Session, activity_ids: Sequence[int]) -> set[int]:
    """Work out what the conversations of these activities inherit; the activities whose topics changed."""
    threads: set[int] = set()
    for some in chunks(activity_ids):
        threads |= set(session.scalars(select(Message.thread_id).where(Message.activity_id.in_(some)).distinct()))
    return settle(session, threads)


def settle(session: Session, threads: Collection[int]) -> set[int]:
    """Work out what these conversations inherit; the activities whose topics changed."""
    changed: set[int] = set()
    for some in chunks(sorted(threads)):
        if not (unsettled := _to_settle(session, some)):
            continue
        conversations = _conversations(session, unsettled)
        topics = _topics(session, [member.id for members in conversations for member in members])
        for members in conversations:
            changed |= _settle(session, members, [row for member in members for row in topics.get(member.id, ())])
    return changed


def hand_over(session: Session, old: Topic, new: Topic) -> None:
    """What was about one is about the other; the conversations are to be settled after that."""
    same = select(ActivityTopic.activity_id).where(ActivityTopic.entity == new[0], ActivityTopic.entity_id == new[1])
    both = _about(old) & ActivityTopic.activity_id.in_(same)
    session.execute(delete(ActivityTopic).where(both))
    session.execute(update(ActivityTopic).where(_about(old)).values(entity_id=new[1]))


def forget(session: Session, entity: str, entity_ids: Collection[int]) -> list[int]:
    """Nothing is about these any more; the activities that were."""
    about = ActivityTopic.entity == entity, ActivityTopic.entity_id.in_(entity_ids)
    ids = session.scalars(select(ActivityTopic.activity_id).where(*about).distinct()).all()
    session.execute(delete(ActivityTopic).where(*about))
    return list(ids)


def _about(topic: Topic) -> ColumnElement[bool]:
    return and_(ActivityTopic.entity == topic[0], ActivityTopic.entity_id == topic[1])


def _to_settle(session: Session, threads: Sequence[int]) -> list[int]:
    """Those of these threads in which there is something to inherit: a topic, or a stranger beside a client."""
    has_topic = exists().where(ActivityTopic.activity_id == Message.activity_id)
    is_nobodys = exists().where(Activity.id == Message.activity_id, Activity.is_matched.is_(False))
    other, entry = aliased(Message), aliased(Activity)
    has_client = exists().where(other.thread_id == Message.thread_id, entry.id == other.activity_id, entry.is_matched)
    found = select(Message.thread_id).where(or_(has_topic, and_(is_nobodys, has_client)))
    return list(session.scalars(found.where(Message.thread_id.in_(threads)).distinct()))


def _conversations(session: Session, threads: Sequence[int]) -> list[list[Member]]:
    rows = session.execute(
        select(
            Message.thread_id,
            Message.activity_id,
            Message.message_key,
            Message.in_reply_to,
            func.coalesce(ThreadKey.thread_id, Message.thread_id),
            Activity.occurred_at,
        )
        .join(Activity, Activity.id == Message.activity_id)
        .outerjoin(ThreadKey, ThreadKey.key == Message.message_key)
        .where(Message.thread_id.in_(threads))
    ).all()
    people = _people(session, [row.activity_id for row in rows])
    found: dict[int, list[Member]] = defaultdict(list)
    for thread, activity_id, key, answers, strand, at in rows:
        outside = people.get(activity_id, [])
        clients = frozenset(client for client in outside if client)
        is_strange = bool(outside) and not clients
        found[thread].append(Member(activity_id, key, answers, strand, at, clients, is_strange))
    return list(found.values())


def _people(session: Session, activity_ids: Sequence[int]) -> dict[int, list[Topic | None]]:
    """Whom the people from outside are, of each activity: their company, or the contact where there is none."""
    found: dict[int, list[Topic | None]] = defaultdict(list)
    query = select(Participant.activity_id, Participant.contact_id, Participant.company_id)
    for some in chunks(activity_ids):
        outside = query.where(Participant.activity_id.in_(some), Participant.match_method != INTERNAL)
        for activity_id, contact_id, company_id in session.execute(outside):
            contact: Topic | None = (CONTACT, contact_id) if contact_id else None
            found[activity_id].append((COMPANY, company_id) if company_id else contact)
    return found


def _topics(session: Session, activity_ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    for some in chunks(activity_ids):
        for row in session.execute(select(ActivityTopic.__table__).where(ActivityTopic.activity_id.in_(some))):
            found[row.activity_id].append(row)
    return found


def _settle(session: Session, members: Sequence[Member], stored: Sequence[Row[Any]]) -> set[int]:
    ids = [member.id for member in members]
    own = [row for row in stored if row.method in OWN]
    wanted = inherited(members, [(row.activity_id, _topic(row)) for row in own], _barred(session, own, ids))
    there = {(row.activity_id, _topic(row)): row for row in stored if row.method not in OWN}
    for key in there.keys() - wanted.keys():
        session.execute(delete(ActivityTopic).where(ActivityTopic.id == there[key].id))
    for key in there.keys() & wanted.keys():
        _correct(session, there[key], wanted[key])
    _add(session, {key: wanted[key] for key in sorted(wanted.keys() - there.keys())})
    return {activity_id for activity_id, _ in there.keys() ^ wanted.keys()}


def _barred(session: Session, own: Iterable[Row[Any]], ids: Sequence[int]) -> set[tuple[Topic, int]]:
    """What a topic that a person set does not reach: the history of clients whom that person may not see.

    Else a manager could open the mail of other teams by saying that it is about a client of their own.
    """
    found: set[tuple[Topic, int]] = set()
    for row in own:
        user = session.get(User, row.user_id) if row.user_id else None
        if user is not None:
            foreign = access.foreign_to(access.viewer_of(session, user))
            for some in chunks(ids):
                hidden = session.scalars(select(Activity.id).where(Activity.id.in_(some), foreign))
                found |= {(_topic(row), activity_id) for activity_id in hidden}
    return found


def _correct(session: Session, row: Row[Any], gift: Gift) -> None:
    if (row.method, row.from_activity_id) != (gift.method, gift.giver):
        values = {"method": gift.method, "from_activity_id": gift.giver}
        session.execute(update(ActivityTopic).where(ActivityTopic.id == row.id).values(values))


def _add(session: Session, gifts: dict[tuple[int, Topic], Gift]) -> None:
    """The source of what is inherited is that of the message that inherits (invariant 11)."""
    if not gifts:
        return
    ids = sorted({activity_id for activity_id, _ in gifts})
    sources = {
        row.id: {"mailbox_id": row.mailbox_id, "run_id": row.run_id}
        for some in chunks(ids)
        for row in session.execute(
            select(Activity.id, Activity.mailbox_id, Activity.run_id).where(Activity.id.in_(some))
        )
    }
    rows = [
        {
            "activity_id": activity_id,
            "entity": entity,
            "entity_id": entity_id,
            "method": gift.method,
            "from_activity_id": gift.giver,
            **sources[activity_id],
        }
        for (activity_id, (entity, entity_id)), gift in gifts.items()
    ]
    session.execute(insert(ActivityTopic), rows)


def _topic(row: Row[Any]) -> Topic:
    return row.entity, row.entity_id
