"""Candidates for the senders of the tray: few contacts and companies are looked up, and ranked by the domain (M1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, selectinload

from terracrm.domain import candidates
from terracrm.domain.candidates import (
    Candidate,
    NameIndex,
    Organisation,
    Person,
    Stranger,
    labels_of,
    website_domain,
)
from terracrm.domain.names import company_key, phones_in
from terracrm.domain.transliteration import words
from terracrm.models import Company, Contact, ContactAddress, ContactPhone
from terracrm.services import access, correspondents
from terracrm.services.access import Viewer
from terracrm.services.matching import chunks, is_live

NEAR = 500
SIGNATURE_CHARS = 1000


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A contact or company who a sender may be: `about` is what tells it from its namesakes, `reasons` are codes."""

    entity: Literal["contact", "company"]
    id: int
    name: str
    about: str
    score: int
    reasons: tuple[str, ...]


def suggest(
    session: Session, viewer: Viewer, senders: Mapping[str, tuple[str, Sequence[str]]]
) -> dict[str, list[Suggestion]]:
    """Who each sender may be, of those whom the viewer sees, the likeliest first; `senders` are the domain and the
    names of each address.
    """
    if not senders:
        return {}
    strangers = _strangers(session, viewer, senders)
    near = _near(session, strangers)
    contacts = _contacts(session, viewer, {id_ for ids in near.values() for id_ in ids})
    companies = _companies(session, viewer, strangers)
    found = {}
    for stranger in strangers:
        who = [_person(contacts[id_]) for id_ in sorted(near[stranger.address]) if id_ in contacts]
        people = [_of_contact(contacts[c.id], c) for c in candidates.people(stranger, who)]
        firms = [companies.suggestion(c) for c in candidates.organisations(stranger, companies.near(stranger))]
        found[stranger.address] = sorted(people + firms, key=lambda suggestion: -suggestion.score)
    return found


def _strangers(session: Session, viewer: Viewer, senders: Mapping[str, tuple[str, Sequence[str]]]) -> list[Stranger]:
    """The phones are those of the newest signature."""
    texts = correspondents.newest_texts(session, viewer, list(senders))
    return [
        Stranger(address, tuple(names), frozenset(phones_in(texts.get(address, "")[-SIGNATURE_CHARS:])), domain)
        for address, (domain, names) in senders.items()
    ]


def _near(session: Session, strangers: Sequence[Stranger]) -> dict[str, set[int]]:
    """The contacts worth a closer look for each sender."""
    index = NameIndex(session.execute(select(Contact.id, Contact.display_name).where(is_live())))
    by_address = _ids_by(session, ContactAddress.address, {stranger.address for stranger in strangers})
    by_domain = _ids_by(session, ContactAddress.domain, {stranger.domain for stranger in strangers})
    by_phone = _ids_by(session, ContactPhone.e164, {phone for stranger in strangers for phone in stranger.phones})
    by_account = _by_account(session, strangers)
    return {
        stranger.address: {
            *index.near(stranger, NEAR),
            *by_address.get(stranger.address, ()),
            *by_domain.get(stranger.domain, ()),
            *by_account.get(candidates.account(stranger.address), ()),
            *(id_ for phone in stranger.phones for id_ in by_phone.get(phone, ())),
        }
        for stranger in strangers
    }


def _ids_by(session: Session, column: InstrumentedAttribute[str], values: set[str]) -> dict[str, list[int]]:
    """The contacts with each of these values; never those with none."""
    found: dict[str, list[int]] = defaultdict(list)
    for some in chunks(sorted(values - {""})):
        rows = (
            select(column, column.class_.contact_id)
            .where(column.in_(some))
            .distinct()
            .order_by(column.class_.contact_id)
        )
        for value, contact_id in session.execute(rows):
            if len(found[value]) < NEAR:
                found[value].append(contact_id)
    return found


