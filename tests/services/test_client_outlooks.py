"""In which Outlooks a client is, as the profile says it (W1, W5)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from terracrm.models import Link, MirrorFolder, Stream, utcnow
from terracrm.services import client_outlooks, outbox
from terracrm.services.access import operator
from terracrm.services.client_outlooks import OutlookCard
from tests.office import OURS, Office

MARIA = "maria@market.example"
ADDRESS = f"anna@{OURS}"


@pytest.fixture
def office(session: Session) -> Office:
    """A client with a card in a person's Outlook."""
    made = Office(session)
    made.user("anna", "manager", "North", "Anna Sokolova")
    made.company("Market", "market.example", "anna")
    made.contact("Maria Ivanova", MARIA)
    stream = Stream(kind="contacts", direction="both", mailbox=made.mailboxes["anna"])
    folder = MirrorFolder(remote_id="clients", role=outbox.CLIENTS, stream=stream)
    made.add(stream, folder)
    made.add(
        Link(
            mailbox_id=made.mailboxes["anna"].id,
            folder_id=folder.id,
            entity=outbox.CONTACT,
            local_id=made.contacts[MARIA].id,
            remote_id="card",
            rule=outbox.CLIENTS,
        )
    )
    return made


def card(office: Office) -> OutlookCard:
    (found,) = client_outlooks.of_contact(office.session, operator(), office.contacts[MARIA].id)
    return found


def test_a_card_with_nothing_to_write_is_up_to_date(office: Office) -> None:
    assert card(office) == OutlookCard(ADDRESS, "Anna Sokolova", True, False, False, "")


def test_a_change_waits_until_it_is_written(office: Office) -> None:
    outbox.touch_contacts(office.session, [office.contacts[MARIA].id], "portal")

    assert card(office).is_owed


def test_what_time_will_change_one_day_does_not_wait(office: Office) -> None:
    box, client = office.mailboxes["anna"], office.contacts[MARIA]
    outbox.owe(office.session, box.id, outbox.CONTACT, [client.id], outbox.TIME, at=utcnow() + timedelta(days=2))

    assert not card(office).is_owed
