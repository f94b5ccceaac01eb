"""Invitations between mailboxes of the simulator: requests, answers, updates, cancellations."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from exchangelib import Account, Attendee, Body, CalendarItem, EWSDateTime, FileAttachment, Mailbox
from exchangelib.errors import ErrorCalendarIsOrganizerForAccept, ErrorCalendarMeetingRequestIsOutOfDate
from exchangelib.items import AcceptItem, MeetingCancellation, MeetingRequest, MeetingResponse
from exchangelib.properties import ReferenceItemId
from exchangelib.recurrence import DailyPattern, Recurrence

from connectors.simulator import delivery
from connectors.simulator.simulator import Simulator
from tests.connectors.simulator.exchange_account import MOSCOW, account
from tests.connectors.simulator.soap_client import Client, codes

START = EWSDateTime(2025, 9, 1, 10, tzinfo=MOSCOW)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ALL, COPY = "SendOnlyToAll", "SendToAllAndSaveCopy"


@pytest.fixture
def host(simulator: Simulator) -> Iterator[Account]:
    yield from opened(simulator, "anna@example.test")


@pytest.fixture
def guest(simulator: Simulator) -> Iterator[Account]:
    yield from opened(simulator, "boris@example.test")


def opened(simulator: Simulator, address: str) -> Iterator[Account]:
    box = account(simulator, address)
    yield box
    for folder in (box.calendar, box.inbox, box.sent, box.trash, box.drafts):
        folder.all().delete(affected_task_occurrences="AllOccurrences", send_meeting_cancellations="SendToNone")


def meeting(host: Account, *guests: str, send: str = COPY, **settings: object) -> CalendarItem:
    item = CalendarItem(
        account=host,
        folder=host.calendar,
        subject="Prices",
        body=Body("Let us talk"),
        location="Room 1",
        start=START,
        end=START + HOUR,
        required_attendees=[Attendee(mailbox=Mailbox(email_address=one)) for one in guests or ["boris@example.test"]],
        **settings,
    )
    return item.save(send_meeting_invitations=send)


def only(box: Account, folder: str = "inbox"):
    (found,) = getattr(box, folder).all()
    return found


def answers(host: Account) -> dict[str, str]:
    item = only(host, "calendar")
    return {one.mailbox.email_address: one.response_type for one in item.required_attendees or []}


def test_an_invitation_arrives_in_the_inbox_and_tentatively_on_the_calendar(host: Account, guest: Account) -> None:
    sent = meeting(host, "boris@example.test", "stranger@other.test")
    request = only(guest)
    assert isinstance(request, MeetingRequest)
    assert (request.subject, request.start, request.end, request.location) == ("Prices", START, START + HOUR, "Room 1")
    assert request.sender.email_address == request.organizer.email_address == "anna@example.test"
    assert (request.item_class, request.meeting_request_type) == ("IPM.Schedule.Meeting.Request", "NewMeetingRequest")
    assert (request.is_out_of_date, request.has_been_processed, request.is_read) == (False, False, False)
    item = only(guest, "calendar")
    assert request.associated_calendar_item_id.id == item.id
    assert (item.my_response_type, item.legacy_free_busy_status) == ("NoResponseReceived", "Tentative")
    assert (item.is_meeting, item.is_cancelled, item.body.strip()) == (True, False, "Let us talk")
    assert {one.mailbox.email_address for one in item.required_attendees} == {
        "boris@example.test",
        "stranger@other.test",
    }
    own = host.calendar.get(id=sent.id)
    assert own.meeting_request_was_sent
    assert own.uid == item.uid
    assert isinstance(only(host, "sent"), MeetingRequest)


def test_strangers_are_recorded_as_outgoing_mail(host: Account, simulator: Simulator) -> None:
    meeting(host, "stranger@other.test")
    last = delivery.outbound(simulator.store)[-1]
    assert (last["recipients"], last["kind"], last["subject"]) == (["stranger@other.test"], "MeetingRequest", "Prices")


def test_nothing_is_sent_that_nobody_asked_to_send(host: Account, guest: Account, simulator: Simulator) -> None:
    before = len(delivery.outbound(simulator.store))
    item = meeting(host, "boris@example.test", "stranger@other.test", send="SendToNone")
    item.subject = "Other"
    item.save(send_meeting_invitations="SendToNone", update_fields=["subject"])
    item.delete(send_meeting_cancellations="SendToNone")
    assert guest.inbox.all().count() == guest.calendar.all().count() == host.sent.all().count() == 0
    assert len(delivery.outbound(simulator.store)) == before


@pytest.mark.parametrize(
    ("answer", "response", "item_class", "subject"),
    [
        ("accept", "Accept", "IPM.Schedule.Meeting.Resp.Pos", "Accepted: Prices"),
        ("tentatively_accept", "Tentative", "IPM.Schedule.Meeting.Resp.Tent", "Tentative: Prices"),
        ("decline", "Decline", "IPM.Schedule.Meeting.Resp.Neg", "Declined: Prices"),
    ],
)
def test_answers_reach_the_organizer(
    host: Account, guest: Account, answer: str, response: str, item_class: str, subject: str
) -> None:
    meeting(host, send=ALL)
    getattr(only(guest), answer)(body="Fine")
    arrived = only(host)
    assert isinstance(arrived, MeetingResponse)
    assert (arrived.response_type, arrived.item_class, arrived.subject) == (response, item_class, subject)
    assert arrived.sender.email_address == "boris@example.test"
    assert arrived.associated_calendar_item_id.id == only(host, "calendar").id
    assert answers(host) == {"boris@example.test": response}
    assert guest.inbox.all().count() == 0
    assert isinstance(only(guest, "sent"), MeetingResponse)
    if answer == "decline":
        assert guest.calendar.all().count() == 0
    else:
        item = only(guest, "calendar")
        assert item.my_response_type == response
        assert item.legacy_free_busy_status == ("Busy" if answer == "accept" else "Tentative")
        assert item.appointment_reply_time is not None


def test_a_meeting_can_be_answered_on_the_calendar(host: Account, guest: Account) -> None:
    meeting(host)
    only(guest, "calendar").accept(message_disposition="SendOnly")
    assert answers(host) == {"boris@example.test": "Accept"}
    assert guest.sent.all().count() == 0


def test_an_answer_that_is_only_saved_does_not_arrive(host: Account, guest: Account) -> None:
    meeting(host)
    request = only(guest)
    reference = ReferenceItemId(id=request.id, changekey=request.changekey)
    AcceptItem(account=guest, folder=guest.drafts, reference_item_id=reference).send("SaveOnly")
    assert answers(host) == {"boris@example.test": "Unknown"}
    assert isinstance(only(guest, "drafts"), MeetingResponse)


def test_the_organizer_cannot_accept_his_own_meeting(host: Account, guest: Account) -> None:
    meeting(host)
    with pytest.raises(ErrorCalendarIsOrganizerForAccept):
        only(host, "calendar").accept()


def test_a_moved_meeting_asks_again(host: Account, guest: Account) -> None:
    item = meeting(host)
    only(guest).accept()
    item = host.calendar.get(id=item.id)
    item.start, item.end = START + DAY, START + DAY + HOUR
    item.save(update_fields=["start", "end"], send_meeting_invitations=ALL)
    request = only(guest)
    assert (request.meeting_request_type, request.start) == ("FullUpdate", START + DAY)
    moved = only(guest, "calendar")
    assert (moved.start, moved.my_response_type) == (START + DAY, "NoResponseReceived")
    assert answers(host) == {"boris@example.test": "Unknown"}
    assert host.calendar.get(id=item.id).appointment_sequence_number == 1


def test_a_reworded_meeting_keeps_the_answers(host: Account, guest: Account) -> None:
    item = meeting(host)
    only(guest).accept()
    item = host.calendar.get(id=item.id)
    item.subject = "Prices and dates"
    item.save(update_fields=["subject"], send_meeting_invitations=ALL)
    assert only(guest).meeting_request_type == "InformationalUpdate"
    kept = only(guest, "calendar")
    assert (kept.subject, kept.my_response_type) == ("Prices and dates", "Accept")
    assert answers(host) == {"boris@example.test": "Accept"}


def test_who_is_no_longer_invited_gets_a_cancellation(host: Account, guest: Account, simulator: Simulator) -> None:
    item = meeting(host)
    item = host.calendar.get(id=item.id)
    item.required_attendees = [Attendee(mailbox=Mailbox(email_address="info@example.test"))]
    item.save(update_fields=["required_attendees"], send_meeting_invitations="SendToChangedAndSaveCopy")
    kinds = sorted(type(one).__name__ for one in guest.inbox.all())
    assert kinds == ["MeetingCancellation", "MeetingRequest"]
    assert only(guest, "calendar").is_cancelled
    info = simulator.store.mailboxes.find("info@example.test")
    assert info is not None
    inbox = simulator.store.folders.distinguished(info, "inbox")
    assert [row.kind for row in simulator.store.items.in_folder(inbox)] == ["MeetingRequest"]


def test_an_overtaken_request_is_out_of_date(host: Account, guest: Account, simulator: Simulator) -> None:
    item = meeting(host)
    boris = simulator.store.mailboxes.find("boris@example.test")
    assert boris is not None
    (first,) = simulator.store.items.in_folder(simulator.store.folders.distinguished(boris, "inbox"))
    old = simulator.store.items.element(first)
    item = host.calendar.get(id=item.id)
    item.start, item.end = START + DAY, START + DAY + HOUR
    item.save(update_fields=["start", "end"], send_meeting_invitations=ALL)
    with simulator.store.transaction():
        sender = simulator.store.mailboxes.find("anna@example.test")
        assert sender is not None
        delivery.send(simulator.store, sender, old)
    late = next(one for one in guest.inbox.all() if one.is_out_of_date)
    assert only(guest, "calendar").start == START + DAY
    with pytest.raises(ErrorCalendarMeetingRequestIsOutOfDate):
        late.accept()


@pytest.mark.parametrize("how", ["cancel", "delete"])
def test_a_cancelled_meeting_is_marked_on_the_guests_calendar(host: Account, guest: Account, how: str) -> None:
    item = meeting(host)
    only(guest).accept()
    item = host.calendar.get(id=item.id)
    if how == "cancel":
        item.cancel(new_body="Sorry")
    else:
        item.delete(send_meeting_cancellations=ALL)
    assert host.calendar.all().count() == 0
    cancellation = only(guest)
    assert isinstance(cancellation, MeetingCancellation)
    assert cancellation.subject == "Canceled: Prices"
    marked = only(guest, "calendar")
    assert (marked.is_cancelled, marked.subject, marked.legacy_free_busy_status) == (True, "Canceled: Prices", "Free")


REMOVE = """<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:RemoveItem>
<t:ReferenceItemId Id="{id}" ChangeKey="{key}"/></t:RemoveItem></m:Items></m:CreateItem>"""


def test_a_cancelled_meeting_is_removed(host: Account, guest: Account, boris: Client) -> None:
    meeting(host).delete(send_meeting_cancellations=ALL)
    guest.inbox.filter(item_class="IPM.Schedule.Meeting.Request").delete()
    cancellation = only(guest)
    assert codes(boris(REMOVE.format(id=cancellation.id, key=cancellation.changekey))) == ["NoError"]
    assert guest.inbox.all().count() == guest.calendar.all().count() == 0


def test_a_guest_who_deletes_a_meeting_declines_it(host: Account, guest: Account) -> None:
    meeting(host)
    only(guest, "calendar").delete(send_meeting_cancellations=ALL)
    assert answers(host) == {"boris@example.test": "Decline"}


def test_series_are_invited_to_as_a_whole_and_by_occurrence(host: Account, guest: Account) -> None:
    item = meeting(host, recurrence=Recurrence(pattern=DailyPattern(interval=1), start=START.date(), number=3))
    assert only(guest).recurrence.boundary.number == 3
    only(guest).accept()
    second = list(host.calendar.view(start=START, end=START + 3 * DAY))[1]
    second.start, second.end = second.start + HOUR, second.end + HOUR
    second.save(update_fields=["start", "end"], send_meeting_invitations=ALL)
    shown = list(guest.calendar.view(start=START, end=START + 3 * DAY))
    assert [(one.type, one.start) for one in shown] == [
        ("Occurrence", START),
        ("Exception", START + DAY + HOUR),
        ("Occurrence", START + 2 * DAY),
    ]
    only(guest).decline()
    assert len(list(guest.calendar.view(start=START, end=START + 3 * DAY))) == 2
    changed = list(host.calendar.view(start=START, end=START + 3 * DAY).only("required_attendees", "start"))
    assert [one.required_attendees[0].response_type for one in changed] == ["Accept", "Decline", "Accept"]
    host.calendar.get(id=item.id).occurrence(index=3).delete(send_meeting_cancellations=ALL)
    last = list(guest.calendar.view(start=START, end=START + 3 * DAY))[-1]
    assert (last.is_cancelled, last.type) == (True, "Exception")


def test_attachments_travel_with_the_invitation(host: Account, guest: Account) -> None:
    item = meeting(host, send="SendToNone")
    item.attach(FileAttachment(name="list.txt", content=b"prices"))
    item = host.calendar.get(id=item.id)
    item.save(update_fields=["location"], send_meeting_invitations=ALL)
    assert only(guest).attachments[0].content == b"prices"
    assert only(guest, "calendar").attachments[0].content == b"prices"


def test_an_invitation_from_outside_comes_as_mail(guest: Account, simulator: Simulator) -> None:
    mail = b"""From: out@other.test
To: boris@example.test
Subject: Visit
MIME-Version: 1.0
Content-Type: text/calendar; method=REQUEST; charset=utf-8

BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VEVENT
UID:outside-1
DTSTART:20250901T070000Z
DTEND:20250901T080000Z
SUMMARY:Visit
ORGANIZER:mailto:out@other.test
ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:boris@example.test
END:VEVENT
END:VCALENDAR
"""
    simulator.deliver(mail, ["boris@example.test"])
    assert only(guest, "calendar").my_response_type == "NoResponseReceived"
    only(guest).accept()
    last = delivery.outbound(simulator.store)[-1]
    assert (last["recipients"], last["kind"]) == (["out@other.test"], "MeetingResponse")
