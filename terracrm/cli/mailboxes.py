"""`terracrm mailbox`: the Exchange mailboxes under sync."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from terracrm.cli.invocation import current
from terracrm.cli.mailbox_endings import disconnect, purge, reconnect
from terracrm.cli.mailbox_outlook import card, outlook
from terracrm.cli.mailbox_rules import owner, rules
from terracrm.cli.passwords import STDIN, PasswordFile, read_password
from terracrm.cli.servers import clock_problem, look_round
from terracrm.errors import InvalidInput, TerraCRMError
from terracrm.models import STOPPED, Mailbox, Stream
from terracrm.secrets import encrypt
from terracrm.services import audit, mailbox_endings, mailboxes, mirror_attachments

app = typer.Typer(help="The Exchange mailboxes under sync.", no_args_is_help=True)

for command in (rules, outlook, card, owner, disconnect, reconnect, purge):
    app.command()(command)

PARTLY = 3

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The SMTP address of the mailbox.")]
Addresses = Annotated[list[str], typer.Argument(metavar="ADDRESS...", help="The SMTP addresses of the mailboxes.")]
KeepInFile = Annotated[
    bool,
    typer.Option("--keep-in-file", help="Read the password from the file each time, instead of storing it encrypted."),
]


@app.command()
def add(
    address: Address,
    server: Annotated[str, typer.Option(metavar="URL", help="https://mail.example.com/EWS/Exchange.asmx")],
    username: Annotated[str, typer.Option(help="The account that signs in.")],
    password_file: PasswordFile,
    keep_in_file: KeepInFile = False,
    impersonate: Annotated[
        bool, typer.Option("--impersonate", help="The account acts in the name of the mailbox (service accounts).")
    ] = False,
    verify_tls: Annotated[
        bool, typer.Option(help="Check the server's certificate; off only for trials in a network of your own.")
    ] = True,
    streams: Annotated[str, typer.Option(metavar="LIST", help="What to mirror.")] = ",".join(mailboxes.DEFAULT_STREAMS),
    user: Annotated[
        str | None, typer.Option(help="Whose it is; without it the user whose e-mail is its address.")
    ] = None,
    team: Annotated[
        str | None, typer.Option(help="The team of a shared mailbox, instead of a person; made when there is none.")
    ] = None,
    create_contacts: Annotated[
        str, typer.Option(metavar="off|sent|all", help="Instead of the setting mirror.create_contacts.")
    ] = "",
    enable: Annotated[bool, typer.Option("--enable", help="Try it, and mirror it from now on.")] = False,
) -> None:
    """Add a mailbox; with --enable try it and mirror it.

    A mailbox that cannot be opened yet is added all the same, and a warning says why.

    Example: terracrm mailbox add anna@romashka.example --server https://mail.romashka.example/EWS/Exchange.asmx
    --username service@romashka.example --password-file service.txt --impersonate --enable
    """
    encrypted, file = _password(password_file, keep_in_file)
    with current().transaction() as session:
        mailbox = mailboxes.add(
            session,
            address,
            server,
            username,
            password_encrypted=encrypted,
            password_file=file,
            impersonate=impersonate,
            verify_tls=verify_tls,
            streams=streams.split(","),
            user=user,
            team=team,
            create_contacts=create_contacts,
        )
        address = mailbox.address
        if enable:
            mailboxes.enable(session, mailbox)
    typer.echo(f"{address} is added{' and enabled' if enable else '; terracrm mailbox enable starts its mirror'}.")
    if enable:
        _warn_unless_it_opens(address)


@app.command(name="list")
def show(as_json: Annotated[bool, typer.Option("--json", help="One JSON object on each line.")] = False) -> None:
    """List the mailboxes with the state of their streams.

    Example: terracrm mailbox list
    """
    with current().transaction() as session:
        rows = [_row(mailbox) for mailbox in mailboxes.every(session)]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    for row in rows:
        owner = f", belongs to {row['owner']}" if row["owner"] else ""
        typer.echo(f"{row['mailbox']} ({_state(row)}{owner})")
        for stream in row["streams"]:
            success = stream["last_success"] or "never read"
            typer.echo(f"  {stream['stream']:<10} {stream['state']:<12} {success:<26} {_why(row, stream)}".rstrip())


@app.command(name="test")
def try_out(
    addresses: Annotated[list[str] | None, typer.Argument(metavar="[ADDRESS]...", help="Without any: all.")] = None,
) -> None:
    """Sign in to mailboxes and look round, changing nothing.

    Exit code 1 when none could be opened, 3 when some could not.

    Example: terracrm mailbox test anna@romashka.example
    """
    with current().transaction() as session:
        chosen = [mailboxes.get(session, name) for name in addresses] if addresses else mailboxes.every(session)
        names = [mailbox.address for mailbox in chosen]
    failed = 0
    for name in names:
        try:
            typer.echo(f"{name}: {_try(name)}")
        except TerraCRMError as error:
            failed += 1
            typer.echo(f"Error: {name}: {error}", err=True)
    if failed:
        raise typer.Exit(1 if failed == len(names) else PARTLY)


@app.command()
def enable(addresses: Addresses) -> None:
    """Mirror mailboxes from now on. A stream that waited for a person is tried again.

    Example: terracrm mailbox enable anna@romashka.example
    """
    with current().transaction() as session:
        for address in addresses:
            mailboxes.enable(session, mailboxes.get(session, address))
    for address in addresses:
        typer.echo(f"{address} is enabled.")
        _warn_unless_it_opens(address)


@app.command()
def pause(addresses: Addresses) -> None:
    """Stop mirroring mailboxes. All that is here stays; `enable` goes on where it stopped.

    Example: terracrm mailbox pause anna@romashka.example
    """
    with current().transaction() as session:
        for address in addresses:
            mailboxes.pause(session, mailboxes.get(session, address))
    for address in addresses:
        typer.echo(f"{address} is paused.")


@app.command()
def password(address: Address, password_file: PasswordFile, keep_in_file: KeepInFile = False) -> None:
    """Set the password a mailbox is opened with. Streams that were refused are tried again.

    Example: terracrm mailbox password anna@romashka.example --password-file service.txt
    """
    encrypted, file = _password(password_file, keep_in_file)
    with current().transaction() as session:
        mailbox = mailboxes.get(session, address)
        mailboxes.set_password(session, mailbox, password_encrypted=encrypted, password_file=file)
    typer.echo(f"{address} has a new password.")
    _warn_unless_it_opens(address)


@app.command()
def change(
    address: Address,
    to: Annotated[str | None, typer.Option("--address", metavar="NEW", help="Its SMTP address from now on.")] = None,
    server: Annotated[str | None, typer.Option(metavar="URL", help="Where it is now.")] = None,
    username: Annotated[str | None, typer.Option(help="The account that signs in.")] = None,
    impersonate: Annotated[
        bool | None, typer.Option("--impersonate/--no-impersonate", help="Whether it acts in the mailbox's name.")
    ] = None,
    verify_tls: Annotated[bool | None, typer.Option(help="Check the server's certificate.")] = None,
) -> None:
    """Say that a mailbox was renamed, or moved to another server, or is opened otherwise.

    All that is here stays. Where the other server gives folders and items other ids, the next runs find them again by
    what they say: nothing is doubled, removed or archived.

    Example: terracrm mailbox change anna@romashka.example --address anna.ivanova@romashka.example
    """
    from sync.claims import is_free

    if all(value is None for value in (to, server, username, impersonate, verify_tls)):
        raise InvalidInput("say what has changed: --address, --server, --username, --impersonate or --verify-tls")
    with current().transaction() as session:
        mailbox = mailboxes.get(session, address)
        mailbox_endings.require_rest(session, mailbox, is_free)
        before = mailbox.address
        told = {"address": to, "server": server, "username": username}
        said = ", ".join(f"{name} {value}" for name, value in told.items() if value is not None)
        mailboxes.change(
            session,
            mailbox,
            address=to,
            server=server,
            username=username,
            impersonate=impersonate,
            verify_tls=verify_tls,
        )
        audit.record(session, None, "mailbox.change", "mailbox", mailbox.id, f"{before}: {said or 'how it is opened'}")
        name, is_enabled = mailbox.address, mailbox.is_enabled
    typer.echo(f"{before} is changed{f': it is {name} now' if name != before else ''}.")
    if is_enabled:
        _warn_unless_it_opens(name)


@app.command()
def attachments(
    address: Address,
    policy: Annotated[
        str, typer.Argument(metavar="[on_demand|all|none|default]", help="What is fetched by itself; without it: show.")
    ] = "",
) -> None:
    """Say which attachments of a mailbox are fetched, also of the mail that is here already.

    on_demand: the images in the text, and any other when somebody asks for it; all; none, not even when asked for;
    default: what the setting mirror.attachments says. Nothing that was fetched is removed.

    Example: terracrm mailbox attachments anna@romashka.example all
    """
    mirror = current().settings.mirror
    with current().transaction() as session:
        mailbox = mailboxes.get(session, address)
        wanted = mirror_attachments.set_policy(session, mirror, mailbox, policy) if policy else 0
        address, in_force = mailbox.address, mirror_attachments.policy_of(mirror, mailbox)
        source = "its own choice" if mailbox.attachments else "the setting mirror.attachments"
    typer.echo(f"{address} fetches attachments: {in_force} ({source}).")
    if wanted:
        typer.echo(f"To be fetched with its next runs, of the mail that is here: {wanted}.")


def _password(path: Path, keep_in_file: bool) -> tuple[str, Path | None]:
    """The encrypted password, or the file to read it from each time."""
    text = read_password(path)
    if not keep_in_file:
        return encrypt(current().settings, text), None
    if path == STDIN:
        raise InvalidInput("--keep-in-file needs a file: standard input cannot be read again")
    return "", path


def _try(address: str) -> str:
    found = look_round(address)
    clock = clock_problem(found.server_time)
    kinds = ", ".join(sorted(found.kinds))
    return f"{found.server_version}, {found.folders} folders ({kinds})" + (f"; but {clock}" if clock else "")


def _warn_unless_it_opens(address: str) -> None:
    try:
        typer.echo(f"It opens: {_try(address)}")
    except TerraCRMError as error:
        typer.echo(f"Warning: it cannot be opened now: {error}", err=True)


def _row(mailbox: Mailbox) -> dict[str, Any]:
    owner = mailbox.user.name if mailbox.user else mailbox.team.name if mailbox.team else ""
    return {
        "mailbox": mailbox.address,
        "enabled": mailbox.is_enabled,
        "disconnected": mailboxes.is_disconnected(mailbox),
        "owner": owner,
        "server": mailbox.server,
        "streams": [_stream(stream) for stream in mailbox.streams],
    }


def _state(row: dict[str, Any]) -> str:
    if row["disconnected"]:
        return "disconnected"
    return "enabled" if row["enabled"] else "paused"


def _why(row: dict[str, Any], stream: dict[str, Any]) -> str:
    """Why a stream is not in order, and when it is tried again; "" for one that is."""
    if not stream["error"] or not row["enabled"]:
        return str(stream["error"])
    moment = str(stream["next_try"])[:16].replace("T", " ")
    waits = f"Next try {moment} UTC" if stream["next_try"] else "It waits for a person"
    return f"{stream['error'].rstrip('.')}. {waits}"


def _stream(stream: Stream) -> dict[str, Any]:
    success = stream.last_success_at
    return {
        "stream": stream.kind,
        "state": stream.state,
        "last_success": success.isoformat(timespec="seconds") if success else None,
        "error": stream.last_error,
        "next_try": None if stream.state in STOPPED else stream.due_at.isoformat(timespec="seconds"),
    }
