"""`terracrm mailbox disconnect`, `reconnect` and `purge`: the end of a mailbox's sync, each shown first (S15)."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from terracrm import db
from terracrm.cli.invocation import current
from terracrm.cli.passwords import STDIN, PasswordFile, read_password
from terracrm.domain.outlook_rules import REMOVE
from terracrm.domain.records import StreamKind
from terracrm.errors import InvalidInput
from terracrm.models import Stream
from terracrm.secrets import encrypt
from terracrm.services import client_writes, mailbox_endings, mailboxes, outlook_rules, purges
from terracrm.services.mailbox_endings import Disconnection, Resumption
from terracrm.services.purges import Purged

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The SMTP address of the mailbox.")]
Apply = Annotated[bool, typer.Option("--apply", help="Do it. Without it nothing is changed.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]

NOT_YET = "Nothing is changed yet: add --apply to do it."
DISCONNECTED = {
    "entries": "entries of the history stay, and whoever reads them now goes on reading them",
    "contacts": "contacts that it tells of stay",
    "owed": "writes that are owed to it are dropped",
    "unknown": "writes that were begun stay on the list, so that nothing is doubled when it is connected again",
    "cards": "clients stay in its Outlook as they are; --remove-cards takes them out first",
}
PURGED = {
    "mails": "mails go: only this mailbox brought them",
    "mails_stay": "mails stay, because another mailbox holds them; this mailbox's copies go",
    "meetings": "meetings go",
    "meetings_stay": "meetings stay, because another mailbox holds them",
    "attachments": "attachments that were fetched go",
    "contacts": "contacts go: only this mailbox told of them, and nobody changed them or decided about them",
    "contacts_stay": "contacts stay, without what only this mailbox said of them",
    "companies": "companies go with their people",
    "cards": "clients stay in its Outlook; disconnect it with --remove-cards first to take them out",
}


def disconnect(
    address: Address,
    remove_cards: Annotated[
        bool, typer.Option("--remove-cards", help="First take the clients that were written there out of Outlook.")
    ] = False,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Read and write a mailbox no more, and forget its password. All that it told stays.

    With --remove-cards its contacts are run once more, which moves the clients that were written there to Deleted
    Items; when that does not go well, the mailbox stays connected. Outlook is not touched otherwise.

    Example: terracrm mailbox disconnect anna@romashka.example --apply
    """
    from sync.claims import is_free

    if apply and remove_cards:
        _take_out_cards(address)
    with current().transaction() as session:
        mailbox = mailboxes.get(session, address)
        name = mailbox.address
        if apply:
            told = mailbox_endings.disconnect(session, mailbox, None, is_free)
        elif mailboxes.is_disconnected(mailbox):
            raise InvalidInput(f"{name} is disconnected already")
        else:
            told = mailbox_endings.leaving(session, mailbox)
            if remove_cards:
                told = replace(told, cards=0)
    _say(name, told, DISCONNECTED, apply, as_json)


