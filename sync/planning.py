"""What runs over a mailbox would do, in both directions, without doing it; and doing just that (Y1).

A plan is made page by page, each in a transaction that is taken back: nothing is kept but the steps, and who and what
would be known by them. For mail may be taken only because of people whom the same runs bring.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace

from sqlalchemy import ColumnElement, TextClause, exists, select
from sqlalchemy.orm import Session

from connectors.base import Connector
from sync import folders, kinds, looking, outgoing, places, reading, writer
from sync.brake import Brake
from sync.engine import account_of, run_stream
from sync.looking import Thing
from sync.planner import Action, Skip, Store
from sync.reading import DUE_BATCH
from sync.run import Connect, Order, Progress, Run, Sessions, Summary
from sync.schedule import OFF, ORDER
from terracrm.config import Settings
from terracrm.db import begin_write, is_about_data
from terracrm.domain.capture import Mode
from terracrm.domain.records import Change, ChangeKind, Folder, StreamKind
from terracrm.errors import CursorExpired, InvalidInput, ItemGone
from terracrm.models import STOPPED, Link, Mailbox, MirrorFolder, Stream, SyncRun
from terracrm.services import links, mirror_folders, plans, skipped
from terracrm.services.plans import Moved, Step
from terracrm.services.sources import Source


@dataclass(frozen=True, slots=True)
class PlanOutcome:
    """What came of a plan: its runs, and what had moved since it was made; nothing of that was done.

    `busy` are the streams that another worker had: nothing is known of their steps.
    """

    summaries: tuple[Summary, ...]
    moved: Moved
    busy: tuple[str, ...] = ()


def plan_mailbox(
    settings: Settings,
    sessions: Sessions,
    connect: Connect,
    mailbox_id: int,
    kinds_wanted: Collection[str] | None = None,
    progress: Progress | None = None,
) -> list[Step]:
    """All steps that the next runs over a mailbox would take, of these kinds of streams or of all; nothing is changed.

    Raises what the server answers, and ConfigError when the mailbox cannot be opened.
    """
    with sessions() as session:
        mailbox = session.get_one(Mailbox, mailbox_id)
        account = account_of(settings, mailbox)
        wanted = [s for s in mailbox.streams if s.is_enabled and s.direction != OFF]
        wanted = [s for s in wanted if kinds_wanted is None or s.kind in kinds_wanted]
        streams = {s.id: s.kind for s in sorted(wanted, key=lambda s: ORDER.get(s.kind, len(ORDER)))}
    connector = connect(account)
    try:
        found = connector.folders()
        steps: list[Step] = []
        known: dict[str, int] = {}
        for stream_id in streams:
            steps += _StreamPlan(settings, sessions, connector, stream_id, found, progress, known).steps()
    finally:
        connector.close()
    return steps + _outgoing(settings, sessions, mailbox_id, streams, found)


def run_plan(
    settings: Settings, sessions: Sessions, connect: Connect, plan_id: int, progress: Progress | None = None
) -> PlanOutcome:
    """Do just the steps of a plan; a page of which something has moved is left, with all that comes after it.

    The plan stays as it is: `plans.finish` is the caller's. Raises NotFound and InvalidInput where it cannot be run.
    """
    with sessions() as session:
        plan = plans.to_run(session, plan_id)
        planned = plans.steps(session, plan_id)
        streams = _streams_of(session, plan.mailbox, {step.stream_id for step in planned})
    summaries: list[Summary] = []
    done: set[int] = set()
    seen: list[Step] = []
    for stream_id in streams:
        order = Order(only=frozenset(step.fingerprint for step in planned if step.stream_id == stream_id))
        summary = run_stream(settings, sessions, stream_id, connect, progress, order)
        if summary is not None:
            summaries.append(summary)
            done |= set() if summary.error else {stream_id}
            seen += order.seen if not summary.error else ()
    moved = plans.compare([step for step in planned if step.stream_id in done], seen)
    ran = {summary.stream for summary in summaries}
    return PlanOutcome(tuple(summaries), moved, tuple(kind for kind in streams.values() if kind not in ran))


def _streams_of(session: Session, mailbox: Mailbox, stream_ids: Collection[int]) -> dict[int, str]:
    """The kinds of the streams of a plan, in the order in which they run; raises InvalidInput where one may not."""
    if not mailbox.is_enabled:
        raise InvalidInput(f"{mailbox.address} is paused; terracrm mailbox enable {mailbox.address} starts it")
    chosen = sorted((s for s in mailbox.streams if s.id in stream_ids), key=lambda s: ORDER.get(s.kind, len(ORDER)))
    for stream in chosen:
        if stream.state in STOPPED:
            reason = (stream.last_error or stream.state).rstrip(".")
            raise InvalidInput(f"{mailbox.address} {stream.kind} is not run: {reason}")
    return {stream.id: stream.kind for stream in chosen}


def _outgoing(
    settings: Settings, sessions: Sessions, mailbox_id: int, streams: Collection[int], found: Sequence[Folder]
) -> list[Step]:
    """What would be written into the mailbox, as things are here now, and the folders that would be made there."""
    with sessions() as session:
        begin_write(session)
        mailbox = session.get_one(Mailbox, mailbox_id)
        steps = [
            outgoing.of_place(stream.id, place)
            for stream in mailbox.streams
            if stream.id in streams
            for place in places.to_make(stream, kinds.places(session, settings, stream), found)
        ]
        steps += [
            step
            for each in kinds.planned(session, settings, mailbox)
            if each.stream_id in streams
            for step in [outgoing.step_of(each.stream_id, each.entity, each.local_id, each.step, each.link)]
            if step is not None
        ]
        session.rollback()
    return steps


@dataclass
class _StreamPlan:
    """What is read of one stream. `told` are the things that its items lead to: what of them left has moved.

    `known` is what the steps of the mailbox make known, named as in `capture.Decision`, each with its turn. `asked` are
    the items that go by that, by folder: what each that is left out waits for, and whose turn it was then.
    """

    settings: Settings
    sessions: Sessions
    connector: Connector
    stream_id: int
    found: Sequence[Folder]
    progress: Progress | None
    known: dict[str, int]
    asked: defaultdict[str, dict[str, tuple[frozenset[str], int]]] = field(default_factory=lambda: defaultdict(dict))
    told: set[Thing] = field(default_factory=set)
    is_known: bool = False

    def steps(self) -> list[Step]:
        """All that reading it would do, without what has only moved."""
        places, steps = self._begin()
        for folder in places:
            try:
                steps += self._folder(folder)
            except ItemGone:
                continue  # deleted just now: the next plan tells
        steps += self._again(places)
        gone = [step for step in steps if step.act == plans.REMOVE and step.local_id is not None]
        things = {(step.entity, step.local_id) for step in gone if step.local_id is not None}
        with self.sessions() as session:
            mailbox_id = session.get_one(Stream, self.stream_id).mailbox_id
            elsewhere = looking.held(session, mailbox_id, things, {step.remote_id for step in gone}) | self.told
        moved = {
            id(step) for step in gone if (step.entity, step.local_id) in elsewhere and step.rule != looking.PRIVATE
        }
        return [step for step in steps if id(step) not in moved]

    @contextmanager
    def _trial(self) -> Iterator[tuple[Run, Session, folders.Leaving]]:
        """A run and its transaction, with the folders as they are there now; all of it is taken back."""
        with self.sessions() as session:
            begin_write(session)
            stream = session.get_one(Stream, self.stream_id)
            row = SyncRun(stream_id=self.stream_id)
            session.add(row)
            session.flush()
            brake, kind = Brake.of(self.settings, session, stream, row.id), StreamKind(stream.kind)
            summary = Summary(stream.mailbox.address, stream.kind)
            run = Run(self.settings, self.sessions, self.stream_id, row.id, "", kind, True, summary, brake)
            left_out = mirror_folders.left_out_paths(self.settings, ())
            leaving = folders.refresh(session, stream, self.found, left_out)
            try:
                yield run, session, leaving
            finally:
                session.rollback()

    def _begin(self) -> tuple[list[Folder], list[Step]]:
        """The folders that would be read, and what is lost with those that are gone."""
        with self._trial() as (_, session, leaving):
            stream = session.get_one(Stream, self.stream_id)
            lost = select(Link).where(Link.folder_id.in_(leaving), Link.gone_at.is_(None)).order_by(Link.id)
            steps = looking.of_links(session, self.stream_id, session.scalars(lost), looking.FOLDER_LEFT)
            of_stream = select(MirrorFolder.id).where(MirrorFolder.stream_id == self.stream_id)
            self.is_known = bool(session.scalar(select(exists().where(Link.folder_id.in_(of_stream)))))
            return [folder for _, folder in folders.to_read(stream, self.found, leaving)], steps

    def _folder(self, folder: Folder) -> list[Step]:
        with self._trial() as (_, session, __):
            row = self._row(session, folder)
            cursor, waiting = row.cursor, reading.waiting(session, row.id, None)
            unmet = self._linked(session, row, links.IS_UNMET)
        steps = self._asked_for(folder, waiting)
        try:
            steps += self._pages(folder, cursor, unmet)
        except CursorExpired:
            with self._trial() as (_, session, __):
                unmet = self._linked(session, self._row(session, folder), Link.id.is_not(None))
            steps = self._pages(folder, None, unmet)
        with self.sessions() as session:
            for remote_id in sorted(unmet):
                link = session.scalar(select(Link).where(Link.id == unmet[remote_id]))
                steps += looking.of_links(session, self.stream_id, [link] if link else [], looking.LEFT)
        return steps

    def _asked_for(self, folder: Folder, remote_ids: Sequence[str]) -> list[Step]:
        """The steps of these items, each asked for by itself."""
        batches = (remote_ids[start : start + DUE_BATCH] for start in range(0, len(remote_ids), DUE_BATCH))
        return [step for batch in batches for step in self._page(folder, self.connector.get(folder, batch))]

    def _again(self, places: Sequence[Folder]) -> list[Step]:
        """What is left out until something is known that these steps make known: a run reads it again at its end."""
        steps: list[Step] = []
        done = 0
        while news := list(self.known)[done:]:
            done = len(self.known)
            for folder in places:
                try:
                    steps += self._asked_for(folder, self._woken(folder, news))
                except ItemGone:
                    continue
        return steps

    def _woken(self, folder: Folder, news: Collection[str]) -> list[str]:
        """The items of a folder that go by this news: those that were just read, and those left out by former runs."""
        asked = self.asked[folder.remote_id]
        with self._trial() as (_, session, __):
            left = skipped.waiting_for(session, self._row(session, folder).id, news)
        return [
            *(id_ for id_, (keys, turn) in asked.items() if any(self.known.get(key, -1) >= turn for key in keys)),
            *(id_ for id_ in left if id_ not in asked),
        ]

    def _pages(self, folder: Folder, cursor: str | None, unmet: dict[str, int]) -> list[Step]:
        """The steps of all pages; what they tell of is taken out of `unmet`."""
        steps: list[Step] = []
        with closing(reading.pages(self.settings, self.connector, folder, cursor, self.progress)) as pages:
            for page in pages:
                steps += self._page(folder, page.changes)
                for change in page.changes:
                    if change.kind is not ChangeKind.READ_FLAG:
                        unmet.pop(change.remote_id, None)
        return steps

    def _page(self, folder: Folder, changes: Sequence[Change]) -> list[Step]:
        with self._trial() as (run, session, _), skipped.listening(session) as woken:
            row = self._row(session, folder)
            source, actions = reading.planned(run, session, row, changes, self.known)
            steps = looking.steps_of(session, source, row, actions)
            if source.rules.mode in (Mode.KNOWN, Mode.REPLIES):
                self._learn(session, source, folder, actions)
            if self.is_known:
                self.told |= looking.still_told(session, source, actions)
            number = row.id
        self.known |= {key: len(self.known) + turn for turn, key in enumerate(sorted(woken - self.known.keys()))}
        with self.sessions() as session:
            is_here = session.get(MirrorFolder, number) is not None
        return steps if is_here else [replace(step, folder_id=None) for step in steps]

    def _learn(self, session: Session, source: Source, folder: Folder, actions: Sequence[Action]) -> None:
        """Take in what is new, which tells who and what becomes known, and remember what waits for that."""
        new = [action for action in actions if isinstance(action, Store)]
        try:
            with session.begin_nested():
                writer.apply(session, source, new)
        except Exception as error:
            if not is_about_data(error):
                raise
            reading.one_by_one(session, source, new)
        for action in actions:
            waits_for = action.waits_for if isinstance(action, Skip) else frozenset()
            self.asked[folder.remote_id][action.remote_id] = waits_for, len(self.known)

    def _row(self, session: Session, folder: Folder) -> MirrorFolder:
        mine = MirrorFolder.stream_id == self.stream_id, MirrorFolder.remote_id == folder.remote_id
        return session.scalars(select(MirrorFolder).where(*mine)).one()

    def _linked(self, session: Session, row: MirrorFolder, which: ColumnElement[bool] | TextClause) -> dict[str, int]:
        """The live links of a folder by the ids of their items."""
        mine = Link.folder_id == row.id, Link.gone_at.is_(None), which
        rows = session.execute(select(Link.remote_id, Link.id).where(*mine))
        return dict(rows.all())
