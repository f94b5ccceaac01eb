"""`terracrm segment`: saved conditions over clients (K1)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from terracrm import db
from tests.cli.conftest import Terracrm
from tests.office import make_office


@pytest.fixture(autouse=True)
def office(terracrm: Terracrm, folder: Path) -> None:
    """The small office in the database of the commands."""
    terracrm("db", "upgrade")
    engine = db.make_engine(f"sqlite:///{next(folder.rglob('*.db'))}")
    with db.session_factory(engine).begin() as session:
        make_office(session)
    engine.dispose()


def test_a_segment_is_saved_listed_shown_and_removed(terracrm: Terracrm) -> None:
    made = terracrm("segment", "add", "Москва", "city = москва", "owner is anna")
    assert (made.code, made.out) == (0, "Москва: city is москва and owner is anna (1 client)\n")
    [row] = [json.loads(line) for line in terracrm("segment", "list", "--json").out.splitlines()]
    assert row == {
        "name": "Москва",
        "conditions": [
            {"field": "city", "operator": "is", "value": "москва"},
            {"field": "owner", "operator": "is", "value": "anna"},
        ],
        "clients": 1,
        "used_by": [],
    }
    assert "  Мария Иванова" in terracrm("segment", "show", "МОСКВА").out.splitlines()
    assert terracrm("segment", "remove", "москва").out == "The segment Москва is removed.\n"
    assert terracrm("segment", "list").out == ""


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("add", "Wrong", "shoes = 42"), 2, "no field of a condition"),
        (("add", "Wrong", "Kazan"), 2, "no condition; examples"),
        (("add", "Wrong", "team = Moon"), 2, "there is no team Moon"),
        (("add", " ", "city = Tula"), 2, "1 to 100 characters"),
        (("add", "Wrong"), 2, "Missing argument"),
        (("show", "Nobody"), 1, "there is no segment Nobody"),
        (("remove", "Nobody"), 1, "terracrm segment list"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_saved(
    terracrm: Terracrm, words: tuple[str, ...], code: int, what: str
) -> None:
    refused = terracrm("segment", *words)
    assert (refused.code, what in refused.err) == (code, True), refused.err
    assert terracrm("segment", "list").out == ""
