"""Who is found behind an address, case by case, with people known before the mail comes and after it (M1, M2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from terracrm.config import Settings
from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.records import ContactRecord, LabelledAddress, Participant, Role
from terracrm.models import Activity, Company, CompanyTimeline, Contact, ContactTimeline, utcnow
from terracrm.models import Participant as ParticipantRow
from terracrm.services import access, sender_decisions, tray
from terracrm.services.sender_decisions import Ignore, NewContact, ToCompany, ToContact
from tests.sync.conftest import DOMAIN, Office
from tests.sync.items import mail

ANNA = f"anna@{DOMAIN}"
Step = Callable[["Crm"], None]


@dataclass
class Crm:
    """An office whose mail and contacts come one by one, and what is decided in it."""

    office: Office
    session: Session
    cards: dict[str, tuple[str, ContactRecord]] = field(default_factory=dict)

    @property
    def policy(self) -> DomainPolicy:
        return DomainPolicy.of([DOMAIN], self.office.settings.mirror.free_mail_domains)

    def card(self, name: str, *emails: str, company: str = "") -> None:
        """An entry of Anna's contacts."""
        labelled = tuple(LabelledAddress(str(n), address) for n, address in enumerate(emails, 1))
        record = ContactRecord(display_name=name, company_name=company, emails=labelled)
        self.cards[name] = self.office.server.put(self.office.folder("anna", "Contacts"), record), record
        self.office.run("anna", "contacts")

    def edit(self, name: str, *emails: str, **changes: object) -> None:
        """The entry of this name gets other addresses, or becomes something else."""
        remote_id, record = self.cards[name]
        labelled = tuple(LabelledAddress(str(n), address) for n, address in enumerate(emails, 1)) or record.emails
        self.office.server.change(remote_id, replace(record, emails=labelled, **changes))
        self.office.run("anna", "contacts")

    def mail(self, sender: str, name: str = "", subject: str = "Письмо") -> None:
        """A mail to Anna."""
        letter = mail(subject, sender=sender, to=ANNA)
        people = (Participant(Role.FROM, sender, name), *letter.participants[1:])
        self.office.server.put(self.office.folder("anna", "Inbox"), replace(letter, participants=people))
        self.office.run("anna", "mail")

    def decide(self, address: str, choice: sender_decisions.Choice) -> None:
        with self.office.sessions.begin() as session:
            sender_decisions.decide(session, self.policy, access.operator(), address, choice)

    def undo(self, address: str) -> None:
        with self.office.sessions.begin() as session:
            sender_decisions.undo(session, self.policy, access.operator(), address)

    def change(self, name: str, **values: object) -> None:
        with self.office.sessions.begin() as session:
            for field_name, value in values.items():
                setattr(session.scalars(select(Contact).where(Contact.display_name == name)).one(), field_name, value)

    def contact_id(self, name: str) -> int:
        return self.session.scalars(select(Contact.id).where(Contact.display_name == name)).one()

    def company_id(self, name: str) -> int:
        return self.session.scalars(select(Company.id).where(Company.name == name)).one()

    def found(self, address: str) -> tuple[str, str, str]:
        """The contact, company and method of a participant."""
        row = self.session.execute(
            select(Contact.display_name, Company.name, ParticipantRow.match_method)
            .select_from(ParticipantRow)
            .outerjoin(Contact, Contact.id == ParticipantRow.contact_id)
            .outerjoin(Company, Company.id == ParticipantRow.company_id)
            .where(ParticipantRow.address == address, ParticipantRow.role == "from")
        ).one()
        self.session.rollback()
        return row[0] or "", row[1] or "", row[2]

    def in_tray(self) -> list[str]:
        found = tray.listing(self.session, access.operator(), None).rows
        self.session.rollback()
        return [entry.sender.address for entry in found]

    def holds_timelines(self) -> None:
        """The timelines and the flag say what the participants say."""
        for timeline, person in ((ContactTimeline, "contact_id"), (CompanyTimeline, "company_id")):
            who = getattr(ParticipantRow, person)
            said = set(self.session.execute(select(who, ParticipantRow.activity_id).where(who.is_not(None))).all())
            shown = set(self.session.execute(select(getattr(timeline, person), timeline.activity_id)).all())
            assert shown == said
        known = select(ParticipantRow.activity_id).where(
            ParticipantRow.contact_id.is_not(None) | ParticipantRow.company_id.is_not(None)
        )
        assert set(self.session.scalars(select(Activity.id).where(Activity.is_matched))) == set(
            self.session.scalars(known)
        )
        self.session.rollback()


