"""A run that finds nothing asks the database little: most runs are such, and each mailbox has several streams."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event

from sync.writer import Counts
from tests.sync.conftest import DOMAIN, Office

MOST = {"contacts": 24, "calendar": 26, "mail": 25}  # and on PostgreSQL, whether anything waits to be made findable


@pytest.fixture
def statements(engine: Engine) -> Iterator[list[str]]:
    """What the database is asked."""
    asked: list[str] = []

    def ask(*found: object) -> None:
        asked.append(str(found[2]))

    event.listen(engine, "before_cursor_execute", ask)
    yield asked
    event.remove(engine, "before_cursor_execute", ask)


@pytest.mark.parametrize("kind", MOST)
def test_a_run_that_finds_nothing_asks_little(office: Office, statements: list[str], kind: str) -> None:
    if kind == "mail":
        office.server.add_folder(f"anna@{DOMAIN}", "Projects")
    office.run("anna", kind)
    office.run("anna", kind)
    statements.clear()
    assert office.run("anna", kind).counts == Counts()
    asked = [each for each in statements[1:] if not each.startswith("BEGIN")]  # the first one finds the stream
    most = MOST[kind] + (office.sessions().get_bind().dialect.name == "postgresql")
    assert len(asked) <= most, f"{len(asked)} statements"
