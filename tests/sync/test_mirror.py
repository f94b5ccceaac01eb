"""What the mirror keeps of contacts, mail and meetings (S1-S5, S9, M1)."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from sync.schedule import chosen_streams
from terracrm.domain.records import LabelledAddress, Participant, Phone, PostalAddress, Role
from terracrm.models import (
    Activity,
    ActivityMailbox,
    Company,
    CompanyTimeline,
    Contact,
    ContactTimeline,
    FieldChange,
    Meeting,
    Message,
    MessageCopy,
    SkippedItem,
)
from terracrm.models import Participant as ParticipantRow
from tests.sync.conftest import Office
from tests.sync.items import NOON, contact, mail, meeting

pytestmark = pytest.mark.usefixtures("recorded")


def timeline_of(session: Session, name: str) -> set[str]:
    """The subjects on a contact's timeline."""
    rows = session.scalars(
        select(Activity.subject)
        .join(ContactTimeline, ContactTimeline.activity_id == Activity.id)
        .join(Contact, Contact.id == ContactTimeline.contact_id)
        .where(Contact.display_name == name)
    )
    return set(rows)


def company_timeline(session: Session, name: str) -> set[str]:
    """The subjects on a company's timeline."""
    rows = session.scalars(
        select(Activity.subject)
        .join(CompanyTimeline, CompanyTimeline.activity_id == Activity.id)
        .join(Company, Company.id == CompanyTimeline.company_id)
        .where(Company.name == name)
    )
    return set(rows)


def test_one_mail_in_two_mailboxes_is_one_message_with_two_copies(office: Office) -> None:
    both = mail("Акция", to="anna@office.test,boris@office.test")
    office.server.put(office.folder("anna", "Inbox"), both)
    office.server.put(office.folder("boris", "Inbox"), replace(both, message_id=" <Акция@test> "))
    assert office.run("anna", "mail").counts.created == 1
    assert office.run("boris", "mail").counts.created == 1
    found = office.stats()
    assert (found["messages"], found["copies"], found["activities"]) == (1, 2, {"mail": 1})


def test_a_mail_twice_in_one_mailbox_is_one_message(office: Office) -> None:
    for path in ("Inbox", "Inbox", "Sent Items"):
        office.server.put(office.folder("anna", path), mail("Дважды"))
    office.run("anna", "mail")
    assert (office.stats()["messages"], office.stats()["copies"]) == (1, 3)


def test_mail_without_a_message_id_is_told_apart_by_its_content(office: Office) -> None:
    one = mail("Без номера", message_id="")
    office.server.put(office.folder("anna", "Inbox"), one)
    office.server.put(office.folder("boris", "Inbox"), one)
    office.server.put(office.folder("boris", "Inbox"), replace(one, body_text="Другое"))
    office.run("anna", "mail")
    office.run("boris", "mail")
    assert (office.stats()["messages"], office.stats()["copies"]) == (2, 3)


def test_a_second_run_changes_nothing(office: Office) -> None:
    office.server.put(office.folder("anna", "Inbox"), mail())
    office.server.put(office.folder("anna", "Contacts"), contact())
    office.server.put(office.folder("anna", "Calendar"), meeting())
    for kind in ("contacts", "calendar", "mail"):
        office.run("anna", kind)
    before = office.stats()
    for kind in ("contacts", "calendar", "mail"):
        counts = office.run("anna", kind).counts
        assert (counts.created, counts.updated, counts.deleted, counts.skipped) == (0, 0, 0, 0)
    assert office.stats() == before


def test_mail_among_only_our_own_people_is_not_mirrored_and_says_why(office: Office, session: Session) -> None:
    office.server.put(office.folder("anna", "Inbox"), mail("Свои", sender="boris@office.test"))
    office.server.put(
        office.folder("anna", "Inbox"), mail("Гость", sender="boris@sub.office.test", to="x@else.example")
    )
    counts = office.run("anna", "mail").counts
    assert (counts.created, counts.skipped) == (1, 1)
    assert session.scalars(select(SkippedItem.rule)).all() == ["internal_only"]


def test_no_domain_is_internal_unless_the_settings_say_so(office: Office) -> None:
    office.settings.mirror.internal_domains = []
    office.server.put(office.folder("anna", "Inbox"), mail("Свои", sender="boris@office.test"))
    assert office.run("anna", "mail").counts.created == 1