def _by_account(session: Session, strangers: Iterable[Stranger]) -> dict[str, list[int]]:
    """The contacts whose address reaches the same mailbox at its provider, by that account."""
    accounts = {candidates.account(stranger.address) for stranger in strangers} - {""}
    bare = func.replace(func.replace(ContactAddress.address, ".", ""), "-", "")
    wanted = {form for account in accounts for form in candidates.bare_addresses(account)}
    plausible = or_(ContactAddress.address.contains("+"), bare.in_(sorted(wanted)))
    found: dict[str, list[int]] = defaultdict(list)
    for address, contact_id in session.execute(
        select(ContactAddress.address, ContactAddress.contact_id).where(plausible).order_by(ContactAddress.contact_id)
    ):
        if (account := candidates.account(address)) in accounts:
            found[account].append(contact_id)
    return found


def _contacts(session: Session, viewer: Viewer, ids: set[int]) -> dict[int, Contact]:
    found: dict[int, Contact] = {}
    for some in chunks(sorted(ids)):
        rows = (
            select(Contact)
            .options(selectinload(Contact.addresses), selectinload(Contact.phones))
            .where(Contact.id.in_(some), access.contacts(viewer), is_live())
        )
        found |= {contact.id: contact for contact in session.scalars(rows)}
    return found


def _person(contact: Contact) -> Person:
    return Person(
        contact.id,
        contact.display_name,
        frozenset(entry.address for entry in contact.addresses),
        frozenset(entry.e164 for entry in contact.phones),
        frozenset(entry.domain for entry in contact.addresses),
    )


def _companies(session: Session, viewer: Viewer, strangers: Sequence[Stranger]) -> _Companies:
    """The companies that the viewer sees, and which of them people of the senders' domains belong to."""
    live = Company.merged_into_id.is_(None), Company.archived_at.is_(None), access.companies(viewer)
    rows = session.execute(select(Company.id, Company.name, Company.website).where(*live)).all()
    domains: dict[int, set[str]] = defaultdict(set)
    for some in chunks(sorted({stranger.domain for stranger in strangers} - {""})):
        of_people = select(Contact.company_id, ContactAddress.domain).join(ContactAddress)
        of_people = of_people.where(ContactAddress.domain.in_(some), is_live())
        for company_id, domain in session.execute(of_people.distinct()):
            if company_id is not None:
                domains[company_id].add(domain)
    return _Companies([Organisation(id_, name, website, frozenset(domains[id_])) for id_, name, website in rows])


class _Companies:
    """Companies, looked up by how their names sound, by website and by the domains of their people."""

    def __init__(self, known: Iterable[Organisation]) -> None:
        self._known = {company.id: company for company in known}
        spelt = ((company.id, company_key(company.name)) for company in self._known.values())
        self._names = NameIndex((id_, f"{key} {key.replace(' ', '')}") for id_, key in spelt)
        self._by_domain: dict[str, set[int]] = defaultdict(set)
        for company in self._known.values():
            for domain in {website_domain(company.website), *company.domains} - {""}:
                self._by_domain[domain].add(company.id)

    def near(self, stranger: Stranger) -> list[Organisation]:
        """Those worth a closer look."""
        tokens = {word for name in stranger.names for word in words(name)}
        ids = self._names.sounding(tokens | set(labels_of(stranger.domain)))
        return [self._known[id_] for id_ in sorted(ids | self._by_domain.get(stranger.domain, set()))]

    def suggestion(self, found: Candidate) -> Suggestion:
        """As the page shows it."""
        company = self._known[found.id]
        return Suggestion("company", company.id, company.name, company.website, found.score, found.reasons)


def _of_contact(contact: Contact, found: Candidate) -> Suggestion:
    first = next((entry.address for entry in contact.addresses), "")
    about = " · ".join(part for part in (contact.company_name, first) if part)
    return Suggestion("contact", contact.id, contact.display_name, about, found.score, found.reasons)
