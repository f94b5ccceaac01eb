"""`terracrm mailbox rules` and `owner`: what is captured of a mailbox, and whose it is."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session

from terracrm.cli.invocation import current
from terracrm.config import Settings
from terracrm.domain.mailbox_rules import CREATE_CONTACTS, DETAILS, MODES, Rules, StreamRules
from terracrm.errors import InvalidInput
from terracrm.models import Mailbox
from terracrm.services import capture_rules, mailboxes
from terracrm.services.rule_effects import Preview

SETTING = "setting"
SAYS = {
    "leave": "entries leave the CRM: only this mailbox brought them",
    "stay": "entries stay, because another mailbox holds them; this mailbox's copies go",
    "cut": "mails are cut to their headers",
    "filled": "mails are read again in full",
    "unfollowed": "contacts are no longer followed; they stay as they are",
}

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The SMTP address of the mailbox.")]


def rules(
    address: Address,
    capture: Annotated[
        str | None,
        typer.Option(metavar="|".join(MODES), help="Which mail is mirrored; 'setting' takes mirror.capture."),
    ] = None,
    detail: Annotated[
        str | None, typer.Option(metavar="|".join(DETAILS), help="What is kept of it; 'setting' takes mirror.detail.")
    ] = None,
    tracking_category: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The category that tracks an item; 'setting' takes mirror.tracking_category."
        ),
    ] = None,
    create_contacts: Annotated[
        str | None,
        typer.Option(metavar="|".join(CREATE_CONTACTS), help="Who becomes a contact by mail; 'setting' as above."),
    ] = None,
    stream: Annotated[
        str, typer.Option(metavar="KIND", help="What the following options are about: contacts, calendar or mail.")
    ] = "mail",
    include_folder: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Only this folder and what is in it; may be repeated, replaces the former."),
    ] = None,
    exclude_folder: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Not this folder nor what is in it; may be repeated, replaces the former."),
    ] = None,
    all_folders: Annotated[
        bool, typer.Option("--all-folders", help="Forget which folders were included and excluded before.")
    ] = False,
    only_category: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only items with this category; '' for any.")
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what the rules in force would do after the settings have changed.")
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it. Without it nothing is changed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show or change what is captured of a mailbox.

    Without options: the rules in force. With some: what they would do to what is here already; add --apply to do it.
    --apply alone applies the rules in force anew, after the settings have changed. Nothing is changed in Outlook.

    Example: terracrm mailbox rules anna@romashka.example --capture known --exclude-folder Inbox/Private
    """
    settings = current().settings
    wanted = StreamRules(tuple(include_folder or ()), tuple(exclude_folder or ()), only_category or "")
    with current().transaction() as session:
        mailbox = mailboxes.get(session, address)
        old = capture_rules.of(mailbox)
        new = replace(
            old,
            capture=_chosen(capture, old.capture),
            detail=_chosen(detail, old.detail),
            tracking_category=_chosen(tracking_category, old.tracking_category),
            create_contacts=_chosen(create_contacts, old.create_contacts),
        )
        if all_folders or only_category is not None or wanted != StreamRules():
            former = old.streams.get(stream, StreamRules())
            chosen = _chosen_stream(former, wanted, all_folders, keeps_category=only_category is None)
            new = replace(new, streams={**old.streams, stream: chosen})
        effect = _effect(session, settings, mailbox, new, apply, wants_preview=preview or new != old)
        told = _told(settings, mailbox, new, effect, applied=apply)
        missing = capture_rules.missing_folders(mailbox, new)
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, default=str))
    else:
        _say(told, effect, applied=apply)
    for path in missing:
        typer.echo(f"Warning: no folder of {told['mailbox']} that was seen so far is called {path}", err=True)