@pytest.fixture
def crm(sessions: sessionmaker[Session], session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Crm:
    """An office with Anna's mailbox."""
    monkeypatch.setenv("TERRACRM_PATHS__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TERRACRM_MIRROR__INTERNAL_DOMAINS", DOMAIN)
    password_file = tmp_path / "password"
    password_file.write_text("secret\n")
    office = Office(Settings(), sessions, password_file=password_file)
    office.add("anna")
    return Crm(office, session)


@dataclass(frozen=True)
class Case:
    """People who become known by `known`, a mail of `sender`, and who it is found to be."""

    sender: str
    contact: str
    company: str
    method: str
    known: tuple[Step, ...] = field(default=())
    stored_as: str = ""


def card(name: str, *emails: str, company: str = "") -> Step:
    return lambda crm: crm.card(name, *emails, company=company)


def edit(name: str, *emails: str) -> Step:
    return lambda crm: crm.edit(name, *emails)


def change(name: str, **values: object) -> Step:
    return lambda crm: crm.change(name, **values)


OLGA = card("Ольга Лаврова", "olga@lavka.example", "lavrova@mail.ru", company="Лавка")
IVAN = card("Иван Петров", "ivan@opt.example", company="Оптовик")
PETR = card("Пётр Сидоров", "petr@lavka.example", company="Лавка")

CASES = {
    "the main address of a person": Case("olga@lavka.example", "Ольга Лаврова", "Лавка", "address", (OLGA,)),
    "another address of a person": Case("lavrova@mail.ru", "Ольга Лаврова", "Лавка", "address", (OLGA,)),
    "capitals do not count": Case(
        "OLGA@Lavka.Example", "Ольга Лаврова", "Лавка", "address", (OLGA,), "olga@lavka.example"
    ),
    "a colleague is known by the company's domain": Case("new@lavka.example", "", "Лавка", "domain", (OLGA,)),
    "a subdomain is the company's, too": Case("kassa@spb.lavka.example", "", "Лавка", "domain", (OLGA,)),
    "a domain that ends alike is another's": Case("olga@notlavka.example", "", "", "", (OLGA,)),
    "a free-mail domain is nobody's company": Case("stranger@mail.ru", "", "", "", (OLGA,)),
    "a person without a company": Case(
        "yana@mail.ru", "Яна", "", "address", (card("Яна", "yana@mail.ru"),)
    ),
    "an empty address matches nobody": Case("", "", "", "", (card("Без адреса", "", company="Лавка"), OLGA)),
    "what is no address matches nobody": Case("/o=exchange/cn=olga", "", "", "", (OLGA,)),
    "an IDN domain in either form": Case(
        "ivan@почта-лавки.example", "Иван", "", "address", (card("Иван", "ivan@xn----7sbbi4alevi5a8c.example"),),
        "ivan@xn----7sbbi4alevi5a8c.example",
    ),
    "a plus tag may be another person": Case("lavrova+shop@mail.ru", "", "", "", (OLGA,)),
    "dots of Gmail may be another person": Case(
        "o.lavrova@gmail.com", "", "", "", (card("Ольга", "olavrova@gmail.com"),)
    ),
    "aliases of Yandex are no match": Case("yana@yandex.ru", "", "", "", (card("Яна", "yana@ya.ru"),)),
    "an address of two people of one company is the company's": Case(
        "sales@lavka.example", "", "Лавка", "ambiguous",
        (OLGA, PETR, edit("Ольга Лаврова", "olga@lavka.example", "sales@lavka.example"),
         edit("Пётр Сидоров", "petr@lavka.example", "sales@lavka.example")),
    ),
    "an address of two people of two companies is nobody's": Case(
        "both@mail.ru", "", "", "ambiguous",
        (OLGA, IVAN, edit("Ольга Лаврова", "olga@lavka.example", "both@mail.ru"),
         edit("Иван Петров", "ivan@opt.example", "both@mail.ru")),
    ),
    "an address that one of two people gives up is the other's": Case(
        "both@mail.ru", "Иван Петров", "Оптовик", "address",
        (OLGA, IVAN, edit("Ольга Лаврова", "olga@lavka.example", "both@mail.ru"),
         edit("Иван Петров", "ivan@opt.example", "both@mail.ru"), edit("Ольга Лаврова", "olga@lavka.example")),
    ),
    "a domain that a company takes later": Case(
        "old@lavka.example", "", "Лавка", "domain", (IVAN, OLGA)
    ),
    "our own people are internal": Case(
        f"boris@{DOMAIN}", "", "", "internal", (card("Борис", f"boris@{DOMAIN}", company="Лавка"),)
    ),
}  # fmt: skip


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("mail_first", [False, True], ids=["people first", "mail first"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_who_is_behind_an_address(crm: Crm, case: Case, mail_first: bool) -> None:
    steps: list[Step] = [*case.known, lambda crm: crm.mail(case.sender, subject="Письмо")]
    if case.method == "internal":
        steps[-1] = lambda crm: _mail_with_client(crm, case.sender)
    for step in [steps[-1], *steps[:-1]] if mail_first else steps:
        step(crm)
    assert crm.found(case.stored_as or case.sender) == (case.contact, case.company, case.method)
    crm.holds_timelines()


def _mail_with_client(crm: Crm, sender: str) -> None:
    letter = mail("Письмо", sender=sender, to=f"{ANNA},client@else.example")
    crm.office.server.put(crm.office.folder("anna", "Inbox"), letter)
    crm.office.run("anna", "mail")


DECISIONS: dict[str, tuple[tuple[Step, ...], Callable[[Crm], sender_decisions.Choice], str, tuple[str, str, str]]] = {
    "this contact": ((OLGA,), lambda crm: ToContact(crm.contact_id("Ольга Лаврова")), "olga.l@gmail.com",
                     ("Ольга Лаврова", "Лавка", "decision")),
    "a decision beats the company's domain": (
        (OLGA, IVAN), lambda crm: ToContact(crm.contact_id("Иван Петров")), "ivan@lavka.example",
        ("Иван Петров", "Оптовик", "decision")),
    "one of several people": (
        (OLGA, PETR, edit("Ольга Лаврова", "olga@lavka.example", "sales@lavka.example"),
         edit("Пётр Сидоров", "petr@lavka.example", "sales@lavka.example")),
        lambda crm: ToContact(crm.contact_id("Пётр Сидоров")), "sales@lavka.example",
        ("Пётр Сидоров", "Лавка", "decision")),
    "a new contact": ((), lambda _: NewContact("Новый Человек"), "new@gmail.com", ("Новый Человек", "", "decision")),
    "a new contact of a new company": ((), lambda _: NewContact("Новый"), "new@new.example",
                                       ("Новый", "new.example", "decision")),
    "a new contact of a known company": (
        (OLGA,), lambda crm: NewContact("Новый", crm.company_id("Лавка")), "new@gmail.com",
        ("Новый", "Лавка", "decision")),
    "a company": ((OLGA,), lambda crm: ToCompany(crm.company_id("Лавка")), "lavka@gmail.com",
                  ("", "Лавка", "decision")),
    "a company with its domain": ((OLGA,), lambda crm: ToCompany(crm.company_id("Лавка"), takes_domain=True),
                                  "info@lavka-opt.example", ("", "Лавка", "decision")),
    "nobody": ((OLGA,), lambda _: Ignore(), "spam@gmail.com", ("", "", "")),
}  # fmt: skip


@pytest.mark.parametrize("name", DECISIONS)
def test_a_decision_holds_for_past_and_coming_mail_and_can_be_taken_back(crm: Crm, name: str) -> None:
    known, choose, sender, expected = DECISIONS[name]
    for step in known:
        step(crm)
    crm.mail(sender, subject="Прежде")
    before, people, tray_before = crm.found(sender), everything(crm), crm.in_tray()
    crm.decide(sender, choose(crm))
    assert crm.found(sender) == expected
    assert sender not in crm.in_tray()
    crm.holds_timelines()
    crm.mail(sender, subject="После")
    methods = {(p.contact_id, p.company_id, p.match_method) for p in rows_of(crm, sender)}
    assert (len(rows_of(crm, sender)), len(methods)) == (2, 1)
    crm.undo(sender)
    assert {(p.contact_id, p.company_id, p.match_method) for p in rows_of(crm, sender)} == {before_ids(crm, before)}
    assert crm.in_tray() == tray_before
    assert everything(crm) == people
    crm.holds_timelines()


def rows_of(crm: Crm, address: str) -> list[ParticipantRow]:
    crm.session.rollback()
    return list(crm.session.scalars(select(ParticipantRow).where(ParticipantRow.address == address)))


def before_ids(crm: Crm, found: tuple[str, str, str]) -> tuple[int | None, int | None, str]:
    contact, company, method = found
    return crm.contact_id(contact) if contact else None, crm.company_id(company) if company else None, method


def everything(crm: Crm) -> tuple[set[object], set[object]]:
    """The contacts with their addresses and companies, and the companies with their domains."""
    contacts = {
        (c.id, c.display_name, c.company_id, tuple(sorted(a.address for a in c.addresses)))
        for c in crm.session.scalars(select(Contact))
    }
    companies = {
        (c.id, c.name, tuple(sorted(d.domain for d in c.domains))) for c in crm.session.scalars(select(Company))
    }
    crm.session.rollback()
    crm.session.expire_all()
    return contacts, companies


def test_the_domain_that_a_decision_gave_brings_colleagues_and_goes_with_them(crm: Crm) -> None:
    OLGA(crm)
    crm.card("Без фирмы", "nofirm@opt2.example")
    crm.mail("first@opt2.example", subject="Раз")
    crm.mail("second@opt2.example", subject="Два")
    crm.decide("first@opt2.example", ToCompany(crm.company_id("Лавка"), takes_domain=True))
    assert crm.found("second@opt2.example") == ("", "Лавка", "domain")
    assert crm.in_tray() == []
    assert ("Без фирмы", crm.company_id("Лавка")) in crm.session.execute(
        select(Contact.display_name, Contact.company_id)
    ).all()
    crm.undo("first@opt2.example")
    assert crm.found("second@opt2.example") == ("", "", "")
    assert sorted(crm.in_tray()) == ["first@opt2.example", "second@opt2.example"]
    assert ("Без фирмы", None) in crm.session.execute(select(Contact.display_name, Contact.company_id)).all()


def test_mail_never_goes_to_who_was_merged_or_archived(crm: Crm) -> None:
    OLGA(crm)
    IVAN(crm)
    crm.change("Ольга Лаврова", merged_into_id=crm.contact_id("Иван Петров"))
    crm.change("Иван Петров", archived_at=utcnow())
    crm.mail("lavrova@mail.ru", subject="Раз")
    crm.mail("ivan@opt.example", subject="Два")
    assert crm.found("lavrova@mail.ru") == ("", "", "")
    assert crm.found("ivan@opt.example") == ("", "Оптовик", "domain")


def test_who_was_ignored_and_gets_to_be_known_is_matched(crm: Crm) -> None:
    crm.mail("lavrova@mail.ru")
    crm.decide("lavrova@mail.ru", Ignore())
    assert (crm.found("lavrova@mail.ru"), crm.in_tray()) == (("", "", ""), [])
    OLGA(crm)
    assert crm.found("lavrova@mail.ru") == ("Ольга Лаврова", "Лавка", "address")


def test_a_decision_comes_to_an_end_with_whom_it_names(crm: Crm) -> None:
    OLGA(crm)
    crm.mail("olga.l@gmail.com")
    crm.decide("olga.l@gmail.com", ToContact(crm.contact_id("Ольга Лаврова")))
    crm.edit("Ольга Лаврова", is_private=True)
    assert crm.found("olga.l@gmail.com") == ("", "", "")
    assert crm.in_tray() == ["olga.l@gmail.com"]
    crm.holds_timelines()


def test_nobody_is_made_a_contact_by_mail_who_was_ignored_or_is_ambiguous(crm: Crm) -> None:
    for step in CASES["an address of two people of two companies is nobody's"].known:
        step(crm)
    crm.mail("spam@gmail.com", subject="Раз")
    crm.decide("spam@gmail.com", Ignore())
    sent = crm.office.folder("anna", "Sent Items")
    crm.office.server.put(sent, mail("Ответ", ANNA, "spam@gmail.com,both@mail.ru,known@new.example"))
    crm.office.run("anna", "mail")
    names = set(crm.session.scalars(select(Contact.display_name)))
    assert names == {"Ольга Лаврова", "Иван Петров", "known@new.example"}


def test_mail_of_who_gave_up_an_address_stays_theirs_whatever_is_decided_of_it_later(crm: Crm) -> None:
    crm.card("Ольга Лаврова", "olga@lavka.example", "desk@gmail.com", company="Лавка")
    crm.mail("desk@gmail.com", subject="Прежде")
    crm.edit("Ольга Лаврова", "olga@lavka.example")
    assert crm.found("desk@gmail.com") == ("Ольга Лаврова", "Лавка", "address")
    crm.mail("desk@gmail.com", subject="После")
    before = sorted((p.activity_id, p.contact_id or 0, p.match_method) for p in rows_of(crm, "desk@gmail.com"))
    assert [method for _, _, method in before] == ["address", ""]
    crm.decide("desk@gmail.com", NewContact("Кто-то новый"))
    assert [p.match_method for p in rows_of(crm, "desk@gmail.com")] == ["address", "decision"]
    crm.undo("desk@gmail.com")
    after = sorted((p.activity_id, p.contact_id or 0, p.match_method) for p in rows_of(crm, "desk@gmail.com"))
    assert after == before
