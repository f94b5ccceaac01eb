"""The migrations make exactly the tables of the models, on both databases, and can be taken back."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, select, text
from sqlalchemy.orm import Session

from terracrm import db
from terracrm.models import Link, Mailbox, MirrorFolder, Role, Stream, StreamState
from terracrm.services.search_sqlite import place_of


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


def test_calendars_of_before_copies_were_kept_are_read_anew(tmp_path: Path) -> None:
    engine = db.make_engine(f"sqlite:///{tmp_path / 'old.db'}")
    with engine.connect() as connection:
        command.upgrade(db._alembic(connection), "0001")
        for statement in (
            "INSERT INTO mailboxes (id, address, server, username, password_encrypted, password_file, impersonate, "
            "verify_tls, is_enabled, sharing, create_contacts, created_at) "
            "VALUES (1, 'a@b', '', '', '', '', 0, 1, 1, 3, '', '2026-01-01')",
            "INSERT INTO streams (id, mailbox_id, kind, direction, is_enabled, state, due_at, failures, last_error,"
            " claim) VALUES (1, 1, 'calendar', 'in', 1, 'ok', '2026-01-01', 0, '', ''), "
            "(2, 1, 'mail', 'in', 1, 'ok', '2026-01-01', 0, '', '')",
            "INSERT INTO folders (id, stream_id, remote_id, path, well_known, is_excluded, cursor, revision)"
            " VALUES (1, 1, 'c', '', '', 0, 'here', 0), (2, 2, 'm', '', '', 0, 'here', 0)",
            "INSERT INTO links (mailbox_id, folder_id, entity, local_id, remote_id, version, content_hash, rule,"
            " match_method) VALUES (1, 1, 'meeting', 1, 'x', 'v', '', '', ''),"
            " (1, 2, 'message', 1, 'y', 'v', '', '', '')",
        ):
            connection.exec_driver_sql(statement)
        command.upgrade(db._alembic(connection), "head")
        connection.commit()
    with Session(engine) as session:
        assert session.execute(select(MirrorFolder.id, MirrorFolder.cursor)).all() == [(1, None), (2, "here")]
        assert [link.entity for link in session.scalars(select(Link).where(Link.gone_at.is_not(None)))] == ["meeting"]


def test_what_waits_for_approval_rests_in_a_version_without_approvals(tmp_path: Path) -> None:
    engine = db.make_engine(f"sqlite:///{tmp_path / 'back.db'}")
    db.upgrade(engine)
    with Session(engine) as session:
        box = Mailbox(address="a@b.example", server="https://b.example", username="a")
        box.streams = [Stream(kind="mail", state=StreamState.APPROVAL), Stream(kind="calendar", state=StreamState.OK)]
        session.add(box)
        session.commit()
    with engine.connect() as connection:
        command.downgrade(db._alembic(connection), "0003")
        connection.commit()
        states = connection.execute(text("SELECT kind, state FROM streams ORDER BY kind")).all()
    assert states == [("calendar", "ok"), ("mail", "paused")]


DATES = ("1601-01-01 00:00:00.000000", "1969-12-31 23:59:59.999999", "2026-03-01 09:00:00.999999",
         "2026-02-01 10:00:00.000000", "2106-02-07 06:28:16.000000", "4501-01-01 00:00:00.000000")  # fmt: skip


def test_what_was_findable_before_the_index_had_an_order_still_is(tmp_path: Path) -> None:
    engine = db.make_engine(f"sqlite:///{tmp_path / 'old.db'}")
    with engine.connect() as connection:
        command.upgrade(db._alembic(connection), "0005")
        run = connection.exec_driver_sql
        for number, date in enumerate(DATES, start=1):
            run(
                "INSERT INTO activities (id, kind, occurred_at, direction, sharing, is_matched, has_attachments, rule,"
                " created_at, subject, snippet) VALUES (?, 'note', ?, '', 3, 0, 0, '', '2026-01-01', '', '')",
                (number, date),
            )
            run("INSERT INTO activity_search (rowid, words) VALUES (?, ?)", (number, f"молок слов{number}"))
        run("CREATE TABLE activity_search_rows (of_an_upgrade_that_was_interrupted)")
        connection.commit()
        command.upgrade(db._alembic(connection), "0006")
        connection.commit()
        run("INSERT INTO activity_search (activity_search, rank) VALUES ('integrity-check', 1)")
        places = run("SELECT rowid FROM activity_search WHERE activity_search MATCH 'молок' ORDER BY rowid DESC")
        expected = [
            place_of(datetime.fromisoformat(date).replace(tzinfo=UTC), number)
            for number, date in enumerate(DATES, start=1)
        ]
        assert [row[0] for row in places] == sorted(expected, reverse=True)
        command.downgrade(db._alembic(connection), "0005")
        found = run("SELECT rowid, words FROM activity_search ORDER BY rowid").all()
        assert [tuple(row) for row in found] == [(n, f"молок слов{n}") for n in range(1, len(DATES) + 1)]


def test_the_roles_are_there_from_the_start(session: Session) -> None:
    assert {role.code for role in session.query(Role)} == {"manager", "controller", "admin"}


def test_postgresql_compiles_no_queries(engine: Engine) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("PostgreSQL")
    with engine.connect() as connection:
        connection.rollback()
        assert connection.execute(text("SHOW jit")).scalar() == "off"


def test_sqlite_is_opened_in_wal_mode_with_foreign_keys_and_patience_and_wipes_what_is_deleted(tmp_path: Path) -> None:
    engine = db.make_engine(f"sqlite:///{tmp_path / 'new' / 'made.db'}")
    names = ("journal_mode", "foreign_keys", "secure_delete")
    with engine.connect() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
        patience = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
    assert (found, patience) == (["wal", 1, 1], db.SQLITE_BUSY_MS)


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


@pytest.mark.postgres
def test_the_search_index_of_postgresql_follows_within_bounds_and_can_be_taken_back(migrated_postgres: str) -> None:
    options = text("SELECT reloptions FROM pg_class WHERE oid = CAST('ix_activity_search_words' AS regclass)")
    packed = text("SELECT count(*) FROM pg_attribute WHERE attrelid = CAST('message_bodies' AS regclass)"
                  " AND attcompression = 'l'")  # fmt: skip
    offered = text("SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression'")
    with db.make_engine(migrated_postgres).connect() as connection:
        has_lz4 = "lz4" in (connection.scalar(offered) or [])
        assert connection.scalar(options) == ["fastupdate=on", "gin_pending_list_limit=8192"]
        assert connection.scalar(packed) == 3 * has_lz4
        command.downgrade(db._alembic(connection), "0006")
        assert connection.scalar(options) is None
        assert not connection.scalar(packed)
        connection.rollback()  # others use this schema


@pytest.mark.postgres
def test_no_number_runs_out(migrated_postgres: str) -> None:
    engine = db.make_engine(migrated_postgres)
    with engine.connect() as connection:
        ours = "FROM pg_sequences WHERE schemaname = current_schema()"
        assert connection.exec_driver_sql(f"SELECT DISTINCT data_type::text {ours}").scalars().all() == ["bigint"]
    engine.dispose()
