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
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy.orm import Session

from connectors.base import Connector
from sync.outbound import Create, Nothing, Outbound, Remove, Step, Target, Write, Written
from sync.outcomes import UNEXPECTED, retry_delay
from sync.places import Places, remote
from terracrm.config import Settings
from terracrm.db import is_about_data, is_race
from terracrm.domain.records import Folder
from terracrm.errors import ConnectorError, ItemGone, ItemRejected, Temporary, TerraCRMError, VersionConflict
from terracrm.models import Link, MirrorFolder, OutboxItem, Stream, utcnow
from terracrm.services import links, outbox, role_folders

log = structlog.get_logger(__name__)

BATCH: Final = 20
TRIES: Final = 3
# Who was changing a client while nothing yet told of its card could not owe it: what is new is looked at once more.
LOOK_AGAIN: Final = timedelta(minutes=1)

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


@dataclass
class Job:
    """One planned step and what came of it.

    `former` is what an earlier try was creating under the same key. `is_extra` when it is about one of several remote
    items of the same thing: what the outbox says of the thing is then still to be done.
    """

    item_id: int
    revision: int
    local_id: int
    step: Create | Write | Remove
    link_id: int = 0
    remote_id: str = ""
    version: str = ""
    key: str = ""
    folder_id: int = 0
    folder: Folder | None = None
    former: dict[str, Any] | None = None
    is_extra: bool = False
    is_done: bool = False
    written: Written | None = None
    error: Exception | None = None


def steps_of(session: Session, outbound: Outbound, target: Target, local_ids: Sequence[int]) -> dict[int, Step]:
    """The steps that bring these things up to date in a mailbox, as things are now."""
    batches = (local_ids[start : start + BATCH] for start in range(0, len(local_ids), BATCH))
    return {
        local_id: decision.step
        for batch in batches
        for local_id, decision in _decided(session, outbound, target, batch).items()
    }


