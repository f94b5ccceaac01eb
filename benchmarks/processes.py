"""Figure 7: the first mirror of eight mailboxes by two worker processes of the daemon, against one."""

from __future__ import annotations

import atexit

from sqlalchemy import func, make_url, select, text, update

from benchmarks import recording
from benchmarks.office import DOMAIN, Office, make, until
from benchmarks.replay import serving
from benchmarks.report import Bench, Figure
from terracrm import db
from terracrm.models import Mailbox, Stream, SyncRun, utcnow

MAILBOXES = 8
READ_SECONDS = 180
SCHEMA = "bench_processes"


def measure(bench: Bench) -> None:
    """The daemon over PostgreSQL, where there is one, and beside it over SQLite, where one process writes at a time."""
    letters = 40 if bench.quick else 500
    kinds = ("PostgreSQL", "SQLite") if bench.postgres else ("SQLite",)
    with serving(recording.kept(bench), letters) as server:
        seconds = {kind: [_mirrored(bench, server.url, kind, workers) for workers in (1, 2)] for kind in kinds}
    told = [
        f"{kind}: {one:.1f} s by one, {two:.1f} s by two ({one / two:.2f} x)" for kind, (one, two) in seconds.items()
    ]
    one, two = seconds[kinds[0]]
    name = f"two worker processes against one, {MAILBOXES} mailboxes, {kinds[0]}"
    bench.tell(Figure(7, name, two, "s", one / two, ">= 1.6", "; ".join(told)))


def _mirrored(bench: Bench, url: str, kind: str, workers: int) -> float:
    """From the beginning of the first run to the end of the last one, in seconds."""
    addresses = [f"user{number}@{DOMAIN}" for number in range(MAILBOXES)]
    folder = bench.folder / f"{kind}-{workers}"
    database = f"sqlite:///{folder / 'terracrm.db'}" if kind == "SQLite" else _schema(bench.postgres)
    settings = {"sync": {"watch": False, "workers": workers}, "database": {"url": database}}
    office = make(folder, url, addresses, ["mail"], **settings)
    with office.sessions.begin() as session:
        session.execute(update(Mailbox).values(let_in_at=utcnow()))  # else all wait for the first one to be let in
    with office.serving("daemon"):
        until(lambda: _is_read(office), "the mailboxes are read", READ_SECONDS)
    with office.sessions() as session:
        began, ended = session.execute(select(func.min(SyncRun.started_at), func.max(SyncRun.finished_at))).one()
    office.sessions.kw["bind"].dispose()
    seconds: float = (ended - began).total_seconds()
    return seconds


def _is_read(office: Office) -> bool:
    with office.sessions() as session:
        return not session.scalar(select(func.count()).select_from(Stream).where(Stream.last_success_at.is_(None)))


def _schema(postgres: str) -> str:
    """The URL of an empty schema of our own."""
    url = make_url(postgres).set(drivername="postgresql+psycopg")
    plain = url.render_as_string(hide_password=False)
    _drop(plain)
    atexit.register(_drop, plain)
    with db.make_engine(plain).begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    return url.update_query_dict({"options": f"-csearch_path={SCHEMA}"}).render_as_string(hide_password=False)


def _drop(url: str) -> None:
    engine = db.make_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))
    engine.dispose()
