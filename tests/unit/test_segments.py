"""Conditions over clients as people write them (K1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terracrm.domain.segments import FIELDS, OF_TEXT, SOURCES, Condition, Operator, checked, name_of, of, read, text_of
from terracrm.errors import InvalidInput


@pytest.mark.parametrize(
    ("written", "field", "operator", "value"),
    [
        ("city = Kazan", "city", "is", "Kazan"),
        ("city=Kazan", "city", "is", "Kazan"),
        ("City  IS   Nizhny  Novgorod", "city", "is", "Nizhny Novgorod"),
        ("stage != lost", "stage", "is not", "lost"),
        ("stage is not lost", "stage", "is not", "lost"),
        ("job title contains buyer", "job_title", "contains", "buyer"),
        ("job-title CONTAINS закуп", "job_title", "contains", "закуп"),
        ("stage in active,  new ,", "stage", "in", "active, new"),
        ("owner is", "owner", "is", ""),
        ("stage =", "stage", "is", ""),
        ("mail since 90 days", "mail", "since", "90"),
        ("mail since 090", "mail", "since", "90"),
        ("mail not since 1 day", "mail", "not since", "1"),
        ("company = A = B", "company", "is", "A = B"),
        ("source is tray", "source", "is", "tray"),
        ("city is in the sky", "city", "is", "in the sky"),
    ],
)
def test_conditions_are_read_as_people_write_them(written: str, field: str, operator: str, value: str) -> None:
    assert read(written) == Condition(field, Operator(operator), value)


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("", "is no condition"),
        ("Kazan", "is no condition"),
        ("= Kazan", "is no condition"),
        ("shoe size is 42", "there are stage, city"),
        ("owner contains ann", "'is', 'is not', 'in'"),
        ("mail is 3", "'since', 'not since'"),
        ("city since 3 days", "not with 'since'"),
        ("mail since Tuesday", "no number of days"),
        ("mail since 0 days", "no number of days"),
        ("mail since 99999", "no number of days"),
        ("stage in ,", "say which value"),
        ("city contains", "say which value"),
        ("source is heaven", "contacts_folder"),
        (f"city is {'x' * 256}", "255"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_plain_words(written: str, what: str) -> None:
    with pytest.raises(InvalidInput, match=what):
        read(written)


@given(st.data())
def test_what_is_shown_of_a_condition_is_read_back_as_the_same(data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(sorted(FIELDS)))
    operator = data.draw(st.sampled_from(sorted(FIELDS[field])))
    words = st.text(st.characters(categories=("L", "N", "P"), exclude_characters=","), min_size=1, max_size=8)
    text = " ".join(data.draw(st.lists(words, min_size=1, max_size=3)))
    value = {"mail": str(data.draw(st.integers(1, 3650))), "source": data.draw(st.sampled_from(SOURCES))}.get(
        field, text
    )
    try:
        found = checked(field, operator, value)
    except InvalidInput:
        return
    assert of(found.stored()) == found
    if operator in OF_TEXT and value.partition(" ")[0].lower() in ("not", "="):
        return  # "city is" and "not here" together are "city is not" and "here": people say =
    assert read(str(found)) == found


def test_all_conditions_are_told_in_one_line() -> None:
    assert text_of([read("city=Kazan"), read("mail since 30 days")]) == "city is Kazan and mail since 30 days"


def test_a_name_has_some_characters_and_not_too_many() -> None:
    assert name_of("  Big   shops ") == "Big shops"
    for wrong in ("", "  ", "x" * 101):
        with pytest.raises(InvalidInput):
            name_of(wrong)
