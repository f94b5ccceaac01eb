"""Mail becomes messages of the relationship history: one per Message-ID, a copy per mailbox (S2, M1, S7).

A page of mail is written in bulk: a handful of statements however many messages it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from terracrm.domain.addresses import MAX_ADDRESS, is_no_reply, normalise
from terracrm.domain.capture import direction, message_key, normalise_message_id, snippet
from terracrm.domain.records import MessageRecord, Participant, Role
from terracrm.domain.texts import html_to_text
from terracrm.models import (
    Activity,
    ActivityKind,
    ActivityMailbox,
    Link,
    Message,
    MessageAttachment,
    MessageBody,
    MessageCopy,
    utcnow,
)
from terracrm.models import Participant as ParticipantRow
from terracrm.services import history, links, search, threads
from terracrm.services.activities import Entry, add_entries, participant_rows
from terracrm.services.matching import Match, match
from terracrm.services.mirror_contacts import add_from_mail
from terracrm.services.sources import Source, lock_directory

ENTITY = "message"
RULE = "mail"
CLOCK_SKEW = timedelta(days=1)
MANY_PEOPLE = 100


@dataclass(frozen=True, slots=True)
class Arrival:
    """One mail as a folder of one mailbox holds it."""

    remote_id: str
    version: str
    record: MessageRecord


def store(session: Session, source: Source, arrivals: Sequence[Arrival]) -> int:
    """Take in a page of mail that has no link yet; how many of the messages are new and matched to nobody."""
    keyed = {message_key(arrival.record): arrival for arrival in arrivals}
    known = _known(session, keyed)
    new = {key: arrival for key, arrival in keyed.items() if key not in known}
    matches = _matches(session, source, [arrival.record for arrival in keyed.values()])
    thread_ids = _threads(session, source, keyed)
    ids = known | _add_messages(session, source, new, matches, thread_ids)
    _add_copies(session, source, arrivals, ids)
    _second_copies(session, source, {known[key]: keyed[key].record for key in known}, matches)
    return sum(1 for arrival in new.values() if not _is_known(arrival.record, matches))


def update_copy(session: Session, link: Link, version: str, record: MessageRecord) -> bool:
    """The item changed in this mailbox: read flag and categories follow; whether anything did."""
    copy = session.get_one(MessageCopy, link.id)
    now = (record.is_read, "\n".join(record.categories))
    changed = (copy.is_read, copy.categories) != now
    copy.is_read, copy.categories = now
    link.version, link.gone_at = version, None
    session.flush()
    return changed


def set_read(session: Session, link: Link, is_read: bool) -> None:
    """The mail was read or unread in Outlook."""
    session.execute(update(MessageCopy).where(MessageCopy.link_id == link.id).values(is_read=is_read))


def links_of(session: Session, source: Source, record: MessageRecord) -> list[Link]:
    """The links of this mailbox to copies of this mail."""
    message_id = session.scalar(select(Message.activity_id).where(Message.message_key == message_key(record)))
    return links.of(session, ENTITY, message_id, source.mailbox_id) if message_id else []


def withdraw(session: Session, _: Source, link: Link) -> None:
    """This copy became private: remove it, and the message too when no other copy was brought (S4)."""
    message_id, mailbox_id = link.local_id, link.mailbox_id
    if not links.withdraw(session, link):
        thread_id = session.scalars(select(Message.thread_id).where(Message.activity_id == message_id)).one()
        search.remove(session, "activity_search", [message_id])
        session.execute(delete(Activity).where(Activity.id == message_id))
        threads.forget_if_empty(session, thread_id)
        return
    others = select(MessageCopy.link_id).where(
        MessageCopy.message_id == message_id, MessageCopy.mailbox_id == mailbox_id
    )
    if session.scalar(others.limit(1)) is None:
        session.execute(
            delete(ActivityMailbox).where(
                ActivityMailbox.activity_id == message_id, ActivityMailbox.mailbox_id == mailbox_id
            )
        )


def _known(session: Session, keyed: dict[str, Arrival]) -> dict[str, int]:
    rows = session.execute(select(Message.message_key, Message.activity_id).where(Message.message_key.in_(keyed)))
    return dict(rows.all())


def _threads(session: Session, source: Source, keyed: dict[str, Arrival]) -> dict[str, int]:
    if not keyed:
        return {}
    keys = [threads.keys_of(arrival.record, key, source.mailbox_id, source.policy) for key, arrival in keyed.items()]
    return dict(zip(keyed, threads.assign(session, keys), strict=True))


def _matches(session: Session, source: Source, records: list[MessageRecord]) -> dict[str, Match]:
    addresses = {normalise(p.address) for record in records for p in record.participants}
    matches = match(session, source.policy, addresses)
    strangers = {
        address: name
        for record in records
        for address, name in _to_be_known(source, record)
        if matches[address].contact_id is None and matches[address].method != "internal"
    }
    lock_directory(session, for_writing=bool(strangers))
    for address, name in sorted(strangers.items()):
        if match(session, source.policy, [address])[address].contact_id is None:
            add_from_mail(session, source, address, name)
    return match(session, source.policy, addresses)


def _to_be_known(source: Source, record: MessageRecord) -> list[tuple[str, str]]:
    """Whom this mail makes a contact: by the job's rule, never from bulk or no-reply mail (S7).

    A mail to very many is bulk, whatever it says of itself.
    """
    if source.create_contacts == "off" or record.is_bulk or len(record.participants) > MANY_PEOPLE:
        return []
    is_sent = _direction(source, record) == "out"
    if not is_sent and source.create_contacts != "all":
        return []
    wanted = (Role.TO, Role.CC, Role.BCC) if is_sent else (Role.FROM,)
    found = [(normalise(p.address), p.name) for p in record.participants if p.role in wanted]
    return [(a, name) for a, name in found if a and a != source.address and not is_no_reply(a)]


def _add_messages(
    session: Session,
    source: Source,
    new: dict[str, Arrival],
    matches: dict[str, Match],
    thread_ids: dict[str, int],
) -> dict[str, int]:
    if not new:
        return {}
    records = {key: arrival.record for key, arrival in new.items()}
    texts = {key: _text(record) for key, record in records.items()}
    entries = [_entry(source, record, texts[key]) for key, record in records.items()]
    ids = dict(zip(new, add_entries(session, source, entries, matches), strict=True))
    session.execute(
        insert(Message),
        [
            {
                "activity_id": ids[key],
                "message_key": key,
                "message_id": record.message_id.strip(),
                "in_reply_to": normalise_message_id(record.in_reply_to),
                "thread_id": thread_ids[key],
                "sent_at": record.sent_at,
                "importance": record.importance,
                "item_class": record.item_class,
                "is_bulk": record.is_bulk,
            }
            for key, record in records.items()
        ],
    )
    session.execute(
        insert(MessageBody),
        [
            {
                "activity_id": ids[key],
                "unique_text": record.unique_text,
                "text": record.body_text,
                "html": record.body_html,
            }
            for key, record in records.items()
        ],
    )
    _add_attachments(session, ids, records)
    search.index_activities(
        session,
        [
            (ids[key], entry.occurred_at, _searchable(source, records[key], texts[key]))
            for key, entry in zip(new, entries, strict=True)
        ],
    )
    return ids


def _entry(source: Source, record: MessageRecord, text: str) -> Entry:
    return Entry(
        kind=ActivityKind.MAIL,
        occurred_at=_occurred_at(record),
        direction=_direction(source, record),
        subject=record.subject,
        snippet=snippet(record.unique_text or text),
        has_attachments=any(not a.is_inline for a in record.attachments),
        rule=RULE,
        participants=record.participants,
    )


def _occurred_at(record: MessageRecord) -> datetime:
    """When it was sent; when it was received where the sender's clock is missing or ahead."""
    received = record.received_at or utcnow()
    return received if record.sent_at is None or record.sent_at > received + CLOCK_SKEW else record.sent_at


