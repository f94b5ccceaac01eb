"""What the walks of test_two_way found, each as the shortest story that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from terracrm.domain.contact_merge import LISTS
from terracrm.domain.records import ContactRecord, LabelledAddress, Phone
from terracrm.models import Conflict, Contact, FieldChange
from terracrm.services import contact_data
from tests.sync.two_way_crashes import Day
from tests.sync.two_way_outlook import Entry, MemoryOutlook
from tests.sync.two_way_world import Crash

SQLITE_FIRST = True


@pytest.fixture
def day(migrated_sqlite: Path) -> Iterator[Day]:
    """Three mailboxes, the cards of Olga in Anna's and of Nina in Vera's."""
    made = Day(migrated_sqlite, MemoryOutlook())
    made.contacts = {"olga": made.create("olga", "anna"), "nina": made.create("nina", "vera")}
    made.world.settle()
    yield made
    made.world.close()


def killed_after(day: Day, name: str, what: str) -> None:
    """Run a mailbox until the worker is killed right after that."""

    def kill() -> None:
        raise Crash(what)

    day.world.points.hooks = [(0, what, kill)]
    day.world.now()
    with pytest.raises(Crash):
        day.world.run(name)
    day.world.bury_the_worker()


def entry(day: Day, name: str, remote_id: str) -> Entry:
    return next(each for each in day.world.outlook.entries(name) if each.remote_id == remote_id)


def contact(day: Day, name: str) -> Contact:
    with day.world.sessions() as session:
        found = session.get_one(Contact, day.contacts[name])
        assert all(contact_data.entries(found, field) is not None for field in LISTS)  # loaded with it
        return found


def conflicts(day: Day) -> list[tuple[str, Any, Any]]:
    with day.world.sessions() as session:
        return [(row.field, row.crm_value, row.outlook_value) for row in session.scalars(select(Conflict))]


@pytest.mark.parametrize("rule", ["outlook", "latest", "crm"])
def test_what_we_wrote_ourselves_is_no_conflict_with_what_we_say_since(day: Day, rule: str) -> None:
    """The worker was killed before it noted what it had written."""
    day.world.choose("anna", conflict=rule)
    day.world.edit(day.contacts["olga"], {"job_title": "Первое"})
    killed_after(day, "anna", "write: after update")
    day.world.edit(day.contacts["olga"], {"job_title": "Второе"})
    day.world.settle()
    assert day.card("anna", "olga").record.job_title == "Второе"
    assert conflicts(day) == []


def test_no_word_of_what_became_private_stays_in_the_full_text_index(day: Day) -> None:
    outlook = day.world.outlook
    made = outlook.put("anna", day.contacts_folder("anna"), ContactRecord(display_name="Zanzibar", notes="quinoa"))
    day.world.settle()
    outlook.edit(said := entry(day, "anna", made), replace(said.record, is_private=True), {"is_private"})
    day.world.settle()
    with day.world.sessions() as session:
        blocks = session.scalars(text("SELECT block FROM contact_search_data")).all()
    assert not [block for block in blocks if b"anzibar" in block or b"quinoa" in block]


@pytest.mark.parametrize("was_edited_by_a_colleague", [False, True])
def test_what_was_said_before_a_private_entry_is_said_again(day: Day, was_edited_by_a_colleague: bool) -> None:
    """Anna writes above her colleague's notes and changes a position and a number; then her card becomes private."""
    phones = Phone("mobile", "+74951110000"), Phone("home", "+74952220000")
    if was_edited_by_a_colleague:
        day.world.choose("boris", scope="team")
        day.world.settle()
        day.edit("boris", "olga", job_title="Закупки")
        day.world.settle()
    before = contact(day, "olga").job_title
    day.notes("anna", "olga", "above")
    day.edit("anna", "olga", job_title="Тайное", phones=phones)
    day.world.settle()
    assert "tok0x" in contact(day, "olga").notes
    day.edit("anna", "olga", is_private=True)
    day.world.settle()
    found = contact(day, "olga")
    assert (found.notes, found.job_title) == ("О человеке: olga", before)
    with day.world.sessions() as session:
        olga = session.get_one(Contact, day.contacts["olga"])
        assert [row.number for row in olga.phones] == ["+74951110000"]
        log = [(row.old, row.new) for row in session.scalars(select(FieldChange))]
    assert not [each for each in log if "tok0x" in str(each) or "Тайное" in str(each) or "222" in str(each)]


def test_what_others_say_stands_until_theirs_is_private_too(day: Day) -> None:
    """Boris's own entry says another position than Anna wrote first; each is withdrawn in turn."""
    outlook = day.world.outlook
    day.edit("anna", "olga", job_title="Первое")
    day.world.settle()
    address = (LabelledAddress("1", "olga@firm.example"),)
    own = outlook.put("boris", day.contacts_folder("boris"), ContactRecord(job_title="Второе", emails=address))
    day.world.settle()
    day.edit("anna", "olga", is_private=True)
    day.world.settle()
    assert contact(day, "olga").job_title == "Второе"
    outlook.edit(said := entry(day, "boris", own), replace(said.record, is_private=True), {"is_private"})
    day.world.settle()
    assert contact(day, "olga").job_title == ""


