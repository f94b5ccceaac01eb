"""Which messages are one conversation, whatever the order in which mailboxes bring them (M3).

Each message brings keys: its own Message-ID, those it names, and the server's conversation id within one mailbox
among the same outside people (the server goes by the subject where a mail names no other, and two clients may well
write of the same). Messages that share a key are one strand, and one that bridges two strands makes them one.

A reply that names no message ties its strand to that of the mail it answers by subject (`domain.threads`). Which mail
that is changes when a later one arrives, so this is worked out anew; strands only grow. Strands that are tied are one
thread, and go by the id of the oldest: `ThreadKey.thread_id` is a strand, `Message.thread_id` is a thread.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.capture import normalise_message_id
from terracrm.domain.groups import Groups
from terracrm.domain.records import MessageRecord
from terracrm.domain.threads import Mail, named_messages, outside_people, read_subject, subject_key, tie
from terracrm.models import Message, Thread, ThreadKey
from terracrm.services import bulk
from terracrm.services.matching import chunks


@dataclass(frozen=True, slots=True)
class Arriving:
    """A message that is to find its thread: the keys of all its copies, and what `Message` keeps for later ones."""

    mail: Mail
    keys: frozenset[str]
    is_reply: bool
    in_reply_to: str


@dataclass(frozen=True, slots=True)
class Assigned:
    """What `Message` keeps of each by its key, and all threads that gained or lost messages thereby."""

    columns: dict[str, dict[str, object]]
    settled: list[int]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands before it is withdrawn."""

    strand: int
    thread: int
    subject_key: str


def arriving(message_key: str, copies: Sequence[MessageRecord], mailbox_id: int, policy: DomainPolicy) -> Arriving:
    """What a message brings, given its copies in one mailbox; the last one speaks for it.

    Mails of one Message-ID are one strand, also where they are different mails: the answers name them all.
    """
    record = copies[-1]
    named = named_messages(record)
    is_reply = read_subject(record.subject).is_reply
    mail = Mail(message_key, 0, subject_key(record, policy), record.sent_at, is_loose=is_reply and not named)
    own = {message_key, normalise_message_id(record.message_id)} - {""}
    others = (name for copy in copies[:-1] for name in named_messages(copy))
    conversations = (_conversation_key(copy, mailbox_id, policy) for copy in copies if copy.conversation_id)
    return Arriving(mail, frozenset({*own, *named, *others, *conversations}), is_reply, named[0] if named else "")


def assign(session: Session, messages: Sequence[Arriving]) -> Assigned:
    """Find the thread of each message. Threads that become one go by the id of the oldest strand."""
    if not messages:
        return Assigned({}, [])
    subjects = {message.mail.subject_key for message in messages} - {""}
    _lock_subjects(session, subjects)
    strand_of, touched = _strands(session, messages)
    stored = _stored(session, _threads_around(session, touched, subjects))
    known = {mail.key for mail, _ in stored}
    new = [replace(message.mail, strand=strand_of[message.mail.key]) for message in messages]
    threads = _settle(session, stored, [mail for mail in new if mail.key not in known])
    columns: dict[str, dict[str, object]] = {
        message.mail.key: {
            "thread_id": threads[strand_of[message.mail.key]],
            "subject_key": message.mail.subject_key,
            "is_reply": message.is_reply,
            "in_reply_to": message.in_reply_to,
        }
        for message in messages
    }
    return Assigned(columns, sorted(set(threads.values())))


def places_of(session: Session, message_ids: Collection[int]) -> list[Place]:
    """The strand and the thread of each of these messages, to be asked before they go."""
    rows = session.execute(
        select(ThreadKey.thread_id, Message.thread_id, Message.subject_key)
        .join(Message, Message.message_key == ThreadKey.key)
        .where(Message.activity_id.in_(message_ids))
    )
    return [Place(*row) for row in rows]


def forget(session: Session, places: Sequence[Place]) -> list[int]:
    """Messages were withdrawn from these places. The threads of those that are left around them.

    A strand whose last message went is forgotten with the Message-IDs that it named (S4).
    """
    strands, subjects = {place.strand for place in places}, {place.subject_key for place in places} - {""}
    _lock_subjects(session, subjects)
    around = _threads_around(session, strands | {place.thread for place in places}, subjects)
    threads = _settle(session, _stored(session, around), [])
    empty = strands - threads.keys()
    session.execute(delete(ThreadKey).where(ThreadKey.thread_id.in_(empty)))
    session.execute(delete(Thread).where(Thread.id.in_(empty)))
    return sorted(set(threads.values()))


def _conversation_key(record: MessageRecord, mailbox_id: int, policy: DomainPolicy) -> str:
    outside = ",".join(sorted(outside_people(record, policy)))
    digest = hashlib.sha256(f"{record.conversation_id}\0{outside}".encode()).hexdigest()
    return f"conversation:{mailbox_id}:{digest}"


