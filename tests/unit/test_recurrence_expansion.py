# ruff: noqa: DTZ001 - wall clocks have no zone
"""The occurrences of a rule inside a window, held against dateutil walking all of them and against the simulator."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from time import perf_counter
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from dateutil.tz import tzstr
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from connectors.exchange_ews.elements import Item
from connectors.exchange_ews.recurrence import rrule
from connectors.simulator.calendar_items import as_utc
from connectors.simulator.recurrence import slots_between, write_series
from terracrm.domain.recurrence import ends_before, starts_between
from terracrm.domain.zones import find_zone, from_wall_clock
from tests.connectors.simulator.test_recurrence import series_

ZONES: list[tzinfo] = [
    UTC,
    *map(
        ZoneInfo,
        (
            "Europe/Moscow",  # +3, +4, +3: 2011, 2014
            "Europe/Berlin",
            "America/New_York",
            "America/Sao_Paulo",  # midnight itself was skipped
            "Australia/Lord_Howe",  # half an hour of summer time
            "Pacific/Apia",  # a whole day was skipped
            "Asia/Vladivostok",
            "Africa/Casablanca",
            "America/St_Johns",
        ),
    ),
    tzstr("STD-1DST-2,M3.5.0/2:00,M10.5.0/3:00"),
]
zones = st.sampled_from(ZONES)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)
weekdays = st.lists(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1, unique=True).map(",".join)
positions = st.sampled_from(["1", "2", "3", "4", "5", "-1", "-2"])
nth_weekday = st.builds(str.__add__, positions, st.sampled_from(["MO", "WE", "SU"]))
month_days = st.sampled_from(["1", "15", "28", "30", "31", "-1", "28,29,30,31"])
months = st.integers(1, 12).map(str)
ends = st.one_of(
    st.just(""),
    st.integers(1, 60).map("COUNT={}".format),
    moments.map("UNTIL={:%Y%m%dT%H%M%SZ}".format),
    moments.map("UNTIL={:%Y%m%d}".format),
)


def parts(*strategies: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Rules of these parts, with an interval and an end, or without."""
    interval = st.sampled_from(["", "INTERVAL=1", "INTERVAL=2", "INTERVAL=3", "INTERVAL=5"])
    return st.tuples(*strategies, interval, ends).map(lambda found: ";".join(part for part in found if part))


rules = st.one_of(
    parts(st.just("FREQ=DAILY")),
    parts(st.just("FREQ=DAILY"), weekdays.map("BYDAY={}".format)),
    parts(st.just("FREQ=WEEKLY")),
    parts(st.just("FREQ=WEEKLY"), weekdays.map("BYDAY={}".format), st.sampled_from(["", "WKST=SU", "WKST=WE"])),
    parts(st.just("FREQ=MONTHLY")),
    parts(st.just("FREQ=MONTHLY"), month_days.map("BYMONTHDAY={}".format), st.sampled_from(["", "BYSETPOS=-1"])),
    parts(st.just("FREQ=MONTHLY"), nth_weekday.map("BYDAY={}".format)),
    parts(st.just("FREQ=MONTHLY"), weekdays.map("BYDAY={}".format), positions.map("BYSETPOS={}".format)),
    parts(st.just("FREQ=YEARLY")),
    parts(st.just("FREQ=YEARLY"), months.map("BYMONTH={}".format), month_days.map("BYMONTHDAY={}".format)),
    parts(st.just("FREQ=YEARLY"), months.map("BYMONTH={}".format), nth_weekday.map("BYDAY={}".format)),
)
windows = st.tuples(moments, st.integers(0, 800)).map(lambda found: (found[0], found[0] + timedelta(days=found[1])))


def walked(rule: str, start: datetime, zone: tzinfo, first: datetime, until: datetime) -> list[datetime]:
    """What dateutil finds when it walks the whole rule in local time from its start."""
    local = start.astimezone(zone).replace(tzinfo=None)
    named = dict(part.split("=") for part in rule.split(";"))
    if (end := named.pop("UNTIL", "")).endswith("Z"):
        last = datetime.strptime(end, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).astimezone(zone)
        named["UNTIL"] = f"{last:%Y%m%dT%H%M%S}"
    elif end:
        named["UNTIL"] = f"{end}T235959"
    text = ";".join(f"{name}={value}" for name, value in named.items())
    found = []
    for moment in rrulestr(text, dtstart=local):
        if moment > until.astimezone(zone).replace(tzinfo=None) + timedelta(days=2):
            break
        found.append(moment.replace(tzinfo=zone).astimezone(UTC))
    return [moment for moment in found if first <= moment < until]


@settings(max_examples=150, deadline=None)
@given(rules, moments, zones, windows)
def test_a_window_holds_what_walking_the_whole_rule_finds(
    rule: str, start: datetime, zone: tzinfo, window: tuple[datetime, datetime]
) -> None:
    assert starts_between(rule, start, zone, *window) == walked(rule, start, zone, *window)


