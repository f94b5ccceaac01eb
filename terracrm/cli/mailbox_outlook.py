"""`terracrm mailbox outlook` and `card`: what is written into a mailbox."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session

from terracrm.cli.invocation import current
from terracrm.config import Settings
from terracrm.domain.outlook_rules import (
    BOTH,
    CLIENTS,
    CONFLICTS,
    DELETIONS,
    DIRECTIONS,
    REMOVE,
    SCOPES,
    SEGMENT,
    SETTING,
    SWITCH,
    OutlookRules,
    directions,
    entries,
)
from terracrm.models import Mailbox
from terracrm.services import card_states, mailboxes, outbox_list, outlook_rules, segments
from terracrm.services.outbox_list import Owed
from terracrm.services.outlook_rules import Effect

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The SMTP address of the mailbox.")]


def outlook(
    address: Address,
    clients: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(CLIENTS),
            help="Whether clients are kept in Outlook, both ways; 'off' leaves what is there, 'remove' takes it out.",
        ),
    ] = None,
    scope: Annotated[
        str | None,
        typer.Option(
            metavar="|".join((*SCOPES, f"{SEGMENT}:NAME")), help="Whose clients; 'setting' takes outlook.scope."
        ),
    ] = None,
    folder: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What their folder is called; 'setting' takes outlook.clients_folder."),
    ] = None,
    direction: Annotated[
        list[str] | None,
        typer.Option(
            metavar=f"FIELD={'|'.join(DIRECTIONS)}", help="Which way a field of a client goes; may be repeated."
        ),
    ] = None,
    conflict: Annotated[
        str | None,
        typer.Option(metavar="|".join(CONFLICTS), help="Who wins when both changed; 'setting' takes outlook.conflict."),
    ] = None,
    on_delete: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(DELETIONS), help="What deleting in Outlook does; 'setting' takes outlook.on_delete."
        ),
    ] = None,
    history: Annotated[
        str | None,
        typer.Option(metavar="N", help="How many entries of the history; 'setting' takes outlook.history_entries."),
    ] = None,
    tasks: Annotated[
        str | None, typer.Option(metavar="|".join(SWITCH), help="Whether the owner's tasks are kept in Outlook.")
    ] = None,
    posts: Annotated[
        str | None, typer.Option(metavar="|".join(SWITCH), help="Whether the history is posted into a shared folder.")
    ] = None,
    make_folder_again: Annotated[
        bool, typer.Option("--make-folder-again", help="Make the folders again that were deleted in Outlook.")
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it. Without it nothing is changed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show or change what is written into a mailbox: clients with their history, tasks, posts.

    Without options: what is in force. With some: what they would do in the mailbox; add --apply to do it with its next
    run, which then is due at once.

    Example: terracrm mailbox outlook anna@romashka.example --clients on --scope team --direction notes=in --apply
    """
    settings = current().settings
    with current().transaction() as session:
        mailbox = mailboxes.get(session, address)
        old = outlook_rules.of(mailbox)
        new = replace(
            old,
            clients=_word(clients, old.clients),
            folder=_chosen(folder, old.folder),
            directions=directions(direction or (), old.directions),
            conflict=_chosen(conflict, old.conflict).lower(),
            on_delete=_chosen(on_delete, old.on_delete).lower(),
            history=old.history if history is None else entries(history),
            tasks=_word(tasks, old.tasks),
            posts=_word(posts, old.posts),
            **_scope(session, scope, old),
        )
        effect = None
        if apply:
            effect = outlook_rules.apply(session, settings, mailbox, new, None, make_folder=make_folder_again)
        elif new != old or make_folder_again:
            effect = outlook_rules.preview(session, settings, mailbox, new, make_folder=make_folder_again)
        told = _told(session, settings, mailbox, new, effect, applied=apply)
        warnings = outlook_rules.warnings(session, settings, mailbox, new)
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        _say(told, effect, new, applied=apply)
    for warning in warnings:
        typer.echo(f"Warning: {warning}", err=True)


def card(
    address: Address,
    contact: Annotated[int, typer.Argument(metavar="CONTACT", help="The number of the contact, as in its address.")],
    again: Annotated[
        bool, typer.Option("--again", help="Put the client back that was deleted in this mailbox's Outlook.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Put the history back that was taken out of the client's notes.")
    ] = False,
) -> None:
    """Show how a client stands in a mailbox's Outlook, or bring back what its owner took out.

    Example: terracrm mailbox card anna@romashka.example 12 --history
    """
    with current().transaction() as session:
        mailbox = mailboxes.get(session, address)
        if again:
            card_states.put_back(session, current().settings, mailbox, contact, None)
        if history:
            card_states.show_history(session, mailbox, contact, None)
        state = card_states.state(session, mailbox, contact)
        typer.echo(f"Contact {contact} ({state.name}) in {mailbox.address}: {STATES[state.word]}.")
    if again or history:
        typer.echo("The next run of the mailbox writes it.")


