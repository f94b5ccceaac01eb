"""Free and busy times, suggestions, time zones and reminders."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from exchangelib import Account, CalendarItem, EWSDateTime
from exchangelib.recurrence import DailyPattern, Recurrence

from connectors.simulator.simulator import Simulator
from connectors.simulator.timezones import windows_ids
from tests.connectors.simulator.exchange_account import MOSCOW, account
from tests.connectors.simulator.soap_client import NS, Client, codes, item_ids, texts

START = EWSDateTime(2025, 6, 2, 10, tzinfo=MOSCOW)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def box(simulator: Simulator) -> Iterator[Account]:
    opened = account(simulator, "anna@example.test")
    for status, hour in (("Busy", 0), ("Tentative", 2), ("Free", 3), ("OOF", 4)):
        start = START + hour * HOUR
        CalendarItem(
            account=opened,
            folder=opened.calendar,
            subject=f"{status} time",
            location="Room",
            start=start,
            end=start + HOUR,
            legacy_free_busy_status=status,
            recurrence=Recurrence(pattern=DailyPattern(interval=1), start=START.date(), number=2)
            if hour == 0
            else None,
        ).save()
    yield opened
    opened.calendar.all().delete(affected_task_occurrences="AllOccurrences", send_meeting_cancellations="SendToNone")


def views(box: Account, asked: object, view: str = "DetailedMerged", interval: int = 60) -> list:
    return list(
        box.protocol.get_free_busy_info(
            accounts=[(asked, "Organizer", False)],
            start=START - HOUR,
            end=START + DAY + 2 * HOUR,
            merged_free_busy_interval=interval,
            requested_view=view,
        )
    )


def test_busy_times_with_their_details(box: Account) -> None:
    (found,) = views(box, box)
    assert found.view_type == "DetailedMerged"
    assert found.merged == "0201030" + "0" * 18 + "20"
    assert [one.details.subject for one in found.calendar_events] == [
        "Busy time",
        "Tentative time",
        "Free time",
        "OOF time",
        "Busy time",
    ]
    first = found.calendar_events[0]
    assert (first.start, first.end, first.busy_type) == (START, START + HOUR, "Busy")
    assert (first.details.is_recurring, first.details.location) == (True, "Room")
    assert found.working_hours[0].weekdays == [1, 2, 3, 4, 5]


def test_others_see_when_but_not_what(box: Account, simulator: Simulator) -> None:
    boris = account(simulator, "boris@example.test")
    (found,) = views(boris, "anna@example.test")
    assert found.view_type == "FreeBusyMerged"
    assert [one.details for one in found.calendar_events] == [None] * 5
    (only,) = views(boris, "anna@example.test", "MergedOnly", 30)
    assert (only.calendar_events, len(only.merged)) == (None, 54)


AVAILABILITY = """<m:GetUserAvailabilityRequest><t:TimeZone><t:Bias>-180</t:Bias>
<t:StandardTime><t:Bias>0</t:Bias><t:Time>00:00:00</t:Time><t:DayOrder>1</t:DayOrder><t:Month>1</t:Month>
<t:DayOfWeek>Monday</t:DayOfWeek></t:StandardTime><t:DaylightTime><t:Bias>0</t:Bias><t:Time>00:00:00</t:Time>
<t:DayOrder>1</t:DayOrder><t:Month>12</t:Month><t:DayOfWeek>Monday</t:DayOfWeek></t:DaylightTime></t:TimeZone>
<m:MailboxDataArray><t:MailboxData><t:Email><t:Address>{address}</t:Address></t:Email>
<t:AttendeeType>Required</t:AttendeeType></t:MailboxData></m:MailboxDataArray>{options}</m:GetUserAvailabilityRequest>"""
WINDOW = "<t:StartTime>2025-06-02T{start}</t:StartTime><t:EndTime>{end}</t:EndTime>"
VIEW = """<t:FreeBusyViewOptions><t:TimeWindow>{window}</t:TimeWindow>
<t:MergedFreeBusyIntervalInMinutes>{interval}</t:MergedFreeBusyIntervalInMinutes>
<t:RequestedView>FreeBusy</t:RequestedView></t:FreeBusyViewOptions>"""


def asked(address: str = "anna@example.test", end: str = "2025-06-02T20:00:00", interval: int = 30) -> str:
    window = WINDOW.format(start="00:00:00", end=end)
    return AVAILABILITY.format(address=address, options=VIEW.format(window=window, interval=interval))


def test_times_are_in_the_zone_of_the_request(box: Account, boris: Client) -> None:
    answer = boris(asked())
    assert texts(answer, ".//t:CalendarEvent/t:StartTime")[0] == "2025-06-02T10:00:00"


def test_an_unknown_person_is_an_error_of_his_own(boris: Client) -> None:
    assert codes(boris(asked("nobody@example.test"))) == ["ErrorMailRecipientNotFound"]


@pytest.mark.parametrize(
    ("request_body", "code"),
    [
        (asked(end="2025-06-01T00:00:00"), "ErrorInvalidTimeInterval"),
        (asked(end="2025-12-01T00:00:00"), "ErrorTimeIntervalTooBig"),
        (asked(interval=1), "ErrorInvalidMergedFreeBusyInterval"),
        (asked(interval=30).replace("FreeBusy</t:R", "Everything</t:R"), "ErrorInvalidFreeBusyViewType"),
    ],
)
def test_senseless_questions_are_refused(boris: Client, request_body: str, code: str) -> None:
    assert code in boris.post(request_body).text


def test_suggestions_avoid_busy_times(box: Account, boris: Client) -> None:
    options = f"""<t:SuggestionsViewOptions><t:GoodThreshold>25</t:GoodThreshold>
