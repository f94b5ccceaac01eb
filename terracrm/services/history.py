"""The relationship history kept in step with what is known of people: timelines and past participants.

Nothing depends on the order of arrival: mail that came before its contact, or before what a person decided of its
sender, joins the history when that is known (M2), and two mailboxes in any order give the same timelines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, delete, exists, insert, literal, select, update
from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy
from terracrm.models import (
    Activity,
    CompanyTimeline,
    ContactAddress,
    ContactTimeline,
    Participant,
    SenderDecision,
)
from terracrm.services import skipped
from terracrm.services.matching import AMBIGUOUS, BY_ADDRESS, INTERNAL, Match, chunks, match, match_outside


class _Known(NamedTuple):
    """Whom participants of one address are held for."""

    address: str
    domain: str
    contact_id: int | None
    company_id: int | None
    match_method: str

    def is_as(self, now: Match) -> bool:
        """Whether a match says the same."""
        return (self.contact_id, self.company_id, self.match_method) == (now.contact_id, now.company_id, now.method)


def link_addresses(session: Session, addresses: Collection[str]) -> None:
    """These addresses came to a contact, or something was decided of them: all their past mail follows.

    Mail of a contact that has given up its address since stays with that contact.
    """
    skipped.wake(session, addresses)
    wanted = [address for address in addresses if address]
    _match_anew(session, Participant.address.in_(wanted), ~_given_up())


def unlink_addresses(session: Session, addresses: Iterable[str]) -> None:
    """A contact gave up these addresses: where they were ambiguous and are no longer, their past mail follows.

    The mail that was this contact's alone stays with it.
    """
    wanted = [address for address in addresses if address]
    _match_anew(session, Participant.address.in_(wanted), Participant.match_method == AMBIGUOUS)


def release_addresses(session: Session, addresses: Iterable[str]) -> None:
    """Whose these addresses are was taken back: their past mail is matched as if that had never been said."""
    _match_anew(session, Participant.address.in_(list(addresses)))


def link_domain(session: Session, domain: str) -> None:
    """A domain came to a company: all its past mail follows whose sender belongs to no company yet."""
    skipped.wake(session, [f"@{domain}"])
    _match_anew(session, Participant.domain == domain, Participant.company_id.is_(None))


def unlink_domain(session: Session, domain: str) -> None:
    """A company gave up a domain: mail that was the company's by that only is matched anew."""
    _match_anew(session, Participant.domain == domain, ~_given_up())


def move_contact(session: Session, contact_id: int, old_company: int | None, new_company: int | None) -> None:
    """A contact went to another company: its history goes along."""
    session.execute(update(Participant).where(Participant.contact_id == contact_id).values(company_id=new_company))
    shared = select(ContactAddress.address).where(ContactAddress.contact_id == contact_id)
    _match_anew(session, Participant.address.in_(shared), Participant.match_method == AMBIGUOUS)
    if new_company is not None:
        _extend_company(session, new_company)
    if old_company is not None:
        _rebuild_companies(session, {old_company})


def move_company(session: Session, old_company: int, new_company: int) -> None:
    """One company was found to be another: all its history goes there."""
    session.execute(update(Participant).where(Participant.company_id == old_company).values(company_id=new_company))
    session.execute(
        update(SenderDecision).where(SenderDecision.company_id == old_company).values(company_id=new_company)
    )
    session.execute(delete(CompanyTimeline).where(CompanyTimeline.company_id == old_company))
    _extend_company(session, new_company)


def rematch(session: Session, policy: DomainPolicy, *mine: ColumnElement[bool]) -> None:
    """Match these participants anew, after the contact, address or domain that they were found by has gone."""
    found = _people_of(session, *mine)
    _settle(session, found, match(session, policy, {row.address for row in found}), *mine)


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


def _given_up() -> ColumnElement[bool]:
    """Whose contact had the address when the mail came, and has it no longer."""
    has_it = exists().where(
        ContactAddress.contact_id == Participant.contact_id, ContactAddress.address == Participant.address
    )
    return and_(Participant.match_method == BY_ADDRESS, ~has_it)


def _match_anew(session: Session, *mine: ColumnElement[bool]) -> None:
    """Match anew those of these participants who are from outside."""
    mine = (*mine, Participant.match_method != INTERNAL)
    found = _people_of(session, *mine)
    _settle(session, found, match_outside(session, {row.address: row.domain for row in found}), *mine)


def _people_of(session: Session, *mine: ColumnElement[bool]) -> Sequence[_Known]:
    columns = (getattr(Participant, name) for name in _Known._fields)
    return [_Known(*row) for row in session.execute(select(*columns).where(*mine).distinct())]


def _settle(
    session: Session, found: Sequence[_Known], matches: Mapping[str, Match], *mine: ColumnElement[bool]
) -> None:
    """Write down whom these participants are found to be, and the timelines that follow from it."""
    changed = {row.address for row in found if row.address in matches and not row.is_as(matches[row.address])}
    activities: set[int] = set()
    for address in sorted(changed):
        now, of_address = matches[address], (*mine, Participant.address == address)
        activities |= set(session.scalars(select(Participant.activity_id).where(*of_address)))
        session.execute(
            update(Participant)
            .where(*of_address)
            .values(contact_id=now.contact_id, company_id=now.company_id, match_method=now.method)
        )
    for ids in chunks(sorted(activities)):
        refresh(session, ids)


def _extend_company(session: Session, company_id: int) -> None:
    """Insert into a company's timeline what it lacks."""
    mine = Participant.company_id == company_id
    there = exists().where(CompanyTimeline.activity_id == Activity.id, CompanyTimeline.company_id == company_id)
    rows = (
        select(literal(company_id), Activity.occurred_at, Activity.id, Activity.kind)
        .join(Participant, Participant.activity_id == Activity.id)
        .where(mine, ~there)
        .distinct()
    )
    session.execute(insert(CompanyTimeline).from_select(_columns(CompanyTimeline), rows))
    with_company = select(Participant.activity_id).where(mine)
    session.execute(
        update(Activity).where(Activity.id.in_(with_company), Activity.is_matched.is_(False)).values(is_matched=True)
    )


def _columns(timeline: type[ContactTimeline | CompanyTimeline]) -> list[str]:
    first = "contact_id" if timeline is ContactTimeline else "company_id"
    return [first, "occurred_at", "activity_id", "kind"]


def _rebuild_companies(session: Session, company_ids: Iterable[int | None]) -> None:
    for company_id in company_ids:
        if company_id is not None:
            session.execute(delete(CompanyTimeline).where(CompanyTimeline.company_id == company_id))
            _extend_company(session, company_id)
