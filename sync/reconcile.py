"""Count what is here and what is there, item by item, and mend what differs where somebody asks for it (S14).

The server is asked for a plain list of each folder, which owes nothing to the cursors that reading goes by. A mailbox
that lives changes all the time: what differs at first is read once more as always, and then these items are asked for
one by one, so that only what is really lost counts. Memory holds numbers and what differs, never a whole folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeVar

import structlog
from sqlalchemy.orm import Session

from connectors.base import Connector, Listed
from sync import reading, writer
from sync.brake import Held
from sync.places import remote
from sync.planner import Action, Ignore, Keep, Quarantine, Skip
from sync.run import Progress, Run
from terracrm.db import is_about_data
from terracrm.domain.records import Change, ChangeKind, Folder, StreamKind
from terracrm.errors import ItemGone, ItemRejected, Temporary, Unsupported
from terracrm.models import MirrorFolder, Stream
from terracrm.services import reconciliations
from terracrm.services.reconciliations import EXTRA, MISSING, STALE, Counted, Known, Spot

log = structlog.get_logger(__name__)

T = TypeVar("T")

PAGE: Final = 1000
BATCH: Final = 100
LOOKED_AT: Final = 2000
"""As many differing items are asked for one by one by a count that nobody waits for."""
OURS: Final = (StreamKind.TASKS, StreamKind.POSTS)
"""Of these only what we made is looked at."""
LIMIT: Final = (
    "[sync] brake_items and brake_percent let be changed at once: look at the list, then repair it with --anyway"
)
OTHER_KIND, EXCLUDED = "other_kind", "folder_left_out"
"""The rules of items that no reading tells of: a distribution list among contacts; all in a folder not mirrored."""


def when_due(run: Run, connector: Connector, mirrored: Sequence[tuple[int, Folder]], progress: Progress | None) -> None:
    """Count a stream whose folders were just read, where its time has come or somebody asks for it.

    Not in a run that does a plan and nothing else (Y1). A count by the clock that the server does not let come to an
    end is tried again with the next run: it is a second opinion, and no reason not to read.
    """
    with run.sessions() as session:
        stream = run.stream(session)
        if run.brake.is_exact or (run.order is None and not reconciliations.is_due(session, run.settings, stream)):
            return
        folders = dict(mirrored)
        if run.kind is StreamKind.POSTS:
            rows = [row for row in stream.folders if row.role and row.gone_at is None]
            folders = {row.id: remote(row, run.kind) for row in rows}
    try:
        _Count(run, connector, folders, progress).make()
    except Temporary as error:
        if run.order is not None or error.retry_after:
            raise
        log.warning("the stream could not be counted", reason=str(error))
    except (Unsupported, ItemRejected) as error:
        log.warning("the stream could not be counted", reason=str(error))
        if run.order is not None:
            run.order.refused = str(error)


@dataclass
class _Count:
    run: Run
    connector: Connector
    folders: dict[int, Folder]
    progress: Progress | None
    there: int = 0
    here: int = 0
    quarantined: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    suspects: dict[Spot, str] = field(default_factory=dict)  # each with its version there
    gaps: list[Spot] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)  # links whose items are listed
    _contradictions: int = 0

    def make(self) -> None:
        listed = [row_id for row_id, folder in self.folders.items() if self._survey(row_id, folder)]
        for row_id in listed:
            self._look_for_extra(row_id)
        if self.suspects:
            self._read_again()
            self._look_again()
        if self.run.kind not in OURS:
            self._count_excluded()
        if self.run.kind is StreamKind.POSTS and len(self._extra()) <= self._limit():
            # Nobody reads posts to tell that some were deleted, so this is how that is learned.
            self._write(self._extra())
            self.gaps = [spot for spot in self.gaps if spot.kind != EXTRA]
        left = self._repair() if self.run.order and self.run.order.repair and self.gaps else set(self.gaps)
        self._keep(left)

    # What is there, and what is known of it

    def _survey(self, row_id: int, folder: Folder) -> bool:
        """Sort all that is in a folder; False when the folder has just gone, which the next reading tells."""
        named: set[int] = set()  # hashes of ids: a list of a folder that changes may name an item twice
        done = 0
        try:
            for page in _batched(self.connector.listing(folder), PAGE):
                new = {each.remote_id: each for each in page if hash(each.remote_id) not in named}
                named.update(map(hash, new))
                with self.run.transaction() as session:
                    known = reconciliations.known(session, self._mailbox_id(session), row_id, list(new))
                for each in new.values():
                    self._sort(row_id, each, known.get(each.remote_id))
                done += len(page)
                if self.progress:
                    self.progress(folder.path, done, folder.item_count or None)
        except ItemGone:
            return False
        return True

    def _sort(self, row_id: int, item: Listed, known: Known | None) -> None:
        if known is None and (item.is_other or self.run.kind in OURS):
            if self.run.kind not in OURS:
                self.there += 1
                self.skipped[OTHER_KIND] += 1
            return
        self.there += 1
        if known is None:
            self.suspects[Spot(MISSING, row_id, item.remote_id)] = item.version
        else:
            self._account(known)
            # Of posts it is asked what became of them when there is something to write.
            if known.link_id is not None and known.is_stale(item.version) and self.run.kind is not StreamKind.POSTS:
                self.suspects[Spot(STALE, row_id, item.remote_id)] = item.version

    def _account(self, known: Known) -> None:
        if known.link_id is not None:
            self.here += 1
            self._seen.add(known.link_id)
        elif known.rule:
            self.skipped[known.rule] += 1
        else:
            self.quarantined += 1

    def _look_for_extra(self, row_id: int) -> None:
        with self.run.sessions() as session:
            for link_id, remote_id in reconciliations.linked(session, row_id):
                if link_id not in self._seen:
                    self.suspects[Spot(EXTRA, row_id, remote_id)] = ""

    def _count_excluded(self) -> None:
        """All that lies in folders that are not mirrored: the server says how much that is."""
        with self.run.sessions() as session:
            rows = session.get_one(Stream, self.run.stream_id).folders
            excluded = {row.remote_id for row in rows if row.is_excluded and row.gone_at is None}
        if excluded:
            count = sum(folder.item_count for folder in self.connector.folders() if folder.remote_id in excluded)
            self.there += count
            self.skipped += Counter({EXCLUDED: count})

    # What differs at first

    def _read_again(self) -> None:
        if self.run.kind is not StreamKind.POSTS:
            reading.read(self.run, self.connector, list(self.folders.items()), self.progress)

    def _look_again(self) -> None:
        budget = LOOKED_AT if self.run.order is None else len(self.suspects)
        for row_id in self.folders:
            mine = [spot for spot in self.suspects if spot.folder_id == row_id]
            for spots in _batched(mine, BATCH):
                still = self._still_differing(row_id, spots)
                if budget < len(still):
                    # What differs in its version only may say the same as ever; nobody has looked.
                    self.gaps += [spot for spot in still if spot.kind != STALE]
                    continue
                budget -= len(still)
                self._judge(row_id, still)

    def _still_differing(self, row_id: int, spots: Sequence[Spot]) -> list[Spot]:
        """Those of which the reading did not tell; the others are counted as what they are now."""
        still = []
        with self.run.transaction() as session:
            known = reconciliations.known(session, self._mailbox_id(session), row_id, [s.remote_id for s in spots])
        for spot in spots:
            now = known.get(spot.remote_id)
            if spot.kind == MISSING and now is not None:
                self._account(now)
            elif spot.kind == STALE and (now is None or now.link_id is None):
                self.here -= 1  # it has left, or is skipped or sick now
                self.there -= now is None
                if now is not None:
                    self._account(now)
            elif self._differs(spot, now):
                still.append(spot)
        return still

    def _differs(self, spot: Spot, now: Known | None) -> bool:
        """Whether an item is still what it was held for, by what is known of it now."""
        if spot.kind == MISSING:
            return now is None
        is_linked = now is not None and now.link_id is not None
        return is_linked and (spot.kind == EXTRA or (now is not None and now.is_stale(self.suspects[spot])))

    def _judge(self, row_id: int, spots: Sequence[Spot]) -> None:
        """Ask for these items one by one, and believe that."""
        changes = self._get(row_id, spots)
        asked = list(zip(spots, changes, strict=True))
        self._judge_missing(row_id, [(s, c) for s, c in asked if s.kind == MISSING])
        self._judge_stale(row_id, [(s, c) for s, c in asked if s.kind == STALE])
        for spot, change in asked:
            if spot.kind != EXTRA:
                continue
            if change.kind is ChangeKind.DELETED or change.error:
                self.gaps.append(spot)  # what is neither listed nor handed out is told, and is not marked gone
                continue
            self.there, self.here, self._contradictions = self.there + 1, self.here + 1, self._contradictions + 1
            if self._contradictions > BATCH:
                raise Temporary("the server does not list items that it has: its list cannot be believed now")

    def _judge_missing(self, row_id: int, asked: Sequence[tuple[Spot, Change]]) -> None:
        """What is not taken in by a rule, or cannot be read, is noted as such and is no gap."""
        found = [(spot, change) for spot, change in asked if change.kind is not ChangeKind.DELETED]
        self.there -= len(asked) - len(found)
        with self.run.transaction() as session:
            folder = session.get_one(MirrorFolder, row_id)
            _, actions = reading.planned(self.run, session, folder, [change for _, change in found])
        noted = []
        for (spot, change), action in zip(found, actions, strict=True):
            if isinstance(action, Skip | Quarantine):
                noted.append(change)
                self._account(_as_known(action))
            elif isinstance(action, Keep | Ignore):
                self.there -= 1
            else:
                self.gaps.append(spot)
        if noted:
            reading.write_page(self.run, row_id, noted, None)

    def _judge_stale(self, row_id: int, asked: Sequence[tuple[Spot, Change]]) -> None:
        """What says the same as ever in another version is noted with that, and is no gap; what became private goes."""
        if asked:
            reading.withdraw(self.run, row_id, [change for _, change in asked])
        with self.run.transaction() as session:
            folder = session.get_one(MirrorFolder, row_id)
            known = reconciliations.known(session, self._mailbox_id(session), row_id, [s.remote_id for s, _ in asked])
            for spot, change in asked:
                now = known.get(spot.remote_id)
                if change.kind is ChangeKind.DELETED or now is None:
                    self.here, self.there = self.here - 1, self.there - 1  # the next reading tells
                elif now.link_id is None:
                    self.here -= 1
                    self._account(now)
                elif now.is_stale(change.version) and not self._says_the_same(session, folder, change):
                    self.gaps.append(spot)

    def _says_the_same(self, session: Session, folder: MirrorFolder, change: Change) -> bool:
        """Whether taking an item in again changes nothing; else nothing of it is done."""
        trial = session.begin_nested()
        try:
            source, actions = reading.planned(self.run, session, folder, [change])
            done = writer.apply(session, source, actions)
        except Exception as error:
            trial.rollback()
            if not is_about_data(error):
                raise
            return False
        is_same = not (done.created or done.updated or done.deleted)
        if is_same:
            trial.commit()
        else:
            trial.rollback()
        return is_same

    # What is mended

    def _repair(self) -> set[Spot]:
        """Take in what is missing or another one there, and mark gone what is not there; which gaps are left."""
        extra = self._extra()
        assert self.run.order is not None  # only a person has it mended
        if len(extra) > self._limit() and not self.run.order.anyway:
            self.run.order.refused = f"{len(extra)} items are here and not in the mailbox, more than {LIMIT}"
            extra = []
        try:
            self._write([spot for spot in self.gaps if spot.kind != EXTRA])
        except Held:
            self.run.order.refused = f"more items are others in the mailbox than {LIMIT}"
        self._write(extra)
        self._read_again()
        left: set[Spot] = set()
        for row_id in self.folders:
            for spots in _batched([spot for spot in self.gaps if spot.folder_id == row_id], BATCH):
                left |= self._left(row_id, spots)
        return left

    def _write(self, spots: Iterable[Spot]) -> None:
        """Through the page writer as always: all rules hold, and only what the server says is gone is marked gone."""
        by_folder: dict[int, list[Spot]] = {}
        for spot in spots:
            by_folder.setdefault(spot.folder_id, []).append(spot)
        for row_id, mine in by_folder.items():
            for batch in _batched(mine, BATCH):
                changes = self._get(row_id, batch)
                asked = list(zip(batch, changes, strict=True))
                self.suspects.update((spot, change.version) for spot, change in asked)
                gone = [s.remote_id for s, c in asked if s.kind == EXTRA and c.kind is ChangeKind.DELETED]
                reading.remove(self.run, row_id, gone)
                there = [c for s, c in asked if s.kind != EXTRA and c.kind is not ChangeKind.DELETED]
                is_checked = not (self.run.order and self.run.order.anyway)
                self.run.summary.counts.add(reading.write_page(self.run, row_id, there, None, is_checked=is_checked))

    def _left(self, row_id: int, spots: Sequence[Spot]) -> set[Spot]:
        with self.run.transaction() as session:
            known = reconciliations.known(session, self._mailbox_id(session), row_id, [s.remote_id for s in spots])
        return {spot for spot in spots if self._differs(spot, known.get(spot.remote_id))}

    def _extra(self) -> list[Spot]:
        return [spot for spot in self.gaps if spot.kind == EXTRA]

    def _limit(self) -> int:
        """As many items may be marked gone at once (Y2)."""
        sync = self.run.settings.sync
        with self.run.sessions() as session:
            items = reconciliations.items(session, session.get_one(Stream, self.run.stream_id))
        return max(sync.brake_items, items * sync.brake_percent // 100) if sync.brake_items else items

    def _keep(self, left: set[Spot]) -> None:
        counted = Counted(self.here, self.there, self.quarantined, dict(self.skipped), self.gaps, left)
        with self.run.transaction() as session:
            stream = session.get_one(Stream, self.run.stream_id)
            row = reconciliations.keep(session, stream, self.run.run_id, counted)
            if self.run.order:
                self.run.order.count_id = row.id
            reason = reconciliations.reason(session, stream)
        if reason:
            log.warning("gaps", reason=reason, missing=row.missing, extra=row.extra, stale=row.stale)

    def _get(self, row_id: int, spots: Sequence[Spot]) -> list[Change]:
        ids = [spot.remote_id for spot in spots]
        try:
            return self.connector.get(self.folders[row_id], ids) if ids else []
        except ItemGone:
            return [Change(ChangeKind.DELETED, remote_id) for remote_id in ids]

    def _mailbox_id(self, session: Session) -> int:
        return session.get_one(Stream, self.run.stream_id).mailbox_id


def _as_known(action: Action) -> Known:
    return Known(rule=action.rule) if isinstance(action, Skip) else Known(is_quarantined=True)


def _batched(values: Iterable[T], size: int) -> Iterator[list[T]]:
    found = iter(values)
    while batch := list(islice(found, size)):
        yield batch