STATES = {
    "there": "in Outlook",
    "without_history": "in Outlook; its owner took the history out of the notes (--history puts it back)",
    "deleted": "deleted in Outlook by its owner (--again puts it back)",
    "private": "in Outlook and marked private, so that it is left alone",
    "owed": "on the way into Outlook",
    "nowhere": "not in Outlook",
}


def _word(asked: str | None, old: str) -> str:
    return old if asked is None else asked.strip().lower()


def _chosen(asked: str | None, old: str) -> str:
    if asked is None:
        return old
    return "" if asked.strip().lower() == SETTING else asked.strip()


def _scope(session: Session, asked: str | None, old: OutlookRules) -> dict[str, Any]:
    if asked is None:
        return {"scope": old.scope, "segment_id": old.segment_id}
    word, sign, name = asked.strip().partition(":")
    if word.strip().lower() == SEGMENT and sign:
        return {"scope": SEGMENT, "segment_id": segments.get(session, name.strip()).id}
    return {"scope": _chosen(asked, "").lower(), "segment_id": None}


def _told(
    session: Session, settings: Settings, mailbox: Mailbox, rules: OutlookRules, effect: Effect | None, *, applied: bool
) -> dict[str, Any]:
    """The fixed words of `--json`."""
    owed = outbox_list.counts(session, [mailbox.id]).get(mailbox.id, Owed())
    return {
        "mailbox": mailbox.address,
        "applied": applied,
        "clients": rules.clients,
        "tasks": rules.tasks,
        "posts": rules.posts,
        "rules": {
            rule.name: {"value": rule.value, "from": "mailbox" if rule.is_own else "setting"}
            for rule in outlook_rules.in_force(session, settings, mailbox, rules)
        },
        "directions": dict(rules.directions),
        "there": outlook_rules.cards(session, mailbox),
        "owed": owed.waiting,
        "given_up": owed.given_up,
        "effect": asdict(effect) if effect is not None else None,
    }


def _say(told: dict[str, Any], effect: Effect | None, rules: OutlookRules, *, applied: bool) -> None:
    typer.echo(f"{told['mailbox']}:")
    typer.echo(f"  {'clients':<12} {rules.clients:<12} {_clients(told['there'])} in Outlook")
    for name, rule in told["rules"].items():
        setting = "history_entries" if name == "history" else "clients_folder" if name == "folder" else name
        origin = "this mailbox" if rule["from"] == "mailbox" else f"outlook.{setting}"
        typer.echo(f"  {name.replace('_', '-'):<12} {rule['value']:<12} ({origin})")
    ways = ", ".join(f"{name}={way}" for name, way in rules.directions.items())
    typer.echo(f"  {'direction':<12} {ways + '; others ' if ways else 'all fields '}{BOTH}")
    typer.echo(f"  {'tasks':<12} {rules.tasks}")
    typer.echo(f"  {'posts':<12} {rules.posts}")
    if told["owed"] or told["given_up"]:
        given_up = f", {told['given_up']} given up" if told["given_up"] else ""
        typer.echo(f"  {told['owed']} owed{given_up}: terracrm outbox list --mailbox {told['mailbox']}")
    if effect is not None:
        _say_effect(effect, rules, applied=applied)


def _say_effect(effect: Effect, rules: OutlookRules, *, applied: bool) -> None:
    typer.echo("The next run does this in the mailbox:" if applied else "This would happen in the mailbox:")
    if effect.is_folder_made:
        typer.echo("  the clients' folder is made again")
    if effect.made:
        typer.echo(f"  {_clients(effect.made)} {'is' if effect.made == 1 else 'are'} put into Outlook")
    if effect.removed:
        typer.echo(f"  {_clients(effect.removed)} {'leaves' if effect.removed == 1 else 'leave'} Outlook")
    if effect.kept:
        follows = "are kept up to date" if rules.clients in ("on", REMOVE) else "stay there and are no longer followed"
        typer.echo(f"  {_clients(effect.kept)} that stay: they {follows}")
    if not (effect.made or effect.removed or effect.kept or effect.is_folder_made):
        typer.echo("  nothing with clients")
    if not applied:
        typer.echo("Nothing is changed yet: add --apply to do it.")


def _clients(number: int) -> str:
    return "1 client" if number == 1 else f"{number} clients"
