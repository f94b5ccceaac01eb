"""A task and its item in Outlook: what each says in the other's terms, and who is right (W3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.outlook_limits import trimmed
from terracrm.domain.records import TaskRecord
from terracrm.domain.task_merge import (
    FIELDS,
    MAX_SUBJECT,
    Frame,
    Values,
    is_same,
    merge,
    record,
    said,
    to_write,
    told,
    values,
)

FRAME = Frame("Мария (склад), ООО «Ромашка»", "https://crm.example/contacts/7")
OPEN = values("Call", "Ask", date(2026, 12, 1), datetime(2026, 12, 1, 6, tzinfo=UTC), "high", None)
WORDS = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), max_size=60)
DAYS = st.none() | st.dates(date(2000, 1, 1), date(2100, 1, 1))
LINES = st.lists(WORDS, max_size=4).map("\n".join)
MOMENTS = st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda when: when.replace(tzinfo=UTC, second=0, microsecond=0)
)
TASKS = st.builds(
    values,
    WORDS.map(lambda text: " ".join(text.split())[:MAX_SUBJECT] or "Call"),
    LINES.map(str.strip),
    DAYS,
    MOMENTS,
    st.sampled_from(["low", "normal", "high"]),
    DAYS,
)
FRAMES = st.builds(
    Frame,
    st.sampled_from(["", "Мария", "Мария (склад)", "x" * 300]),
    st.sampled_from(["", "https://crm.example/tasks/1"]),
)


@settings(max_examples=100)
@given(TASKS, FRAMES)
def test_what_is_written_is_understood(task: Values, frame: Frame) -> None:
    written = trimmed(record(task, frame))
    assert len(written.subject) <= 255
    assert is_same(told(written, frame), task)


@settings(max_examples=100)
@given(TASKS, TASKS, TASKS, st.booleans(), st.sampled_from(["crm", "outlook", "latest"]), st.booleans())
def test_nobody_loses_a_change_unnoticed(
    before: Values, mine: Values, theirs: Values, comes_in: bool, rule: str, is_later: bool
) -> None:
    sent = said(before, FRAME)
    merged = merge(before, sent, mine, theirs, comes_in=comes_in, rule=rule, is_theirs_later=is_later)
    now = mine | merged.changes
    clashed = {clash.field: clash for clash in merged.clashes}
    for name in FIELDS:
        if name in clashed:
            assert {now[name]} <= {mine[name], theirs[name]}
            assert (clashed[name].crm, clashed[name].outlook) == (mine[name], theirs[name])
        elif now[name] != mine[name]:
            assert (mine[name], now[name]) == (before[name], theirs[name]) or name == "done_on"
    # What is still to be written is what we say and they do not; once that is written both agree.
    again = merge(theirs, merged.sent, now, theirs, comes_in=comes_in, rule=rule, is_theirs_later=is_later)
    assert (again.changes, again.clashes) == ({}, ())


@settings(max_examples=100)
@given(TASKS, FRAMES)
def test_agreement_writes_nothing_and_any_change_writes_its_field(task: Values, frame: Frame) -> None:
    assert to_write(task, frame, said(task, frame)) == frozenset()
    assert to_write(task | {"subject": task["subject"] + "!"}, frame, said(task, frame)) == {"subject"}
    assert to_write(task, Frame("Other", frame.link), said(task, frame)) == {"subject"}
    assert to_write(task, Frame(frame.client, "https://other.example"), said(task, frame)) == {"body"}


SUBJECTS = [
    ("Call (Мария (склад), ООО «Ромашка»)", "Call"),
    ("Call (urgent) (Мария (склад), ООО «Ромашка»)", "Call (urgent)"),
    ("(Мария (склад), ООО «Ромашка») Call", "(Мария (склад), ООО «Ромашка») Call"),
    ("(Мария (склад), ООО «Ромашка»)", ""),
    ("Call (Мария (склад), О…)", "Call"),
    ("Call (Мария Петрова)", "Call (Мария Петрова)"),
    ("Call (…)", "Call (…)"),
    ("  Call \t me ", "Call me"),
]


@pytest.mark.parametrize(("written", "meant"), SUBJECTS, ids=[written for written, _ in SUBJECTS])
def test_the_client_behind_a_subject_is_not_part_of_it(written: str, meant: str) -> None:
    assert told(TaskRecord(written), FRAME)["subject"] == meant


BODIES = [
    ("Ask\r\n\r\nTerraCRM: https://crm.example/contacts/7\r\n", "Ask"),
    ("https://crm.example/contacts/7\n\nAsk", "Ask"),
    ("Ask\n\nTerraCRM: https://crm.example/contacts/7 <https://crm.example/contacts/7>\n\nMore", "Ask\n\nMore"),
    ('TerraCRM: HYPERLINK "https://crm.example/contacts/7"https://crm.example/contacts/7', ""),
    ("See https://crm.example/contacts/7 for the address", "See https://crm.example/contacts/7 for the address"),
    ("TerraCRM: https://crm.example/contacts/78", "TerraCRM: https://crm.example/contacts/78"),
    ("Ask", "Ask"),
]


@pytest.mark.parametrize(("written", "meant"), BODIES, ids=[written[:40] for written, _ in BODIES])
def test_the_link_below_a_text_is_not_part_of_it(written: str, meant: str) -> None:
    assert told(TaskRecord("Call", written), FRAME)["text"] == meant


def test_what_is_done_reminds_of_nothing() -> None:
    done = values("Call", "", None, datetime(2026, 12, 1, tzinfo=UTC), "normal", date(2026, 11, 20))
    assert record(done, FRAME).remind_at is None
    theirs = told(replace(record(OPEN, FRAME), remind_at=None, completed_on=date(2026, 11, 20)), FRAME)
    merged = merge(OPEN, said(OPEN, FRAME), OPEN, theirs, comes_in=True, rule="latest", is_theirs_later=True)
    assert merged.changes == {"done_on": "2026-11-20"}


def test_the_day_on_which_it_was_done_is_not_argued_about() -> None:
    mine, theirs = OPEN | {"done_on": "2026-11-20"}, OPEN | {"done_on": "2026-11-21"}
    merged = merge(OPEN, said(OPEN, FRAME), mine, theirs, comes_in=True, rule="latest", is_theirs_later=True)
    assert (merged.changes, merged.clashes) == ({}, ())
    assert to_write(mine, FRAME, merged.sent) == frozenset()
