"""What people decide about cards and conflicts, and what the next run makes of it in Outlook (W1, W2, S9)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.records import Phone
from terracrm.models import Conflict, Contact
from terracrm.services import access, card_states, conflicts, mailboxes, outlook_rules
from terracrm.services.outlook_rules import Effect
from tests.sync.clients_office import CLIENTS, ClientsOffice
from tests.sync.conftest import DOMAIN

SQLITE_FIRST = True

VERA = "Vera Orlova"
ANNA = f"anna@{DOMAIN}"
POLICY = DomainPolicy()


def say(anna: ClientsOffice, /, **changes: Any) -> Effect:
    """An admin changes what is written into Anna's mailbox."""
    make_folder = changes.pop("make_folder", False)
    with anna.crm() as session:
        box = mailboxes.get(session, ANNA)
        wanted = replace(outlook_rules.of(box), **changes)
        return outlook_rules.apply(session, anna.office.settings, box, wanted, None, make_folder=make_folder)


def take_all(clients: ClientsOffice) -> int:
    """Somebody takes the other value of each open conflict; how many there were."""
    with clients.crm() as session:
        found = conflicts.listing(session, access.operator()).rows
        assert [row.has_changed for row in found] == [False] * len(found)
        for row in found:
            conflicts.take(session, POLICY, access.operator(), row.id, row.seal)
        return len(found)


def title(clients: ClientsOffice, contact_id: int) -> str:
    with clients.office.sessions() as session:
        return session.get_one(Contact, contact_id).job_title


@pytest.mark.parametrize(("rule", "stands", "other"), [("crm", "CFO", "CTO"), ("outlook", "CTO", "CFO")])
def test_the_other_value_that_is_taken_comes_into_outlook_and_stays(
    clients: ClientsOffice, vera: int, rule: str, stands: str, other: str
) -> None:
    say(clients, conflict=rule)
    clients.settled()
    clients.edit(clients.item(VERA), job_title="CTO")
    clients.work_at(vera, job_title="CFO")
    clients.settled()
    assert clients.cards()[VERA].job_title == title(clients, vera) == stands
    assert take_all(clients) == 1
    clients.settled()
    assert clients.cards()[VERA].job_title == title(clients, vera) == other
    with clients.office.sessions() as session:
        assert session.scalars(select(Conflict.state)).all() == ["taken"]


def test_an_entry_of_a_list_that_is_taken_comes_into_outlook(clients: ClientsOffice, vera: int) -> None:
    say(clients, conflict="crm")
    clients.settled()
    clients.edit(clients.item(VERA), phones=())
    clients.work_at(vera, phones=[{"label": "home", "number": "+7 495 000-00-01"}])
    clients.settled()
    assert clients.cards()[VERA].phones == (Phone("home", "+7 495 000-00-01"),)
    assert take_all(clients) == 1
    clients.settled()
    assert clients.cards()[VERA].phones == ()


def test_a_value_that_does_not_come_in_is_taken_all_the_same(clients: ClientsOffice, vera: int) -> None:
    say(clients, directions={"job_title": "out"})
    clients.settled()
    clients.edit(clients.item(VERA), job_title="CTO")
    clients.settled()
    assert clients.cards()[VERA].job_title == "CEO"
    assert take_all(clients) == 1
    clients.settled()
    assert clients.cards()[VERA].job_title == title(clients, vera) == "CTO"


def test_a_card_that_was_deleted_comes_back_when_somebody_says_so(clients: ClientsOffice, vera: int) -> None:
    clients.server.delete(clients.item(VERA))
    clients.settled()
    assert clients.cards() == {}
    with clients.crm() as session:
        card_states.put_back(session, clients.office.settings, mailboxes.get(session, ANNA), vera, None)
    clients.settled()
    assert list(clients.cards()) == [VERA]


def test_a_history_that_was_taken_out_comes_back_when_somebody_says_so(clients: ClientsOffice, vera: int) -> None:
    clients.edit(clients.item(VERA), notes="Likes the sea", body=None)
    clients.settled()
    assert "[TerraCRM:history]" not in clients.cards()[VERA].notes
    with clients.crm() as session:
        card_states.show_history(session, mailboxes.get(session, ANNA), vera, None)
    clients.settled()
    notes = clients.cards()[VERA].notes
    assert ("[TerraCRM:history]" in notes, "Likes the sea" in notes) == (True, True)


def test_what_changes_while_clients_are_off_comes_in_and_out_when_they_are_on_again(
    clients: ClientsOffice, vera: int
) -> None:
    say(clients, clients="off")
    clients.work_at(vera, job_title="CFO")
    clients.run()
    assert clients.cards()[VERA].job_title == "CEO"
    assert say(clients, clients="on") == Effect(made=0, removed=0, kept=1)
    clients.settled()
    assert clients.cards()[VERA].job_title == "CFO"


def test_clients_are_taken_out_and_put_in_again(clients: ClientsOffice, vera: int) -> None:
    assert say(clients, clients="remove") == Effect(made=0, removed=1, kept=0)
    clients.settled()
    assert clients.cards() == {}
    assert title(clients, vera) == "CEO"
    assert say(clients, clients="on") == Effect(made=1, removed=0, kept=0)
    clients.settled()
    assert list(clients.cards()) == [VERA]


def test_other_rules_show_on_the_cards_that_are_there(clients: ClientsOffice, vera: int) -> None:
    say(clients, history=0)
    clients.settled()
    assert clients.cards()[VERA].notes == "Likes mountains"
    say(clients, history=None, directions={"notes": "in"})
    clients.settled()
    assert "[TerraCRM:history]" in clients.cards()[VERA].notes
    clients.work_at(vera, notes="Likes the sea")
    clients.settled()
    assert "Likes mountains" in clients.cards()[VERA].notes


def test_a_folder_that_was_deleted_is_made_again_only_when_an_admin_says_so(clients: ClientsOffice, vera: int) -> None:
    clients.server.remove_folder(clients.folder())
    clients.run()
    clients.run()
    with pytest.raises(StopIteration):
        clients.folder(CLIENTS)
    assert say(clients, make_folder=True) == Effect(made=1, removed=0, kept=0, is_folder_made=True)
    clients.settled()
    assert list(clients.cards()) == [VERA]
