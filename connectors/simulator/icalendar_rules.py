"""iCalendar's RRULE as Exchange's series, and back.

Exchange knows fewer patterns than RFC 5545. What it cannot say (several days of a month, hourly rules) is no
series here either: such an event is read as the single meeting of its first date, as Exchange itself imports
it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from typing import Any

from connectors.simulator.recurrence import Pattern, Series

_CODES = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
_GROUPS = [tuple(range(7)), tuple(range(5)), (5, 6)]
_DAY = re.compile(r"^([+-]?\d+)?(MO|TU|WE|TH|FR|SA|SU)$")


def read_rule(rule: Mapping[str, Any], start: datetime, zone: tzinfo) -> Series | None:
    """The series of a parsed RRULE whose first event starts at the local time `start` in `zone`."""
    try:
        pattern = _pattern(rule, start)
        if pattern is None:
            return None
        count, until = _first(rule, "COUNT"), _first(rule, "UNTIL")
        return Series(
            pattern,
            start.date(),
            None if until is None or count else _until(until, zone),
            max(1, int(count)) if count else None,
        )
    except (ValueError, TypeError, OverflowError):
        return None


def write_rule(series: Series, at_utc: datetime | None = None) -> dict[str, Any]:
    """The RRULE of a series; `at_utc` is its last start where the series has an end date."""
    pattern = series.pattern
    rule: dict[str, Any] = {"FREQ": pattern.kind.upper()}
    if pattern.interval > 1:
        rule["INTERVAL"] = pattern.interval
    if pattern.month and pattern.kind == "Yearly":
        rule["BYMONTH"] = pattern.month
    if pattern.index is not None and len(pattern.days) == 1:
        rule["BYDAY"] = f"{pattern.index}{_CODES[pattern.days[0]]}"
    elif pattern.days:
        rule["BYDAY"] = [_CODES[day] for day in pattern.days]
        if pattern.index is not None:
            rule["BYSETPOS"] = pattern.index
    if pattern.day is not None:
        rule["BYMONTHDAY"] = pattern.day if pattern.day <= 28 else list(range(28, pattern.day + 1))
        if pattern.day > 28:
            rule["BYSETPOS"] = -1
    if pattern.kind == "Weekly":
        rule["WKST"] = _CODES[pattern.week_start]
    if series.count is not None:
        rule["COUNT"] = series.count
    elif series.until is not None:
        rule["UNTIL"] = at_utc or series.until
    return rule


def _pattern(rule: Mapping[str, Any], start: datetime) -> Pattern | None:
    frequency = str(_first(rule, "FREQ") or "").upper()
    interval = max(1, int(_first(rule, "INTERVAL") or 1))
    if any(rule.get(part) for part in ("BYYEARDAY", "BYWEEKNO")):
        return None
    days = _days(rule)
    first = str(_first(rule, "WKST") or "MO").upper()
    week_start = _CODES.index(first) if first in _CODES else 0
    if frequency == "DAILY" and not days:
        return Pattern("Daily", interval)
    if frequency == "WEEKLY" or (frequency == "DAILY" and interval == 1):
        chosen = tuple(sorted({day for _, day in days})) or (start.weekday(),)
        return Pattern("Weekly", interval, chosen, week_start=week_start)
    months = [int(month) for month in _all(rule, "BYMONTH")]
    if frequency == "MONTHLY":
        return None if months else _monthly(rule, days, "Monthly", interval, None, start)
    if frequency == "YEARLY" and len(months) <= 1:
        month = months[0] if months else start.month
        if days and not months and not _all(rule, "BYMONTHDAY"):
            return None  # "the 20th Monday of the year"
        if interval == 1:
            return _monthly(rule, days, "Yearly", 1, month, start)
        # Exchange says "every second year" as "every 24 months".
        return _monthly(rule, days, "Monthly", 12 * interval, None, start) if month == start.month else None
    return None


def _monthly(
    rule: Mapping[str, Any],
    days: list[tuple[int, int]],
    kind: str,
    interval: int,
    month: int | None,
    start: datetime,
) -> Pattern | None:
    month_days = [int(day) for day in _all(rule, "BYMONTHDAY")]
    positions = [int(position) for position in _all(rule, "BYSETPOS")]
    if month is not None and not 1 <= month <= 12:
        return None
    if not days:
        day = _month_day(month_days, positions, start)
        if day is None:
            return None
        if day == -1:
            return Pattern(kind, interval, tuple(range(7)), -1, month=month)
        return Pattern(kind, interval, day=day, month=month)
    chosen = tuple(sorted({day for _, day in days}))
    ordinals = {ordinal for ordinal, _ in days}
    if month_days:
        return _in_week(kind, interval, chosen, month_days, month)
    if len(days) == 1 and ordinals != {0}:
        index = ordinals.pop()
    elif ordinals == {0} and len(positions) == 1 and (len(chosen) == 1 or chosen in _GROUPS):
        index = positions[0]
    else:
        return None
    return Pattern(kind, interval, chosen, index, month=month) if index in (1, 2, 3, 4, -1) else None


def _month_day(month_days: list[int], positions: list[int], start: datetime) -> int | None:
    """The day of the month; -1 for the last; None for what Exchange has no word for."""
    if not month_days:
        return start.day
    if len(month_days) == 1:
        return month_days[0] if 1 <= month_days[0] <= 31 or month_days[0] == -1 else None
    # 28,29,30,31 with BYSETPOS=-1 is how clipping to the last day is said in iCalendar.
    clipped = positions == [-1] and month_days == list(range(28, max(month_days) + 1))
    return max(month_days) if clipped else None


def _in_week(
    kind: str, interval: int, days: tuple[int, ...], month_days: list[int], month: int | None
) -> Pattern | None:
    """ "BYDAY=TU;BYMONTHDAY=8,9,..,14" is how some programs say the second Tuesday."""
    if (
        len(days) != 1
        or len(month_days) != 7
        or sorted(month_days) != list(range(min(month_days), min(month_days) + 7))
    ):
        return None
    index = {1: 1, 8: 2, 15: 3, 22: 4, -7: -1}.get(min(month_days))
    return Pattern(kind, interval, days, index, month=month) if index else None


def _days(rule: Mapping[str, Any]) -> list[tuple[int, int]]:
    found = []
    for code in _all(rule, "BYDAY"):
        match = _DAY.match(str(code).strip().upper())
        if match:
            found.append((int(match[1] or 0), _CODES.index(match[2])))
    return found


def _until(value: datetime | date, zone: tzinfo) -> date:
    if not isinstance(value, datetime):
        return value
    return (value.astimezone(zone) if value.tzinfo else value).date()


def _all(rule: Mapping[str, Any], part: str) -> list[Any]:
    value = rule.get(part)
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _first(rule: Mapping[str, Any], part: str) -> Any:
    values = _all(rule, part)
    return values[0] if values else None
