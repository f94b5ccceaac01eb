"""Calendars as exchangelib sees them: single items, series, their occurrences and exceptions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from exchangelib import Account, Attendee, CalendarItem, EWSDate, EWSDateTime, EWSTimeZone, Mailbox
from exchangelib.errors import (
    ErrorCalendarEndDateIsEarlierThanStartDate,
    ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange,
    ErrorCalendarOccurrenceIsDeletedFromRecurrence,
    ErrorCalendarViewRangeTooBig,
    ErrorOccurrenceCrossingBoundary,
)
from exchangelib.recurrence import (
    AbsoluteMonthlyPattern,
    AbsoluteYearlyPattern,
    DailyPattern,
    Recurrence,
    RelativeMonthlyPattern,
    RelativeYearlyPattern,
    WeeklyPattern,
)

from connectors.simulator.icalendar_files import read_calendar
from connectors.simulator.simulator import Simulator
from tests.connectors.simulator.exchange_account import MOSCOW, account

BERLIN = EWSTimeZone("Europe/Berlin")
START = EWSDateTime(2025, 3, 24, 9, tzinfo=BERLIN)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def anna(simulator: Simulator) -> Iterator[Account]:
    opened = account(simulator, "anna@example.test", BERLIN)
    yield opened
    opened.calendar.all().delete(affected_task_occurrences="AllOccurrences", send_meeting_cancellations="SendToNone")


def series(anna: Account, pattern: object = None, **settings: object) -> CalendarItem:
    recurrence = Recurrence(
        pattern=pattern or DailyPattern(interval=1), start=START.date(), **{"number": 5, **settings}
    )
    item = CalendarItem(
        account=anna, folder=anna.calendar, subject="Stand-up", start=START, end=START + HOUR, recurrence=recurrence
    )
    return item.save()


def view(anna: Account, days: int = 30) -> list[CalendarItem]:
    return list(anna.calendar.view(start=START - DAY, end=START + timedelta(days=days)))


def test_what_the_server_says_of_a_plain_appointment(anna: Account) -> None:
    item = CalendarItem(account=anna, folder=anna.calendar, subject="Visit", start=START, end=START + HOUR).save()
    found = anna.calendar.get(id=item.id, changekey=item.changekey)
    assert found.type == "Single"
    assert (found.start, found.end) == (START, START + HOUR)
    assert (found.is_meeting, found.is_cancelled, found.is_recurring, found.is_all_day) == (False,) * 4
    assert found.my_response_type == "Organizer"
    assert found.organizer.email_address == "anna@example.test"
    assert found.legacy_free_busy_status == "Busy"
    assert found.duration == "PT1H"
    assert found.uid.startswith("040000008200E00074C5B7101A82E008")
    assert found.appointment_sequence_number == 0
    assert not found.appointment_state
    assert found._start_timezone == found._end_timezone == BERLIN
    assert (found.conflicting_meeting_count, found.adjacent_meeting_count) == (0, 0)


def test_all_day_items_are_whole_days_of_their_zone(anna: Account) -> None:
    first, last = EWSDate(2025, 3, 30), EWSDate(2025, 4, 1)  # on the first the clocks change
    item = CalendarItem(account=anna, folder=anna.calendar, subject="Fair", start=first, end=last, is_all_day=True)
    found = anna.calendar.get(id=item.save().id)
    assert (found.start, found.end) == (first, last)
    loose = CalendarItem(
        account=anna, folder=anna.calendar, subject="Loose", start=START, end=START + DAY, is_all_day=True
    )
    found = anna.calendar.get(id=loose.save().id)
    assert (found.start, found.end) == (EWSDate(2025, 3, 24), EWSDate(2025, 3, 25))


def test_an_end_before_the_start_is_refused(anna: Account) -> None:
    item = CalendarItem(account=anna, folder=anna.calendar, start=START, end=START + HOUR).save()
    item.start = START + DAY
    with pytest.raises(ErrorCalendarEndDateIsEarlierThanStartDate):
        item.save(update_fields=["start"])


def test_a_view_shows_occurrences_in_order_at_the_same_time_of_day(anna: Account) -> None:
    series(anna, number=10)
    CalendarItem(account=anna, folder=anna.calendar, subject="Single", start=START + HOUR, end=START + 2 * HOUR).save()
    found = view(anna)
    assert [one.subject for one in found[:3]] == ["Stand-up", "Single", "Stand-up"]
    occurrences = [one for one in found if one.subject == "Stand-up"]
    assert len({one.id for one in occurrences}) == 10
    assert all(one.type == "Occurrence" and one.is_recurring for one in occurrences)
    # Sunday 30 March is when summer time begins in Berlin.
    assert {one.start.astimezone(BERLIN).hour for one in occurrences} == {9}
    assert [one.start for one in occurrences] == sorted(one.start for one in occurrences)
    assert len(list(anna.calendar.view(start=START, end=START + 9 * DAY, max_items=3))) == 3


def test_the_ids_of_occurrences_are_stable(anna: Account) -> None:
    master = series(anna)
    ids = [one.id for one in view(anna)]
    assert ids == [one.id for one in view(anna)]
    assert [master.occurrence(index=n).refresh().id for n in range(1, 6)] == ids
    assert all(one.recurring_master().refresh().id == master.id for one in view(anna))


def test_a_view_is_at_most_two_years_wide(anna: Account) -> None:
    with pytest.raises(ErrorCalendarViewRangeTooBig):
        list(anna.calendar.view(start=START, end=START + timedelta(days=1000)))


def test_the_master_tells_of_its_occurrences(anna: Account) -> None:
    master = series(anna)
    second, third = view(anna)[1:3]
    second.start, second.end, second.subject = second.start + HOUR, second.end + HOUR, "Moved"
    second.save()
    third.delete()
    found = anna.calendar.get(id=master.id)
    assert (found.type, found.is_recurring) == ("RecurringMaster", False)
    assert (found.first_occurrence.start, found.last_occurrence.start) == (START, START + 4 * DAY)
    assert [(one.start, one.original_start) for one in found.modified_occurrences] == [
        (START + DAY + HOUR, START + DAY)
    ]
    assert [one.start for one in found.deleted_occurrences] == [START + 2 * DAY]
    shown = view(anna)
    assert [one.type for one in shown] == ["Occurrence", "Exception", "Occurrence", "Occurrence"]
    assert shown[1].id == second.id == found.modified_occurrences[0].id
    assert (shown[1].subject, shown[1].start) == ("Moved", START + DAY + HOUR)
    assert anna.calendar.get(id=second.id).original_start == START + DAY
    assert master.occurrence(index=2).refresh().subject == "Moved"


def test_occurrences_that_are_not_there(anna: Account) -> None:
    master = series(anna)
    with pytest.raises(ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange):
        master.occurrence(index=6).refresh()
    master.occurrence(index=1).delete()
    with pytest.raises(ErrorCalendarOccurrenceIsDeletedFromRecurrence):
        master.occurrence(index=1).refresh()
    found = anna.calendar.get(id=master.id)
    assert found.first_occurrence.start == START + DAY


def test_an_occurrence_cannot_pass_its_neighbour(anna: Account) -> None:
    series(anna)
    second = view(anna)[1]
    second.start, second.end = second.start + DAY, second.end + DAY
    with pytest.raises(ErrorOccurrenceCrossingBoundary):
        second.save()


def test_a_new_pattern_forgets_exceptions(anna: Account) -> None:
    master = series(anna)
    view(anna)[1].delete()
    master = anna.calendar.get(id=master.id)
    master.subject = "Renamed"
    master.save(update_fields=["subject"])
    assert len(view(anna)) == 4
    master.recurrence = Recurrence(pattern=DailyPattern(interval=2), start=START.date(), number=3)
    master.save(update_fields=["recurrence"])
    assert [one.start for one in view(anna)] == [START, START + 2 * DAY, START + 4 * DAY]
    assert anna.calendar.get(id=master.id).deleted_occurrences is None


def test_a_series_starts_with_its_first_occurrence(anna: Account) -> None:
    master = series(anna, WeeklyPattern(interval=1, weekdays=["Wednesday", "Friday"]))
    found = anna.calendar.get(id=master.id)
    assert found.start == START + 2 * DAY
    assert found.recurrence.boundary.start == EWSDate(2025, 3, 26)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (AbsoluteMonthlyPattern(interval=1, day_of_month=31), ["2025-03-31", "2025-04-30"]),
        (RelativeMonthlyPattern(interval=1, weekday="Friday", week_number="Last"), ["2025-03-28", "2025-04-25"]),
        (RelativeMonthlyPattern(interval=1, weekday="Weekday", week_number="First"), ["2025-04-01", "2025-05-01"]),
        (WeeklyPattern(interval=2, weekdays=["Monday"], first_day_of_week="Monday"), ["2025-03-24", "2025-04-07"]),
        (AbsoluteYearlyPattern(day_of_month=1, month="April"), ["2025-04-01", "2026-04-01"]),
        (RelativeYearlyPattern(weekday="Sunday", week_number="Second", month="May"), ["2025-05-11", "2026-05-10"]),
    ],
)
def test_patterns_come_back_and_are_expanded(anna: Account, pattern: object, expected: list[str]) -> None:
    master = series(anna, pattern, number=2)
    assert anna.calendar.get(id=master.id).recurrence.pattern == pattern
    found = anna.calendar.view(start=START - DAY, end=START + timedelta(days=500))
    assert [one.start.astimezone(BERLIN).date().isoformat() for one in found] == expected


def test_conflicts_and_neighbours(anna: Account) -> None:
    def make(start: EWSDateTime, subject: str) -> CalendarItem:
        return CalendarItem(account=anna, folder=anna.calendar, subject=subject, start=start, end=start + HOUR).save()

    middle = make(START, "middle")
    make(START - HOUR, "before")
    make(START + HOUR / 2, "overlapping")
    make(START + 5 * HOUR, "far")
    found = anna.calendar.get(id=middle.id)
    assert (found.conflicting_meeting_count, found.adjacent_meeting_count) == (1, 1)
    assert [one.subject for one in found.conflicting_meetings] == ["overlapping"]
    assert [one.subject for one in found.adjacent_meetings] == ["before"]


def test_times_without_zone_of_the_item_are_kept(anna: Account) -> None:
    start = EWSDateTime(2025, 7, 1, 12, tzinfo=MOSCOW)
    item = CalendarItem(account=anna, folder=anna.calendar, subject="x", start=start, end=start + HOUR).save()
    found = anna.calendar.get(id=item.id)
    assert found.start == start
    assert found._start_timezone == MOSCOW


def test_an_event_comes_out_as_icalendar(anna: Account) -> None:
    master = series(anna)
    view(anna)[1].delete()
    moved = view(anna)[1]
    moved.subject = "Moved"
    moved.save()
    found = list(anna.calendar.filter(subject="Stand-up").only("mime_content"))
    (item,) = read_calendar(found[0].mime_content)
    assert item.element.findtext("{*}Subject") == "Stand-up"
    assert item.element.findtext("{*}UID") == anna.calendar.get(id=master.id).uid
    assert item.element.findtext("{*}DeletedOccurrences/{*}DeletedOccurrence/{*}Start") == "2025-03-25T08:00:00Z"
    assert len(item.element.findall("{urn:terracrm:exchange-simulator}Override")) == 1


def test_a_series_survives_a_move_to_another_calendar(anna: Account, simulator: Simulator) -> None:
    master = series(anna)
    view(anna)[0].delete()
    trashed = anna.calendar.get(id=master.id).move_to_trash(send_meeting_cancellations="SendToNone")
    assert trashed is None
    (found,) = anna.trash.filter(subject="Stand-up")
    assert len(anna.trash.get(id=found.id).deleted_occurrences) == 1
    assert view(anna) == []


def test_attendees_are_kept_without_sending(anna: Account, simulator: Simulator) -> None:
    item = CalendarItem(
        account=anna,
        folder=anna.calendar,
        subject="Quiet",
        start=START,
        end=START + HOUR,
        required_attendees=[Attendee(mailbox=Mailbox(email_address="boris@example.test"))],
    )
    found = anna.calendar.get(id=item.save(send_meeting_invitations="SendToNone").id)
    assert (found.is_meeting, found.meeting_request_was_sent) == (True, False)
    assert found.required_attendees[0].response_type == "Unknown"
    assert account(simulator, "boris@example.test").inbox.filter(subject="Quiet").count() == 0
