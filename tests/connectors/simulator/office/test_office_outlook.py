"""The meetings and contacts of the invented office."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import pytest
import vobject
from icalendar import Calendar, Event

from connectors.simulator.office.calendars import make_calendars
from connectors.simulator.office.contacts import make_vcards
from connectors.simulator.office.names import FATHERS, MEN, SURNAMES, WOMEN, PersonName
from connectors.simulator.office.office import Office, make_office
from connectors.simulator.office.products import PRODUCTS, counted
from connectors.simulator.office.workdays import day_month, on_day, workday

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def office() -> Office:
    return make_office(7)


@pytest.fixture(scope="module")
def events(office: Office) -> dict[str, list[Event]]:
    calendars = make_calendars(office, NOW)
    return {address: Calendar.from_ical(data).walk("VEVENT") for address, data in calendars.items()}


def test_calendars_are_the_same_for_the_same_seed_and_moment(office: Office) -> None:
    assert make_calendars(office, NOW) == make_calendars(make_office(7), NOW)


def test_a_meeting_has_one_uid_in_every_calendar(events: dict[str, list[Event]]) -> None:
    holders: dict[str, set[str]] = defaultdict(set)
    for address, own in events.items():
        for event in own:
            holders[str(event["UID"])].add(address)
    assert max(len(addresses) for addresses in holders.values()) >= 6


def test_only_who_takes_part_has_a_meeting(events: dict[str, list[Event]]) -> None:
    for address, own in events.items():
        for event in own:
            if "ATTENDEE" in event:
                listed = event["ATTENDEE"] if isinstance(event["ATTENDEE"], list) else [event["ATTENDEE"]]
                assert f"mailto:{address}" in [*map(str, listed), str(event["ORGANIZER"])]


def test_meetings_of_every_kind_are_there(events: dict[str, list[Event]]) -> None:
    every = [event for own in events.values() for event in own]
    assert any("RRULE" in event and "EXDATE" in event for event in every)
    assert any("RECURRENCE-ID" in event for event in every)
    assert any(not isinstance(event.decoded("DTSTART"), datetime) for event in every)
    assert any(event["CLASS"] == "PRIVATE" for event in every)
    answers = {str(a.params.get("PARTSTAT")) for event in every for a in _attendees(event)}
    assert {"ACCEPTED", "DECLINED", "TENTATIVE"} <= answers


def _attendees(event: Event) -> list:
    listed = event.get("ATTENDEE", [])
    return listed if isinstance(listed, list) else [listed]


def test_meetings_reach_into_the_coming_weeks_and_not_beyond(events: dict[str, list[Event]]) -> None:
    starts = [event.decoded("DTSTART") for own in events.values() for event in own]
    days = [start.date() if isinstance(start, datetime) else start for start in starts]
    assert NOW.date() + timedelta(days=10) < max(days) <= NOW.date() + timedelta(days=22)


def test_contacts_have_several_addresses_and_phones(office: Office) -> None:
    cards = [card for text in make_vcards(office).values() for card in vobject.readComponents(text)]
    assert len(cards) > 100
    assert any(len(card.contents["tel"]) > 2 for card in cards)
    assert any(len(card.contents["email"]) > 1 for card in cards)
    assert any(len(card.contents["adr"]) > 1 for card in cards)
    assert any("bday" in card.contents for card in cards)
    assert any("note" in card.contents for card in cards)


def test_some_people_are_in_the_contacts_of_two_sellers(office: Office) -> None:
    holders: dict[str, set[str]] = defaultdict(set)
    for keeper, text in make_vcards(office).items():
        for card in vobject.readComponents(text):
            holders[card.email.value].add(keeper)
    assert sum(len(keepers) > 1 for keepers in holders.values()) > 10


@pytest.mark.parametrize(
    ("name", "case", "whole", "io"),
    [
        (PersonName("Анна", "Сергеевна", "Голубева", "f"), "dat", "Анне Голубевой", "Анне Сергеевне"),
        (PersonName("Юлия", "Юрьевна", "Полянская", "f"), "acc", "Юлию Полянскую", "Юлию Юрьевну"),
        (PersonName("Павел", "Ильич", "Зимин", "m"), "gen", "Павла Зимина", "Павла Ильича"),
        (PersonName("Игорь", "Олегович", "Белинский", "m"), "ins", "Игорем Белинским", "Игорем Олеговичем"),
        (PersonName("Hannah", "", "Keller", "f"), "gen", "Hannah Keller", "Hannah"),
    ],
)
def test_names_are_declined(name: PersonName, case: str, whole: str, io: str) -> None:
    assert name.whole(case) == whole
    assert name.io(case) == io


def test_name_banks_are_whole() -> None:
    assert all(len(row) == 6 for row in (*WOMEN.values(), *MEN.values()))
    assert all(father.endswith("ич") and daughter.endswith("на") for father, daughter in FATHERS)
    assert len(SURNAMES) == len(set(SURNAMES))
    assert all(surname.endswith(("ов", "ев", "ёв", "ин", "ын", "ский")) for surname in SURNAMES)


def test_product_forms_suit_sentences() -> None:
    forms = {product.name: product.acc for product in PRODUCTS}
    assert forms["сметана 20%"] == "сметану 20%"
    assert forms["моцарелла для пиццы 40%"] == "моцареллу для пиццы 40%"
    assert [counted(n, ("коробка", "коробки", "коробок")) for n in (1, 3, 12, 21, 25)] == [
        "1 коробка",
        "3 коробки",
        "12 коробок",
        "21 коробка",
        "25 коробок",
    ]


def test_dates_are_said_in_russian() -> None:
    assert on_day(date(2026, 5, 12)) == "во вторник, 12 мая"
    assert day_month(date(2026, 11, 3)) == "3 ноября"
    assert workday(date(2026, 4, 30), 1) == date(2026, 5, 4)
