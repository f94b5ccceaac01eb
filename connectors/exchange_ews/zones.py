"""The zone of a calendar item: its name, and its rule where only the item knows it (S10).

`StartTimeZone` names a Windows zone by Id and may carry the rules of a zone that Windows does not know
("tzone://Microsoft/Custom", "Customized Time Zone"); `MeetingTimeZone` is how Exchange 2007 wrote the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

from connectors.exchange_ews.elements import Item
from terracrm.domain.zones import find_zone

_DURATION = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?")
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_WEEKS = {"First": 1, "Second": 2, "Third": 3, "Fourth": 4, "Last": 5}
_FIRST_DAY = "0001-01-01"


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone as the item names it, with a POSIX TZ string where its name says nothing."""

    name: str = ""
    rule: str = ""


def zone_of(item: Item, at: datetime | None) -> Zone:
    """The zone of an item; of a zone that changed its rules those that hold at a time."""
    for definition in item.nested("StartTimeZone"):
        name, is_known = _named(definition.attribute("Id"), definition.attribute("Name"))
        return Zone(name, "" if is_known else _rule_of(definition, at))
    for legacy in item.nested("MeetingTimeZone"):
        name, is_known = _named(legacy.attribute("TimeZoneName"))
        return Zone(name, "" if is_known else _legacy_rule(legacy))
    return Zone(item.text("StartTimeZoneId"))


def _named(*names: str) -> tuple[str, bool]:
    """The first of these names that means something, else the last that is there."""
    known = next((name for name in names if find_zone(name)), "")
    return known or next((name for name in reversed(names) if name), ""), bool(known)


def _rule_of(definition: Item, at: datetime | None) -> str:
    """The rule of a TimeZoneDefinition that is in force at a time."""
    periods = {period.attribute("Id"): period for period in definition.items("Periods")}
    groups = {group.attribute("Id"): group for group in definition.items("TransitionsGroups")}
    day = at.date().isoformat() if at else _FIRST_DAY
    in_force = ""
    for transition in definition.items("Transitions"):
        if not in_force or (transition.text("DateTime") or _FIRST_DAY)[:10] <= day:
            in_force = transition.text("To")
    group = groups.get(in_force) or next(iter(groups.values()), None)
    changes = [] if group is None else [change for change in group.parts() if change.text("To") in periods]
    offsets = {key: -_seconds(period.attribute("Bias")) for key, period in periods.items()}
    if len(changes) != 2:
        found = changes[0].text("To") if changes else in_force if in_force in periods else next(iter(periods), "")
        return f"STD{_offset(offsets[found])}" if found else ""
    standard, daylight = sorted(changes, key=lambda change: offsets[change.text("To")])
    return _posix((offsets[standard.text("To")], _change(standard)), (offsets[daylight.text("To")], _change(daylight)))


def _change(transition: Item) -> str:
    """When a transition happens each year, as POSIX says it."""
    at = _clock(_seconds(transition.text("TimeOffset")))
    month = transition.number("Month")
    if transition.text("DayOfWeek") in _DAYS:
        week = transition.text("Occurrence")
        nth = 5 if week.startswith("-") else min(max(int(week or 1), 1), 5)
        return f"M{month}.{nth}.{_DAYS.index(transition.text('DayOfWeek'))}/{at}"
    return _julian(month, transition.number("Day"), at)


def _legacy_rule(zone: Item) -> str:
    """The rule of a MeetingTimeZone: a BaseOffset, and the shifts from it with the days of change."""
    if not zone.text("BaseOffset"):
        return ""
    base = _seconds(zone.text("BaseOffset"))
    found = {}
    for name in ("Standard", "Daylight"):
        for part in zone.nested(name):
            found[name] = (-(base + _seconds(part.text("Offset"))), _legacy_change(part))
    standard, daylight = found.get("Standard", (-base, "")), found.get("Daylight", (0, ""))
    return _posix(standard, daylight) if standard[1] and daylight[1] else f"STD{_offset(standard[0])}"


def _legacy_change(part: Item) -> str:
    hours, minutes = ((part.text("Time") or "00:00") + ":0").split(":")[:2]
    at = _clock(int(hours) * 3600 + int(minutes) * 60)
    for pattern in part.nested("RelativeYearlyRecurrence"):
        day, month = pattern.text("DaysOfWeek"), pattern.text("Month")
        if day in _DAYS and month in _MONTHS:
            nth = _WEEKS.get(pattern.text("DayOfWeekIndex"), 1)
            return f"M{_MONTHS.index(month) + 1}.{nth}.{_DAYS.index(day)}/{at}"
    try:
        fixed = date.fromisoformat(part.text("AbsoluteDate")[:10])
    except ValueError:
        return ""
    return _julian(fixed.month, fixed.day, at)


def _posix(standard: tuple[int, str], daylight: tuple[int, str]) -> str:
    """The rule of a zone with summer time, from the seconds east of Greenwich and the change to each."""
    return f"STD{_offset(standard[0])}DST{_offset(daylight[0])},{daylight[1]},{standard[1]}"


def _julian(month: int, day: int, at: str) -> str:
    """A fixed day of the year; 29 February is not counted."""
    try:
        return f"J{date(2001, month, day).timetuple().tm_yday}/{at}"
    except ValueError:
        return f"J1/{at}"


def _offset(seconds_east: int) -> str:
    """An offset as POSIX writes it: west of Greenwich is positive."""
    return ("-" if seconds_east >= 0 else "+") + _clock(abs(seconds_east))


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}"


def _seconds(text: str) -> int:
    """An xs:duration in seconds, 0 where it is none."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return 0
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:])
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return -total if found[1] else total
