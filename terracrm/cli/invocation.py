"""What every command shares: the settings, the log, the database, the one transaction of a command (invariant 9)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from rich.console import Console
from sqlalchemy import Engine, make_url
from sqlalchemy.orm import Session

from terracrm import db, logs
from terracrm.config import Settings, ensure_data_dir, load
from terracrm.errors import SignInRefused

COMMAND_LOG = "commands.log"

stderr = Console(stderr=True, soft_wrap=True, highlight=False)


class Invocation:
    """One call of the command line."""

    def __init__(self, config: Path | None = None, *, debug: bool = False) -> None:
        self.config = config
        self.debug = debug
        # Accounts that a server has refused in this call, with what it said: each further try could lock them.
        self.refused: dict[tuple[str, str, str], SignInRefused] = {}

    @cached_property
    def settings(self) -> Settings:
        """The settings; ConfigError with all mistakes."""
        return load(self.config)

    def start_log(self, *, service: bool = False) -> None:
        """A service logs to standard error. A command that ends by itself speaks in its own words there: what else
        went wrong goes to a file of the data folder, details included, or to standard error with --debug.
        """
        log = self.settings.log
        if self.debug:
            logs.configure(log.model_copy(update={"level": "debug"}))
        elif service:
            logs.configure(log)
        else:
            quiet = log.model_copy(update={"level": "warning"}) if log.level == "info" else log
            logs.configure(quiet, (ensure_data_dir(self.settings) / COMMAND_LOG).open("a", encoding="utf-8"))

    @cached_property
    def engine(self) -> Engine:
        """The database, with all its migrations; a new SQLite file gets its tables at once.

        Raises DatabaseUnusable when migrations are waiting: a database with data is never migrated unasked.
        """
        new = self._is_new_file()
        engine = self.bare_engine
        if new:
            db.upgrade(engine)
        elif waiting := db.pending(engine):
            raise db.DatabaseUnusable(
                f"the database lacks {len(waiting)} migrations of this version: run terracrm db upgrade"
            )
        return engine

    def require_database(self) -> None:
        """Raise what `engine` raises, before a service starts that opens the database itself."""
        self.engine.dispose()

    @cached_property
    def bare_engine(self) -> Engine:
        """The database as it is, for the commands that upgrade and check it."""
        ensure_data_dir(self.settings)
        return db.make_engine(self.settings.database.url)

    def close(self) -> None:
        """Leave the database: the last one to leave SQLite puts all into its one file, and away what was deleted."""
        if "bare_engine" in vars(self):
            self.bare_engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that is committed when the block ends well, and rolled back otherwise."""
        with db.session_factory(self.engine).begin() as session:
            yield session

    def _is_new_file(self) -> bool:
        url = make_url(self.settings.database.url)
        return url.get_backend_name() == "sqlite" and not Path(url.database or "").exists()


_current = Invocation()


def begin(config: Path | None = None, *, debug: bool = False) -> None:
    """Start a call with what was said before the command."""
    global _current
    _current = Invocation(config, debug=debug)


def current() -> Invocation:
    """The call that runs."""
    return _current
