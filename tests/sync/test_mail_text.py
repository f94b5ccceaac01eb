"""What the history keeps of a mail's text, and what signatures suggest (S11)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.records import MessageRecord, Participant, Phone, Role
from terracrm.errors import Forbidden, NotFound
from terracrm.models import Activity, Contact, ContactSuggestion, FieldChange, MessageBody, Sharing
from terracrm.models import Participant as ParticipantRow
from terracrm.services import access, contact_data, search, sender_decisions, suggestions, users
from terracrm.services.access import Viewer
from terracrm.services.field_history import as_text
from terracrm.services.sender_decisions import NewContact
from tests.sync.conftest import Office
from tests.sync.items import NOON, contact, mail

pytestmark = pytest.mark.usefixtures("recorded")

SIGNATURE = """С уважением,
Ольга Лаврова
Директор по закупкам
ООО «Лавка»
моб. +7 916 123-45-67
www.lavka.example
"""
QUOTE = "\n02.03.2026 10:15, Анна пишет:\n> Сколько ящиков везти?\n"
PHONE, TITLE, SITE = (
    ("phones", "+7 916 123-45-67"),
    ("job_title", "Директор по закупкам"),
    ("website", "www.lavka.example"),
)


def signed(subject: str = "Цены", text: str = "Везите десять.\n\n" + SIGNATURE, **changes: object) -> MessageRecord:
    people = (Participant(Role.FROM, "olga@lavka.example", "Ольга Лаврова"), Participant(Role.TO, "anna@office.test"))
    return mail(subject, **{"participants": people, "body_text": text, **changes})


def bring(office: Office, *records: MessageRecord, name: str = "anna") -> None:
    for record in records:
        office.server.put(office.folder(name, "Inbox"), record)
    office.run(name, "mail")


@pytest.fixture
def known(office: Office) -> Office:
    """Ольга is a contact of Anna's address book, with one phone and no position."""
    office.server.put(office.folder("anna", "Contacts"), contact())
    office.run("anna", "contacts")
    return office


def rows(office: Office, state: str = "open") -> list[tuple[str, str]]:
    with office.sessions() as session:
        found = (
            select(ContactSuggestion).where(ContactSuggestion.state == state).order_by(ContactSuggestion.field.desc())
        )
        return [(each.field, each.value) for each in session.scalars(found)]


def viewer(office: Office, role: str = "manager", team: str = "") -> Viewer:
    with office.sessions.begin() as session:
        user = users.add(session, f"{role}{team}", role, "password", team=team or None)
        return access.viewer_of(session, user)


def first(office: Office, field: str) -> int:
    with office.sessions() as session:
        return session.scalars(select(ContactSuggestion.id).where(ContactSuggestion.field == field)).one()


@pytest.mark.parametrize("unique", ["", "Везите десять.\r\n\r\n" + SIGNATURE])
def test_the_history_shows_what_was_said(office: Office, unique: str) -> None:
    bring(office, signed(text="Везите десять.\n\n" + SIGNATURE + QUOTE, unique_text=unique))
    with office.sessions() as session:
        assert session.scalars(select(Activity.snippet)).one() == "Везите десять."
        body = session.scalars(select(MessageBody)).one()
        assert body.unique_text == "Везите десять."
        assert body.text.endswith(QUOTE)


def test_a_mail_is_found_by_what_it_says_and_a_forward_by_what_it_passes_on(office: Office) -> None:
    reply = signed("RE: Молоко", "Везите десять." + QUOTE)
    forward = signed("FW: Молоко", "Смотрите.\n\n-----Исходное сообщение-----\nFrom: Анна\nSent: 1\n\nРекламация\n")
    bring(office, reply, forward)
    controller = viewer(office, "controller")
    for words, subjects in (("десять", ["RE: Молоко"]), ("ящиков", []), ("рекламация", ["FW: Молоко"])):
        with office.sessions() as session:
            found = search.find(session, controller, words).history
            assert [entry.subject for entry in found.entries] == subjects


