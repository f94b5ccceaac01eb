"""The full-text index of the history on SQLite: FTS5, in the order of time.

The row of an activity stands at a place that grows with the time it happened, so that the newest hits of any words are
met first and nothing is counted or sorted. `activity_search_rows` says at which place an activity stands, and keeps
its words, which FTS5 asks for when the row is removed.

FTS5 keeps the words of removed rows until the parts that have them are merged. What is withdrawn must not stay (S4), so
all is merged after a removal, a little at a time (`forget`); `user_version` of the file says what is still to be done.
FTS5's own secure-delete would do it at once, and is not used: older versions of SQLite could not read the file then.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Integer, bindparam, func, select, text
from sqlalchemy.orm import Session

from terracrm.domain.words import Words, is_beginning
from terracrm.services.timeline import Cursor

IDS = 2**31
LAST_SECOND = 2**32  # of 2106, and as long before 1970: what is said to be beyond stands there
MOST_ENDINGS = 100
BEHIND_ALL = 2**63 - 1
MERGED_AT_ONCE = 500  # pages of 4 KB
REMOVED, IS_MERGING = 1, 2  # in user_version: since the last merge began; a merge has begun

_PLACES = text("SELECT place, words FROM activity_search_rows WHERE activity_id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)
_ADD_ROW = text("INSERT INTO activity_search_rows (place, activity_id, words) VALUES (:place, :id, :words)")
_ADD = text("INSERT INTO activity_search (rowid, words) VALUES (:place, :words)")
_REMOVE = text("INSERT INTO activity_search (activity_search, rowid, words) VALUES ('delete', :place, :words)")
_REMOVE_ROW = text("DELETE FROM activity_search_rows WHERE place = :place")
_MERGE = text("INSERT INTO activity_search (activity_search, rank) VALUES ('merge', :pages)")
_CHANGES = select(func.total_changes(type_=Integer))
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


def add(session: Session, rows: Sequence[tuple[int, datetime, Words]]) -> None:
    """Let activities be found by these words (id, when, words) and by no others."""
    _remove(session, [id_ for id_, _, _ in rows])
    # Rows in descending order would each be written by themselves.
    placed = [{"place": place_of(at, id_), "id": id_, "words": words.stems} for id_, at, words in rows]
    placed.sort(key=_place)
    session.execute(_ADD_ROW, placed)
    session.execute(_ADD, placed)


def remove(session: Session, ids: Sequence[int]) -> None:
    """Let these activities be found no more; their words go with the next `forget`."""
    _remove(session, ids)
    _note(session, _noted(session) | REMOVED)


def forget(session: Session) -> bool:
    """One step of merging the words of what was removed away, under the write lock; whether there are more steps.

    What is written meanwhile is merged the next time: a merge that took it in would begin anew.
    """
    noted = _noted(session)
    if not noted:
        return False
    is_first = not noted & IS_MERGING
    before = session.scalars(_CHANGES).one()
    session.execute(_MERGE, {"pages": -MERGED_AT_ONCE if is_first else MERGED_AT_ONCE})
    is_over = session.scalars(_CHANGES).one() - before < 2  # as FTS5's documentation says
    _note(session, (0 if is_first else noted & REMOVED) | (0 if is_over else IS_MERGING))
    return not is_over


def _remove(session: Session, ids: Sequence[int]) -> None:
    found = session.execute(_PLACES, {"ids": list(ids)}).mappings().all()
    if placed := sorted(map(dict, found), key=_place):
        session.execute(_REMOVE, placed)
        session.execute(_REMOVE_ROW, placed)


class Hits:
    """The ids of what has all the words, the last one as a beginning: the newest first, as many at a time as wanted.

    `is_over` when the last ones were taken.
    """

    def __init__(self, session: Session, words: Sequence[str], after: Cursor | None) -> None:
        self._session, self._query = session, _query(session, words)
        self._before = place_of(after.occurred_at, after.activity_id) if after else BEHIND_ALL
        self.is_over = False

    def take(self, size: int) -> list[int]:
        """The next so many, or all that are left."""
        asked = {"query": self._query, "before": self._before, "size": size}
        places = self._session.scalars(_NEWEST, asked).all() if self._query else []
        self.is_over = len(places) < size
        self._before = places[-1] if places else self._before
        return [place % IDS for place in places]


def _query(session: Session, words: Sequence[str]) -> str:
    """What FTS5 is asked; "" when no word begins like the last one.

    The endings are looked up, for of a beginning FTS5 gathers all hits before it gives the first.
    """
    *whole, last = (f'"{word}"' for word in words)
    if is_beginning(words[-1]):
        endings = session.scalars(_ENDINGS, {"start": words[-1], "most": MOST_ENDINGS + 1}).all()
        if not endings:
            return ""
        last = f"{last}*" if len(endings) > MOST_ENDINGS else " OR ".join(f'"{word}"' for word in endings)
    return " AND ".join((*whole, f"({last})"))


def _noted(session: Session) -> int:
    return session.scalar(text("PRAGMA user_version")) or 0


def _note(session: Session, what: int) -> None:
    if what != _noted(session):
        session.execute(text(f"PRAGMA user_version = {what:d}"))


def _place(row: dict[str, Any]) -> int:
    return int(row["place"])
