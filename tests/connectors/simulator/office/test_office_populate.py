"""The office inside the simulator's store."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime

import pytest

from connectors.simulator.office.arrivals import next_mail
from connectors.simulator.office.contacts import make_vcards
from connectors.simulator.office.mail import make_mail
from connectors.simulator.office.office import make_office
from connectors.simulator.office.populate import populate, put_mail
from connectors.simulator.store import Store

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
OFFICE = make_office(7)
DAYS = 5


@pytest.fixture
def store() -> Store:
    store = Store(domain=OFFICE.domain)
    populate(store, OFFICE, NOW, DAYS)
    return store


def _counts(store: Store, key: str) -> dict[str, int]:
    counts = {}
    for mailbox in store.mailboxes.all():
        folder = store.folders.distinguished(mailbox, key)
        counts[mailbox.address] = len(store.items.in_folder(folder))
    return counts


def test_every_person_has_a_mailbox_with_mail_contacts_and_meetings(store: Store) -> None:
    assert {mailbox.address for mailbox in store.mailboxes.all()} == {person.address for person in OFFICE.people}
    mail = Counter(d.mailbox for d in make_mail(OFFICE, NOW, DAYS) if d.folder == "inbox")
    assert _counts(store, "inbox") == {person.address: mail[person.address] for person in OFFICE.people}
    cards = {address: text.count("BEGIN:VCARD") for address, text in make_vcards(OFFICE).items()}
    assert _counts(store, "contacts") == cards
    assert all(_counts(store, "calendar").values())


def test_mail_keeps_coming_into_the_mailboxes(store: Store) -> None:
    before = sum((*_counts(store, "inbox").values(), *_counts(store, "sentitems").values()))
    copies = next_mail(OFFICE, random.Random(1), NOW)
    put_mail(store, copies, new=True)
    after = sum((*_counts(store, "inbox").values(), *_counts(store, "sentitems").values()))
    assert after == before + len(copies)
