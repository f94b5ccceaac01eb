"""iCalendar files as calendar items and tasks, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from connectors.simulator import timezones
from connectors.simulator.content import Item
from connectors.simulator.elements import find, find_all, local_name, text_of
from connectors.simulator.icalendar_files import read_calendar
from connectors.simulator.icalendar_rules import read_rule, write_rule
from connectors.simulator.icalendar_write import write_calendar
from connectors.simulator.overrides import deletions, overrides
from connectors.simulator.recurrence import Pattern, Series, read_series
from tests.connectors.simulator.item_schema import problems

BERLIN = """BEGIN:VTIMEZONE
TZID:Our Berlin
BEGIN:STANDARD
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
END:VTIMEZONE
"""


def read(*events: str, head: str = "") -> list[Item]:
    body = "".join(f"BEGIN:VEVENT\n{event.strip()}\nEND:VEVENT\n" for event in events)
    items = read_calendar(f"BEGIN:VCALENDAR\nVERSION:2.0\n{head}{body}END:VCALENDAR\n".encode())
    for item in items:
        assert problems(item) == []
    return items


def one(event: str, head: str = "") -> Item:
    (item,) = read(event, head=head)
    return item


def value(item: Item, *path: str) -> str | None:
    return text_of(item.element, *path)


def test_a_meeting_with_everything() -> None:
    item = one(
        """UID:1
