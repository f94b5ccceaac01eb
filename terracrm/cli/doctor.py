"""`terracrm doctor`: what is wrong, and what to do about it (G3)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from importlib import resources
from typing import Annotated
from urllib.parse import urlsplit

import typer
from sqlalchemy.orm import Session

from terracrm import db
from terracrm.cli.invocation import current
from terracrm.cli.packages import foreign_packages
from terracrm.cli.servers import certificate_problem, clock_problem, look_round
from terracrm.config import ensure_data_dir
from terracrm.domain.alert_rules import LOW_DISK_BYTES
from terracrm.errors import ConfigError, TerraCRMError
from terracrm.models import STOPPED, Mailbox, StreamState, utcnow
from terracrm.secrets import decrypt
from terracrm.services import alert_messages, alerts, mailboxes, users

LATE = timedelta(hours=1)
OWN_MACHINE = {"127.0.0.1", "::1", "localhost"}


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the mail servers.")] = False,
) -> None:
    """Check installation, settings, database, people, mailboxes, schedules, mail servers and broker. Says what to do.

    Nothing is changed. Each mail server is asked once, for its clock and its certificate. Exit code 1 when something
    is wrong.

    Example: terracrm --config /etc/terracrm/config.toml doctor
    """
    sound = _report("installation", _installation)
    if not _report("settings", _settings):
        raise typer.Exit(1)  # nothing else can be looked at without them
    sound &= _report("data folder", _data_folder)
    readable = _report("database", _database)
    if readable:
        checks = {"people": _people, "mailboxes": _mailboxes, "schedules": _schedules, "alerts": _alerts}
        for name, check in checks.items():
            sound &= _report(name, partial(_within, check))
        if not offline:
            sound &= _report("mail servers", _servers)
    if current().settings.sync.engine == "celery":
        sound &= _report("message broker", _broker)
    if not (sound and readable):
        raise typer.Exit(1)


def _report(name: str, check: Callable[[], Iterator[str]]) -> bool:
    """Run a check and say what it found; whether all is well."""
    try:
        problems = list(check())
    except ConfigError as error:
        problems = error.problems
    except TerraCRMError as error:
        problems = [str(error)]
    typer.echo(f"{name}: {'in order' if not problems else ''}".rstrip())
    for problem in problems:
        typer.echo(f"  - {problem}")
    return not problems


def _within(check: Callable[[Session], Iterator[str]]) -> Iterator[str]:
    with current().transaction() as session:
        yield from check(session)


def _installation() -> Iterator[str]:
    yield from foreign_packages()
    if not resources.files("web").joinpath("static/vendor").is_dir():
        yield "the portal's front-end files are missing: run make assets, or install the wheel again"


def _settings() -> Iterator[str]:
    ensure_data_dir(current().settings)
    yield from ()


def _data_folder() -> Iterator[str]:
    folder = ensure_data_dir(current().settings)
    if shutil.disk_usage(folder).free < LOW_DISK_BYTES:
        yield f"less than {LOW_DISK_BYTES // 2**20} MB are free in {folder}: make room"


def _database() -> Iterator[str]:
    yield from db.check(current().bare_engine)


def _people(session: Session) -> Iterator[str]:
    if not users.every(session):
        yield "nobody can sign in to the portal: run terracrm user add NAME --role admin --password-file FILE"


def _mailboxes(session: Session) -> Iterator[str]:
    found = mailboxes.every(session)
    if not found:
        yield "no mailbox is mirrored: run terracrm mailbox add ADDRESS ..."
    for mailbox in found:
        yield from _mailbox(mailbox)


def _mailbox(mailbox: Mailbox) -> Iterator[str]:
    settings = current().settings
    try:
        mailboxes.password_of(mailbox, lambda token: decrypt(settings, token))
    except TerraCRMError as error:
        yield f"{mailbox.address}: {error}"
    url = urlsplit(mailbox.server)
    if url.scheme == "https" and not mailbox.verify_tls:
        yield f"{mailbox.address}: the server's certificate is not checked: that is for trials only"
    if url.scheme == "http" and url.hostname not in OWN_MACHINE:
        yield f"{mailbox.address}: the password goes over the network unencrypted: use https in its server URL"


def _schedules(session: Session) -> Iterator[str]:
    late = utcnow() - LATE
    for mailbox in mailboxes.every(session):
        for stream in mailbox.streams if mailbox.is_enabled else ():
            name, error = f"{mailbox.address} {stream.kind}", stream.last_error.rstrip(".")
            if stream.state == StreamState.APPROVAL:
                yield f"{name}: {error}"  # it names the plan, and the commands that decide about it
            elif stream.state in STOPPED:
                yield f"{name}: {error or 'stopped'}. Mend it, then run terracrm mailbox enable {mailbox.address}"
            elif error and not stream.failures:
                yield f"{name}: {error}"
            elif error:
                yield f"{name}: {error}. It is tried again at {stream.due_at:%Y-%m-%d %H:%M} UTC"
            elif stream.is_enabled and stream.due_at < late:
                yield f"{name}: was due at {stream.due_at:%Y-%m-%d %H:%M} UTC: is terracrm daemon running?"


def _alerts(session: Session) -> Iterator[str]:
    """Whether the channels can be used; what a trial says, `terracrm alert test` does."""
    settings = current().settings
    if settings.alerts.mail_to:
        try:
            alert_messages.sender(session, settings, by_hand=True)
        except TerraCRMError as error:
            yield str(error)
    for state in alert_messages.channels(session, settings):
        if state.is_broken:
            yield f"alerts do not get through by {state.channel}: {state.error}"
    if alerts.daemon(session, utcnow())[1]:
        yield "no daemon has been seen, and mailboxes wait for it: start terracrm daemon"


def _broker() -> Iterator[str]:
    """Whether it takes our name and password; raises BrokerUnusable with the reason."""
    # Celery takes long to import, and only the distributed engine needs it.
    from sync.queue import Broker

    broker = Broker(current().settings)
    broker.waiting()
    broker.close()
    yield from ()


def _servers() -> Iterator[str]:
    """Each server is asked once, through one of its mailboxes."""
    with current().transaction() as session:
        enabled = [mailbox for mailbox in mailboxes.every(session) if mailbox.is_enabled]
        ways_in = {(mailbox.server, mailbox.username): mailbox for mailbox in enabled}
        asked = [(mailbox.server, mailbox.address, mailbox.verify_tls) for mailbox in ways_in.values()]
    for server, address, verify_tls in asked:
        host = urlsplit(server).netloc
        if verify_tls and (problem := certificate_problem(server)):
            yield f"{host}: {problem}"
        try:
            problem = clock_problem(look_round(address, by_hand=False).server_time)
        except TerraCRMError as error:
            problem = f"opening {address}: {error}"
        if problem:
            yield f"{host}: {problem}"
