"""What the benchmarks of reading share: the seeded databases one by one, who looks, and how a call is timed."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from benchmarks import seeded
from benchmarks.report import Bench
from terracrm import db
from terracrm.models import User
from terracrm.services.access import Viewer, viewer_of

TIMES = 5


@dataclass(frozen=True, slots=True)
class Seeded:
    """One seeded database; `name` as the figures call it."""

    name: str
    engine: Engine

    def viewer(self, name: str) -> Viewer:
        """The viewer that a user of the seeded office is."""
        with Session(self.engine) as session:
            return viewer_of(session, session.scalars(select(User).where(User.name == name)).one())


def databases(bench: Bench) -> Iterator[Seeded]:
    """SQLite, and PostgreSQL where there is one."""
    for name, url in (("SQLite", f"sqlite:///{seeded.sqlite(bench)}"), ("PostgreSQL", seeded.postgres(bench))):
        if url:
            engine = db.make_engine(url)
            yield Seeded(name, engine)
            engine.dispose()


def milliseconds(call: Callable[[], object]) -> float:
    """How long a call takes when nothing else is in the way: the shortest of some, the garbage of others left aside."""
    gc.disable()
    try:
        return min(_once(call) for _ in range(TIMES)) * 1000
    finally:
        gc.enable()


def _once(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def p95(values: Sequence[float]) -> float:
    """What 95 of 100 do not exceed."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]
