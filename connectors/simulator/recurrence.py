"""Recurrence as EWS writes it, and the occurrences it stands for.

Everything here is in the local time of the meeting's own zone, without offset: "every Monday at nine" stays
at nine when the clocks change. `Series` is what the element says; it is expanded with dateutil.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from itertools import islice
from typing import Any, Literal

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule, weekday
from lxml import etree

from connectors.simulator.elements import add, local_name, new, text_of
from connectors.simulator.zone_rules import DAY_NAMES

MONTH_NAMES = [date(2000, month, 1).strftime("%B") for month in range(1, 13)]
INDEX_NAMES = {"First": 1, "Second": 2, "Third": 3, "Fourth": 4, "Last": -1}
_DAY_GROUPS = {"Day": range(7), "Weekday": range(5), "WeekendDay": range(5, 7)}
_FREQUENCIES: dict[str, Literal[0, 1, 2, 3]] = {"Daily": DAILY, "Weekly": WEEKLY, "Monthly": MONTHLY, "Yearly": YEARLY}
_REGENERATIONS = ("DailyRegeneration", "WeeklyRegeneration", "MonthlyRegeneration", "YearlyRegeneration")


@dataclass(frozen=True)
class Pattern:
    """How a series repeats.

    `kind` is "Daily", "Weekly", "Monthly" or "Yearly". `day` is the day of the month (clipped to the last
    day of shorter months, as Exchange does). `index` is 1..4 or -1 and counts `days` within the month.
    `days` count from Monday = 0. `regenerates` marks a task whose next occurrence depends on when the last
    was done.
    """

    kind: str
    interval: int = 1
    days: tuple[int, ...] = ()
    index: int | None = None
    day: int | None = None
    month: int | None = None
    week_start: int = 6
    regenerates: bool = False


@dataclass(frozen=True)
class Series:
    """A pattern with its range: from `start`, through `until` (inclusive) or for `count` occurrences."""

    pattern: Pattern
    start: date
    until: date | None = None
    count: int | None = None


@dataclass(frozen=True)
class Slot:
    """The place of one occurrence in its series: `number` counts from 1, `start` is local."""

    number: int
    start: datetime


def read_series(recurrence: etree._Element) -> Series | None:
    """What a Recurrence element says; None when it holds no pattern or cannot be understood."""
    pattern_element = range_element = None
    for child in recurrence:
        if not isinstance(child.tag, str):
            continue
        name = local_name(child)
        if name in ("NoEndRecurrence", "EndDateRecurrence", "NumberedRecurrence"):
            range_element = child
        else:
            pattern_element = child
    if pattern_element is None or range_element is None:
        return None
    try:
        start = _read_date(text_of(range_element, "StartDate"))
        end = text_of(range_element, "EndDate")
        count = text_of(range_element, "NumberOfOccurrences")
        pattern = _read_pattern(pattern_element)
        return Series(pattern, start, _read_date(end) if end else None, max(1, int(count)) if count else None)
    except (ValueError, KeyError):
        return None


def write_series(series: Series, zone: str = "") -> etree._Element:
    """The Recurrence element of a series; `zone` is appended to its dates ("Z", "+03:00")."""
    recurrence = new("Recurrence")
    _write_pattern(recurrence, series.pattern)
    if series.count is not None:
        name = "NumberedRecurrence"
    else:
        name = "EndDateRecurrence" if series.until else "NoEndRecurrence"
    bounds = add(recurrence, name)
    add(bounds, "StartDate", series.start.isoformat() + zone)
    if series.count is not None:
        add(bounds, "NumberOfOccurrences", series.count)
    elif series.until is not None:
        add(bounds, "EndDate", series.until.isoformat() + zone)
    return recurrence


def slots(series: Series, at: time) -> Iterator[Slot]:
    """Every place of the series in order, starting at the time of day `at`; endless when the series is."""
    for number, start in enumerate(_rule(series, at), 1):
        yield Slot(number, start)


def slots_between(series: Series, at: time, first: datetime, last: datetime) -> Iterator[Slot]:
    """The places that start at or after `first` and before `last`."""
    for slot in slots(series, at):
        if slot.start >= last:
            return
        if slot.start >= first:
            yield slot


def slot(series: Series, at: time, number: int) -> Slot | None:
    """The place with this number, or None when the series has fewer."""
    return next(islice(slots(series, at), number - 1, None), None) if number > 0 else None


def last_slot(series: Series, at: time) -> Slot | None:
    """The last place, or None for a series without end (or without any occurrence)."""
    if series.until is None and series.count is None:
        return None
    final = deque(slots(series, at), maxlen=1)
    return final[0] if final else None


@lru_cache(maxsize=4096)
def _rule(series: Series, at: time) -> rrule:
    pattern = series.pattern
    until = None
    if series.until is not None and series.count is None:
        until = datetime.combine(series.until, time(23, 59, 59))
    options: dict[str, Any] = {
        "dtstart": datetime.combine(series.start, at),
        "interval": pattern.interval,
        "count": series.count,
        "until": until,
        # A calendar asks for the same series again for every window, and counting starts from the first.
        "cache": True,
    }
    if pattern.kind == "Yearly" and pattern.month:
        options["bymonth"] = pattern.month
    if pattern.kind == "Weekly" and pattern.days:
        options |= {"wkst": weekday(pattern.week_start), "byweekday": pattern.days}
    elif pattern.index is not None:
        options |= {"byweekday": pattern.days, "bysetpos": pattern.index}
    elif pattern.day is not None:
        # The last existing day among 28..day: the 31st becomes the 30th, and the 28th or 29th in February.
        options |= {"bymonthday": tuple(range(min(pattern.day, 28), pattern.day + 1)), "bysetpos": -1}
    return rrule(_FREQUENCIES[pattern.kind], **options)


def _read_pattern(element: etree._Element) -> Pattern:
    name = local_name(element)
    interval = max(1, int(text_of(element, "Interval") or 1))
    if name in _REGENERATIONS:
        return Pattern(name.removesuffix("Regeneration"), interval, regenerates=True)
    if name == "DailyRecurrence":
        return Pattern("Daily", interval)
    if name == "WeeklyRecurrence":
        days = _read_days(text_of(element, "DaysOfWeek") or "")
        first = text_of(element, "FirstDayOfWeek")
        return Pattern("Weekly", interval, days, week_start=DAY_NAMES.index(first) if first else 6)
    kind = {"Mon": "Monthly", "Yea": "Yearly"}[name.removeprefix("Relative").removeprefix("Absolute")[:3]]
    month_name = text_of(element, "Month")
    month = MONTH_NAMES.index(month_name) + 1 if month_name else None
    if name.startswith("Absolute"):
        day = min(31, max(1, int(text_of(element, "DayOfMonth") or 1)))
        return Pattern(kind, interval, day=day, month=month)
    days = _read_days(text_of(element, "DaysOfWeek") or "")
    index = INDEX_NAMES[text_of(element, "DayOfWeekIndex") or ""]
    if not days:
        raise ValueError("a relative pattern names its days")
    return Pattern(kind, interval, days, index, month=month)


def _read_days(text: str) -> tuple[int, ...]:
    days: set[int] = set()
    for word in text.split():
        days.update(_DAY_GROUPS[word] if word in _DAY_GROUPS else [DAY_NAMES.index(word)])
    return tuple(sorted(days))


def _write_days(days: tuple[int, ...]) -> str:
    """The one word of a relative pattern."""
    for word, group in _DAY_GROUPS.items():
        if days == tuple(group):
            return word
    return DAY_NAMES[days[0]]


def _write_pattern(recurrence: etree._Element, pattern: Pattern) -> None:
    if pattern.regenerates:
        add(add(recurrence, f"{pattern.kind}Regeneration"), "Interval", pattern.interval)
    elif pattern.index is not None:
        _write_relative(recurrence, pattern)
    elif pattern.kind in ("Daily", "Weekly"):
        element = add(recurrence, f"{pattern.kind}Recurrence")
        add(element, "Interval", pattern.interval)
        if pattern.kind == "Weekly":
            add(element, "DaysOfWeek", " ".join(DAY_NAMES[day] for day in pattern.days))
            add(element, "FirstDayOfWeek", DAY_NAMES[pattern.week_start])
    else:
        element = add(recurrence, f"Absolute{pattern.kind}Recurrence")
        if pattern.kind == "Monthly":
            add(element, "Interval", pattern.interval)
        add(element, "DayOfMonth", pattern.day or 1)
        if pattern.kind == "Yearly":
            add(element, "Month", MONTH_NAMES[(pattern.month or 1) - 1])


def _write_relative(recurrence: etree._Element, pattern: Pattern) -> None:
    names = {number: name for name, number in INDEX_NAMES.items()}
    element = add(recurrence, f"Relative{pattern.kind}Recurrence")
    if pattern.kind == "Monthly":
        add(element, "Interval", pattern.interval)
    add(element, "DaysOfWeek", _write_days(pattern.days))
    add(element, "DayOfWeekIndex", names[pattern.index or 1])
    if pattern.kind == "Yearly":
        add(element, "Month", MONTH_NAMES[(pattern.month or 1) - 1])


def _read_date(text: str | None) -> date:
    """An xs:date; clients add a zone designator ("2024-01-31Z", "2024-01-31+03:00") that says nothing."""
    return date.fromisoformat((text or "")[:10])