def reconnect(
    address: Address,
    password_file: PasswordFile,
    keep_in_file: Annotated[
        bool, typer.Option("--keep-in-file", help="Read the password from the file each time, instead of storing it.")
    ] = False,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Connect a mailbox again that was disconnected: it goes on where it stopped, and nothing is doubled.

    Example: terracrm mailbox reconnect anna@romashka.example --password-file service.txt --apply
    """
    if keep_in_file and password_file == STDIN:
        raise InvalidInput("--keep-in-file needs a file: standard input cannot be read again")
    file: Path | None = password_file if keep_in_file else None
    encrypted = "" if keep_in_file or not apply else encrypt(current().settings, read_password(password_file))
    with current().transaction() as session:
        mailbox = mailboxes.get(session, address)
        mailbox_endings.require_disconnected(mailbox)
        name = mailbox.address
        if apply:
            found = mailbox_endings.reconnect(session, mailbox, None, password_encrypted=encrypted, password_file=file)
        else:
            found = mailbox_endings.resuming(mailbox)
    if as_json:
        streams = [asdict(each) for each in found]
        typer.echo(json.dumps({"mailbox": name, "applied": apply, "streams": streams}, default=_iso))
        return
    typer.echo(f"{name} {'is connected again' if apply else 'would be connected again'}:")
    for each in found:
        typer.echo(f"  {each.stream:<10} {_since(each)}")
    if not apply:
        typer.echo(NOT_YET)


def purge(address: Address, apply: Apply = False, as_json: AsJson = False) -> None:
    """Disconnect a mailbox and take out what it alone brought: as if it had never been read. This cannot be undone.

    What another mailbox holds, and what somebody made, changed or decided about, stays, and so do tasks. The mailbox
    stays listed, and can be connected again: then it is read from the beginning. When it is broken off, a second call
    goes on. Outlook is not touched.

    Example: terracrm mailbox purge anna@romashka.example --apply
    """
    from sync.claims import is_free

    invocation = current()
    sessions = db.session_factory(invocation.engine)
    with sessions() as session:
        mailbox = mailboxes.get(session, address)
        name, mailbox_id = mailbox.address, mailbox.id
    if apply:
        told = purges.purge(invocation.settings, sessions, mailbox_id, None, is_free, _progress)
    else:
        told = purges.preview(invocation.settings, sessions, mailbox_id)
    _say(name, told, PURGED, apply, as_json)


def _take_out_cards(address: str) -> None:
    """Run the contacts of the mailbox with the rule that no client belongs there; raise what is in the way."""
    from sync.connecting import connect
    from sync.engine import run_stream

    invocation = current()
    invocation.start_log()
    settings = invocation.settings
    with invocation.transaction() as session:
        mailbox = mailboxes.get(session, address)
        stream = outlook_rules.stream_of(mailbox, StreamKind.CONTACTS)
        if stream is None or not outlook_rules.cards(session, mailbox):
            return
        if not mailbox.is_enabled:
            raise InvalidInput(f"{address} is paused: terracrm mailbox enable {address}, so that they can be taken out")
        outlook_rules.apply(session, settings, mailbox, replace(outlook_rules.of(mailbox), clients=REMOVE), None)
        stream_id = stream.id
    summary = run_stream(settings, db.session_factory(invocation.engine), stream_id, connect)
    with invocation.transaction() as session:
        left = client_writes.to_come(session, settings, session.get_one(Stream, stream_id))[1]
    if summary is None or summary.error or left:
        why = "a run is at work" if summary is None else summary.error or f"{left} could not be taken out"
        raise InvalidInput(
            f"the clients are not all taken out of Outlook ({why}), so {address} stays connected: "
            "try again, or disconnect it without --remove-cards"
        )


def _say(name: str, told: Disconnection | Purged, words: dict[str, str], applied: bool, as_json: bool) -> None:
    counts: dict[str, Any] = asdict(told)
    if as_json:
        typer.echo(json.dumps({"mailbox": name, "applied": applied, "effect": counts}, ensure_ascii=False))
        return
    typer.echo(f"{name}: done:" if applied else f"{name}: this would happen:")
    for key, what in words.items():
        if counts[key]:
            typer.echo(f"  {counts[key]} {what}")
    if not any(counts.values()):
        typer.echo("  nothing of it is here")
    typer.echo("It is disconnected, and its password is forgotten." if applied else NOT_YET)


def _since(each: Resumption) -> str:
    if each.since is None:
        return "is read from the beginning"
    return f"goes on from {each.since:%Y-%m-%d %H:%M} UTC"


def _iso(value: Any) -> str:
    return str(value.isoformat(timespec="seconds"))


def _progress(what: str, done: int, total: int) -> None:
    if done % 1000 == 0 or done == total:
        typer.echo(f"  {what}: {done} of {total}", err=True)
