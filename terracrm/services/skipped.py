"""Items that are there and not mirrored: one row each, without their content (Y4, S14).

A mail that was left out for what was not known then is read again when it becomes known (M2): so the mirror does not
depend on the order in which folders, mailboxes and people are met.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Exists, delete, exists, select, update
from sqlalchemy.orm import Session

from terracrm.domain.capture import PRIVATE, hashed
from terracrm.models import MirrorFolder, SkippedAddress, SkippedItem, Stream, StreamState, utcnow
from terracrm.services import bulk, plans
from terracrm.services.matching import chunks

UNDONE: Final = "undone"
"""The rule of items that an undone run had brought (`services.kept_out`)."""
_WOKEN: Final = "woken"


@dataclass(frozen=True, slots=True)
class Skip:
    """One item that is left out. `waits_for` is what would have to become known, see `capture.Decision`."""

    folder_id: int
    remote_id: str
    rule: str
    message_hash: str = ""
    waits_for: frozenset[str] = frozenset()
    is_due: bool = False


def note(session: Session, run_id: int | None, skips: Iterable[Skip]) -> None:
    """Say of these items by which rule they are left out, instead of what was said before."""
    latest = {(skip.folder_id, skip.remote_id): skip for skip in skips}
    _forget_plans(session, [skip for skip in latest.values() if skip.rule == PRIVATE])
    for folder_id in sorted({skip.folder_id for skip in latest.values()}):
        forget(session, folder_id, [skip.remote_id for skip in latest.values() if skip.folder_id == folder_id])
    if not latest:
        return
    ids = bulk.new_ids(session, SkippedItem, len(latest))
    rows = [
        {
            "id": id_,
            "folder_id": skip.folder_id,
            "remote_id": skip.remote_id,
            "run_id": run_id,
            "rule": skip.rule,
            "message_hash": skip.message_hash,
            "is_due": skip.is_due,
        }
        for id_, skip in zip(ids, latest.values(), strict=True)
    ]
    bulk.add(session, SkippedItem, rows)
    waits = [
        {"skipped_id": skipped_id, "address_hash": hashed(key)}
        for skipped_id, skip in zip(ids, latest.values(), strict=True)
        for key in sorted(skip.waits_for)
    ]
    bulk.add(session, SkippedAddress, waits)


def forget(session: Session, folder_id: int, remote_ids: Collection[str]) -> None:
    """These items were taken in, or left the folder."""
    for some in chunks(sorted(set(remote_ids))):
        session.execute(delete(SkippedItem).where(SkippedItem.folder_id == folder_id, SkippedItem.remote_id.in_(some)))


def wake(session: Session, keys: Iterable[str]) -> None:
    """These addresses, domains or mails became known: read again what waited for them, soon."""
    named = {key for key in keys if key}
    session.info.get(_WOKEN, set()).update(named)
    hashes = sorted(map(hashed, named))
    for some in chunks(hashes):
        make_due(session, SkippedItem.id.in_(select(SkippedAddress.skipped_id).where(_is_one_of(some))))


@contextmanager
def listening(session: Session) -> Iterator[set[str]]:
    """What becomes known in this block, named as in `capture.Decision`: of a trial, there is nothing left to ask."""
    woken: set[str] = session.info.setdefault(_WOKEN, set())
    try:
        yield woken
    finally:
        del session.info[_WOKEN]


def make_due(session: Session, *which: ColumnElement[bool]) -> int:
    """Have these items read again at the next run of their folders, which comes soon; how many they are."""
    asleep = select(SkippedItem.id, SkippedItem.folder_id).where(SkippedItem.is_due.is_(False), *which)
    found = dict(session.execute(asleep).all())
    for ids in chunks(sorted(found)):
        session.execute(update(SkippedItem).where(SkippedItem.id.in_(ids)).values(is_due=True))
    hurry(session, set(found.values()))
    return len(found)


def hurry(session: Session, folder_ids: Collection[int]) -> None:
    """Let the streams of these folders run soon.

    One that is being written just now is left alone: its run looks for what is due before it ends, and waiting for
    it could be waiting for each other. One that waits for its server or for a person goes on waiting.
    """
    for some in chunks(sorted(folder_ids)):
        streams = session.scalars(
            select(Stream.id)
            .where(
                Stream.id.in_(select(MirrorFolder.stream_id).where(MirrorFolder.id.in_(some))),
                Stream.state.in_((StreamState.OK, StreamState.DEGRADED)),
                Stream.failures == 0,
                Stream.due_at > utcnow(),
            )
            .order_by(Stream.id)
            .with_for_update(skip_locked=True)
        ).all()
        session.execute(update(Stream).where(Stream.id.in_(streams)).values(due_at=utcnow()))


def due(session: Session, folder_id: int, limit: int | None) -> list[str]:
    """Items of a folder that are to be read again."""
    mine = select(SkippedItem.remote_id).where(SkippedItem.folder_id == folder_id, SkippedItem.is_due)
    return list(session.scalars(mine.order_by(SkippedItem.id).limit(limit)))


def waiting_for(session: Session, folder_id: int, keys: Iterable[str]) -> list[str]:
    """Items of a folder that wait for one of these addresses, domains or mails."""
    return [
        remote_id
        for some in chunks(sorted(map(hashed, keys)))
        for remote_id in session.scalars(
            select(SkippedItem.remote_id)
            .where(
                SkippedItem.folder_id == folder_id,
                SkippedItem.id.in_(select(SkippedAddress.skipped_id).where(_is_one_of(some))),
            )
            .order_by(SkippedItem.id)
        )
    ]


def due_folders(session: Session, folder_ids: Collection[int]) -> set[int]:
    """Those of these folders that have items to be read again."""
    mine = SkippedItem.folder_id.in_(folder_ids), SkippedItem.is_due
    return set(session.scalars(select(SkippedItem.folder_id).where(*mine).distinct()))


def woken(session: Session, stream_ids: Collection[int]) -> list[int]:
    """Those of these streams that have items to be read again and are in order, in the same order."""
    found = set(
        session.scalars(
            select(MirrorFolder.stream_id)
            .join(Stream, Stream.id == MirrorFolder.stream_id)
            .join(SkippedItem, SkippedItem.folder_id == MirrorFolder.id)
            .where(Stream.id.in_(stream_ids), Stream.failures == 0, MirrorFolder.gone_at.is_(None), SkippedItem.is_due)
        )
    )
    return [stream_id for stream_id in stream_ids if stream_id in found]


def has_due(stream_id: int) -> Exists:
    """Whether a stream has items to be read again, as part of a question."""
    folders = select(MirrorFolder.id).where(MirrorFolder.stream_id == stream_id, MirrorFolder.gone_at.is_(None))
    return exists().where(SkippedItem.folder_id.in_(folders), SkippedItem.is_due)


def _forget_plans(session: Session, skips: Collection[Skip]) -> None:
    """What was planned with items that are private now must leave no trace (S4)."""
    for folder_id in {skip.folder_id for skip in skips}:
        stream = select(Stream.mailbox_id).join(MirrorFolder).where(MirrorFolder.id == folder_id)
        remote_ids = [skip.remote_id for skip in skips if skip.folder_id == folder_id]
        plans.forget_items(session, session.scalar(stream) or 0, remote_ids)


def _is_one_of(hashes: Collection[str]) -> ColumnElement[bool]:
    return SkippedAddress.address_hash.in_(hashes)
