"""What a server, a disk and a database do on bad days, struck while a stream is mirrored, followed and written.

Each fault strikes each phase of the scenario of `kills`: the stream does what the reaction to the error says, another
mailbox goes on, the log tells no secret and no traceback, and when the fault is over the end is that of an undisturbed
run.
"""

from __future__ import annotations

import sqlite3
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, event, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from sync import engine
from sync.connecting import connect
from sync.engine import run_stream
from terracrm import db
from terracrm.models import QuarantinedItem, utcnow
from terracrm.services import mailboxes
from tests.torture import office, processes
from tests.torture.databases import Gate
from tests.torture.exchange import PASSWORD
from tests.torture.kills import Kills
from tests.torture.office import UNITS, Place, Unit

# A unit of each phase, the operation in whose midst it is struck, and a stream of another mailbox that goes on.
PHASES = {
    "first mirror: boris mail": ("GetItem", ("anna", "mail")),
    "incremental: boris mail": ("SyncFolderItems", ("anna", "mail")),
    "push: new: anna contacts": ("CreateItem", ("boris", "mail")),
    "push: changed: anna tasks": ("UpdateItem", ("boris", "mail")),
}
BACKOFF, OK, CREDENTIALS, PAUSED, DEGRADED = {"backoff"}, {"ok"}, {"credentials"}, {"paused"}, {"degraded"}

UNWRITTEN = "the outcome could not be written"
Trouble = Callable[[Place], AbstractContextManager[Place]]
"""A trouble of our own while it lasts; what is done meanwhile is done in the place that it gives."""


@dataclass(frozen=True)
class Fault:
    """A fault of the simulator, and the states that the stream may be in afterwards.

    `operation` where it does not strike that of the phase; `wait` is the least number of seconds until the next try.
    Of the kind "clock": by `skew` seconds the server's clock is ahead.
    """

    name: str
    kind: str
    states: set[str]
    reason: str = ""
    wait: int = 0
    operation: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    skew: int = 0


FAULTS = (
    Fault("busy", "server_busy", BACKOFF, "busy", 60, settings={"milliseconds": 60_000}),
    Fault("unavailable", "unavailable", BACKOFF, "HTTP 503", 90, settings={"seconds": 90}),
    Fault("internal error", "internal", BACKOFF, "HTTP 500", 20),
    Fault("unauthorized", "unauthorized", CREDENTIALS, "refused the user name or the password", operation=""),
    Fault("slow", "slow", OK, settings={"milliseconds": 150}),
    Fault("dropped connection", "drop", BACKOFF, "broke off", 20),
    Fault("cut answer", "cut", BACKOFF, "", 20),
    Fault("truncated XML", "truncated", BACKOFF, "cut off", 20),
    Fault("forgotten sync state", "invalid_sync_state", OK, operation="SyncFolderItems", settings={"count": 1}),
    Fault("sick batch", "conversion_failed", DEGRADED | OK, operation="GetItem", settings={"item": "Delivery"}),
    Fault("sick item", "corrupt_item", DEGRADED | OK, operation="GetItem", settings={"item": "Delivery"}),
    Fault("empty folder", "empty_folder", BACKOFF | OK, "without items", operation="SyncFolderItems"),
    Fault("false deletion", "false_delete", BACKOFF | OK, "without items", 0, "SyncFolderItems", {"item": "e"}),
    Fault("clock ahead", "clock", OK, skew=3600),
    Fault("clock behind", "clock", OK, skew=-86_400),
    Fault("second change", "second_change", OK),
    Fault("moved mailbox", "error", BACKOFF, "being moved", 20, settings={"code": "ErrorMailboxMoveInProgress"}),
    Fault("passing trouble", "error", BACKOFF, "", 20, settings={"code": "ErrorInternalServerTransientError"}),
    Fault("timeout", "error", BACKOFF, "in time", 20, settings={"code": "ErrorTimeoutExpired"}),
    Fault("no right", "error", CREDENTIALS | DEGRADED | OK, settings={"code": "ErrorAccessDenied"}),
    Fault("expired password", "error", CREDENTIALS, "expired", settings={"code": "ErrorPasswordExpired"}, operation=""),
    Fault("unknown code", "error", BACKOFF, "", 20, settings={"code": "ErrorContentIndexingNotEnabled"}),
    Fault("not understood", "error", PAUSED, "does not understand", settings={"code": "ErrorSchemaValidation"}),
)


