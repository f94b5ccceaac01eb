"""Plans: what a run would do, step by step, kept until somebody decides or it is done (Y1, Y2).

The brake of a run stores one and stops its stream; an admin approves it, and the next run does it, or rejects it, and
the stream rests. `terracrm sync plan` stores one for `terracrm sync run --plan`. `plan_list` shows them. Of a plan that
a later look superseded, the counts stay and the steps go.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Final

from sqlalchemy import ColumnElement, delete, exists, insert, select, update
from sqlalchemy.orm import Session

from terracrm.domain.capture import PRIVATE
from terracrm.errors import Forbidden, InvalidInput, NotFound
from terracrm.models import (
    Link,
    Mailbox,
    MirrorFolder,
    Plan,
    PlanStep,
    SkippedItem,
    Stream,
    StreamState,
    utcnow,
)
from terracrm.services import access, audit, streams
from terracrm.services.access import OPERATOR, Viewer
from terracrm.services.matching import chunks

BRAKE, COMMAND = "brake", "command"
OPEN, APPROVED, REJECTED, DONE, SUPERSEDED = "open", "approved", "rejected", "done", "superseded"
STATES: Final = (OPEN, APPROVED, REJECTED, DONE, SUPERSEDED)
PENDING: Final = (OPEN, APPROVED)
IN, OUT = "in", "out"
CREATE, CHANGE, REMOVE = "create", "change", "remove"
ACTS: Final = (REMOVE, CHANGE, CREATE)
# Of the history in a client's card, and of a post, a plan says only that it changes: what stands there are subjects.
UNTOLD: Final = frozenset({("contact", "history"), ("post", "subject")})
BATCH = 2000


class PlanDecided(InvalidInput):
    """Somebody has decided about the plan, or a later look took its place: look at it again."""


@dataclass(frozen=True, slots=True)
class Field:
    """What a step makes of one field; values as in FieldChange, "" for none."""

    field: str
    old: str
    new: str


@dataclass(frozen=True)
class Step:
    """One step of a plan, as `PlanStep` keeps it."""

    stream_id: int
    direction: str
    act: str
    entity: str
    local_id: int | None = None
    folder_id: int | None = None
    remote_id: str = ""
    version: str = ""
    rule: str = ""
    fields: tuple[Field, ...] = ()

    def __post_init__(self) -> None:
        """What mail says is kept in no plan, and so told by none (S4)."""
        said = (Field(each.field, "", "") if (self.entity, each.field) in UNTOLD else each for each in self.fields)
        object.__setattr__(self, "fields", tuple(said))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-1 in hex of what makes two steps the same."""
        local_id = None if self.is_new_here else self.local_id
        fields = [[each.field, each.old, each.new] for each in self.fields]
        told = [self.direction, self.act, self.entity, local_id, self.remote_id, self.version, fields]
        return hashlib.sha1(json.dumps(told).encode(), usedforsecurity=False).hexdigest()

    @property
    def is_new_here(self) -> bool:
        """Whether the step makes something here: it has no number yet, whatever a trial gave it."""
        return self.direction == IN and self.act == CREATE

    @property
    def about(self) -> Hashable:
        """What the step is about, whatever it does with it."""
        thing = self.remote_id if self.direction == IN else self.local_id
        return self.stream_id, self.direction, self.entity, thing


@dataclass(frozen=True, slots=True)
class Moved:
    """What is no longer as it was planned: steps that are not due any more, new ones, and (planned, now) of others."""

    gone: tuple[Step, ...] = ()
    new: tuple[Step, ...] = ()
    changed: tuple[tuple[Step, Step], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.gone or self.new or self.changed)


def store(
    session: Session,
    mailbox_id: int,
    stream_id: int | None,
    cause: str,
    steps: Iterable[Step],
    items: int = 0,
    run_id: int | None = None,
    read_since: datetime | None = None,
) -> Plan:
    """Keep a plan; it takes the place of those of the same cause about the same streams that are open.

    Also of those of the brake that are approved and were not done: what is left of them is in this one. `items` is how
    many the streams have. A stream that waits for the plan is stopped in the same commit, so that none can be approved
    before. With `read_since`, when a mailbox that others go on reading was read, what they withdrew since is left out.
    """
    left = PENDING if cause == BRAKE else (OPEN,)
    same = Plan.stream_id == stream_id if stream_id is not None else Plan.stream_id.is_(None)
    _supersede(session, Plan.mailbox_id == mailbox_id, Plan.cause == cause, Plan.state.in_(left), same)
    plan = Plan(mailbox_id=mailbox_id, stream_id=stream_id, cause=cause, items=items, run_id=run_id)
    session.add(plan)
    session.flush()
    counts: Counter[str] = Counter()
    coming = iter(steps)
    while batch := list(islice(coming, BATCH)):
        counts.update(step.act for step in batch)
        session.execute(insert(PlanStep), [_row(plan.id, step) for step in batch])
    plan.creations, plan.changes, plan.removals = counts[CREATE], counts[CHANGE], counts[REMOVE]
    session.flush()
    if read_since is not None:
        _forget_withdrawn(session, plan, read_since)
    return plan


