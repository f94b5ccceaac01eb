"""Many rows are written to PostgreSQL by COPY, and are what INSERT would have made of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, String, Table, bindparam, func, insert, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DataError, IntegrityError

from terracrm import db
from terracrm.models import Base, Region, StreamState

pytestmark = pytest.mark.postgres

TEXTS = ["plain", "", "tab\tand\nlines\r\nof \\N and \\.", "\\", "\\.", "'quoted' \"twice\" %s {}", "Ёлка 🎄", "\x01"]
VALUES: dict[str, list[Any]] = {
    "BigInteger": [0, -1, 2**63 - 1],
    "String": [*TEXTS, StreamState.APPROVAL],
    "Text": [*TEXTS, StreamState.OK],
    "Boolean": [True, False],
    "Date": [date(2026, 11, 24), date(1, 1, 1)],
    "UTCDateTime": [
        datetime(2026, 3, 1, 12, 0, 0, 123456, UTC),
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(9999, 12, 30, tzinfo=UTC),
        datetime(2026, 7, 1, 1, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    ],
    "LargeBinary": [b"", b"\x00\x01\\\t\n\xff", b"\\N"],
    "JSON": [{}, [], None, {"a": [1, None, "tab\t\\N\n \u2028 Ё"]}, "text", 1.5, True],
}
REGIONS: Table = Base.metadata.tables[Region.__tablename__]


@pytest.fixture
def connection(migrated_postgres: str) -> Iterator[Connection]:
    """A connection whose work is not committed."""
    engine = db.make_engine(migrated_postgres)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of PostgreSQL as COPY."""
    asked: list[str] = []
    copy = psycopg.Cursor.copy

    def note(cursor: Any, statement: str) -> Any:
        asked.append(statement)
        return copy(cursor, statement)

    monkeypatch.setattr(psycopg.Cursor, "copy", note)
    return asked


@pytest.mark.parametrize("name", [table.name for table in Base.metadata.sorted_tables])
def test_what_is_copied_is_what_insert_would_have_stored(connection: Connection, copies: list[str], name: str) -> None:
    table = Base.metadata.tables[name]
    rows = [{column.name: _value(column, number) for column in table.columns} for number in range(len(TEXTS) + 1)]
    # Its twin hides the table: nothing there refers to anything, and all values may come again.
    connection.execute(text(f"CREATE TEMPORARY TABLE {name} (LIKE {name} INCLUDING DEFAULTS)"))
    for row in rows:
        connection.execute(insert(table), row)
    inserted = _stored(connection, table)
    connection.execute(table.delete())
    assert not copies
    done = connection.execute(insert(table).execution_options(preserve_rowcount=True), rows)
    assert done.rowcount == len(rows)
    assert [copy.split()[:2] for copy in copies] == [["COPY", name]]
    assert _stored(connection, table) == inserted


def _value(column: Any, number: int) -> Any:
    if column.nullable and number % 4 == 3:
        return None
    values = VALUES[type(column.type).__name__]
    if isinstance(column.type, String) and column.type.length:
        values = [value[: column.type.length] for value in values]
    return values[number % len(values)]


def _stored(connection: Connection, table: Table) -> list[str]:
    """The rows as PostgreSQL shows them, in the order in which they came."""
    return list(connection.scalars(text(f"SELECT CAST({table.name} AS text) FROM {table.name} ORDER BY ctid")))


def test_what_is_left_out_gets_its_default(connection: Connection, copies: list[str]) -> None:
    connection.execute(insert(REGIONS), _regions(6))
    assert copies
    ids = connection.scalars(select(REGIONS.c.id)).all()
    assert len(set(ids)) == 6


def test_a_duplicate_is_a_race_and_leaves_nothing(connection: Connection, copies: list[str]) -> None:
    with pytest.raises(IntegrityError) as caught, connection.begin_nested():
        connection.execute(insert(REGIONS), [*_regions(6), *_regions(1)])
    assert copies
    assert db.is_race(caught.value)
    assert not connection.scalar(select(func.count()).select_from(REGIONS))


def test_what_cannot_be_stored_is_an_error_of_the_data(connection: Connection, copies: list[str]) -> None:
    with pytest.raises(DataError) as caught, connection.begin_nested():
        connection.execute(insert(REGIONS), [*_regions(6), {"name": "no\0"}])
    assert copies
    assert db.is_about_data(caught.value)
    assert not connection.scalar(select(func.count()).select_from(REGIONS)), "the connection is of use"


def test_what_is_more_than_values_is_inserted(connection: Connection, copies: list[str]) -> None:
    rows = _regions(6)
    computed = insert(REGIONS).values(name=func.upper(bindparam("low")))
    connection.execute(computed, [{"low": row["name"]} for row in rows])
    connection.execute(postgresql.insert(REGIONS).on_conflict_do_nothing(), rows)
    returned = connection.execute(insert(REGIONS).returning(REGIONS.c.id), _regions(6, "other"))
    assert len(returned.all()) == 6
    assert not copies
    assert connection.scalar(select(func.count()).select_from(REGIONS)) == 18


def test_one_column_alone_is_copied(connection: Connection, copies: list[str]) -> None:
    connection.execute(text("CREATE TEMPORARY TABLE lonely (name text)"))
    lonely = Table("lonely", type(Base.metadata)(), *[REGIONS.c.name._copy()])
    connection.execute(insert(lonely), [{"name": str(number)} for number in range(6)])
    assert copies == ["COPY lonely (name) FROM STDIN"]
    assert connection.scalars(select(lonely.c.name)).all() == ["0", "1", "2", "3", "4", "5"]


def _regions(how_many: int, name: str = "region") -> list[dict[str, Any]]:
    return [{"name": f"{name} {number}"} for number in range(how_many)]