def test_drafts_and_deleted_items_are_not_mirrored(office: Office) -> None:
    for path in ("Drafts", "Deleted Items", "Inbox"):
        office.server.put(office.folder("anna", path), mail(path))
    assert office.run("anna", "mail").counts.created == 1


def test_a_deleted_contacts_folder_is_not_mirrored_any_more(office: Office) -> None:
    kind = office.folder("anna", "Contacts").kind
    deleted = office.server.add_folder("anna@office.test", "Deleted Items/Старые", kind, "deleteditems")
    office.server.put(deleted, contact())
    assert office.run("anna", "contacts").counts.created == 0


@pytest.mark.parametrize("kind", ["mail", "contacts", "calendar"])
def test_a_private_item_is_never_stored(office: Office, session: Session, kind: str) -> None:
    path, record = {
        "mail": ("Inbox", mail()),
        "contacts": ("Contacts", contact()),
        "calendar": ("Calendar", meeting()),
    }[kind]
    office.server.put(office.folder("anna", path), replace(record, is_private=True))
    counts = office.run("anna", kind).counts
    assert (counts.created, counts.skipped) == (0, 1)
    found = office.stats()
    assert (found["messages"], found["contacts"], found["meetings"], found["companies"]) == (0, 0, 0, 0)
    assert session.scalars(select(SkippedItem.rule)).all() == ["private"]


@pytest.mark.parametrize("kind", ["mail", "contacts", "calendar"])
def test_marking_an_item_private_later_withdraws_it(office: Office, session: Session, kind: str) -> None:
    path, record = {
        "mail": ("Inbox", mail("Тайна")),
        "contacts": ("Contacts", contact("Тайна Лаврова", notes="тайна")),
        "calendar": ("Calendar", meeting("Тайна")),
    }[kind]
    item = office.server.put(office.folder("anna", path), record)
    office.run("anna", kind)
    office.server.change(item, replace(record, is_private=True))
    assert office.run("anna", kind).counts.deleted == 1
    found = office.stats()
    assert (found["messages"], found["contacts"], found["meetings"], found["activities"]) == (0, 0, 0, {})
    for table in (ContactTimeline, CompanyTimeline, ParticipantRow, ActivityMailbox, FieldChange):
        assert session.scalars(select(table)).all() == []
    for index in ("activity_search", "contact_search"):
        assert session.connection().exec_driver_sql(f"SELECT count(*) FROM {index}").scalar() == 0


def test_a_copy_that_another_mailbox_has_stays_when_one_is_made_private(office: Office, session: Session) -> None:
    record = mail("Общее", to="anna@office.test,boris@office.test")
    item = office.server.put(office.folder("anna", "Inbox"), record)
    office.server.put(office.folder("boris", "Inbox"), record)
    office.run("anna", "mail")
    office.run("boris", "mail")
    office.server.change(item, replace(record, is_private=True))
    office.run("anna", "mail")
    assert (office.stats()["messages"], office.stats()["copies"]) == (1, 1)
    assert len(session.scalars(select(ActivityMailbox)).all()) == 1


def test_deleting_mail_in_outlook_keeps_the_history(office: Office) -> None:
    item = office.server.put(office.folder("anna", "Inbox"), mail())
    office.run("anna", "mail")
    office.server.delete(item)
    assert office.run("anna", "mail").counts.deleted == 1
    found = office.stats()
    assert (found["messages"], found["copies"], found["links"]) == (1, 0, 0)


def test_moving_mail_is_a_move(office: Office) -> None:
    item = office.server.put(office.folder("anna", "Inbox"), mail())
    office.run("anna", "mail")
    office.server.move(item, office.folder("anna", "Sent Items"))
    office.run("anna", "mail")
    assert (office.stats()["messages"], office.stats()["copies"]) == (1, 1)


def test_deleting_a_contact_in_outlook_never_deletes_the_customer(office: Office) -> None:
    item = office.server.put(office.folder("anna", "Contacts"), contact())
    office.run("anna", "contacts")
    office.server.delete(item)
    assert office.run("anna", "contacts").counts.deleted == 1
    found = office.stats()
    assert (found["contacts"], found["companies"], found["links"]) == (1, 1, 0)


