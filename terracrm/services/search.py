"""Full-text search over contacts, companies and the history, under the access policy (P5, invariant 7).

Text and query are stemmed alike by `domain.words`; the words that reach the database are letters and digits only,
so that no query can break the syntax of either full-text engine.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import ModuleType
from typing import Literal

from sqlalchemy import BigInteger, Select, String, bindparam, cast, column, literal, select, table, text
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR
from sqlalchemy.orm import Session

from terracrm.domain.relevance import relevance
from terracrm.domain.words import Words, is_beginning, stem
from terracrm.models import Activity, Company, Contact
from terracrm.services import access, bulk, companies, contacts, search_postgres, search_sqlite, timeline
from terracrm.services.access import Viewer
from terracrm.services.rows import fetch

Hits = search_sqlite.Hits | search_postgres.Hits
IndexName = Literal["activity_search", "contact_search", "company_search"]
MAX_QUERY = 200
MAX_WORDS = 12
PEOPLE_SHOWN = 8
STEP, GROWTH, MOST_HITS = 20, 3, 2000  # hits looked at in one step, for who reads a part of them
RANKED, MOST_TO_RANK = 500, 1000  # hits that are compared; that are looked at to have them
_SAID = select(Activity.id, Activity.subject, Activity.snippet).where(bulk.one_of(Activity.id, bindparam("ids")))
_TO_BE_WIPED = "search.to_be_wiped"


class Order(StrEnum):
    """In which order the history that was found is shown."""

    NEWEST = "newest"
    RELEVANT = "relevant"


@dataclass(frozen=True, slots=True)
class Ranked:
    """One page of the history that was found, the most relevant first, and the number of the next page; None after the
    last. `among`: only so many, the newest, were compared, because there are more; None when it was all.
    """

    entries: list[timeline.Entry]
    next: int | None
    among: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a query found: the best known clients by name, and one page of the history, newest first."""

    companies: list[companies.CompanyRow]
    contacts: list[contacts.ContactRow]
    history: timeline.Page


NOTHING = Found([], [], timeline.Page([], None))


def index_activities(session: Session, rows: Sequence[tuple[int, datetime, str]]) -> None:
    """Make activities findable: (id, when, text); what was there for an id is replaced."""
    index_words(session, [(id_, at, Words(text)) for id_, at, text in rows])


def index_words(session: Session, rows: Sequence[tuple[int, datetime, Words]]) -> None:
    """Make activities findable by these words: (id, when, words).

    On SQLite at once. On PostgreSQL many of them wait until `follow`; until then, what they replace is found.
    """
    if rows:
        _history_index(session).add(session, rows)


def follow(session: Session) -> bool:
    """Take one short step of making findable what waits for it; whether more may wait.

    In a transaction of its own. Nothing waits on SQLite.
    """
    return not _is_sqlite(session) and search_postgres.follow(session)


def settle(session: Session) -> None:
    """Put the words that were added into their place: what is found stays the same, and is found faster.

    In a transaction of its own, after much was added. SQLite keeps up by itself.
    """
    if not _is_sqlite(session):
        search_postgres.settle(session)


def forget(session: Session) -> bool:
    """Take one short step of forgetting the words of what was removed from the history; whether there are more (S4).

    In a transaction of its own that writes. PostgreSQL forgets them by itself.
    """
    return _is_sqlite(session) and search_sqlite.forget(session)


def index_contacts(session: Session, rows: Sequence[tuple[int, str]]) -> None:
    """Make contacts findable: (id, text); what was there for an id is replaced."""
    _index(session, "contact_search", rows)


def index_companies(session: Session, rows: Sequence[tuple[int, str]]) -> None:
    """Make companies findable: (id, text); what was there for an id is replaced."""
    _index(session, "company_search", rows)


def remove(session: Session, index_name: IndexName, ids: Sequence[int]) -> None:
    """Make these no longer findable."""
    if not ids:
        return
    if index_name == "activity_search":
        _history_index(session).remove(session, ids)
        return
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
        return NOTHING
    found = clients(session, viewer, query) if after is None else NOTHING
    if not viewer.reads_content:
        return found
    return replace(found, history=history(session, viewer, query, after))


def history(session: Session, viewer: Viewer, query: str, after: timeline.Cursor | None = None) -> timeline.Page:
    """A page of the history alone that `find` finds."""
    return timeline.page_of_ids(session, viewer, newest(session, viewer, query, after))


def newest(session: Session, viewer: Viewer, query: str, after: timeline.Cursor | None = None) -> list[int]:
    """The newest activities that have all the words and that the viewer may read: a page of ids, and more if any.

    The index gives hits, the newest first, until there is a page of those that may be read.
    """
    words, found = _words(query), list[int]()
    if not words or not viewer.reads_content:
        return found
    hits = _history_index(session).Hits(session, words, after)
    return _readable(session, viewer, hits, timeline.PAGE_SIZE + 1)


