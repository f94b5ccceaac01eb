"""`terracrm db`."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from .conftest import Terracrm


def test_upgrade_makes_the_tables_and_a_second_time_does_nothing(terracrm: Terracrm, folder: Path) -> None:
    first = terracrm("db", "upgrade")
    assert first.code == 0
    assert "migrations done: " in first.out
    assert (folder / "var/terracrm.db").exists()
    assert "nothing to do" in terracrm("db", "upgrade").out
    assert terracrm("db", "check").out.startswith("The database is in order. sqlite:////")


def test_a_command_leaves_all_in_one_file(terracrm: Terracrm, folder: Path) -> None:
    assert terracrm("stats").code == 0
    assert terracrm("why", "7").code == 1
    assert [path.name for path in (folder / "var").glob("terracrm.db*")] == ["terracrm.db"]


def test_check_says_that_migrations_are_waiting(terracrm: Terracrm) -> None:
    ran = terracrm("db", "check")
    assert ran.code == 1
    assert "run `terracrm db upgrade`" in ran.err


def test_a_file_that_is_no_database_is_told_in_plain_words(terracrm: Terracrm, folder: Path) -> None:
    (folder / "var").mkdir()
    (folder / "var/terracrm.db").write_text("this is a letter, not a database" * 100)
    for command in ("check", "upgrade"):
        ran = terracrm("db", command)
        assert ran.code == 1
        assert ran.err.startswith("Error: the database cannot be opened")


def test_a_database_of_a_newer_version_is_left_alone(terracrm: Terracrm, folder: Path) -> None:
    terracrm("db", "upgrade")
    with sqlite3.connect(folder / "var/terracrm.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'from the future'")
    ran = terracrm("db", "upgrade")
    assert ran.code == 1
    assert "made by a newer TerraCRM" in ran.err


def test_a_server_that_does_not_answer_is_told_without_its_password(terracrm: Terracrm, folder: Path) -> None:
    (folder / "config.toml").write_text('[database]\nurl = "postgresql://crm:s3cret@127.0.0.1:1/crm"\n')
    ran = terracrm("db", "check")
    assert ran.code == 1
    assert ran.err.startswith("Error: the database cannot be opened")
    assert "s3cret" not in ran.err + ran.out


def test_tidy_counts_first_and_then_removes_what_is_too_old(terracrm: Terracrm, folder: Path) -> None:
    terracrm("db", "upgrade")
    with sqlite3.connect(folder / "var/terracrm.db") as database:
        database.execute(
            "INSERT INTO audit_log (at, action, entity, entity_id, detail) VALUES ('2001-01-01','x','y',1,'')"
        )
    (folder / "config.toml").write_text("[retention]\naudit_days = 365\nruns_days = 0\n")
    kinds = {"idle_runs": 0, "moved_mail": 0, "conflicts": 0, "audit": 1}
    for command, found in (("--dry-run", 1), ("--dry-run", 1), ("--json", 1), ("--json", 0)):
        assert json.loads(terracrm("db", "tidy", command, "--json").out) == kinds | {"audit": found}
    assert terracrm("db", "tidy").out.splitlines()[0] == "Too old, and removed:"
    assert "lines of the audit log" in terracrm("db", "tidy", "--dry-run").out