def approve(session: Session, viewer: Viewer, plan_id: int) -> Plan:
    """Let the next run do what the brake stopped, and its stream go on now.

    Raises NotFound, Forbidden for others than admins, InvalidInput for a plan that is not to be decided (any more).
    """
    plan = _decide(session, viewer, plan_id, APPROVED)
    if plan.stream is not None and plan.stream.state == StreamState.APPROVAL:
        streams.restart(plan.stream)
    session.flush()
    return plan


def reject(session: Session, viewer: Viewer, plan_id: int) -> Plan:
    """Do nothing of it: its stream rests until somebody enables the mailbox, and is then looked at anew.

    Raises as `approve` does.
    """
    plan = _decide(session, viewer, plan_id, REJECTED)
    if plan.stream is not None and plan.stream.state == StreamState.APPROVAL:
        plan.stream.state = StreamState.PAUSED
        plan.stream.last_error = f"plan {plan.id} was rejected: nothing of it was done"
    session.flush()
    return plan


def approved(session: Session, stream_id: int) -> frozenset[str]:
    """The fingerprints of the steps of this stream that an admin approved, and that are not yet done."""
    query = select(PlanStep.fingerprint).join(Plan, Plan.id == PlanStep.plan_id)
    return frozenset(session.scalars(query.where(Plan.stream_id == stream_id, Plan.state == APPROVED)))


def settle(session: Session, stream_id: int) -> None:
    """A run of the stream got through: what was approved is done, and what waited for approval is no longer due."""
    mine = Plan.stream_id == stream_id, Plan.cause == BRAKE
    if session.scalar(select(exists().where(*mine, Plan.state.in_(PENDING)))):  # mostly there is none
        session.execute(update(Plan).where(*mine, Plan.state == APPROVED).values(state=DONE))
        look_anew(session, [stream_id])


def look_anew(session: Session, stream_ids: Collection[int]) -> None:
    """Somebody starts these streams without deciding: what waited for approval is planned again."""
    _supersede(session, Plan.stream_id.in_(stream_ids), Plan.cause == BRAKE, Plan.state == OPEN)


def to_run(session: Session, plan_id: int) -> Plan:
    """A plan that `terracrm sync run --plan` may do: an open one of a command, or one of the brake that is approved.

    Raises NotFound, or InvalidInput that says what to do.
    """
    plan = session.get(Plan, plan_id)
    if plan is None:
        raise NotFound(f"there is no plan {plan_id}; `terracrm plan list` shows them")
    if plan.state == OPEN and plan.cause == BRAKE:
        raise InvalidInput(f"plan {plan_id} waits for approval: terracrm plan approve {plan_id}")
    if plan.state not in PENDING:
        address = plan.mailbox.address
        raise InvalidInput(f"plan {plan_id} is {plan.state}: terracrm sync plan --mailbox {address} makes a new one")
    return plan


def finish(session: Session, viewer: Viewer, plan_id: int) -> None:
    """A plan has been run by a command; what of it had moved was left."""
    plan = session.get_one(Plan, plan_id)
    plan.state, plan.decided_at, plan.user_id = DONE, plan.decided_at or utcnow(), plan.user_id or viewer.signs_as
    audit.record(session, viewer.signs_as, "plan.run", "plan", plan.id, _told(plan))


def steps(session: Session, plan_id: int) -> list[Step]:
    """All steps of a plan in their order, without those that were forgotten."""
    rows = session.scalars(select(PlanStep).where(PlanStep.plan_id == plan_id).order_by(PlanStep.id))
    return [as_step(row) for row in rows.yield_per(BATCH)]


def as_step(row: PlanStep) -> Step:
    """The step that a row keeps."""
    return Step(
        stream_id=row.stream_id,
        direction=row.direction,
        act=row.act,
        entity=row.entity,
        local_id=row.local_id,
        folder_id=row.folder_id,
        remote_id=row.remote_id,
        version=row.version,
        rule=row.rule,
        fields=tuple(Field(**each) for each in row.fields),
    )


def compare(planned: Sequence[Step], now: Sequence[Step]) -> Moved:
    """What has moved between two looks at the same streams; the order of steps says nothing."""
    left = Counter(step.fingerprint for step in now)
    lost = list(_without(planned, left))
    left = Counter(step.fingerprint for step in planned)
    found: defaultdict[Hashable, list[Step]] = defaultdict(list)
    for step in _without(now, left):
        found[step.about].append(step)
    gone: list[Step] = []
    changed: list[tuple[Step, Step]] = []
    for step in lost:
        if found[step.about]:
            changed.append((step, found[step.about].pop(0)))
        else:
            gone.append(step)
    return Moved(tuple(gone), tuple(step for steps in found.values() for step in steps), tuple(changed))


