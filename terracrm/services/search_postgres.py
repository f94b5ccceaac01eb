"""The full-text index of the history on PostgreSQL: words with a GIN index, beside the time with a btree.

GIN finds rare words and gathers all hits before it gives the first; walking back in time meets common words at once.
Which of the two it is shows when the newest rows are looked at, and is not left to the planner: what it knows of words
is little, and of beginnings nothing.

Words of a few activities are in the index at once. Of many, as a page of a first mirror brings them, what they say
waits in `activity_search_waiting`, and `follow` makes words of it, a part at a time: nothing else waits for that then.
Whoever takes words out, or replaces them, does so first where they wait. Those that follow hold what they took until it
is in the index, so that it is taken out there.

In the index, new words wait in its own list, of bounded length, which is read by each search; after much was written,
they are put where they belong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from terracrm.domain.words import Words, is_beginning, stem
from terracrm.services.timeline import Cursor

FEW = 20  # activities: their words are worth no table in between, and are found at once
FOLLOW_AT_ONCE = 500  # activities; some tenths of a second
WALK, LONGEST_WALK = 1000, 20_000  # rows; the longest takes about as long as GIN does for words that need it
AT_ONCE = 250  # hits: for more of them GIN would be asked sooner, which takes the longer the more common the words are
KEPT = 2000  # hits for the next steps: to find them takes as long as to find a few

_GIVEN = "unnest(CAST(:ids AS bigint[]), CAST(:times AS timestamptz[]), CAST(:texts AS text[])) given (id, at, said)"
_ADD = text(
    "INSERT INTO activity_search (id, occurred_at, words)"  # noqa: S608
    f" SELECT id, at, array_to_tsvector(string_to_array(said, ' ')) FROM {_GIVEN}"
    " ON CONFLICT (id) DO UPDATE SET occurred_at = EXCLUDED.occurred_at, words = EXCLUDED.words"
)
_WAIT = text(
    f"INSERT INTO activity_search_waiting (id, occurred_at, said) SELECT id, at, said FROM {_GIVEN}"  # noqa: S608
    " ON CONFLICT (id) DO UPDATE SET occurred_at = EXCLUDED.occurred_at, said = EXCLUDED.said"
)
_TAKE = text(
    "DELETE FROM activity_search_waiting WHERE id = ANY (ARRAY(SELECT id FROM activity_search_waiting"
    " ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED)) RETURNING id, occurred_at, said"
)
# Only its owner may, who is who made the tables.
_SETTLE = text(
    "SELECT gin_clean_pending_list(oid) FROM pg_class"
    " WHERE oid = CAST('ix_activity_search_words' AS regclass) AND pg_has_role(relowner, 'USAGE')"
)
_REMOVE_WAITING = text("DELETE FROM activity_search_waiting WHERE id = ANY (CAST(:ids AS bigint[]))")
_REMOVE = text("DELETE FROM activity_search WHERE id = ANY (CAST(:ids AS bigint[]))")
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


def add(session: Session, rows: Sequence[tuple[int, datetime, Words]]) -> None:
    """Let activities be found by these words (id, when, words) and by no others: a few at once, many later."""
    if len(rows) > FEW:
        _write(session, _WAIT, [(id_, at, words.text) for id_, at, words in rows])
    else:
        session.execute(_REMOVE_WAITING, {"ids": [id_ for id_, _, _ in rows]})
        _write(session, _ADD, [(id_, at, words.stems) for id_, at, words in rows])


def follow(session: Session) -> bool:
    """Let some of what waits be found, or all; whether more may wait. What others hold is left to them."""
    rows = session.execute(_TAKE, {"most": FOLLOW_AT_ONCE}).all()
    if rows:
        _write(session, _ADD, [(id_, at, stem(said)) for id_, at, said in rows])
    return len(rows) == FOLLOW_AT_ONCE


def settle(session: Session) -> None:
    """Put the words that wait in the list of the index into it, all at once; those who write need not wait for it."""
    session.execute(_SETTLE)


def remove(session: Session, ids: Sequence[int]) -> None:
    """Let these activities be found no more."""
    for statement in (_REMOVE_WAITING, _REMOVE):  # in this order: what was taken meanwhile is in the index then
        session.execute(statement, {"ids": list(ids)})


def _write(session: Session, statement: TextClause, rows: Iterable[tuple[int, datetime, str]]) -> None:
    ids, times, texts = zip(*rows, strict=True)
    session.execute(statement, {"ids": list(ids), "times": list(times), "texts": list(texts)})


class Hits:
    """The ids of what has all the words, the last one as a beginning: the newest first, as many at a time as wanted.

    `is_over` when the last ones were taken.
    """

    def __init__(self, session: Session, words: Sequence[str], after: Cursor | None) -> None:
        self._session = session
        self._asked: dict[str, Any] = {"query": ts_query(words), "at": "infinity", "id": 0}
        if after:
            self._asked |= {"at": after.occurred_at.isoformat(), "id": after.activity_id}
        self._waiting: Sequence[Row[Any]] = []
        self._are_last = self.is_over = False

    def take(self, size: int) -> list[int]:
        """The next so many, or all that are left."""
        ids = self._some(min(size, AT_ONCE))
        while len(ids) < size and not self.is_over:
            ids += self._some(min(size - len(ids), AT_ONCE))
        return ids

    def _some(self, size: int) -> list[int]:
        if len(self._waiting) < size and not self._are_last:
            self._waiting = self._walked(size) or self._gathered()
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        self.is_over = len(taken) < size
        if taken:
            self._asked |= {"at": taken[-1].occurred_at.isoformat(), "id": taken[-1].id}
        return [hit.id for hit in taken]

    def _walked(self, size: int) -> Sequence[Row[Any]]:
        """At least so many of the newest hits, met on a walk back in time; none when it would be too long."""
        rows = max(WALK, size)
        found = self._met(rows)
        needed = rows * size // (len(found) or 1)
        if len(found) < size and 3 * needed <= 2 * LONGEST_WALK:
            found = self._met(min(2 * needed, LONGEST_WALK))
        return found if len(found) >= size else []

    def _met(self, rows: int) -> Sequence[Row[Any]]:
        return self._session.execute(_WALK, {**self._asked, "size": KEPT, "walk": rows}).all()

    def _gathered(self) -> Sequence[Row[Any]]:
        """Many of the newest of all hits, or all that there are."""
        found = self._session.execute(_GATHER, {**self._asked, "size": KEPT}).all()
        self._are_last = len(found) < KEPT
        return found


def ts_query(words: Sequence[str]) -> str:
    """The words as PostgreSQL is asked for them: all of them, the last one as a beginning."""
    quoted = [f"'{word}'" for word in words]
    return " & ".join(quoted) + (":*" if is_beginning(words[-1]) else "")
