"""`terracrm merge` from a shell (M4)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from terracrm import db
from terracrm.models import Contact, ContactAddress

from .conftest import Terracrm


@pytest.fixture
def twins(terracrm: Terracrm, folder: Path) -> Path:
    """A database with Olga (1) and Olga once more (2); nobody else."""
    assert terracrm("db", "upgrade").code == 0
    path = next(folder.rglob("terracrm.db"))
    engine = db.make_engine(f"sqlite:///{path}")
    with Session(engine) as session:
        for address, title in (("olga@lavka.example", "Закупщик"), ("olga@home.example", "Директор")):
            person = Contact(display_name="Ольга Лаврова", name_key="ольга лаврова", job_title=title)
            person.addresses = [ContactAddress(address=address, written=address)]
            session.add(person)
            session.flush()
        session.commit()
    engine.dispose()
    return path


@pytest.mark.usefixtures("twins")
def test_a_merge_is_shown_first_then_done_then_undone(terracrm: Terracrm) -> None:
    shown = terracrm("merge", "contact", 1, 2, "--take", "job_title")
    assert shown.code == 0
    assert "Nothing was changed" in shown.out
    assert "Директор  (not: Закупщик)" in shown.out
    assert "olga@home.example" in shown.out
    assert terracrm("merge", "list").out == ""
    done = terracrm("merge", "contact", 1, 2, "--take", "job_title", "--apply")
    assert "terracrm merge undo 1" in done.out
    row = json.loads(terracrm("merge", "list", "--json").out)
    assert (row["winner_id"], row["loser_id"], row["can_be_undone"], row["who"]) == (1, 2, True, "")
    assert json.loads(terracrm("stats", "--json").out)["contacts"] == 1
    assert "Contact 2 is no longer part of 1." in terracrm("merge", "undo", 1).out
    assert json.loads(terracrm("stats", "--json").out)["contacts"] == 2
    assert terracrm("merge", "list").out.rstrip().endswith("undone")


@pytest.mark.usefixtures("twins")
@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("contact", 1, 1), 2, "one and the same"),
        (("contact", 1, 3), 1, "no such contact: 3"),
        (("company", 1, 2), 1, "no such company: 1"),
        (("contact", 1, 2, "--take", "salary"), 2, "the fields are display_name"),
        (("undo", 7), 1, "no such merge: 7"),
    ],
)
def test_what_cannot_be_merged_says_why(terracrm: Terracrm, words: tuple[str | int, ...], code: int, why: str) -> None:
    ran = terracrm("merge", *words)
    assert ran.code == code
    assert why in ran.err
