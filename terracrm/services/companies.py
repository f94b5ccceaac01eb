"""Companies as the portal reads them: the list and the profile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, ScalarSelect, Select, bindparam, func, select
from sqlalchemy.orm import Session

from terracrm.domain.names import company_key
from terracrm.errors import NotFound
from terracrm.models import Activity, Company, CompanyTimeline, Contact, Mailbox, User, utcnow
from terracrm.services import access, contacts, field_changes, timeline
from terracrm.services.access import Viewer
from terracrm.services.listing import PAGE_SIZE, Listing

Sort = Literal["name", "recent"]


@dataclass(frozen=True, slots=True)
class CompanyRow:
    """A line of the list. `last_at` is the newest past activity that the viewer sees."""

    id: int
    name: str
    city: str
    owner: str
    people: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class CompanyProfile:
    """All that is known of a company, as far as the viewer sees it."""

    company: Company
    people: list[contacts.ContactRow]
    counts: timeline.Counts
    first_at: datetime | None
    first_mailbox: str
    changes: field_changes.Changes


def listing(
    session: Session, viewer: Viewer, name: str = "", sort: Sort = "name", page: int = 1
) -> Listing[CompanyRow]:
    """One page of the companies whose name contains `name`, by name or by their last activity."""
    condition = access.companies(viewer) & Company.archived_at.is_(None)
    if key := company_key(name):
        condition &= Company.name_key.contains(key, autoescape=True)
    total = session.scalar(select(func.count()).select_from(Company).where(condition)) or 0
    rows = _rows(viewer, sort).where(condition).limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE)
    return Listing([CompanyRow(*row) for row in session.execute(rows)], total, page)


def some(session: Session, viewer: Viewer, condition: ColumnElement[bool], limit: int) -> list[CompanyRow]:
    """The first companies by name for which `condition` holds and which the viewer sees."""
    rows = _rows(viewer, "name").where(condition, access.companies(viewer), Company.archived_at.is_(None)).limit(limit)
    return [CompanyRow(*row) for row in session.execute(rows)]


def count(session: Session, viewer: Viewer) -> int:
    """How many companies the viewer sees."""
    condition = access.companies(viewer) & Company.archived_at.is_(None)
    return session.scalar(select(func.count()).select_from(Company).where(condition)) or 0


def profile(session: Session, viewer: Viewer, company_id: int) -> CompanyProfile:
    """The profile of a company; NotFound when there is none or the viewer does not see it."""
    company = session.scalar(_company(viewer), {"company_id": company_id})
    if company is None:
        raise NotFound("There is no such company.")
    people = contacts.of_company(session, viewer, company_id)
    first = session.execute(_first_seen(viewer), {"company_id": company_id}).first()
    first_at, first_mailbox = first or (None, "")
    changes = field_changes.latest(session, viewer, "company", company_id)
    return CompanyProfile(
        company,
        people,
        timeline.counts_of_client(session, viewer, "company", company_id),
        first_at,
        first_mailbox,
        changes,
    )


@access.kept
def _company(viewer: Viewer) -> Select[Company]:
    return select(Company).where(Company.id == bindparam("company_id"), access.companies(viewer))


def _rows(viewer: Viewer, sort: Sort) -> Select[int, str, str, str, int, datetime | None]:
    last_at = _last_at(viewer)
    people = (
        select(func.count())
        .select_from(Contact)
        .where(Contact.company_id == Company.id, Contact.archived_at.is_(None), access.contacts(viewer))
        .correlate(Company)
        .scalar_subquery()
    )
    owner = func.coalesce(func.nullif(User.full_name, ""), User.name, "")
    rows = select(Company.id, Company.name, Company.city, owner, people, last_at).outerjoin(
        User, User.id == Company.owner_id
    )
    if sort == "recent":
        return rows.order_by(last_at.desc().nulls_last(), Company.name_key, Company.id)
    return rows.order_by(Company.name_key, Company.id)


def _last_at(viewer: Viewer) -> ScalarSelect[datetime]:
    newest = select(CompanyTimeline.occurred_at).where(
        CompanyTimeline.company_id == Company.id, CompanyTimeline.occurred_at <= utcnow()
    )
    if not viewer.sees_all:
        newest = newest.join(Activity, Activity.id == CompanyTimeline.activity_id)
        newest = newest.where(access.activities_of_client(viewer))
    return newest.order_by(CompanyTimeline.occurred_at.desc()).limit(1).correlate(Company).scalar_subquery()


@access.kept
def _first_seen(viewer: Viewer) -> Select[datetime, str]:
    return (
        select(Activity.occurred_at, func.coalesce(Mailbox.address, ""))
        .join(CompanyTimeline, CompanyTimeline.activity_id == Activity.id)
        .outerjoin(Mailbox, Mailbox.id == Activity.mailbox_id)
        .where(CompanyTimeline.company_id == bindparam("company_id"), access.activities_of_client(viewer))
        .order_by(CompanyTimeline.occurred_at, CompanyTimeline.activity_id)
        .limit(1)
    )