@dataclass
class Seen:
    """How a stream stands after it was struck; `broken` when the run could not even write its outcome."""

    state: str
    reason: str
    wait: float
    log: list[str]
    others_error: str = ""
    broken: str = ""
    skew: int = 0


def strike(kills: Kills, fault: Fault, unit_name: str) -> str:
    """Let a fault strike a unit, heal it, compare; what is wrong, or ""."""
    number, unit = _unit(unit_name)
    operation, other = PHASES[unit_name]
    kills.restore(number)
    mailbox = office.address_of(unit.streams[0][0])
    wanted = operation if fault.operation is None else fault.operation
    if fault.kind == "clock":
        kills.exchange.clock(fault.skew)
    else:
        kills.exchange.fault(fault.kind, operation=wanted, mailbox=mailbox, **fault.settings)
    seen: Seen = processes.done(partial(_run, kills.place, unit, other, None))
    kills.exchange.mend()
    problem = _wrong(fault, seen)
    return problem or _healed(kills, unit, f"{fault.name} in {unit_name}")


def strike_here(kills: Kills, name: str, trouble: Trouble, unit_name: str) -> str:
    """The same with a trouble of our own disk or database."""
    number, unit = _unit(unit_name)
    kills.restore(number)
    seen: Seen = processes.done(partial(_run, kills.place, unit, None, trouble))
    is_told = seen.broken or seen.state in BACKOFF or any(UNWRITTEN in line for line in seen.log)
    if not is_told and trouble is not disk_full:  # what fits into free pages needs no disk
        return f"the stream is {seen.state} ({seen.reason}), and the log says nothing"
    problem = _log_problem(seen)
    return problem or _healed(kills, unit, f"{name} in {unit_name}")


def strike_away(kills: Kills, seconds: float, unit_name: str) -> str:
    """The same with a database that is away for so long: it is waited for, and then it is told what was the matter."""
    number, unit = _unit(unit_name)
    kills.restore(number)
    seen: Seen = processes.done(partial(_run, kills.place, unit, None, partial(database_away, seconds)))
    # A short wait is none: SQLite's own is half a minute.
    problem = "" if seen.state in OK and not seen.broken else _wrong(_AWAY, seen)
    return problem or _healed(kills, unit, f"{_AWAY.name} in {unit_name}")


_AWAY = Fault("database away", "", BACKOFF, "the database could not be used", 20)


def _unit(name: str) -> tuple[int, Unit]:
    return next((number, unit) for number, unit in enumerate(UNITS) if unit.name == name)


def _wrong(fault: Fault, seen: Seen) -> str:
    if seen.state not in fault.states:
        return f"the stream is {seen.state} ({seen.reason}) and not {' or '.join(sorted(fault.states))}"
    if seen.state != "ok" and fault.reason not in seen.reason:
        return f"the reason says {seen.reason!r}"
    if seen.state == "backoff" and not seen.wait >= fault.wait - 5:
        return f"the next try comes after {seen.wait:.0f} s, not {fault.wait}"
    if abs(seen.skew - fault.skew) > 30:
        return f"the server's clock is said to be ahead by {seen.skew} s, not {fault.skew}"
    if seen.others_error:
        return f"another mailbox did not go on: {seen.others_error}"
    return _log_problem(seen)


def _log_problem(seen: Seen) -> str:
    told = " ".join(seen.log)
    if "Traceback" in told:
        return f"the log has a traceback: {told[:3000]}"
    return "the log has the password" if PASSWORD in told else ""


def _healed(kills: Kills, unit: Unit, what: str) -> str:
    processes.done(partial(_heal, kills.place, unit))
    before = len(kills.numbers.failures)
    kills.compare(unit, what)
    return "it does not heal as if nothing had been" if len(kills.numbers.failures) > before else ""