def _readable(session: Session, viewer: Viewer, hits: Hits, wanted: int, most: int = sys.maxsize) -> list[int]:
    """So many of the next hits as the viewer may read, and some more if they were looked at; fewer when there are no
    others, or when `most` were looked at.

    How many are looked at next follows from how many of those before may be read: looking takes most of the time.
    """
    if viewer.sees_all:
        return hits.take(wanted)
    found, looked_at, size = list[int](), 0, min(4 * wanted, MOST_HITS, most)
    while size and not hits.is_over and len(found) < wanted:
        ids = hits.take(size)
        seen = {id_ for (id_,) in fetch(session, _seen_of(viewer), {"ids": ids})}
        found += [id_ for id_ in ids if id_ in seen]
        looked_at += len(ids)
        missing = (wanted - len(found)) * looked_at // (len(found) or 1)
        size = min(missing + missing // 4 + STEP, GROWTH * looked_at, MOST_HITS, most - looked_at)
    return found


def ranked(session: Session, viewer: Viewer, query: str, page: int = 1) -> Ranked:
    """A page of the history that has all the words: of the newest that the viewer may read those that are most about
    them first, of equal ones the newest.
    """
    words = _words(query)
    if not words or not viewer.reads_content:
        return Ranked([], None, None)
    hits = _history_index(session).Hits(session, words, None)
    ids = _readable(session, viewer, hits, RANKED + 1, MOST_TO_RANK)
    is_all = hits.is_over and len(ids) <= RANKED
    by_relevance = _by_relevance(session, words, ids[:RANKED])
    first, behind = (page - 1) * timeline.PAGE_SIZE, page * timeline.PAGE_SIZE
    entries = timeline.page_of_ids(session, viewer, by_relevance[first:behind]).entries
    return Ranked(entries, page + 1 if behind < len(by_relevance) else None, None if is_all else len(by_relevance))


def _by_relevance(session: Session, words: list[str], ids: list[int]) -> list[int]:
    said = fetch(session, _SAID, {"ids": ids})
    found = {id_: relevance(words, stem(subject), stem(snippet)) for id_, subject, snippet in said}
    return sorted((id_ for id_ in ids if id_ in found), key=lambda id_: -found[id_])


def clients(session: Session, viewer: Viewer, query: str) -> Found:
    """The clients alone that `find` finds."""
    words = _words(query)
    if not words:
        return NOTHING
    companies_found, contacts_found = (_ids(session, name, words) for name in ("company_search", "contact_search"))
    return Found(
        companies.some(session, viewer, Company.id.in_(companies_found), PEOPLE_SHOWN),
        contacts.some(session, viewer, Contact.id.in_(contacts_found), PEOPLE_SHOWN),
        NOTHING.history,
    )


def _words(query: str) -> list[str]:
    return stem(query[:MAX_QUERY]).split()[:MAX_WORDS]


@access.kept
def _seen_of(viewer: Viewer) -> Select[int]:
    asked = bulk.one_of(Activity.id, bindparam("ids"))
    return select(Activity.id).where(asked, access.readable_activities(viewer))


def _history_index(session: Session) -> ModuleType:
    return search_sqlite if _is_sqlite(session) else search_postgres


def _index(session: Session, index_name: IndexName, rows: Sequence[tuple[int, str]]) -> None:
    if not rows:
        return
    statement = f"INSERT OR REPLACE INTO {index_name} (rowid, words) VALUES (:id, :words)"  # noqa: S608
    if not _is_sqlite(session):
        statement = (
            f"INSERT INTO {index_name} (id, words)"  # noqa: S608
            " VALUES (:id, array_to_tsvector(string_to_array(:words, ' ')))"
            " ON CONFLICT (id) DO UPDATE SET words = EXCLUDED.words"
        )
    session.execute(text(statement), [{"id": id_, "words": Words(said).stems} for id_, said in rows])


def _ids(session: Session, index_name: IndexName, words: list[str]) -> Select[int]:
    """The ids of the clients that have all the words, the last one as a beginning; a subquery."""
    if _is_sqlite(session):
        index = table(index_name, column("rowid", BigInteger), column("words", String))
        return select(index.c.rowid).where(index.c.words.op("MATCH", is_comparison=True)(_fts5_query(words)))
    index = table(index_name, column("id", BigInteger), column("words", TSVECTOR))
    asked = cast(literal(search_postgres.ts_query(words), String), TSQUERY)
    return select(index.c.id).where(index.c.words.bool_op("@@")(asked))


def _fts5_query(words: list[str]) -> str:
    quoted = [f'"{word}"' for word in words]
    return " ".join(quoted) + ("*" if is_beginning(words[-1]) else "")


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
