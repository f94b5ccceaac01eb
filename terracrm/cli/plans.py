"""`terracrm plan`: what runs would do, and the decision about what the brake stopped (Y1, Y2)."""

from __future__ import annotations

from typing import Annotated

import typer

from terracrm.cli import plan_words
from terracrm.cli.invocation import current
from terracrm.cli.lists import every_row, mailbox_id
from terracrm.errors import InvalidInput
from terracrm.services import access, mailboxes, plan_list, plans

app = typer.Typer(help="What runs would do, and what waits for approval.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(metavar="ID", help="The plan, as `terracrm plan list` shows it.")]


@app.command(name="list")
def listing(
    mailbox: Annotated[str | None, typer.Option("--mailbox", metavar="ADDRESS", help="Only this mailbox.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on each line.")] = False,
) -> None:
    """List the plans: those that wait for a decision first, then the newest.

    Example: terracrm plan list
    """
    with current().transaction() as session:
        chosen = mailbox_id(session, mailbox)
        for plan in every_row(lambda number: plan_list.listing(session, access.operator(), chosen, number)):
            typer.echo(plan_words.plan_json(plan) if as_json else plan_words.plan_line(plan))


@app.command()
def show(
    number: Number,
    act: Annotated[str | None, typer.Option(metavar="ACT", help="Only create, change or remove.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each step and line.")] = False,
) -> None:
    """Show a plan step by step: what it would create, change field by field and remove, each with its rule.

    Example: terracrm plan show 12 --act remove
    """
    if act is not None and act not in plans.ACTS:
        raise InvalidInput(f"--act: {act} is none of {', '.join(plans.ACTS)}")
    with current().transaction() as session:
        plan = plan_list.get(session, access.operator(), number)
        if not as_json:
            typer.echo(plan_words.plan_line(plan).strip())
        found = plan_list.every_step(session, access.operator(), number, act or "")
        for line in plan_words.steps(plan, found, as_json=as_json):
            typer.echo(line)


@app.command()
def approve(number: Number) -> None:
    """Let the next run do what the brake stopped. More than that is stopped again.

    Example: terracrm plan approve 12
    """
    with current().transaction() as session:
        plans.approve(session, access.operator(), number)
        plan = plan_list.get(session, access.operator(), number)
        is_enabled = mailboxes.get(session, plan.mailbox).is_enabled
    typer.echo(
        f"Plan {number} is approved: {plan_words.amount(plan)}. The next run of {plan_words.about(plan)} does it."
    )
    if not is_enabled:
        typer.echo(f"Warning: {plan.mailbox} is paused; terracrm mailbox enable {plan.mailbox} starts it", err=True)


@app.command()
def reject(number: Number) -> None:
    """Do nothing of what the brake stopped: its stream rests until the mailbox is enabled, and is looked at anew.

    Example: terracrm plan reject 12
    """
    with current().transaction() as session:
        plans.reject(session, access.operator(), number)
        plan = plan_list.get(session, access.operator(), number)
    typer.echo(f"Plan {number} is rejected: nothing of it is done, and {plan_words.about(plan)} rests.")
    typer.echo(f"When it is mended: terracrm mailbox enable {plan.mailbox}")
