"""Which messages are one conversation: those that name each other's Message-IDs, in any order of arrival.

Each message brings keys: its own Message-ID, those it answers, and the server's conversation id within one mailbox
among the same outside people (the server goes by the subject where a mail names no other, and two clients may well
write of the same). Messages that share a key are one thread, and one that bridges two threads makes them one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy, normalise
from terracrm.domain.capture import normalise_message_id
from terracrm.domain.records import MessageRecord
from terracrm.models import Message, Thread, ThreadKey

MAX_REFERENCES = 100


def keys_of(record: MessageRecord, message_key: str, mailbox_id: int, policy: DomainPolicy) -> set[str]:
    """The keys a message shares with the others of its conversation."""
    named = [record.in_reply_to, *record.references[:1], *record.references[-MAX_REFERENCES:]]
    keys = {found for name in named if (found := normalise_message_id(name))} | {message_key}
    if record.conversation_id:
        addresses = {normalise(p.address) for p in record.participants}
        outside = ",".join(sorted(a for a in addresses if a and not policy.is_internal(a)))
        digest = hashlib.sha256(f"{record.conversation_id}\0{outside}".encode()).hexdigest()
        keys.add(f"conversation:{mailbox_id}:{digest}")
    return keys


def assign(session: Session, messages: Sequence[set[str]]) -> list[int]:
    """The thread of each message, given its keys; threads that are joined become the oldest of them."""
    wanted = set().union(*messages)
    known = dict(session.execute(select(ThreadKey.key, ThreadKey.thread_id).where(ThreadKey.key.in_(wanted))).all())
    groups = _Groups()
    for keys in messages:
        groups.join([*keys, *(known[key] for key in keys if key in known)])
    threads = _settle(session, groups, wanted)
    new = [{"key": key, "thread_id": threads[groups.root(key)]} for key in sorted(wanted - known.keys())]
    if new:
        session.execute(insert(ThreadKey), new)
    return [threads[groups.root(next(iter(keys)))] for keys in messages]


def forget_if_empty(session: Session, thread_id: int) -> None:
    """Forget a thread whose last message was withdrawn, with the Message-IDs that it named (S4)."""
    if session.scalar(select(Message.activity_id).where(Message.thread_id == thread_id).limit(1)) is None:
        session.execute(delete(ThreadKey).where(ThreadKey.thread_id == thread_id))
        session.execute(delete(Thread).where(Thread.id == thread_id))


def _settle(session: Session, groups: _Groups, wanted: set[str]) -> dict[str | int, int]:
    """The thread of each group by its root: the oldest it has, the others join it, or a new one."""
    existing: dict[str | int, list[int]] = {groups.root(key): [] for key in sorted(wanted)}
    for member in groups.members():
        if isinstance(member, int):
            existing[groups.root(member)].append(member)
    threads: dict[str | int, int] = {}
    for root, found in existing.items():
        if found:
            threads[root] = min(found)
            _join(session, set(found) - {min(found)}, min(found))
    rootless = [root for root, found in existing.items() if not found]
    if rootless:
        made = session.scalars(
            insert(Thread).returning(Thread.id, sort_by_parameter_order=True), [{} for _ in rootless]
        )
        threads |= dict(zip(rootless, made, strict=True))
    return threads


def _join(session: Session, joined: set[int], into: int) -> None:
    if joined:
        session.execute(update(ThreadKey).where(ThreadKey.thread_id.in_(joined)).values(thread_id=into))
        session.execute(update(Message).where(Message.thread_id.in_(joined)).values(thread_id=into))
        # A worker that adds to a joined thread meanwhile fails here or there, and tries again with what is known then.
        session.execute(delete(Thread).where(Thread.id.in_(joined)))


class _Groups:
    """Disjoint sets of keys and thread ids."""

    def __init__(self) -> None:
        self._parent: dict[str | int, str | int] = {}

    def root(self, member: str | int) -> str | int:
        """The member that stands for the group."""
        parent = self._parent.setdefault(member, member)
        while parent != (above := self._parent[parent]):
            self._parent[member] = parent = above
        return parent

    def join(self, members: Sequence[str | int]) -> None:
        """Make one group of all these."""
        first = self.root(members[0])
        for member in members[1:]:
            self._parent[self.root(member)] = first

    def members(self) -> list[str | int]:
        """All that was ever named."""
        return list(self._parent)
