"""The migrations make exactly the tables of the models, on both databases, and can be taken back."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, text
from sqlalchemy.orm import Session

from terracrm import db
from terracrm.models import Role


def test_the_migrations_make_what_the_models_say(engine: Engine) -> None:
    assert db.check(engine) == []
    assert db.pending(engine) == []


def test_a_table_that_was_changed_by_hand_is_noticed(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE regions ADD COLUMN extra INTEGER"))
    try:
        assert "the tables differ" in db.check(engine)[0]
    finally:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE regions DROP COLUMN extra"))


def test_a_migration_can_be_taken_back_and_done_again(tmp_path: Path) -> None:
    engine = db.make_engine(f"sqlite:///{tmp_path / 'back.db'}")
    assert db.pending(engine) != []
    assert "migrations are waiting" in db.check(engine)[0]
    db.upgrade(engine)
    with engine.connect() as connection:
        command.downgrade(db._alembic(connection), "base")
        connection.commit()
    assert inspect(engine).get_table_names() == ["alembic_version"]
    db.upgrade(engine)
    assert db.check(engine) == []


def test_the_roles_are_there_from_the_start(session: Session) -> None:
    assert {role.code for role in session.query(Role)} == {"manager", "controller", "admin"}


def test_sqlite_is_opened_in_wal_mode_with_foreign_keys_and_patience(tmp_path: Path) -> None:
    engine = db.make_engine(f"sqlite:///{tmp_path / 'new' / 'made.db'}")
    with engine.connect() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "foreign_keys")]
        patience = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
    assert (found, patience) == (["wal", 1], db.SQLITE_BUSY_MS)


@pytest.mark.parametrize("url", ["nonsense", "mysql://a@b/c", "sqlite+nothing:///x"])
def test_a_wrong_url_is_told_in_plain_words(url: str) -> None:
    with pytest.raises(db.DatabaseUnusable, match=r"database\.url"):
        db.make_engine(url)


@pytest.mark.parametrize("url", ["sqlite:////proc/none/x.db", "postgresql://root@127.0.0.1:1/x"])
def test_a_database_that_cannot_be_opened_is_told_in_plain_words(url: str) -> None:
    with pytest.raises(db.DatabaseUnusable, match="cannot be opened"):
        db.upgrade(db.make_engine(url))


def test_a_damaged_file_is_told_in_plain_words(tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(db.DatabaseUnusable, match="cannot be opened"):
        db.check(db.make_engine(f"sqlite:///{path}"))


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    db.upgrade(db.make_engine(f"sqlite:///{path}"))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(db.DatabaseUnusable, match="newer TerraCRM"):
        db.pending(db.make_engine(f"sqlite:///{path}"))