@dataclass
class Push:
    """What it takes to write into one mailbox: `transaction` writes under the stream's claim, `read` only reads.

    `count` adds to what the run has written, in the same commit; `progress` gets how many of how many are done.
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
    _again: set[int] = field(default_factory=set)
    _left: bool = False

    def __post_init__(self) -> None:
        self._places = Places(self.connector, self.stream_id, self.read, self._retried)

    def prepare(self) -> list[Folder]:
        """Find or make the folders that are needed from the beginning, and return them.

        Raises ItemRejected when there is something of another kind in the place.
        """
        with self.read() as session:
            places = list(self.outbound.places(session, self._target(session)))
        return [self._places.folder(place)[1] for place in places]

    def run(self, *, is_last: bool) -> bool:
        """Write all that is due; whether something is left that only another reading can tell.

        `is_last`: there is no other reading in this run, so what is left is a failed try. Raises what stops the stream.
        """
        self._left = False
        self._retried(lambda session: self.outbound.settle(session, self._target(session)))
        with self.read() as session:
            item_ids = outbox.due(session, self._target(session).mailbox.id, self.outbound.entity)
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

    def _write_batch(self, item_ids: Sequence[int], is_last: bool) -> None:
        plans = self._plan(item_ids)
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
            self._retried(lambda session: self._note_all(session, jobs, is_last))
        if stopped:
            raise stopped

    def _plan(self, item_ids: Sequence[int]) -> list[Plan]:
        """What there is to be done about these items, as things are now."""
        with self.read() as session:
            target = self._target(session)
            if not outbox.may_write(target.stream):
                return []  # somebody has just switched it off: all stays owed
            # The revisions, before what the items are about is read.
            owed = [(item.id, item.revision, item.local_id) for item in outbox.items(session, item_ids)]
            decisions = self._decisions(session, target, [local_id for *_, local_id in owed])
        return [Plan(*item, decisions.get(item[-1])) for item in owed]

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
        items = {item.id: item for item in outbox.items(session, [plan.item_id for plan in plans])}
        cards = links.there(session, [p.decision.link.id for p in plans if p.decision and p.decision.link])
        for plan in plans:
            item, decision = items.get(plan.item_id), plan.decision
            if item is None or item.revision != plan.revision:
                continue
            if decision is None:
                self._put_off(session, plan.item_id, plan.revision, UNEXPECTED)
            elif isinstance(decision.step, Nothing):
                self._pay(session, plan.item_id, plan.revision, plan.local_id, decision.step.until)
            elif decision.link is None or decision.link.id in cards:
                job = Job(plan.item_id, plan.revision, plan.local_id, decision.step, is_extra=decision.is_extra)
                self._prepare_job(session, item, job, cards[decision.link.id] if decision.link else None)
                jobs.append(job)
        session.flush()
        return jobs

    def _target(self, session: Session) -> Target:
        stream = session.get_one(Stream, self.stream_id)
        return Target(self.settings, stream.mailbox, stream, self.run_id)

    def _prepare_job(self, session: Session, item: OutboxItem, job: Job, link: Link | None) -> None:
        """Note what a crash must not lose: the key of a creation, what is written, and that a removal is ours."""
        if isinstance(job.step, Create):
            job.former, job.key = (item.sent, item.key) if item.key else (None, uuid.uuid4().hex)
            if job.former is None:
                outbox.creating(session, item, job.key, job.step.sent)
            return
        assert link is not None  # only what is there can be written or removed
        job.link_id, job.remote_id, job.version = link.id, link.remote_id, link.version
        job.key = "" if link.key else uuid.uuid4().hex
        job.folder_id = link.folder_id
        job.folder = remote(session.get_one(MirrorFolder, link.folder_id), self.outbound.kind)
        if isinstance(job.step, Remove):
            outbox.removing(session, item, link)
        elif job.step.sent:
            outbox.writing(session, item, job.step.sent)

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
        outbox.creating(session, session.get_one(OutboxItem, job.item_id), job.key, sent)

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

    def _note_all(self, session: Session, jobs: Sequence[Job], is_last: bool) -> None:
        written = 0
        for job in jobs:
            try:
                with session.begin_nested():
                    written += self._note(session, job, is_last)
            except Exception as error:
                if not is_about_data(error) or is_race(error):
                    raise
                log.exception("what was written could not be noted", entity=self.outbound.entity, id=job.local_id)
                self._fail(session, job, error)
        self.count(session, written)

    def _note(self, session: Session, job: Job, is_last: bool) -> bool:
        """Note what came of a step; whether something was written."""
        if job.error is not None:
            self._note_error(session, job, job.error, is_last)
            return False
        if isinstance(job.step, Remove):
            if job.is_done:
                outbox.removed(session, job.link_id, self.run_id, job.step.why)
                self._settle(session, job, is_more=job.is_extra)
            return job.is_done
        if job.written is None:
            return False  # the stream was stopped before its turn
        link = self._link(session, job, job.written)
        is_news = not job.written.found and link.version != job.written.version.change_key
        # What was found may have been changed since it was made: the next reading is to compare it.
        link.version = "" if job.written.found else job.written.version.change_key
        if job.key and (is_news or job.written.found):
            link.key = job.key
        self.outbound.done(session, self._target(session), job.local_id, link, job.step, job.written)
        # An item that is made and deleted between two readings is never told of: so it is read once at once.
        self._left |= isinstance(job.step, Create)
        self._settle(session, job, is_more=job.written.found)
        return is_news

    def _link(self, session: Session, job: Job, written: Written) -> Link:
        if job.link_id:
            return session.get_one(Link, job.link_id)
        target, remote_id = self._target(session), written.version.remote_id
        link = links.find(session, target.mailbox.id, remote_id)
        if link is None:
            link = Link(mailbox_id=target.mailbox.id, remote_id=remote_id, run_id=self.run_id)
            session.add(link)
        link.entity, link.local_id, link.rule = self.outbound.entity, job.local_id, self.outbound.rule
        link.folder_id, link.match_method, link.gone_at = job.folder_id, links.WRITTEN, None
        return link

    def _settle(self, session: Session, job: Job, is_more: bool) -> None:
        if is_more:
            self._again.add(job.item_id)
            outbox.written(session, job.item_id, revision=0)
        else:
            until = None if isinstance(job.step, Remove) else job.step.until
            if isinstance(job.step, Create):
                until = min(filter(None, (until, utcnow() + LOOK_AGAIN)))
            self._pay(session, job.item_id, job.revision, job.local_id, until)

    def _pay(self, session: Session, item_id: int, revision: int, local_id: int, until: datetime | None) -> None:
        """What was owed is written, but for what has come since; when time alone changes it, it is owed again."""
        if outbox.written(session, item_id, revision) and until is not None:
            mailbox_id = self._target(session).mailbox.id
            outbox.owe(session, mailbox_id, self.outbound.entity, [local_id], outbox.TIME, at=until)

    def _note_error(self, session: Session, job: Job, error: Exception, is_last: bool) -> None:
        if isinstance(error, VersionConflict | ItemGone):
            self._left = True
            if not is_last:
                return
        if isinstance(error, ItemGone) and job.link_id:
            # It came and went between two readings, so that none tells: what we were told now counts.
            links.went(session, session.get_one(Link, job.link_id))
        if isinstance(error, ItemRejected):
            log.warning("a write was refused", entity=self.outbound.entity, id=job.local_id, error=str(error))
            outbox.give_up(session, job.item_id, job.revision, str(error))
            return
        self._fail(session, job, error)

    def _fail(self, session: Session, job: Job, error: Exception) -> None:
        message = str(error) if isinstance(error, TerraCRMError) else UNEXPECTED
        # A server that says when to come again says nothing about the item.
        counts = not (isinstance(error, Temporary) and error.retry_after)
        self._put_off(session, job.item_id, job.revision, message, counts=counts)

    def _put_off(self, session: Session, item_id: int, revision: int, error: str, *, counts: bool = True) -> None:
        item = session.get(OutboxItem, item_id)
        attempts = (item.attempts if item else 0) + counts
        if attempts >= self.settings.outlook.give_up_after:
            outbox.give_up(session, item_id, revision, error)
        else:
            outbox.failed(session, item_id, error, utcnow() + retry_delay(self.settings, max(attempts, 1)), attempts)

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


def _decided(session: Session, outbound: Outbound, target: Target, local_ids: Sequence[int]) -> dict[int, Decision]:
    """What is to be done about these things; of one that is there more than once, the last goes first."""
    there = links.live(session, target.mailbox.id, outbound.entity, local_ids, outbound.rule)
    found = {id_: Decision(Remove("double"), rows[-1], is_extra=True) for id_, rows in there.items() if rows[1:]}
    wanted = {id_: there[id_][0] if id_ in there else None for id_ in local_ids if id_ not in found}
    for id_, step in outbound.plan(session, target, wanted).items() if wanted else ():
        if isinstance(step, Create) and role_folders.is_deleted(target.stream, step.place.role):
            found[id_] = Decision(Nothing("folder_deleted"))
        else:
            found[id_] = Decision(step, wanted[id_])
    return found
