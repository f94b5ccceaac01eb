"""Series over real HTTP: exceptions as items of their own, sick and private ones, and who was invited to one alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from exchangelib import Account, Attendee, CalendarItem, EWSDateTime, Mailbox
from exchangelib.recurrence import DailyPattern, Recurrence

from connectors.base import Account as Login
from connectors.exchange_ews import ExchangeEWS
from connectors.simulator.simulator import Simulator
from terracrm.domain.records import MeetingKind, MeetingRecord, Response, Role
from tests.connectors.simulator.exchange_account import MOSCOW, account
from tests.connectors.simulator.soap_client import Validator

ANNA, BORIS = "anna@example.test", "boris@example.test"
START = EWSDateTime(2026, 3, 2, 10, tzinfo=MOSCOW)
FIRST = datetime(2026, 3, 2, 7, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """An Exchange whose every answer is held against Microsoft's schema."""
    validator = Validator()
    with Simulator() as running:
        running.on_answer.append(validator)
        running.add_mailbox(ANNA, "Anna")
        running.add_mailbox(BORIS, "Boris")
        yield running
    assert not validator.problems, "\n\n".join(validator.problems[:5])


@pytest.fixture
def anna(simulator: Simulator) -> Iterator[Account]:
    opened = account(simulator, ANNA)
    yield opened
    opened.protocol.close()


def series(anna: Account, **settings: object) -> CalendarItem:
    return CalendarItem(
        account=anna,
        folder=anna.calendar,
        subject="Stand-up",
        body="Agenda",
        start=START,
        end=START + HOUR,
        recurrence=Recurrence(pattern=DailyPattern(interval=1), start=START.date(), number=5),
        **settings,
    ).save(send_meeting_invitations="SendToAllAndSaveCopy")


def change(master: CalendarItem, index: int, **values: object) -> CalendarItem:
    """Change one occurrence and tell those who are invited."""
    one = master.occurrence(index=index).refresh()
    for name, value in values.items():
        setattr(one, name, value)
    one.save(update_fields=list(values), send_meeting_invitations="SendToAllAndSaveCopy")
    return one


def mirrored(simulator: Simulator, address: str = ANNA) -> list[MeetingRecord]:
    """What the connector reads of a calendar."""
    connector = ExchangeEWS(Login(address, simulator.url, address, simulator.password))
    folder = next(folder for folder in connector.folders() if folder.well_known == "calendar")
    found = [change.record for page in connector.changes(folder, None, 100) for change in page.changes]
    connector.close()
    assert all(isinstance(record, MeetingRecord) for record in found)
    return found


def test_an_exception_is_read_whole(simulator: Simulator, anna: Account) -> None:
    master = series(anna)
    change(master, 2, subject="Retro", body="Bring cake", location="Room 1", start=START + DAY + HOUR,
           end=START + DAY + 2 * HOUR)  # fmt: skip
    (record,) = mirrored(simulator)
    (own,) = record.exceptions
    assert (own.subject, own.body_text, own.location) == ("Retro", "Bring cake", "Room 1")
    assert (own.original_start, own.start) == (FIRST + DAY, FIRST + DAY + HOUR)
    assert (record.subject, record.body_text, record.uid) == ("Stand-up", "Agenda", own.uid)


def test_a_sick_exception_costs_its_content_and_not_the_series(simulator: Simulator, anna: Account) -> None:
    master = series(anna)
    sick = change(master, 2, subject="Sick", start=START + DAY + HOUR, end=START + DAY + 2 * HOUR)
    change(master, 3, subject="Healthy")
    simulator.fault("corrupt_item", item=sick.id)
    (record,) = mirrored(simulator)
    assert [(one.original_start, one.start, one.subject) for one in record.exceptions] == [
        (FIRST + DAY, FIRST + DAY + HOUR, "Stand-up"),
        (FIRST + 2 * DAY, FIRST + 2 * DAY, "Healthy"),
    ]


def test_an_exception_may_be_private_in_a_series_that_is_not(simulator: Simulator, anna: Account) -> None:
    change(series(anna), 2, sensitivity="Private")
    (record,) = mirrored(simulator)
    assert (record.is_private, [one.is_private for one in record.exceptions]) == (False, [True])


def test_the_organizer_is_known_and_so_are_the_answers(simulator: Simulator, anna: Account) -> None:
    series(anna, required_attendees=[Attendee(mailbox=Mailbox(email_address=BORIS))])
    boris = account(simulator, BORIS)
    boris.inbox.get(subject="Stand-up").accept()
    boris.protocol.close()
    (ours,), (theirs,) = mirrored(simulator), mirrored(simulator, BORIS)
    assert (ours.is_organizer, theirs.is_organizer) == (True, False)
    (guest,) = [one for one in ours.participants if one.role is Role.REQUIRED]
    assert (guest.address, guest.response, theirs.my_response) == (BORIS, Response.ACCEPTED, Response.ACCEPTED)
    assert guest.responded_at is not None
    assert ours.uid == theirs.uid
    assert theirs.recurrence == ours.recurrence == "FREQ=DAILY;COUNT=5"


def test_who_is_invited_to_one_occurrence_has_that_occurrence(simulator: Simulator, anna: Account) -> None:
    change(series(anna), 2, required_attendees=[Attendee(mailbox=Mailbox(email_address=BORIS))])
    (ours,), (theirs,) = mirrored(simulator), mirrored(simulator, BORIS)
    assert (theirs.original_start, theirs.recurrence) == (FIRST + DAY, "")
    assert theirs.kind is not MeetingKind.MASTER
    assert theirs.uid == ours.uid
