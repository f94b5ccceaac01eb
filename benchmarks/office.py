"""An office to measure: an Exchange in a process of its own, a database, the daemon and the portal as processes."""

from __future__ import annotations

import multiprocessing
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import tomli_w
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker

from terracrm import db
from terracrm.cli.children import Children
from terracrm.config import Settings, load
from terracrm.models import MailboxWatch, Stream, User, utcnow
from terracrm.secrets import encrypt
from terracrm.services import mailboxes, users

DOMAIN = "example.test"
PASSWORD = "bench-word"
LONG_AGO = datetime(2026, 3, 2, 9, tzinfo=UTC)
SERVICE = f"service@{DOMAIN}"
READY_SECONDS = 180


class Exchange:
    """A simulator in another process, which shares no processor time with what is measured."""

    def __init__(self, pipe: Connection, url: str) -> None:
        self._pipe, self.url = pipe, url

    def fill(self, folders: Iterable[tuple[str, str]], mails: Iterable[tuple[bytes, Sequence[str], str]]) -> None:
        """Make folders (mailbox, name) below the inbox, and put mails in: the message, whose mailboxes, the folder."""
        self._ask("fill", list(folders), list(mails))

    def deliver(self, message: bytes, to: Sequence[str]) -> None:
        """A mail arrives."""
        self._ask("fill", [], [(message, to, "inbox")])

    def requests(self) -> Counter[str]:
        """How many requests of each operation came in since this was last asked."""
        return Counter(self._ask("requests"))

    def _ask(self, *asked: object) -> Any:
        self._pipe.send(asked)
        return self._pipe.recv()


@contextmanager
def exchange(addresses: Sequence[str]) -> Iterator[Exchange]:
    """An Exchange with these mailboxes, empty; the account SERVICE opens them all."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, tuple(addresses)), daemon=True)
    process.start()
    try:
        yield Exchange(ours, ours.recv())
    finally:
        ours.close()
        process.join(5)
        process.kill()
        process.join()


def _serve(pipe: Connection, addresses: Sequence[str]) -> None:
    from connectors.simulator.simulator import Simulator

    simulator = Simulator(domain=DOMAIN, password=PASSWORD)
    boxes = {address: simulator.add_mailbox(address) for address in addresses}

    def fill(folders: list[tuple[str, str]], mails: list[tuple[bytes, Sequence[str], str]]) -> None:
        store = simulator.store
        with store.transaction():
            for address, name in folders:
                store.folders.create(store.folders.distinguished(boxes[address], "inbox"), name, "IPF.Note")
        for message, to, folder in mails:
            simulator.deliver(message, list(to), folder=folder)

    def requests() -> list[str]:
        found = list(simulator.requests)
        simulator.requests.clear()
        return found

    acts: dict[str, Callable[..., object]] = {"fill": fill, "requests": requests}
    with simulator:
        pipe.send(simulator.url)
        while True:
            try:
                act, *words = pipe.recv()
            except (EOFError, OSError):
                return
            pipe.send(acts[act](*words))


@dataclass(frozen=True)
class Office:
    """What is measured: its settings, its database, and the mailboxes in it, which are not read yet."""

    folder: Path
    config: Path
    settings: Settings
    sessions: sessionmaker[Session]

    @contextmanager
    def serving(self, *commands: str) -> Iterator[list[int]]:
        """`terracrm COMMAND` for each of these, until the block ends; their process groups."""
        with Children(self.folder) as children:
            started = [children.start(each, ["--config", str(self.config), each]) for each in commands]
            yield [child.process.pid for child in started]

    def wait_until_read(self) -> None:
        """Wait until every stream was read, and was read again since its mailbox tells of changes, where it does."""

        def is_read() -> bool:
            with self.sessions() as session:
                waiting = (Stream.last_success_at.is_(None)) | (Stream.claim != "") | (Stream.due_at <= utcnow())
                if session.scalar(select(func.count()).select_from(Stream).where(waiting)):
                    return False
                told = session.scalar(
                    select(func.count()).select_from(MailboxWatch).where(MailboxWatch.since.is_(None))
                )
                return not told or not self.settings.sync.watch

        until(is_read, "the mailboxes are read", READY_SECONDS)

    def spread(self) -> None:
        """Let the streams be due one after the other over their interval, however fast they were read at first."""
        now = utcnow()
        with self.sessions.begin() as session:
            ids = list(session.scalars(select(Stream.id).order_by(Stream.id)))
            step = timedelta(minutes=self.settings.sync.interval_minutes) / len(ids)
            for place, stream_id in enumerate(ids):
                session.execute(update(Stream).where(Stream.id == stream_id).values(due_at=now + place * step))


def make(
    folder: Path,
    server: str,
    addresses: Sequence[str],
    streams: Sequence[str] = mailboxes.DEFAULT_STREAMS,
    **settings: dict[str, object],
) -> Office:
    """An office in this folder: a mailbox and its user for each address, and the user "boss", who reads everything."""
    folder.mkdir(parents=True)
    config = folder / "config.toml"
    told = {
        "paths": {"data_dir": str(folder)},
        "database": {"url": f"sqlite:///{folder / 'terracrm.db'}"},
        "mirror": {"internal_domains": [DOMAIN]},
    } | settings
    config.write_text(tomli_w.dumps(told), encoding="utf-8")
    loaded = load(config)
    engine = db.make_engine(loaded.database.url)
    db.upgrade(engine)
    sessions = db.session_factory(engine)
    with sessions.begin() as session:
        known = users.hash_password(PASSWORD)
        session.add(User(name="boss", role_code="controller", password_hash=known))
        for address in addresses:
            name = address.partition("@")[0]
            session.add(User(name=name, full_name=name, email=address, role_code="manager", password_hash=known))
            session.flush()
            secret = encrypt(loaded, PASSWORD)
            mailbox = mailboxes.add(
                session, address, server, SERVICE, password_encrypted=secret, impersonate=True, streams=streams
            )
            mailboxes.enable(session, mailbox)
    return Office(folder, config, loaded, sessions)


def mail(number: int, sender: str, to: str, subject: str = "", text: str = "", at: datetime = LONG_AGO) -> bytes:
    """A short mail from outside, so many seconds after that time."""
    heads = {
        "Message-ID": f"<{number}@bench.example>",
        "From": sender,
        "To": to,
        "Subject": subject or f"Order {number}",
        "Date": format_datetime(at + timedelta(seconds=number)),
        "Content-Type": "text/plain; charset=utf-8",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in heads.items())
    return f"{lines}\r\n{text or f'Please send {number} boxes.'}\r\n".encode()


def cpu_seconds(group: int) -> float:
    """The processor time that a process group has used, in seconds: of its processes, and of those that ended."""
    ticks = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(words[2]) == group:
                ticks += sum(map(int, words[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


def until(is_so: Callable[[], bool], what: str, seconds: float, look_seconds: float = 0.1) -> None:
    """Wait for something; RuntimeError when it does not come."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {seconds:.0f} s in vain until {what}")
        time.sleep(look_seconds)
