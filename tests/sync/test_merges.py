"""The mirror goes on after a merge, and after its undoing (M4, S4, S9)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from terracrm.domain.records import ContactRecord, LabelledAddress, MessageRecord, Phone
from terracrm.models import Company, Contact, Link
from terracrm.models import Participant as ParticipantRow
from terracrm.services import company_records, merges
from terracrm.services.access import operator
from tests.sync.conftest import Office
from tests.sync.items import contact, mail

pytestmark = pytest.mark.usefixtures("recorded")

OLGA = contact(job_title="Закупщик")
TWIN = contact(
    "О. Лаврова",
    "olga@home.example",
    company_name="Лавка Плюс",
    phones=(Phone("mobile", "+7 916 555-01-02"),),
    notes="Тайна",
)


class Pair:
    """Olga's entry in Anna's mailbox, that of her twin in Boris's, and both as contacts."""

    def __init__(self, office: Office, olga: ContactRecord = OLGA, twin: ContactRecord = TWIN) -> None:
        self.office = office
        self.items = {"anna": self.put("anna", olga), "boris": self.put("boris", twin)}
        self.put("anna", mail("Первое"))
        self.put("boris", mail("Личное", "olga@home.example"))
        self.run()
        self.olga, self.twin = self.contact_of("anna"), self.contact_of("boris")
        assert self.olga != self.twin

    def put(self, name: str, record: ContactRecord | MessageRecord) -> str:
        path = "Contacts" if isinstance(record, ContactRecord) else "Inbox"
        return self.office.server.put(self.office.folder(name, path), record)

    def change(self, name: str, record: ContactRecord) -> None:
        self.office.server.change(self.items[name], record)
        self.run()

    def run(self) -> None:
        for name in ("anna", "boris"):
            for kind in ("contacts", "mail"):
                assert self.office.run(name, kind).state == "ok"

    def merge(self, entity: merges.Entity = "contact", **choices: str) -> int:
        with self.office.sessions.begin() as session:
            ids = (self.olga, self.twin)
            if entity == "company":
                people = (session.get_one(Contact, self.olga), session.get_one(Contact, self.twin))
                ids = (people[0].company_id or 0, people[1].company_id or 0)
            return merges.merge(session, operator(), entity, *ids, choices).id

    def undo(self, merge_id: int) -> list[str]:
        with self.office.sessions.begin() as session:
            return merges.undo(session, self.office.settings, operator(), merge_id).kept

    def contact_of(self, name: str) -> int:
        with self.office.sessions() as session:
            return session.scalars(select(Link.local_id).where(Link.remote_id == self.items[name])).one()

    def subjects(self, contact_id: int) -> set[str]:
        query = text(
            "SELECT subject FROM activities JOIN contact_timeline ON activity_id = activities.id WHERE contact_id = :id"
        )
        with self.office.sessions() as session:
            return set(session.scalars(query.params(id=contact_id)))


@pytest.fixture
def pair(office: Office) -> Pair:
    return Pair(office)


def get(pair: Pair, session: Session, contact_id: int) -> Contact:
    return session.get_one(Contact, contact_id, populate_existing=True)


def addresses(person: Contact) -> list[str]:
    return [entry.address for entry in person.addresses]


def test_an_edit_of_either_entry_changes_the_winner(pair: Pair) -> None:
    pair.merge()
    pair.change("boris", replace(TWIN, department="Продажи", notes="Новое"))
    pair.change("anna", replace(OLGA, job_title="Директор"))
    with pair.office.sessions() as session:
        winner = get(pair, session, pair.olga)
        assert (winner.department, winner.notes, winner.job_title) == ("Продажи", "Новое", "Директор")
        assert get(pair, session, pair.twin).merged_into_id == pair.olga


def test_mail_to_any_address_of_the_two_is_the_winner_s(pair: Pair) -> None:
    pair.merge()
    pair.put("anna", mail("Второе", "olga@home.example"))
    pair.run()
    assert pair.subjects(pair.olga) == {"Первое", "Личное", "Второе"}
    assert pair.subjects(pair.twin) == set()


