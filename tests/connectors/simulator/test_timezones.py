"""Zone names, definitions and custom rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from exchangelib.properties import TimeZoneDefinition
from lxml import etree

from connectors.simulator import timezones
from connectors.simulator.content import TYPES


def renamed(definition: etree._Element) -> etree._Element:
    """The same rules under a name that nobody knows, so that only the rules can tell the zone."""
    copy = etree.fromstring(etree.tostring(definition))
    copy.set("Id", "An office of its own")
    return copy


@pytest.mark.parametrize("name", timezones.windows_ids())
def test_every_definition_can_be_read_by_exchangelib(name: str) -> None:
    definition = TimeZoneDefinition.from_xml(timezones.definition(name), account=None)
    assert definition.id == name
    standard, daylight, period = definition.get_std_and_dst(for_year=2026)
    assert period.name == "Standard"
    assert standard is not None
    assert daylight is not None


@pytest.mark.parametrize(
    "name",
    [
        "Russian Standard Time",
        "W. Europe Standard Time",
        "Pacific Standard Time",
        "AUS Eastern Standard Time",
        "India Standard Time",
        "UTC",
        "Newfoundland Standard Time",
        "GMT Standard Time",
        "Egypt Standard Time",
        "Pacific SA Standard Time",
    ],
)
def test_the_rules_of_a_definition_tell_the_same_time_as_the_zone(name: str) -> None:
    known = timezones.zone(name)
    read = timezones.zone_of(renamed(timezones.definition(name)))
    assert known is not None
    assert read is not None
    hour = datetime(2025, 1, 1, 0, 30, tzinfo=UTC)
    while hour.year < 2027:
        assert hour.astimezone(known).utcoffset() == hour.astimezone(read).utcoffset(), hour
        hour += timedelta(hours=1)


def test_a_definition_without_data_is_only_a_name() -> None:
    element = timezones.definition("Russian Standard Time", "StartTimeZone", full=False)
    assert etree.QName(element).localname == "StartTimeZone"
    assert len(element) == 0
    assert timezones.zone_of(element) == ZoneInfo("Europe/Moscow")


def test_a_custom_zone_survives_writing_and_reading() -> None:
    rule = timezones.YearRule(
        timedelta(hours=3),
        timedelta(hours=4),
        timezones.Change(3, None, 20, timedelta(hours=2)),
        timezones.Change(10, 6, -1, timedelta(hours=3)),
    )
    zone = timezones.zone_of(timezones.custom_definition("Our village", rule))
    assert zone is not None
    assert datetime(2025, 3, 19, tzinfo=zone).utcoffset() == timedelta(hours=3)
    assert datetime(2025, 3, 21, tzinfo=zone).utcoffset() == timedelta(hours=4)
    assert datetime(2025, 10, 26, 2, tzinfo=zone).utcoffset() == timedelta(hours=4)
    assert datetime(2025, 10, 26, 4, tzinfo=zone).utcoffset() == timedelta(hours=3)


def test_the_zone_of_exchange_2007_is_read_from_its_offsets() -> None:
    xml = f"""<MeetingTimeZone xmlns="{TYPES}"><BaseOffset>PT480M</BaseOffset>
      <Standard TimeZoneName="a"><Offset>PT0M</Offset><RelativeYearlyRecurrence>
        <DaysOfWeek>Sunday</DaysOfWeek>
        <DayOfWeekIndex>First</DayOfWeekIndex><Month>November</Month></RelativeYearlyRecurrence>
        <Time>02:00:00</Time></Standard>
      <Daylight TimeZoneName="b"><Offset>-PT60M</Offset><RelativeYearlyRecurrence>
        <DaysOfWeek>Sunday</DaysOfWeek>
        <DayOfWeekIndex>Second</DayOfWeekIndex><Month>March</Month></RelativeYearlyRecurrence>
        <Time>02:00:00</Time></Daylight></MeetingTimeZone>"""
    zone = timezones.zone_of(etree.fromstring(xml))
    assert zone is not None
    assert datetime(2025, 1, 1, tzinfo=zone).utcoffset() == timedelta(hours=-8)
    assert datetime(2025, 7, 1, tzinfo=zone).utcoffset() == timedelta(hours=-7)


def test_names_are_translated_both_ways() -> None:
    assert timezones.zone("Russian Standard Time") == ZoneInfo("Europe/Moscow")
    assert timezones.windows_id("Europe/Moscow") == "Russian Standard Time"
    assert timezones.zone("Europe/Kyiv") == ZoneInfo("Europe/Kyiv")


@pytest.mark.parametrize("name", ["", "Nowhere/Town", "../../etc/passwd", "a" * 5000, "nul\0byte"])
def test_an_unknown_name_is_no_zone(name: str) -> None:
    assert timezones.zone(name) is None


def test_an_empty_definition_is_no_zone() -> None:
    assert timezones.zone_of(etree.fromstring(f'<StartTimeZone xmlns="{TYPES}"/>')) is None
