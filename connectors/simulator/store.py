"""The state of the simulator in one SQLite database, in memory or in a folder that survives restarts.

One connection, one lock: an operation runs inside `with store.transaction()`, so each answer sees one moment.
Every write takes the next number of one sequence; change keys, sync states and watermarks are made of it.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.simulator.attachments import Attachments
from connectors.simulator.folders import Folders
from connectors.simulator.items import Items
from connectors.simulator.journal import Journal
from connectors.simulator.mailboxes import Mailboxes

_SCHEMA = """
CREATE TABLE IF NOT EXISTS setting (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS mailbox (
    number INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE COLLATE NOCASE, name TEXT NOT NULL,
    guid TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, oof BLOB);
CREATE TABLE IF NOT EXISTS access (
    mailbox INTEGER NOT NULL, grantee INTEGER NOT NULL, PRIMARY KEY (mailbox, grantee));
CREATE TABLE IF NOT EXISTS folder (
    number INTEGER PRIMARY KEY AUTOINCREMENT, mailbox INTEGER NOT NULL, parent INTEGER, path TEXT NOT NULL,
    kind TEXT NOT NULL, class TEXT NOT NULL, name TEXT NOT NULL, distinguished TEXT,
    sequence INTEGER NOT NULL, created_sequence INTEGER NOT NULL, touched INTEGER NOT NULL DEFAULT 0,
    xml BLOB NOT NULL, changed TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS folder_parent ON folder (parent);
CREATE INDEX IF NOT EXISTS folder_path ON folder (mailbox, path);
CREATE TABLE IF NOT EXISTS item (
    number INTEGER PRIMARY KEY AUTOINCREMENT, mailbox INTEGER NOT NULL, folder INTEGER NOT NULL,
    kind TEXT NOT NULL, class TEXT NOT NULL, associated INTEGER NOT NULL, is_read INTEGER NOT NULL,
    has_attachments INTEGER NOT NULL, size INTEGER NOT NULL, received TEXT NOT NULL,
    sequence INTEGER NOT NULL, content_sequence INTEGER NOT NULL, created_sequence INTEGER NOT NULL,
    search_key BLOB NOT NULL, deleted_from INTEGER, message_id TEXT, conversation BLOB, uid TEXT,
    xml BLOB NOT NULL, mime BLOB);
CREATE INDEX IF NOT EXISTS item_folder ON item (folder, sequence);
CREATE INDEX IF NOT EXISTS item_created ON item (folder, created_sequence);
CREATE INDEX IF NOT EXISTS item_received ON item (folder, received);
CREATE INDEX IF NOT EXISTS item_unread ON item (folder, is_read, associated);
CREATE INDEX IF NOT EXISTS item_message_id ON item (mailbox, message_id);
CREATE INDEX IF NOT EXISTS item_conversation ON item (mailbox, conversation);
CREATE INDEX IF NOT EXISTS item_uid ON item (mailbox, uid);
CREATE TABLE IF NOT EXISTS attachment (
    number INTEGER PRIMARY KEY AUTOINCREMENT, item INTEGER NOT NULL, parent INTEGER, guid BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL, content_type TEXT, content_id TEXT, content_location TEXT, is_inline INTEGER NOT NULL,
    is_photo INTEGER NOT NULL, size INTEGER NOT NULL, modified TEXT NOT NULL, element BLOB,
    content BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS attachment_item ON attachment (item);
CREATE TABLE IF NOT EXISTS gone_item (
    sequence INTEGER PRIMARY KEY, folder INTEGER NOT NULL, number INTEGER NOT NULL,
    created_sequence INTEGER NOT NULL, associated INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS gone_item_folder ON gone_item (folder, sequence);
CREATE TABLE IF NOT EXISTS gone_folder (
    sequence INTEGER PRIMARY KEY, mailbox INTEGER NOT NULL, number INTEGER NOT NULL, path TEXT NOT NULL,
    created_sequence INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS configuration (
    folder INTEGER NOT NULL, name TEXT NOT NULL, item INTEGER NOT NULL, xml BLOB NOT NULL,
    PRIMARY KEY (folder, name));
CREATE TABLE IF NOT EXISTS outbound (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, sender TEXT NOT NULL, recipients TEXT NOT NULL,
    subject TEXT NOT NULL, kind TEXT NOT NULL);
"""
_TABLES = "setting mailbox access folder item attachment gone_item gone_folder configuration outbound sqlite_sequence"


class Store:
    """Everything that the simulator remembers, and the only place that runs SQL.

    `folder` is where the database file goes; None keeps it in memory. `skew` shifts the server's clock.
    """

    def __init__(self, folder: Path | None = None, *, domain: str = "example.test") -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self.domain = domain
        self.skew = timedelta()
        self._lock = threading.RLock()
        self._depth = 0
        self._connection = sqlite3.connect(
            ":memory:" if folder is None else folder / "exchange.sqlite",
            check_same_thread=False,
            isolation_level=None,
        )
        self._connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _SCHEMA)
        self._sequence = int(self.setting("sequence", "0"))
        self.secret = self.setting("secret") or self.remember("secret", secrets.token_hex(16))
        self.journal = Journal()
        self.mailboxes = Mailboxes(self)
        self.folders = Folders(self)
        self.items = Items(self)
        self.attachments = Attachments(self)

    def close(self) -> None:
        """Close the database; the store cannot be used afterwards."""
        with self._lock:
            self._connection.close()

    def reset(self) -> None:
        """Forget every mailbox, item and setting but the secret."""
        with self.transaction():
            for table in _TABLES.split():
                self.execute(f"DELETE FROM {table}")  # noqa: S608 - the names are the constants above
            self.remember("secret", self.secret)
        self.mailboxes.forget()
        self.items.forget()
        self.journal.clear()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside happens, or nothing; nests, so that one item of a batch can fail alone."""
        with self._lock:
            depth, marks = self._depth, self.journal.mark()
            self._connection.execute("BEGIN" if depth == 0 else f"SAVEPOINT s{depth}")
            self._depth += 1
            try:
                yield
            except BaseException:
                self.items.forget()
                self.mailboxes.forget()
                self.journal.back_to(marks)
                self._connection.execute("ROLLBACK" if depth == 0 else f"ROLLBACK TO s{depth}")
                if depth:
                    self._connection.execute(f"RELEASE s{depth}")
                raise
            else:
                if depth == 0:
                    self.remember("sequence", str(self._sequence))
                self._connection.execute("COMMIT" if depth == 0 else f"RELEASE s{depth}")
                if depth == 0:
                    self.journal.publish()
            finally:
                self._depth -= 1

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Run one statement."""
        return self._connection.execute(statement, values)

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """Every row of the answer."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def one(self, statement: str, *values: Any) -> Any | None:
        """The first row, or None."""
        with self._lock:
            return self._connection.execute(statement, values).fetchone()

    def value(self, statement: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.one(statement, *values)
        return None if row is None else row[0]

    def tick(self) -> int:
        """The next number of the sequence that orders all writes."""
        self._sequence += 1
        return self._sequence

    @property
    def sequence(self) -> int:
        """The number of the last write."""
        return self._sequence

    def now(self) -> datetime:
        """The server's clock in UTC, as far off as it was told to be."""
        return datetime.now(UTC) + self.skew

    def stamp(self) -> str:
        """The server's clock as EWS writes it."""
        return self.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def setting(self, key: str, default: str = "") -> str:
        """A remembered value."""
        return self.value("SELECT value FROM setting WHERE key = ?", key) or default

    def remember(self, key: str, value: str) -> str:
        """Keep a value over restarts and return it."""
        self.execute(
            "INSERT INTO setting VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            key,
            value,
        )
        return value
