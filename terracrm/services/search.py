"""Full-text search over contacts, companies and the history, under the access policy (P5, invariant 7).

Text and query are stemmed alike by `domain.words`; the words that reach the database are letters and digits only,
so that no query can break the syntax of either full-text engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    TableClause,
    cast,
    column,
    func,
    literal,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR
from sqlalchemy.orm import Session

from terracrm.domain.words import stem
from terracrm.models import Activity, Company, Contact, UTCDateTime
from terracrm.services import access, companies, contacts, timeline
from terracrm.services.access import Viewer

IndexName = Literal["activity_search", "contact_search", "company_search"]
MAX_QUERY = 200
MAX_TEXT = 200_000  # characters; PostgreSQL takes a megabyte of words
MAX_WORDS = 12
SHORTEST_PREFIX = 2
PEOPLE_SHOWN = 8
FEW = 2000
_TO_BE_WIPED = "search.to_be_wiped"


@dataclass(frozen=True, slots=True)
class Found:
    """What a query found: the best known clients by name, and one page of the history, newest first."""

    companies: list[companies.CompanyRow]
    contacts: list[contacts.ContactRow]
    history: timeline.Page


def index_activities(session: Session, rows: Sequence[tuple[int, datetime, str]]) -> None:
    """Make activities findable: (id, when, text); what was there for an id is replaced."""
    _index(
        session, "activity_search", [{"id": id_, "at": at, "words": stem(words[:MAX_TEXT])} for id_, at, words in rows]
    )


def index_contacts(session: Session, rows: Sequence[tuple[int, str]]) -> None:
    """Make contacts findable: (id, text); what was there for an id is replaced."""
    _index(session, "contact_search", [{"id": id_, "at": None, "words": stem(words[:MAX_TEXT])} for id_, words in rows])


def index_companies(session: Session, rows: Sequence[tuple[int, str]]) -> None:
    """Make companies findable: (id, text); what was there for an id is replaced."""
    _index(session, "company_search", [{"id": id_, "at": None, "words": stem(words[:MAX_TEXT])} for id_, words in rows])


def remove(session: Session, index_name: IndexName, ids: Sequence[int]) -> None:
    """Make these no longer findable."""
    if ids:
        key = "rowid" if _is_sqlite(session) else "id"
        session.execute(text(f"DELETE FROM {index_name} WHERE {key} = :id"), [{"id": id_} for id_ in ids])  # noqa: S608


def forget_words(session: Session) -> None:
    """What was just made unfindable of clients, or replaced, became private: `wipe_clients` before the commit (S4)."""
    session.info[_TO_BE_WIPED] = True


def wipe_clients(session: Session) -> None:
    """Leave no word of what is to be forgotten in the indexes of clients.

    FTS5 keeps the words of removed rows until it merges its segments: that takes up to 0.7 s for 40,000 contacts, so
    it is done once for many.
    """
    if session.info.pop(_TO_BE_WIPED, False) and _is_sqlite(session):
        for index_name in ("contact_search", "company_search"):
            session.execute(text(f"INSERT INTO {index_name} ({index_name}) VALUES ('optimize')"))  # noqa: S608


def find(session: Session, viewer: Viewer, query: str, after: timeline.Cursor | None = None) -> Found:
    """Look everywhere for all the words of `query`, the last one as the beginning of a word.

    `after` continues the history; the clients are then left out. A query without a word finds nothing.
    """
    words = _words(query)
    if not words:
        return Found([], [], timeline.Page([], None))
    found = clients(session, viewer, query) if after is None else Found([], [], timeline.Page([], None))
    if not viewer.reads_content:
        return found
    return replace(found, history=_history(session, viewer, words, after))


def clients(session: Session, viewer: Viewer, query: str) -> Found:
    """The clients alone that `find` finds."""
    nothing, words = timeline.Page([], None), _words(query)
    if not words:
        return Found([], [], nothing)
    companies_found, contacts_found = (_ids(session, name, words) for name in ("company_search", "contact_search"))
    return Found(
        companies.some(session, viewer, Company.id.in_(companies_found), PEOPLE_SHOWN),
        contacts.some(session, viewer, Contact.id.in_(contacts_found), PEOPLE_SHOWN),
        nothing,
    )


def _words(query: str) -> list[str]:
    return stem(query[:MAX_QUERY]).split()[:MAX_WORDS]


def _history(session: Session, viewer: Viewer, words: list[str], after: timeline.Cursor | None) -> timeline.Page:
    """A page of the matching history. How it is walked decides between milliseconds and seconds."""
    readable = select(Activity).where(access.readable_activities(viewer))
    matching = _ids(session, "activity_search", words)
    if not _is_sqlite(session):
        index = _postgres_index("activity_search")
        rows = readable.join(index, index.c.id == Activity.id).where(_matches(index, words))
        return timeline.page_of(session, viewer, rows, index.c.occurred_at, index.c.id, after=after)
    hits = session.scalar(select(func.count()).select_from(matching.limit(FEW + 1).subquery())) or 0
    # A few hits are looked up and sorted. Of many, the newest are met soon: walk the history from its end, which
    # an expression in place of the key makes SQLite do.
    key = Activity.id if hits <= FEW else Activity.id + 0
    rows = readable.where(key.in_(matching))
    return timeline.page_of(session, viewer, rows, Activity.occurred_at, Activity.id, after=after)


def _index(session: Session, index_name: IndexName, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    if _is_sqlite(session):
        statement = f"INSERT OR REPLACE INTO {index_name} (rowid, words) VALUES (:id, :words)"  # noqa: S608
        session.execute(text(statement), [{"id": row["id"], "words": row["words"]} for row in rows])
        return
    statement = (
        f"INSERT INTO {index_name} (id, occurred_at, words)"  # noqa: S608
        " VALUES (:id, :at, array_to_tsvector(string_to_array(:words, ' ')))"
        " ON CONFLICT (id) DO UPDATE SET occurred_at = EXCLUDED.occurred_at, words = EXCLUDED.words"
    )
    session.execute(text(statement), rows)


def _ids(session: Session, index_name: IndexName, words: list[str]) -> Select[int]:
    """The ids of what has all the words, the last one as a prefix; a subquery."""
    if _is_sqlite(session):
        index = table(index_name, column("rowid", BigInteger), column("words", String))
        return select(index.c.rowid).where(index.c.words.op("MATCH", is_comparison=True)(_fts5_query(words)))
    index = _postgres_index(index_name)
    return select(index.c.id).where(_matches(index, words))


def _postgres_index(index_name: IndexName) -> TableClause:
    return table(index_name, column("id", BigInteger), column("occurred_at", UTCDateTime), column("words", TSVECTOR))


def _matches(index: TableClause, words: list[str]) -> ColumnElement[bool]:
    return index.c.words.bool_op("@@")(cast(literal(_ts_query(words), String), TSQUERY))


def _fts5_query(words: list[str]) -> str:
    quoted = [f'"{word}"' for word in words]
    return " ".join(quoted) + ("*" if len(words[-1]) >= SHORTEST_PREFIX else "")


def _ts_query(words: list[str]) -> str:
    quoted = [f"'{word}'" for word in words]
    return " & ".join(quoted) + (":*" if len(words[-1]) >= SHORTEST_PREFIX else "")


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
