"""Many rows at once: added by one statement for each table, found by one parameter."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    Dialect,
    Table,
    Text,
    bindparam,
    func,
    insert,
    select,
    type_coerce,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

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


Column = ColumnElement[Any] | InstrumentedAttribute[Any]


class Listed(TypeDecorator[Sequence[Any]]):
    """A list as one parameter: an array of PostgreSQL, for SQLite JSON."""

    impl = Text
    cache_ok = True

    def __init__(self, of: TypeEngine[Any]) -> None:
        super().__init__()
        self.of = of

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Which of the two."""
        return dialect.type_descriptor(ARRAY(self.of) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Collection[Any] | None, dialect: Dialect) -> Any:
        """As the driver takes it; ids, which pages ask for many times over, the short way."""
        if value is None or dialect.name == "postgresql":
            return value
        return f"[{','.join(map(str, value))}]" if self.of.python_type is int else json.dumps(list(value))


class _OneOf(FunctionElement[Any]):
    """Of no type: SQLite would be asked whether a Boolean equals 1, and would look into no index."""

    inherit_cache = True


def one_of(column: Column, given: BindParameter[Any] | Collection[str] | Collection[int]) -> ColumnElement[bool]:
    """Whether a column says one of these values, or of a list that is given later: a single parameter, however many
    they are. The statement holds for any database, so it may be kept.

    A list of some hundred parameters takes several times as long to make and to send as what it asks for.
    """
    said = given if isinstance(given, BindParameter) else bindparam(None, list(given), unique=True)
    return _OneOf(column, type_coerce(said, Listed(column.type)))


@compiles(_OneOf)
def _said(element: _OneOf, compiler: SQLCompiler, **how: Any) -> str:
    column, given = (compiler.process(each, **how) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({given}))"  # noqa: S608


@compiles(_OneOf, "postgresql")
def _said_to_postgresql(element: _OneOf, compiler: SQLCompiler, **how: Any) -> str:
    column, given = (compiler.process(each, **how) for each in element.clauses)
    return f"{column} = ANY ({given})"
