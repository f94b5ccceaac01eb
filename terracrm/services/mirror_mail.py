"""Mail becomes messages of the relationship history: one per Message-ID, a copy per mailbox (S2, M1, S7).

A page of mail is written in bulk: a handful of statements however many messages it holds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, select, update
from sqlalchemy.orm import Session

from terracrm.domain import same_mail
from terracrm.domain.addresses import MAX_ADDRESS, is_no_reply, normalise
from terracrm.domain.attachments import has_files
from terracrm.domain.capture import (
    Decision,
    Detail,
    message_key,
    only_headers,
    sent_by_us,
)
from terracrm.domain.records import MessageRecord, Participant, Role
from terracrm.domain.same_mail import Face
from terracrm.models import (
    Activity,
    ActivityKind,
    ActivityMailbox,
    Link,
    Message,
    MessageBody,
    MessageCopy,
    utcnow,
)
from terracrm.models import Participant as ParticipantRow
from terracrm.services import (
    bulk,
    history,
    links,
    mail_detail,
    merge_privacy,
    mirror_attachments,
    search,
    skipped,
    suggestions,
    threads,
    topic_tokens,
    touches,
)
from terracrm.services.activities import Entry, add_entries, participant_rows
from terracrm.services.mail_text import MailText
from terracrm.services.matching import Match, match
from terracrm.services.mirror_contacts import add_from_mail, name_from_mail, nameless
from terracrm.services.sources import Source, lock_directory

ENTITY = "message"
CLOCK_SKEW = timedelta(days=1)
MANY_PEOPLE = 100
AT_ONCE = 200  # copies that are withdrawn by the same statements


@dataclass(frozen=True)
class Arrival:
    """One mail as a folder of one mailbox holds it, why and how much of it is taken in, and what its text says."""

    remote_id: str
    version: str
    record: MessageRecord
    decision: Decision
    text: MailText

    @property
    def kept(self) -> MessageRecord:
        """What is kept of the mail (S6)."""
        return self.record if self.decision.detail is Detail.FULL else only_headers(self.record)


def store(session: Session, source: Source, arrivals: Sequence[Arrival]) -> int:
    """Take in a page of mail that has no link yet; how many of the messages are new and matched to nobody."""
    keys, known = _keys(session, [arrival.record for arrival in arrivals])
    keyed = dict(zip(keys, arrivals, strict=True))
    new = {key: arrival for key, arrival in keyed.items() if key not in known}
    matches = _matches(session, source, [arrival.record for arrival in keyed.values()])
    placed = _threads(session, source, arrivals, keys)
    ids = known | _add_messages(session, source, new, matches, placed)
    _add_copies(session, source, arrivals, keys, ids)
    _second_copies(session, source, {known[key]: keyed[key] for key in known}, matches)
    topic_tokens.read(session, {ids[key]: arrival.kept.subject for key, arrival in new.items()})
    history.inherit(session, placed.settled)
    skipped.wake(session, [f"<{key}>" for key in keyed if sent_by_us(keyed[key].record, source.rules)])
    return sum(1 for arrival in new.values() if not _is_known(arrival.record, matches))


def update_copy(session: Session, source: Source, link: Link, arrival: Arrival) -> bool:
    """The item changed in this mailbox: read flag and categories follow; whether anything did.

    A mail of which only the headers are here is filled when this mailbox keeps it in full (S6).
    """
    copy = session.get_one(MessageCopy, link.id)
    now = (arrival.record.is_read, "\n".join(arrival.record.categories))
    changed = (copy.is_read, copy.categories) != now
    copy.is_read, copy.categories = now
    link.version, link.gone_at = arrival.version, None
    if arrival.decision.is_taken:
        link.rule = arrival.decision.rule
    session.flush()
    return _fill(session, source, {link.local_id: arrival}) or changed


def set_read(session: Session, link: Link, is_read: bool, version: str) -> None:
    """The mail was read or unread in Outlook, which left this version behind."""
    now = {"is_read": is_read, "flag_version": version}
    session.execute(update(MessageCopy).where(MessageCopy.link_id == link.id).values(**now))


def unknown(session: Session, records: Mapping[str, MessageRecord]) -> dict[str, MessageRecord]:
    """Those of these mails of which there is none here of the same Message-ID or content."""
    keys = {remote_id: message_key(record) for remote_id, record in records.items()}
    there = select(Message.message_key).where(bulk.one_of(Message.message_key, keys.values()))
    known = set(session.scalars(there))
    return {remote_id: record for remote_id, record in records.items() if keys[remote_id] not in known}


def links_of(session: Session, source: Source, record: MessageRecord) -> list[Link]:
    """The links of this mailbox to copies of this mail."""
    _, known = _keys(session, [record])
    return [link for message_id in known.values() for link in links.of(session, ENTITY, message_id, source.mailbox_id)]


def withdraw(session: Session, source: Source, link: Link) -> None:
    """Remove this copy, which may not be here, and the message too when no other copy was brought (S4).

    What is left of it is what the other mailboxes keep (S6).
    """
    _withdraw(session, source.default_detail, [link])


def withdraw_all(session: Session, default: Detail, link_ids: Sequence[int]) -> None:
    """Remove these copies of one mailbox likewise, AT_ONCE by the same statements.

    `default` is the detail of the mailboxes that choose none.
    """
    for start in range(0, len(link_ids), AT_ONCE):
        there = links.by_id(session, link_ids[start : start + AT_ONCE])
        if there:  # what a move left behind goes with the item itself
            _withdraw(session, default, list(there.values()))


def _withdraw(session: Session, default: Detail, going: Sequence[Link]) -> None:
    mailbox_id, message_ids = going[0].mailbox_id, sorted({link.local_id for link in going})
    touches.activities(session, message_ids)
    held = links.withdraw(session, going)
    mine = select(MessageCopy.message_id).where(MessageCopy.mailbox_id == mailbox_id)
    left = held - set(session.scalars(mine.where(MessageCopy.message_id.in_(held))))
    of_mailbox = ActivityMailbox.activity_id.in_(left), ActivityMailbox.mailbox_id == mailbox_id
    session.execute(delete(ActivityMailbox).where(*of_mailbox))
    _credit(session, left)
    mail_detail.cut(session, mail_detail.kept_by_nobody(session, held, default))
    _remove(session, [message_id for message_id in message_ids if message_id not in held])


def _remove(session: Session, message_ids: Sequence[int]) -> None:
    """Nobody holds these messages: nothing of them stays, and their conversations are those of what is left."""
    if not message_ids:
        return
    places = threads.places_of(session, message_ids)
    search.remove(session, "activity_search", message_ids)
    mirror_attachments.forget(session, message_ids)
    session.execute(delete(Activity).where(Activity.id.in_(message_ids)))
    topic_tokens.forget_given_by(session, message_ids)
    merge_privacy.forget_activities(session, message_ids)
    history.inherit(session, threads.forget(session, places))


def _credit(session: Session, message_ids: Collection[int]) -> None:
    """Say of messages that are left which of the copies that are left brought them (invariant 11)."""
    of_messages = select(Link.local_id, Link.mailbox_id, Link.run_id, Link.rule).where(
        Link.entity == ENTITY, Link.local_id.in_(message_ids)
    )
    first = {row.local_id: row for row in session.execute(of_messages.order_by(Link.id.desc()))}
    sources = [{"id": id_, "mailbox_id": m, "run_id": run_id, "rule": rule} for id_, m, run_id, rule in first.values()]
    if sources:
        session.execute(update(Activity), sources)


def _keys(session: Session, records: Sequence[MessageRecord]) -> tuple[list[str], dict[str, int]]:
    """What each mail goes by (see `domain.same_mail`), and those messages of them that are here, by their keys."""
    asked = {message_key(record) for record in records}
    sender = and_(ParticipantRow.activity_id == Message.activity_id, ParticipantRow.role == Role.FROM)
    rows = session.execute(
        select(Message.message_key, Message.activity_id, ParticipantRow.address, Activity.subject, Message.sent_at)
        .join(Activity, Activity.id == Message.activity_id)
        .outerjoin(ParticipantRow, sender)
        .where(bulk.one_of(Message.message_key, asked))
    ).all()
    faces = {key: Face(normalise(address or ""), subject, sent_at) for key, _, address, subject, sent_at in rows}
    keys = same_mail.keys_of(records, faces)
    known = {row.message_key: row.activity_id for row in rows}
    if told_apart := set(keys) - asked:
        others = select(Message.message_key, Message.activity_id).where(Message.message_key.in_(told_apart))
        known |= dict(session.execute(others).all())
    return keys, {key: known[key] for key in keys if key in known}


def _threads(session: Session, source: Source, arrivals: Sequence[Arrival], keys: Sequence[str]) -> threads.Assigned:
    copies: dict[str, list[MessageRecord]] = {}
    for key, arrival in zip(keys, arrivals, strict=True):
        copies.setdefault(key, []).append(arrival.record)
    found = [threads.arriving(key, same, source.mailbox_id, source.policy) for key, same in copies.items()]
    return threads.assign(session, found)


def _matches(session: Session, source: Source, records: list[MessageRecord]) -> dict[str, Match]:
    to_be_known = dict(each for record in records for each in _to_be_known(source, record))
    known = match(session, source.policy, to_be_known)
    strangers = {address: name for address, name in to_be_known.items() if known[address].may_become_contact}
    names = {normalise(p.address): p.name for r in records for p in r.participants if p.role is Role.FROM and p.name}
    to_name = bool(nameless(session, names))
    lock_directory(session, for_writing=bool(strangers) or to_name)
    if to_name:
        name_from_mail(session, source, names)
    for address, name in sorted(strangers.items()):
        if match(session, source.policy, [address])[address].may_become_contact:
            add_from_mail(session, source, address, name)
    return match(session, source.policy, {normalise(p.address) for record in records for p in record.participants})


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
    placed: threads.Assigned,
) -> dict[str, int]:
    if not new:
        return {}
    entries = [_entry(source, arrival) for arrival in new.values()]
    ids = dict(zip(new, add_entries(session, source, entries, matches), strict=True))
    bulk.add(
        session,
        Message,
        [
            {
                "activity_id": ids[key],
                "message_key": key,
                "message_id": arrival.record.message_id.strip(),
                **placed.columns[key],
                "sent_at": arrival.record.sent_at,
                "importance": arrival.record.importance,
                "item_class": arrival.record.item_class,
                "is_bulk": arrival.record.is_bulk,
                "detail": arrival.decision.detail.value,
            }
            for key, arrival in new.items()
        ],
    )
    _add_content(
        session,
        source,
        {ids[key]: arrival for key, arrival in new.items() if arrival.decision.detail is Detail.FULL},
    )
    return ids


def _add_content(session: Session, source: Source, arrivals: Mapping[int, Arrival]) -> None:
    """Write what these messages say, make it findable, and note what their signatures say of people."""
    if not arrivals:
        return
    records = {activity_id: arrival.record for activity_id, arrival in arrivals.items()}
    bulk.add(
        session,
        MessageBody,
        [
            {
                "activity_id": activity_id,
                "unique_text": arrival.text.reply.new,
                "text": arrival.record.body_text,
                "html": arrival.record.body_html,
            }
            for activity_id, arrival in arrivals.items()
        ],
    )
    mirror_attachments.add(session, records)
    mirror_attachments.want(session, source, [id_ for id_, record in records.items() if record.attachments])
    search.index_words(
        session, [(id_, _occurred_at(arrival.record), arrival.text.words) for id_, arrival in arrivals.items()]
    )
    signatures = {activity_id: arrival.text.reply.signature for activity_id, arrival in arrivals.items()}
    suggestions.collect(session, source.policy, signatures)


def _fill(session: Session, source: Source, arrivals: Mapping[int, Arrival]) -> bool:
    """Add what they say to messages of which only the headers are here; whether there were any."""
    full = {activity_id: each for activity_id, each in arrivals.items() if each.decision.detail is Detail.FULL}
    lacking = select(Message.activity_id).where(Message.activity_id.in_(full), Message.detail == Detail.HEADERS)
    filled = {activity_id: full[activity_id] for activity_id in session.scalars(lacking)}
    for activity_id in filled:
        entry = _entry(source, arrivals[activity_id])
        activity = {
            "subject": entry.subject,
            "snippet": entry.snippet,
            "has_attachments": entry.has_attachments,
        }
        session.execute(update(Activity).where(Activity.id == activity_id).values(**activity))
    session.execute(update(Message).where(Message.activity_id.in_(filled)).values(detail=Detail.FULL))
    _add_content(session, source, filled)
    touches.activities(session, filled)
    topic_tokens.read(session, {activity_id: arrival.record.subject for activity_id, arrival in filled.items()})
    return bool(filled)


def _entry(source: Source, arrival: Arrival) -> Entry:
    record = arrival.kept
    return Entry(
        kind=ActivityKind.MAIL,
        occurred_at=_occurred_at(record),
        direction=_direction(source, record),
        subject=record.subject,
        snippet=arrival.text.snippet if arrival.decision.detail is Detail.FULL else "",
        has_attachments=has_files(record),
        rule=arrival.decision.rule,
        participants=record.participants,
    )


def _occurred_at(record: MessageRecord) -> datetime:
    """When it was sent; when it was received where the sender's clock is missing or ahead."""
    received = record.received_at or utcnow()
    return received if record.sent_at is None or record.sent_at > received + CLOCK_SKEW else record.sent_at