def forget(session: Session, entity: str, local_ids: Collection[int]) -> None:
    """Take the steps about these things out of all plans: they leave no trace (S4)."""
    for ids in chunks(sorted(local_ids)):
        _delete_steps(session, PlanStep.entity == entity, PlanStep.local_id.in_(ids))


def forget_items(session: Session, mailbox_id: int, remote_ids: Collection[str]) -> None:
    """Take the steps about items of a mailbox out of all plans (S4)."""
    mine = select(Plan.id).where(Plan.mailbox_id == mailbox_id).scalar_subquery()
    for some in chunks(sorted(remote_ids)):
        _delete_steps(session, PlanStep.remote_id.in_(some), PlanStep.plan_id.in_(mine))


def may_decide(viewer: Viewer) -> bool:
    """Whether this role approves and rejects plans."""
    return viewer.configures or viewer.role == OPERATOR


def get(session: Session, viewer: Viewer, plan_id: int) -> Plan:
    """A plan of a mailbox that the viewer sees; NotFound."""
    seen = access.mailboxes(viewer)
    plan = session.scalar(select(Plan).join(Mailbox, Mailbox.id == Plan.mailbox_id).where(Plan.id == plan_id, seen))
    if plan is None:
        raise NotFound("There is no such plan.")
    return plan


def _decide(session: Session, viewer: Viewer, plan_id: int, state: str) -> Plan:
    """Note the decision, unless somebody was faster."""
    plan = get(session, viewer, plan_id)
    if not may_decide(viewer):
        raise Forbidden("Only an administrator decides about a plan.")
    if plan.cause != BRAKE:
        raise InvalidInput(f"plan {plan_id} waits for nobody: terracrm sync run --plan {plan_id} does it")
    # The stream first and then the plan, as the end of a run takes them: else each could wait for the other.
    session.execute(select(Stream.id).where(Stream.id == plan.stream_id).with_for_update())
    mine = update(Plan).where(Plan.id == plan_id, Plan.state == OPEN)
    decision = {"state": state, "user_id": viewer.signs_as, "decided_at": utcnow()}
    is_mine = session.connection().execute(mine.values(decision)).rowcount
    session.refresh(plan)
    if not is_mine:
        raise PlanDecided(f"plan {plan_id} is {plan.state} already")
    if plan.stream_id is not None:
        # What the run that made the plan, or another admin, has left behind.
        session.refresh(session.get_one(Stream, plan.stream_id))
    audit.record(session, viewer.signs_as, f"plan.{state}", "plan", plan.id, _told(plan))
    return plan


def _told(plan: Plan) -> str:
    kind = f" {plan.stream.kind}" if plan.stream is not None else ""
    counts = f"{plan.creations} created, {plan.changes} changed, {plan.removals} removed"
    return f"{plan.mailbox.address}{kind}: {counts}"


def _supersede(session: Session, *which: ColumnElement[bool]) -> None:
    """Another look takes the place of these plans: nobody can do them any more."""
    ids = session.scalars(select(Plan.id).where(*which).order_by(Plan.id).with_for_update()).all()
    if ids:
        _delete_steps(session, PlanStep.plan_id.in_(ids))
        session.execute(update(Plan).where(Plan.id.in_(ids), *which).values(state=SUPERSEDED))


def _forget_withdrawn(session: Session, plan: Plan, since: datetime) -> None:
    """Of items that became private since, or whose link has gone, nothing is kept (S4)."""
    mine = PlanStep.plan_id == plan.id, PlanStep.direction == IN
    of_mailbox = (
        select(SkippedItem.remote_id).join(MirrorFolder).join(Stream).where(Stream.mailbox_id == plan.mailbox_id)
    )
    private = of_mailbox.where(SkippedItem.rule == PRIVATE, SkippedItem.skipped_at >= since)
    _delete_steps(session, *mine, PlanStep.remote_id.in_(private))
    linked = select(Link.remote_id).where(Link.mailbox_id == plan.mailbox_id)
    _delete_steps(session, *mine, PlanStep.act != CREATE, PlanStep.remote_id.not_in(linked))


def _delete_steps(session: Session, *which: ColumnElement[bool]) -> None:
    session.execute(delete(PlanStep).where(*which).execution_options(synchronize_session=False))


def _row(plan_id: int, step: Step) -> dict[str, object]:
    return {
        "plan_id": plan_id,
        "stream_id": step.stream_id,
        "direction": step.direction,
        "act": step.act,
        "entity": step.entity,
        "local_id": None if step.is_new_here else step.local_id,
        "folder_id": step.folder_id,
        "remote_id": step.remote_id,
        "version": step.version,
        "rule": step.rule,
        "fields": [asdict(each) for each in step.fields],
        "fingerprint": step.fingerprint,
    }


def _without(steps: Sequence[Step], known: Counter[str]) -> Iterator[Step]:
    """The steps that are not among the known ones; takes those that are from `known`."""
    for step in steps:
        if known[step.fingerprint] > 0:
            known[step.fingerprint] -= 1
        else:
            yield step
