"""Plans and their steps on the command line: in words, and in the fixed words of `--json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from typing import Any

from terracrm.services.plan_list import PlanRow, StepRow
from terracrm.services.plans import IN, OUT

MAX_SHOWN = 160
SIDES = {IN: "from Outlook", OUT: "into Outlook"}


def plan_json(plan: PlanRow) -> str:
    """One plan as a line for scripts."""
    return json.dumps(asdict(plan), default=_time, ensure_ascii=False)


def plan_line(plan: PlanRow) -> str:
    """One plan in a line."""
    state = "waits for a decision" if plan.waits else plan.state
    decided = f" (decided by {plan.who})" if plan.who else ""
    return f"{plan.id:>5}  {about(plan)}: {state}{decided}, {amount(plan)}, made {plan.made_at:%Y-%m-%d %H:%M} UTC"


def about(plan: PlanRow) -> str:
    """The mailbox, and the stream where it is about one."""
    return f"{plan.mailbox} {plan.stream}".strip()


def amount(plan: PlanRow) -> str:
    """How much it would do."""
    counts = ((plan.removals, "removed"), (plan.changes, "changed"), (plan.creations, "created"))
    found = ", ".join(f"{count} {what}" for count, what in counts if count) or "nothing to do"
    return f"{found} of {plan.items} items" if plan.items else found


def steps(plan: PlanRow, found: Iterable[StepRow], *, as_json: bool) -> Iterator[str]:
    """The lines that say the steps of a plan: by stream and direction, or each as an object."""
    if as_json:
        yield from (step_json(step, plan=plan.id, mailbox=plan.mailbox) for step in found)
        return
    for (stream, direction), some in groupby(found, lambda step: (step.stream, step.direction)):
        yield f"{stream} {SIDES[direction]}:"
        for step in some:
            yield from step_lines(step)


def step_json(step: StepRow, **also: object) -> str:
    """One step as a line for scripts."""
    told: dict[str, Any] = {**also, **asdict(step)}
    told["id"] = told.pop("local_id")
    del told["shown_id"]
    return json.dumps(told, default=_time, ensure_ascii=False)


def step_lines(step: StepRow) -> list[str]:
    """One step, and below it what becomes of each field."""
    number = "" if step.local_id is None else f" {step.local_id}"
    when = f"{step.occurred_at:%Y-%m-%d %H:%M}" if step.occurred_at else ""
    name = f" ({', '.join(each for each in (step.name, when) if each)})" if step.name or when else ""
    rule = f": {step.rule.replace('_', ' ')}" if step.rule else ""
    lines = [f"  {step.act} {step.entity}{number}{name}{rule}"]
    for each in step.fields:
        if each.old or each.new:
            lines.append(f"    {each.field:<16} {_line(each.old)} -> {_line(each.new)}")
        else:
            lines.append(f"    {each.field:<16} changes")
    return lines


def _line(value: str) -> str:
    """A value in one line."""
    found = " / ".join(line.strip() for line in value.splitlines() if line.strip())
    return (found if len(found) <= MAX_SHOWN else f"{found[:MAX_SHOWN]}…") or "empty"


def _time(when: datetime) -> str:
    return when.isoformat(timespec="seconds")