def _direction(source: Source, record: MessageRecord) -> str:
    sender = next((normalise(p.address) for p in record.participants if p.role is Role.FROM), "")
    return direction(sender, source.address, source.in_sent_items, source.policy)


def _text(record: MessageRecord) -> str:
    return record.body_text or html_to_text(record.body_html)


def _searchable(source: Source, record: MessageRecord, text: str) -> str:
    people = " ".join(f"{p.name} {p.address}" for p in record.participants[:20])
    files = " ".join(a.name for a in record.attachments)
    return f"{record.subject} {people} {files} {(record.unique_text or text)[: source.full_text_chars]}"


def _add_attachments(session: Session, ids: dict[str, int], records: dict[str, MessageRecord]) -> None:
    rows = [
        {
            "activity_id": ids[key],
            "position": position,
            "name": attachment.name,
            "content_type": attachment.content_type,
            "size": attachment.size,
            "is_inline": attachment.is_inline,
            "content_id": attachment.content_id,
        }
        for key, record in records.items()
        for position, attachment in enumerate(record.attachments)
    ]
    if rows:
        session.execute(insert(MessageAttachment), rows)


def _add_copies(session: Session, source: Source, arrivals: Sequence[Arrival], ids: dict[str, int]) -> None:
    if not arrivals:
        return
    message_ids = [ids[message_key(arrival.record)] for arrival in arrivals]
    link_ids = session.scalars(
        insert(Link).returning(Link.id, sort_by_parameter_order=True),
        [
            {
                "mailbox_id": source.mailbox_id,
                "folder_id": source.folder_id,
                "run_id": source.run_id,
                "entity": ENTITY,
                "local_id": message_id,
                "remote_id": arrival.remote_id,
                "version": arrival.version,
                "rule": RULE,
                "match_method": "hash" if message_key(arrival.record).startswith("sha256:") else "message_id",
            }
            for arrival, message_id in zip(arrivals, message_ids, strict=True)
        ],
    )
    session.execute(
        insert(MessageCopy),
        [
            {
                "link_id": link_id,
                "message_id": message_id,
                "mailbox_id": source.mailbox_id,
                "is_read": arrival.record.is_read,
                "categories": "\n".join(arrival.record.categories),
                "received_at": arrival.record.received_at,
            }
            for link_id, message_id, arrival in zip(link_ids, message_ids, arrivals, strict=True)
        ],
    )