<t:MaximumResultsByDay>30</t:MaximumResultsByDay><t:MeetingDurationInMinutes>60</t:MeetingDurationInMinutes>
<t:DetailedSuggestionsWindow>{WINDOW.format(start="00:00:00", end="2025-06-03T00:00:00")}</t:DetailedSuggestionsWindow>
</t:SuggestionsViewOptions>"""
    answer = boris(AVAILABILITY.format(address="anna@example.test", options=options))
    starts = [datetime.fromisoformat(text).time().isoformat("minutes") for text in texts(answer, ".//t:MeetingTime")]
    assert starts == ["08:00", "08:30", "09:00", "11:00", "13:00", "15:00", "15:30", "16:00"]


def test_all_time_zones_or_those_asked_for(boris: Client) -> None:
    everything = boris('<m:GetServerTimeZones ReturnFullTimeZoneData="false"/>')
    assert [one.get("Id") for one in everything.iterfind(".//t:TimeZoneDefinition", NS)] == windows_ids()
    assert everything.find(".//t:Periods", NS) is None
    one = boris(
        '<m:GetServerTimeZones ReturnFullTimeZoneData="true"><m:Ids><t:Id>Russian Standard Time</t:Id>'
        "<t:Id>Nowhere Time</t:Id></m:Ids></m:GetServerTimeZones>"
    )
    assert [found.get("Id") for found in one.iterfind(".//t:TimeZoneDefinition", NS)] == ["Russian Standard Time"]
    assert one.find(".//t:Period", NS) is not None


def test_every_full_definition_is_valid(boris: Client) -> None:
    """The answer is held against Microsoft's schema as all are."""
    answer = boris('<m:GetServerTimeZones ReturnFullTimeZoneData="true"/>')
    assert len(answer.findall(".//t:TimeZoneDefinition", NS)) == len(windows_ids())


REMINDERS = """<m:GetReminders><m:BeginTime>2025-06-01T00:00:00Z</m:BeginTime>
<m:EndTime>2025-06-09T00:00:00Z</m:EndTime></m:GetReminders>"""
ACTION = """<m:PerformReminderAction><m:ReminderItemActions><t:ReminderItemAction><t:ActionType>{kind}</t:ActionType>
<t:ItemId Id="{id}"/>{more}</t:ReminderItemAction></m:ReminderItemActions></m:PerformReminderAction>"""


def test_reminders_are_put_off_and_dismissed(simulator: Simulator, boris: Client) -> None:
    opened = account(simulator, "boris@example.test")
    CalendarItem(
        account=opened,
        folder=opened.calendar,
        subject="Call",
        start=START,
        end=START + HOUR,
        reminder_is_set=True,
        reminder_minutes_before_start=10,
        recurrence=Recurrence(pattern=DailyPattern(interval=1), start=START.date(), number=2),
    ).save()
    answer = boris(REMINDERS)
    assert texts(answer, ".//t:ReminderTime") == ["2025-06-02T06:50:00Z", "2025-06-03T06:50:00Z"]
    first, second = (one for one, _ in item_ids(answer))
    later = "<t:NewReminderTime>2025-06-02T08:00:00Z</t:NewReminderTime>"
    assert codes(boris(ACTION.format(kind="Snooze", id=first, more=later))) == ["NoError"]
    assert codes(boris(ACTION.format(kind="Dismiss", id=second, more=""))) == ["NoError"]
    assert texts(boris(REMINDERS), ".//t:ReminderTime") == ["2025-06-02T08:00:00Z"]
