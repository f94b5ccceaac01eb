"""Tasks of the CRM as tasks in Outlook: in the Tasks folder of who is to do them (W3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy.orm import Session

from connectors.base import Connector
from sync.outbound import Create, Difference, Nothing, Place, Remove, Step, Target, Write, Written
from terracrm.domain.records import Change, StreamKind, TaskRecord
from terracrm.domain.task_merge import FIELDS, Frame, Values, is_same, record, to_write, told
from terracrm.models import Link, Task
from terracrm.services import outbox, task_items

PLACE: Final = Place(task_items.RULE, StreamKind.TASKS, "tasks")


class Tasks:
    """The `Outbound` of tasks."""

    entity = outbox.TASK
    kind = StreamKind.TASKS
    rule = task_items.RULE

    def places(self, session: Session, target: Target) -> Sequence[Place]:
        """The mailbox's own Tasks folder."""
        return [PLACE]

    def settle(self, session: Session, target: Target) -> None:
        """Tell what was deleted, and owe the open tasks that lack their item and the items that are out of date."""
        task_items.settle(session, target.settings, target.mailbox)

    def withdraw(self, session: Session, target: Target) -> None:
        """Nothing: a task says what people wrote in the CRM."""

    def plan(self, session: Session, target: Target, wanted: Mapping[int, Link | None]) -> dict[int, Step]:
        """Make, change or remove the items of tasks. One that its owner deleted or made private is left alone."""
        mailbox = target.mailbox
        found = task_items.of_ids(session, wanted)
        belong = task_items.wanted(session, mailbox, found.values())
        deleted = task_items.deleted(session, mailbox.id, wanted)
        now = task_items.project(session, target.settings, mailbox, [found[id_] for id_ in sorted(belong)])
        steps: dict[int, Step] = {}
        for id_, link in wanted.items():
            if link is not None and link.untracked_at is not None:
                steps[id_] = Nothing(task_items.PRIVATE)
            elif id_ not in belong:
                steps[id_] = Nothing("not_wanted") if link is None else Remove(_why(found.get(id_)))
            elif link is not None:
                steps[id_] = _write(now[id_], link)
            elif found[id_].done_at is not None:
                steps[id_] = Nothing("done")
            else:
                steps[id_] = Nothing("deleted_in_outlook") if id_ in deleted else _create(now[id_])
        return steps

    def write(self, connector: Connector, step: Write, remote_id: str, version: str, key: str) -> Written:
        """Set the fields that we say something else of."""
        return Written(connector.update(remote_id, step.record, step.fields, version))

    def is_same(self, link: Link, now: Change) -> bool:
        """Whether the item still says what it said."""
        item = cast(TaskRecord, now.record)
        return not item.is_private and is_same(told(item, Frame.of(link.sent or {})), link.base or {})

    def done(
        self, session: Session, target: Target, local_id: int, link: Link, step: Create | Write, written: Written
    ) -> None:
        """What we said, and what the mailbox made of it; what somebody did meanwhile, the next reading tells."""
        sent = cast(Values, step.sent)
        back = written.read_back
        if written.found:
            link.version = ""
        elif back and back.version == written.version.change_key:
            task_items.agree(link, sent, told(cast(TaskRecord, back.record), Frame.of(sent)))
            return
        task_items.agree(link, sent, {**sent, **_left_alone(link, sent)})


def _create(now: task_items.Projection) -> Step:
    return Create(PLACE, record(now.mine, now.frame), dict(now.sent), "lacking", _differences({}, now.sent))


def _write(now: task_items.Projection, link: Link) -> Step:
    before: dict[str, Any] = link.sent or {}
    fields = to_write(now.mine, now.frame, before)
    if not fields:
        return Nothing("agreed")
    differences = _differences(before, now.sent)
    return Write(record(now.mine, now.frame), fields, "changed", differences, sent=dict(now.sent))


def _left_alone(link: Link, sent: Values) -> Values:
    """What the mailbox says of the fields that were not written now."""
    base, before = cast(Values, link.base or {}), cast(Values, link.sent or {})
    return {name: base[name] for name in FIELDS if name in base and before.get(name) == sent[name]}


def _why(task: Task | None) -> str:
    return "gone" if task is None else "cancelled" if task.cancelled_at else "handed_on"


def _differences(before: dict[str, Any], now: Values) -> tuple[Difference, ...]:
    return tuple(
        Difference(name, str(before.get(name, "")), now[name]) for name in now if str(before.get(name, "")) != now[name]
    )