def _direction(source: Source, record: MessageRecord) -> str:
    return "out" if sent_by_us(record, source.rules) else "in"


def _add_copies(
    session: Session, source: Source, arrivals: Sequence[Arrival], keys: Sequence[str], ids: dict[str, int]
) -> None:
    message_ids = [ids[key] for key in keys]
    link_ids = bulk.new_ids(session, Link, len(arrivals))
    bulk.add(
        session,
        Link,
        [
            {
                "id": link_id,
                "mailbox_id": source.mailbox_id,
                "folder_id": source.folder_id,
                "run_id": source.run_id,
                "entity": ENTITY,
                "local_id": message_id,
                "remote_id": arrival.remote_id,
                "version": arrival.version,
                "rule": arrival.decision.rule,
                "match_method": "hash" if key.startswith("sha256:") else "message_id",
            }
            for link_id, arrival, key, message_id in zip(link_ids, arrivals, keys, message_ids, strict=True)
        ],
    )
    bulk.add(
        session,
        MessageCopy,
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


def _second_copies(session: Session, source: Source, arrivals: dict[int, Arrival], matches: dict[str, Match]) -> None:
    """Another folder has known messages: the strictest sharing holds, and what only it knows or keeps is added."""
    if not arrivals:
        return
    records = {activity_id: arrival.record for activity_id, arrival in arrivals.items()}
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
        bulk.add(session, ActivityMailbox, rows)
    touches.activities(session, records)
    _fill(session, source, arrivals)
    mirror_attachments.want(session, source, arrivals)
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
        bulk.add(session, ParticipantRow, participant_rows(source, activity_id, missing, matches, first))
        history.refresh(session, [activity_id])


def _is_known(record: MessageRecord, matches: dict[str, Match]) -> bool:
    found = (matches.get(normalise(p.address)) for p in record.participants)
    return any(m is not None and (m.contact_id or m.company_id) for m in found)
