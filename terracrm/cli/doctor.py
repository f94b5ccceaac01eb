"""`terracrm doctor`: what is wrong, and what to do about it (G3)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta

import typer
from sqlalchemy.orm import Session

from terracrm import db
from terracrm.cli.invocation import current
from terracrm.cli.packages import foreign_packages
from terracrm.config import ensure_data_dir
from terracrm.errors import TerraCRMError
from terracrm.models import Mailbox, StreamState, utcnow
from terracrm.secrets import decrypt
from terracrm.services import mailboxes, users

LATE = timedelta(hours=1)
LOW_DISK_BYTES = 500 * 2**20


def doctor() -> None:
    """Check settings, packages, disk, database, users, mailboxes, TLS and schedules. Says what to do.

    Nothing is changed, and no server is asked: `terracrm mailbox test` does that. Exit code 1 when something is wrong.

    Example: terracrm doctor
    """
    problems = list(_problems())
    for problem in problems:
        typer.echo(f"- {problem}")
    if problems:
        raise typer.Exit(1)
    typer.echo("Everything is in order.")


def _problems() -> Iterator[str]:
    yield from foreign_packages()
    folder = ensure_data_dir(current().settings)
    if shutil.disk_usage(folder).free < LOW_DISK_BYTES:
        yield f"less than {LOW_DISK_BYTES // 2**20} MB are free in {folder}: make room"
    try:
        found = db.check(current().bare_engine)
    except TerraCRMError as error:
        found = [str(error)]
    yield from found
    if not found:
        with current().transaction() as session:
            yield from _people(session)
            for mailbox in mailboxes.every(session):
                yield from _mailbox(mailbox)


def _people(session: Session) -> Iterator[str]:
    if not users.every(session):
        yield "nobody can sign in to the portal: run `terracrm user add NAME --role admin --password-file FILE`"
    if not mailboxes.every(session):
        yield "no mailbox is mirrored: run `terracrm mailbox add ADDRESS ...`"


def _mailbox(mailbox: Mailbox) -> Iterator[str]:
    settings = current().settings
    try:
        mailboxes.password_of(mailbox, lambda token: decrypt(settings, token))
    except TerraCRMError as error:
        yield f"{mailbox.address}: {error}"
    if not mailbox.verify_tls:
        yield f"{mailbox.address}: the server's certificate is not checked: add it again without --no-verify-tls"
    if mailbox.server.startswith("http:") and "//127.0.0.1" not in mailbox.server:
        yield f"{mailbox.address}: the password goes over the network unencrypted: use https in its server URL"
    if not mailbox.is_enabled:
        return
    for stream in mailbox.streams:
        name = f"{mailbox.address} {stream.kind}"
        if stream.state == StreamState.CREDENTIALS:
            yield f"{name}: {stream.last_error} Mend it, then run `terracrm mailbox enable {mailbox.address}`"
        elif stream.last_error:
            yield f"{name}: {stream.last_error} It is tried again at {stream.due_at:%H:%M} UTC"
        elif stream.is_enabled and stream.due_at < utcnow() - LATE:
            yield f"{name}: was due at {stream.due_at:%Y-%m-%d %H:%M} UTC: is `terracrm daemon` running?"
