"""`terracrm sync plan` and `sync run --plan`: what runs would do, without doing it, and then just that (Y1)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from sqlalchemy.orm import Session

from terracrm import db
from terracrm.cli import plan_words
from terracrm.cli.invocation import current
from terracrm.cli.streams import bars, kind_named
from terracrm.db import begin_write
from terracrm.errors import InvalidInput
from terracrm.models import Mailbox, Stream, utcnow
from terracrm.services import access, links, mailboxes, plan_list, plans
from terracrm.services.plan_list import AT_ONCE, PlanRow
from terracrm.services.plans import Moved

if TYPE_CHECKING:
    from collections.abc import Callable

    from sync.run import Progress, Summary

FAILED, PARTLY = 1, 3
MOVED = {"gone": "no longer due", "new": "not in the plan", "changed": "otherwise than planned"}


def plan(
    mailbox: Annotated[str, typer.Option("--mailbox", metavar="ADDRESS", help="The mailbox to look at.")],
    stream: Annotated[str | None, typer.Option(metavar="KIND", help="Only contacts, calendar, mail, ...")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each step and line.")] = False,
) -> None:
    """Show what the next runs over a mailbox would do, here and in Outlook, field by field and each with its rule.

    The mailbox is read for it. Nothing is changed; the plan is kept, and `terracrm sync run --plan` does just that.

    Example: terracrm sync plan --mailbox anna@romashka.example
    """
    # The client library of Exchange takes long to import, and only these commands need it.
    from sync.connecting import connect
    from sync.planning import plan_mailbox

    invocation = current()
    invocation.start_log()
    sessions = db.session_factory(invocation.engine)
    kind = kind_named(stream)
    with sessions() as session:
        box = mailboxes.get(session, mailbox)
        chosen = [each.id for each in _streams(box, kind)]
        mailbox_id, only = box.id, chosen[0] if kind else None
    began = utcnow()
    with _progress() as show:
        steps = plan_mailbox(invocation.settings, sessions, connect, mailbox_id, [kind] if kind else None, show)
    with sessions.begin() as session:
        begin_write(session)
        items = links.count_live(session, chosen)
        plan_id = plans.store(session, mailbox_id, only, plans.COMMAND, steps, items, read_since=began).id
    with sessions() as session:
        made = plan_list.get(session, access.operator(), plan_id)
        if not as_json:
            amount = plan_words.amount(made) if steps else "nothing is to be done, both sides agree"
            typer.echo(f"Plan {plan_id}: {plan_words.about(made)}: {amount}")
        found = plan_list.every_step(session, access.operator(), plan_id)
        for line in plan_words.steps(made, found, as_json=as_json):
            typer.echo(line)
    if steps and not as_json:
        typer.echo(f"Nothing of it was done: terracrm sync run --plan {plan_id} does just these steps.")


def run_planned(plan_id: int, say: Callable[[Summary, bool], None], *, as_json: bool) -> None:
    """Do just the steps of a plan, and tell what has moved since; exit code 3 when something has."""
    from sync.connecting import connect
    from sync.planning import run_plan

    invocation = current()
    invocation.start_log()
    sessions = db.session_factory(invocation.engine)
    with _progress() as show:
        outcome = run_plan(invocation.settings, sessions, connect, plan_id, show)
    for summary in outcome.summaries:
        say(summary, as_json)
    for kind in outcome.busy:
        typer.echo(f"Warning: {kind} is run by another worker just now; nothing of its steps was done", err=True)
    failed = sum(bool(summary.error) for summary in outcome.summaries) + len(outcome.busy)
    with sessions.begin() as session:
        begin_write(session)
        if not failed:
            plans.finish(session, access.operator(), plan_id)
        made = plan_list.get(session, access.operator(), plan_id)
    with sessions() as session:
        for line in _moved(session, outcome.moved, made, as_json=as_json):
            typer.echo(line)
    if failed and failed == len(outcome.summaries) + len(outcome.busy):
        raise typer.Exit(FAILED)
    if failed or outcome.moved:
        raise typer.Exit(PARTLY)


def _streams(box: Mailbox, kind: str | None) -> list[Stream]:
    """The streams of a mailbox that are looked at; raises InvalidInput where there are none."""
    if mailboxes.is_disconnected(box):
        raise InvalidInput(f"{box.address} is disconnected: terracrm mailbox reconnect {box.address} opens it again")
    found = [each for each in box.streams if each.is_enabled and kind in (None, each.kind)]
    if not found:
        raise InvalidInput(f"{box.address} keeps no {kind or 'stream'}: terracrm mailbox list shows what it keeps")
    return found


def _moved(session: Session, moved: Moved, plan: PlanRow, *, as_json: bool) -> Iterator[str]:
    """The lines that say what is no longer as it was planned; nothing of that was done."""
    if moved and not as_json:
        yield f"Since plan {plan.id} was made, this has moved, and was left as it is:"
    now = tuple(step for _, step in moved.changed)
    for how, steps in (("gone", moved.gone), ("new", moved.new), ("changed", now)):
        for start in range(0, len(steps), AT_ONCE):
            for step in plan_list.told(session, access.operator(), plan.mailbox_id, steps[start : start + AT_ONCE]):
                if as_json:
                    yield plan_words.step_json(step, plan=plan.id, mailbox=plan.mailbox, moved=how)
                else:
                    first, *fields = plan_words.step_lines(step)
                    yield f"{first} ({MOVED[how]})"
                    yield from fields


@contextmanager
def _progress() -> Iterator[Progress]:
    """What is being read, on standard error."""
    with bars() as shown:
        task = shown.add_task("", total=None)

        def show(path: str, items: int, expected: int | None) -> None:
            shown.update(task, description=path, completed=items, total=expected)

        yield show
