"""The time zones of an iCalendar file: Windows names, IANA names with prefixes, zones of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Component
from lxml import etree

from connectors.simulator import timezones
from connectors.simulator.zone_rules import Change, YearRule, rules_by_year

_CODES = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
_DAY = re.compile(r"^([+-]?\d+)?(MO|TU|WE|TH|FR|SA|SU)$")


@dataclass(frozen=True)
class NamedZone:
    """A zone with what Exchange calls it; `rule` is set where no Windows name fits."""

    name: str
    tz: tzinfo
    rule: YearRule | None = None

    def element(self, wrapper: str) -> etree._Element:
        """The zone as a StartTimeZone, EndTimeZone or TimeZoneDefinition element."""
        if self.rule is not None:
            return timezones.custom_definition(self.name, self.rule, wrapper)
        return timezones.definition(self.name, wrapper, full=False)


UTC_ZONE = NamedZone("UTC", UTC)


def named_zone(tzid: str) -> NamedZone | None:
    """The zone of a TZID that is a known name, also as "/mozilla.org/20050126_1/Europe/Moscow"."""
    words = tzid.strip().strip('"').split("/")
    for start in range(len(words)):
        name = "/".join(words[start:])
        tz = timezones.zone(name) if name else None
        if tz is None:
            continue
        windows = timezones.windows_id(name)
        if windows:
            return NamedZone(windows, tz)
        if isinstance(tz, ZoneInfo):
            year = datetime.now(UTC).year
            return NamedZone(name, tz, rules_by_year(tz, year, year)[0][1])
    return None


def zone_from_component(component: Component) -> NamedZone | None:
    """The zone of a VTIMEZONE: by its name where that is known, else by its own rules."""
    tzid = str(component.get("TZID", ""))
    for name in (
        tzid,
        str(component.get("X-LIC-LOCATION", "")),
        str(component.get("X-MICROSOFT-CDO-TZID", "")),
    ):
        if name and not name.isdigit() and (known := named_zone(name)):
            return known
    standard = _newest(component, "STANDARD")
    if standard is None:
        return None
    rule = _rule(standard, _newest(component, "DAYLIGHT"))
    return NamedZone(tzid or "Custom", rule.tzinfo(), rule) if rule else None


def _newest(component: Component, name: str) -> Component | None:
    """The observance in force now: files carry the whole history of a zone."""
    found = [each for each in component.subcomponents if each.name == name and _offset(each) is not None]
    return max(found, key=_begins, default=None)


def _begins(observance: Component) -> str:
    start = getattr(observance.get("DTSTART"), "dt", None)
    return start.isoformat() if isinstance(start, date) else ""


def _offset(observance: Component) -> timedelta | None:
    found = getattr(observance.get("TZOFFSETTO"), "td", None)
    return found if isinstance(found, timedelta) else None


def _rule(standard: Component, daylight: Component | None) -> YearRule | None:
    offset = _offset(standard)
    if offset is None:
        return None
    summer = _offset(daylight) if daylight is not None else None
    if daylight is None or summer is None or "RRULE" not in daylight:
        return YearRule(offset)
    to_daylight, to_standard = _change(daylight), _change(standard)
    if to_daylight is None or to_standard is None:
        return YearRule(offset)
    return YearRule(offset, summer, to_daylight, to_standard)


def _change(observance: Component) -> Change | None:
    start = getattr(observance.get("DTSTART"), "dt", None)
    if not isinstance(start, datetime):
        return None
    at = timedelta(hours=start.hour, minutes=start.minute)
    rule: Any = observance.get("RRULE", {})
    months, days, month_days = (rule.get(part, []) for part in ("BYMONTH", "BYDAY", "BYMONTHDAY"))
    month = int(months[0]) if months else start.month
    match = _DAY.match(str(days[0]).upper()) if days else None
    if match is None:
        return Change(month, None, start.day, at)
    nth = int(match[1] or 0) or ((int(month_days[0]) - 1) // 7 + 1 if month_days else 1)
    return Change(month, _CODES.index(match[2]), -1 if nth < 0 else min(nth, 4), at)