def test_moving_a_contact_without_an_address_does_not_double_it(office: Office) -> None:
    folder = office.server.add_folder("anna@office.test", "Contacts/Магазины", office.folder("anna", "Contacts").kind)
    item = office.server.put(office.folder("anna", "Contacts"), contact(email=""))
    office.run("anna", "contacts")
    office.server.move(item, folder)
    office.run("anna", "contacts")
    assert (office.stats()["contacts"], office.stats()["links"]) == (1, 1)


def test_the_read_flag_follows_outlook(office: Office, session: Session) -> None:
    item = office.server.put(office.folder("anna", "Inbox"), mail(is_read=False))
    office.run("anna", "mail")
    office.server.set_read(item, True)
    assert office.run("anna", "mail").counts.updated == 1
    assert session.scalars(select(MessageCopy.is_read)).all() == [True]


def test_contacts_become_people_with_all_their_data_and_their_company(office: Office, session: Session) -> None:
    record = contact(
        emails=(LabelledAddress("1", "Olga@Lavka.example"), LabelledAddress("2", "olga.l@mail.ru")),
        phones=(Phone("business", "8 (495) 555-01-02"), Phone("mobile", "+7 916 555 03 04")),
        job_title="Закупки",
    )
    office.server.put(office.folder("anna", "Contacts"), record)
    office.run("anna", "contacts")
    person = session.scalars(select(Contact)).one()
    assert [a.address for a in person.addresses] == ["olga@lavka.example", "olga.l@mail.ru"]
    assert [(p.label, p.e164) for p in person.phones] == [("business", "+74955550102"), ("mobile", "+79165550304")]
    assert (person.job_title, person.company.name) == ("Закупки", "ООО «Лавка»")
    assert [d.domain for d in person.company.domains] == ["lavka.example"]
    assert (person.created_by_rule, person.created_by_mailbox_id is not None) == ("contacts_folder", True)


def test_a_card_tells_of_its_company_what_nobody_has_told_before(office: Office, session: Session) -> None:
    place = (PostalAddress("home", city="Химки"), PostalAddress("business", city="Москва"))
    phones = (Phone("company_main", "+7 495 555-00-00"),)
    folder = office.folder("anna", "Contacts")
    office.server.put(folder, contact(postal_addresses=place, phones=phones, website="https://lavka.example"))
    other = (PostalAddress("business", city="Тула"),)
    office.server.put(folder, contact("Иван", "ivan@lavka.example", postal_addresses=other))
    office.run("anna", "contacts")
    company = session.scalars(select(Company)).one()
    assert (company.city, company.phone) == ("Москва", "+7 495 555-00-00")
    assert company.website == "https://lavka.example"


def test_the_same_person_in_two_mailboxes_is_one_contact(office: Office, session: Session) -> None:
    office.server.put(office.folder("anna", "Contacts"), contact())
    office.server.put(office.folder("boris", "Contacts"), contact(job_title="Директор", notes="Любит сыр"))
    office.run("anna", "contacts")
    office.run("boris", "contacts")
    person = session.scalars(select(Contact)).one()
    assert (person.job_title, person.notes) == ("Директор", "Любит сыр")
    assert office.stats()["companies"] == 1


def test_a_change_in_outlook_changes_the_fields_it_changed_and_is_logged(office: Office, session: Session) -> None:
    item = office.server.put(office.folder("anna", "Contacts"), contact(job_title="Закупки"))
    office.server.put(office.folder("boris", "Contacts"), contact(job_title="", department="Склад"))
    office.run("anna", "contacts")
    office.run("boris", "contacts")
    session.query(FieldChange).delete()
    session.commit()
    changed = contact(job_title="Директор", phones=(Phone("mobile", "+7 916 555-03-04"),))
    office.server.change(item, changed)
    assert office.run("anna", "contacts").counts.updated == 1
    person = session.scalars(select(Contact)).one()
    assert (person.job_title, person.department) == ("Директор", "Склад")
    assert [p.number for p in person.phones] == ["+7 916 555-03-04"]
    changes = {(c.field, c.old, c.new) for c in session.scalars(select(FieldChange))}
    assert ("job_title", "Закупки", "Директор") in changes
    assert (
        "phones",
        '[{"label": "business", "number": "+7 495 555-01-02"}]',
        '[{"label": "mobile", "number": "+7 916 555-03-04"}]',
    ) in changes
    assert all(c.mailbox_id and c.run_id for c in session.scalars(select(FieldChange)))