def test_a_signature_suggests_what_the_contact_does_not_have(known: Office) -> None:
    bring(known, signed())
    assert rows(known) == [SITE, PHONE, TITLE]
    with known.sessions() as session:
        found = session.scalars(select(ContactSuggestion).where(ContactSuggestion.field == "phones")).one()
        assert (found.value_key, found.label) == ("+79161234567", "mobile")
        assert session.get_one(Activity, found.activity_id).subject == "Цены"
        assert session.scalars(select(Contact.job_title)).one() == ""


def test_the_first_reading_knows_whom_we_wrote_to_before_it_reads_what_they_wrote(office: Office) -> None:
    office.server.put(office.folder("anna", "Inbox"), signed())
    office.server.put(office.folder("anna", "Sent Items"), mail("Вопрос", "anna@office.test", "olga@lavka.example"))
    office.run("anna", "mail")
    assert PHONE in rows(office)


def test_what_the_contact_says_already_is_not_suggested(office: Office) -> None:
    card = contact(
        phones=(Phone("mobile", "8 (916) 123-45-67"),), job_title="Директор", website="http://lavka.example/"
    )
    office.server.put(office.folder("anna", "Contacts"), card)
    office.run("anna", "contacts")
    bring(office, signed())
    assert rows(office) == []


@pytest.mark.parametrize(
    "record",
    [
        signed(is_bulk=True),
        signed(text="Да.\n\n" + SIGNATURE.replace("Ольга Лаврова", "Пётр Сидоров")),
        signed(text="Да.\n\n> " + SIGNATURE.replace("\n", "\n> ")),
        signed(participants=(Participant(Role.FROM, "info@other.example"), Participant(Role.TO, "anna@office.test"))),
    ],
    ids=["bulk", "another person", "quoted", "no contact"],
)
def test_what_is_not_the_persons_own_signature_suggests_nothing(known: Office, record: MessageRecord) -> None:
    bring(known, record)
    assert rows(known) == []


def test_the_same_signature_is_suggested_once_from_several_mailboxes(known: Office) -> None:
    bring(known, signed(), signed("Ещё"))
    bring(known, signed("И ещё"), name="boris")
    assert len(rows(known)) == 3


def test_accepting_changes_the_contact_in_the_name_of_the_user(known: Office) -> None:
    bring(known, signed())
    anna = viewer(known)
    for field in ("phones", "job_title"):
        with known.sessions.begin() as session:
            suggestions.accept(session, known.settings, anna, first(known, field))
    with known.sessions() as session:
        olga = session.scalars(select(Contact)).one()
        assert olga.job_title == "Директор по закупкам"
        assert [(phone.e164, phone.label) for phone in olga.phones] == [
            ("+74955550102", "business"),
            ("+79161234567", "mobile"),
        ]
        changes = session.scalars(select(FieldChange).where(FieldChange.user_id == anna.user_id)).all()
        assert {(change.field, change.new) for change in changes} == {
            ("phones", as_text(contact_data.entries(olga, "phones"))),
            ("job_title", "Директор по закупкам"),
        }
        assert [hit.id for hit in search.find(session, anna, "директор закупкам").contacts] == [olga.id]
    assert rows(known) == [SITE]
    assert rows(known, "accepted") == [PHONE, TITLE]


def test_a_named_company_becomes_the_contacts_company(office: Office) -> None:
    office.server.put(office.folder("anna", "Contacts"), contact(company_name=""))
    office.run("anna", "contacts")
    bring(office, signed())
    with office.sessions.begin() as session:
        suggestions.accept(session, office.settings, viewer(office), first(office, "company_name"))
    with office.sessions() as session:
        olga = session.scalars(select(Contact)).one()
        assert olga.company is not None
        assert (olga.company_name, olga.company.name) == ("ООО «Лавка»", "ООО «Лавка»")


def test_what_was_accepted_or_dismissed_is_decided(known: Office) -> None:
    bring(known, signed())
    anna = viewer(known)
    with known.sessions.begin() as session:
        suggestions.dismiss(session, anna, first(known, "phones"))
        suggestions.accept(session, known.settings, anna, first(known, "job_title"))
    for field in ("phones", "job_title"):
        with known.sessions() as session, pytest.raises(NotFound):
            suggestions.accept(session, known.settings, anna, first(known, field))
    bring(known, signed("Снова", sent_at=NOON + timedelta(days=1)))
    assert rows(known) == [SITE]
    with known.sessions() as session:
        assert len(session.scalars(select(Contact)).one().phones) == 1


