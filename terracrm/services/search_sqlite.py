"""The full-text index of the history on SQLite: FTS5, in the order of time.

The row of an activity stands at a place that grows with the time it happened, so that the newest hits of any words are
met first and nothing is counted or sorted. `activity_search_rows` says at which place an activity stands, and keeps
its words, which FTS5 asks for when the row is removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.orm import Session

from terracrm.services.timeline import Cursor

IDS = 2**31
LAST_SECOND = 2**32  # of 2106, and as long before 1970: what is said to be beyond stands there
MOST_ENDINGS = 100
BEHIND_ALL = 2**63 - 1
STEPS, GROWTH = 2000, 2

_PLACES = text("SELECT place, words FROM activity_search_rows WHERE activity_id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)
_ADD_ROW = text("INSERT INTO activity_search_rows (place, activity_id, words) VALUES (:place, :id, :words)")
_ADD = text("INSERT INTO activity_search (rowid, words) VALUES (:place, :words)")
_REMOVE = text("INSERT INTO activity_search (activity_search, rowid, words) VALUES ('delete', :place, :words)")
_REMOVE_ROW = text("DELETE FROM activity_search_rows WHERE place = :place")
_NEWEST = text(
    "SELECT rowid FROM activity_search WHERE activity_search MATCH :query AND rowid < :before"
    " ORDER BY rowid DESC LIMIT :size"
)
# Each word that there is once: FTS5's own list of words has a row for each place of a word.
_ENDINGS = text(
    "WITH RECURSIVE found (term) AS ("
    "SELECT * FROM (SELECT term FROM activity_search_terms WHERE term >= :start LIMIT 1)"
    " UNION ALL SELECT (SELECT term FROM activity_search_terms WHERE term >= found.term || char(1) LIMIT 1)"
    " FROM found WHERE substr(found.term, 1, length(:start)) = :start)"
    " SELECT term FROM found WHERE substr(term, 1, length(:start)) = :start LIMIT :most"
)


def place_of(occurred_at: datetime, activity_id: int) -> int:
    """Where an activity stands: by the second, then by its number; within 64 bits, whatever a mail says of its date."""
    seconds = int(occurred_at.astimezone(UTC).timestamp() // 1)
    return max(-LAST_SECOND, min(seconds, LAST_SECOND - 1)) * IDS + min(activity_id, IDS - 1)


def add(session: Session, rows: Sequence[tuple[int, datetime, str]]) -> None:
    """Let activities be found by these words (id, when, stemmed words) and by no others."""
    remove(session, [id_ for id_, _, _ in rows])
    # Rows in descending order would each be written by themselves.
    placed = sorted(({"place": place_of(at, id_), "id": id_, "words": words} for id_, at, words in rows), key=_place)
    session.execute(_ADD_ROW, placed)
    session.execute(_ADD, placed)


def remove(session: Session, ids: Sequence[int]) -> None:
    """Let these activities be found no more."""
    found = session.execute(_PLACES, {"ids": list(ids)}).mappings().all()
    if placed := sorted(map(dict, found), key=_place):
        session.execute(_REMOVE, placed)
        session.execute(_REMOVE_ROW, placed)


def newest(session: Session, words: Sequence[str], after: Cursor | None, first: int) -> Iterator[list[int]]:
    """The ids of what has all the words, the last one as a beginning: the newest first, so many, then ever more."""
    query = _query(session, words)
    before = place_of(after.occurred_at, after.activity_id) if after else BEHIND_ALL
    size = first
    while query:
        places = session.scalars(_NEWEST, {"query": query, "before": before, "size": size}).all()
        yield [place % IDS for place in places]
        if len(places) < size:
            return
        before, size = places[-1], min(GROWTH * size, STEPS)


def _query(session: Session, words: Sequence[str]) -> str:
    """What FTS5 is asked; "" when no word begins like the last one.

    The endings are looked up, for of a beginning FTS5 gathers all hits before it gives the first.
    """
    *whole, last = (f'"{word}"' for word in words)
    if len(words[-1]) > 1:
        endings = session.scalars(_ENDINGS, {"start": words[-1], "most": MOST_ENDINGS + 1}).all()
        if not endings:
            return ""
        last = f"{last}*" if len(endings) > MOST_ENDINGS else " OR ".join(f'"{word}"' for word in endings)
    return " AND ".join((*whole, f"({last})"))


def _place(row: dict[str, Any]) -> int:
    return int(row["place"])