def _lock_subjects(session: Session, subjects: Iterable[str]) -> None:
    """Let workers that bring mail of one subject wait for each other: neither would see what the other brings.

    SQLite has one writer anyway. In one order, so that they never wait for each other in a circle.
    """
    if session.get_bind().dialect.name == "postgresql":
        numbers = sorted({int(subject[:8], 16) - 2**31 for subject in subjects})
        lock = text("SELECT pg_advisory_xact_lock(7205002, number) FROM unnest(CAST(:numbers AS int[])) AS number")
        session.execute(lock, {"numbers": numbers})


def _strands(session: Session, messages: Sequence[Arriving]) -> tuple[dict[str, int], set[int]]:
    """The strand of each message by its key, and those strands of them that were there before."""
    wanted = sorted(frozenset[str]().union(*(message.keys for message in messages)))
    known = _known_keys(session, wanted)
    groups: Groups[str | int] = Groups()
    for message in messages:
        groups.join([*sorted(message.keys), *(known[key] for key in message.keys & known.keys())])
    oldest: dict[str | int, int] = {}
    for strand in sorted(set(known.values())):
        oldest.setdefault(groups.root(strand), strand)
    for strand in sorted(set(known.values())):
        _join(session, strand, oldest[groups.root(strand)])
    made = _add(session, {groups.root(key) for key in wanted} - oldest.keys())
    strand_of = {key: (oldest | made)[groups.root(key)] for key in wanted}
    bulk.add(session, ThreadKey, [{"key": key, "thread_id": strand_of[key]} for key in wanted if key not in known])
    return {message.mail.key: strand_of[message.mail.key] for message in messages}, set(oldest.values())


def _known_keys(session: Session, wanted: Sequence[str]) -> dict[str, int]:
    query = select(ThreadKey.key, ThreadKey.thread_id)
    return dict(session.execute(query.where(bulk.one_of(ThreadKey.key, wanted))).all())


def _add(session: Session, roots: Collection[str | int]) -> dict[str | int, int]:
    """A new strand for each of these."""
    ids = bulk.new_ids(session, Thread, len(roots))
    bulk.add(session, Thread, [{"id": strand} for strand in ids])
    return dict(zip(roots, ids, strict=True))


def _join(session: Session, strand: int, into: int) -> None:
    """Make a strand part of another; the threads that went by its id are worked out anew by the caller."""
    if strand != into:
        session.execute(update(ThreadKey).where(ThreadKey.thread_id == strand).values(thread_id=into))
        session.execute(update(Message).where(Message.thread_id == strand).values(thread_id=into))
        # A worker that adds to a joined strand meanwhile fails here or there, and tries again with what is known then.
        session.execute(delete(Thread).where(Thread.id == strand))


def _threads_around(session: Session, strands: set[int], subjects: set[str]) -> set[int]:
    """The threads in which these strands or mails of these subjects are, locked until the transaction ends.

    To wait for a lock may mean that the threads are others by then: so ask until nothing new turns up.
    """
    in_strands = select(Message.thread_id).join(ThreadKey, ThreadKey.key == Message.message_key)
    in_strands = in_strands.where(ThreadKey.thread_id.in_(sorted(strands)))
    around = in_strands.union(select(Message.thread_id).where(Message.subject_key.in_(sorted(subjects))))
    found: set[int] = set()
    while new := {*strands, *session.scalars(around)} - found:
        rows = select(Thread.id).where(Thread.id.in_(sorted(new))).order_by(Thread.id)
        session.execute(rows.with_for_update(key_share=True))
        found |= new
    return found


def _stored(session: Session, threads: Collection[int]) -> list[tuple[Mail, int]]:
    """The mails of these threads, each with the thread that it is in now."""
    if not threads:
        return []
    rows = session.execute(
        select(
            Message.message_key,
            ThreadKey.thread_id,
            Message.subject_key,
            Message.sent_at,
            Message.is_reply,
            Message.in_reply_to,
            Message.thread_id,
        )
        .join(ThreadKey, ThreadKey.key == Message.message_key)
        .where(Message.thread_id.in_(sorted(threads)))
    )
    return [
        (Mail(key, strand, subject, sent_at, is_loose=is_reply and not named), thread)
        for key, strand, subject, sent_at, is_reply, named, thread in rows
    ]


def _settle(session: Session, stored: Sequence[tuple[Mail, int]], new: Sequence[Mail]) -> dict[int, int]:
    """The thread of each strand of these mails; those that are stored go there."""
    threads = tie([*(mail for mail, _ in stored), *new])
    moved: dict[int, list[str]] = defaultdict(list)
    for mail, thread in stored:
        if threads[mail.strand] != thread:
            moved[threads[mail.strand]].append(mail.key)
    for thread, keys in moved.items():
        for some in chunks(keys):
            session.execute(update(Message).where(Message.message_key.in_(some)).values(thread_id=thread))
    return threads
