"""`terracrm contact` and `terracrm company`: clients looked at and changed by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Outcome, Terracrm


def said(outcome: Outcome) -> dict[str, Any]:
    assert outcome.code == 0, outcome.err
    return dict(json.loads(outcome.out))


@pytest.fixture
def olga(terracrm: Terracrm) -> int:
    """A contact with an address and a number."""
    words = ("display_name=Olga Orlova", "emails=1:olga@lavka.example", "phones=business:+7 495 555-01-02")
    return int(said(terracrm("contact", "add", *words, "--json"))["id"])


def test_a_contact_is_added_and_shown_by_number_or_address(terracrm: Terracrm, olga: int) -> None:
    by_number = said(terracrm("contact", "show", olga, "--json"))
    assert by_number == said(terracrm("contact", "show", "Olga@lavka.example", "--json"))
    assert (by_number["display_name"], by_number["created_at"] != "") == ("Olga Orlova", True)
    assert "1: olga@lavka.example" in terracrm("contact", "show", olga).out


@pytest.mark.parametrize(
    ("setting", "field", "value"),
    [
        ("job_title=Buyer", "job_title", "Buyer"),
        ("stage=contract = signed", "stage", "contract = signed"),
        ("birthday=1985-02-28", "birthday", "1985-02-28"),
        ("phones=", "phones", []),
        ("phones+=mobile:+7 916 555-03-04", "phones", ["business +7 495 555-01-02", "mobile +7 916 555-03-04"]),
        ("phones+=home:+74955550102", "phones", ["home +74955550102"]),
        ("phones-=84955550102", "phones", []),
        ("emails=2:a@b.example; 1:olga@lavka.example", "emails", ["2 a@b.example", "1 olga@lavka.example"]),
        ('emails=[{"label": "1", "address": "A@b.example"}]', "emails", ["1 A@b.example"]),
        ("postal_addresses=home:Lenina 1|Tula||300000", "postal_addresses", ["home Lenina 1 Tula  300000 "]),
    ],
)  # fmt: skip
def test_each_field_can_be_set(terracrm: Terracrm, olga: int, setting: str, field: str, value: Any) -> None:
    found = said(terracrm("contact", "set", olga, setting, "--json"))[field]
    assert value == ([" ".join(entry.values()) for entry in found] if isinstance(found, list) else found)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("job_title", "write FIELD=VALUE"),
        ("age=7", "no field 'age'"),
        ("job_title+=x", "one value"),
        ("emails=1:nobody", "no e-mail address"),
        ("birthday=28.02.1985", "not a date"),
        ("emails=[1]", "LABEL:ADDRESS"),
        ("emails=[", "no JSON"),
        ("phones=moon:+7 916 555-03-04", "labels"),
    ],
)
def test_what_cannot_be_meant_is_said(terracrm: Terracrm, olga: int, setting: str, message: str) -> None:
    outcome = terracrm("contact", "set", olga, setting)
    assert outcome.code == 2
    assert message in outcome.err


def test_a_contact_is_archived_restored_and_assigned_and_all_that_is_told(terracrm: Terracrm, olga: int) -> None:
    assert "archived" in terracrm("contact", "archive", olga).out
    assert said(terracrm("contact", "show", olga, "--json"))["archived_at"]
    assert "back" in terracrm("contact", "restore", olga).out
    assert terracrm("contact", "assign", olga, "--owner", "nobody-there").code == 1
    assert terracrm("contact", "assign", olga).code == 2
    changes = said(terracrm("contact", "show", olga, "--changes", "--json"))["changes"]
    assert [(change["field"], change["source"]) for change in changes] == [
        ("archived", "command line"),
        ("archived", "command line"),
        ("created", "command line"),
    ]


def test_a_company_is_added_set_and_archived(terracrm: Terracrm) -> None:
    made = said(terracrm("company", "add", "name=Lavka Ltd", "domains=lavka.example", "--json"))
    number = made["id"]
    found = said(terracrm("company", "set", number, "city=Tula", "domains+=lavka2.example", "--json"))
    assert (found["city"], found["domains"]) == ("Tula", ["lavka.example", "lavka2.example"])
    assert said(terracrm("company", "set", number, "domains-=lavka.example", "--json"))["domains"] == ["lavka2.example"]
    assert "archived" in terracrm("company", "archive", number).out
    assert "back" in terracrm("company", "restore", number).out
    assert "Tula" in terracrm("company", "show", number, "--changes").out
    assert terracrm("company", "set", number, "name=").code == 2