def test_the_newest_mail_says_the_position(known: Office) -> None:
    old = signed(
        "Старое", "Да.\n\n" + SIGNATURE.replace("Директор по закупкам", "Менеджер"), sent_at=NOON - timedelta(days=9)
    )
    bring(known, signed())
    bring(known, old)
    assert TITLE in rows(known)
    new = signed(
        "Новое", "Да.\n\n" + SIGNATURE.replace("Директор по закупкам", "Президент"), sent_at=NOON + timedelta(days=9)
    )
    bring(known, new)
    assert [value for field, value in rows(known) if field == "job_title"] == ["Президент"]


def test_a_mail_that_becomes_private_takes_its_suggestions_along(known: Office) -> None:
    item = known.server.put(known.folder("anna", "Inbox"), signed())
    known.run("anna", "mail")
    known.server.change(item, replace(signed(), is_private=True))
    known.run("anna", "mail")
    assert rows(known) == []


def test_the_past_mail_of_a_sender_is_read_once_somebody_says_who_it_is(office: Office) -> None:
    """And what it suggested goes when that is taken back."""
    bring(office, signed(), signed("Ещё"))
    assert rows(office) == []
    policy = DomainPolicy.of(["office.test"], [])
    with office.sessions.begin() as session:
        choice = NewContact("Ольга Лаврова")
        sender_decisions.decide(session, policy, access.operator(), "olga@lavka.example", choice)
    assert set(rows(office)) == {SITE, PHONE, TITLE, ("company_name", "ООО «Лавка»")}
    with office.sessions.begin() as session:
        sender_decisions.undo(session, policy, access.operator(), "olga@lavka.example")
    assert rows(office) == []


def test_mail_that_is_no_longer_the_contacts_own_suggests_nothing(known: Office) -> None:
    bring(known, signed())
    anna = viewer(known)
    with known.sessions.begin() as session:
        olga = session.scalars(select(Contact.id)).one()
        assert len(suggestions.of_contact(session, anna, olga)) == 3
        session.execute(update(ParticipantRow).values(contact_id=None))
        assert suggestions.of_contact(session, anna, olga) == []
        with pytest.raises(NotFound):
            suggestions.accept(session, known.settings, anna, first(known, "phones"))


def test_who_may_not_read_the_mail_or_change_clients_decides_nothing(known: Office) -> None:
    bring(known, signed())
    with known.sessions.begin() as session:
        olga = session.scalars(select(Contact.id)).one()
        session.execute(Activity.__table__.update().values(sharing=Sharing.PRIVATE))
    seen = {"manager": False, "controller": True, "admin": False}
    for role, sees in seen.items():
        who = viewer(known, role)
        with known.sessions() as session:
            assert bool(suggestions.of_contact(session, who, olga)) is sees
            with pytest.raises(NotFound if role == "manager" else Forbidden):
                suggestions.dismiss(session, who, first(known, "phones"))
    assert len(rows(known)) == 3


@pytest.mark.parametrize("their_mail_first", [False, True])
def test_a_contact_is_called_by_the_name_it_writes_under(office: Office, their_mail_first: bool) -> None:
    ours = mail("Вопрос", "anna@office.test", "petr@ural.example")
    theirs = mail(
        "Ответ", participants=(Participant(Role.FROM, "petr@ural.example", "Пётр Иванов"), *ours.participants[:1])
    )
    both = [("Inbox", theirs), ("Sent Items", ours)]
    for path, record in both if their_mail_first else reversed(both):
        office.server.put(office.folder("anna", path), record)
        office.run("anna", "mail")
    with office.sessions() as session:
        assert session.scalars(select(Contact.display_name)).one() == "Пётр Иванов"


def test_a_body_nested_too_deeply_still_says_its_words(office: Office) -> None:
    bring(office, mail("Цены", body_text="", body_html="<div>" * 3000 + "Сыр &amp; масло" + "</div>" * 3000))
    with office.sessions() as session:
        assert session.scalars(select(Activity.snippet)).one() == "Сыр & масло"
