"""Contacts as the portal reads them: the list and the profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, ScalarSelect, Select, and_, bindparam, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from terracrm.domain.names import name_key
from terracrm.errors import NotFound
from terracrm.models import (
    Activity,
    Company,
    Contact,
    ContactAddress,
    ContactPhone,
    ContactPostalAddress,
    ContactTimeline,
    Team,
    User,
    utcnow,
)
from terracrm.services import access, field_changes, rows, timeline
from terracrm.services.access import Viewer
from terracrm.services.listing import PAGE_SIZE, Listing

PEOPLE_SHOWN = 100
Sort = Literal["name", "recent"]
_ADDRESSES, _PHONES, _POSTAL_ADDRESSES = (
    select(table).where(table.contact_id == bindparam("contact_id")).order_by(table.position)
    for table in (ContactAddress, ContactPhone, ContactPostalAddress)
)


@dataclass(frozen=True, slots=True)
class ContactRow:
    """A line of the list. `company_id` is set when the viewer sees the company; `last_at` as in CompanyRow."""

    id: int
    name: str
    job_title: str
    company_id: int | None
    company: str
    address: str
    phone: str
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class ContactProfile:
    """All that is known of a contact, in rows with the columns of the tables.

    The contact's row has besides: `owner` and `team`, the names of whom it belongs to, `employer_id` and `employer`
    where the viewer sees the company, and `first_at`, when its history begins.
    """

    contact: Row[*tuple[Any, ...]]
    addresses: Sequence[Row[*tuple[Any, ...]]]
    phones: Sequence[Row[*tuple[Any, ...]]]
    postal_addresses: Sequence[Row[*tuple[Any, ...]]]
    counts: timeline.Counts
    changes: field_changes.Changes


def listing(
    session: Session, viewer: Viewer, name: str = "", sort: Sort = "name", page: int = 1
) -> Listing[ContactRow]:
    """One page of the contacts whose name or company contains `name`, by name or by their last activity."""
    condition = access.contacts(viewer) & Contact.archived_at.is_(None)
    if key := name_key(name):
        of_company = Contact.company_id.in_(
            select(Company.id).where(Company.name_key.contains(key, autoescape=True), access.companies(viewer))
        )
        condition &= or_(Contact.name_key.contains(key, autoescape=True), of_company)
    total = session.scalar(select(func.count()).select_from(Contact).where(condition)) or 0
    shown = _rows(viewer, sort).where(condition).limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE)
    return Listing([ContactRow(*row) for row in rows.fetch(session, shown)], total, page)


def some(session: Session, viewer: Viewer, condition: ColumnElement[bool], limit: int) -> list[ContactRow]:
    """The first contacts by name for which `condition` holds and which the viewer sees."""
    shown = _rows(viewer, "name").where(condition, access.contacts(viewer), Contact.archived_at.is_(None)).limit(limit)
    return [ContactRow(*row) for row in rows.fetch(session, shown)]


def of_company(session: Session, viewer: Viewer, company_id: int) -> list[ContactRow]:
    """The first people of a company by name whom the viewer sees."""
    return [ContactRow(*row) for row in rows.fetch(session, _people(viewer), {"company_id": company_id})]


def count(session: Session, viewer: Viewer) -> int:
    """How many contacts the viewer sees."""
    condition = access.contacts(viewer) & Contact.archived_at.is_(None)
    return session.scalar(select(func.count()).select_from(Contact).where(condition)) or 0


def get(session: Session, viewer: Viewer, contact_id: int) -> Contact:
    """A contact; NotFound when there is none or the viewer does not see it."""
    contact = session.scalar(select(Contact).where(Contact.id == contact_id, access.contacts(viewer)))
    if contact is None:
        raise NotFound("There is no such contact.")
    return contact


def profile(session: Session, viewer: Viewer, contact_id: int) -> ContactProfile:
    """The profile of a contact; NotFound when there is none or the viewer does not see it."""
    known = {"contact_id": contact_id}
    contact = rows.first(session, _contact(viewer), known)
    if contact is None:
        raise NotFound("There is no such contact.")
    return ContactProfile(
        contact,
        rows.fetch(session, _ADDRESSES, known),
        rows.fetch(session, _PHONES, known),
        rows.fetch(session, _POSTAL_ADDRESSES, known),
        timeline.counts_of_client(session, viewer, "contact", contact_id),
        field_changes.latest(session, viewer, "contact", contact_id),
    )


@access.kept
def _contact(viewer: Viewer) -> Select[*tuple[Any, ...]]:
    employer = and_(Company.id == Contact.company_id, access.companies(viewer))
    return (
        select(
            Contact,
            func.coalesce(func.nullif(User.full_name, ""), User.name, "").label("owner"),
            func.coalesce(Team.name, "").label("team"),
            Company.id.label("employer_id"),
            Company.name.label("employer"),
            _first_at(viewer).label("first_at"),
        )
        .outerjoin(User, User.id == Contact.owner_id)
        .outerjoin(Team, Team.id == Contact.team_id)
        .outerjoin(Company, employer)
        .where(Contact.id == bindparam("contact_id"), access.contacts(viewer))
    )


@access.kept
def _people(viewer: Viewer) -> Select[int, str, str, int | None, str, str, str, datetime | None]:
    mine = Contact.company_id == bindparam("company_id"), Contact.archived_at.is_(None)
    return _rows(viewer, "name").where(*mine, access.contacts(viewer)).limit(PEOPLE_SHOWN)


def _rows(viewer: Viewer, sort: Sort) -> Select[int, str, str, int | None, str, str, str, datetime | None]:
    last_at = _last_at(viewer)
    company = select(Company.id, Company.name).where(access.companies(viewer)).subquery()
    listed = select(
        Contact.id,
        Contact.display_name,
        Contact.job_title,
        company.c.id,
        func.coalesce(company.c.name, Contact.company_name),
        _first_of(ContactAddress.address, ContactAddress),
        _first_of(ContactPhone.number, ContactPhone),
        last_at,
    ).outerjoin(company, company.c.id == Contact.company_id)
    if sort == "recent":
        return listed.order_by(last_at.desc().nulls_last(), Contact.name_key, Contact.id)
    return listed.order_by(Contact.name_key, Contact.id)


def _first_of(
    value: InstrumentedAttribute[str], table: type[ContactAddress] | type[ContactPhone]
) -> ColumnElement[str]:
    first = select(value).where(table.contact_id == Contact.id).order_by(table.position).limit(1)
    return func.coalesce(first.correlate(Contact).scalar_subquery(), "")


def _last_at(viewer: Viewer) -> ScalarSelect[datetime]:
    newest = select(ContactTimeline.occurred_at).where(
        ContactTimeline.contact_id == Contact.id, ContactTimeline.occurred_at <= bindparam("now", callable_=utcnow)
    )
    if not viewer.sees_all:
        newest = newest.join(Activity, Activity.id == ContactTimeline.activity_id)
        newest = newest.where(access.activities_of_client(viewer))
    return newest.order_by(ContactTimeline.occurred_at.desc()).limit(1).correlate(Contact).scalar_subquery()


def _first_at(viewer: Viewer) -> ScalarSelect[datetime]:
    oldest = select(ContactTimeline.occurred_at).where(ContactTimeline.contact_id == bindparam("contact_id"))
    if not viewer.sees_all:
        oldest = oldest.join(Activity, Activity.id == ContactTimeline.activity_id)
        oldest = oldest.where(access.activities_of_client(viewer))
    oldest = oldest.order_by(ContactTimeline.occurred_at, ContactTimeline.activity_id)
    return oldest.limit(1).scalar_subquery()
