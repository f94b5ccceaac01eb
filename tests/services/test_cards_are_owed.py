"""Whatever the services change: a card that no longer says what was written into Outlook is owed (W5)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from terracrm import db
from tests.services.cards import OPERATIONS, Cards

SQLITE_FIRST = True

EXAMPLES = int(os.environ.get("CARD_WALKS", "3"))
QUIET = {"edit_company", "put_away"}
"""What changes cards only together with something else."""
STEPS = st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 4000)), min_size=5, max_size=25)


@contextmanager
def a_session(template: Path) -> Iterator[Session]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "terracrm.db"
        shutil.copy(template, path)
        engine = db.make_engine(f"sqlite:///{path}")
        with Session(engine) as session:
            yield session
        engine.dispose()


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_a_card_that_an_operation_changes_is_owed(session: Session, name: str) -> None:
    office = Cards(session)
    changed = 0
    for number in range(12):
        office.attempt(OPERATIONS["arrive"], number)
        office.attempt(OPERATIONS["meet"], number)
        office.attempt(OPERATIONS["add_task"], number)
    office.write()
    for prepared in {"undo_decision": "decide", "undo_merge": "merge", "remove_topic": "set_topic"}.get(
        name, ""
    ).split():
        for number in range(10, 18):
            office.attempt(OPERATIONS[prepared], number)
        office.write()
    for number in range(1, 130, 11):
        office.attempt(OPERATIONS[name], number)
        assert not office.overdue(), (name, number)
        before = office.written
        office.write()
        changed += before != office.written
    assert changed or name in QUIET, "the operation changes no card: the test says nothing"


@given(steps=STEPS)
@settings(max_examples=EXAMPLES)
def test_after_any_operations_all_cards_that_they_changed_are_owed(
    migrated_sqlite: Path, steps: list[tuple[str, int]]
) -> None:
    with a_session(migrated_sqlite) as session:
        office = Cards(session)
        for name, number in steps:
            office.attempt(OPERATIONS[name], number)
            assert not office.overdue(), (name, number)
            office.write()
