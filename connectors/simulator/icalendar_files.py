"""iCalendar files as EWS items: events with their exceptions as CalendarItems, to-dos as Tasks.

A file is cut into its components before any is parsed, so one broken event costs only itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta

from icalendar import Component, Event, Timezone, Todo, vBroken
from icalendar.error import GloballyUniqueTZIDGuessed

from connectors.simulator.charsets import decode
from connectors.simulator.content import Item
from connectors.simulator.elements import clean, replace
from connectors.simulator.icalendar_events import ResolveZone, When, local_time, read_event, read_todo, text
from connectors.simulator.icalendar_zones import UTC_ZONE, NamedZone, named_zone, zone_from_component
from connectors.simulator.overrides import delete_occurrence, set_override
from connectors.simulator.recurrence import Series, slots_between

# Which zone a TZID means is decided here (`zones_of`); what the library guesses does not matter.
warnings.filterwarnings("ignore", category=GloballyUniqueTZIDGuessed)
_KINDS = {"VEVENT": Event, "VTODO": Todo, "VTIMEZONE": Timezone}
# Parsing is icalendar's; these are what it lets through on lines that no RFC allows.
_BROKEN = (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError)


def read_calendar(data: bytes) -> list[Item]:
    """Every event and to-do of a file that can be read, masters with their exceptions (`overrides`).

    Broken lines and components are left out, never an error. An exception without its master is a single
    meeting with a RecurrenceId.
    """
    components = list(read_components(data))
    resolve = zones_of(data, components)
    return [*_events([each for each in components if each.name == "VEVENT"], resolve)] + [
        read_todo(each, resolve) for each in components if each.name == "VTODO"
    ]


def read_components(data: bytes) -> Iterator[Component]:
    """The events, to-dos and time zones of a file."""
    for name, lines in _blocks(clean(decode(data, "utf-8")).lstrip("\ufeff")):
        component = _parse(name, lines)
        if component is not None:
            yield component


def zones_of(data: bytes, components: list[Component]) -> ResolveZone:
    """What a TZID means in this file. No TZID, or an unknown one, means the zone of the file."""
    own: dict[str, NamedZone] = {}
    for component in components:
        if component.name == "VTIMEZONE" and (zone := _attempt_zone(component)):
            own[str(component.get("TZID", "")).strip('"')] = zone
    default = UTC_ZONE
    for line in data[:4096].decode("utf-8", "replace").splitlines():
        if line.upper().startswith("X-WR-TIMEZONE:"):
            default = named_zone(line.partition(":")[2]) or default
    if default is UTC_ZONE and len(own) == 1:
        default = next(iter(own.values()))

    def resolve(tzid: str | None) -> NamedZone:
        if tzid is None:
            return default
        return own.get(tzid.strip('"')) or named_zone(tzid) or default

    return resolve


def _events(events: list[Component], resolve: ResolveZone) -> Iterator[Item]:
    masters: dict[str, tuple[Item, When, Series]] = {}
    exceptions: list[Component] = []
    for event in events:
        if "RECURRENCE-ID" in event:
            exceptions.append(event)
            continue
        read = read_event(event, resolve)
        if read is None:
            continue
        item, when, series = read
        if series is not None:
            _delete_excluded(item, when, series, event, resolve)
            masters.setdefault(text(event, "UID"), (item, when, series))
        yield item
    for event in exceptions:
        master = masters.get(text(event, "UID"))
        read = read_event(event, resolve)
        original = _original(event, master[1] if master else None, resolve)
        if read is None or original is None:
            continue
        if master is None:
            replace(read[0].element, "RecurrenceId", original)
            yield read[0]
        elif text(event, "STATUS").upper() == "CANCELLED":
            delete_occurrence(master[0].element, original)
        else:
            replace(read[0].element, "OriginalStart", original)
            replace(read[0].element, "RecurrenceId", original)
            set_override(master[0].element, original, read[0].element)


def _original(event: Component, master: When | None, resolve: ResolveZone) -> datetime | None:
    """When the occurrence of an exception was to start; a bare date means its place that day."""
    value = event.get("RECURRENCE-ID")
    found = local_time(value, resolve)
    if found is None:
        return None
    local, zone = found
    if master is not None and not isinstance(getattr(value, "dt", None), datetime):
        return master.utc(datetime.combine(local.date(), master.start.time()))
    return When(local, local, False, zone).utc(local)


def _delete_excluded(item: Item, when: When, series: Series, event: Component, resolve: ResolveZone) -> None:
    value = event.get("EXDATE")
    for part in value if type(value) is list else [value]:
        for excluded in getattr(part, "dts", []):
            if "TZID" not in excluded.params and "TZID" in part.params:
                excluded.params["TZID"] = part.params["TZID"]
            found = local_time(excluded, resolve)
            if found is None:
                continue
            local = found[0].replace(tzinfo=found[1].tz).astimezone(when.zone.tz).replace(tzinfo=None)
            if not isinstance(excluded.dt, datetime):
                local = datetime.combine(found[0].date(), when.start.time())
            if any(slots_between(series, when.start.time(), local, local + timedelta(seconds=1))):
                delete_occurrence(item.element, when.utc(local))


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """The lines of each event, to-do and time zone; one that is not closed ends where the next begins."""
    name, inner = "", 0
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        word, _, what = line.strip().upper().partition(":")
        if word == "BEGIN" and what in _KINDS:
            if lines:
                yield name, _closed(name, lines, inner)
            name, lines, inner = what, [line], 0
            continue
        if not lines or not line.strip():
            continue
        if word == "END" and what in (name, "VCALENDAR"):
            yield name, _closed(name, lines, inner)
            name, lines = "", []
            continue
        inner += (word == "BEGIN") - (word == "END")
        lines.append(line)
    if lines:
        yield name, _closed(name, lines, inner)


def _closed(name: str, lines: list[str], inner: int) -> list[str]:
    if inner:
        # An alarm that is never closed, or closed twice: the event itself is worth more than its alarms.
        lines = [lines[0], *_without_inner(lines[1:])]
    return [*lines, f"END:{name}"]


def _without_inner(lines: list[str]) -> Iterator[str]:
    inside = False
    for line in lines:
        word = line.strip().upper().partition(":")[0]
        if word == "BEGIN":
            inside = True
        elif word == "END":
            inside = False
        elif not inside:
            yield line


def _parse(name: str, lines: list[str]) -> Component | None:
    try:
        found = _KINDS[name].from_ical("\r\n".join(lines))
    except _BROKEN:
        return None
    return _without_broken(found) if isinstance(found, Component) else None


def _without_broken(component: Component) -> Component:
    """The component without the properties whose values mean nothing: any access to them would raise."""
    for name, value in list(component.items()):
        values = value if type(value) is list else [value]
        whole = [each for each in values if not isinstance(each, vBroken)]
        if len(whole) != len(values):
            del component[name]
            if whole:
                component[name] = whole if len(whole) > 1 else whole[0]
    for inner in component.subcomponents:
        _without_broken(inner)
    return component


def _attempt_zone(component: Component) -> NamedZone | None:
    try:
        return zone_from_component(component)
    except _BROKEN:
        return None
