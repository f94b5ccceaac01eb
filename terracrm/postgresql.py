"""An engine for PostgreSQL: how its connections are set up, and many rows written by COPY."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event

FEWEST_COPIED = 5  # rows; COPY itself takes two round trips
# INSERT of parameters alone; what returns, resolves conflicts or computes is written otherwise.
_PARAMETER = r"%\((\w+)\)s(?:::[A-Z ]+)?"
_PLAIN_INSERT = re.compile(rf"INSERT INTO (\S+ \([^()]+\)) VALUES \(({_PARAMETER}(?:, {_PARAMETER})*)\)")  # noqa: S608


def make_engine(url: URL) -> Engine:
    """An engine of psycopg for this URL; nothing is opened yet."""
    engine = create_engine(url, pool_pre_ping=True, hide_parameters=True)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "do_executemany", _copy)
    return engine


def _prepare(connection: Any, _: Any) -> None:
    # A plan that was prepared while a table was empty would read it row by row when it is full.
    connection.prepare_threshold = None
    # Short queries with long conditions are taken for long ones: compiling them takes 0.1 s each.
    connection.execute("SET jit = off")
    connection.commit()


def _copy(cursor: Any, statement: str, rows: Sequence[dict[str, Any]], _: Any) -> bool:
    """Write many rows of a plain INSERT by COPY, which parses no statement for each; whether it was done.

    The values were prepared for the INSERT and mean the same here: PostgreSQL reads both as the type of the column.
    """
    copied = _copied(statement) if len(rows) >= FEWEST_COPIED else None
    if copied is None:
        return False
    target, names = copied
    values = itemgetter(*names, names[0])  # of one name alone it would give no tuple
    with cursor.copy(f"COPY {target} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(values(row)[:-1])
    return True


@lru_cache(maxsize=500)
def _copied(statement: str) -> tuple[str, list[str]] | None:
    """The table with its columns, and the parameters in their order; None when it is no plain INSERT."""
    found = _PLAIN_INSERT.fullmatch(statement)
    return (found[1], re.findall(_PARAMETER, found[2])) if found else None
