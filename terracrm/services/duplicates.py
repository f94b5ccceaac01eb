"""Which contacts and companies are likely one and the same, so that people find what to merge (M4).

Only exact keys are compared, so that the database can find them by its indexes; the likeness of names that are written
otherwise is `domain.candidates`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from terracrm.models import Company, CompanyDomain, Contact, ContactAddress, ContactPhone
from terracrm.services import access, companies, contacts
from terracrm.services.access import Viewer
from terracrm.services.companies import CompanyRow
from terracrm.services.contacts import ContactRow
from terracrm.services.merged import Entity

SHOWN = 50
READ = 300  # pairs of each reason
# Numbers that colleagues share say nothing about a person; neither does one that many have.
SHARED_LABELS = ("company_main", "business_fax", "home_fax", "assistant")
MOST_HOLDERS = 2

Row = ContactRow | CompanyRow
Pairs: TypeAlias = Select[Any, Any]
_One, _Other = aliased(Contact, name="one"), aliased(Contact, name="other")
_Firm, _OtherFirm = aliased(Company, name="firm"), aliased(Company, name="other_firm")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two that may be one, the one known longer first.

    `reasons` are "address", "phone" and "name", and for companies "domain" and "website".
    """

    one: Row
    other: Row
    reasons: list[str]


def pairs(session: Session, viewer: Viewer, entity: Entity, of: int | None = None) -> list[Pair]:
    """The likeliest pairs that the viewer sees, those with most reasons first; only those with `of` if it is given."""
    reasons: dict[tuple[int, int], list[str]] = defaultdict(list)
    queries = _of_contacts() if entity == "contact" else _of_companies()
    model, seen = (Contact, access.contacts(viewer)) if entity == "contact" else (Company, access.companies(viewer))
    visible = select(model.id).where(seen, model.archived_at.is_(None))
    for reason, query, one, other in queries:
        rows = query.where(one.in_(visible), other.in_(visible))
        if of is not None:
            rows = rows.where(or_(one == of, other == of))
        for found in session.execute(rows.distinct().order_by(one, other).limit(READ)):
            key = (min(found), max(found))
            if reason not in reasons[key]:
                reasons[key].append(reason)
    best = sorted(reasons, key=lambda pair: (-len(reasons[pair]), pair))[:SHOWN]
    shown = _rows(session, viewer, entity, {id_ for pair in best for id_ in pair})
    return [Pair(shown[a], shown[b], reasons[a, b]) for a, b in best if a in shown and b in shown]


def _of_contacts() -> Iterator[tuple[str, Pairs, Any, Any]]:
    """For each reason the pairs of contacts, and the columns that hold the two."""
    address, other_address = aliased(ContactAddress), aliased(ContactAddress)
    same_address = and_(address.address == other_address.address, address.contact_id < other_address.contact_id)
    yield (
        "address",
        select(address.contact_id, other_address.contact_id).join(other_address, same_address),
        address.contact_id,
        other_address.contact_id,
    )
    personal = and_(ContactPhone.e164 != "", ContactPhone.label.not_in(SHARED_LABELS))
    holders = func.count(ContactPhone.contact_id.distinct())
    first, last = func.min(ContactPhone.contact_id), func.max(ContactPhone.contact_id)
    numbers = (
        select(first.label("first"), last.label("last"))
        .where(personal)
        .group_by(ContactPhone.e164)
        .having(holders == MOST_HOLDERS)
        .subquery()
    )
    yield "phone", select(numbers.c.first, numbers.c.last), numbers.c.first, numbers.c.last
    same_company = or_(_One.company_id == _Other.company_id, _One.company_id.is_(None), _Other.company_id.is_(None))
    full_name = and_(_One.name_key == _Other.name_key, _One.name_key.contains(" "))
    yield (
        "name",
        select(_One.id, _Other.id).join(_Other, and_(full_name, _One.id < _Other.id, same_company)),
        _One.id,
        _Other.id,
    )


def _of_companies() -> Iterator[tuple[str, Pairs, Any, Any]]:
    """For each reason the pairs of companies, and the columns that hold the two."""
    for reason, same in (
        ("name", and_(_Firm.name_key == _OtherFirm.name_key, _Firm.name_key != "")),
        ("phone", and_(_Firm.phone == _OtherFirm.phone, _Firm.phone != "")),
        ("website", and_(_Firm.website == _OtherFirm.website, _Firm.website != "")),
    ):
        both = select(_Firm.id, _OtherFirm.id).join(_OtherFirm, and_(same, _Firm.id < _OtherFirm.id))
        yield reason, both, _Firm.id, _OtherFirm.id
    people = (
        select(_One.company_id, CompanyDomain.company_id)
        .join(ContactAddress, ContactAddress.contact_id == _One.id)
        .join(CompanyDomain, CompanyDomain.domain == ContactAddress.domain)
        .where(_One.company_id != CompanyDomain.company_id)
    )
    yield "domain", people, _One.company_id, CompanyDomain.company_id


def _rows(session: Session, viewer: Viewer, entity: Entity, ids: set[int]) -> dict[int, Row]:
    if entity == "contact":
        return {row.id: row for row in contacts.some(session, viewer, Contact.id.in_(ids), len(ids))}
    return {row.id: row for row in companies.some(session, viewer, Company.id.in_(ids), len(ids))}
