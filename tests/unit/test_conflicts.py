"""What both sides said of a field, and what it becomes when the other value is taken (W1)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terracrm.domain.client_slots import Value
from terracrm.domain.conflicts import has_changed, present, shown_label, taken, text_of


def phone(number: str, label: str = "mobile") -> dict[str, str]:
    return {"label": label, "number": number}


ONE, TWO, THREE = phone("+7 495 111-11-11"), phone("+7 495 222-22-22", "home"), phone("+7 495 333-33-33", "business")


@pytest.mark.parametrize(
    ("field", "value", "text", "label"),
    [
        ("job_title", "Buyer", "Buyer", ""),
        ("job_title", None, "", ""),
        ("emails", {"label": "1", "address": "a@b.example"}, "a@b.example", ""),
        ("phones", ONE, "+7 495 111-11-11", "mobile"),
        ("phones", None, "", ""),
        (
            "postal_addresses",
            {
                "label": "home",
                "street": "Tverskaya 1",
                "city": "Moscow",
                "region": "",
                "postal_code": "1",
                "country": "",
            },
            "Tverskaya 1, 1, Moscow",
            "home",
        ),
    ],
)
def test_a_value_is_told_in_words(field: str, value: object, text: str, label: str) -> None:
    assert (text_of(field, value), shown_label(field, value)) == (text, label)


@pytest.mark.parametrize(
    ("field", "said", "crm", "outlook", "winner", "is_changed"),
    [
        ("job_title", "Buyer", "Buyer", "Cook", "crm", False),
        ("job_title", "Buyer", "Buyer", "Cook", "outlook", True),
        ("notes", "a\r\nb ", "a\nb", "c", "crm", False),
        ("job_title", "", "", "Cook", "crm", False),
        ("phones", [ONE], ONE, None, "crm", False),
        ("phones", [TWO], ONE, None, "crm", True),
        ("phones", [TWO], ONE, None, "outlook", False),
        ("phones", [TWO, ONE], ONE, None, "outlook", True),
        ("phones", [ONE], ONE, ONE | {"label": "car"}, "crm", False),
        ("phones", [ONE | {"label": "pager"}], ONE, ONE | {"label": "car"}, "crm", True),
        ("phones", [ONE | {"number": "8 495 1111111"}], ONE, None, "crm", True),
    ],
)
def test_whether_the_field_still_says_what_won(
    field: str, said: Any, crm: Value, outlook: Value, winner: str, is_changed: bool
) -> None:
    now = present(field, said, crm, outlook, winner)
    assert has_changed(field, now, crm, outlook, winner) is is_changed


@pytest.mark.parametrize(
    ("field", "said", "crm", "outlook", "winner", "becomes"),
    [
        ("job_title", "Buyer", "Buyer", "Cook", "crm", "Cook"),
        ("job_title", "Cook", "Buyer", "Cook", "outlook", "Buyer"),
        ("job_title", "Cook", "", "Cook", "outlook", ""),
        ("phones", [ONE, TWO], ONE, None, "crm", [TWO]),
        ("phones", [TWO], ONE, None, "outlook", [TWO, ONE]),
        ("phones", [TWO], None, ONE, "crm", [TWO, ONE]),
        ("phones", [ONE, TWO], ONE, THREE, "crm", [THREE, TWO]),
        ("phones", [ONE, TWO, THREE], ONE, THREE, "crm", [THREE, TWO]),
        ("phones", [TWO, ONE], ONE, ONE | {"label": "car"}, "crm", [TWO, ONE | {"label": "car"}]),
    ],
)
def test_the_value_that_lost_is_taken(
    field: str, said: Any, crm: Value, outlook: Value, winner: str, becomes: object
) -> None:
    assert taken(field, said, crm, outlook, winner) == becomes


numbers = st.sampled_from([ONE, TWO, THREE, phone("100"), phone("200", "car")])


@given(st.lists(numbers, unique_by=lambda entry: entry["number"]), numbers | st.none(), numbers | st.none())
def test_taking_the_other_and_then_the_first_again_leaves_the_rest_alone(
    said: list[dict[str, str]], crm: Value, outlook: Value
) -> None:
    there = taken("phones", said, crm, outlook, "crm")
    assert not isinstance(there, str)
    both = [entry for entry in (crm, outlook) if entry]
    assert [entry for entry in there if entry not in both] == [entry for entry in said if entry not in both]
    assert (outlook in there) if outlook else True
    back = taken("phones", there, crm, outlook, "outlook")
    assert (crm in back) if crm else not [entry for entry in back if entry in both]
