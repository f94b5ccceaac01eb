"""The full-text index of the history on PostgreSQL: words with a GIN index, beside the time with a btree.

GIN finds rare words and gathers all hits before it gives the first; walking back in time meets common words at once.
Which of the two it is shows when the newest rows are looked at, and is not left to the planner: what it knows of words
is little, and of beginnings nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.orm import Session

from terracrm.services.timeline import Cursor

WALK, LONGEST_WALK = 1000, 20_000  # rows; the longest takes about as long as GIN does for words that need it
STEPS, GROWTH = 2000, 4

_ADD = text(
    "INSERT INTO activity_search (id, occurred_at, words)"
    " VALUES (:id, :at, array_to_tsvector(string_to_array(:words, ' ')))"
    " ON CONFLICT (id) DO UPDATE SET occurred_at = EXCLUDED.occurred_at, words = EXCLUDED.words"
)
_REMOVE = text("DELETE FROM activity_search WHERE id IN :ids").bindparams(bindparam("ids", expanding=True))
_BEFORE = "(occurred_at, id) < (CAST(:at AS timestamptz), :id)"
_MATCH = "words @@ CAST(:query AS tsquery)"
_IN_ORDER = "ORDER BY occurred_at DESC, id DESC LIMIT"
_WALK = text(
    "SELECT id, occurred_at FROM"  # noqa: S608
    f" (SELECT id, occurred_at, words FROM activity_search WHERE {_BEFORE} {_IN_ORDER} :walk) newest"
    f" WHERE {_MATCH} {_IN_ORDER} :size"
)
_GATHER = text(
    "WITH hits AS MATERIALIZED"  # noqa: S608
    f" (SELECT id, occurred_at FROM activity_search WHERE {_MATCH} AND {_BEFORE})"
    f" SELECT id, occurred_at FROM hits {_IN_ORDER} :size"
)


def add(session: Session, rows: Sequence[tuple[int, datetime, str]]) -> None:
    """Let activities be found by these words (id, when, stemmed words) and by no others."""
    session.execute(_ADD, [{"id": id_, "at": at, "words": words} for id_, at, words in rows])


def remove(session: Session, ids: Sequence[int]) -> None:
    """Let these activities be found no more."""
    session.execute(_REMOVE, {"ids": list(ids)})


def newest(session: Session, words: Sequence[str], after: Cursor | None, first: int) -> Iterator[list[int]]:
    """The ids of what has all the words, the last one as a beginning: the newest first, so many, then ever more."""
    asked: dict[str, Any] = {"query": ts_query(words), "at": "infinity", "id": 0, "size": first}
    if after:
        asked |= {"at": after.occurred_at.isoformat(), "id": after.activity_id}
    while True:
        hits = _hits(session, asked)
        yield [hit.id for hit in hits]
        if len(hits) < asked["size"]:
            return
        asked |= {"at": hits[-1].occurred_at.isoformat(), "id": hits[-1].id}
        asked["size"] = min(GROWTH * asked["size"], STEPS)


def ts_query(words: Sequence[str]) -> str:
    """The words as PostgreSQL is asked for them: all of them, the last one as a beginning."""
    quoted = [f"'{word}'" for word in words]
    return " & ".join(quoted) + (":*" if len(words[-1]) > 1 else "")


def _hits(session: Session, asked: dict[str, Any]) -> Sequence[Row[Any]]:
    wanted = asked["size"]
    walked = session.execute(_WALK, {**asked, "walk": max(WALK, wanted)}).all()
    if len(walked) >= wanted:
        return walked
    if (needed := 2 * max(WALK, wanted) * wanted // (len(walked) or 1)) <= LONGEST_WALK:
        walked = session.execute(_WALK, {**asked, "walk": needed}).all()
        if len(walked) >= wanted:
            return walked
    return session.execute(_GATHER, asked).all()