def test_a_card_that_we_removed_and_its_person_puts_back_is_an_entry_of_theirs(day: Day) -> None:
    """Its history is nobody's notes, and its old key is of no matter."""
    outlook = day.world.outlook
    assert isinstance(outlook, MemoryOutlook)
    day.world.assign(day.contacts["olga"], "vera")
    day.world.settle()
    trash = next(folder for folder in outlook.folders("anna") if folder.well_known == "deleteditems")
    (item,) = outlook.memory._box(trash).items
    for folder in (day.contacts_folder("anna"), day.world.clients_folder("anna")):
        assert folder is not None
        item = outlook.move("anna", item, folder)
        day.world.settle()
        assert contact(day, "olga").notes == "О человеке: olga"
        assert "[TerraCRM:history]" in entry(day, "anna", item).body.content, "it is theirs: nothing writes to it"
    with day.world.sessions() as session:
        assert day.world.links(session, "anna") == []


@pytest.mark.parametrize("is_copied_first", [True, False])
def test_a_card_that_was_copied_and_moved_takes_no_copy_with_it(day: Day, is_copied_first: bool) -> None:
    """Which of the two is ours nobody knows: none of them is removed with the client."""
    outlook, card, target = day.world.outlook, day.card("anna", "olga"), day.contacts_folder("anna")
    other = outlook.add_folder("anna", "Другие")
    if is_copied_first:
        outlook.copy(card, target)
    moved = outlook.move("anna", card.remote_id, other)
    if not is_copied_first:
        outlook.copy(entry(day, "anna", moved), target)
    day.world.settle()
    day.world.assign(day.contacts["olga"], "vera")
    day.world.settle()
    assert len([each for each in outlook.entries("anna") if each.record.display_name == "olga"]) == 2


def test_what_we_wrote_is_our_own_also_when_its_client_was_merged_meanwhile(day: Day) -> None:
    """The worker was killed before it noted what it had written; then the client became another one."""
    day.contacts["petr"] = day.create("petr", "vera")
    number = day.contacts["olga"]
    phones = [{"label": "mobile", "number": "+74951110000"}, {"label": "home", "number": "+74959990000"}]
    day.world.edit(number, {"job_title": "Первое", "phones": phones})
    killed_after(day, "anna", "write: after update")
    day.world.merge(day.contacts["petr"], number)
    day.world.assign(day.contacts["petr"], "anna")
    day.world.edit(day.contacts["petr"], {"job_title": "Второе", "phones": phones[:1]})
    day.world.settle()
    card = day.card("anna", "petr").record
    assert (card.job_title, [phone.label for phone in card.phones]) == ("Второе", ["mobile"])
    assert conflicts(day) == []


def test_a_removal_of_ours_is_no_wish_of_the_owner_when_its_client_was_merged_meanwhile(day: Day) -> None:
    """The worker was killed after it had taken the card out of Anna's folder; its client is hers again by a merge."""
    olga = contact(day, "olga")
    said = {"display_name": olga.display_name, "notes": olga.notes}
    said |= {field: contact_data.entries(olga, field) for field in ("emails", "phones")}
    day.contacts["twin"] = day.world.create("vera", said)
    day.world.assign(day.contacts["olga"], "vera")
    killed_after(day, "anna", "write: after delete")
    day.world.merge(day.contacts["twin"], day.contacts["olga"])
    day.world.assign(day.contacts["twin"], "anna")
    day.world.settle()
    assert day.card("anna", "twin").record.display_name == "olga"


@pytest.mark.parametrize("is_winner_private", [True, False])
def test_a_private_card_is_left_alone_when_its_client_is_merged_with_another_of_the_folder(
    day: Day, is_winner_private: bool
) -> None:
    """Of two cards of one client ours goes, and never the one that its owner has made private."""
    day.contacts["petr"] = day.create("petr", "anna")
    day.world.settle()
    day.edit("anna", "petr", is_private=True)
    private = day.card("anna", "petr")
    names = ("petr", "olga") if is_winner_private else ("olga", "petr")
    day.world.merge(*(day.contacts[name] for name in names))
    day.world.settle()
    assert day.world.outlook.entries("anna") == [private]


@pytest.mark.parametrize("into_clients", [True, False])
def test_who_takes_a_card_out_of_the_trash_takes_its_client_out_of_the_archive(day: Day, into_clients: bool) -> None:
    """Where deleting a card archives its client; nobody is known twice for it."""
    outlook = day.world.outlook
    day.world.choose("anna", on_delete="archive")
    item = outlook.delete(day.card("anna", "olga"))
    day.world.settle()
    assert contact(day, "olga").archived_at is not None
    target = day.world.clients_folder("anna") if into_clients else day.contacts_folder("anna")
    assert target is not None
    item = outlook.move("anna", item, target)
    day.world.settle()
    assert contact(day, "olga").archived_at is None
    assert day.world.contact_ids() == sorted(day.contacts.values())
    assert (day.card("anna", "olga").remote_id == item) == into_clients
    assert len(outlook.entries("anna")) == (1 if into_clients else 2)
    assert conflicts(day) == []
