"""The Recurrence element of a series -> an RRULE of iCalendar (RFC 5545, section 3.3.10)."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo

from connectors.exchange_ews.elements import Item

_DAYS = {
    "Sunday": "SU",
    "Monday": "MO",
    "Tuesday": "TU",
    "Wednesday": "WE",
    "Thursday": "TH",
    "Friday": "FR",
    "Saturday": "SA",
    "Day": "SU,MO,TU,WE,TH,FR,SA",
    "Weekday": "MO,TU,WE,TH,FR",
    "WeekendDay": "SU,SA",
}
_POSITIONS = {"First": "1", "Second": "2", "Third": "3", "Fourth": "4", "Last": "-1"}
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def rrule(recurrence: Item, start: datetime | None, zone: tzinfo, is_all_day: bool) -> str:
    """The rule, or "" for a pattern that iCalendar cannot say. `start` and `zone` are those of the series."""
    parts: list[str] = []
    ends: list[str] = []
    for part in recurrence.parts():
        if part.type in _PATTERNS:
            parts = _PATTERNS[part.type](part)
        elif part.type == "NumberedRecurrence":
            ends = [f"COUNT={part.text('NumberOfOccurrences')}"]
        elif part.type == "EndDateRecurrence":
            ends = _until(part.text("EndDate"), start, zone, is_all_day)
    return ";".join(parts + ends) if parts else ""


def _daily(pattern: Item) -> list[str]:
    return ["FREQ=DAILY", *_interval(pattern)]


def _weekly(pattern: Item) -> list[str]:
    days = _days(pattern)
    # Where the pattern says nothing (Exchange 2007), Outlook's weeks begin on Sunday and iCalendar's on Monday.
    first = _DAYS.get(pattern.text("FirstDayOfWeek"), "SU")
    return ["FREQ=WEEKLY", *_interval(pattern), *([f"BYDAY={days}"] if days else []), f"WKST={first}"]


def _monthly_by_date(pattern: Item) -> list[str]:
    return ["FREQ=MONTHLY", *_interval(pattern), *_day_of_month(pattern)]


def _monthly_by_day(pattern: Item) -> list[str]:
    return ["FREQ=MONTHLY", *_interval(pattern), *_nth_day(pattern)]


def _yearly_by_date(pattern: Item) -> list[str]:
    return ["FREQ=YEARLY", _month(pattern), *_day_of_month(pattern)]


def _yearly_by_day(pattern: Item) -> list[str]:
    return ["FREQ=YEARLY", _month(pattern), *_nth_day(pattern)]


_PATTERNS = {
    "DailyRecurrence": _daily,
    "WeeklyRecurrence": _weekly,
    "AbsoluteMonthlyRecurrence": _monthly_by_date,
    "RelativeMonthlyRecurrence": _monthly_by_day,
    "AbsoluteYearlyRecurrence": _yearly_by_date,
    "RelativeYearlyRecurrence": _yearly_by_day,
}


def _interval(pattern: Item) -> list[str]:
    interval = pattern.number("Interval")
    return [f"INTERVAL={interval}"] if interval > 1 else []


def _days(pattern: Item) -> str:
    return ",".join(_DAYS[day] for day in pattern.text("DaysOfWeek").split() if day in _DAYS)


def _nth_day(pattern: Item) -> list[str]:
    days, position = _days(pattern), _POSITIONS.get(pattern.text("DayOfWeekIndex"), "1")
    return [f"BYDAY={days}", f"BYSETPOS={position}"] if "," in days else [f"BYDAY={position}{days}"]


def _day_of_month(pattern: Item) -> list[str]:
    """Outlook takes the last day of a month that is too short; a plain BYMONTHDAY would skip that month."""
    day = pattern.number("DayOfMonth")
    if day <= 28:
        return [f"BYMONTHDAY={day}"]
    return ["BYMONTHDAY=" + ",".join(str(each) for each in range(28, day + 1)), "BYSETPOS=-1"]


def _month(pattern: Item) -> str:
    name = pattern.text("Month")
    return f"BYMONTH={_MONTHS.index(name) + 1}" if name in _MONTHS else "BYMONTH=1"


def _until(text: str, start: datetime | None, zone: tzinfo, is_all_day: bool) -> list[str]:
    """UNTIL in the form of DTSTART: a date for all-day events, else the last day's start in UTC."""
    try:
        last = date.fromisoformat(text[:10])
    except ValueError:
        return []
    if is_all_day or start is None:
        return [f"UNTIL={last:%Y%m%d}"]
    moment = datetime.combine(last, start.astimezone(zone).time(), zone).astimezone(UTC)
    return [f"UNTIL={moment:%Y%m%dT%H%M%SZ}"]
