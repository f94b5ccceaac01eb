"""The databases that the benchmarks of reading share: a million activities, made by `terracrm.services.seeding`."""

from __future__ import annotations

import atexit
from pathlib import Path

from sqlalchemy import make_url, text

from benchmarks.report import Bench
from terracrm import db
from terracrm.services.seeding import seed

ACTIVITIES, QUICK = 1_000_000, 20_000
SCHEMA = "bench_seeded"


def activities(bench: Bench) -> int:
    """How many activities the seeded databases have."""
    return QUICK if bench.quick else ACTIVITIES


def sqlite(bench: Bench) -> Path:
    """The seeded SQLite file, made when it is first asked for. Leave it as it is: others read it too."""
    if "seeded.sqlite" not in bench.kept:
        path = bench.folder / "seeded.db"
        _make(f"sqlite:///{path}", activities(bench))
        bench.kept["seeded.sqlite"] = path
    return Path(bench.kept["seeded.sqlite"])


def postgres(bench: Bench) -> str:
    """The URL of the seeded schema in PostgreSQL, made when it is first asked for; "" where there is no PostgreSQL."""
    if bench.postgres and "seeded.postgres" not in bench.kept:
        url = make_url(bench.postgres).set(drivername="postgresql+psycopg")
        _drop(url.render_as_string(hide_password=False))
        with db.make_engine(url.render_as_string(hide_password=False)).begin() as connection:
            connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        atexit.register(_drop, url.render_as_string(hide_password=False))
        mine = url.update_query_dict({"options": f"-csearch_path={SCHEMA}"}).render_as_string(hide_password=False)
        _make(mine, activities(bench))
        bench.kept["seeded.postgres"] = mine
    return str(bench.kept.get("seeded.postgres", ""))


def _make(url: str, size: int) -> None:
    engine = db.make_engine(url)
    db.upgrade(engine)
    seed(engine, size)
    engine.dispose()


def _drop(url: str) -> None:
    engine = db.make_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))
    engine.dispose()
