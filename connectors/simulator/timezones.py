"""Time zones as Exchange names and writes them: Windows names, TimeZoneDefinition elements, custom rules.

Windows names are mapped to IANA zones with Unicode CLDR's windowsZones table (tzlocal carries it). The rules
inside the definitions are read off the IANA zones, so a definition agrees with how occurrences are expanded
here.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lxml import etree
from tzlocal.windows_tz import tz_win, win_tz

from connectors.simulator.content import TYPES
from connectors.simulator.elements import (
    add,
    find,
    find_all,
    local_name,
    read_duration,
    text_of,
    xml_duration,
)
from connectors.simulator.zone_rules import DAY_NAMES, Change, YearRule, rules_by_year

CUSTOM_ID = "tzone://Microsoft/Custom"
_FIRST_YEAR, _LAST_YEAR = 2005, 2037


def windows_ids() -> list[str]:
    """Every zone name that this server knows, in alphabetical order."""
    return sorted(win_tz)


def zone(name: str) -> tzinfo | None:
    """The zone of a Windows or IANA name, or None for a name that is neither."""
    try:
        return ZoneInfo(win_tz.get(name, name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def windows_id(iana: str) -> str | None:
    """The Windows name of an IANA zone (or of a Windows name: itself), or None."""
    return iana if iana in win_tz else tz_win.get(iana)


@cache
def _definition(name: str) -> etree._Element:
    rules = rules_by_year(ZoneInfo(win_tz[name]), _FIRST_YEAR, _LAST_YEAR)
    element = etree.Element("unnamed")
    definition = add(element, "TimeZoneDefinition", Id=name, Name=_display_name(name, rules[-1][1]))
    _write_rules(definition, f"trule:Microsoft/Registry/{name}", rules)
    element.remove(definition)
    return definition


def definition(name: str, wrapper: str = "TimeZoneDefinition", full: bool = True) -> etree._Element:
    """The definition of a Windows zone under the element name `wrapper`; `full` adds its periods and
    transitions.

    KeyError when the name is not a Windows name.
    """
    known = _definition(name)
    element = etree.Element(etree.QName(etree.QName(known).namespace or "", wrapper), nsmap={"t": TYPES})
    element.set("Id", name)
    element.set("Name", known.get("Name", name))
    if full:
        for child in known:
            element.append(_copy(child))
    return element


def custom_definition(display: str, rule: YearRule, wrapper: str = "TimeZoneDefinition") -> etree._Element:
    """The definition of a zone that Windows does not name, from its one yearly rule."""
    holder = etree.Element("unnamed")
    element = add(holder, wrapper, Id=CUSTOM_ID, Name=display)
    _write_rules(element, "trule:Custom", [(_FIRST_YEAR, rule)])
    holder.remove(element)
    return element


def renamed(definition_element: etree._Element, wrapper: str) -> etree._Element:
    """The same definition under another element name."""
    element = _copy(definition_element)
    element.tag = etree.QName(etree.QName(definition_element).namespace or "", wrapper).text
    return element


def definition_of(legacy: etree._Element, wrapper: str) -> etree._Element:
    """The definition of the zone of an Exchange 2007 MeetingTimeZone that has rules of its own; else UTC."""
    rule = _legacy_rule(legacy)
    name = legacy.get("TimeZoneName") or "Custom"
    return custom_definition(name, rule, wrapper) if rule else definition("UTC", wrapper, full=False)


def zone_of(definition_element: etree._Element) -> tzinfo | None:
    """The zone that a StartTimeZone, TimeZoneDefinition or MeetingTimeZone element stands for.

    A known name wins over the rules beside it; unknown names are read from their rules; None when there is
    neither.
    """
    for name in (definition_element.get("Id"), definition_element.get("TimeZoneName")):
        if name and name != CUSTOM_ID and (found := zone(name)):
            return found
    rule = _legacy_rule(definition_element) or _defined_rule(definition_element)
    return rule.tzinfo() if rule else None


def _display_name(name: str, rule: YearRule) -> str:
    total = int(rule.standard.total_seconds()) // 60
    if total == 0:
        return f"(UTC) {name}"
    hours, minutes = divmod(abs(total), 60)
    return f"(UTC{'-' if total < 0 else '+'}{hours:02}:{minutes:02}) {name}"


def _write_rules(element: etree._Element, prefix: str, rules: list[tuple[int, YearRule]]) -> None:
    periods = add(element, "Periods")
    groups = add(element, "TransitionsGroups")
    transitions = add(element, "Transitions")
    for number, (year, rule) in enumerate(rules):
        _write_group(periods, groups, number, f"{prefix}/{year}", rule)
        transition = add(transitions, "AbsoluteDateTransition" if number else "Transition")
        add(transition, "To", str(number), Kind="Group")
        if number:
            add(transition, "DateTime", f"{year:04}-01-01T00:00:00")


def _write_group(periods: etree._Element, groups: etree._Element, number: int, prefix: str, rule: YearRule) -> None:
    group = add(groups, "TransitionsGroup", Id=str(number))
    standard = f"{prefix}-Standard"
    add(periods, "Period", Bias=xml_duration(-rule.standard), Name="Standard", Id=standard)
    if rule.daylight is None or rule.to_daylight is None or rule.to_standard is None:
        add(add(group, "Transition"), "To", standard, Kind="Period")
        return
    daylight = f"{prefix}-Daylight"
    add(periods, "Period", Bias=xml_duration(-rule.daylight), Name="Daylight", Id=daylight)
    _write_change(group, daylight, rule.to_daylight)
    _write_change(group, standard, rule.to_standard)


def _write_change(group: etree._Element, period: str, change: Change) -> None:
    by_day = change.weekday is not None
    transition = add(group, "RecurringDayTransition" if by_day else "RecurringDateTransition")
    add(transition, "To", period, Kind="Period")
    add(transition, "TimeOffset", xml_duration(change.at))
    add(transition, "Month", change.month)
    if change.weekday is None:
        add(transition, "Day", change.nth)
    else:
        add(transition, "DayOfWeek", DAY_NAMES[change.weekday])
        add(transition, "Occurrence", change.nth)


def _defined_rule(definition_element: etree._Element) -> YearRule | None:
    periods = {period.get("Id"): period for period in find_all(definition_element, "Periods", "Period")}
    offsets = {key: -(read_duration(period.get("Bias", "")) or timedelta()) for key, period in periods.items()}
    if not periods:
        return None
    group = _current_group(definition_element)
    changes = {} if group is None else {text_of(item, "To"): _read_change(item) for item in group}
    standard = daylight = None
    for key in [key for key in changes if key in periods] or list(periods):
        if periods[key].get("Name") == "Daylight":
            daylight = key
        else:
            standard = key
    if standard is None:
        standard = next(iter(periods))
    to_daylight, to_standard = changes.get(daylight), changes.get(standard)
    if daylight is None or to_daylight is None or to_standard is None:
        return YearRule(offsets[standard])
    return YearRule(offsets[standard], offsets[daylight], to_daylight, to_standard)


def _current_group(definition_element: etree._Element) -> etree._Element | None:
    """The group in force today: of a zone with a history, only the present rule is of use for a meeting."""
    today = datetime.now(UTC).date()
    reached = None
    for transition in find_all(definition_element, "Transitions", "*"):
        starts = (text_of(transition, "DateTime") or "0001-01-01")[:10]
        if starts <= today.isoformat():
            reached = text_of(transition, "To")
    groups = find_all(definition_element, "TransitionsGroups", "TransitionsGroup")
    return next((group for group in groups if group.get("Id") == reached), groups[0] if groups else None)


def _read_change(transition: etree._Element) -> Change | None:
    if local_name(transition) not in ("RecurringDayTransition", "RecurringDateTransition"):
        return None
    at = read_duration(text_of(transition, "TimeOffset") or "") or timedelta()
    month = _number(text_of(transition, "Month"), 1)
    day = text_of(transition, "DayOfWeek")
    if day in DAY_NAMES:
        return Change(month, DAY_NAMES.index(day), _number(text_of(transition, "Occurrence"), 1), at)
    return Change(month, None, _number(text_of(transition, "Day"), 1), at)


def _legacy_rule(element: etree._Element) -> YearRule | None:
    """The rule of Exchange 2007's MeetingTimeZone: a BaseOffset and the shifts from it."""
    base_text = text_of(element, "BaseOffset")
    if base_text is None or (base := read_duration(base_text)) is None:
        return None
    parts: dict[str, tuple[timedelta, Change | None]] = {}
    for name in ("Standard", "Daylight"):
        part = find(element, name)
        if part is not None:
            parts[name] = (read_duration(text_of(part, "Offset") or "") or timedelta(), _legacy_change(part))
    standard_shift, to_standard = parts.get("Standard", (timedelta(), None))
    standard = -(base + standard_shift)
    daylight_shift, to_daylight = parts.get("Daylight", (timedelta(), None))
    if to_standard is None or to_daylight is None:
        return YearRule(standard)
    return YearRule(standard, -(base + daylight_shift), to_daylight, to_standard)


