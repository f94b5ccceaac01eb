"""`terracrm tray`: the tray by command."""

from __future__ import annotations

import json

import pytest

from terracrm import db
from tests.cli.conftest import Terracrm
from tests.office import OURS, make_office

WHO = "who@nowhere.example"


@pytest.fixture(autouse=True)
def office(terracrm: Terracrm, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The small office in the database of the settings; the contacts by their addresses."""
    monkeypatch.setenv("TERRACRM_MIRROR__INTERNAL_DOMAINS", OURS)
    assert terracrm("db", "upgrade").code == 0
    with db.session_factory(db.make_engine("sqlite:///var/terracrm.db")).begin() as session:
        return {address: contact.id for address, contact in make_office(session).contacts.items()}


def test_the_tray_is_listed_decided_and_taken_back(terracrm: Terracrm, office: dict[str, int]) -> None:
    [row] = map(json.loads, terracrm("tray", "list", "--json").out.splitlines())
    assert (row["address"], row["kind"], row["items"], row["newest"]) == (WHO, "unknown", 1, ["Unknown sender"])
    assert WHO in terracrm("tray", "list", "--user", "anna").out
    assert terracrm("tray", "list", "--user", "boris").out == ""
    maria = office["maria@market.example"]
    assert terracrm("tray", "decide", WHO, "--contact", maria).out == f"{WHO} is contact {maria}, Мария Иванова.\n"
    assert terracrm("tray", "list").out == ""
    assert "already" in terracrm("tray", "decide", WHO, "--ignore").err
    assert terracrm("tray", "undo", WHO).code == 0
    assert WHO in terracrm("tray", "list").out


def test_wrong_words_are_told(terracrm: Terracrm, office: dict[str, int]) -> None:
    for words, code, told in (
        (["decide", WHO], 2, "--contact"), (["decide", WHO, "--ignore", "--contact", "1"], 2, "--contact"),
        (["decide", WHO, "--contact", "987654"], 1, "no such contact"),
        (["decide", WHO, "--ignore", "--user", "boris"], 1, "no such sender"),
        (["decide", WHO, "--ignore", "--user", "viktor"], 1, "does not decide"),
        (["decide", "nobody@else.example", "--ignore"], 1, "no such sender"), (["undo", WHO], 1, "Nothing was decided"),
        (["list", "--kind", "all"], 2, "people or bulk"), (["list", "--user", "nobody"], 1, "nobody"),
    ):  # fmt: skip
        outcome = terracrm("tray", *words)
        assert (outcome.code, told in outcome.err) == (code, True), outcome
