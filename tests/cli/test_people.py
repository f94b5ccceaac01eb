"""People, teams and regions on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Terracrm


@pytest.fixture
def office(terracrm: Terracrm, folder: Path) -> Terracrm:
    (folder / "secret").write_text("correct horse")
    assert terracrm("db", "upgrade").code == 0
    for name, team in (("anna", "Sales"), ("boris", "Sales"), ("vera", "Service")):
        assert terracrm("user", "add", name, "--role", "manager", "--team", team, "--password-file", "secret").code == 0
    return terracrm


def teams(terracrm: Terracrm) -> dict[str, tuple[str, int]]:
    rows = [json.loads(line) for line in terracrm("team", "list", "--json").out.splitlines()]
    return {row["name"]: (row["region"], row["people"]) for row in rows}


def test_a_team_works_in_a_region(office: Terracrm) -> None:
    assert teams(office) == {"Sales": ("", 2), "Service": ("", 1)}
    assert "Sales works in Volga." in office("team", "set", "Sales", "--region", " Volga ").out
    assert office("team", "set", "Service", "--region", "Volga").code == 0
    assert teams(office) == {"Sales": ("Volga", 2), "Service": ("Volga", 1)}
    assert "Sales: Volga, 2 people" in office("team", "list").out
    assert office("team", "set", "Sales", "--no-region").code == 0
    assert teams(office)["Sales"] == ("", 2)


def test_a_person_changes_team_language_and_goes(office: Terracrm) -> None:
    assert office("user", "set", "boris", "--team", "Service", "--language", "ru", "--inactive").code == 0
    assert teams(office) == {"Sales": ("", 1), "Service": ("", 1)}
    rows = [json.loads(line) for line in office("user", "list", "--json").out.splitlines()]
    boris = next(row for row in rows if row["name"] == "boris")
    assert (boris["team"], boris["active"]) == ("Service", False)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("team", "set", "Salse", "--region", "Volga"), "there is no team Salse"),
        (("team", "set", "Sales"), "say one of --region NAME and --no-region"),
        (("team", "set", "Sales", "--region", "Volga", "--no-region"), "say one of"),
        (("user", "set", "anna"), "say what to change"),
        (("user", "set", "anna", "--role", "boss"), "there is no role boss"),
        (("user", "set", "anna", "--language", "de"), "there is no language de"),
        (("user", "set", "nobody", "--inactive"), "there is no user nobody"),
    ],
)
def test_what_is_wrong_is_said(office: Terracrm, words: tuple[str, ...], told: str) -> None:
    found = office(*words)
    assert (found.code, told in found.err) == (2, True) or (found.code == 1 and told in found.err)
