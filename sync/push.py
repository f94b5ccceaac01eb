"""Write what is owed into one mailbox, a batch at a time: plan, write, read back, note (W4, W5).

Nothing remote happens inside a transaction, and every transaction that writes is fenced by the stream's claim. Planning
only reads, and holds up nobody; what has changed by the time the plan is noted stays owed, and is planned anew by the
next run. The process may end between any two steps:

- What is created is known by its key, which is committed before; the next reading finds the item by it, and a second
  try looks it up first.
- What is set is seen by its version: the next try meets a VersionConflict, and the item says already what it should.
- What is removed is noted as our own removal before, so that its absence is not taken for the wish of its owner.
- An item leaves the outbox in the commit that notes what was written, and only in the revision that was planned.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy.orm import Session

from connectors.base import Connector
from sync import outgoing
from sync.brake import Brake, Braked
from sync.noting import Job, Noting, Paid
from sync.outbound import Create, Nothing, Outbound, Remove, Step, Target, Write, Written
from sync.outcomes import UNEXPECTED
from sync.places import Places, remote, to_make
from terracrm.config import Settings
from terracrm.db import is_about_data, is_race
from terracrm.domain.records import Folder
from terracrm.errors import ConnectorError, ItemGone, ItemRejected, VersionConflict
from terracrm.models import Link, MirrorFolder, OutboxItem, Stream
from terracrm.services import links, outbox, role_folders
from terracrm.services import plans as plan_steps

log = structlog.get_logger(__name__)

BATCH: Final = 20
TRIES: Final = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about a thing, the link that this is about, and whether that is one too many."""

    step: Step
    link: Link | None = None
    is_extra: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided about an item of the outbox in one revision; None where that cannot be told."""

    item_id: int
    revision: int
    local_id: int
    decision: Decision | None


def decisions_of(session: Session, outbound: Outbound, target: Target, local_ids: Sequence[int]) -> dict[int, Decision]:
    """What brings these things up to date in a mailbox, as things are now."""
    batches = (local_ids[start : start + BATCH] for start in range(0, len(local_ids), BATCH))
    return {
        local_id: decision
        for batch in batches
        for local_id, decision in _decided(session, outbound, target, batch).items()
    }


@dataclass
class Push:
    """What it takes to write into one mailbox: `transaction` writes under the stream's claim, `read` only reads.

    `count` adds to what the run has written, in the same commit; `progress` gets how many of how many are done. `brake`
    says how much may be removed and changed there.
    """

    settings: Settings
    outbound: Outbound
    connector: Connector
    stream_id: int
    run_id: int
    read: Callable[[], AbstractContextManager[Session]]
    transaction: Callable[[], AbstractContextManager[Session]]
    count: Callable[[Session, int], None]
    progress: Callable[[int, int], None]
    brake: Brake
    _again: set[int] = field(default_factory=set)
    _left: bool = False

    def __post_init__(self) -> None:
        self._places = Places(self.connector, self.stream_id, self.read, self._retried)

    def prepare(self) -> list[Folder]:
        """Find or make the folders that are needed from the beginning, and return them; by a plan, only those in it.

        Raises ItemRejected when there is something of another kind in the place.
        """
        found = self.connector.folders() if self.brake.is_exact else []
        with self.read() as session:
            target = self._target(session)
            places = list(self.outbound.places(session, target))
            if self.brake.is_exact:
                missing = to_make(target.stream, places, found)
                steps = {place: outgoing.of_place(self.stream_id, place) for place in missing}
                self.brake.see(steps.values())
                places = [place for place in places if place not in steps or not self.brake.new([steps[place]])]
        return [self._places.folder(place)[1] for place in places]

    def run(self, *, is_last: bool) -> bool:
        """Write all that is due; whether something is left that only another reading can tell.

        `is_last`: there is no other reading in this run, so what is left is a failed try. Raises what stops the stream:
        Braked, too, before anything is written of more than may be removed and changed (Y2).
        """
        self._left = False
        self._retried(lambda session: self.outbound.settle(session, self._target(session)))
        item_ids = self._due()
        if self.brake.is_exact or not self.brake.may_write(len(item_ids)):
            self._look_ahead(item_ids)
        done, total = 0, len(item_ids)
        while item_ids:
            self._again = set()
            for start in range(0, len(item_ids), BATCH):
                batch = item_ids[start : start + BATCH]
                self._write_batch(batch, is_last)
                done += len(batch)
                self.progress(min(done, total), total)
            item_ids = sorted(self._again)
        return self._left

    def withdraw(self) -> None:
        """Take out only what may not be told there any more: the stream waits for a person (S4).

        Nothing was read, so of what is there twice both stay, and what was changed or deleted there meanwhile is left.
        """
        self._retried(lambda session: self.outbound.withdraw(session, self._target(session)))
        item_ids = self._due()
        for start in range(0, len(item_ids), BATCH):
            plans = [plan for plan in self._plan(item_ids[start : start + BATCH]) if _is_urgent(plan)]
            self._do([plan for plan in plans if self._is_as_read(plan)], is_last=False)
            self.progress(min(start + BATCH, len(item_ids)), len(item_ids))

    def _is_as_read(self, plan: Plan) -> bool:
        """Whether there is one of a thing, which no former try that broke off has changed.

        Another try would forget what that one has set, and the next reading would take it for a change in Outlook.
        """
        if plan.decision is None or plan.decision.link is None or plan.decision.is_extra:
            return False
        with self.read() as session:
            item, link = session.get(OutboxItem, plan.item_id), session.get(Link, plan.decision.link.id)
            if item is None or link is None or not item.sent:
                return True
            folder = remote(session.get_one(MirrorFolder, link.folder_id), self.outbound.kind)
            remote_id, version = link.remote_id, link.version
        try:
            (now,) = self.connector.get(folder, [remote_id])
        except ItemGone:
            return False
        return now.version == version

    def _due(self) -> list[int]:
        with self.read() as session:
            return outbox.due(session, self._target(session).mailbox.id, self.outbound.entity)

    def _look_ahead(self, item_ids: Sequence[int]) -> None:
        """Plan all that is due at once: it is within the limit, or none of it is done but what cannot wait."""
        steps: list[plan_steps.Step] = []
        urgent: list[int] = []
        held: list[plan_steps.Step] = []
        for start in range(0, len(item_ids), BATCH):
            for plan in self._plan(item_ids[start : start + BATCH]):
                found = self._steps([plan])
                steps += found
                if _is_urgent(plan):
                    urgent.append(plan.item_id)
                else:
                    held += found
        self.brake.see(steps)
        if self.brake.is_exact:
            return
        new = self.brake.new(steps)
        with self.read() as session:
            is_over = self.brake.is_over(session, self.brake.written + len(new))
            items = self.brake.items(session)
        if is_over:
            for start in range(0, len(urgent), BATCH):
                # It may be something else by now, that is to wait.
                self._do([plan for plan in self._plan(urgent[start : start + BATCH]) if _is_urgent(plan)], is_last=True)
            raise Braked(held, items)
        self.brake.allow(new)
        self.brake.written += len(new)

    def _steps(self, plans: Sequence[Plan]) -> list[plan_steps.Step]:
        """The steps as a plan keeps them; what comes to nothing is none."""
        entity = self.outbound.entity
        decided = [(plan.local_id, plan.decision) for plan in plans if plan.decision]
        found = (outgoing.step_of(self.stream_id, entity, id_, each.step, each.link) for id_, each in decided)
        return [step for step in found if step is not None]

    def _write_batch(self, item_ids: Sequence[int], is_last: bool) -> None:
        plans = self._plan(item_ids)
        new = self.brake.new(self._steps(plans))
        if self.brake.is_exact:
            plans = [plan for plan in plans if not self.brake.new(self._steps([plan]))]
        elif not self.brake.may_write(len(new)):
            self._look_ahead(self._due())  # what is owed has changed while it was written
        else:
            self.brake.written += len(new)
        self._do(plans, is_last)

    def _do(self, plans: Sequence[Plan], is_last: bool) -> None:
        jobs = self._retried(lambda session: self._prepare(session, plans))
        stopped: Exception | None = None
        for job in jobs:
            try:
                self._take(job)
            except (VersionConflict, ItemGone, ItemRejected) as error:
                job.error = error
            except ConnectorError as error:
                job.error = stopped = error
                break
            except Exception as error:
                log.exception("an item could not be written", entity=self.outbound.entity, local_id=job.local_id)
                job.error = error
        try:
            if stopped is None:
                self._read_back([job for job in jobs if job.written])
        except ConnectorError as error:
            stopped = error
        finally:
            self._retried(lambda session: self._note(session, jobs, is_last))
        if stopped:
            raise stopped

    def _plan(self, item_ids: Sequence[int]) -> list[Plan]:
        """What there is to be done about these items, as things are now."""
        with self.read() as session:
            target = self._target(session)
            if not outbox.may_write(target.stream):
                return []  # somebody has just switched it off: all stays owed
            # The revisions, before what the items are about is read.
            items = outbox.items(session, item_ids)
            owed = [(item.id, item.revision, item.local_id, item.reason) for item in items]
            found = self._decisions(session, target, [local_id for _, _, local_id, _ in owed])
        return [Plan(id_, revision, about, _because(found.get(about), reason)) for id_, revision, about, reason in owed]

    def _decisions(self, session: Session, target: Target, local_ids: Sequence[int]) -> dict[int, Decision]:
        """What is to be done about these things, all at once; one that cannot be planned is left out by itself."""
        try:
            with session.begin_nested():
                return _decided(session, self.outbound, target, local_ids)
        except Exception as error:
            if not is_about_data(error):
                raise
            if local_ids[1:]:
                alone = (self._decisions(session, target, [local_id]) for local_id in local_ids)
                return {local_id: decision for found in alone for local_id, decision in found.items()}
            log.exception("a write could not be planned", entity=self.outbound.entity, local_ids=local_ids)
            return {}

    def _prepare(self, session: Session, plans: Sequence[Plan]) -> list[Job]:
        """The steps to be taken; of what is as it should be, nothing is owed any more."""
        target = self._target(session)
        jobs: list[Job] = []
        if not outbox.may_write(target.stream):
            return jobs
        noting, paid = Noting(session, self.outbound, target), []
        items = {item.id: item for item in outbox.items(session, [plan.item_id for plan in plans])}
        cards = links.there(session, [p.decision.link.id for p in plans if p.decision and p.decision.link])
        folders = {row.id: remote(row, self.outbound.kind) for row in target.stream.folders}
        for plan in plans:
            item, decision = items.get(plan.item_id), plan.decision
            if item is None or item.revision != plan.revision:
                continue
            if decision is None:
                noting.put_off(plan.item_id, plan.revision, UNEXPECTED)
            elif isinstance(decision.step, Nothing):
                paid.append(Paid(plan.item_id, plan.revision, plan.local_id, decision.step.until))
            elif decision.link is None or decision.link.id in cards:
                job = Job(plan.item_id, plan.revision, plan.local_id, decision.step, is_extra=decision.is_extra)
                self._prepare_job(item, job, cards[decision.link.id] if decision.link else None, folders)
                jobs.append(job)
        noting.pay(paid)
        session.flush()
        return jobs

    def _target(self, session: Session) -> Target:
        stream = session.get_one(Stream, self.stream_id)
        return Target(self.settings, stream.mailbox, stream, self.run_id)

    def _prepare_job(self, item: OutboxItem, job: Job, link: Link | None, folders: Mapping[int, Folder]) -> None:
        """Note what a crash must not lose: the key of a creation, what is written, and that a removal is ours."""
        if isinstance(job.step, Create):
            job.former, job.key = (item.sent, item.key) if item.key else (None, uuid.uuid4().hex)
            if job.former is None:
                outbox.creating(item, job.key, job.step.sent)
            return
        assert link is not None  # only what is there can be written or removed
        job.link_id, job.remote_id, job.version = link.id, link.remote_id, link.version
        job.key = "" if link.key else uuid.uuid4().hex
        job.folder_id, job.folder = link.folder_id, folders[link.folder_id]
        if isinstance(job.step, Remove):
            outbox.removing(item, link)
        elif job.step.sent:
            outbox.writing(item, link, job.step.sent)

    def _take(self, job: Job) -> None:
        if isinstance(job.step, Create):
            self._create(job, job.step)
            return
        try:
            self._change(job, job.step)
        except ItemGone:
            if not (isinstance(job.step, Remove) and job.step.anyhow):
                raise
            job.is_done = True
        except VersionConflict:
            job.version = self._version_of_the_same(job)
            self._change(job, job.step)

    def _create(self, job: Job, step: Create) -> None:
        job.folder_id, job.folder = self._places.folder(step.place)
        if job.former is not None:
            if found := self.connector.find_by_key(job.folder, job.key):
                job.step = replace(step, sent=job.former)
                job.written = Written(found, found=True)
                return
            self._retried(lambda session: self._create_anew(session, job, step.sent))
        job.written = Written(self.connector.create(job.folder, step.record, job.key))

    def _create_anew(self, session: Session, job: Job, sent: dict[str, Any]) -> None:
        outbox.creating(session.get_one(OutboxItem, job.item_id), job.key, sent)

    def _change(self, job: Job, step: Write | Remove) -> None:
        if isinstance(step, Write):
            job.written = self.outbound.write(self.connector, step, job.remote_id, job.version, job.key)
        else:
            self.connector.delete(job.remote_id, job.version)
            job.is_done = True

    def _version_of_the_same(self, job: Job) -> str:
        """The version of an item that only the server itself has touched; raises VersionConflict for any other."""
        assert job.folder is not None
        (now,) = self.connector.get(job.folder, [job.remote_id])
        is_same = isinstance(job.step, Remove) and job.step.anyhow
        if not is_same and now.record is not None:
            with self.read() as session:
                is_same = self.outbound.is_same(session.get_one(Link, job.link_id), now)
        if not is_same:
            raise VersionConflict("The item was changed in Outlook meanwhile.")
        return now.version

    def _read_back(self, jobs: Sequence[Job]) -> None:
        """What the server has made of what was written: that is what both sides agree on."""
        by_folder: dict[str, list[Job]] = {}
        for job in jobs:
            if job.folder and job.written:
                by_folder.setdefault(job.folder.remote_id, []).append(job)
        for group in by_folder.values():
            folder = group[0].folder
            ids = [job.written.version.remote_id for job in group if job.written]
            try:
                changes = self.connector.get(folder, ids) if folder else []
            except ItemGone:
                continue  # the folder was deleted just now: the next reading tells
            for job, change in zip(group, changes, strict=True):
                if job.written and change.record is not None:
                    job.written = replace(job.written, read_back=change)

    def _note(self, session: Session, jobs: Sequence[Job], is_last: bool) -> None:
        noting = Noting(session, self.outbound, self._target(session), is_last)
        self.count(session, noting.note(jobs))
        self._again |= noting.again
        self._left |= noting.is_left

    def _retried(self, work: Callable[[Session], T]) -> T:
        """Do this in a transaction, and once more where another one got in the way."""
        for attempt in range(1, TRIES + 1):
            try:
                with self.transaction() as session:
                    return work(session)
            except Exception as error:
                if attempt == TRIES or not is_race(error):
                    raise
        raise AssertionError  # the last attempt returns or raises


def _because(decision: Decision | None, reason: str) -> Decision | None:
    return decision and replace(decision, step=outgoing.because(decision.step, reason))


def _is_urgent(plan: Plan) -> bool:
    return plan.decision is not None and outgoing.is_urgent(plan.decision.step)


def _decided(session: Session, outbound: Outbound, target: Target, local_ids: Sequence[int]) -> dict[int, Decision]:
    """What is to be done about these things; of one that is there more than once, the last one followed goes first."""
    there = links.live(session, target.mailbox.id, outbound.entity, local_ids, outbound.rule)
    doubles = {id_: rows[-1] for id_, rows in there.items() if rows[1:] and rows[-1].untracked_at is None}
    found = {id_: Decision(Remove("double"), link, is_extra=True) for id_, link in doubles.items()}
    wanted = {id_: there[id_][0] if id_ in there else None for id_ in local_ids if id_ not in found}
    for id_, step in outbound.plan(session, target, wanted).items() if wanted else ():
        if isinstance(step, Create) and role_folders.is_deleted(target.stream, step.place.role):
            found[id_] = Decision(Nothing("folder_deleted"))
        else:
            found[id_] = Decision(step, wanted[id_])
    return found