def _run(place: Place, unit: Unit, other: tuple[str, str] | None, trouble: Trouble | None) -> Seen:
    log: list[str] = []
    if trouble in (disk_full, database_gone):
        engine.PATIENCE_SECONDS = 0  # they last until the run is over

    def noted(_: Any, __: str, said: Any) -> str:
        if said.pop("exc_info", None):
            said["event"] = f"{said['event']} {traceback.format_exc()}"
        log.append(str(said))
        return str(said)

    structlog.configure(processors=[noted], logger_factory=structlog.ReturnLoggerFactory())
    with place.crm() as sessions:
        with sessions() as session:
            ids = [office.stream_of(session, *stream).id for stream in unit.streams]
            other_id = office.stream_of(session, *other).id if other else 0
        broken = ""
        with trouble(place) if trouble else nullcontext(place) as troubled, troubled.crm() as found:
            for stream_id in ids:
                try:
                    run_stream(place.settings, found, stream_id, connect)
                except DBAPIError as error:
                    broken = type(error).__name__
        summary = run_stream(place.settings, sessions, other_id, connect) if other else None
        with sessions() as session:
            stream = office.stream_of(session, *unit.streams[0])
            wait = (stream.due_at - utcnow()).total_seconds()
            error = summary.error if summary else ""
            return Seen(stream.state, stream.last_error, wait, log, error, broken, stream.clock_skew or 0)


def _heal(place: Place, unit: Unit) -> None:
    with place.crm() as sessions, sessions.begin() as session:
        for name, _ in unit.streams:
            mailboxes.enable(session, mailboxes.get(session, office.address_of(name)))
        session.execute(update(QuarantinedItem).values(next_try_at=utcnow()))


# Troubles of our own.


@contextmanager
def disk_full(place: Place) -> Iterator[Place]:
    """Nothing can be added to the database; PostgreSQL says so by an error of class 53."""
    if place.database.startswith("sqlite"):

        def narrow(connection: sqlite3.Connection, *_: Any) -> None:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages}")

        with _listening(Engine, "checkout", narrow):
            yield place
        return

    def refuse(_: Any, __: Any, statement: str, parameters: Any, ___: Any, ____: bool) -> tuple[str, Any]:
        if statement.startswith(("INSERT INTO links", "INSERT INTO folders", "INSERT INTO tasks", "UPDATE links")):
            return _FULL, ()
        return statement, parameters

    with _listening(Engine, "before_cursor_execute", refuse, retval=True):
        yield place


_FULL = "DO $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"


@contextmanager
def database_gone(place: Place) -> Iterator[Place]:
    """In the midst of the run the database goes away: SQLite is locked by somebody, PostgreSQL ends the connection."""
    left = [3]
    if place.database.startswith("sqlite"):
        holder = sqlite3.connect(place.database.removeprefix("sqlite:///"), isolation_level=None)

        def lock(_: Session) -> None:
            left[0] -= 1
            if left[0] == 0:
                holder.execute("BEGIN IMMEDIATE")

        def impatient(connection: sqlite3.Connection, *_: Any) -> None:
            connection.execute("PRAGMA busy_timeout = 100")

        with _listening(Session, "after_commit", lock), _listening(Engine, "checkout", impatient):
            yield place
        holder.close()
        return

    def end(_: Session, __: Any, connection: Connection) -> None:
        left[0] -= 1
        if left[0] == 0:
            ours = connection.connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr]
            other = db.make_engine(place.database)
            with other.connect() as killer:
                killer.exec_driver_sql(f"SELECT pg_terminate_backend({ours})")
            other.dispose()

    with _listening(Session, "after_begin", end):
        yield place


@contextmanager
def database_away(seconds: float, place: Place) -> Iterator[Place]:
    """From the midst of the run the database is away for so long, to come back by itself.

    SQLite is locked by somebody; PostgreSQL ends all connections and refuses new ones.
    """
    left = [3]
    gate = None if place.database.startswith("sqlite") else Gate(place.database)
    path = place.database.removeprefix("sqlite:///")
    holder = None if gate else sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    back = threading.Timer(seconds, gate.open if gate else lambda: holder and holder.execute("ROLLBACK"))

    def leave(_: Session) -> None:
        left[0] -= 1
        if left[0] == 0:
            if gate:
                gate.shut()
            elif holder:
                holder.execute("BEGIN IMMEDIATE")
            back.start()

    with _listening(Session, "after_commit", leave):
        yield replace(place, database=gate.url) if gate else place
    if left[0] <= 0:
        back.join()
    if gate:
        gate.shut()
    elif holder:
        holder.close()


@contextmanager
def _listening(target: Any, name: str, act: Callable[..., Any], **options: Any) -> Iterator[None]:
    event.listen(target, name, act, **options)
    try:
        yield
    finally:
        event.remove(target, name, act)
