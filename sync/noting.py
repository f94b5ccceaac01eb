"""What came of a batch of steps, noted in one transaction: links, the outbox, and what is to be tried again (W4, W5).

A batch takes as many statements as one step does, but for those that went wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy.orm import Session

from sync.outbound import Create, Outbound, Remove, Target, Write, Written
from sync.outcomes import UNEXPECTED, retry_delay
from terracrm.db import is_about_data, is_race
from terracrm.domain.records import Folder
from terracrm.errors import ItemGone, ItemRejected, Temporary, TerraCRMError, VersionConflict
from terracrm.models import Link, OutboxItem, utcnow
from terracrm.services import links, outbox

log = structlog.get_logger(__name__)

# Who was changing a client while nothing yet told of its card could not owe it: what is new is looked at once more.
LOOK_AGAIN: Final = timedelta(minutes=1)


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


@dataclass(frozen=True, slots=True)
class Paid:
    """A revision of an item of the outbox that is done; from `until` on the thing is to be looked at again."""

    item_id: int
    revision: int
    local_id: int
    until: datetime | None


@dataclass
class Noting:
    """Notes within one transaction. `is_last`: there is no other reading in this run."""

    session: Session
    outbound: Outbound
    target: Target
    is_last: bool = False
    again: set[int] = field(default_factory=set)
    """The items of the outbox that are to be planned once more in this run."""
    is_left: bool = False
    """Whether something is left that only another reading can tell."""

    def note(self, jobs: Sequence[Job]) -> int:
        """Note a batch; where one cannot be noted, the others. How many items were written."""
        if not jobs:
            return 0
        try:
            with self.session.begin_nested():
                return self._note_all(jobs)
        except Exception as error:
            if not is_about_data(error) or is_race(error):
                raise
            if jobs[1:]:
                return sum(self.note([job]) for job in jobs)
            log.exception("what was written could not be noted", entity=self.outbound.entity, id=jobs[0].local_id)
            self._fail(jobs[0], error)
            return 0

    def pay(self, paid: Sequence[Paid]) -> None:
        """What was owed is written, but for what has come since; when time alone changes it, it is owed again."""
        gone = outbox.written(self.session, {each.item_id: each.revision for each in paid})
        times = {each.local_id: each.until for each in paid if each.until and each.item_id in gone}
        outbox.look_again(self.session, self.target.mailbox.id, self.outbound.entity, times)

    def put_off(self, item_id: int, revision: int, error: str, *, counts: bool = True) -> None:
        """A try has failed: there is another one later, or it is given up."""
        item = self.session.get(OutboxItem, item_id)
        attempts = (item.attempts if item else 0) + counts
        settings = self.target.settings
        if attempts >= settings.outlook.give_up_after:
            outbox.give_up(self.session, item_id, revision, error)
        else:
            next_try_at = utcnow() + retry_delay(settings, max(attempts, 1))
            outbox.failed(self.session, item_id, error, next_try_at, attempts)

    def _note_all(self, jobs: Sequence[Job]) -> int:
        linked = links.by_id(self.session, [job.link_id for job in jobs if job.link_id])
        new = [job.written.version.remote_id for job in jobs if job.written and not job.link_id]
        found = links.by_remote_id(self.session, self.target.mailbox.id, new)
        paid: list[Paid] = []
        removed: dict[int, str] = {}
        written = 0
        for job in jobs:
            if job.error is not None:
                self._note_error(job, job.error)
            elif isinstance(job.step, Remove):
                if job.is_done:
                    removed[job.link_id] = job.step.why
                    paid.append(self._paid(job, is_more=job.is_extra))
            elif job.written is not None:  # else the stream was stopped before its turn
                link = self._link(job, job.written, linked, found)
                written += self._note_written(link, job, job.step, job.written)
                paid.append(self._paid(job, is_more=job.written.found))
        self.session.add_all(found.values())
        outbox.removed(self.session, self.target.run_id, removed)
        self.pay(paid)
        return written + len(removed)

    def _link(self, job: Job, written: Written, linked: dict[int, Link], found: dict[str, Link]) -> Link:
        if job.link_id:
            return linked[job.link_id]
        mailbox_id, remote_id = self.target.mailbox.id, written.version.remote_id
        link = found.get(remote_id)
        if link is None:
            link = found[remote_id] = Link(mailbox_id=mailbox_id, remote_id=remote_id, run_id=self.target.run_id)
        link.entity, link.local_id, link.rule = self.outbound.entity, job.local_id, self.outbound.rule
        link.folder_id, link.match_method, link.gone_at = job.folder_id, links.WRITTEN, None
        return link

    def _note_written(self, link: Link, job: Job, step: Create | Write, written: Written) -> bool:
        """Note what both sides agree on now; whether something was written."""
        is_news = not written.found and link.version != written.version.change_key
        # What was found may have been changed since it was made: the next reading is to compare it.
        link.version = "" if written.found else written.version.change_key
        if job.key and (is_news or written.found):
            link.key = job.key
        self.outbound.done(self.session, self.target, job.local_id, link, step, written)
        # An item that is made and deleted between two readings is never told of: so it is read once at once.
        self.is_left |= isinstance(step, Create)
        return is_news

    def _paid(self, job: Job, is_more: bool) -> Paid:
        if is_more:
            self.again.add(job.item_id)
            return Paid(job.item_id, 0, job.local_id, None)
        until = None if isinstance(job.step, Remove) else job.step.until
        if isinstance(job.step, Create):
            until = min(filter(None, (until, utcnow() + LOOK_AGAIN)))
        return Paid(job.item_id, job.revision, job.local_id, until)

    def _note_error(self, job: Job, error: Exception) -> None:
        if isinstance(error, VersionConflict | ItemGone):
            self.is_left = True
            if not self.is_last:
                return
        if isinstance(error, ItemGone) and job.link_id:
            # It came and went between two readings, so that none tells: what we were told now counts.
            links.went(self.session, self.session.get_one(Link, job.link_id))
        if isinstance(error, ItemRejected):
            log.warning("a write was refused", entity=self.outbound.entity, id=job.local_id, error=str(error))
            outbox.give_up(self.session, job.item_id, job.revision, str(error))
            return
        self._fail(job, error)

    def _fail(self, job: Job, error: Exception) -> None:
        message = str(error) if isinstance(error, TerraCRMError) else UNEXPECTED
        # A server that says when to come again says nothing about the item.
        counts = not (isinstance(error, Temporary) and error.retry_after)
        self.put_off(job.item_id, job.revision, message, counts=counts)
