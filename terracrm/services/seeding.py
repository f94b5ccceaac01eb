"""An office that nobody works in, with as long a history as is asked for: to see how the product behaves at scale.

People and companies are written row by row (`seeded_people`), the history from one narrow table inside the database
(`seeded_history`). Indexes and foreign keys are taken away for that time: they are made once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from random import Random
from typing import Any

from sqlalchemy import Connection, Engine, ForeignKeyConstraint, Table, insert, select, text
from sqlalchemy.schema import AddConstraint, DropConstraint

from terracrm.domain.made_up import Writer
from terracrm.errors import InvalidInput
from terracrm.models import Activity, Base, Company, Contact, Mailbox, Team, User, utcnow
from terracrm.models.search import INDEXES
from terracrm.services import search_sqlite, seeded_history
from terracrm.services.seeded_history import FILLED
from terracrm.services.seeded_people import Office, Size

WRITTEN = (User, Team, Mailbox, Company, Contact, Activity)
"""Where numbers are counted from 1: each of these has to be empty."""


def seed(
    engine: Engine,
    activities: int,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    until: datetime | None = None,
) -> Size:
    """Fill an empty migrated database with the history of five years until a moment, the last midnight by default.

    The same seed makes the same office. Contact 1 has the longest history by far. `progress` is told what is being
    done. Raises InvalidInput when there is something in the database already. It commits by itself; what is
    interrupted leaves a database to be thrown away, for SQLite is told not to wait for the disk.
    """
    told = progress or (lambda _: None)
    size, random = Size(activities), Random(seed)  # noqa: S311
    until = until or utcnow().replace(hour=0, minute=0, second=0, microsecond=0)
    with engine.connect() as connection:
        if any(connection.scalar(select(model.id).limit(1)) for model in WRITTEN):
            raise InvalidInput("There is something in this database already: seed an empty one.")
        connection.rollback()
        _hurry(connection)
        told("people and companies")
        writer = Writer(random, rare_words=size.subjects)
        office = Office(random, writer, size)
        faces = office.write(connection)
        told("what happened")
        seeded_history.temporary.create_all(connection)
        connection.execute(insert(seeded_history.faces), faces)
        connection.execute(insert(seeded_history.said), seeded_history.sayings(writer, size))
        connection.execute(insert(seeded_history.positions), [{"n": n} for n in range(3)])
        _copy(connection, seeded_history.story, seeded_history.tell(random, size, office, until))
        with _bare(connection, [model.__table__ for model in FILLED]):  # type: ignore[misc]
            for model, statement in seeded_history.statements():
                told(model.__tablename__)
                connection.execute(statement)
            told("indexes")
        told("full text")
        _fill_search(connection)
        seeded_history.temporary.drop_all(connection)
        connection.commit()
        told("statistics")
        _rest(connection)
    return size


def _hurry(connection: Connection) -> None:
    """Let the database trust that nothing goes wrong meanwhile."""
    if connection.dialect.name == "sqlite":
        for name, value in (("foreign_keys", "OFF"), ("synchronous", "OFF"), ("secure_delete", "OFF")):
            connection.exec_driver_sql(f"PRAGMA {name}={value}")
        connection.exec_driver_sql("PRAGMA journal_mode=MEMORY")
        connection.exec_driver_sql("PRAGMA cache_size=-500000")
        connection.exec_driver_sql("PRAGMA temp_store=MEMORY")
    else:
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
        connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
        connection.exec_driver_sql("SET LOCAL work_mem = '256MB'")


def _rest(connection: Connection) -> None:
    """Go back to caution, and let the planner know what is there."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        connection.exec_driver_sql("ANALYZE")
        connection.commit()
        connection.invalidate()  # with the settings of `_hurry`
    else:
        names = [table.name for table in Base.metadata.sorted_tables]
        connection.exec_driver_sql(f"ANALYZE {', '.join((*names, *INDEXES))}")
        connection.commit()


def _copy(connection: Connection, table: Table, rows: Iterable[tuple[Any, ...]]) -> None:
    """Write many rows by the shortest way of each driver; times are in UTC."""
    cursor = connection.connection.cursor()
    if connection.dialect.name == "sqlite":
        places = ", ".join("?" * len(table.columns))
        stored: Any = map(_as_stored, rows)
        cursor.executemany(f"INSERT INTO {table.name} VALUES ({places})", stored)  # noqa: S608
    else:
        with cursor.copy(f"COPY {table.name} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    cursor.close()


def _as_stored(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(_as_text(value) if isinstance(value, datetime) else value for value in row)


def _as_text(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")


@contextmanager
def _bare(connection: Connection, tables: list[Table]) -> Iterator[None]:
    """Tables without indexes and foreign keys; they have them again afterwards, and their numbers count on."""
    indexes = [index for table in tables for index in sorted(table.indexes, key=lambda index: str(index.name))]
    keys: list[ForeignKeyConstraint] = []
    if connection.dialect.name == "postgresql":
        keys = [key for table in tables for key in table.foreign_key_constraints]
    for index in indexes:
        index.drop(connection)
    for key in keys:
        connection.execute(DropConstraint(key))
    yield
    for index in indexes:
        index.create(connection)
    for key in keys:
        connection.execute(AddConstraint(key))
    if connection.dialect.name == "postgresql":
        for table in Base.metadata.sorted_tables:
            if table.autoincrement_column is not None and table.autoincrement_column.name == "id":
                connection.execute(
                    text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), max(id)) FROM {table.name}")  # noqa: S608
                )


def _fill_search(connection: Connection) -> None:
    words = seeded_history.words()
    if connection.dialect.name == "sqlite":
        place = f"CAST(strftime('%s', occurred_at) AS INTEGER) * {search_sqlite.IDS} + id"
        run = connection.exec_driver_sql
        run(f"INSERT INTO activity_search_rows SELECT {place}, id, words FROM ({words}) ORDER BY 1")  # noqa: S608
        run("INSERT INTO activity_search (activity_search) VALUES ('rebuild')")
        return
    indexes = connection.execute(
        text(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"
            " AND tablename = 'activity_search' AND indexdef NOT LIKE 'CREATE UNIQUE%'"
        )
    ).all()
    for name, _ in indexes:
        connection.execute(text(f"DROP INDEX {name}"))
    connection.execute(
        text(
            "INSERT INTO activity_search (id, occurred_at, words)"  # noqa: S608
            f" SELECT id, occurred_at, array_to_tsvector(string_to_array(words, ' ')) FROM ({words}) w"
        )
    )
    for _, made in indexes:
        connection.execute(text(made))
