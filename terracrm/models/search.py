"""Full-text indexes: FTS5 on SQLite, tsvector on PostgreSQL, both over words stemmed in Python.

FTS5 cannot find «Договоры» by «договор» nor fold ё, so `domain.words.stem` prepares the text and the query
alike, and both databases find the same. The tables are no models: `services.search` reads and writes them.

SQLite: `fts5(words)`, the rowid is the id; the history in the order of time, with its rows in `activity_search_rows`
(`services.search_sqlite`). PostgreSQL: `(id, occurred_at, words tsvector)` with a GIN index on the words and a btree on
the time; what is still to be made findable of activities is in `activity_search_waiting` (`services.search_postgres`).
"""

from __future__ import annotations

INDEXES = ("activity_search", "contact_search", "company_search")
