"""When people are free: busy times of a calendar, merged into intervals, and times that suit everybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from connectors.simulator.elements import read_duration
from connectors.simulator.errors import EwsError
from connectors.simulator.schema import Element, t, text_of
from connectors.simulator.zone_rules import DAY_NAMES, Change, YearRule

# The digits of MergedFreeBusy; where several meetings overlap the highest is shown.
_DIGITS = {"Free": 0, "Tentative": 1, "Busy": 2, "OOF": 3, "WorkingElsewhere": 4}
WORK_BEGINS, WORK_ENDS = time(8), time(17)
WORKDAYS = DAY_NAMES[:5]


@dataclass(frozen=True)
class Busy:
    """One entry of a calendar as others see it; moments are in UTC."""

    start: datetime
    end: datetime
    status: str
    element: Element
    id: str


def merged(busy: Iterable[Busy], first: datetime, last: datetime, interval: timedelta) -> str:
    """One digit for each interval of the window."""
    entries = list(busy)
    digits = []
    while first < last:
        following = first + interval
        hits = [_DIGITS.get(one.status, 0) for one in entries if one.start < following and one.end > first]
        digits.append(str(max(hits, default=0)))
        first = following
    return "".join(digits)


def suggestions(
    calendars: list[list[Busy]], first: datetime, last: datetime, duration: timedelta, zone: tzinfo, most: int
) -> Iterator[tuple[datetime, list[datetime]]]:
    """For each day of the window, in local time: its midnight, and the starts in working hours that suit everybody."""
    day = datetime.combine(first.astimezone(zone).date(), time())
    end = last.astimezone(zone).replace(tzinfo=None)
    while day < end:
        found: list[datetime] = []
        slot = datetime.combine(day.date(), WORK_BEGINS)
        while day.weekday() < 5 and slot + duration <= datetime.combine(day.date(), WORK_ENDS) and len(found) < most:
            start = slot.replace(tzinfo=zone).astimezone(UTC)
            if start >= first and start + duration <= last and _all_free(calendars, start, start + duration):
                found.append(slot)
            slot += timedelta(minutes=30)
        yield day, found
        day += timedelta(days=1)


def _all_free(calendars: list[list[Busy]], start: datetime, end: datetime) -> bool:
    return not any(one.status != "Free" and one.start < end and one.end > start for busy in calendars for one in busy)


def read_zone(element: Element) -> tzinfo:
    """The zone of a TimeZone element of an availability request (SerializableTimeZone). Raises ErrorTimeZone."""
    try:
        bias = int(text_of(element, "Bias", "0"))
        parts = {name: _read_part(element.find(t(name))) for name in ("StandardTime", "DaylightTime")}
        standard_bias, to_standard = parts["StandardTime"]
        daylight_bias, to_daylight = parts["DaylightTime"]
        standard = -timedelta(minutes=bias + standard_bias)
        daylight = -timedelta(minutes=bias + daylight_bias)
    except (ValueError, OverflowError) as error:
        raise EwsError("ErrorTimeZone", "The specified time zone isn't valid.") from error
    if standard == daylight or to_standard is None or to_daylight is None:
        return YearRule(standard).tzinfo()
    return YearRule(standard, daylight, to_daylight, to_standard).tzinfo()


def _read_part(part: Element | None) -> tuple[int, Change | None]:
    if part is None:
        return 0, None
    bias, month = int(text_of(part, "Bias", "0")), int(text_of(part, "Month", "0"))
    nth, day = int(text_of(part, "DayOrder", "1")), text_of(part, "DayOfWeek", "Sunday")
    clock = [int(number) for number in text_of(part, "Time", "00:00:00").split(":")[:2]]
    at = timedelta(hours=clock[0], minutes=clock[1] if len(clock) > 1 else 0)
    if not 1 <= month <= 12 or day not in DAY_NAMES:
        return bias, None
    return bias, Change(month, DAY_NAMES.index(day), -1 if nth >= 5 else nth, at)


def read_interval(text: str) -> timedelta:
    """Minutes of an interval of the merged view: 5 to 1440. Raises ErrorInvalidMergedFreeBusyInterval."""
    span = read_duration(f"PT{text}M") if text.isdigit() else None
    if span is None or not timedelta(minutes=5) <= span <= timedelta(days=1):
        raise EwsError("ErrorInvalidMergedFreeBusyInterval", "The merged free/busy interval is invalid.")
    return span
