"""Tokens in subjects, as "[#C-12]", which say what a mail is about wherever the headers got lost (M3).

Anybody can write anything into a subject. So a token counts in what we sent; in what we received it counts when we
sent that token to this sender before, in any conversation. Else an outsider could put mail on any client's profile,
and learn from our answers which clients there are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session, aliased

from terracrm.domain.topics import COMPANY, OWN, TOKEN, Topic, tokens
from terracrm.models import Activity, ActivityTopic, Participant
from terracrm.services import history, merged
from terracrm.services.matching import INTERNAL

SENDER = "from"


def read(session: Session, subjects: Mapping[int, str]) -> None:
    """Take in the tokens of these new messages, and of earlier answers which these make credible."""
    found = {activity_id: topics for activity_id, subject in subjects.items() if (topics := tokens(subject))}
    if not found:
        return
    is_sent = select(Activity.id).where(Activity.id.in_(found), Activity.direction == "out")
    sent = list(session.scalars(is_sent))
    changed = {id_ for id_ in sent for topic in found[id_] if _add(session, id_, topic, None)}
    received = {id_: topics for id_, topics in found.items() if id_ not in sent} | _answers(session, sent)
    for activity_id, topics in received.items():
        for topic in topics:
            giver = _giver(session, activity_id, topic)
            if giver is not None and _add(session, activity_id, topic, giver):
                changed.add(activity_id)
    history.refresh(session, changed)


def forget_given_by(session: Session, activity_ids: Collection[int]) -> None:
    """Messages that gave somebody a token were withdrawn: what they alone made credible goes."""
    given = (ActivityTopic.from_activity_id.in_(activity_ids), ActivityTopic.method == TOKEN)
    ids = session.scalars(select(ActivityTopic.activity_id).where(*given)).all()
    if ids:
        session.execute(delete(ActivityTopic).where(*given))
        history.refresh(session, ids)


def _answers(session: Session, sent: Sequence[int]) -> dict[int, list[Topic]]:
    """The mails with tokens that came from those to whom these were sent."""
    if not sent:
        return {}
    to_them = select(Participant.address).where(
        Participant.activity_id.in_(sent), Participant.role != SENDER, Participant.match_method != INTERNAL
    )
    rows = session.execute(
        select(Activity.id, Activity.subject)
        .join(Participant, Participant.activity_id == Activity.id)
        .where(Participant.role == SENDER, Participant.address.in_(to_them), Activity.subject.contains("[#"))
        .where(Activity.direction == "in")
    )
    return {activity_id: topics for activity_id, subject in rows if (topics := tokens(subject))}


def _giver(session: Session, activity_id: int, topic: Topic) -> int | None:
    """The first message with this token that we sent to the sender of this one."""
    sender, receiver = aliased(Participant), aliased(Participant)
    entity, entity_id = _now(session, topic)
    return session.scalar(
        select(ActivityTopic.activity_id)
        .join(Activity, Activity.id == ActivityTopic.activity_id)
        .join(receiver, receiver.activity_id == ActivityTopic.activity_id)
        .join(sender, sender.address == receiver.address)
        .where(ActivityTopic.entity == entity, ActivityTopic.entity_id == entity_id)
        .where(ActivityTopic.method == TOKEN, ActivityTopic.from_activity_id.is_(None))
        .where(sender.activity_id == activity_id, sender.role == SENDER, sender.address != "", receiver.role != SENDER)
        .order_by(Activity.occurred_at, Activity.id)
        .limit(1)
    )


def _add(session: Session, activity_id: int, topic: Topic, giver: int | None) -> bool:
    """Let a message be about this by its token; whether that is news."""
    entity, entity_id = _now(session, topic)
    if entity_id is None:
        return False
    values = {"method": TOKEN, "from_activity_id": giver}
    mine = (ActivityTopic.activity_id == activity_id, ActivityTopic.entity == entity)
    row = session.execute(
        select(ActivityTopic.id, ActivityTopic.method).where(*mine, ActivityTopic.entity_id == entity_id)
    ).first()
    if row is None:
        source = select(Activity.mailbox_id, Activity.run_id).where(Activity.id == activity_id)
        values |= session.execute(source).mappings().one()
        session.execute(
            insert(ActivityTopic).values(activity_id=activity_id, entity=entity, entity_id=entity_id, **values)
        )
        return True
    if row.method in OWN:
        return False
    session.execute(update(ActivityTopic).where(ActivityTopic.id == row.id).values(values))
    return True


def _now(session: Session, topic: Topic) -> tuple[str, int | None]:
    """What this is now, through merges; None for what is not there."""
    return topic[0], merged.survivor_id(session, "company" if topic[0] == COMPANY else "contact", topic[1])
