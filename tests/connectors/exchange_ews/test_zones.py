"""The zones of calendar items: names of Windows and IANA, and zones that only the item describes (S10)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from lxml import etree

from connectors.exchange_ews.elements import Item
from connectors.exchange_ews.meetings import meeting
from connectors.exchange_ews.zones import Zone, zone_of
from connectors.simulator import timezones
from terracrm.domain.zones import find_zone
from tests.connectors.exchange_ews.script import NAMESPACES, answered, check, success

TODAY = datetime(2026, 3, 2, tzinfo=UTC)


def item(content: str) -> Item:
    """A calendar item of these elements, held against the schema."""
    element = f"<t:CalendarItem>{content}</t:CalendarItem>"
    check(answered("GetItem", success("GetItem", f"<m:Items>{element}</m:Items>")))
    return Item(etree.fromstring(element.replace("<t:CalendarItem>", f"<t:CalendarItem {NAMESPACES}>")))


def custom(definition: etree._Element, name: str = "Customized Time Zone") -> str:
    """The rules of a zone under a name that nobody knows."""
    definition.set("Id", "tzone://Microsoft/Custom")
    definition.set("Name", name)
    return etree.tostring(definition).decode()


@pytest.mark.parametrize(
    "name", [name for name in timezones.windows_ids() if name not in ("Morocco Standard Time", "Sudan Standard Time")]
)
def test_the_rules_of_a_zone_tell_the_time_that_its_name_tells(name: str) -> None:
    known = find_zone(name)
    assert known is not None
    found = zone_of(item(custom(timezones.definition(name, "StartTimeZone"))), TODAY)
    own = find_zone(found.name, found.rule)
    assert own is not None
    assert found.rule
    moment = TODAY
    while moment.year < 2027:
        assert moment.astimezone(own).utcoffset() == moment.astimezone(known).utcoffset(), moment
        moment += timedelta(hours=7, minutes=30)


def test_of_a_zone_that_changed_its_rules_those_of_the_time_count() -> None:
    moscow = item(custom(timezones.definition("Russian Standard Time", "StartTimeZone")))
    rules = {year: zone_of(moscow, datetime(year, 7, 1, tzinfo=UTC)).rule for year in (2010, 2013, 2026)}
    offsets = {year: datetime(year, 7, 1, tzinfo=find_zone("", rule)).utcoffset() for year, rule in rules.items()}
    assert offsets == {2010: timedelta(hours=4), 2013: timedelta(hours=4), 2026: timedelta(hours=3)}
    assert "DST" in rules[2010]
    assert rules[2026] == "STD-03:00"


NAMED = [
    ("a Windows name", 'Id="Russian Standard Time" Name="(UTC+03:00) Moscow"', "Russian Standard Time"),
    ("an IANA name", 'Id="Asia/Vladivostok"', "Asia/Vladivostok"),
    (
        "a custom zone that is called by an IANA name",
        'Id="tzone://Microsoft/Custom" Name="Europe/Berlin"',
        "Europe/Berlin",
    ),
    ("Microsoft's own UTC", 'Id="tzone://Microsoft/Utc" Name="UTC"', "tzone://Microsoft/Utc"),
    ("a name that nobody knows", 'Id="tzone://Microsoft/Custom" Name="Лунное время"', "Лунное время"),
    ("a path", 'Id="../../etc/passwd"', "../../etc/passwd"),
]


@pytest.mark.parametrize(("attributes", "expected"), [case[1:] for case in NAMED], ids=[case[0] for case in NAMED])
def test_a_zone_is_called(attributes: str, expected: str) -> None:
    assert zone_of(item(f"<t:StartTimeZone {attributes}/>"), TODAY) == Zone(expected)


def test_an_item_of_exchange_2007_has_its_zone() -> None:
    found = zone_of(
        item(
            '<t:MeetingTimeZone TimeZoneName="Наш город"><t:BaseOffset>PT480M</t:BaseOffset>'
            "<t:Standard><t:Offset>PT0M</t:Offset><t:RelativeYearlyRecurrence><t:DaysOfWeek>Sunday</t:DaysOfWeek>"
            "<t:DayOfWeekIndex>First</t:DayOfWeekIndex><t:Month>November</t:Month></t:RelativeYearlyRecurrence>"
            "<t:Time>02:00:00</t:Time></t:Standard>"
            "<t:Daylight><t:Offset>-PT60M</t:Offset><t:RelativeYearlyRecurrence><t:DaysOfWeek>Sunday</t:DaysOfWeek>"
            "<t:DayOfWeekIndex>Second</t:DayOfWeekIndex><t:Month>March</t:Month></t:RelativeYearlyRecurrence>"
            "<t:Time>02:00:00</t:Time></t:Daylight></t:MeetingTimeZone>"
        ),
        TODAY,
    )
    own, known = find_zone(found.name, found.rule), ZoneInfo("America/Los_Angeles")
    for month in range(1, 13):
        assert datetime(2026, month, 15, tzinfo=own).utcoffset() == datetime(2026, month, 15, tzinfo=known).utcoffset()


WHOLE_DAYS = [
    ("Vladivostok, read anywhere", "2026-03-09T14:00:00Z", "2026-03-10T14:00:00Z", "Vladivostok Standard Time", 10, 11),
    ("Los Angeles, three days", "2026-03-06T08:00:00Z", "2026-03-09T07:00:00Z", "Pacific Standard Time", 6, 9),
    ("entered in Vladivostok, its zone lost", "2026-03-09T14:00:00Z", "2026-03-10T14:00:00Z", "UTC", 10, 11),
    ("entered in New York, its zone lost", "2026-03-10T05:00:00Z", "2026-03-11T05:00:00Z", "UTC", 10, 11),
    ("without an end", "2026-03-09T21:00:00Z", "2026-03-09T21:00:00Z", "Russian Standard Time", 10, 11),
    ("to the last minute", "2026-03-09T21:00:00Z", "2026-03-10T20:59:00Z", "Russian Standard Time", 10, 11),
]


@pytest.mark.parametrize(
    ("start", "end", "zone", "first", "last"), [case[1:] for case in WHOLE_DAYS], ids=[case[0] for case in WHOLE_DAYS]
)
def test_an_event_of_whole_days_is_on_the_days_that_outlook_shows(
    start: str, end: str, zone: str, first: int, last: int
) -> None:
    record = meeting(
        item(
            f"<t:Start>{start}</t:Start><t:End>{end}</t:End><t:IsAllDayEvent>true</t:IsAllDayEvent>"
            f'<t:StartTimeZone Id="{zone}"/>'
        )
    )
    assert (record.start_date, record.end_date) == (date(2026, 3, first), date(2026, 3, last))


def test_a_midnight_that_the_clocks_skip_is_that_of_its_day() -> None:
    record = meeting(
        item(
            "<t:Start>2026-04-23T22:00:00Z</t:Start><t:End>2026-04-24T21:00:00Z</t:End>"
            '<t:IsAllDayEvent>true</t:IsAllDayEvent><t:StartTimeZone Id="Egypt Standard Time"/>'
        )
    )
    assert (record.start_date, record.end_date) == (date(2026, 4, 24), date(2026, 4, 25))
