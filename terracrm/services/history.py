"""The relationship history kept in step with what is known of people: timelines and past participants.

Nothing depends on the order of arrival: mail that came before its contact, or before what a person decided of its
sender, joins the history when that is known (M2), and two mailboxes in any order give the same timelines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Subquery, and_, delete, exists, insert, or_, select, union, update
from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.topics import COMPANY, CONTACT
from terracrm.models import (
    Activity,
    ActivityTopic,
    Company,
    CompanyTimeline,
    Contact,
    ContactAddress,
    ContactTimeline,
    Participant,
    SenderDecision,
)
from terracrm.services import inheritance, skipped, touches
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
    """These addresses came to a contact, or a decision about them was made or taken back: all their past mail follows.

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
    of_contact = select(ContactTimeline.activity_id).where(ContactTimeline.contact_id == contact_id)
    shared = select(ContactAddress.address).where(ContactAddress.contact_id == contact_id)
    _match_anew(session, Participant.address.in_(shared), Participant.match_method == AMBIGUOUS)
    refresh(session, session.scalars(of_contact).all())


def move_company(session: Session, old_company: int, new_company: int) -> None:
    """One company was found to be another: all its history goes there, and what was said to be about it."""
    of_company = select(CompanyTimeline.activity_id).where(CompanyTimeline.company_id == old_company)
    moved = session.scalars(of_company).all()
    session.execute(update(Participant).where(Participant.company_id == old_company).values(company_id=new_company))
    session.execute(
        update(SenderDecision).where(SenderDecision.company_id == old_company).values(company_id=new_company)
    )
    inheritance.hand_over(session, (COMPANY, old_company), (COMPANY, new_company))
    refresh(session, moved)


def forget_topics(session: Session, entity: str, entity_ids: Collection[int]) -> None:
    """Contacts or companies go: nothing is about them any more."""
    refresh(session, inheritance.forget(session, entity, entity_ids))


def inherit(session: Session, threads: Collection[int]) -> None:
    """Messages joined or left these conversations: what they inherit follows (M3)."""
    for ids in chunks(sorted(inheritance.settle(session, threads))):
        _write_timelines(session, ids)


def rematch(session: Session, policy: DomainPolicy, *mine: ColumnElement[bool]) -> None:
    """Match these participants anew, after the contact, address or domain that they were found by has gone."""
    found = _people_of(session, *mine)
    _settle(session, found, match(session, policy, {row.address for row in found}), *mine)


def refresh(session: Session, activity_ids: Collection[int]) -> None:
    """Write the timelines of these activities anew, after their time, participants or topics changed.

    And those of the others in their conversations that inherit something else now (M3).
    """
    for ids in chunks(sorted(activity_ids)):
        _write_timelines(session, ids)
    for ids in chunks(sorted(inheritance.settle_around(session, sorted(activity_ids)))):
        _write_timelines(session, ids)


def _write_timelines(session: Session, ids: Sequence[int]) -> None:
    touches.activities(session, ids)
    for timeline, owners in ((ContactTimeline, _contacts_of(ids)), (CompanyTimeline, _companies_of(ids))):
        session.execute(delete(timeline).where(timeline.activity_id.in_(ids)))
        rows = select(owners.c.owner_id, Activity.occurred_at, Activity.id, Activity.kind).join(
            owners, owners.c.activity_id == Activity.id
        )
        columns = [next(iter(timeline.__table__.primary_key)).name, "occurred_at", "activity_id", "kind"]
        session.execute(insert(timeline).from_select(columns, rows))
    known = or_(
        exists().where(ContactTimeline.activity_id == Activity.id),
        exists().where(CompanyTimeline.activity_id == Activity.id),
    )
    session.execute(update(Activity).where(Activity.id.in_(ids)).values(is_matched=known))
    touches.activities(session, ids)


def _contacts_of(ids: Sequence[int]) -> Subquery:
    """The contacts that took part in these activities, or that they are about; each once."""
    took_part = select(Participant.contact_id.label("owner_id"), Participant.activity_id)
    about = select(Contact.id, ActivityTopic.activity_id).join(Contact, Contact.id == ActivityTopic.entity_id)
    return union(
        took_part.where(Participant.activity_id.in_(ids), Participant.contact_id.is_not(None)),
        about.where(ActivityTopic.activity_id.in_(ids), ActivityTopic.entity == CONTACT),
    ).subquery()


def _companies_of(ids: Sequence[int]) -> Subquery:
    """The companies whose people took part in these activities, or that they are about, themselves or as a person."""
    took_part = select(Participant.company_id.label("owner_id"), Participant.activity_id)
    about = select(Company.id, ActivityTopic.activity_id).join(Company, Company.id == ActivityTopic.entity_id)
    person = select(Contact.company_id, ActivityTopic.activity_id).join(Contact, Contact.id == ActivityTopic.entity_id)
    return union(
        took_part.where(Participant.activity_id.in_(ids), Participant.company_id.is_not(None)),
        about.where(ActivityTopic.activity_id.in_(ids), ActivityTopic.entity == COMPANY),
        person.where(
            ActivityTopic.activity_id.in_(ids), ActivityTopic.entity == CONTACT, Contact.company_id.is_not(None)
        ),
    ).subquery()


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
    refresh(session, activities)
