"""Thirty mailboxes, two schedulers, three workers and a broker, of which something is killed again and again."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psycopg
from sqlalchemy import create_engine, func, make_url, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from terracrm import db
from terracrm.models import Stream, SyncRun, User, utcnow
from terracrm.services import mailboxes
from tests.distributed.brokers import Broker
from tests.distributed.machines import Program
from tests.torture import office, processes
from tests.torture.canon import Canon
from tests.torture.exchange import DOMAIN, PASSWORD, Exchange
from tests.torture.office import Place, address_of, mail

SCHEDULERS, WORKERS, STREAMS_EACH = 2, 3, 2
KINDS = ("contacts", "mail")
CLIENTS = 6
SETTLE_SECONDS = 180
LEFT_OUT = ("leases: ", "heartbeats: ", "sync_run_items: ", "mailbox_watches: ")
"""Tables that tell who worked when, and not what came of it."""
FIRST = {
    "activities": ("mailbox_id",),
    "contacts": ("owner_id", "created_by_mailbox_id"),
    "field_changes": ("user_id", "mailbox_id"),
    "links": ("rule", "match_method"),
}
"""Which mailbox brought first what several have: whoever was read first."""


class Stage:
    """All of it. `done` counts what was done."""

    def __init__(
        self, folder: Path, server: str, broker: Broker, exchange: Exchange, size: int, chance: random.Random
    ) -> None:
        self.folder, self.broker, self.exchange, self.random = folder, broker, exchange, chance
        self.names = [f"u{number}" for number in range(size)]
        self.done: Counter[str] = Counter()
        self._server, self._letters, self._steps = server, 0, 0
        self._databases = {name: f"terracrm_{name}_{broker.port}" for name in ("scaled", "calm")}
        self._programs: list[Program] = []

    # Setting up, and what everybody sees.

    def set_up(self) -> None:
        """The mailboxes there, and two databases here that know of them."""
        (self.folder / "password").write_text(PASSWORD)
        cards = [
            f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Client {n}\r\nN:{n};Client;;;\r\nEMAIL:c{n}@client{n % 4}.example\r\n"
            for n in range(CLIENTS)
        ]
        (self.folder / "cards").mkdir()
        for number, name in enumerate(self.names):
            self.exchange.add_mailbox(name)
            own = [f"{card}END:VCARD\r\n" for n, card in enumerate(cards) if (number + n) % 3]
            (self.folder / "cards" / f"{name}.vcf").write_text("".join(own))
        self.exchange.load(vcards=self.folder / "cards")
        for _ in self.names:
            self.letter()
        scaled, calm = self._databases["scaled"], self._databases["calm"]
        self._administer(f"CREATE DATABASE {scaled}")
        engine = db.make_engine(self.url("scaled"))
        db.upgrade(engine)
        engine.dispose()
        with self.crm() as sessions, sessions.begin() as session:
            for name in self.names:
                self._add(session, name)
        self._administer(f"CREATE DATABASE {calm} TEMPLATE {scaled}")
        self._config().write_text(
            f'[database]\nurl = "{self.url("scaled")}"\n[paths]\ndata_dir = "{self.folder / "data"}"\n'
            f'[mirror]\ninternal_domains = ["{DOMAIN}"]\npage_size = 3\n[outlook]\nwrite_delay_seconds = 0\n'
            f'[sync]\nengine = "celery"\nbroker_url = "{self.broker.url}"\nwatch = false\nstreams_per_server = 5\n'
            'retry_base_seconds = 1\nretry_max_seconds = 5\n[log]\nformat = "json"\n'
        )

    def _add(self, session: Session, name: str) -> None:
        address, secret = address_of(name), self.folder / "password"
        session.add(User(name=name, email=address, role_code="manager", language="en"))
        session.flush()
        mailbox = mailboxes.add(session, address, self.exchange.url, address, password_file=secret)
        mailboxes.enable(session, mailbox)
        for stream in mailbox.streams:
            stream.is_enabled = stream.kind in KINDS

    def url(self, name: str) -> str:
        """A database of ours, on the server we were given."""
        url = make_url(self._server).set(drivername="postgresql+psycopg", database=self._databases[name])
        return url.render_as_string(hide_password=False)

    @contextmanager
    def crm(self, name: str = "scaled") -> Any:
        """Sessions on it that leave nothing open behind, for who forks."""
        engine = create_engine(self.url(name), poolclass=NullPool)
        try:
            yield db.session_factory(engine)
        finally:
            engine.dispose()

    def close(self) -> None:
        """End everything, and remove the databases."""
        for program in self._programs:
            program.kill()
        self.broker.kill()
        for database in self._databases.values():
            self._administer(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def log(self) -> str:
        """What the programs said."""
        path = self.folder / "programs.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # What happens.

    def start(self) -> None:
        """Everything that is not running."""
        self.broker.start()
        log, config = self.folder / "programs.log", self._config()
        self._programs = [Program(log, config, "daemon") for _ in range(SCHEDULERS)]
        self._programs += [Program(log, config, "worker", "--concurrency", str(STREAMS_EACH)) for _ in range(WORKERS)]

    def step(self) -> None:
        """One random thing."""
        workers, schedulers = self._programs[SCHEDULERS:], self._programs[:SCHEDULERS]
        kills: list[Callable[[], object]] = [
            lambda: self._kill(workers), lambda: self._kill_run(workers), lambda: self._kill(schedulers),
            self._kill_broker,
        ]  # fmt: skip
        if self._steps < len(kills):
            act = kills[self._steps]  # each of them once, however short it is
        else:
            others = [self.letter, self.all_due, lambda: self._stop(workers), lambda: self._stop(schedulers)]
            act = self.random.choices(kills + others, (3, 3, 2, 1, 3, 3, 1, 1))[0]
        self._steps += 1
        act()
        for program in self._programs:
            if not program.is_running and self.random.random() < 0.7:
                program.start()

    def letter(self) -> None:
        """A mail from one of the clients to some of the mailboxes."""
        self._letters += 1
        number, client = self._letters, self.random.randrange(CLIENTS)
        to = self.random.sample(self.names, self.random.choice((1, 1, 2, 3)))
        sender = f"c{client}@client{client % 4}.example"
        text = mail(str(number % 60), sender, ", ".join(map(address_of, to)), f"Letter {number}", f"Hello {number}")
        key = f"<{number % 60}@mail.test>".encode()
        self.exchange.deliver(text.replace(key, f"<{number}@scale.test>".encode()), *to)
        self.done["letters"] += 1

    def all_due(self) -> None:
        """It is time for every stream."""
        with self.crm() as sessions, sessions.begin() as session:
            session.execute(update(Stream).values(due_at=utcnow()))

    def _kill(self, programs: list[Program]) -> None:
        program = self.random.choice(programs)
        self.done[f"{program.name}s killed"] += program.is_running
        program.kill()

    def _kill_run(self, programs: list[Program]) -> None:
        self.done["worker processes killed"] += self.random.choice(programs).kill_child(self.random)

    def _stop(self, programs: list[Program]) -> None:
        program = self.random.choice(programs)
        self.done[f"{program.name}s stopped"] += program.is_running
        program.stop()

    def _kill_broker(self) -> None:
        self.broker.kill()
        time.sleep(self.random.uniform(0, 3))
        self.broker.start()
        self.done["brokers killed"] += 1

    # How it ends.

    def settle(self) -> None:
        """Everything runs again; wait until each stream has been run since, and nothing is left to do.

        Meanwhile one process mirrors the same mailboxes undisturbed, into the other database.
        """
        streams = [(name, kind) for name in self.names for kind in KINDS]
        calm = processes.start(partial(office.run, Place(self.folder, self.url("calm"), self.exchange.url), streams))
        for program in self._programs:
            if not program.is_running:
                program.start()
        since = utcnow()
        self.all_due()
        deadline = time.monotonic() + SETTLE_SECONDS
        while left := self._left(since):
            assert time.monotonic() < deadline, f"it does not settle: {left}"
            time.sleep(0.3)
        for program in self._programs:
            program.stop()
        calm.result()

    def _left(self, since: object) -> object:
        with self.crm() as sessions, sessions() as session:
            is_done = Stream.last_success_at > since, Stream.due_at > utcnow(), Stream.claim == ""
            left = Stream.is_enabled & or_(*(part.is_not(True) for part in is_done))
            query = select(Stream.state, Stream.last_error, func.count()).where(left)
            return session.execute(query.group_by(Stream.state, Stream.last_error)).all()

    def problems(self) -> list[str]:
        """How it differs from the undisturbed run."""
        contents, lines = self.exchange.contents(), {}
        for name in self._databases:
            with self.crm(name) as sessions, sessions() as session:
                found = Canon(session.connection(), contents).lines()
                lines[name] = Counter(_whoever_was_first(line) for line in found if not line.startswith(LEFT_OUT))
                self.done[f"runs in the {name} database"] = session.scalar(select(func.count(SyncRun.id))) or 0
        self.done["lines compared"] = lines["calm"].total()
        problems = ["the broker's password is in the log"] if "pass/word" in unquote(self.log()) else []
        problems += [f"not ours in the log: {line}" for line in self.log().splitlines() if not line.startswith("{")]
        problems += [f"lost: {line}" for line in (lines["calm"] - lines["scaled"]).elements()]
        return problems + [f"too much: {line}" for line in (lines["scaled"] - lines["calm"]).elements()]

    def _config(self) -> Path:
        return self.folder / "config.toml"

    def _administer(self, statement: str) -> None:
        url = make_url(self._server)
        with psycopg.connect(
            host=url.host, port=url.port, user=url.username, password=url.password, dbname=url.database, autocommit=True
        ) as connection:
            connection.execute(statement)  # type: ignore[arg-type]


def _whoever_was_first(line: str) -> str:
    columns = FIRST.get(line.partition(":")[0], ())
    return " | ".join(part for part in line.split(" | ") if part.partition(":")[0] not in columns)
