"""Which troubles are told, and when: a table of named cases, and properties over whatever comes and goes (Y5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terracrm.domain import alert_rules
from terracrm.domain.alert_rules import (
    AT_ONCE,
    Finding,
    Rule,
    StreamFacts,
    Subject,
    Times,
    safe_reason,
    timing,
)

START = datetime(2026, 11, 23, 9, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FINE = {"mailbox_id": 1, "mailbox": "anna@office.test", "stream_id": 2, "server": "mail.office.test", "is_on": True}
OFF = {"is_on": False}
# name: what a stream is like beside being on and in order -> rules and counts that it is told by
STREAMS: dict[str, tuple[dict[str, object], dict[Rule, int]]] = {
    "in order": ({}, {}),
    "never run": ({"state": "new"}, {}),
    "a wrong password": ({"state": "credentials", "failures": 1}, {Rule.CREDENTIALS: 0}),
    "the brake": ({"state": "approval"}, {Rule.APPROVAL: 0}),
    "what the server cannot do": ({"state": "paused", "failures": 1}, {Rule.PAUSED: 0}),
    "a server that is away": ({"state": "backoff", "failures": 4}, {Rule.FAILING: 4}),
    "an unexpected error": ({"state": "degraded", "failures": 1}, {Rule.FAILING: 1}),
    "due and not run": ({"lag": MINUTE}, {Rule.LATE: 0}),
    "due while it fails": ({"state": "backoff", "failures": 1, "lag": MINUTE}, {Rule.FAILING: 1}),
    "two workers died": ({"broken_off": 2}, {}),
    "three workers died": ({"broken_off": 3}, {Rule.BROKEN_OFF: 3}),
    "sick items": ({"state": "degraded", "quarantined": 2}, {Rule.QUARANTINE: 2}),
    "gaps": ({"state": "degraded", "gaps": 7}, {Rule.GAPS: 7}),
    "writes given up": ({"state": "degraded", "given_up": 1}, {Rule.GIVEN_UP: 1}),
    "all three": (
        {"quarantined": 1, "gaps": 2, "given_up": 3},
        {Rule.QUARANTINE: 1, Rule.GAPS: 2, Rule.GIVEN_UP: 3},
    ),
    "a write of just now": ({"owed": 5, "owed_for": HOUR}, {}),
    "a write of this morning": ({"owed": 5, "owed_for": 3 * HOUR}, {Rule.OUTBOX: 5}),
    "a write while the server is away": (
        {"state": "backoff", "failures": 9, "owed": 5, "owed_for": 3 * HOUR},
        {Rule.FAILING: 9},
    ),
    "a clock that is a minute off": ({"clock_skew": -60}, {}),
    "a clock that is an hour behind": ({"clock_skew": -3600}, {Rule.CLOCK: 3600}),
    "an off mailbox with everything": (
        {**OFF, "state": "credentials", "gaps": 1, "broken_off": 9, "clock_skew": 999, "lag": HOUR},
        {},
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_what_is_wrong_with_a_stream(name: str) -> None:
    given, expected = STREAMS[name]
    facts = StreamFacts(**{"state": "ok", **FINE, **given})  # type: ignore[arg-type]
    assert {each.subject.rule: each.count for each in alert_rules.of_streams([facts])} == expected


def test_a_wrong_clock_is_told_once_for_each_server() -> None:
    servers = (("a.test", 200), ("a.test", -900), ("b.test", 10), ("c.test", 121), ("c.test", None))
    facts = [
        StreamFacts(**{**FINE, "stream_id": n, "server": host, "state": "ok", "clock_skew": skew})  # type: ignore[arg-type]
        for n, (host, skew) in enumerate(servers)
    ]
    assert list(alert_rules.of_streams(facts)) == [
        Finding(Subject(Rule.CLOCK, about="a.test"), 900),
        Finding(Subject(Rule.CLOCK, about="c.test"), 121),
    ]


# name: rule, the minutes in which it is wrong, for how long it is looked at -> the minutes in which it is told, and
# what: after 30 minutes, again each 6 hours.
LIVES: dict[str, tuple[Rule, range | set[int], int, dict[int, str]]] = {
    "nothing ever": (Rule.FAILING, set(), 600, {}),
    "a wrong password is told at once": (Rule.CREDENTIALS, range(5, 8), 20, {5: "raised"}),
    "its end is told when it stays so": (Rule.CREDENTIALS, range(5, 8), 60, {5: "raised", 38: "ended"}),
    "a server away for a while is not told": (Rule.FAILING, range(5, 34), 200, {}),
    "a server away for long is": (Rule.FAILING, range(5, 90), 200, {35: "raised", 120: "ended"}),
    "what was right in between begins anew": (Rule.FAILING, {*range(29), *range(30, 59)}, 100, {}),
    "what comes and goes is one alert": (Rule.APPROVAL, {*range(0, 120, 2)}, 200, {0: "raised", 149: "ended"}),
    "it is told again while it lasts": (Rule.PAUSED, range(800), 800, {0: "raised", 360: "lasts", 720: "lasts"}),
    "the database is told after two minutes": (Rule.DATABASE, range(10), 60, {2: "raised", 40: "ended"}),
    "a message broker, noticed when it has been away for a while, at once": (
        Rule.BROKER,
        range(10),
        60,
        {0: "raised", 40: "ended"},
    ),
    "a minute without it is not": (Rule.DATABASE, range(2), 60, {}),
}


def live(rule: Rule, wrong: set[int] | range, minutes: int, after: int = 30, repeat: int = 6) -> dict[int, str]:
    """The minutes in which something is told of one alert, and what."""
    times: Times | None = None
    told = {}
    for minute in range(minutes):
        now = START + minute * MINUTE
        times, what = alert_rules.step(rule, minute in wrong, times, now, timing(after, repeat))
        if what:
            told[minute] = str(what)
        if times and times.cleared_at:
            times = None
    return told


@pytest.mark.parametrize("name", LIVES)
def test_when_it_is_told(name: str) -> None:
    rule, wrong, minutes, expected = LIVES[name]
    assert live(rule, wrong, minutes) == expected


@given(
    st.sampled_from(Rule),
    st.lists(st.tuples(st.booleans(), st.integers(1, 90)), max_size=40),
    st.sampled_from([0, 1, 30, 120]),
    st.sampled_from([0, 1, 24]),
)
def test_whatever_comes_and_goes_few_messages_tell_it(
    rule: Rule, spells: list[tuple[bool, int]], after: int, repeat: int
) -> None:
    wrong: set[int] = set()
    minutes = 0
    for is_wrong, length in spells:
        wrong |= set(range(minutes, minutes + length)) if is_wrong else set()
        minutes += length
    quiet = max(after, 10)
    told = live(rule, wrong, minutes + quiet + 1, after, repeat)
    words = list(told.values())
    # Each begins and ends in turn, and it lasts only in between; in the end nothing is left open.
    ends = [word for word in words if word != "lasts"]
    assert ends == ["raised", "ended"] * (len(ends) // 2)
    assert not words or (words[0], words[-1]) == ("raised", "ended")
    # No storm: an alert lives for the quiet time at least, and is told again no sooner than the setting says.
    raised = [minute for minute, word in told.items() if word == "raised"]
    assert all(later - sooner > quiet for sooner, later in pairwise(raised))
    again = [minute for minute, word in told.items() if word != "ended"]
    assert all(repeat and b - a >= min(repeat * 60, quiet) for a, b in pairwise(again) if b not in raised)
    # Nothing is told that is not so: it is wrong when it is told, and has been for as long as it should.
    wait = 2 if rule is Rule.DATABASE else 0 if rule in AT_ONCE else after
    for minute in raised:
        assert set(range(minute - wait, minute + 1)) <= wrong
    for minute, word in told.items():
        if word == "ended":
            assert not wrong & set(range(minute - quiet, minute + 1))
    # And what should be told is.
    if any(set(range(start, start + wait + 1)) <= wrong for start in wrong):
        assert raised


def test_a_subject_is_one_alert_however_its_words_change() -> None:
    one, other = (
        alert_rules.of_streams([StreamFacts(**FINE, state="backoff", failures=n, error=f"{n}")]) for n in (1, 2)
    )  # type: ignore[arg-type]
    assert next(one).subject == next(other).subject


# In place of "=" it stays as it is.
REASONS = {
    "mail.office.test refused the user name or the password.": "=",
    "The account's password has expired, and its owner's, too.": "=",
    "There is a folder 'TerraCRM History/ООО Ромашка' for mail: rename it.": "There is a folder … for mail: rename it.",
    'Exchange refuses "Мария Иванова" (ErrorX: «Лавка»).': "Exchange refuses … (ErrorX: …).",
    "Not for anna@office.test. maria@client.test, <Peter@client.test>": "Not for anna@office.test. …, <…>",
    "": "=",
}


@pytest.mark.parametrize("text", REASONS)
def test_a_reason_names_nothing_of_clients(text: str) -> None:
    expected = text if REASONS[text] == "=" else REASONS[text]
    assert safe_reason(text, "anna@office.test") == expected


def test_a_reason_is_short() -> None:
    assert len(safe_reason("x" * 1000)) == alert_rules.REASON_CHARS
