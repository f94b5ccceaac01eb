"""Contacts and companies changed by hand: what follows, what is refused, who may, and what somebody else did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.client_values import BadValues
from terracrm.errors import Forbidden, InvalidInput, NotFound
from terracrm.models import AuditEntry, Company, Contact, FieldChange, Participant
from terracrm.services import companies, company_edits, contact_edits, contacts, edits, search
from terracrm.services.edits import ChangedMeanwhile
from terracrm.services.field_history import as_text
from tests.office import OURS, Office
from tests.services.conftest import Viewers

SQLITE_FIRST = True

POLICY = DomainPolicy.of([OURS], ["mail.ru", "gmail.com"])
MOBILE = {"label": "mobile", "number": "+7 916 555-03-04"}


def email(address: str, label: str = "1") -> dict[str, str]:
    return {"label": label, "address": address}


def postal(**parts: str) -> dict[str, str]:
    return {"label": "business", "street": "", "city": "", "region": "", "postal_code": "", "country": "", **parts}


@pytest.fixture
def maria(office: Office) -> Contact:
    return office.contacts["maria@market.example"]


def edit(office: Office, viewer: Any, contact: Contact, **wanted: Any) -> list[str]:
    return contact_edits.edit(office.session, POLICY, viewer, contact.id, wanted)


def changes(session: Session, client: Contact | Company) -> dict[str, tuple[str, str, str, int | None]]:
    entity = "contact" if isinstance(client, Contact) else "company"
    rows = session.scalars(
        select(FieldChange)
        .where(FieldChange.entity == entity, FieldChange.entity_id == client.id)
        .order_by(FieldChange.id)
    )
    return {row.field: (row.old, row.new, row.source, row.user_id) for row in rows}


def test_every_field_can_be_edited_and_is_recorded_with_old_and_new(
    office: Office, viewer: Viewers, maria: Contact
) -> None:
    anna = viewer("anna")
    wanted: dict[str, Any] = {
        "display_name": "Мария Петрова",
        "given_name": "Мария",
        "middle_name": "Игоревна",
        "surname": "Петрова",
        "department": "Закупки",
        "job_title": "Директор",
        "website": "https://market.example",
        "notes": "Любит чай.\nЗвонить утром.",
        "birthday": "1985-02-28",
        "stage": "договор",
        "emails": [email("Maria.P@market.example"), email("maria@market.example", "2")],
        "phones": [MOBILE],
        "postal_addresses": [postal(street="Тверская, 1", city="Москва")],
    }
    before = contact_edits.values(maria)
    assert edit(office, anna, maria, **wanted) == sorted(wanted)
    office.session.expire_all()
    assert contact_edits.values(maria) == {**before, **wanted}
    noted = changes(office.session, maria)
    assert {field: noted[field][:2] for field in ("stage", "birthday", "job_title")} == {
        "stage": ("", "договор"),
        "birthday": ("", "1985-02-28"),
        "job_title": (before["job_title"], "Директор"),
    }
    assert noted["emails"] == (as_text(before["emails"]), as_text(wanted["emails"]), "portal", anna.user_id)
    assert set(wanted) <= set(noted)
    assert [hit.id for hit in search.find(office.session, anna, "петрова чай директор").contacts] == [maria.id]
    entry = office.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry
    assert (entry.action, entry.entity_id, entry.user_id) == ("contact.edit", maria.id, anna.user_id)
    assert "Директор" not in entry.detail


def test_nothing_changed_is_nothing_recorded(office: Office, viewer: Viewers, maria: Contact) -> None:
    before = changes(office.session, maria)
    assert edit(office, viewer("anna"), maria, **contact_edits.values(maria)) == []
    assert changes(office.session, maria) == before


def test_an_address_brings_its_past_mail_and_one_that_goes_leaves_it(
    office: Office, viewer: Viewers, maria: Contact
) -> None:
    mail = office.mail("k-1", "masha@home.example", [f"anna@{OURS}"], subject="from home")
    addresses = [email("maria@market.example"), email("Masha@Home.example", "2")]
    edit(office, viewer("anna"), maria, emails=addresses)
    sender = office.session.get_one(Participant, (mail.id, 0), populate_existing=True)
    assert sender.contact_id == maria.id
    edit(office, viewer("anna"), maria, emails=addresses[:1])
    office.session.refresh(sender)
    assert sender.contact_id == maria.id


def test_a_contact_of_another_company_goes_there(office: Office, viewer: Viewers, maria: Contact) -> None:
    old = maria.company
    edit(office, viewer("anna"), maria, company_name="ООО «Новая»")
    assert maria.company
    assert maria.company is not old
    assert maria.company.name == "ООО «Новая»"
    assert old
    assert changes(office.session, maria)["company"][:2] == (str(old.id), str(maria.company_id))
    assert "created" in changes(office.session, maria.company)


@pytest.mark.parametrize(
    ("wanted", "field", "code"),
    [
        ({"emails": [email("no address")]}, "emails", "address"),
        ({"emails": [email("a@b.example", "9")]}, "emails", "label"),
        ({"phones": [{"label": "mobile", "number": "call me"}]}, "phones", "phone"),
        ({"phones": [{"label": "mobile", "number": "7" * 300}]}, "phones", "too_long"),
        ({"phones": [{"label": "moon", "number": "+7 916 555-03-04"}]}, "phones", "label"),
        ({"postal_addresses": [postal(city="М" * 256)]}, "postal_addresses", "too_long"),
        ({"birthday": "28.02.1985"}, "birthday", "date"),
        ({"birthday": "1985-02-30"}, "birthday", "date"),
        ({"birthday": "1600-12-31"}, "birthday", "date"),
        ({"birthday": "1985-W01-1"}, "birthday", "date"),
        ({"job_title": "x" * 256}, "job_title", "too_long"),
        ({"notes": "x" * 20_001}, "notes", "too_long"),
        ({"job_title": "a\x07b"}, "job_title", "control"),
        ({"notes": "a\x00b"}, "notes", "control"),
        ({"stage": "x" * 256}, "stage", "too_long"),
        ({"display_name": "", "company_name": "", "emails": [], "phones": []}, "display_name", "nameless"),
    ],
)
def test_a_bad_value_is_refused_and_named(
    office: Office, viewer: Viewers, maria: Contact, wanted: dict[str, Any], field: str, code: str
) -> None:
    maria.given_name = maria.surname = ""
    before = contact_edits.values(maria)
    with pytest.raises(BadValues) as refused:
        edit(office, viewer("anna"), maria, **wanted)
    assert [(problem.field, problem.code) for problem in refused.value.problems] == [(field, code)]
    assert contact_edits.values(maria) == before


def test_what_cannot_be_meant_may_stay_where_it_was_before(office: Office, viewer: Viewers, maria: Contact) -> None:
    maria.phones[0].number = "ask Olga"
    office.session.flush()
    wanted = contact_edits.values(maria)
    assert edit(office, viewer("anna"), maria, **{**wanted, "phones": [*wanted["phones"], MOBILE]}) == ["phones"]
    assert [phone.number for phone in maria.phones] == ["ask Olga", MOBILE["number"]]


def test_space_and_empty_rows_are_no_change(office: Office, viewer: Viewers, maria: Contact) -> None:
    wanted = contact_edits.values(maria)
    spaced = {
        "job_title": f"  {wanted['job_title']} ",
        "emails": [*wanted["emails"], email("  ", "2"), wanted["emails"][0]],
        "phones": [{"label": "home", "number": ""}, *wanted["phones"]],
    }
    assert edit(office, viewer("anna"), maria, **spaced) == []


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(
    office: Office, viewer: Viewers, maria: Contact
) -> None:
    shown = contact_edits.values(maria)
    seen = edits.seals(shown)
    edit(office, viewer("anna"), maria, job_title="Директор", department="Склад", phones=[MOBILE])
    wanted = {**shown, "job_title": "Товаровед", "surname": "Петрова"}
    with pytest.raises(ChangedMeanwhile) as stale:
        contact_edits.edit(office.session, POLICY, viewer("anna"), maria.id, wanted, seen)
    assert (stale.value.theirs, stale.value.mine) == ({"job_title": "Директор"}, {"job_title": "Товаровед"})
    seen |= edits.seals(stale.value.theirs)
    assert contact_edits.edit(office.session, POLICY, viewer("anna"), maria.id, wanted, seen) == [
        "job_title",
        "surname",
    ]
    # What the form left as it was shown is as the other one made it.
    assert (maria.department, [phone.number for phone in maria.phones]) == ("Склад", [MOBILE["number"]])


def test_both_saying_the_same_is_no_conflict(office: Office, viewer: Viewers, maria: Contact) -> None:
    seen = edits.seals(contact_edits.values(maria))
    edit(office, viewer("anna"), maria, job_title="Директор")
    wanted = {"job_title": "Директор"}
    assert contact_edits.edit(office.session, POLICY, viewer("anna"), maria.id, wanted, seen) == []


@pytest.mark.parametrize(("name", "error"), [("boris", NotFound), ("viktor", Forbidden), ("admin", Forbidden)])
def test_who_may_not_change_a_client_changes_nothing(
    office: Office, viewer: Viewers, maria: Contact, name: str, error: type[Exception]
) -> None:
    who, market = viewer(name), office.companies["market.example"]
    acts: list[Callable[[], Any]] = [
        lambda: edit(office, who, maria, job_title="x"),
        lambda: contact_edits.archive(office.session, who, maria.id),
        lambda: contact_edits.restore(office.session, who, maria.id),
        lambda: contact_edits.assign(office.session, who, maria.id, owner_id=None),
        lambda: company_edits.edit(office.session, POLICY, who, market.id, {"city": "x"}),
        lambda: company_edits.archive(office.session, who, market.id),
        lambda: company_edits.restore(office.session, who, market.id),
        lambda: company_edits.assign(office.session, who, market.id, owner_id=None),
    ]
    if error is Forbidden:
        acts += [
            lambda: contact_edits.add(office.session, POLICY, who, {"display_name": "x"}),
            lambda: company_edits.add(office.session, POLICY, who, {"name": "x"}),
        ]
    for act in acts:
        with pytest.raises(error):
            act()


def test_a_new_contact_is_its_makers_and_in_the_company_of_its_address(office: Office, viewer: Viewers) -> None:
    anna = viewer("anna")
    wanted = {"given_name": "Олег", "surname": "Новый", "emails": [email("oleg@market.example")]}
    made = contact_edits.add(office.session, POLICY, anna, wanted)
    assert (made.display_name, made.owner_id, made.team_id) == ("Олег Новый", anna.user_id, anna.team_id)
    assert made.company is office.companies["market.example"]
    assert list(changes(office.session, made)) == ["created"]
    assert contacts.get(office.session, anna, made.id) is made


def test_a_new_contact_needs_a_name(office: Office, viewer: Viewers) -> None:
    with pytest.raises(BadValues):
        contact_edits.add(office.session, POLICY, viewer("anna"), {"notes": "somebody", "job_title": "cook"})


def test_an_archived_client_leaves_the_lists_and_comes_back(office: Office, viewer: Viewers, maria: Contact) -> None:
    anna = viewer("anna")
    before = contacts.count(office.session, anna)
    assert contact_edits.archive(office.session, anna, maria.id)
    assert not contact_edits.archive(office.session, anna, maria.id)
    assert contacts.count(office.session, anna) == before - 1
    assert contacts.profile(office.session, anna, maria.id).contact.archived_at
    assert contact_edits.restore(office.session, anna, maria.id)
    assert contacts.count(office.session, anna) == before
    market = office.companies["market.example"]
    count = companies.count(office.session, anna)
    assert company_edits.archive(office.session, anna, market.id)
    assert companies.count(office.session, anna) == count - 1
    assert company_edits.restore(office.session, anna, market.id)
    assert changes(office.session, market)["archived"][1:3] == ("", "portal")


def test_a_client_is_given_to_somebody_who_is_there(office: Office, viewer: Viewers, maria: Contact) -> None:
    boris = office.users["boris"]
    contact_edits.assign(office.session, viewer("anna"), maria.id, owner_id=boris.id)
    assert maria.owner is boris
    assert changes(office.session, maria)["owner"][1] == str(boris.id)
    for wrong in ({"owner_id": 9999}, {"team_id": 9999}):
        with pytest.raises(InvalidInput):
            contact_edits.assign(office.session, viewer("boris"), maria.id, **wrong)
    boris.is_active = False
    maria.owner_id = None
    office.session.flush()
    with pytest.raises(InvalidInput):
        contact_edits.assign(office.session, viewer("anna"), maria.id, owner_id=boris.id)


def test_a_company_is_made_and_edited(office: Office, viewer: Viewers) -> None:
    anna = viewer("anna")
    mail = office.mail("k-2", "petr@gastronom.example", [f"anna@{OURS}"], subject="hello")
    wanted = {"name": "Гастроном", "domains": ["@Gastronom.example"], "city": "Тула", "phone": "+7 487 255-01-02"}
    made = company_edits.add(office.session, POLICY, anna, wanted)
    assert company_edits.values(made)["domains"] == ["gastronom.example"]
    sender = office.session.get_one(Participant, (mail.id, 0), populate_existing=True)
    assert sender.company_id == made.id
    assert company_edits.edit(
        office.session, POLICY, anna, made.id, {"name": "Гастроном № 1", "domains": [], "city": ""}
    ) == ["city", "domains", "name"]
    office.session.refresh(sender)
    assert sender.company_id is None
    noted = changes(office.session, made)
    assert noted["name"][:2] == ("Гастроном", "Гастроном № 1")
    assert noted["domains"][:2] == ("gastronom.example", "")
    assert [hit.id for hit in search.find(office.session, anna, "гастроном").companies] == [made.id]


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"name": ""}, "name"),
        ({"name": "Market"}, "there"),
        ({"domains": ["gmail.com"]}, "domain"),
        ({"domains": [OURS]}, "domain"),
        ({"domains": ["no domain"]}, "domain"),
        ({"domains": ["market.example"]}, "taken"),
        ({"phone": "ask"}, "phone"),
    ],
)
def test_a_company_refuses_what_cannot_be_meant(
    office: Office, viewer: Viewers, wanted: dict[str, Any], code: str
) -> None:
    anna = viewer("anna")
    made = company_edits.add(office.session, POLICY, anna, {"name": "Гастроном"})
    market = office.companies["market.example"]
    if wanted.get("name"):
        wanted = {"name": market.name}
    with pytest.raises(BadValues) as refused:
        company_edits.edit(office.session, POLICY, anna, made.id, wanted)
    assert [problem.code for problem in refused.value.problems] == [code]


def test_a_company_of_another_team_that_is_known_by_its_domain_alone_is_nobodys_to_take(
    office: Office, viewer: Viewers
) -> None:
    theirs = office.company("opt.example", "opt.example", "boris", "Tula")
    made = company_edits.add(office.session, POLICY, viewer("anna"), {"name": "Опт"})
    with pytest.raises(BadValues):
        company_edits.edit(office.session, POLICY, viewer("anna"), made.id, {"domains": ["opt.example"]})
    assert [owned.domain for owned in theirs.domains] == ["opt.example"]
    assert office.session.get(Company, theirs.id) is not None
    made = company_edits.add(office.session, POLICY, viewer("boris"), {"name": "Опт Юг", "domains": ["opt.example"]})
    assert [owned.domain for owned in made.domains] == ["opt.example"]
