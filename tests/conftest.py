"""What all tests share: the shared material, and migrated databases: SQLite, and PostgreSQL where there is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from sqlalchemy import URL, Connection, Engine, event, make_url, text
from sqlalchemy.orm import Session, sessionmaker

from terracrm import db
from terracrm.models import Base
from tests.recorded import Recorded

POSTGRES = os.environ.get("TERRACRM_TEST_DATABASE_URL", "")
# `make test-all`: also on PostgreSQL what has no SQL of its own (modules that say SQLITE_FIRST).
ALL = bool(os.environ.get("TERRACRM_TEST_ALL"))
# Machines are busy: how long an example takes says nothing. What is found once is found again.
settings.register_profile("terracrm", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("terracrm")
KEPT = {"roles", "alembic_version"}


@pytest.fixture(autouse=True)
def plain_log() -> None:
    """structlog's own default, which some tests leave behind, draws each traceback: that takes seconds."""
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer()], logger_factory=structlog.ReturnLoggerFactory()
    )


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared material; tests that need it are skipped where it is not there."""
    found = Path(os.environ.get("TERRACRM_SHARED", Path(__file__).parents[2] / "shared"))
    if not found.is_dir():
        pytest.skip(f"needs the shared material: {found} is not there; TERRACRM_SHARED names another place")
    return found


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated empty SQLite file, made once and copied for each test."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    engine = db.make_engine(f"sqlite:///{path}")
    db.upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def migrated_postgres() -> Iterator[str]:
    """The URL of a migrated database of this worker's own: locks are a database's, and workers must not share them."""
    if not POSTGRES:
        pytest.skip("needs PostgreSQL: TERRACRM_TEST_DATABASE_URL names none")
    name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"
    url = make_url(POSTGRES).set(drivername="postgresql+psycopg")
    owner = db.make_engine(url.render_as_string(hide_password=False)).execution_options(isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0"))
    mine = url.set(database=name).render_as_string(hide_password=False)
    engine = db.make_engine(mine)
    db.upgrade(engine)
    engine.dispose()
    yield mine
    with owner.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    owner.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a migrated empty database; each test that asks for it runs on both kinds."""
    if request.param == "postgresql":
        if getattr(request.module, "SQLITE_FIRST", False) and not ALL:
            pytest.skip("on PostgreSQL with `make test-all`")
        return str(request.getfixturevalue("migrated_postgres"))
    path = tmp_path_factory.mktemp("sqlite") / "terracrm.db"
    shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def engines() -> Callable[[str], Engine]:
    """One engine for each kind of database, over the database asked for last: statements are compiled once for each."""
    made: dict[str, Engine] = {}

    def engine(url: str) -> Engine:
        wanted = make_url(url)
        found = made.get(wanted.drivername)
        if found is None:
            found = made[wanted.drivername] = db.make_engine(url)
            redirect(found, partial(getattr, found, "url"))
        found.url = wanted
        return found

    return engine


def redirect(engine: Engine, url: Callable[[], str | URL]) -> None:
    """Have an engine on a SQLite file connect to the file that `url` names each time."""

    def connect(_dialect: object, _record: object, arguments: list[Any], _options: object) -> None:
        if engine.dialect.name == "sqlite":
            arguments[0] = make_url(url()).database

    event.listen(engine, "do_connect", connect)


@pytest.fixture
def engine(database_url: str, engines: Callable[[str], Engine]) -> Iterator[Engine]:
    """An engine on that database; PostgreSQL's tables are emptied afterwards."""
    made = engines(database_url)
    yield made
    if made.dialect.name == "postgresql":
        with made.begin() as connection:
            _empty(connection)
    made.dispose()


def _empty(connection: Connection) -> None:
    """Delete what the test left and count ids from 1 again: truncating all tables takes many times as long."""
    there = set(connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")))
    dependent_first = [table.name for table in reversed(Base.metadata.sorted_tables)]
    names = [name for name in dict.fromkeys([*dependent_first, *sorted(there)]) if name in there - KEPT]
    filled = set(
        connection.scalars(text(" UNION ALL ".join(f"SELECT '{n}' WHERE EXISTS (SELECT 1 FROM {n})" for n in names)))
    )
    for name in names:
        if name in filled:
            connection.execute(text(f"DELETE FROM {name}"))
    connection.execute(
        text(
            "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false) FROM pg_sequences "
            "WHERE schemaname = current_schema() AND last_value IS NOT NULL"
        )
    )


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    """Sessions on that database."""
    return db.session_factory(engine)


@pytest.fixture
def session(sessions: sessionmaker[Session]) -> Iterator[Session]:
    """One open session; what it does is rolled back unless the test commits."""
    with sessions() as opened:
        yield opened


@pytest.fixture
def recorded() -> Iterator[None]:
    """Each commit of a test is held against the log of changes of contact data (P2)."""
    log = Recorded()

    def check(session: Session) -> None:
        if not session.in_nested_transaction():
            log.check(session)

    event.listen(Session, "before_commit", check)
    yield
    event.remove(Session, "before_commit", check)