def test_mail_is_matched_by_any_address_then_by_company_domain(office: Office, session: Session) -> None:
    both = (LabelledAddress("1", "olga@lavka.example"), LabelledAddress("2", "olga@mail.ru"))
    office.server.put(office.folder("anna", "Contacts"), contact(emails=both))
    office.run("anna", "contacts")
    inbox = office.folder("anna", "Inbox")
    office.server.put(inbox, mail("С личной", sender="OLGA@mail.ru"))
    office.server.put(inbox, mail("От коллеги", sender="ivan@lavka.example"))
    office.server.put(inbox, mail("Чужой на mail.ru", sender="other@mail.ru"))
    office.server.put(inbox, mail("Без адреса", sender=""))
    assert office.run("anna", "mail").counts.unmatched == 2
    assert timeline_of(session, "Ольга Лаврова") == {"С личной"}
    assert company_timeline(session, "ООО «Лавка»") == {"С личной", "От коллеги"}
    assert office.stats()["unmatched"] == 2
    methods = {(p.address, p.match_method) for p in session.scalars(select(ParticipantRow))}
    assert ("olga@mail.ru", "address") in methods
    assert ("ivan@lavka.example", "domain") in methods
    assert ("anna@office.test", "internal") in methods


@pytest.mark.parametrize("order", list(permutations(["anna contacts", "anna mail", "boris mail", "boris contacts"])))
def test_the_order_of_arrival_does_not_matter(office: Office, session: Session, order: tuple[str, ...]) -> None:
    office.server.put(office.folder("anna", "Contacts"), contact())
    office.server.put(office.folder("boris", "Contacts"), contact("Иван", "ivan@lavka.example", company_name="Лавка"))
    for name in ("anna", "boris"):
        office.server.put(office.folder(name, "Inbox"), mail("Обоим", to="anna@office.test,boris@office.test"))
    office.server.put(office.folder("boris", "Sent Items"), mail("Ответ", "boris@office.test", "petr@lavka.example"))
    for step in order:
        office.run(*step.split())
    found = office.stats()
    assert (found["contacts"], found["companies"], found["messages"], found["unmatched"]) == (3, 1, 2, 0)
    assert timeline_of(session, "Ольга Лаврова") == {"Обоим"}
    assert timeline_of(session, "petr@lavka.example") == {"Ответ"}
    company = session.scalars(select(Company)).one()
    assert company.name_key == "лавка"
    assert company_timeline(session, company.name) == {"Обоим", "Ответ"}


def test_a_longer_name_at_the_same_domain_is_the_same_company(office: Office) -> None:
    folder = office.folder("anna", "Contacts")
    office.server.put(folder, contact(company_name="Масленица"))
    office.server.put(folder, contact("Иван", "ivan@lavka.example", company_name="ООО «Блинная Масленица»"))
    office.server.put(folder, contact("Пётр", "petr@lavka.example", company_name="Другая лавка"))
    office.server.put(folder, contact("Яна", "yana@mail.ru", company_name="Масленица Юг"))
    office.run("anna", "contacts")
    assert office.stats()["companies"] == 3


def test_people_we_write_to_become_contacts_but_not_from_bulk_or_to_no_reply(office: Office, session: Session) -> None:
    sent = office.folder("anna", "Sent Items")
    office.server.put(sent, mail("Заказ", "anna@office.test", "petr@opt.example,noreply@opt.example,boris@office.test"))
    office.server.put(sent, mail("Рассылка", "anna@office.test", "many@bulk.example", is_bulk=True))
    office.server.put(office.folder("anna", "Inbox"), mail("Незнакомец", sender="who@new.example"))
    office.run("anna", "mail")
    person = session.scalars(select(Contact)).one()
    assert (person.addresses[0].address, person.company.name) == ("petr@opt.example", "opt.example")
    assert person.created_by_rule == "sent_mail"


def test_contacts_from_mail_can_be_turned_off(office: Office) -> None:
    office.settings.mirror.create_contacts = "off"
    office.server.put(office.folder("anna", "Sent Items"), mail("Заказ", "anna@office.test", "petr@opt.example"))
    assert office.run("anna", "mail").counts.unmatched == 1
    assert office.stats()["contacts"] == 0


