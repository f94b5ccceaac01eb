"""A database that can be put back to any earlier moment: a SQLite file, or a schema of PostgreSQL."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import threading
from ast import literal_eval
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import psycopg
from sqlalchemy import make_url

from terracrm import db
from terracrm.models import Base


class Database(Protocol):
    """`url` is where it is; nobody may have it open while it is saved or restored."""

    url: str

    def save(self, name: str) -> None:
        """Remember how it is now."""

    def restore(self, name: str) -> None:
        """Put it back to what was saved."""

    def close(self) -> None:
        """Remove it with all that was saved."""


class SQLite:
    """A file with copies of itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "terracrm.db"
        self.url = f"sqlite:///{self._path}"
        _migrate(self.url)

    def save(self, name: str) -> None:
        with sqlite3.connect(self._path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        shutil.copy(self._path, self._folder / f"{name}.saved")

    def restore(self, name: str) -> None:
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        shutil.copy(self._folder / f"{name}.saved", self._path)

    def close(self) -> None:
        """The folder is the caller's."""


class PostgreSQL:
    """A schema of its own in the database of `url`; what is saved are the rows of its tables.

    Commits do not wait for the disk: it is the sync process that is killed, not the server.
    """

    def __init__(self, url: str) -> None:
        self._schema = f"torture_{os.getpid()}"
        plain = make_url(url).set(drivername="postgresql+psycopg")
        options = f"-csearch_path={self._schema} -csynchronous_commit=off"
        self.url = plain.update_query_dict({"options": options}).render_as_string(hide_password=False)
        self._saved: dict[str, dict[str, bytes]] = {}
        with self._connected() as connection:
            connection.execute(f"CREATE SCHEMA {self._schema}")
        _migrate(self.url)
        with self._connected() as connection:
            there = {row[0] for row in connection.execute(_TABLES)}
        known = [table.name for table in Base.metadata.sorted_tables]
        self._tables = [name for name in (*known, *sorted(there - set(known))) if name in there]

    def save(self, name: str) -> None:
        with self._connected() as connection, connection.cursor() as cursor:
            saved = self._saved[name] = {}
            for table in self._tables:
                with cursor.copy(f"COPY {table} TO STDOUT") as copy:
                    saved[table] = b"".join(bytes(part) for part in copy)
            saved[""] = repr(connection.execute(_COUNTERS).fetchall()).encode()

    def restore(self, name: str) -> None:
        saved = self._saved[name]
        with self._connected() as connection, connection.cursor() as cursor:
            for table in reversed(self._tables):
                cursor.execute(f"DELETE FROM {table}")
            for table in self._tables:
                if saved[table]:
                    with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                        copy.write(saved[table])
            for counter, value in literal_eval(saved[""].decode()):
                cursor.execute("SELECT setval(%s::regclass, %s, %s)", (counter, value or 1, value is not None))

    def close(self) -> None:
        with self._connected() as connection:
            connection.execute(f"DROP SCHEMA {self._schema} CASCADE")

    def _connected(self) -> psycopg.Connection[Any]:
        url = make_url(self.url)
        return psycopg.connect(
            host=url.host, port=url.port, user=url.username, password=url.password, dbname=url.database,
            options=str(url.query["options"]),
        )  # fmt: skip


class Gate:
    """A way to a PostgreSQL server that can be shut: then its connections end, and new ones are refused."""

    def __init__(self, url: str) -> None:
        wanted = make_url(url)
        self._server = wanted.host or "127.0.0.1", wanted.port or 5432
        self._port, self._open = 0, set[socket.socket]()
        self.open()
        self.url = wanted.set(host="127.0.0.1", port=self._port).render_as_string(hide_password=False)

    def open(self) -> None:
        """Let connections through."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """End all connections, and refuse new ones."""
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                here, _ = listener.accept()
                there = socket.create_connection(self._server)
                self._open |= {here, there}
                for ends in ((here, there), (there, here)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(1 << 16):
                target.sendall(part)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
_COUNTERS = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = current_schema()"


def _migrate(url: str) -> None:
    engine = db.make_engine(url)
    db.upgrade(engine)
    engine.dispose()