DTSTAMP:20240101T000000Z
SUMMARY:Цены\\, договор
DTSTART;TZID=Europe/Moscow:20240110T100000
DTEND;TZID=Europe/Moscow:20240110T113000
LOCATION:Room 1
DESCRIPTION:Line one\\nline two
CLASS:PRIVATE
CATEGORIES:Blue,Red
ORGANIZER;CN=Ann:mailto:ann@x
ATTENDEE;CN="Petrov, Bob";PARTSTAT=ACCEPTED;ROLE=REQ-PARTICIPANT:mailto:bob@x
ATTENDEE;PARTSTAT=TENTATIVE;ROLE=OPT-PARTICIPANT:MAILTO:eve@x
ATTENDEE;CUTYPE=RESOURCE:mailto:room@x
ATTENDEE:mailto:ann@x
SEQUENCE:3
X-MICROSOFT-CDO-BUSYSTATUS:OOF
BEGIN:VALARM
TRIGGER:-PT30M
ACTION:DISPLAY
END:VALARM"""
    )
    simple = {
        "Subject": "Цены, договор",
        "Start": "2024-01-10T07:00:00Z",
        "End": "2024-01-10T08:30:00Z",
        "Location": "Room 1",
        "Body": "Line one\r\nline two",
        "Sensitivity": "Private",
        "LegacyFreeBusyStatus": "OOF",
        "ReminderIsSet": "true",
        "ReminderMinutesBeforeStart": "30",
        "AppointmentSequenceNumber": "3",
        "IsMeeting": "true",
        "UID": "1",
    }
    assert {name: value(item, name) for name in simple} == simple
    people = {
        group: [
            (text_of(each, "Mailbox", "Name"), text_of(each, "ResponseType"))
            for each in find_all(item.element, group, "Attendee")
        ]
        for group in ("RequiredAttendees", "OptionalAttendees", "Resources")
    }
    assert people == {
        "RequiredAttendees": [("Petrov, Bob", "Accept")],
        "OptionalAttendees": [("eve@x", "Tentative")],
        "Resources": [("room@x", "Unknown")],
    }
    zone = find(item.element, "StartTimeZone")
    assert zone is not None
    assert zone.get("Id") == "Russian Standard Time"


@pytest.mark.parametrize(
    ("lines", "start", "end", "whole"),
    [
        ("DTSTART;VALUE=DATE:20240110", "2024-01-10T00:00:00Z", "2024-01-11T00:00:00Z", "true"),
        (
            "DTSTART;VALUE=DATE:20240110\nDTEND;VALUE=DATE:20240112",
            "2024-01-10T00:00:00Z",
            "2024-01-12T00:00:00Z",
            "true",
        ),
        ("DTSTART:20240110T100000Z", "2024-01-10T10:00:00Z", "2024-01-10T10:00:00Z", "false"),
        ("DTSTART:20240110T100000Z\nDURATION:PT90M", "2024-01-10T10:00:00Z", "2024-01-10T11:30:00Z", "false"),
        ("DTSTART:20240110T100000Z\nDTEND:20240109T100000Z", "2024-01-10T10:00:00Z", "2024-01-10T10:00:00Z", "false"),
        ("DTSTART;TZID=Pacific Standard Time:20240710T100000", "2024-07-10T17:00:00Z", "2024-07-10T17:00:00Z", "false"),
        (
            "DTSTART;TZID=/mozilla.org/20050126_1/Europe/Berlin:20240710T100000",
            "2024-07-10T08:00:00Z",
            "2024-07-10T08:00:00Z",
            "false",
        ),
        ("DTSTART;TZID=Nowhere:20240710T100000", "2024-07-10T10:00:00Z", "2024-07-10T10:00:00Z", "false"),
    ],
)
def test_times(lines: str, start: str, end: str, whole: str) -> None:
    item = one(lines)
    assert (value(item, "Start"), value(item, "End"), value(item, "IsAllDayEvent")) == (start, end, whole)


def test_a_zone_of_the_files_own() -> None:
    event = "UID:1\nDTSTART;TZID=Our Berlin:20240710T100000\nRRULE:FREQ=DAILY;COUNT=2"
    item = one(event, head=BERLIN)
    assert value(item, "Start") == "2024-07-10T08:00:00Z"
    definition = find(item.element, "StartTimeZone")
    assert definition is not None
    assert definition.get("Id") == timezones.CUSTOM_ID
    zone = timezones.zone_of(definition)
    for month in range(1, 13):
        moment = datetime(2025, month, 15, tzinfo=UTC)
        assert moment.astimezone(zone).utcoffset() == moment.astimezone(ZoneInfo("Europe/Berlin")).utcoffset()


def test_the_zone_of_the_calendar_is_meant_where_none_is_named() -> None:
    item = one("DTSTART:20240110T100000", head="X-WR-TIMEZONE:Europe/Moscow\n")
    assert value(item, "Start") == "2024-01-10T07:00:00Z"


SERIES = "UID:s\nSUMMARY:Series\nDTSTART;TZID=Europe/Berlin:20240325T090000\nDTEND;TZID=Europe/Berlin:20240325T100000\n"


def test_exceptions_and_deletions_are_kept_with_their_series() -> None:
    (item,) = read(
        SERIES + "RRULE:FREQ=DAILY;COUNT=10\nEXDATE;TZID=Europe/Berlin:20240326T090000,20240401T090000\n"
        "EXDATE:20300101T000000Z",
        "UID:s\nRECURRENCE-ID;TZID=Europe/Berlin:20240327T090000\nSUMMARY:Moved\nDTSTART:20240327T120000Z\n"
        "DTEND:20240327T130000Z",
        "UID:s\nRECURRENCE-ID;TZID=Europe/Berlin:20240328T090000\nSTATUS:CANCELLED\nDTSTART:20240328T080000Z",
    )
    # The last of them is in summer time.
    assert sorted(moment.isoformat() for moment in deletions(item.element)) == [
        "2024-03-26T08:00:00+00:00",
        "2024-03-28T08:00:00+00:00",
        "2024-04-01T07:00:00+00:00",
    ]
    ((original, changed),) = overrides(item.element).items()
    assert original == datetime(2024, 3, 27, 8, tzinfo=UTC)
    assert (text_of(changed, "Subject"), text_of(changed, "Start")) == ("Moved", "2024-03-27T12:00:00Z")


def test_an_exception_without_its_series_is_a_meeting_of_its_own() -> None:
    item = one("UID:s\nRECURRENCE-ID:20240327T080000Z\nDTSTART:20240327T120000Z")
    assert value(item, "RecurrenceId") == "2024-03-27T08:00:00Z"


def test_a_series_is_written_with_its_exceptions() -> None:
    events = (
        SERIES + "RRULE:FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20240529T070000Z\nEXDATE;TZID=Europe/Berlin:20240327T090000",
        "UID:s\nRECURRENCE-ID;TZID=Europe/Berlin:20240403T090000\nSUMMARY:Moved\nDTSTART:20240403T120000Z",
    )
    (item,) = read(*events)
    (again,) = read_calendar(write_calendar(item.element))
    assert deletions(again.element) == deletions(item.element)
    assert overrides(again.element).keys() == overrides(item.element).keys()
    for name in ("Subject", "Start", "End", "UID"):
        assert value(again, name) == value(item, name)
    first, second = (find(each.element, "Recurrence") for each in (item, again))
    assert first is not None
    assert second is not None
    assert etree.tostring(first) == etree.tostring(second)


@pytest.mark.parametrize(
    ("rule", "pattern"),
    [
        ("FREQ=DAILY;INTERVAL=2", Pattern("Daily", 2)),
        ("FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", Pattern("Weekly", 1, (0, 1, 2, 3, 4), week_start=0)),
        ("FREQ=WEEKLY", Pattern("Weekly", 1, (0,), week_start=0)),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=FR,MO;WKST=SU", Pattern("Weekly", 2, (0, 4), week_start=6)),
        ("FREQ=MONTHLY", Pattern("Monthly", day=25)),
        ("FREQ=MONTHLY;BYMONTHDAY=31", Pattern("Monthly", day=31)),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", Pattern("Monthly", 1, tuple(range(7)), -1)),
        ("FREQ=MONTHLY;BYDAY=2TU", Pattern("Monthly", 1, (1,), 2)),
        ("FREQ=MONTHLY;BYDAY=TU;BYSETPOS=-1", Pattern("Monthly", 1, (1,), -1)),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1", Pattern("Monthly", 1, (0, 1, 2, 3, 4), 1)),
        ("FREQ=MONTHLY;BYDAY=TU;BYMONTHDAY=8,9,10,11,12,13,14", Pattern("Monthly", 1, (1,), 2)),
        ("FREQ=YEARLY", Pattern("Yearly", day=25, month=3)),
        ("FREQ=YEARLY;BYMONTH=5;BYDAY=-1SU", Pattern("Yearly", 1, (6,), -1, month=5)),
        ("FREQ=YEARLY;INTERVAL=2", Pattern("Monthly", 24, day=25)),
        ("FREQ=HOURLY", None),
        ("FREQ=MONTHLY;BYMONTHDAY=1,15", None),
        ("FREQ=YEARLY;BYYEARDAY=100", None),
        ("FREQ=YEARLY;BYDAY=20MO", None),
    ],
)
def test_rules_as_patterns(rule: str, pattern: Pattern | None) -> None:
    item = one(SERIES + f"RRULE:{rule}")
    found = find(item.element, "Recurrence")
    if pattern is None:
        assert found is None
        return
    series = read_series(found) if found is not None else None
    assert series is not None
    assert series.pattern == pattern


days = st.sets(st.integers(0, 6), min_size=1).map(lambda chosen: tuple(sorted(chosen)))
patterns = st.one_of(
    st.builds(Pattern, st.just("Daily"), st.integers(1, 9)),
    st.builds(Pattern, st.just("Weekly"), st.integers(1, 9), days, week_start=st.integers(0, 6)),
    st.builds(Pattern, st.just("Monthly"), st.integers(1, 9), day=st.integers(1, 31)),
    st.builds(
        Pattern,
        st.just("Monthly"),
        st.integers(1, 9),
        st.sampled_from([(1,), (6,), (5, 6), tuple(range(5)), tuple(range(7))]),
        st.sampled_from([1, 2, 3, 4, -1]),
    ),
    st.builds(Pattern, st.just("Yearly"), day=st.integers(1, 31), month=st.integers(1, 12)),
)


@given(patterns, st.integers(1, 50) | st.none())
def test_a_written_rule_reads_back_the_same(pattern: Pattern, count: int | None) -> None:
    start = datetime(2024, 3, 25, 9)  # noqa: DTZ001 - local by definition
    series = Series(pattern, start.date(), count=count)
    assert read_rule(write_rule(series), start, UTC) == series


def test_a_todo_is_a_task() -> None:
    (item,) = read_calendar(
        b"BEGIN:VCALENDAR\nBEGIN:VTODO\nSUMMARY:Call\nDUE;VALUE=DATE:20240110\nSTATUS:IN-PROCESS\n"
        b"PERCENT-COMPLETE:40\nPRIORITY:1\nEND:VTODO\nEND:VCALENDAR\n"
    )
    assert local_name(item.element) == "Task"
    simple = {
        "Subject": "Call",
        "DueDate": "2024-01-10T00:00:00Z",
        "Status": "InProgress",
        "PercentComplete": "40",
        "Importance": "High",
    }
    assert {name: value(item, name) for name in simple} == simple
    assert problems(item) == []


def test_a_broken_event_costs_only_itself() -> None:
    events = [
        "UID:1\nDTSTART:never",
        "UID:2\nDTSTART:20240101T100000Z\nRRULE:FREQ=SOMETIMES\nDTEND:x\n:::\nATTENDEE:",
        "UID:3\nDTSTART:20240101T100000Z\nBEGIN:VALARM\nTRIGGER:soon",
        "UID:4\nDTSTART:20240101T100000Z\nEND:VALARM\nSUMMARY:ok",
    ]
    assert [value(item, "UID") for item in read(*events)] == ["2", "3", "4"]


@pytest.mark.parametrize(
    "data", [b"", b"junk", b"BEGIN:VCALENDAR", b"BEGIN:VEVENT\nDTSTART:20240101T100000Z", b"\0\xff"]
)
def test_what_is_no_calendar_is_no_error(data: bytes) -> None:
    for item in read_calendar(data):
        assert problems(item) == []


LINES = [
    *SERIES.splitlines(),
    *BERLIN.splitlines(),
    "BEGIN:VEVENT",
    "END:VEVENT",
    "BEGIN:VTODO",
    "END:VTODO",
    "RRULE:FREQ=MONTHLY;BYDAY=2TU",
    "RRULE:FREQ=WEEKLY;COUNT=99999999999",
    "EXDATE:20240325",
    "RECURRENCE-ID:20240325T080000Z",
    "DTEND:99991231T235959Z",
    "DTSTART:00010101T000000",
    "DURATION:P99999999D",
    "BEGIN:VALARM",
    "TRIGGER:-P1W",
    "END:VALARM",
    "ATTENDEE;CN=:mailto:",
    "CATEGORIES:",
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(LINES) | st.text(max_size=20), max_size=40))
def test_any_lines_can_be_read_and_written(lines: list[str]) -> None:
    data = "\n".join(["BEGIN:VCALENDAR", "BEGIN:VEVENT", *lines]).encode("utf-8", "surrogatepass")
    for item in read_calendar(data):
        etree.fromstring(etree.tostring(item.element))
        write_calendar(item.element)
