"""The mail that a mailbox brought, as the rules see it: what is stored of each is enough to decide again (S6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.domain.records import MessageRecord, Participant, Role
from terracrm.models import Activity, Link, Message, MessageCopy
from terracrm.models import Participant as ParticipantRow
from terracrm.services.matching import chunks

BATCH = 1000
LONGEST_CONVERSATION = 1000


@dataclass(frozen=True, slots=True)
class StoredMail:
    """One copy of a mail. `record` says of it what a decision needs, and nothing of its content."""

    link_id: int
    message_id: int
    folder_id: int
    remote_id: str
    is_gone: bool
    is_untracked: bool
    is_full: bool
    rule: str
    occurred_at: datetime
    direction: str
    record: MessageRecord


def of_mailbox(session: Session, mailbox_id: int) -> Iterator[list[StoredMail]]:
    """All copies that a mailbox brought, some at a time."""
    last = 0
    while rows := _rows(session, mailbox_id, last):
        last = rows[-1].Link.id
        people = _participants(session, {row.Message.activity_id for row in rows})
        ancestors = _ancestors(session, {row.Message.in_reply_to for row in rows})
        yield [_stored(row, people[row.Message.activity_id], ancestors) for row in rows]


def _rows(session: Session, mailbox_id: int, after: int) -> list[Any]:
    query = (
        select(Link, Message, MessageCopy.categories, Activity.occurred_at, Activity.direction)
        .join(MessageCopy, MessageCopy.link_id == Link.id)
        .join(Message, Message.activity_id == MessageCopy.message_id)
        .join(Activity, Activity.id == Message.activity_id)
        .where(Link.mailbox_id == mailbox_id, Link.id > after)
        .order_by(Link.id)
        .limit(BATCH)
    )
    return list(session.execute(query).all())


def _participants(session: Session, message_ids: Iterable[int]) -> dict[int, list[Participant]]:
    found: dict[int, list[Participant]] = defaultdict(list)
    query = select(ParticipantRow.activity_id, ParticipantRow.role, ParticipantRow.address)
    for activity_id, role, address in session.execute(query.where(ParticipantRow.activity_id.in_(message_ids))):
        found[activity_id].append(Participant(Role(role), address))
    return found


def _ancestors(session: Session, keys: Iterable[str]) -> dict[str, str]:
    """What each of these messages answers, and what those answer, as far as they are stored."""
    answered: dict[str, str] = {}
    wanted = {key for key in keys if key}
    while wanted:
        query = select(Message.message_key, Message.in_reply_to)
        answered |= dict.fromkeys(wanted, "")
        for some in chunks(sorted(wanted)):
            answered |= dict(session.execute(query.where(Message.message_key.in_(some))).all())
        wanted = {answered[key] for key in wanted} - answered.keys() - {""}
    return answered


def _stored(row: Any, people: list[Participant], answered: dict[str, str]) -> StoredMail:
    link, message = row.Link, row.Message
    return StoredMail(
        link_id=link.id,
        message_id=message.activity_id,
        folder_id=link.folder_id,
        remote_id=link.remote_id,
        is_gone=link.gone_at is not None,
        is_untracked=link.untracked_at is not None,
        is_full=message.detail == "full",
        rule=link.rule,
        occurred_at=row.occurred_at,
        direction=row.direction,
        record=MessageRecord(
            message_id=message.message_id,
            participants=tuple(people),
            in_reply_to=message.in_reply_to,
            references=tuple(_chain(message.in_reply_to, answered)),
            categories=tuple(row.categories.split("\n")),
        ),
    )


def _chain(key: str, answered: dict[str, str]) -> list[str]:
    """The conversation that a reply belongs to, the first mail first, like a References header."""
    found: list[str] = []
    while key and key not in found and len(found) < LONGEST_CONVERSATION:
        found.append(key)
        key = answered.get(key, "")
    return found[::-1]
