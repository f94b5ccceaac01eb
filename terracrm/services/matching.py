"""Who is behind an address: whom a person decided it is, then by all addresses of a person, then by company domain
(M1, M2). Empty never matches.

An address that several live contacts have is ambiguous: nobody's until a person decides. Of contacts that were merged
into another or archived nothing is matched; neither is a company that was merged into another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy
from terracrm.models import Company, CompanyDomain, Contact, ContactAddress, SenderDecision
from terracrm.services import bulk

BY_DECISION = "decision"
BY_ADDRESS = "address"
BY_DOMAIN = "domain"
AMBIGUOUS = "ambiguous"
INTERNAL = "internal"
UNKNOWN = ""
IGNORE = "ignore"
# SQLite takes 32,766 parameters in a statement, PostgreSQL 65,535.
MAX_PARAMETERS = 10_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Match:
    """Whom an address was found to be, and how; nobody at all when both ids are None.

    `is_ignored`: a person decided that the sender is nobody to know (M2).
    """

    contact_id: int | None = None
    company_id: int | None = None
    method: str = UNKNOWN
    is_ignored: bool = False

    @property
    def may_become_contact(self) -> bool:
        """Whether a new contact of this address would be somebody whom nobody knows or decided about yet (S7)."""
        return self.contact_id is None and self.method in (UNKNOWN, BY_DOMAIN) and not self.is_ignored


def match(session: Session, policy: DomainPolicy, addresses: Iterable[str]) -> dict[str, Match]:
    """Match normalised addresses; internal ones are told apart."""
    wanted = {address for address in addresses if address}
    internal = {address for address in wanted if policy.is_internal(address)}
    found = match_outside(session, {address: policy.company_domain(address) for address in wanted - internal})
    return found | {address: Match(method=INTERNAL) for address in internal}


def match_outside(session: Session, domains: Mapping[str, str]) -> dict[str, Match]:
    """Match addresses from outside of which the domain that tells the company, or "", is known already."""
    if not domains:
        return {}
    people = _people(session, set(domains))
    companies = _companies(session, {domain for domain in domains.values() if domain})
    decisions, ignored = _decisions(session, domains, companies)
    return {
        address: decisions.get(address) or _match(people.get(address, {}), companies.get(domain), address in ignored)
        for address, domain in domains.items()
    }


def is_live() -> ColumnElement[bool]:
    """The contacts that mail is matched to."""
    return and_(Contact.merged_into_id.is_(None), Contact.archived_at.is_(None))


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in parts that fit into the parameters of one statement on either database."""
    return (values[start : start + MAX_PARAMETERS] for start in range(0, len(values), MAX_PARAMETERS))


def _match(people: Mapping[int, int | None], by_domain: int | None, is_ignored: bool) -> Match:
    """`people` are the contacts that have the address, each with its company."""
    companies = {company_id or by_domain for company_id in people.values()}
    shared = companies.pop() if len(companies) == 1 else None
    if len(people) == 1:
        return Match(next(iter(people)), shared, BY_ADDRESS, is_ignored)
    if people:
        return Match(None, shared, AMBIGUOUS, is_ignored)
    return Match(None, by_domain, BY_DOMAIN if by_domain else UNKNOWN, is_ignored)


def _decisions(
    session: Session, domains: Mapping[str, str], companies: Mapping[str, int]
) -> tuple[dict[str, Match], set[str]]:
    """Whom people decided that addresses are, as long as these are there; and the addresses to ignore."""
    query = (
        select(SenderDecision.address, SenderDecision.decision, Contact.id, Contact.company_id, Company.id)
        .outerjoin(Contact, (Contact.id == SenderDecision.contact_id) & is_live())
        .outerjoin(Company, (Company.id == SenderDecision.company_id) & Company.merged_into_id.is_(None))
    )
    decided: dict[str, Match] = {}
    ignored: set[str] = set()
    rows = session.execute(query.where(bulk.one_of(SenderDecision.address, domains)))
    for address, decision, contact_id, employer_id, company_id in rows:
        if decision == IGNORE:
            ignored.add(address)
        elif contact_id or company_id:
            company = company_id or employer_id or companies.get(domains[address])
            decided[address] = Match(contact_id, company, BY_DECISION)
    return decided, ignored


def _people(session: Session, addresses: set[str]) -> dict[str, dict[int, int | None]]:
    # From an inner join SQLite makes a walk through all live contacts.
    is_theirs = and_(Contact.id == ContactAddress.contact_id, is_live())
    query = select(ContactAddress.address, Contact.id, Contact.company_id).outerjoin(Contact, is_theirs)
    found: dict[str, dict[int, int | None]] = defaultdict(dict)
    rows = session.execute(query.where(bulk.one_of(ContactAddress.address, addresses)))
    for address, contact_id, company_id in rows:
        if contact_id is not None:
            found[address][contact_id] = company_id
    return found


def _companies(session: Session, domains: set[str]) -> dict[str, int]:
    query = select(CompanyDomain.domain, CompanyDomain.company_id).join(Company).where(Company.merged_into_id.is_(None))
    return dict(session.execute(query.where(bulk.one_of(CompanyDomain.domain, domains))).all())