def test_a_blind_copy_known_only_to_the_sender_joins_the_history(office: Office, session: Session) -> None:
    office.server.put(office.folder("boris", "Contacts"), contact("Скрытая", "hidden@tihie.example", company_name=""))
    office.run("boris", "contacts")
    seen = mail("Копия", "anna@office.test", "boris@office.test,olga@lavka.example")
    office.server.put(office.folder("boris", "Inbox"), seen)
    office.run("boris", "mail")
    blind = (*seen.participants, Participant(Role.BCC, "hidden@tihie.example"))
    office.server.put(office.folder("anna", "Sent Items"), replace(seen, participants=blind))
    office.run("anna", "mail")
    assert timeline_of(session, "Скрытая") == {"Копия"}


def test_replies_are_one_thread_whatever_the_order(office: Office, session: Session) -> None:
    first = mail("Первое", message_id="<1@x>")
    second = mail("Второе", message_id="<2@x>", in_reply_to="<1@x>", references=("<1@x>",))
    third = mail("Третье", message_id="<3@x>", references=("<1@x>", "<2@x>"))
    other = mail("Другое", message_id="<9@x>")
    for record in (third, other, first, second):
        office.server.put(office.folder("anna", "Inbox"), record)
        office.run("anna", "mail")
    threads = dict(session.execute(select(Message.message_id, Message.thread_id)).all())
    assert threads["<1@x>"] == threads["<2@x>"] == threads["<3@x>"] != threads["<9@x>"]


def test_one_conversation_of_the_server_is_one_thread_for_each_client(office: Office, session: Session) -> None:
    inbox, sent = office.folder("anna", "Inbox"), office.folder("anna", "Sent Items")
    office.server.put(inbox, mail("1", "olga@lavka.example", conversation_id="c"))
    office.server.put(sent, mail("2", "anna@office.test", "olga@lavka.example", conversation_id="c"))
    office.server.put(inbox, mail("3", "petr@other.example", conversation_id="c"))
    office.run("anna", "mail")
    threads = dict(session.execute(select(Message.message_id, Message.thread_id)).all())
    assert threads["<1@test>"] == threads["<2@test>"] != threads["<3@test>"]


def test_a_meeting_of_two_calendars_is_one_and_the_organizers_copy_decides(office: Office, session: Session) -> None:
    theirs = meeting("Дегустация", is_organizer=False, location="не там")
    office.server.put(office.folder("boris", "Calendar"), theirs)
    office.run("boris", "calendar")
    mine = office.server.put(office.folder("anna", "Calendar"), meeting("Дегустация", location="Склад"))
    office.run("anna", "calendar")
    one = session.scalars(select(Meeting)).one()
    assert (one.location, one.from_organizer) == ("Склад", True)
    assert office.stats()["activities"] == {"meeting": 1}
    office.server.change(mine, meeting("Дегустация", location="Офис", start=NOON.replace(hour=15)))
    office.run("anna", "calendar")
    session.expire_all()
    one = session.scalars(select(Meeting)).one()
    assert one.location == "Офис"
    assert session.scalars(select(Activity.occurred_at)).all() == [NOON.replace(hour=15)]


def test_an_internal_meeting_is_no_client_history(office: Office) -> None:
    office.server.put(office.folder("anna", "Calendar"), meeting("Планёрка", guest="boris@office.test"))
    office.run("anna", "calendar")
    found = office.stats()
    assert (found["meetings"], found["activities"]) == (1, {})


def test_what_was_mirrored_is_found_by_any_form_of_its_words(office: Office, session: Session) -> None:
    office.server.put(office.folder("anna", "Inbox"), mail("Договоры на берёзовый сок"))
    office.run("anna", "mail")
    words = session.connection().exec_driver_sql("SELECT CAST(words AS TEXT) FROM activity_search").scalar_one()
    assert "договор" in words
    assert "березов" in words


def test_every_link_and_activity_says_where_it_came_from(office: Office, session: Session) -> None:
    office.server.put(office.folder("anna", "Inbox"), mail())
    office.run("anna", "mail")
    entry = session.scalars(select(Activity)).one()
    assert entry.mailbox_id
    assert entry.run_id
    assert entry.rule == "mail"


def test_streams_are_run_people_first(office: Office, session: Session) -> None:
    assert len(chosen_streams(session, None, None)) == 6
    assert len(chosen_streams(session, "anna@office.test", "mail")) == 1
