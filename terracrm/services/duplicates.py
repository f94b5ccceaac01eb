"""Which contacts and companies are likely one and the same, so that people find what to merge (M4).

Only exact keys are compared, so that the database can find them by its indexes; the likeness of names that are written
otherwise is `domain.candidates`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from terracrm.models import Company, CompanyDomain, Contact, ContactAddress, ContactPhone
from terracrm.services import access, companies, contacts
from terracrm.services.access import Viewer
from terracrm.services.companies import CompanyRow
from terracrm.services.contacts import ContactRow
from terracrm.services.merged import Entity

SHOWN = 50
READ = 300  # pairs of each reason
# Numbers that colleagues share say nothing about a person; neither does one that three have.
SHARED_LABELS = ("company_main", "business_fax", "home_fax", "assistant")

Row = ContactRow | CompanyRow
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


class Likeness(NamedTuple):
    """A reason to hold two for one: the query of the ids of such pairs, and its two columns."""

    reason: str
    pairs: Select[Any, Any]
    one: Any
    other: Any


def pairs(session: Session, viewer: Viewer, entity: Entity, of: int | None = None) -> list[Pair]:
    """The likeliest pairs that the viewer sees, those with most reasons first; only those with `of` if it is given."""
    reasons: dict[tuple[int, int], set[str]] = defaultdict(set)
    for found in _of_contacts() if entity == "contact" else _of_companies():
        once = found.one != found.other if of is not None else found.one < found.other
        mine = [once] if of is None else [once, found.one == of]
        seen = [_is_seen(viewer, entity, found.one), _is_seen(viewer, entity, found.other)]
        rows = found.pairs.where(*mine, *seen).distinct().order_by(found.one, found.other).limit(READ)
        for one, other in session.execute(rows):
            reasons[min(one, other), max(one, other)].add(found.reason)
    best = sorted(reasons, key=lambda pair: (-len(reasons[pair]), pair))[:SHOWN]
    shown = _rows(session, viewer, entity, {id_ for pair in best for id_ in pair})
    return [Pair(shown[a], shown[b], sorted(reasons[a, b])) for a, b in best if a in shown and b in shown]


def _is_seen(viewer: Viewer, entity: Entity, id_: Any) -> ColumnElement[bool]:
    if entity == "contact":
        return exists().where(Contact.id == id_, Contact.archived_at.is_(None), access.contacts(viewer))
    return exists().where(Company.id == id_, Company.archived_at.is_(None), access.companies(viewer))


def _of_contacts() -> Iterator[Likeness]:
    one, other = aliased(ContactAddress), aliased(ContactAddress)
    both = select(one.contact_id, other.contact_id).join(other, one.address == other.address)
    yield Likeness("address", both, one.contact_id, other.contact_id)
    phone, other_phone, third = aliased(ContactPhone), aliased(ContactPhone), aliased(ContactPhone)
    same_number = and_(
        phone.e164 == other_phone.e164,
        phone.e164 != "",
        phone.label.not_in(SHARED_LABELS),
        other_phone.label.not_in(SHARED_LABELS),
        ~exists().where(third.e164 == phone.e164, third.contact_id.not_in((phone.contact_id, other_phone.contact_id))),
    )
    both = select(phone.contact_id, other_phone.contact_id).join(other_phone, same_number)
    yield Likeness("phone", both, phone.contact_id, other_phone.contact_id)
    same_company = or_(_One.company_id == _Other.company_id, _One.company_id.is_(None), _Other.company_id.is_(None))
    full_name = and_(_One.name_key == _Other.name_key, _One.name_key.contains(" "))
    both = select(_One.id, _Other.id).join(_Other, and_(full_name, same_company))
    yield Likeness("name", both, _One.id, _Other.id)


def _of_companies() -> Iterator[Likeness]:
    for reason, same in (
        ("name", and_(_Firm.name_key == _OtherFirm.name_key, _Firm.name_key != "")),
        ("phone", and_(_Firm.phone == _OtherFirm.phone, _Firm.phone != "")),
        ("website", and_(_Firm.website == _OtherFirm.website, _Firm.website != "")),
    ):
        both = select(_Firm.id, _OtherFirm.id).join(_OtherFirm, same)
        yield Likeness(reason, both, _Firm.id, _OtherFirm.id)
    of_people, owner = _One.company_id, CompanyDomain.company_id
    for first, second in ((of_people, owner), (owner, of_people)):
        people = (
            select(first, second)
            .select_from(_One)
            .join(ContactAddress, ContactAddress.contact_id == _One.id)
            .join(CompanyDomain, CompanyDomain.domain == ContactAddress.domain)
        )
        yield Likeness("domain", people, first, second)


def _rows(session: Session, viewer: Viewer, entity: Entity, ids: set[int]) -> dict[int, Row]:
    if entity == "contact":
        return {row.id: row for row in contacts.some(session, viewer, Contact.id.in_(ids), len(ids))}
    return {row.id: row for row in companies.some(session, viewer, Company.id.in_(ids), len(ids))}
