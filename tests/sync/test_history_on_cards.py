"""What happens to a client reaches the client's cards: in few writes, and also when only time has passed (W2, W5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from terracrm.config import Settings
from terracrm.domain.records import Participant, Role
from terracrm.models import OutboxItem, utcnow
from tests.sync.clients_office import ClientsOffice
from tests.sync.conftest import DOMAIN, Office
from tests.sync.items import mail, meeting

SQLITE_FIRST = True

MARIA = "maria@client.test"


@pytest.fixture
def crm(office: Office) -> ClientsOffice:
    return ClientsOffice(office)


def letters(crm: ClientsOffice, count: int, to: str = "boris", first: int = 0) -> None:
    """Mail of Maria's, in one of our mailboxes."""
    folder = crm.folder("Inbox", to)
    for number in range(first, first + count):
        sent_at = utcnow() - timedelta(hours=1) + timedelta(seconds=number)
        crm.server.put(folder, mail(f"Order {number}", MARIA, f"{to}@{DOMAIN}", sent_at=sent_at, received_at=sent_at))


def run_all(crm: ClientsOffice) -> int:
    """Run everything once; how many writes that took."""
    before = crm.server.writes
    for name in ("anna", "boris"):
        for kind in ("mail", "calendar"):
            crm.office.run(name, kind)
    crm.run()
    return crm.server.writes - before


def test_a_burst_of_mail_about_a_client_is_one_write_for_each_mailbox(crm: ClientsOffice) -> None:
    crm.client("Maria Ivanova")
    crm.settled()
    letters(crm, 100)

    assert run_all(crm) == 1
    assert "Order 99" in crm.cards()["Maria Ivanova"].notes
    assert "Order 94" not in crm.cards()["Maria Ivanova"].notes
    crm.settled()


def test_a_card_is_written_for_its_own_client_only(crm: ClientsOffice) -> None:
    crm.client("Maria Ivanova")
    crm.client("Peter Volkov")
    crm.settled()
    peters = crm.cards()["Peter Volkov"]
    letters(crm, 3)

    assert run_all(crm) == 1
    assert crm.cards()["Peter Volkov"] == peters


def test_what_changes_nothing_on_a_card_is_no_write(crm: ClientsOffice) -> None:
    crm.client("Maria Ivanova")
    letters(crm, 6)
    run_all(crm)
    crm.settled()
    older = mail("Older", MARIA, f"boris@{DOMAIN}", sent_at=datetime(2020, 3, 2, tzinfo=UTC))
    crm.server.put(crm.folder("Inbox", "boris"), older)

    assert run_all(crm) == 0
    assert not [left for left in waiting(crm) if left <= timedelta(0)]


def test_a_mail_that_becomes_private_leaves_the_cards(crm: ClientsOffice) -> None:
    crm.client("Maria Ivanova")
    inbox = crm.folder("Inbox", "boris")
    secret = mail("Secret", MARIA, f"boris@{DOMAIN}")
    item = crm.server.put(inbox, secret)
    run_all(crm)
    assert "Secret" in crm.cards()["Maria Ivanova"].notes

    crm.server.change(item, mail("Secret", MARIA, f"boris@{DOMAIN}", is_private=True))

    assert run_all(crm) == 1
    assert "Secret" not in crm.cards()["Maria Ivanova"].notes
    assert crm.cards()["Maria Ivanova"].card.last_contact is None


def call_meeting(crm: ClientsOffice, days: float) -> None:
    start = utcnow().replace(microsecond=0) + timedelta(days=days)
    people = (Participant(Role.ORGANIZER, f"anna@{DOMAIN}"), Participant(Role.REQUIRED, MARIA))
    record = meeting(f"Meeting {days}", start=start, end=start + timedelta(hours=1), participants=people)
    crm.server.put(crm.folder("Calendar"), record)


def test_a_meeting_that_takes_place_becomes_history_without_anybody_doing_anything(crm: ClientsOffice) -> None:
    crm.client("Maria Ivanova")
    call_meeting(crm, 1)
    call_meeting(crm, 3)
    run_all(crm)
    assert "Meeting 1" in crm.cards()["Maria Ivanova"].card.next_step
    assert run_all(crm) == 0

    with time_machine.travel(utcnow() + timedelta(days=2)):
        assert run_all(crm) == 1
        card = crm.cards()["Maria Ivanova"]
        assert "Meeting 3" in card.card.next_step
        assert card.card.last_contact is not None
        assert "Meeting 1" in card.notes
        assert run_all(crm) == 0
    with time_machine.travel(utcnow() + timedelta(days=4)):
        assert run_all(crm) == 1
        assert crm.cards()["Maria Ivanova"].card.next_step == ""
        assert run_all(crm) == 0
    with time_machine.travel(utcnow() + timedelta(days=4000)):
        assert run_all(crm) == 0


def test_the_next_moment_is_owed_whether_or_not_there_was_something_to_write(crm: ClientsOffice) -> None:
    crm.client("Maria Ivanova")
    call_meeting(crm, 1)
    run_all(crm)

    first = waiting(crm)
    crm.change(1)
    run_all(crm)

    for times in (first, waiting(crm)):
        assert [timedelta(0) < left < timedelta(hours=25) for left in times] == [True]


def waiting(crm: ClientsOffice) -> list[timedelta]:
    """How long it is until each card is looked at again."""
    with crm.office.sessions() as session:
        return [item.next_try_at - utcnow() for item in session.scalars(select(OutboxItem))]


def test_an_item_owed_for_later_is_owed_now_when_something_happens(crm: ClientsOffice) -> None:
    crm.client("Maria Ivanova")
    call_meeting(crm, 1)
    run_all(crm)
    letters(crm, 1)
    crm.office.run("boris", "mail")

    (left,) = waiting(crm)
    assert left <= timedelta(0)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("TERRACRM_WEB__BASE_URL", "https://crm.office.test", "https://crm.office.test/contacts/1"),
        ("TERRACRM_WEB__TIME_ZONE", "Asia/Kamchatka", "21:00"),
        ("TERRACRM_OUTLOOK__HISTORY_ENTRIES", "1", "[TerraCRM:history]"),
    ],
)
def test_a_change_of_the_settings_reaches_the_cards_with_the_next_run(
    crm: ClientsOffice, monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    """A meeting at noon in Moscow is at nine in the evening in Kamchatka."""
    crm.client("Maria Ivanova")
    crm.client("Peter Volkov")
    people = (Participant(Role.ORGANIZER, f"anna@{DOMAIN}"), Participant(Role.REQUIRED, MARIA))
    noon = datetime(2026, 3, 2, 9, tzinfo=UTC)
    crm.server.put(crm.folder("Calendar"), meeting("M", start=noon, end=noon, participants=people))
    letters(crm, 3)
    run_all(crm)
    crm.settled()
    before = crm.cards()["Maria Ivanova"].notes

    monkeypatch.setenv(name, value)
    crm.office.settings = Settings()

    run_all(crm)
    notes = crm.cards()["Maria Ivanova"].notes
    assert notes != before
    assert expected in notes
    assert run_all(crm) == 0
