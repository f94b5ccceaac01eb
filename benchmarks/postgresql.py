"""Figure 5: the first mirror of a mailbox into PostgreSQL, against the one into SQLite.

A mirror has ended when all mail is there to be seen. What PostgreSQL's full text takes behind that is told besides.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from sqlalchemy import URL, make_url, text

from benchmarks import first_mirror, recording
from benchmarks.replay import serving
from benchmarks.report import Bench, Figure, median_ratio
from terracrm import db

SCRATCH, TEMPLATE = "terracrm_bench_mirror", "terracrm_bench_prepared"


@dataclass(frozen=True, slots=True)
class Mirrored:
    """How many messages a run brought, and seconds: until all were there to be seen; until all could be searched."""

    messages: int
    visible: float
    searchable: float


def measure(bench: Bench) -> None:
    """Both in turns over the same mailbox, each in a process of its own; nothing where there is no PostgreSQL."""
    if not bench.postgres:
        print("figure 5 is left out: no PostgreSQL (--postgres URL)")
        return
    count, rounds = (200, 1) if bench.quick else (4000, 3)
    here: list[Mirrored] = []
    there: list[Mirrored] = []
    with serving(recording.kept(bench), count) as server, _templates(bench) as (file, prepared):
        for _ in range(rounds):
            here.append(_run(server.url, f"sqlite:///{_copied(file)}", bench.folder))
            with _scratch(prepared) as database:
                there.append(_run(server.url, database, bench.folder))
    _tell(bench, "first mirror into PostgreSQL", [[m.messages / m.visible for m in each] for each in (there, here)])
    included = [[m.messages / m.searchable for m in each] for each in (there, here)]
    _tell(bench, "the same until all is found by search", included, target="")
    behind = [m.searchable - m.visible for m in there]
    share = median(seconds / m.visible for seconds, m in zip(behind, there, strict=True))
    told = f"of the time of the mirror; for {count} messages"
    bench.tell(Figure(5, "full text behind it", median(behind), "s", share, "", told))


def _tell(bench: Bench, name: str, rates: Sequence[list[float]], target: str = ">= 1.2") -> None:
    there, here = rates
    told = f"into SQLite: {median(here):.0f} messages/s"
    bench.tell(Figure(5, name, median(there), "messages/s", median_ratio(there, here), target, told))


def _run(url: str, database: str, folder: Path) -> Mirrored:
    """A mirror in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_mirrored, url, database, folder).result()


def _mirrored(url: str, database: str, folder: Path) -> Mirrored:
    began = time.monotonic()
    summary = first_mirror.mirror(url, database, folder)
    return Mirrored(summary.counts.created, summary.seconds, time.monotonic() - began)


@contextmanager
def _templates(bench: Bench) -> Iterator[tuple[Path, URL]]:
    """The databases in which mirrors begin: a file, and a database of the server, dropped afterwards."""
    prepared = make_url(bench.postgres).set(drivername="postgresql+psycopg", database=TEMPLATE)
    with _created(bench.postgres, prepared, "template0"):
        first_mirror.prepare(prepared.render_as_string(hide_password=False), bench.folder)
        yield first_mirror.prepared(bench.folder), prepared


@contextmanager
def _scratch(prepared: URL) -> Iterator[str]:
    """A copy of the prepared database, dropped afterwards."""
    url = prepared.set(database=SCRATCH)
    with _created(prepared.render_as_string(hide_password=False), url, TEMPLATE):
        yield url.render_as_string(hide_password=False)


def _copied(file: Path) -> Path:
    copy = file.with_name("sqlite.db")
    first_mirror.remove(copy)
    return shutil.copy(file, copy)


@contextmanager
def _created(beside: str, url: URL, template: str) -> Iterator[None]:
    """A database of this URL on the server, until the block ends."""
    engine = db.make_engine(beside).execution_options(isolation_level="AUTOCOMMIT")
    drop = text(f"DROP DATABASE IF EXISTS {url.database} WITH (FORCE)")
    with engine.connect() as connection:
        connection.execute(drop)
        connection.execute(text(f"CREATE DATABASE {url.database} TEMPLATE {template} ENCODING 'UTF8'"))
        try:
            yield
        finally:
            connection.execute(drop)
    engine.dispose()
