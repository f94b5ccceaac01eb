"""The relationship history kept in step with what is known of people: timelines and past participants.

Nothing depends on the order of arrival: mail that came before its contact joins the contact's history when the
contact is made (M2), and two mailboxes in any order give the same timelines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, delete, exists, insert, literal, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from terracrm.domain.addresses import DomainPolicy
from terracrm.models import Activity, CompanyTimeline, ContactTimeline, Participant
from terracrm.services import skipped
from terracrm.services.matching import BY_ADDRESS, BY_DOMAIN, chunks, match


def link_addresses(session: Session, contact_id: int, company_id: int | None, addresses: Iterable[str]) -> None:
    """Give a contact all the past mail of these addresses that belongs to nobody yet."""
    values: dict[str, object] = {"contact_id": contact_id, "match_method": BY_ADDRESS}
    unclaimed = (
        Participant.address.in_([address for address in addresses if address]),
        Participant.contact_id.is_(None),
        Participant.match_method.in_(("", BY_DOMAIN)),
    )
    if company_id is not None:
        values["company_id"] = company_id
        moved = _companies_of(session, *unclaimed)
    else:
        moved = set()
    session.execute(update(Participant).where(*unclaimed).values(**values))
    skipped.wake(session, addresses)
    extend_contact(session, contact_id)
    _rebuild_companies(session, moved - {company_id})


def link_domain(session: Session, company_id: int, domain: str) -> None:
    """Give a company all the past mail of its domain whose sender belongs to none yet, and wake what was left out."""
    skipped.wake(session, [f"@{domain}"])
    session.execute(
        update(Participant)
        .where(Participant.domain == domain, Participant.company_id.is_(None), Participant.match_method != "internal")
        .values(company_id=company_id)
    )
    session.execute(
        update(Participant)
        .where(Participant.domain == domain, Participant.company_id == company_id, Participant.match_method == "")
        .values(match_method=BY_DOMAIN)
    )
    _extend_company(session, company_id)


def move_contact(session: Session, contact_id: int, old_company: int | None, new_company: int | None) -> None:
    """A contact went to another company: its history goes along."""
    session.execute(update(Participant).where(Participant.contact_id == contact_id).values(company_id=new_company))
    if new_company is not None:
        _extend_company(session, new_company)
    if old_company is not None:
        _rebuild_companies(session, {old_company})


def move_company(session: Session, old_company: int, new_company: int) -> None:
    """One company was found to be another: all its history goes there."""
    session.execute(update(Participant).where(Participant.company_id == old_company).values(company_id=new_company))
    session.execute(delete(CompanyTimeline).where(CompanyTimeline.company_id == old_company))
    _extend_company(session, new_company)


def rematch(session: Session, policy: DomainPolicy, *mine: ColumnElement[bool]) -> None:
    """Match these participants anew, after the contact, address or domain that they were found by has gone."""
    found = session.execute(select(Participant.address, Participant.activity_id).where(*mine)).all()
    for address, now in match(session, policy, {row.address for row in found}).items():
        session.execute(
            update(Participant)
            .where(*mine, Participant.address == address)
            .values(contact_id=now.contact_id, company_id=now.company_id, match_method=now.method)
        )
    for ids in chunks(sorted({row.activity_id for row in found})):
        refresh(session, ids)


def refresh(session: Session, activity_ids: Sequence[int]) -> None:
    """Write the timelines of these activities anew, after their time or participants changed."""
    ids = list(activity_ids)
    for timeline, person in ((ContactTimeline, Participant.contact_id), (CompanyTimeline, Participant.company_id)):
        session.execute(delete(timeline).where(timeline.activity_id.in_(ids)))
        rows = (
            select(person, Activity.occurred_at, Activity.id, Activity.kind)
            .join(Activity, Activity.id == Participant.activity_id)
            .where(Activity.id.in_(ids), person.is_not(None))
            .distinct()
        )
        session.execute(insert(timeline).from_select(_columns(timeline), rows))
    known = exists().where(
        Participant.activity_id == Activity.id,
        Participant.contact_id.is_not(None) | Participant.company_id.is_not(None),
    )
    session.execute(update(Activity).where(Activity.id.in_(ids)).values(is_matched=known))


def extend_contact(session: Session, contact_id: int) -> None:
    """Add what is missing to the contact's timeline and to those of its companies."""
    mine = Participant.contact_id == contact_id
    _extend(session, ContactTimeline.contact_id, mine, contact_id)
    for company_id in _companies_of(session, mine):
        _extend(session, CompanyTimeline.company_id, mine & (Participant.company_id == company_id), company_id)
    _mark_matched(session, mine)


def _extend_company(session: Session, company_id: int) -> None:
    _extend(session, CompanyTimeline.company_id, Participant.company_id == company_id, company_id)
    _mark_matched(session, Participant.company_id == company_id)


def _extend(session: Session, owner: InstrumentedAttribute[int], mine: ColumnElement[bool], owner_id: int) -> None:
    """Insert into the timeline that `owner` is the key of what it lacks of the activities of `mine`."""
    timeline = ContactTimeline if owner is ContactTimeline.contact_id else CompanyTimeline
    there = exists().where(timeline.activity_id == Activity.id, owner == owner_id)
    rows = (
        select(literal(owner_id), Activity.occurred_at, Activity.id, Activity.kind)
        .join(Participant, Participant.activity_id == Activity.id)
        .where(mine, ~there)
        .distinct()
    )
    session.execute(insert(timeline).from_select(_columns(timeline), rows))


def _columns(timeline: type[ContactTimeline | CompanyTimeline]) -> list[str]:
    first = "contact_id" if timeline is ContactTimeline else "company_id"
    return [first, "occurred_at", "activity_id", "kind"]


def _mark_matched(session: Session, mine: ColumnElement[bool]) -> None:
    session.execute(
        update(Activity)
        .where(Activity.id.in_(select(Participant.activity_id).where(mine)), Activity.is_matched.is_(False))
        .values(is_matched=True)
    )


def _companies_of(session: Session, *conditions: ColumnElement[bool]) -> set[int]:
    rows = session.scalars(
        select(Participant.company_id).where(*conditions, Participant.company_id.is_not(None)).distinct()
    )
    return {company_id for company_id in rows if company_id is not None}


def _rebuild_companies(session: Session, company_ids: Iterable[int | None]) -> None:
    for company_id in company_ids:
        if company_id is not None:
            session.execute(delete(CompanyTimeline).where(CompanyTimeline.company_id == company_id))
            _extend_company(session, company_id)
