"""Who is behind an address: by all addresses of a person, then by company domain (M1). Empty never matches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy
from terracrm.models import CompanyDomain, Contact, ContactAddress

BY_ADDRESS = "address"
BY_DOMAIN = "domain"
INTERNAL = "internal"
# SQLite takes 32,766 parameters in a statement, PostgreSQL 65,535.
MAX_PARAMETERS = 10_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Match:
    """Whom an address was found to be, and how; nobody at all when both ids are None."""

    contact_id: int | None = None
    company_id: int | None = None
    method: str = ""


def match(session: Session, policy: DomainPolicy, addresses: Iterable[str]) -> dict[str, Match]:
    """Match normalised addresses. Internal ones are told apart; an address of several people takes the oldest."""
    wanted = {address for address in addresses if address}
    found = {address: Match(method=INTERNAL) for address in wanted if policy.is_internal(address)}
    outside = wanted - found.keys()
    domains = {address: policy.company_domain(address) for address in outside}
    companies = _companies(session, {domain for domain in domains.values() if domain})
    people = _people(session, outside)
    for address in outside:
        company_id = companies.get(domains[address])
        if address in people:
            contact_id, own_company = people[address]
            found[address] = Match(contact_id, own_company or company_id, BY_ADDRESS)
        else:
            found[address] = Match(None, company_id, BY_DOMAIN if company_id else "")
    return found


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in parts that fit into the parameters of one statement on either database."""
    return (values[start : start + MAX_PARAMETERS] for start in range(0, len(values), MAX_PARAMETERS))


def _people(session: Session, addresses: set[str]) -> dict[str, tuple[int, int | None]]:
    query = select(ContactAddress.address, Contact.id, Contact.company_id).join(Contact).order_by(Contact.id.desc())
    return {
        address: (contact_id, company_id)
        for some in chunks(sorted(addresses))
        for address, contact_id, company_id in session.execute(query.where(ContactAddress.address.in_(some)))
    }


def _companies(session: Session, domains: set[str]) -> dict[str, int]:
    query = select(CompanyDomain.domain, CompanyDomain.company_id)
    return {
        domain: company_id
        for some in chunks(sorted(domains))
        for domain, company_id in session.execute(query.where(CompanyDomain.domain.in_(some)))
    }
