"""Figure 5: the first mirror of a mailbox into PostgreSQL, against the one into SQLite."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from sqlalchemy import URL, make_url, text

from benchmarks import first_mirror, recording
from benchmarks.replay import serving
from benchmarks.report import Bench, Figure, median_ratio
from terracrm import db

SCRATCH, TEMPLATE = "terracrm_bench_mirror", "terracrm_bench_prepared"


def measure(bench: Bench) -> None:
    """Both in turns over the same mailbox, each in a process of its own; nothing where there is no PostgreSQL."""
    if not bench.postgres:
        print("figure 5 is left out: no PostgreSQL (--postgres URL)")
        return
    count, rounds = (200, 1) if bench.quick else (4000, 3)
    here: list[float] = []
    there: list[float] = []
    with serving(recording.kept(bench), count) as server, _templates(bench) as (file, prepared):
        for _ in range(rounds):
            here.append(_rate(server.url, f"sqlite:///{_copied(file)}", bench.folder))
            with _scratch(prepared) as database:
                there.append(_rate(server.url, database, bench.folder))
    told = f"into SQLite: {median(here):.0f} messages/s"
    value = (median(there), "messages/s")
    bench.tell(Figure(5, "first mirror into PostgreSQL", *value, median_ratio(there, here), ">= 1.2", told))


def _rate(url: str, database: str, folder: Path) -> float:
    """Messages a second of a mirror in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_mirrored, url, database, folder).result()


def _mirrored(url: str, database: str, folder: Path) -> float:
    began = time.monotonic()
    messages = first_mirror.mirror(url, database, folder)
    return messages / (time.monotonic() - began)


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
