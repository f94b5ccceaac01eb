"""When meetings are, in words: how a series repeats, the days of whole-day events, the clocks of another zone."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, timedelta

from babel.dates import format_interval, get_timezone_location
from babel.lists import format_list
from flask import Flask
from flask_babel import format_date, get_locale, get_timezone, gettext, ngettext, pgettext

from terracrm.domain.recurrence import Pattern, pattern_of
from terracrm.domain.zones import find_zone, zone_or_utc
from terracrm.models import Meeting
from terracrm.services.timeline import MeetingFacts
from web.formats import day, day_heading, local_day

ONE_DAY = timedelta(days=1)
ALL_DAYS, WORKING_DAYS, DAYS_OFF = tuple(range(7)), tuple(range(5)), (5, 6)
LAST_OF_MONTH = 31
LEAP_YEAR = 2024
# Russian has another word for "first" with each of these.
MASCULINE, FEMININE, NEUTER = "masculine", "feminine", "neuter"
_GENDERS = (MASCULINE, MASCULINE, FEMININE, MASCULINE, FEMININE, FEMININE, NEUTER)


def init(app: Flask) -> None:
    """Give the templates these filters."""
    for function in (days_of, in_own_zone, repetition):
        app.jinja_env.filters[function.__name__] = function


def repetition(series: Meeting) -> str:
    """How a series repeats: "Every week on Tuesday and Thursday, until 5 May 2026"."""
    pattern = None
    if series.start_at is not None:
        pattern = pattern_of(series.recurrence, series.start_at, zone_or_utc(series.zone))
    if pattern is None:
        return gettext("Repeats")
    return ", ".join(part for part in (_on(pattern), _end(pattern)) if part)


def days_of(meeting: Meeting | MeetingFacts) -> str:
    """The day or days of a whole-day event: "Today", "10–12 March 2026"."""
    first = meeting.start_date
    if first is None:
        return ""
    last = (meeting.end_date or first + ONE_DAY) - ONE_DAY
    return day_heading(first) if last <= first else str(format_interval(first, last, "yMMMd", locale=get_locale()))


def in_own_zone(meeting: Meeting) -> str:
    """The time of a meeting by the clocks of its own zone, where they differ from the reader's: "17:00–18:00, Moscow".

    Only the name, where nobody knows what the clocks of that zone show.
    """
    start, own = meeting.start_at, find_zone(meeting.zone)
    if start is None or meeting.is_all_day or not meeting.zone:
        return ""
    if own is None:
        return meeting.zone
    if own is UTC or start.astimezone(own).utcoffset() == start.astimezone(get_timezone()).utcoffset():
        return ""
    begin, end = start.astimezone(own), (meeting.end_at or start).astimezone(own)
    times = f"{begin:%H:%M}–{end:%H:%M}" if end != begin else f"{begin:%H:%M}"
    if begin.date() != local_day(start):
        times = f"{day(begin.date())}, {times}"
    return f"{times}, {get_timezone_location(own, locale=get_locale(), return_city=True)}"


def _on(pattern: Pattern) -> str:
    every = _every(pattern)
    if pattern.frequency == "WEEKLY":
        if pattern.weekdays == WORKING_DAYS and pattern.interval == 1:
            return gettext("Every working day")
        days = format_list([_weekday(number) for number in pattern.weekdays], locale=get_locale())
        return gettext("%(every)s on %(days)s", every=every, days=days)
    if pattern.position is not None:
        which = _which(pattern)
        if pattern.frequency == "YEARLY" and pattern.month:
            month = get_locale().months["format"]["wide"][pattern.month]
            which = gettext("%(which)s of %(month)s", which=which, month=month)
        return gettext("%(every)s on the %(which)s", every=every, which=which)
    if pattern.frequency == "YEARLY" and pattern.month and pattern.day:
        date_ = date(LEAP_YEAR, pattern.month, min(pattern.day, monthrange(LEAP_YEAR, pattern.month)[1]))
        return gettext("%(every)s on %(day)s", every=every, day=format_date(date_, "d MMMM"))
    if pattern.frequency == "MONTHLY" and pattern.day:
        if pattern.day in (LAST_OF_MONTH, -1):
            return gettext("%(every)s on the last day", every=every)
        return gettext("%(every)s on day %(day)s", every=every, day=pattern.day)
    return every


def _every(pattern: Pattern) -> str:
    number = pattern.interval
    if number == 1:
        once = {
            "DAILY": gettext("Every day"),
            "WEEKLY": gettext("Every week"),
            "MONTHLY": gettext("Every month"),
            "YEARLY": gettext("Every year"),
        }
        return once[pattern.frequency]
    words = {
        "DAILY": ngettext("Every %(num)s day", "Every %(num)s days", number),
        "WEEKLY": ngettext("Every %(num)s week", "Every %(num)s weeks", number),
        "MONTHLY": ngettext("Every %(num)s month", "Every %(num)s months", number),
        "YEARLY": ngettext("Every %(num)s year", "Every %(num)s years", number),
    }
    return words[pattern.frequency]


def _end(pattern: Pattern) -> str:
    if pattern.count is not None:
        return ngettext("%(num)s time", "%(num)s times", pattern.count)
    return gettext("until %(day)s", day=day(pattern.until)) if pattern.until else ""


def _weekday(number: int) -> str:
    return str(get_locale().days["format"]["wide"][number])


def _which(pattern: Pattern) -> str:
    """Which day of the month: "last Friday", "first working day"."""
    if len(pattern.weekdays) == 1:
        name, gender = _weekday(pattern.weekdays[0]), _GENDERS[pattern.weekdays[0]]
    else:
        names = {
            ALL_DAYS: pgettext("of the month", "day"),
            WORKING_DAYS: pgettext("of the month", "working day"),
            DAYS_OFF: pgettext("of the month", "day off"),
        }
        listed = format_list([_weekday(number) for number in pattern.weekdays], style="or", locale=get_locale())
        name, gender = names.get(pattern.weekdays, listed), MASCULINE
    return _positions(gender, name).get(pattern.position or 1, name)


def _positions(gender: str, name: str) -> dict[int, str]:
    if gender == FEMININE:
        return {
            1: pgettext("the Wednesday, Friday or Saturday", "first %(day)s", day=name),
            2: pgettext("the Wednesday, Friday or Saturday", "second %(day)s", day=name),
            3: pgettext("the Wednesday, Friday or Saturday", "third %(day)s", day=name),
            4: pgettext("the Wednesday, Friday or Saturday", "fourth %(day)s", day=name),
            -1: pgettext("the Wednesday, Friday or Saturday", "last %(day)s", day=name),
        }
    if gender == NEUTER:
        return {
            1: pgettext("the Sunday", "first %(day)s", day=name),
            2: pgettext("the Sunday", "second %(day)s", day=name),
            3: pgettext("the Sunday", "third %(day)s", day=name),
            4: pgettext("the Sunday", "fourth %(day)s", day=name),
            -1: pgettext("the Sunday", "last %(day)s", day=name),
        }
    return {
        1: pgettext("the Monday, Tuesday, Thursday or day", "first %(day)s", day=name),
        2: pgettext("the Monday, Tuesday, Thursday or day", "second %(day)s", day=name),
        3: pgettext("the Monday, Tuesday, Thursday or day", "third %(day)s", day=name),
        4: pgettext("the Monday, Tuesday, Thursday or day", "fourth %(day)s", day=name),
        -1: pgettext("the Monday, Tuesday, Thursday or day", "last %(day)s", day=name),
    }