def test_deleting_the_loser_s_entry_only_unlinks_it(pair: Pair) -> None:
    pair.merge()
    pair.office.server.delete(pair.items["boris"])
    pair.run()
    with pair.office.sessions() as session:
        assert "olga@home.example" in addresses(get(pair, session, pair.olga))
        assert session.scalars(select(Link.gone_at).where(Link.remote_id == pair.items["boris"])).one() is not None


def test_an_entry_of_another_mailbox_joins_the_winner(pair: Pair) -> None:
    pair.merge()
    pair.items["anna too"] = pair.put("anna", contact("Ольга Л.", "olga@home.example"))
    pair.run()
    assert pair.contact_of("anna too") == pair.olga


def test_after_undoing_each_entry_changes_its_own_contact(pair: Pair) -> None:
    made = pair.merge()
    assert pair.undo(made) == []
    pair.change("boris", replace(TWIN, department="Продажи"))
    pair.change("anna", replace(OLGA, department="Закупки"))
    pair.put("anna", mail("Второе", "olga@home.example"))
    pair.run()
    with pair.office.sessions() as session:
        winner, loser = get(pair, session, pair.olga), get(pair, session, pair.twin)
        assert (winner.department, loser.department) == ("Закупки", "Продажи")
        assert (winner.notes, loser.notes) == ("", "Тайна")
    assert pair.subjects(pair.olga) == {"Первое"}
    assert pair.subjects(pair.twin) == {"Личное", "Второе"}


def test_what_an_entry_came_to_say_meanwhile_goes_with_its_contact(pair: Pair) -> None:
    made = pair.merge()
    emails = (*TWIN.emails, LabelledAddress("2", "lavrova@new.example"))
    pair.change("boris", replace(TWIN, emails=emails, department="Продажи", notes="Новое"))
    pair.put("boris", mail("Новый адрес", "lavrova@new.example"))
    pair.run()
    assert pair.undo(made) == []
    with pair.office.sessions() as session:
        winner, loser = get(pair, session, pair.olga), get(pair, session, pair.twin)
        assert (winner.department, winner.notes) == ("", "")
        assert (loser.department, loser.notes) == ("Продажи", "Новое")
        assert addresses(winner) == ["olga@lavka.example"]
        assert addresses(loser) == ["olga@home.example", "lavrova@new.example"]
    assert "Новый адрес" in pair.subjects(pair.twin)


def test_an_entry_that_came_meanwhile_goes_to_whom_it_names(pair: Pair) -> None:
    made = pair.merge()
    pair.items["anna too"] = pair.put("anna", contact("Ольга Л.", "olga@home.example", department="Склад"))
    pair.run()
    pair.undo(made)
    assert pair.contact_of("anna too") == pair.twin
    with pair.office.sessions() as session:
        assert get(pair, session, pair.twin).department == "Склад"


@pytest.mark.parametrize("then", ["private", "undone and private"])
def test_making_the_loser_s_entry_private_takes_all_that_only_it_said(pair: Pair, then: str) -> None:
    made = pair.merge(notes="loser", display_name="loser", company_name="loser")
    pair.change("boris", replace(TWIN, department="Тайный отдел"))
    if then != "private":
        pair.undo(made)
    pair.change("boris", replace(TWIN, department="Тайный отдел", is_private=True))
    with pair.office.sessions() as session:
        for name in _tables(session):
            for row in session.execute(text(f"SELECT * FROM {name}")):
                said = " ".join(map(str, row))
                assert not any(word in said for word in ("Тайн", "О. Лаврова", "Плюс", "916 555")), (name, row)
        winner = get(pair, session, pair.olga)
        assert addresses(winner) == ["olga@lavka.example"]
        assert winner.job_title == "Закупщик"
        if then == "private":
            with pytest.raises(merges.MergeRefused, match="made private"):
                merges.undo(session, pair.office.settings, operator(), made)


