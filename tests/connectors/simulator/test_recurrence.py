"""Recurrence elements and the occurrences they stand for."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, time, timedelta
from itertools import islice

import pytest
from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule, weekday
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from connectors.simulator.content import TYPES
from connectors.simulator.recurrence import (
    Pattern,
    Series,
    last_slot,
    read_series,
    slot,
    slots,
    slots_between,
    write_series,
)

NINE = time(9, 0)

days = st.sets(st.integers(0, 6), min_size=1).map(lambda chosen: tuple(sorted(chosen)))
one_day = st.integers(0, 6).map(lambda day: (day,))
day_group = st.sampled_from([tuple(range(7)), tuple(range(5)), (5, 6)])
intervals = st.integers(1, 12)
indexes = st.sampled_from([1, 2, 3, 4, -1])
patterns = st.one_of(
    st.builds(Pattern, st.just("Daily"), intervals),
    st.builds(Pattern, st.just("Weekly"), intervals, days, week_start=st.integers(0, 6)),
    st.builds(Pattern, st.just("Monthly"), intervals, day=st.integers(1, 31)),
    st.builds(Pattern, st.just("Monthly"), intervals, one_day | day_group, indexes),
    st.builds(Pattern, st.just("Yearly"), day=st.integers(1, 31), month=st.integers(1, 12)),
    st.builds(Pattern, st.just("Yearly"), st.just(1), one_day | day_group, indexes, month=st.integers(1, 12)),
)
dates = st.dates(date(1995, 1, 1), date(2040, 1, 1))
series_ = st.one_of(
    st.builds(Series, patterns, dates),
    st.builds(Series, patterns, dates, count=st.integers(1, 40)),
    st.builds(lambda p, start, more: Series(p, start, start + timedelta(more)), patterns, dates, st.integers(0, 900)),
)


def element(xml: str) -> etree._Element:
    return etree.fromstring(f'<Recurrence xmlns="{TYPES}">{xml}</Recurrence>')


def first_days(series: Series, count: int) -> list[str]:
    return [place.start.date().isoformat() for place in islice(slots(series, NINE), count)]


@given(series_)
def test_a_written_series_reads_back_the_same(series: Series) -> None:
    assert read_series(etree.fromstring(etree.tostring(write_series(series)))) == series


@given(series_)
def test_places_are_numbered_ascending_and_inside_the_range(series: Series) -> None:
    places = list(islice(slots(series, NINE), 50))
    assert [place.number for place in places] == list(range(1, len(places) + 1))
    starts = [place.start for place in places]
    assert starts == sorted(set(starts))
    assert all(start.date() >= series.start and start.time() == NINE for start in starts)
    if series.until:
        assert all(start.date() <= series.until for start in starts)
    if series.count:
        assert len(places) == series.count


@given(series_, st.integers(0, 2000), st.integers(1, 400))
def test_a_window_holds_exactly_the_places_that_start_in_it(series: Series, offset: int, length: int) -> None:
    first = datetime.combine(series.start, NINE) + timedelta(days=offset)
    last = first + timedelta(days=length)
    everything = []
    for place in slots(series, NINE):
        if place.start >= last:
            break
        everything.append(place)
    inside = list(slots_between(series, NINE, first, last))
    assert inside == [place for place in everything if place.start >= first]
    assert all(slot(series, NINE, place.number) == place for place in inside[:3])


@given(dates, intervals, days, st.integers(0, 6))
def test_weekly_places_are_those_of_dateutil(start: date, interval: int, chosen: tuple[int, ...], first: int) -> None:
    series = Series(Pattern("Weekly", interval, chosen, week_start=first), start)
    expected = rrule(WEEKLY, datetime.combine(start, NINE), interval, byweekday=chosen, wkst=weekday(first), count=20)
    assert [place.start for place in islice(slots(series, NINE), 20)] == list(expected)


@given(dates, intervals, st.integers(0, 6), indexes)
def test_relative_monthly_places_are_those_of_dateutil(start: date, interval: int, day: int, index: int) -> None:
    series = Series(Pattern("Monthly", interval, (day,), index), start)
    expected = rrule(MONTHLY, datetime.combine(start, NINE), interval, byweekday=weekday(day)(index), count=20)
    assert [place.start for place in islice(slots(series, NINE), 20)] == list(expected)


@given(dates, intervals)
def test_daily_places_are_those_of_dateutil(start: date, interval: int) -> None:
    series = Series(Pattern("Daily", interval), start, count=20)
    assert [p.start for p in slots(series, NINE)] == list(
        rrule(DAILY, datetime.combine(start, NINE), interval, count=20)
    )


@given(dates, st.integers(0, 6), indexes, st.integers(1, 12))
def test_relative_yearly_places_are_those_of_dateutil(start: date, day: int, index: int, month: int) -> None:
    series = Series(Pattern("Yearly", 1, (day,), index, month=month), start, count=8)
    expected = rrule(YEARLY, datetime.combine(start, NINE), bymonth=month, byweekday=weekday(day)(index), count=8)
    assert [p.start for p in slots(series, NINE)] == list(expected)


@given(dates, intervals, st.integers(1, 31))
def test_a_day_that_a_month_lacks_is_clipped_to_its_last_day(start: date, interval: int, day: int) -> None:
    series = Series(Pattern("Monthly", interval, day=day), start)
    for place in islice(slots(series, NINE), 20):
        assert place.start.day == min(day, monthrange(place.start.year, place.start.month)[1])


def test_the_31st_of_every_month() -> None:
    series = Series(Pattern("Monthly", day=31), date(2024, 1, 1))
    assert first_days(series, 4) == ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"]


def test_29_february_every_year() -> None:
    series = Series(Pattern("Yearly", day=29, month=2), date(2024, 2, 29))
    assert first_days(series, 3) == ["2024-02-29", "2025-02-28", "2026-02-28"]


def test_the_last_weekday_of_a_month() -> None:
    xml = """<RelativeMonthlyRecurrence><Interval>1</Interval><DaysOfWeek>Weekday</DaysOfWeek>
        <DayOfWeekIndex>Last</DayOfWeekIndex></RelativeMonthlyRecurrence>
        <NumberedRecurrence><StartDate>2024-06-01+03:00</StartDate><NumberOfOccurrences>3</NumberOfOccurrences>
        </NumberedRecurrence>"""
    series = read_series(element(xml))
    assert series is not None
    assert first_days(series, 9) == ["2024-06-28", "2024-07-31", "2024-08-30"]


def test_the_end_date_counts_as_a_whole_day() -> None:
    series = Series(Pattern("Daily"), date(2024, 1, 1), until=date(2024, 1, 3))
    place = last_slot(series, time(23, 30))
    assert place is not None
    assert place.start == datetime(2024, 1, 3, 23, 30)  # noqa: DTZ001 (local by definition)


def test_a_series_without_end_has_no_last_place() -> None:
    assert last_slot(Series(Pattern("Daily"), date(2024, 1, 1)), NINE) is None


@pytest.mark.parametrize("kind", ["Daily", "Weekly", "Monthly", "Yearly"])
def test_a_regenerating_task_reads_and_writes(kind: str) -> None:
    series = read_series(
        element(
            f"<{kind}Regeneration><Interval>3</Interval></{kind}Regeneration>"
            "<NoEndRecurrence><StartDate>2024-01-01</StartDate></NoEndRecurrence>"
        )
    )
    assert series == Series(Pattern(kind, 3, regenerates=True), date(2024, 1, 1))
    assert read_series(write_series(series)) == series


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "<DailyRecurrence><Interval>1</Interval></DailyRecurrence>",
        "<NoEndRecurrence><StartDate>2024-01-01</StartDate></NoEndRecurrence>",
        "<DailyRecurrence><Interval>x</Interval></DailyRecurrence>"
        "<NoEndRecurrence><StartDate>2024-01-01</StartDate></NoEndRecurrence>",
        "<DailyRecurrence><Interval>1</Interval></DailyRecurrence>"
        "<NoEndRecurrence><StartDate>soon</StartDate></NoEndRecurrence>",
        "<RelativeMonthlyRecurrence><Interval>1</Interval><DaysOfWeek>Someday</DaysOfWeek>"
        "<DayOfWeekIndex>First</DayOfWeekIndex></RelativeMonthlyRecurrence>"
        "<NoEndRecurrence><StartDate>2024-01-01</StartDate></NoEndRecurrence>",
    ],
)
def test_what_is_not_a_recurrence_is_none(xml: str) -> None:
    assert read_series(element(xml)) is None
