"""Whether what is here agrees with what is there: the counts of streams, kept and told (S14).

The counting itself asks the server and is `sync.reconcile`; here is what is known of items, when a count is due, and
what was found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, joinedload

from terracrm.config import Settings
from terracrm.errors import NotFound
from terracrm.models import (
    Link,
    Mailbox,
    Meeting,
    MessageCopy,
    MirrorFolder,
    QuarantinedItem,
    Reconciliation,
    SkippedItem,
    Stream,
    utcnow,
)
from terracrm.services import access, outbox_list
from terracrm.services.access import Viewer

MISSING, EXTRA, STALE = "missing", "extra", "stale"
KINDS: Final = (MISSING, EXTRA, STALE)
LISTED: Final = 500
"""As many gaps are listed; all are counted."""
KEPT: Final = 30
"""As many counts of a stream are kept."""
SOON: Final = timedelta(hours=1)
"""So soon a new stream is counted, and one with gaps again."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known here of an item that is there: its live link, the rule that leaves it out, or that it is sick.

    `versions` are those that say nothing new: the one that was read, and what reading the mail left behind.
    """

    link_id: int | None = None
    versions: tuple[str, ...] = ()
    is_followed: bool = True
    rule: str = ""
    is_quarantined: bool = False

    def is_stale(self, version: str) -> bool:
        """Whether the item has another version there, and that is news."""
        return self.is_followed and not self.is_quarantined and version not in self.versions


@dataclass(frozen=True, slots=True)
class Spot:
    """One item that is on one side only, or is another one there."""

    kind: str
    folder_id: int
    remote_id: str


@dataclass(frozen=True, slots=True)
class Counted:
    """What a count found; see `Reconciliation`. `left` of the gaps were not mended."""

    here: int
    there: int
    quarantined: int
    skipped: Mapping[str, int]
    gaps: Sequence[Spot]
    left: Collection[Spot]


@dataclass(frozen=True, slots=True)
class GapRow:
    """A gap for a person to read. What it is here is known of what is linked: "" where the viewer may not see it."""

    kind: str
    folder: str
    remote_id: str
    entity: str = ""
    local_id: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class GapsPage:
    """The newest count of a stream with the list of its gaps; `is_cut` where there are more than are listed."""

    mailbox: Mailbox
    stream: Stream
    count: Reconciliation
    gaps: list[GapRow]
    is_cut: bool


def is_due(session: Session, settings: Settings, stream: Stream) -> bool:
    """Whether a stream is to be counted now: not for long, and no other one just now.

    However many are waiting, after a start or when many mailboxes were added at once, they come one after the other.
    """
    period, now = timedelta(hours=settings.sync.reconcile_hours), utcnow()
    if not period:
        return False
    since = stream.reconciled_at or stream.mailbox.created_at
    is_soon = stream.gaps or stream.reconciled_at is None
    if now - since < (min(period, SOON) if is_soon else period):
        return False
    runs = Mailbox.is_enabled, Stream.is_enabled, Stream.direction != "off"
    query = select(func.count(), func.max(Stream.reconciled_at)).select_from(Stream).join(Mailbox).where(*runs)
    count, last = session.execute(query).one()
    return last is None or last <= now - period / (2 * max(count, 1))


def known(session: Session, mailbox_id: int, folder_id: int, remote_ids: Sequence[str]) -> dict[str, Known]:
    """What is known of these items of a folder, by their ids; those of which nothing is are left out."""
    of_folder = SkippedItem.folder_id == folder_id, SkippedItem.remote_id.in_(remote_ids)
    found = {
        remote_id: Known(rule=rule)
        for remote_id, rule in session.execute(select(SkippedItem.remote_id, SkippedItem.rule).where(*of_folder))
    }
    sick_ids = QuarantinedItem.folder_id == folder_id, QuarantinedItem.remote_id.in_(remote_ids)
    sick = set(session.scalars(select(QuarantinedItem.remote_id).where(*sick_ids)))
    found |= {remote_id: Known(is_quarantined=True) for remote_id in sick}
    rows = session.execute(
        select(Link.id, Link.remote_id, Link.version, Link.untracked_at, MessageCopy.flag_version)
        .outerjoin(MessageCopy, MessageCopy.link_id == Link.id)
        .where(Link.mailbox_id == mailbox_id, Link.remote_id.in_(remote_ids), Link.gone_at.is_(None))
    )
    for row in rows:
        versions = tuple(filter(None, (row.version, row.flag_version)))
        is_followed = row.untracked_at is None
        found[row.remote_id] = Known(row.id, versions, is_followed, is_quarantined=row.remote_id in sick)
    return found


def linked(session: Session, folder_id: int) -> Iterator[tuple[int, str]]:
    """The live links of a folder: number and remote id."""
    rows = select(Link.id, Link.remote_id).where(Link.folder_id == folder_id, Link.gone_at.is_(None))
    for row in session.execute(rows.execution_options(yield_per=1000)):
        yield row.id, row.remote_id


def items(session: Session, stream: Stream) -> int:
    """How many items a stream has: its live links."""
    mine = MirrorFolder.stream_id == stream.id, Link.gone_at.is_(None)
    query = select(func.count()).select_from(Link).join(MirrorFolder, MirrorFolder.id == Link.folder_id).where(*mine)
    return session.scalar(query) or 0


def keep(session: Session, stream: Stream, run_id: int, counted: Counted) -> Reconciliation:
    """Note a count; the oldest are forgotten."""
    by_kind = {kind: sum(spot.kind == kind for spot in counted.gaps) for kind in KINDS}
    gaps = sorted(counted.gaps, key=lambda spot: (spot not in counted.left, KINDS.index(spot.kind)))
    row = Reconciliation(
        stream_id=stream.id,
        run_id=run_id,
        here=counted.here,
        there=counted.there,
        quarantined=counted.quarantined,
        skipped=dict(sorted(counted.skipped.items())),
        repaired=len(counted.gaps) - len(counted.left),
        gaps=[
            {"kind": spot.kind, "folder_id": str(spot.folder_id), "remote_id": spot.remote_id} for spot in gaps[:LISTED]
        ],
        **by_kind,
    )
    session.add(row)
    session.flush()
    stream.reconciled_at, stream.gaps = row.checked_at, len(counted.left)
    newest = select(Reconciliation.id).where(Reconciliation.stream_id == stream.id)
    newest = newest.order_by(Reconciliation.id.desc()).limit(KEPT)
    oldest = min(session.scalars(newest))
    session.execute(delete(Reconciliation).where(Reconciliation.stream_id == stream.id, Reconciliation.id < oldest))
    return row


def reason(session: Session, stream: Stream) -> str:
    """Why a stream with gaps is not in order, in a sentence; "" where it has none."""
    if not stream.gaps:
        return ""
    row = latest(session, [stream.id]).get(stream.id)
    told = [f"{count} {kind}" for kind in KINDS if row and (count := getattr(row, kind))]
    mended = f", {row.repaired} repaired" if row and row.repaired else ""
    return (
        f"not the same here and in the mailbox: {', '.join(told)}{mended}; "
        f"terracrm sync reconcile --mailbox {stream.mailbox.address} --stream {stream.kind} lists them"
    )


def latest(session: Session, stream_ids: Collection[int]) -> dict[int, Reconciliation]:
    """The newest count of each of these streams that was ever counted."""
    newest = select(func.max(Reconciliation.id)).where(Reconciliation.stream_id.in_(stream_ids))
    rows = select(Reconciliation).where(Reconciliation.id.in_(newest.group_by(Reconciliation.stream_id)))
    return {row.stream_id: row for row in session.scalars(rows)}


def page(session: Session, viewer: Viewer, mailbox_id: int, kind: str) -> GapsPage:
    """The newest count of a stream; NotFound where the viewer does not see the mailbox, or there is none."""
    query = (
        select(Stream)
        .join(Stream.mailbox)
        .options(joinedload(Stream.mailbox))
        .where(Stream.mailbox_id == mailbox_id, Stream.kind == kind, access.mailboxes(viewer))
    )
    stream = session.scalar(query)
    count = latest(session, [stream.id]).get(stream.id) if stream else None
    if stream is None or count is None:
        raise NotFound("This was not counted yet.")
    rows = gaps(session, viewer, count)
    return GapsPage(stream.mailbox, stream, count, rows, count.missing + count.extra + count.stale > len(rows))


def gaps(session: Session, viewer: Viewer, count: Reconciliation) -> list[GapRow]:
    """The gaps of a count, as far as they are listed, in the terms of this viewer."""
    of_stream = MirrorFolder.stream_id == count.stream_id
    folders = dict(session.execute(select(MirrorFolder.id, MirrorFolder.path).where(of_stream)).all())
    things = _things(session, count)
    names = outbox_list.names(session, viewer, things.values())
    found = []
    for gap in count.gaps:
        entity, local_id = things.get(gap["remote_id"], ("", 0))
        path, name = folders.get(int(gap["folder_id"]), ""), names.get((entity, local_id), "")
        found.append(GapRow(gap["kind"], path, gap["remote_id"], entity, local_id if name else 0, name))
    return found


def _things(session: Session, count: Reconciliation) -> dict[str, tuple[str, int]]:
    """What the listed gaps are linked to, by remote id; of a meeting the entry of the history."""
    mailbox_id = count.stream.mailbox_id
    ids = [gap["remote_id"] for gap in count.gaps]
    rows = session.execute(
        select(Link.remote_id, Link.entity, Link.local_id, Meeting.activity_id)
        .outerjoin(Meeting, (Link.entity == "meeting") & (Meeting.id == Link.local_id))
        .where(Link.mailbox_id == mailbox_id, Link.remote_id.in_(ids))
    )
    return {
        row.remote_id: (row.entity, row.activity_id or 0 if row.entity == "meeting" else row.local_id) for row in rows
    }