def test_making_the_winner_s_entry_private_leaves_what_mail_told_of_the_loser(office: Office) -> None:
    office.server.put(office.folder("anna", "Sent Items"), mail("Привет", "anna@office.test", "petr@opt.example"))
    office.run("anna", "mail")
    item = office.server.put(office.folder("anna", "Contacts"), OLGA)
    office.run("anna", "contacts")
    with office.sessions.begin() as session:
        petr, olga = session.scalars(select(Contact.id).order_by(Contact.id)).all()
        merges.merge(session, operator(), "contact", olga, petr)
    office.server.change(item, replace(OLGA, is_private=True))
    office.run("anna", "contacts")
    with office.sessions() as session:
        left = session.get_one(Contact, olga)
        assert addresses(left) == ["petr@opt.example"]
        whose = select(ParticipantRow.contact_id).where(ParticipantRow.address == "petr@opt.example")
        assert list(session.scalars(whose)) == [olga]


def test_a_merged_company_s_old_name_leads_to_the_winner(pair: Pair) -> None:
    made = pair.merge("company")
    pair.put("anna", contact("Иван", "ivan@home2.example", company_name="ЛАВКА ПЛЮС ООО"))
    pair.run()
    with pair.office.sessions() as session:
        winner = get(pair, session, pair.olga).company_id
        ivan = session.scalars(select(Contact).where(Contact.display_name == "Иван")).one()
        assert ivan.company_id == winner
    pair.undo(made)
    with pair.office.sessions() as session:
        ivan = session.scalars(select(Contact).where(Contact.display_name == "Иван")).one()
        assert ivan.company_id == get(pair, session, pair.twin).company_id != winner


def test_a_company_that_is_absorbed_hands_over_what_was_merged_into_it(office: Office) -> None:
    """Two that were only known by their domains are merged; then an entry names the company."""
    for name in ("one", "two"):
        address = f"info@{name}.example"
        office.server.put(office.folder("anna", "Sent Items"), mail(name, "anna@office.test", address))
    office.run("anna", "mail")
    with office.sessions.begin() as session:
        one, two = session.scalars(select(Company.id).order_by(Company.id)).all()
        made = merges.merge(session, operator(), "company", one, two).id
    entry = contact("Иван", "ivan@three.example", company_name="Третья", phones=())
    item = office.server.put(office.folder("anna", "Contacts"), entry)
    office.run("anna", "contacts")
    emails = (*entry.emails, LabelledAddress("2", "ivan@one.example"))
    office.server.change(item, replace(entry, emails=emails))
    office.run("anna", "contacts")
    with office.sessions.begin() as session:
        named = session.scalars(select(Company).where(Company.name == "Третья")).one()
        assert session.get_one(Company, two).merged_into_id == named.id
        assert not company_records.is_named_by_domain(named)
        merges.undo(session, office.settings, operator(), made)
        assert [owned.domain for owned in session.get_one(Company, two).domains] == ["two.example"]


def _tables(session: Session) -> list[str]:
    names = "SELECT name FROM sqlite_master WHERE type = 'table'"
    if session.get_bind().dialect.name == "postgresql":
        names = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    return list(session.scalars(text(names)))


@pytest.mark.parametrize("wins", ["known by mail", "known by an entry"])
def test_an_address_that_either_s_entry_names_meanwhile_is_of_both_afterwards(office: Office, wins: str) -> None:
    office.server.put(office.folder("anna", "Sent Items"), mail("Привет", "anna@office.test", "olga@home.example"))
    office.run("anna", "mail")
    nameless = replace(OLGA, emails=())
    item = office.server.put(office.folder("anna", "Contacts"), nameless)
    office.run("anna", "contacts")
    with office.sessions.begin() as session:
        olga = session.scalars(select(Link.local_id).where(Link.remote_id == item)).one()
        other = session.scalars(select(Contact.id).where(Contact.id != olga)).one()
        pair = (olga, other) if wins == "known by an entry" else (other, olga)
        made = merges.merge(session, operator(), "contact", *pair).id
    office.server.change(item, replace(nameless, emails=TWIN.emails))
    office.run("anna", "contacts")
    with office.sessions.begin() as session:
        merges.undo(session, office.settings, operator(), made)
    with office.sessions() as session:
        assert addresses(session.get_one(Contact, olga)) == addresses(session.get_one(Contact, other))
        method = select(ParticipantRow.match_method).where(ParticipantRow.address == "olga@home.example")
        assert list(session.scalars(method)) == ["ambiguous"]