@settings(max_examples=100, deadline=None)
@given(rules, moments, zones, windows, st.integers(0, 800))
def test_two_windows_side_by_side_are_one(
    rule: str, start: datetime, zone: tzinfo, window: tuple[datetime, datetime], days: int
) -> None:
    first, until = window
    middle = min(first + timedelta(days=days), until)
    both = starts_between(rule, start, zone, first, middle) + starts_between(rule, start, zone, middle, until)
    assert both == starts_between(rule, start, zone, first, until)


@settings(max_examples=60, deadline=None)
@given(rules, moments, zones, moments)
def test_a_rule_that_ends_before_a_moment_has_nothing_after_it(
    rule: str, start: datetime, zone: tzinfo, moment: datetime
) -> None:
    later = starts_between(rule, start, zone, moment, moment + timedelta(days=400))
    assert not (later and ends_before(rule, start, zone, moment))
    if "COUNT" not in rule and "UNTIL" not in rule:
        assert not ends_before(rule, start, zone, moment)


@settings(max_examples=200, deadline=None)
@given(series_, zones, st.times(), st.integers(-40, 1200), st.integers(0, 500))
def test_every_pattern_of_exchange_has_the_occurrences_that_exchange_shows(
    series: object, zone: tzinfo, at: time, days: int, length: int
) -> None:
    at = at.replace(microsecond=0)
    opening = next(slots_between(series, at, datetime(1990, 1, 1), datetime(2100, 1, 1)), None)
    if opening is None:
        return
    start = as_utc(opening.start, zone)
    # Exchange keeps the series at the hour that its first occurrence has, also when the clocks skipped the one meant.
    at = start.astimezone(zone).time()
    first = start + timedelta(days=days)
    until = first + timedelta(days=length)
    low, high = (moment.replace(tzinfo=None) + timedelta(days=more) for moment, more in ((first, -2), (until, 2)))
    shown = [as_utc(slot.start, zone) for slot in slots_between(series, at, low, high)]
    rule = rrule(Item(etree.fromstring(etree.tostring(write_series(series)))), start, zone, is_all_day=False)
    assert starts_between(rule, start, zone, first, until) == [moment for moment in shown if first <= moment < until]


@pytest.mark.parametrize("rule", ["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;WKST=SU", "FREQ=DAILY;INTERVAL=3"])
def test_an_old_endless_series_is_not_walked_from_its_beginning(rule: str) -> None:
    begin = perf_counter()
    for year in range(2020, 2030):
        first = datetime(year, 3, 1, tzinfo=UTC)
        assert starts_between(rule, datetime(1904, 1, 4, 9, tzinfo=UTC), UTC, first, first + timedelta(days=10))
    assert perf_counter() - begin < 0.5


@pytest.mark.parametrize("rule", ["", "nonsense", "FREQ=SECONDLY", "FREQ=WEEKLY;BYDAY=XX", "FREQ=DAILY;UNTIL=never"])
def test_a_rule_that_cannot_be_read_leaves_the_start_alone(rule: str) -> None:
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert starts_between(rule, start, UTC, start, start + timedelta(days=30)) == [start]
    assert starts_between(rule, start, UTC, start + timedelta(days=1), start + timedelta(days=30)) == []


def test_an_interval_of_nothing_is_one() -> None:
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert len(starts_between("FREQ=DAILY;INTERVAL=0", start, UTC, start, start + timedelta(days=3))) == 3


DST = [
    ("spring in Berlin skips half past two", "Europe/Berlin", date(2026, 3, 29), time(2, 30), "2026-03-29T01:30"),
    ("autumn in Berlin has it twice", "Europe/Berlin", date(2026, 10, 25), time(2, 30), "2026-10-25T00:30"),
    ("spring in New York", "America/New_York", date(2026, 3, 8), time(2, 30), "2026-03-08T07:30"),
    ("autumn in New York", "America/New_York", date(2026, 11, 1), time(1, 30), "2026-11-01T05:30"),
    ("spring in Sydney, in October", "Australia/Sydney", date(2026, 10, 4), time(2, 30), "2026-10-03T16:30"),
    ("autumn in Sydney, in April", "Australia/Sydney", date(2026, 4, 5), time(2, 30), "2026-04-04T15:30"),
    ("Moscow before 2011 in summer", "Europe/Moscow", date(2010, 7, 1), time(10), "2010-07-01T06:00"),
    ("Moscow from 2011 to 2014", "Europe/Moscow", date(2013, 1, 15), time(10), "2013-01-15T06:00"),
    ("Moscow after October 2014", "Europe/Moscow", date(2014, 10, 27), time(10), "2014-10-27T07:00"),
    (
        "Moscow in the hour that came twice in 2014",
        "Europe/Moscow",
        date(2014, 10, 26),
        time(1, 30),
        "2014-10-25T21:30",
    ),
]


@pytest.mark.parametrize(("zone", "day", "at", "expected"), [case[1:] for case in DST], ids=[case[0] for case in DST])
def test_a_wall_clock_time_is_a_moment(zone: str, day: date, at: time, expected: str) -> None:
    found = find_zone(zone)
    assert found is not None
    assert from_wall_clock(datetime.combine(day, at), found).isoformat()[:16] == expected
