"""Many rows at once: added by one statement for each table, found by one parameter."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import ARRAY, JSON, BindParameter, ColumnElement, Table, bindparam, func, insert, select, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Session

from terracrm.models import Base


def add(session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows of one shape to a table; what they leave out gets its default. Nothing happens without rows."""
    if rows:
        session.execute(insert(cast(Table, table.__table__)), rows)


def new_ids(session: Session, table: type[Base], how_many: int) -> list[int]:
    """Ids for rows that this transaction is about to add, in rising order.

    To have ids returned takes SQLite a statement for each row. There, rows are numbered on from the highest id and one
    transaction writes at a time (`db.begin_write`): the rows would get the same ids by themselves. PostgreSQL gives
    the ids out.
    """
    if not how_many:
        return []
    if session.get_bind().dialect.name == "sqlite":
        (column,) = table.__table__.primary_key
        last = session.scalar(select(func.max(column))) or 0
        return list(range(last + 1, last + 1 + how_many))
    sequence = func.nextval(func.pg_get_serial_sequence(table.__tablename__, "id"))
    return list(session.scalars(select(sequence).select_from(func.generate_series(1, how_many))))


def among(
    session: Session, column: InstrumentedAttribute[Any], values: Collection[str] | Collection[int]
) -> ColumnElement[bool]:
    """Whether a column says one of these: a single parameter, however many they are.

    A list of some hundred parameters takes several times as long to make and to send as what it asks for.
    """
    return one_of(column, bindparam(None, list(values), unique=True), session.get_bind().dialect.name)


def one_of(column: InstrumentedAttribute[Any], given: BindParameter[Any], dialect: str) -> ColumnElement[bool]:
    """The same of a list that is given later: for statements that are kept, each for one kind of database."""
    if dialect == "sqlite":
        told = func.json_each(type_coerce(given, JSON)).table_valued("value")
        return column.in_(select(told.c.value))
    return column == func.any(type_coerce(given, ARRAY(column.type)))