def _second_copies(
    session: Session, source: Source, records: dict[int, MessageRecord], matches: dict[str, Match]
) -> None:
    """Another folder has known messages: the strictest sharing holds, and what only it knows is added."""
    if not records:
        return
    session.execute(
        update(Activity)
        .where(Activity.id.in_(records), Activity.sharing > source.sharing)
        .values(sharing=source.sharing)
    )
    sent = [activity_id for activity_id, record in records.items() if _direction(source, record) == "out"]
    session.execute(update(Activity).where(Activity.id.in_(sent)).values(direction="out"))
    there = select(ActivityMailbox.activity_id).where(
        ActivityMailbox.activity_id.in_(records), ActivityMailbox.mailbox_id == source.mailbox_id
    )
    new = sorted(records.keys() - set(session.scalars(there)))
    if new:
        rows = [{"activity_id": activity_id, "mailbox_id": source.mailbox_id} for activity_id in new]
        session.execute(insert(ActivityMailbox), rows)
    for activity_id, record in records.items():
        _add_blind_copies(session, source, activity_id, record.participants, matches)


def _add_blind_copies(
    session: Session,
    source: Source,
    activity_id: int,
    participants: tuple[Participant, ...],
    matches: dict[str, Match],
) -> None:
    blind = tuple(p for p in participants if p.role is Role.BCC)
    if not blind:
        return
    rows = session.execute(
        select(ParticipantRow.address, ParticipantRow.position).where(ParticipantRow.activity_id == activity_id)
    ).all()
    there = {row.address for row in rows}
    missing = tuple(p for p in blind if (normalise(p.address) or p.address.strip()[:MAX_ADDRESS]) not in there)
    if missing:
        first = max((row.position for row in rows), default=-1) + 1
        session.execute(insert(ParticipantRow), participant_rows(source, activity_id, missing, matches, first))
        history.refresh(session, [activity_id])


def _is_known(record: MessageRecord, matches: dict[str, Match]) -> bool:
    found = (matches.get(normalise(p.address)) for p in record.participants)
    return any(m is not None and (m.contact_id or m.company_id) for m in found)
