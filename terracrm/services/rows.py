"""Reading plain columns: what pages ask for many times over, at half the price of asking through the session.

The session looks for objects in every result. Rows of columns have none, and are read from its connection, in the same
transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVarTuple

from sqlalchemy import Row, Select
from sqlalchemy.orm import Session

Columns = TypeVarTuple("Columns")


def fetch(
    session: Session, statement: Select[*Columns], known: Mapping[str, Any] | None = None
) -> Sequence[Row[*Columns]]:
    """The rows of a statement that selects columns; an object that it names comes as its columns."""
    session.flush()
    return session.connection().execute(statement, known).all()


def first(
    session: Session, statement: Select[*Columns], known: Mapping[str, Any] | None = None
) -> Row[*Columns] | None:
    """The first of these rows."""
    session.flush()
    return session.connection().execute(statement, known).first()
