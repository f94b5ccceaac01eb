"""The brake: what a run may remove and change before a person is asked (Y2, invariant 4).

A page is applied while the run stays within the limit. One that would pass it is looked at exactly (`looking`), and
when it does, its folder is held: nothing of it is done but what privacy demands. `holding` decides about what is held
when all other folders were read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from connectors.base import Connector
from sync import looking, writer
from sync.planner import Action, LinkState, MarkGone, TakeCard, TakeTask, Untrack, Update
from terracrm.config import Settings
from terracrm.domain.records import Folder, MessageRecord
from terracrm.errors import Temporary, TerraCRMError
from terracrm.models import Link, MirrorFolder, Stream
from terracrm.services import plans
from terracrm.services.plans import Step
from terracrm.services.sources import Source

SAMPLE: Final = 10


class Held(Exception):
    """This page would pass the limit, or do what was not planned: its folder is left for now."""


class Unsure(Exception):
    """The server says that these items left: it is to be asked for them first."""

    def __init__(self, remote_ids: Sequence[str]) -> None:
        super().__init__()
        self.remote_ids = remote_ids


class Contradicted(Temporary):
    """The server still has items (`there`) of which it said that they are gone: that is not to be used."""

    def __init__(self, message: str, there: Collection[str]) -> None:
        super().__init__(message)
        self.there = there


class Braked(TerraCRMError):
    """A run would do more than it may: `steps` is all that waits, of a stream of `items`; nothing of it was done."""

    def __init__(self, steps: Sequence[Step], items: int) -> None:
        self.steps, self.items = list(steps), items
        super().__init__(_told(self.steps, items))

    def of_plan(self, plan_id: int) -> str:
        """What would happen and how to decide, in one sentence."""
        return (
            f"{self}: terracrm plan show {plan_id} lists it, terracrm plan approve {plan_id} lets it be done, "
            f"terracrm plan reject {plan_id} leaves all as it is"
        )


@dataclass
class Brake:
    """The limits of one run over a stream, and what it did so far.

    `allowed` are the steps (fingerprints) that do not count: a person has approved them, or the run has looked at all
    of them together. With `only` nothing but these steps may be done at all, and `seen` collects what there is to do
    (Y1).
    `written` counts what was removed and changed in Outlook. `held` are the folders whose next page waits, `vanished`
    those that are no longer in their place, with where they are now.
    """

    stream_id: int
    mailbox_id: int
    run_id: int
    most: int
    percent: int
    allowed: set[str] = field(default_factory=set)
    only: frozenset[str] | None = None
    done: writer.Weight = field(default_factory=writer.Weight)
    written: int = 0
    held: set[int] = field(default_factory=set)
    vanished: dict[int, Folder | None] = field(default_factory=dict)
    seen: dict[str, Step] = field(default_factory=dict)
    _sure: set[str] = field(default_factory=set)
    _items: int | None = None
    _looked: list[Step] | None = None

    @classmethod
    def of(cls, settings: Settings, session: Session, stream: Stream, run_id: int) -> Brake:
        """The brake of a run that begins: what was approved may be done."""
        allowed = set(plans.approved(session, stream.id))
        return cls(
            stream.id, stream.mailbox_id, run_id, settings.sync.brake_items, settings.sync.brake_percent, allowed
        )

    def restrict(self, only: Iterable[str]) -> None:
        """Do these steps (fingerprints) and nothing else."""
        self.only = frozenset(only)
        self.allowed = set(self.only)

    @property
    def is_exact(self) -> bool:
        """Whether nothing but a plan may be done."""
        return self.only is not None

    @property
    def weight(self) -> int:
        """How much the run removed and changed here, at most: what has moved may still be met elsewhere."""
        return len(self.done.gone) + len(self.done.changed)

    def may_pass(self, count: int) -> bool:
        """Whether so much more is within the limit whatever the stream holds; costs nothing."""
        return not self.most or self.weight + count <= self.most

    def may_write(self, count: int) -> bool:
        """Whether so many more steps into Outlook are within the limit, whatever they do; costs nothing."""
        return not self.most or self.written + count <= self.most

    def is_over(self, session: Session, weight: int) -> bool:
        """Whether a run of this weight is beyond the limit."""
        return bool(self.most) and weight > self.most and weight * 100 > self.percent * self.items(session)

    def items(self, session: Session) -> int:
        """How many items the stream had when the run began."""
        if self._items is None:
            folders = select(MirrorFolder.id).where(MirrorFolder.stream_id == self.stream_id)
            older = or_(Link.run_id.is_(None), Link.run_id != self.run_id)
            live = select(func.count()).select_from(Link).where(Link.folder_id.in_(folders), Link.gone_at.is_(None))
            self._items = (session.scalar(live.where(older)) or 0) + len(self.done.gone)
        return self._items

    def check(
        self, session: Session, source: Source, folder: MirrorFolder, actions: Sequence[Action],
        linked: dict[str, LinkState], *, is_reading: bool,
    ) -> None:  # fmt: skip
        """Raise Held for a page that may not be applied now, Unsure for one with removals that are only told.

        `is_reading`: the page tells the changes of the folder. What was asked for one by one is sure.
        """
        gone = [action.remote_id for action in actions if isinstance(action, MarkGone)]
        if is_reading and not self._sure.issuperset(gone):
            raise Unsure(gone)
        count = suspects(actions, linked)
        self._looked = None
        if self.is_exact or (count and self.allowed) or not self.may_pass(count):
            self._looked = self._look(session, source, folder, actions)

    def note(self, weight: writer.Weight) -> None:
        """A page that was checked has been applied."""
        if self._looked is None:
            self.done.add(weight)
        else:
            self.count(self._looked)

    def count(self, steps: Iterable[Step]) -> None:
        """These steps are done, or are about to be."""
        for step in steps:
            if step.act == plans.REMOVE and step.local_id is not None:
                self.done.gone.add((step.entity, step.local_id))
            elif step.act == plans.CHANGE:
                self.done.changed.add(step.remote_id)

    def ask(self, connector: Connector, folder: Folder, remote_ids: Sequence[str]) -> None:
        """Raise Contradicted where the server still has one of these items, of which it said that they are gone."""
        there = connector.present(folder, remote_ids)
        self._sure.update(set(remote_ids) - there)
        if there:
            message = f"the server shows {folder.path} without items that it has: nothing was removed here"
            raise Contradicted(message, there)

    def new(self, steps: Iterable[Step]) -> list[Step]:
        """Those of these steps that nobody has allowed, as far as they count."""
        counts = _is_planned if self.is_exact else looking.weighs
        return [step for step in steps if counts(step) and step.fingerprint not in self.allowed]

    def allow(self, steps: Iterable[Step]) -> None:
        """These steps were looked at all together: they may be done."""
        self.allowed |= {step.fingerprint for step in steps}

    def see(self, steps: Iterable[Step]) -> None:
        """Remember what there is to be done, where that is compared with a plan."""
        if self.is_exact:
            self.seen |= {step.fingerprint: step for step in steps if _is_planned(step)}

    def _look(self, session: Session, source: Source, folder: MirrorFolder, actions: Sequence[Action]) -> list[Step]:
        """The steps of a page that count; raises Held when they are too many."""
        trial = session.begin_nested()
        try:
            steps = looking.steps_of(session, source, folder, actions)
        finally:
            trial.rollback()
        # Whether something has moved, and so is no removal, is told when all was read.
        self.see(step for step in steps if step.act != plans.REMOVE or step.fingerprint in (self.only or ()))
        new = self.new(steps)
        if self.is_exact and new:
            raise Held
        if self.is_over(session, self.weight + len(new)):
            raise Held
        return new


def sample(remote_ids: Sequence[str]) -> Sequence[str]:
    """Some of very many: enough to tell whether the server means what it says."""
    return remote_ids[:: max(1, len(remote_ids) // SAMPLE)][:SAMPLE]


def suspects(actions: Iterable[Action], linked: dict[str, LinkState]) -> int:
    """How many of these actions may remove or change something here."""
    return sum(_is_suspect(action, linked) for action in actions)


def _is_suspect(action: Action, linked: dict[str, LinkState]) -> bool:
    if isinstance(action, Update):
        return not isinstance(action.record, MessageRecord)
    if isinstance(action, TakeCard | TakeTask):
        return action.remote_id in linked
    return isinstance(action, MarkGone | Untrack)


def _is_planned(step: Step) -> bool:
    """Whether a plan has such steps: what became private is taken out at once, with or without one."""
    return step.rule != looking.PRIVATE


def _told(steps: Sequence[Step], items: int) -> str:
    """How much of what would be done."""
    counts = {
        (act, direction): sum((step.act, step.direction) == (act, direction) for step in steps)
        for act in (plans.REMOVE, plans.CHANGE)
        for direction in (plans.IN, plans.OUT)
    }
    words = {plans.REMOVE: "removed", plans.CHANGE: "changed"}
    where = {plans.IN: "here", plans.OUT: "in Outlook"}
    said = [f"{count} {words[act]} {where[direction]}" for (act, direction), count in counts.items() if count]
    return f"of {items} items this would have {' and '.join(said)}, which is more than the brake lets through"
