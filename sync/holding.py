"""What is held until all folders of a mailbox were read: then it is known what moved, and what is really gone (Y2).

Held are folders whose next page would pass the limit of the brake, folders that are no longer there with more in them
than that, and links that a reading from the start has not met. All of it is weighed together: what the mailbox has
elsewhere has moved. The rest is done when it is within the limit or approved; else the server is asked for some of it,
and when it is really gone, the run stops with all of it as its plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from connectors.base import Connector
from sync import asking, folders, looking
from sync.brake import Braked, Contradicted, sample
from sync.looking import Thing
from sync.planner import Action
from sync.run import Run
from terracrm.db import begin_write
from terracrm.domain.records import Change, Folder
from terracrm.errors import CursorExpired, ItemGone, Temporary
from terracrm.models import Link, MirrorFolder
from terracrm.services import links, mirror_folders, outbox, plans
from terracrm.services.plans import Step
from terracrm.services.sources import Source

log = structlog.get_logger(__name__)

LOOKS = 3

Places = dict[int, Folder]
Planned = Callable[[Run, Session, MirrorFolder, Sequence[Change]], tuple[Source, list[Action]]]


@dataclass
class Findings:
    """All that is held: its steps by folder, and the things that its items would be linked to."""

    steps: dict[int, list[Step]] = field(default_factory=dict)
    told: set[Thing] = field(default_factory=set)

    def all(self) -> list[Step]:
        """The steps of all folders."""
        return [step for steps in self.steps.values() for step in steps]


@dataclass(frozen=True)
class Reading:
    """How pages are read, planned and written: `reading` knows, and this module decides when."""

    pages: Callable[[int, Folder], Iterator[Sequence[Change]]]
    planned: Planned
    withdraw: Callable[[int, Sequence[Change]], object]
    again: Callable[[int, Folder], object]
    take: Callable[[int, Sequence[Change]], object]
    remove: Callable[[int, Sequence[str]], object]


def leave(run: Run, connector: Connector, leaving: Mapping[int, Folder | None]) -> None:
    """These folders are not where they were; None: nowhere. They go now, or are held when much is in them, or when the
    server still has an item in one that it does not show.
    """
    if not leaving:
        return
    with run.sessions() as session:
        live = select(Link.folder_id, Link.remote_id).where(Link.folder_id.in_(leaving), Link.gone_at.is_(None))
        lost: dict[int, list[str]] = {}
        for folder_id, remote_id in session.execute(live.order_by(Link.id)):
            lost.setdefault(folder_id, []).append(remote_id)
    count = sum(map(len, lost.values()))
    if count and (run.brake.is_exact or not run.brake.may_pass(count)):
        run.brake.vanished |= leaving
        return
    try:
        for folder_id, remote_ids in lost.items():
            if leaving[folder_id] is None:
                _ask(run, connector, {}, folder_id, remote_ids)
    except Contradicted:
        run.brake.vanished |= leaving  # `settle` asks again, when all other folders were read
        return
    with run.transaction() as session:
        for folder_id in sorted(leaving):
            there = session.scalars(select(Link).where(Link.folder_id == folder_id, Link.gone_at.is_(None)))
            run.brake.count(looking.of_links(session, run.stream_id, there, looking.FOLDER_LEFT))
            _go(session, session.get_one(MirrorFolder, folder_id), leaving[folder_id])


def settle(run: Run, connector: Connector, mirrored: Sequence[tuple[int, Folder]], reading: Reading) -> bool:
    """Do what is held, or raise Braked with it; whether anything was done. All other folders were read.

    Raises Temporary where the server contradicts itself. In a run that does nothing but a plan, what was not planned
    is left.
    """
    brake, places, is_any = run.brake, dict(mirrored), False
    for _ in range(LOOKS):
        unmet = _unmet(run, [id_ for id_ in places if id_ not in brake.held])
        if not (brake.held or brake.vanished or unmet):
            return is_any
        is_any = True
        _ask_for_unmet(run, connector, places, unmet, reading)
        found = _look(run, places, unmet, reading)
        left = _weigh(run, connector, places, found)
        for folder_id in brake.vanished.keys() - left:
            _ask(run, connector, places, folder_id, [step.remote_id for step in found.steps[folder_id]])
        for folder_id in unmet.keys() - left:
            reading.remove(folder_id, unmet[folder_id])
        _let_go(run, left)
        held = sorted(brake.held - left)
        brake.held &= left
        for folder_id in held:
            reading.again(folder_id, places[folder_id])
        if left:
            return is_any
    if brake.held or brake.vanished:
        raise Temporary("the mailbox changes faster than it can be looked at")
    return is_any


def _look(run: Run, places: Places, unmet: dict[int, list[str]], reading: Reading) -> Findings:
    """All that is held, page by page, each in a transaction that is taken back."""
    found = Findings()
    for folder_id in sorted(run.brake.held):
        steps = found.steps.setdefault(folder_id, [])
        try:
            for changes in reading.pages(folder_id, places[folder_id]):
                reading.withdraw(folder_id, changes)
                with run.sessions() as session:
                    begin_write(session)
                    row = session.get_one(MirrorFolder, folder_id)
                    source, actions = reading.planned(run, session, row, changes)
                    steps += looking.steps_of(session, source, row, actions)
                    found.told |= looking.still_told(session, source, actions)
                    session.rollback()
        except CursorExpired as error:
            with run.transaction() as session:
                mirror_folders.read_anew(session, session.get_one(MirrorFolder, folder_id))
            raise Temporary("the server forgot how far a folder was read, while it was looked at") from error
        except ItemGone:
            run.brake.vanished[folder_id] = None
    run.brake.held -= run.brake.vanished.keys()
    with run.sessions() as session:
        for folder_id in run.brake.vanished:
            there = select(Link).where(Link.folder_id == folder_id, Link.gone_at.is_(None)).order_by(Link.id)
            steps = looking.of_links(session, run.stream_id, session.scalars(there), looking.FOLDER_LEFT)
            found.steps[folder_id] = steps
        for folder_id, remote_ids in unmet.items():
            mine = Link.mailbox_id == run.brake.mailbox_id, Link.folder_id == folder_id, links.IS_UNMET
            wanted, there = set(remote_ids), select(Link).where(*mine, Link.gone_at.is_(None)).order_by(Link.id)
            missing = [link for link in session.scalars(there) if link.remote_id in wanted]
            found.steps[folder_id] = looking.of_links(session, run.stream_id, missing, looking.LEFT)
    return found


def _weigh(run: Run, connector: Connector, places: Places, found: Findings) -> set[int]:
    """The folders whose held steps may not be done, in a run that does only a plan; raises Braked in any other."""
    brake = run.brake
    with run.sessions() as session:
        gone = [step for step in found.all() if step.act == plans.REMOVE and step.local_id is not None]
        things = {(step.entity, step.local_id) for step in gone if step.local_id is not None} | brake.done.gone
        elsewhere = looking.held(session, brake.mailbox_id, things, {step.remote_id for step in gone}) | found.told
        ours = outbox.being_removed(session, brake.mailbox_id)
        moved = {s.fingerprint for s in gone if (s.entity, s.local_id) in elsewhere or s.remote_id in ours}
        steps = {id_: [s for s in steps if s.fingerprint not in moved] for id_, steps in found.steps.items()}
        new = {id_: brake.new(each) for id_, each in steps.items()}
        brake.done.gone -= elsewhere
        is_over = brake.is_over(session, brake.weight + sum(len(each) for each in new.values()))
        items = brake.items(session)
    for each in steps.values():
        brake.see(each)
    if brake.is_exact:
        left = {id_ for id_, each in new.items() if each}
        for id_ in found.steps.keys() - left:
            brake.allow(found.steps[id_])
        return left
    if is_over:
        for id_, each in new.items():
            _ask(run, connector, places, id_, sample([step.remote_id for step in each if step.act == plans.REMOVE]))
        raise Braked([step for each in steps.values() for step in each if step.rule != looking.PRIVATE], items)
    brake.count(step for each in new.values() for step in each)
    brake.allow(found.all())
    return set()


def _ask(run: Run, connector: Connector, places: Places, folder_id: int, remote_ids: Sequence[str]) -> None:
    """Ask the server whether these are gone; of a folder that lies elsewhere now, it still has them."""
    if not remote_ids or run.brake.vanished.get(folder_id) is not None:
        return
    folder = places.get(folder_id)
    if folder is None:
        with run.sessions() as session:
            row = session.get_one(MirrorFolder, folder_id)
            folder = Folder(row.remote_id, row.path, run.kind, row.well_known)
    try:
        run.brake.ask(connector, folder, remote_ids)
    except ItemGone:
        return  # the folder itself is gone


def _unmet(run: Run, folder_ids: Sequence[int]) -> dict[int, list[str]]:
    """The items that were linked when their folder began to be read anew, and were not met; by folder."""
    found: dict[int, list[str]] = {}
    with run.sessions() as session:
        mine = Link.folder_id.in_(folder_ids), links.IS_UNMET, Link.gone_at.is_(None)
        for folder_id, remote_id in session.execute(select(Link.folder_id, Link.remote_id).where(*mine)):
            found.setdefault(folder_id, []).append(remote_id)
    return found


def _ask_for_unmet(
    run: Run, connector: Connector, places: Places, unmet: dict[int, list[str]], reading: Reading
) -> None:
    """Ask for what was not met; where the server has it after all, the folder is to be read anew once more.

    When that helps for long no more, what the server says of the item itself is taken, and it counts as met.
    """
    for folder_id, remote_ids in unmet.items():
        try:
            try:
                _ask(run, connector, places, folder_id, remote_ids)
            except Contradicted as error:
                for changes in asking.one_by_one(run, connector, places[folder_id], error):
                    reading.take(folder_id, changes)
                unmet[folder_id] = [each for each in remote_ids if each not in error.there]
        except Temporary:
            with run.transaction() as session:
                mirror_folders.read_anew(session, session.get_one(MirrorFolder, folder_id))
            raise


def _let_go(run: Run, left: set[int]) -> None:
    going = {id_: place for id_, place in run.brake.vanished.items() if id_ not in left}
    if going:
        with run.transaction() as session:
            for folder_id, place in going.items():
                _go(session, session.get_one(MirrorFolder, folder_id), place)
        for folder_id in going:
            del run.brake.vanished[folder_id]


def _go(session: Session, row: MirrorFolder, place: Folder | None) -> None:
    """The folder is gone, or lies where nothing is mirrored."""
    log.info("a folder is no longer mirrored: it was deleted or moved", folder=row.path)
    folders.leave(session, row, place)
