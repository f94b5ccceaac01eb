"""What is written into a mailbox, as people say it (W1)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terracrm.domain.outlook_rules import OutlookRules, checked, directions, entries, folder_name
from terracrm.errors import InvalidInput

RULES = OutlookRules()


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"clients": "yes"}, "clients is one of on, off, remove; not yes"),
        ({"scope": "all"}, "scope is one of mine, team, region, segment; not all"),
        ({"scope": "segment"}, "segment:NAME"),
        ({"segment_id": 3}, "segment:NAME"),
        ({"conflict": "me"}, "conflict is one of crm, outlook, latest; not me"),
        ({"on_delete": "delete"}, "on-delete is one of unlink, archive; not delete"),
        ({"history": 51}, "a number from 0 to 50"),
        ({"history": -1}, "a number from 0 to 50"),
        ({"tasks": "remove"}, "tasks is one of on, off"),
        ({"posts": ""}, "posts is one of on, off"),
        ({"directions": {"shoes": "in"}}, "shoes is no field"),
        ({"directions": {"notes": "up"}}, "the direction of notes is one of both, in, out, off; not up"),
        ({"folder": "a/b"}, "without slashes"),
        ({"folder": "a\\b"}, "without slashes"),
        ({"folder": "x" * 256}, "255"),
        ({"folder": "a\u200eb"}, "one name"),
    ],
)
def test_what_does_not_fit_is_refused_in_plain_words(wrong: dict[str, object], what: str) -> None:
    with pytest.raises(InvalidInput, match=what):
        checked(replace(RULES, **wrong))  # type: ignore[arg-type]


def test_only_directions_that_differ_are_kept_and_in_one_order() -> None:
    told = replace(RULES, directions={"phones": "out", "notes": "both", "birthday": "off"}, folder="  Our   clients ")
    stored = checked(told)
    assert (stored.directions, list(stored.directions)) == (
        {"birthday": "off", "phones": "out"},
        ["birthday", "phones"],
    )
    assert stored.folder == "Our clients"
    assert checked(stored) == stored


def test_directions_are_told_field_by_field() -> None:
    assert directions(["Job-Title = OFF", "notes=both"], {"notes": "in", "phones": "out"}) == {
        "notes": "both", "phones": "out", "job_title": "off"
    }  # fmt: skip
    for wrong in ("notes", "shoes=in", "notes=up", "=in"):
        with pytest.raises(InvalidInput):
            directions([wrong], {})


def test_entries_are_a_number_or_the_setting() -> None:
    assert (entries("7"), entries(" Setting "), entries("0")) == (7, None, 0)
    for wrong in ("", "-1", "seven", "٣", "5000"):
        with pytest.raises(InvalidInput):
            entries(wrong)


def test_a_folder_is_called_as_outlook_would_call_it() -> None:
    assert (folder_name(""), folder_name("Наши  клиенты")) == ("", "Наши клиенты")
