"""What becomes of what an item said once it is made private (S4, invariant 6)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.domain.records import LabelledAddress, Participant, Phone, Record, Role
from terracrm.models import (
    Activity,
    ActivityMailbox,
    Company,
    Contact,
    FieldChange,
    Meeting,
    Thread,
    ThreadKey,
)
from terracrm.models import Participant as ParticipantRow
from terracrm.services import company_records
from terracrm.services.field_history import Origin
from tests.sync.conftest import Office
from tests.sync.items import contact, mail, meeting

pytestmark = pytest.mark.usefixtures("recorded")

ITEMS: dict[str, tuple[str, Record]] = {
    "mail": ("Inbox", mail("Тайна")),
    "contacts": ("Contacts", contact("Тайна")),
    "calendar": ("Calendar", meeting("Тайна")),
}


@pytest.mark.parametrize("kind", list(ITEMS))
@pytest.mark.parametrize("is_told_between", [True, False])
@pytest.mark.parametrize("path", ["Архив", "Яма"])
def test_an_item_that_was_moved_and_made_private_is_withdrawn(
    office: Office, kind: str, is_told_between: bool, path: str
) -> None:
    first, record = ITEMS[kind]
    target = office.server.add_folder("anna@office.test", path, office.folder("anna", first).kind)
    item = office.server.put(office.folder("anna", first), record)
    office.run("anna", kind)
    item = office.server.move(item, target)
    if is_told_between:
        office.run("anna", kind)
    office.server.change(item, replace(record, is_private=True))
    office.run("anna", kind)
    office.run("anna", kind)
    found = office.stats()
    assert (found["messages"], found["contacts"], found["meetings"], found["links"]) == (0, 0, 0, 0)
    assert (found["companies"], found["activities"]) == (0, {})


def test_an_item_that_is_made_private_and_normal_again_comes_back(office: Office) -> None:
    for kind, (path, record) in ITEMS.items():
        item = office.server.put(office.folder("anna", path), record)
        for is_private in (False, True, False):
            office.server.change(item, replace(record, is_private=is_private))
            office.run("anna", kind)
    found = office.stats()
    assert (found["messages"], found["contacts"], found["meetings"], found["companies"]) == (1, 1, 1, 1)


def test_the_log_of_a_withdrawn_contact_goes_with_it(office: Office, session: Session) -> None:
    item = office.server.put(office.folder("anna", "Contacts"), contact())
    office.run("anna", "contacts")
    changed = contact(notes="больна")
    office.server.change(item, changed)
    office.run("anna", "contacts")
    assert session.scalars(select(FieldChange)).all()
    office.server.change(item, replace(changed, is_private=True))
    office.run("anna", "contacts")
    assert session.scalars(select(FieldChange)).all() == []


def test_of_a_shared_contact_only_what_the_private_entry_said_goes(office: Office, session: Session) -> None:
    private = contact(
        job_title="Тайный советник",
        notes="больна",
        emails=(LabelledAddress("1", "olga@lavka.example"), LabelledAddress("2", "secret@mail.ru")),
        phones=(Phone("home", "+7 916 555-03-04"),),
    )
    item = office.server.put(office.folder("anna", "Contacts"), private)
    office.server.put(office.folder("boris", "Contacts"), contact(job_title="Закупки"))
    office.server.put(office.folder("boris", "Inbox"), mail("С тайного", sender="secret@mail.ru"))
    for name, kind in (("anna", "contacts"), ("boris", "contacts"), ("boris", "mail")):
        office.run(name, kind)
    office.server.change(item, replace(private, is_private=True))
    office.run("anna", "contacts")
    person = session.scalars(select(Contact)).one()
    assert (person.job_title, person.notes, person.company.name) == ("Закупки", "", "ООО «Лавка»")
    assert [entry.address for entry in person.addresses] == ["olga@lavka.example"]
    assert [entry.number for entry in person.phones] == ["+7 495 555-01-02"]
    assert session.scalars(select(FieldChange).where(FieldChange.old.contains("916"))).all() == []
    assert office.stats()["unmatched"] == 1


def test_whom_we_wrote_to_stays_known_by_address_when_the_entry_is_made_private(
    office: Office, session: Session
) -> None:
    office.server.put(office.folder("anna", "Sent Items"), mail("Заказ", "anna@office.test", "olga@lavka.example"))
    office.run("anna", "mail")
    private = contact("Тайная", notes="больна")
    item = office.server.put(office.folder("anna", "Contacts"), private)
    office.run("anna", "contacts")
    office.server.change(item, replace(private, is_private=True))
    office.run("anna", "contacts")
    person = session.scalars(select(Contact)).one()
    assert (person.display_name, person.notes, person.phones) == ("olga@lavka.example", "", [])
    assert session.scalars(select(Company.name)).all() == ["lavka.example"]
    assert session.scalars(select(ParticipantRow.contact_id).where(ParticipantRow.role == "to")).one() == person.id


def test_mail_of_a_withdrawn_contact_stays_with_the_company_of_its_domain(office: Office, session: Session) -> None:
    item = office.server.put(office.folder("anna", "Contacts"), contact())
    office.server.put(office.folder("boris", "Contacts"), contact("Иван", "ivan@lavka.example"))
    office.server.put(office.folder("anna", "Inbox"), mail())
    for name, kind in (("anna", "contacts"), ("boris", "contacts"), ("anna", "mail")):
        office.run(name, kind)
    office.server.change(item, replace(contact(), is_private=True))
    office.run("anna", "contacts")
    olga = session.scalars(select(ParticipantRow).where(ParticipantRow.role == "from")).one()
    assert (olga.contact_id, olga.match_method) == (None, "domain")
    assert olga.company_id == session.scalars(select(Company.id)).one()


def test_a_withdrawn_mail_leaves_no_thread(office: Office, session: Session) -> None:
    record = mail("Тайна", references=("<a@x>",))
    item = office.server.put(office.folder("anna", "Inbox"), record)
    office.run("anna", "mail")
    office.server.change(item, replace(record, is_private=True))
    office.run("anna", "mail")
    assert session.scalars(select(ThreadKey)).all() == session.scalars(select(Thread)).all() == []


def test_threads_that_are_joined_leave_no_empty_one(office: Office, session: Session) -> None:
    for record in (mail("1", message_id="<1@x>"), mail("2", message_id="<2@x>")):
        office.server.put(office.folder("anna", "Inbox"), record)
    office.run("anna", "mail")
    office.server.put(office.folder("anna", "Inbox"), mail("3", references=("<1@x>", "<2@x>")))
    office.run("anna", "mail")
    assert len(session.scalars(select(Thread)).all()) == 1


def test_after_the_organizers_copy_is_withdrawn_an_attendees_decides(office: Office, session: Session) -> None:
    mine = meeting("Дегустация", location="Тайное место")
    theirs = meeting("Дегустация", location="Склад", is_organizer=False)
    item = office.server.put(office.folder("anna", "Calendar"), mine)
    other = office.server.put(office.folder("boris", "Calendar"), theirs)
    office.run("anna", "calendar")
    office.run("boris", "calendar")
    office.server.change(item, replace(mine, is_private=True))
    office.run("anna", "calendar")
    office.server.change(other, theirs)
    office.run("boris", "calendar")
    assert session.scalars(select(Meeting.location)).all() == ["Склад"]
    assert len(session.scalars(select(ActivityMailbox)).all()) == 1


def test_a_meeting_that_becomes_history_does_so_for_all_who_hold_it(office: Office, session: Session) -> None:
    inside = meeting("План", guest="boris@office.test")
    item = office.server.put(office.folder("anna", "Calendar"), inside)
    office.server.put(office.folder("boris", "Calendar"), replace(inside, is_organizer=False))
    office.run("anna", "calendar")
    office.run("boris", "calendar")
    people = (*inside.participants, Participant(Role.REQUIRED, "olga@lavka.example"))
    office.server.change(item, replace(inside, participants=people))
    office.run("anna", "calendar")
    assert len(session.scalars(select(ActivityMailbox)).all()) == 2


def test_an_item_that_becomes_another_meeting_leaves_nothing_of_the_first(office: Office, session: Session) -> None:
    item = office.server.put(office.folder("anna", "Calendar"), meeting("Первая"))
    office.run("anna", "calendar")
    office.server.change(item, meeting("Вторая"))
    office.run("anna", "calendar")
    assert session.scalars(select(Meeting.subject)).all() == session.scalars(select(Activity.subject)).all()
    assert session.scalars(select(Meeting.subject)).all() == ["Вторая"]


def test_two_companies_known_by_domain_become_the_one_that_a_card_names(office: Office, session: Session) -> None:
    for number, address in enumerate(("olga@lavka.example", "olga@opt.example")):
        sent = mail(f"Заказ {number}", "anna@office.test", address)
        office.server.put(office.folder("anna", "Sent Items"), sent)
    office.run("anna", "mail")
    both = (LabelledAddress("1", "olga@lavka.example"), LabelledAddress("2", "olga@opt.example"))
    office.server.put(office.folder("boris", "Contacts"), contact(emails=both))
    office.run("boris", "contacts")
    company = session.scalars(select(Company)).one()
    assert [owned.domain for owned in company.domains] == ["lavka.example", "opt.example"]
    changed = session.scalars(select(FieldChange.entity_id).where(FieldChange.entity == "company")).all()
    assert set(changed) == {company.id}


def test_a_changed_card_of_a_renamed_company_makes_no_second_one(office: Office, session: Session) -> None:
    item = office.server.put(office.folder("anna", "Contacts"), contact())
    office.run("anna", "contacts")
    with office.sessions.begin() as edited:
        company_records.rename(edited, Origin("portal"), edited.scalars(select(Company)).one(), "Торговый дом")
    office.server.change(item, contact(job_title="Директор"))
    office.run("anna", "contacts")
    assert session.scalars(select(Company.name)).all() == ["Торговый дом"]
