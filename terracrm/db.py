"""The database: engines, sessions, migrations and checks, for SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from terracrm import postgresql
from terracrm.domain.names import folded
from terracrm.errors import TerraCRMError
from terracrm.models import Base
from terracrm.models.search import INDEXES

MIGRATIONS = Path(__file__).parent / "migrations"
SQLITE_BUSY_MS = 30_000
SQLITE_LOG_BUSY_MS = 1000  # others cannot write meanwhile
SQLITE_CACHE_KIB = 32_000  # a connection: SQLite's own 2 MB are little when the file is large
DEADLOCKS = ("40P01", "40001")  # deadlock detected, serialization failure


class DatabaseUnusable(TerraCRMError):
    """The database cannot be opened, or is not what this version expects."""


class MadeByNewer(DatabaseUnusable):
    """The database has migrations that this version does not know."""


def make_engine(url: str) -> Engine:
    """An engine for `url`; SQLite in WAL mode with foreign keys on and a busy timeout. Its errors, which are logged,
    say what was asked and not with what words.

    Raises DatabaseUnusable when the URL or its driver is wrong. Nothing is opened yet.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite_engine(url, parsed.database)
        if parsed.get_backend_name() != "postgresql":
            raise DatabaseUnusable(
                f"database.url: {parsed.get_backend_name()} is not supported; use SQLite or PostgreSQL"
            )
        return postgresql.make_engine(parsed.set(drivername="postgresql+psycopg"))
    except (ArgumentError, NoSuchModuleError):
        raise DatabaseUnusable("database.url is not a database URL; an example: sqlite:///terracrm.db") from None
    except ModuleNotFoundError:
        raise DatabaseUnusable("PostgreSQL needs its driver: install terracrm[postgres]") from None


def _sqlite_engine(url: str, database: str | None) -> Engine:
    if database and database != ":memory:":
        try:
            Path(database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = f"its folder {Path(database).parent} cannot be made: {error.strerror}"
            raise DatabaseUnusable(f"the database cannot be opened: {reason}") from None
    engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_MS / 1000}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA cache_size=-{SQLITE_CACHE_KIB}")
        cursor.execute("PRAGMA secure_delete=ON")  # what is withdrawn leaves nothing behind in the file (S4)
        cursor.close()
        # SQLite's own lower() knows Latin letters only (services.segments).
        connection.create_function("folded", 1, lambda text: folded(text or ""), deterministic=True)

    return engine


def begin_write(session: Session) -> None:
    """Take SQLite's write lock now: a transaction that reads first could not get it later. Elsewhere nothing."""
    if session.get_bind().dialect.name == "sqlite":
        session.connection().exec_driver_sql("BEGIN IMMEDIATE")


def empty_log(session: Session) -> None:
    """Have SQLite empty its log, which holds what pages said before; not now when somebody reads on for long."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA busy_timeout={SQLITE_LOG_BUSY_MS}")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql(f"PRAGMA busy_timeout={SQLITE_BUSY_MS}")


def is_written_here(sessions: sessionmaker[Session]) -> bool:
    """Whether this process writes the database itself (SQLite), and no server for it."""
    with sessions() as session:
        return session.get_bind().dialect.name == "sqlite"


def is_race(error: Exception) -> bool:
    """Whether another transaction got in the way, and trying again is all that it takes."""
    if isinstance(error, IntegrityError):
        return True
    return isinstance(error, OperationalError) and _sqlstate(error) in DEADLOCKS


def is_about_data(error: Exception) -> bool:
    """Whether what was to be written is at fault, and not the database: it would fail again.

    PostgreSQL counts a value that is too long for an index among the operational errors.
    """
    return not isinstance(error, OperationalError) or _sqlstate(error).startswith("54")


def _sqlstate(error: OperationalError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def session_factory(engine: Engine) -> sessionmaker[Session]:
    """Sessions that keep loaded values after a commit; the owner of a session commits it (invariant 9)."""
    return sessionmaker(engine, expire_on_commit=False)


def upgrade(engine: Engine) -> None:
    """Bring the tables to this version. Raises DatabaseUnusable when the database cannot be reached."""
    with _connection(engine) as connection:
        command.upgrade(_alembic(connection), "head")
        connection.commit()


def pending(engine: Engine) -> list[str]:
    """The migrations that this database has not had yet, oldest first."""
    script = ScriptDirectory.from_config(_alembic(None))
    with _connection(engine) as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    known = {revision.revision for revision in script.walk_revisions()}
    if current is not None and current not in known:
        raise MadeByNewer("the database was made by a newer TerraCRM: install that version or restore a backup")
    revisions = list(script.iterate_revisions("head", current)) if current else list(script.walk_revisions())
    return [revision.revision for revision in reversed(revisions)]


def check(engine: Engine) -> list[str]:
    """What is wrong with the database, in plain words; empty when all is well."""
    if waiting := pending(engine):
        return [f"{len(waiting)} migrations are waiting: run `terracrm db upgrade`"]
    problems = []
    with _connection(engine) as connection:
        context = MigrationContext.configure(connection, opts={"include_object": include_object})
        if compare_metadata(context, Base.metadata):
            problems.append("the tables differ from what this version made: restore a backup or ask for help")
        if engine.dialect.name == "sqlite":
            found = connection.execute(text("PRAGMA quick_check")).scalar()
            if found != "ok":
                problems.append(f"SQLite finds the file damaged ({found}): restore a backup")
        elif connection.execute(text("SHOW server_encoding")).scalar() != "UTF8":
            problems.append("the PostgreSQL database is not UTF-8: create it with ENCODING 'UTF8'")
    return problems


def include_object(_: Any, name: str | None, kind: str, reflected: bool, __: Any) -> bool:
    """Leave the full-text tables, which are no models, out of comparisons."""
    return not (kind in ("table", "index") and reflected and str(name).removeprefix("ix_").startswith(INDEXES))


def _alembic(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _connection(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except (OperationalError, DatabaseError) as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise DatabaseUnusable(f"the database cannot be opened: {reason}") from None