def _legacy_change(part: etree._Element) -> Change | None:
    hours, minutes, seconds = ((text_of(part, "Time") or "00:00:00")[:8] + ":0:0").split(":")[:3]
    at = timedelta(hours=_number(hours, 0), minutes=_number(minutes, 0), seconds=_number(seconds, 0))
    pattern = find(part, "RelativeYearlyRecurrence")
    if pattern is not None:
        day, month = text_of(pattern, "DaysOfWeek"), text_of(pattern, "Month")
        nth = (
            ("First", "Second", "Third", "Fourth").index(index) + 1
            if (index := text_of(pattern, "DayOfWeekIndex")) in ("First", "Second", "Third", "Fourth")
            else -1
        )
        if day in DAY_NAMES and month in _MONTHS:
            return Change(_MONTHS.index(month) + 1, DAY_NAMES.index(day), nth, at)
    try:
        fixed = date.fromisoformat((text_of(part, "AbsoluteDate") or "")[:10])
    except ValueError:
        return None
    return Change(fixed.month, None, fixed.day, at)


_MONTHS = [date(2000, month, 1).strftime("%B") for month in range(1, 13)]


def _number(text: str | None, default: int) -> int:
    try:
        return int(text or default)
    except ValueError:
        return default


def _copy(element: etree._Element) -> etree._Element:
    return etree.fromstring(etree.tostring(element))
