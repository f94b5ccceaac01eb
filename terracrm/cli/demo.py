"""`terracrm demo`: an office, its Exchange, the daemon and the portal, all at once and gone with Ctrl-C."""

from __future__ import annotations

import shutil
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tomli_w
import typer
from sqlalchemy.orm import Session

from terracrm import db
from terracrm.cli import demo_outlook
from terracrm.cli.children import Children
from terracrm.cli.demo_office import Mailboxes, invented_office, own_mail
from terracrm.cli.invocation import stderr
from terracrm.cli.packages import require_own_packages
from terracrm.config import Settings, load
from terracrm.domain.records import StreamKind
from terracrm.errors import InvalidInput, TerraCRMError
from terracrm.models import StreamState
from terracrm.secrets import encrypt
from terracrm.services import mailboxes, users

if TYPE_CHECKING:
    from connectors.simulator.simulator import Simulator

MARK = ".terracrm-demo"
PASSWORD = "terracrm-demo"  # noqa: S105  the portal and the Exchange of the demo listen on this machine alone
MAIL_SECONDS = 20
START_SECONDS = 60


def demo(
    mail: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Mirror your own mail: DIR/anna/inbox/1.eml is in anna's inbox."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The portal's port; another if it is taken.")] = 8000,
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the demo keeps its data; made anew each time.")
    ] = Path("demo-data"),
) -> None:
    """Show TerraCRM at work: an invented office with its mail, the daemon and the portal. Ctrl-C stops everything.

    Example: terracrm demo --mail samples/enron
    """
    require_own_packages()
    if mail is not None and not mail.is_dir():
        raise InvalidInput(f"--mail: there is no folder {mail}")
    folder = _fresh(folder)
    stopped = _stop_on_signals()
    with suppress(KeyboardInterrupt):
        _show(folder, mail, port, stopped)
    typer.echo("The demo has stopped.")


def _show(folder: Path, mail: Path | None, port: int, stopped: threading.Event) -> None:
    from connectors.simulator.simulator import Simulator

    with _waiting("Writing the mail of 90 days" if mail is None else "Loading the mail"):
        office = own_mail(mail) if mail is not None else invented_office()
        simulator = Simulator(domain=office.domain, password=PASSWORD, port=0)
        office.fill(simulator)
    with simulator, Children(folder) as children:
        config = _configure(folder, office, _free_port(port))
        settings = load(config)
        sessions = db.session_factory(db.make_engine(settings.database.url))
        db.upgrade(sessions.kw["bind"])
        with sessions.begin() as session:
            _fill(settings, session, office, simulator)
        web = children.start("web", ["--config", str(config), "web"])
        children.start("daemon", ["--config", str(config), "daemon"])
        with _waiting("Starting the portal"):
            _wait(lambda: children.ended() is not None or _answers(f"{settings.web.address}/healthz"), stopped)
        if web.process.poll() is not None:
            raise TerraCRMError(f"the portal did not start:\n{web.last_lines()}")
        _greet(settings, office, folder, simulator.url)
        with _waiting("Reading the mailboxes for the first time"):
            _wait(lambda: children.ended() is not None or _is_mirrored(sessions), stopped)
        if not stopped.is_set():
            typer.echo("Everything has been read." + (" New mail keeps coming." if office.next_mail else ""))
            demo_outlook.fill(settings, sessions, office)
            typer.echo("Now the clients of each person are written into that person's Outlook, with their history.")
        while not stopped.wait(MAIL_SECONDS):
            if ended := children.ended():
                raise TerraCRMError(f"{ended.name} has stopped:\n{ended.last_lines()}")
            if office.next_mail:
                with sessions.begin() as session:
                    for address in office.next_mail(simulator):
                        mailboxes.make_due(session, address, StreamKind.MAIL)


def _fresh(folder: Path) -> Path:
    """The folder, empty. Only one that a demo made is emptied."""
    folder = folder.resolve()
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise InvalidInput(f"--folder: {folder} holds something else: name another one")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    return folder


def _configure(folder: Path, office: Mailboxes, port: int) -> Path:
    config = folder / "config.toml"
    mirror: dict[str, object] = {"internal_domains": office.internal_domains}
    if office.free_mail_domains:
        mirror["free_mail_domains"] = office.free_mail_domains
    settings = {
        "paths": {"data_dir": str(folder)},
        "mirror": mirror,
        "sync": {"interval_minutes": 1},
        "web": {"port": port, "default_language": office.language},
    }
    config.write_text(tomli_w.dumps(settings), encoding="utf-8")
    return config


def _fill(settings: Settings, session: Session, office: Mailboxes, simulator: Simulator) -> None:
    for person in office.people:
        users.add(
            session,
            person.name,
            person.role,
            PASSWORD,
            full_name=person.full_name,
            email=person.address,
            team=person.team,
        )
        if person.address:
            mailbox = mailboxes.add(
                session,
                person.address,
                simulator.url,
                f"service@{office.domain}",
                password_encrypted=encrypt(settings, PASSWORD),
                impersonate=True,
            )
            mailboxes.enable(session, mailbox)


def _greet(settings: Settings, office: Mailboxes, folder: Path, exchange: str) -> None:
    typer.echo(f"\nTerraCRM is running: {settings.web.address}\n")
    typer.echo(f"Sign in with the password {PASSWORD} as")
    width = max(len(person.name) for person in office.people)
    for person in office.people:
        typer.echo(f"  {person.name:{width}}  {person.describe}")
    mailbox = next(person.address for person in office.people if person.address)
    typer.echo(f"\nTheir Exchange answers at {exchange}")
    typer.echo(f"  for any program that speaks EWS: the name is an address such as {mailbox}, the password the same.")
    typer.echo(f"\nThe data and the logs are in {folder}. Ctrl-C stops the demo.\n")


def _is_mirrored(sessions: Callable[[], Session]) -> bool:
    with sessions() as session:
        streams = [stream for mailbox in mailboxes.every(session) for stream in mailbox.streams]
        return all(stream.state != StreamState.NEW or stream.last_error for stream in streams)


def _wait(done: Callable[[], bool], stopped: threading.Event) -> None:
    deadline = time.monotonic() + START_SECONDS * 10
    while not done() and not stopped.wait(0.2):
        if time.monotonic() > deadline:
            raise TerraCRMError("the demo did not get ready; its logs say why")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  our own portal on this machine
            return bool(answer.status == 200)
    except OSError:
        return False


def _free_port(wanted: int) -> int:
    """The wanted port, or a free one where that is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
        if found != wanted and wanted:
            typer.echo(f"Port {wanted} is taken: the portal gets {found}.")
        return found
    raise TerraCRMError("there is no free port on this machine")


def _stop_on_signals() -> threading.Event:
    stopped = threading.Event()

    def stop(*_: object) -> None:
        # A second Ctrl-C must not break off the stopping of the others.
        if not stopped.is_set():
            stopped.set()
            raise KeyboardInterrupt

    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, stop)
    return stopped


@contextmanager
def _waiting(what: str) -> Iterator[None]:
    """Say what is going on: a spinner on a terminal, a line elsewhere."""
    if stderr.is_terminal:
        with stderr.status(f"{what} ..."):
            yield
    else:
        typer.echo(f"{what} ...")
        yield
