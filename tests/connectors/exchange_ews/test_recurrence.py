"""Patterns of Outlook as RRULEs; dateutil reads them back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from dateutil.rrule import rrulestr
from lxml import etree

from connectors.exchange_ews.elements import Item
from connectors.exchange_ews.meetings import meeting
from tests.connectors.exchange_ews.script import NAMESPACES, answered, check, success

NO_END = "<t:NoEndRecurrence><t:StartDate>2026-03-02+03:00</t:StartDate></t:NoEndRecurrence>"


def rule(pattern: str, end: str = NO_END, start: str = "2026-03-02T06:00:00Z", is_all_day: bool = False) -> str:
    """The RRULE of a series that starts on Monday 2 March 2026 at nine in Moscow."""
    fields = (
        f"<t:Start>{start}</t:Start><t:IsAllDayEvent>{str(is_all_day).lower()}</t:IsAllDayEvent>"
        f"<t:CalendarItemType>RecurringMaster</t:CalendarItemType><t:Recurrence>{pattern}{end}</t:Recurrence>"
        '<t:StartTimeZone Id="Russian Standard Time"/>'
    )
    check(answered("GetItem", success("GetItem", f"<m:Items><t:CalendarItem>{fields}</t:CalendarItem></m:Items>")))
    made = meeting(Item(etree.fromstring(f"<t:CalendarItem {NAMESPACES}>{fields}</t:CalendarItem>"))).recurrence
    rrulestr(made, dtstart=datetime(2026, 3, 2, 6, tzinfo=None if is_all_day else UTC))
    return made


DAILY = "<t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence>"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (DAILY, "FREQ=DAILY"),
        ("<t:DailyRecurrence><t:Interval>3</t:Interval></t:DailyRecurrence>", "FREQ=DAILY;INTERVAL=3"),
        (
            "<t:WeeklyRecurrence><t:Interval>2</t:Interval><t:DaysOfWeek>Monday Thursday</t:DaysOfWeek>"
            "<t:FirstDayOfWeek>Monday</t:FirstDayOfWeek></t:WeeklyRecurrence>",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;WKST=MO",
        ),
        (
            "<t:AbsoluteMonthlyRecurrence><t:Interval>1</t:Interval><t:DayOfMonth>15</t:DayOfMonth>"
            "</t:AbsoluteMonthlyRecurrence>",
            "FREQ=MONTHLY;BYMONTHDAY=15",
        ),
        (
            "<t:RelativeMonthlyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Friday</t:DaysOfWeek>"
            "<t:DayOfWeekIndex>Last</t:DayOfWeekIndex></t:RelativeMonthlyRecurrence>",
            "FREQ=MONTHLY;BYDAY=-1FR",
        ),
        (
            "<t:RelativeMonthlyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Weekday</t:DaysOfWeek>"
            "<t:DayOfWeekIndex>First</t:DayOfWeekIndex></t:RelativeMonthlyRecurrence>",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1",
        ),
        (
            "<t:AbsoluteYearlyRecurrence><t:DayOfMonth>8</t:DayOfMonth><t:Month>March</t:Month>"
            "</t:AbsoluteYearlyRecurrence>",
            "FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=8",
        ),
        (
            "<t:RelativeYearlyRecurrence><t:DaysOfWeek>Sunday</t:DaysOfWeek><t:DayOfWeekIndex>Second</t:DayOfWeekIndex>"
            "<t:Month>May</t:Month></t:RelativeYearlyRecurrence>",
            "FREQ=YEARLY;BYMONTH=5;BYDAY=2SU",
        ),
    ],
)
def test_a_pattern_is_a_rule(pattern: str, expected: str) -> None:
    assert rule(pattern) == expected


def test_the_last_day_stands_in_where_a_month_is_short() -> None:
    made = rule(
        "<t:AbsoluteMonthlyRecurrence><t:Interval>1</t:Interval><t:DayOfMonth>31</t:DayOfMonth>"
        "</t:AbsoluteMonthlyRecurrence>"
    )
    days = rrulestr(made, dtstart=datetime(2026, 1, 31, tzinfo=UTC))[:4]
    assert [(day.month, day.day) for day in days] == [(1, 31), (2, 28), (3, 31), (4, 30)]


def test_a_number_of_occurrences_is_a_count() -> None:
    end = (
        "<t:NumberedRecurrence><t:StartDate>2026-03-02Z</t:StartDate>"
        "<t:NumberOfOccurrences>10</t:NumberOfOccurrences></t:NumberedRecurrence>"
    )
    assert rule(DAILY, end) == "FREQ=DAILY;COUNT=10"


def ending(day: str) -> str:
    """A range with an end date."""
    return (
        f"<t:EndDateRecurrence><t:StartDate>2026-03-02+03:00</t:StartDate><t:EndDate>{day}</t:EndDate>"
        "</t:EndDateRecurrence>"
    )


def test_an_end_date_includes_the_last_day_at_the_hour_of_the_series() -> None:
    assert rule(DAILY, ending("2026-03-06+03:00")) == "FREQ=DAILY;UNTIL=20260306T060000Z"


def test_a_series_after_midnight_ends_on_the_local_date() -> None:
    made = rule(DAILY, ending("2026-03-06+03:00"), start="2026-03-01T22:00:00Z")
    assert made == "FREQ=DAILY;UNTIL=20260305T220000Z"


def test_an_all_day_series_ends_on_a_date() -> None:
    made = rule(DAILY, ending("2026-03-06+03:00"), start="2026-03-01T21:00:00Z", is_all_day=True)
    assert made == "FREQ=DAILY;UNTIL=20260306"