def owner(
    address: Address,
    user: Annotated[str | None, typer.Option(metavar="NAME", help="A person: their own mailbox.")] = None,
    team: Annotated[str | None, typer.Option(metavar="NAME", help="A team: a shared mailbox.")] = None,
    nobody: Annotated[
        bool, typer.Option("--nobody", help="Nobody: only controllers read what it alone holds.")
    ] = False,
) -> None:
    """Say whose a mailbox is: a person's, or a team's when it is shared.

    From now on its mail is shown to these people as their own, and new clients found through it become theirs. Clients
    that are there keep whom they belong to.

    Example: terracrm mailbox owner orders@romashka.example --team Sales
    """
    if sum((user is not None, team is not None, nobody)) != 1:
        raise InvalidInput("say one of --user NAME, --team NAME and --nobody")
    with current().transaction() as session:
        mailbox = mailboxes.get(session, address)
        mailboxes.give(session, mailbox, user=user, team=team)
        name = mailbox.address
    typer.echo(f"{name} belongs to {user or team or 'nobody'}.")


def _chosen(asked: str | None, old: str) -> str:
    if asked is None:
        return old
    return "" if asked.strip().lower() == SETTING else asked.strip()


def _chosen_stream(old: StreamRules, wanted: StreamRules, all_folders: bool, *, keeps_category: bool) -> StreamRules:
    """What was asked for, and the rest as it was."""
    kept = StreamRules() if all_folders else old
    return StreamRules(
        wanted.include_folders or kept.include_folders,
        wanted.exclude_folders or kept.exclude_folders,
        old.only_category if keeps_category else wanted.only_category,
    )


def _effect(
    session: Session, settings: Settings, mailbox: Mailbox, rules: Rules, apply: bool, *, wants_preview: bool
) -> Preview | None:
    if apply:
        return capture_rules.apply(session, settings, mailbox, rules, None)
    return capture_rules.preview(session, settings, mailbox, rules) if wants_preview else None


def _told(
    settings: Settings, mailbox: Mailbox, rules: Rules, effect: Preview | None, *, applied: bool
) -> dict[str, Any]:
    """The fixed words of `--json`."""
    return {
        "mailbox": mailbox.address,
        "applied": applied,
        "rules": {
            rule.name: {"value": rule.value, "from": "mailbox" if rule.is_own else "setting"}
            for rule in capture_rules.in_force(settings, rules)
        },
        "streams": {kind: asdict(own) for kind, own in rules.streams.items()},
        "effect": asdict(effect) if effect is not None else None,
    }


def _say(told: dict[str, Any], effect: Preview | None, *, applied: bool) -> None:
    typer.echo(f"{told['mailbox']}:")
    for name, rule in told["rules"].items():
        origin = "this mailbox" if rule["from"] == "mailbox" else f"mirror.{name}"
        typer.echo(f"  {name.replace('_', '-'):<20} {rule['value'] or 'none':<12} ({origin})")
    for kind, own in told["streams"].items():
        for option, values in own.items():
            if values:
                shown = values if isinstance(values, str) else ", ".join(values)
                typer.echo(f"  {kind} {option.replace('_', '-')}: {shown}")
    if effect is not None:
        _say_effect(effect, applied=applied)


def _say_effect(effect: Preview, *, applied: bool) -> None:
    typer.echo("Done:" if applied else "This would happen to what is here already:")
    for name, what in SAYS.items():
        if count := getattr(effect, name):
            typer.echo(f"  {count} {what}")
    for rule, count in effect.again.items():
        typer.echo(f"  {count} items left out so far ({rule}) are looked at again by the next run")
    for folder in effect.folders_left:
        typer.echo(f"  the folder {folder} is no longer mirrored")
    for folder in effect.folders_joined:
        typer.echo(f"  the folder {folder} is mirrored from the next run on")
    if effect.is_nothing:
        typer.echo("  nothing")
    for example in effect.examples:
        when = f"{example.occurred_at:%Y-%m-%d %H:%M} UTC" if example.occurred_at else ""
        typer.echo(
            f"    for example: {example.kind} {when} in {example.folder} ({example.rule})".replace("  in", " in")
        )
    if not applied:
        typer.echo("Nothing is changed yet: add --apply to do it.")
