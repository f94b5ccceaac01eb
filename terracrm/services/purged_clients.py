"""What a purged mailbox said of people and companies goes, as if it had never been read (S15).

A contact stays that something else tells of: an entry of another mailbox, mail of another mailbox that would have made
it, or a person, who made it, changed it or decided about it. Then only what this mailbox alone said of it goes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, true
from sqlalchemy.orm import Session, aliased

from terracrm.config import Settings
from terracrm.domain.addresses import is_no_reply
from terracrm.domain.client_slots import BLANK
from terracrm.domain.contact_merge import Snapshot
from terracrm.domain.records import Role
from terracrm.models import (
    Activity,
    ActivityTopic,
    Company,
    Conflict,
    Contact,
    ContactAddress,
    FieldChange,
    Link,
    Mailbox,
    Merge,
    Message,
    MirrorFolder,
    OutboxItem,
    Participant,
    SenderDecision,
    Task,
)
from terracrm.services import company_records, history, links, mirror_contacts, mirror_mail, outbox
from terracrm.services.company_records import BY_DOMAIN
from terracrm.services.field_history import COMMAND, CONFLICT, MERGE, PORTAL, SUGGESTION
from terracrm.services.matching import chunks, match
from terracrm.services.mirror_contacts import ENTITY, FROM_FOLDER, FROM_MAIL, FROM_TRAY
from terracrm.services.sources import Source, lock_directory, source_of

COMPANY = "company"
BY_HAND = (PORTAL, COMMAND, SUGGESTION, CONFLICT, MERGE)
MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Told:
    """Mail of another mailbox that makes an address known (S7)."""

    address: str
    name: str
    mailbox_id: int
    folder_id: int
    run_id: int | None


def candidates(session: Session, mailbox_id: int) -> list[int]:
    """The contacts that a mailbox tells of, or brought."""
    linked = select(Link.local_id).where(Link.mailbox_id == mailbox_id, Link.entity == ENTITY)
    brought = Contact.created_by_mailbox_id == mailbox_id
    return list(session.scalars(select(Contact.id).where(or_(Contact.id.in_(linked), brought)).order_by(Contact.id)))


def take_back(
    session: Session, settings: Settings, mailbox: Mailbox, source: Source, contact_ids: Collection[int]
) -> int:
    """What only this mailbox told of these contacts goes; how many of them stay."""
    lock_directory(session, for_writing=True)
    theirs = by_hand(session, ENTITY, contact_ids)
    stay = 0
    for contact_id in sorted(contact_ids):
        contact = session.get(Contact, contact_id)
        if contact is not None:
            _take_back(session, settings, mailbox, source, contact, contact_id in theirs)
            session.flush()
    for some in chunks(sorted(contact_ids)):
        stay += session.scalar(select(func.count(Contact.id)).where(Contact.id.in_(some))) or 0
    return stay


def settle_companies(session: Session, mailbox: Mailbox, source: Source) -> None:
    """The companies that this mailbox brought are nobody's without people, else of who tells of them now."""
    lock_directory(session, for_writing=True)
    brought = session.scalars(select(Company).where(Company.created_by_mailbox_id == mailbox.id)).all()
    theirs = by_hand(session, COMPANY, [company.id for company in brought])
    for company in brought:
        person = session.scalar(
            select(Contact)
            .where(Contact.company_id == company.id)
            .order_by(Contact.created_by_mailbox_id.is_(None), Contact.id)
            .limit(1)
        )
        if person is not None and person.created_by_mailbox_id is not None and company.id not in theirs:
            company.created_by_mailbox_id, company.created_by_run_id = (
                person.created_by_mailbox_id,
                person.created_by_run_id,
            )
            if company_records.is_named_by_domain(company):
                company.created_by_rule = BY_DOMAIN
        elif person is not None or company.id in theirs or company.notes:
            company.created_by_mailbox_id = company.created_by_run_id = None
        else:
            company_records.drop(session, source.policy, [company])
    session.flush()


def _take_back(
    session: Session, settings: Settings, mailbox: Mailbox, source: Source, contact: Contact, is_by_hand: bool
) -> None:
    """Forget what the mailbox says of a contact; the contact goes when nothing else tells of it."""
    said = _said(links.of(session, ENTITY, contact.id, mailbox.id))
    _let_go(session, mailbox, contact)
    mails = _mails(session, settings, mailbox, [entry.address for entry in contact.addresses])
    other = next((link for link in links.of(session, ENTITY, contact.id) if _said([link])), None)
    is_brought, company_id = contact.created_by_mailbox_id == mailbox.id, contact.company_id
    kept = {(COMPANY, id_) for id_ in by_hand(session, COMPANY, [company_id] if company_id else [])}
    if is_by_hand:
        kept.add((ENTITY, contact.id))
    is_told = not is_brought or is_by_hand or other is not None or bool(mails)
    is_forgotten = False
    if said or not is_told:
        if is_brought and not is_by_hand:
            contact.created_by_rule = FROM_FOLDER  # what mail of this mailbox made known is not known otherwise
            session.flush()
        is_forgotten = mirror_contacts.take_back(session, source, contact, said, set(), kept)
    if is_brought and not is_forgotten:
        _credit(session, contact, is_by_hand, other, mails)
    for mail in mails:
        if match(session, source.policy, [mail.address])[mail.address].may_become_contact:
            mirror_contacts.add_from_mail(session, _source_of(session, settings, mail), mail.address, mail.name)
    if company_id is not None:
        _give_up_domains(session, company_id, (COMPANY, company_id) in kept)


def _let_go(session: Session, mailbox: Mailbox, contact: Contact) -> None:
    """The mailbox knows nothing of the contact any more, and is owed nothing of it."""
    mine = Link.mailbox_id == mailbox.id, Link.entity == ENTITY, Link.local_id == contact.id
    session.execute(delete(Link).where(*mine))
    owed = OutboxItem.mailbox_id == mailbox.id, OutboxItem.entity == outbox.CONTACT
    session.execute(delete(OutboxItem).where(*owed, OutboxItem.local_id == contact.id))
    session.flush()


def _said(mine: Iterable[Link]) -> list[Snapshot]:
    """What the mailbox's people said: their entries, and what they added to cards of ours."""
    found = (BLANK | (link.told or {}) if link.rule == outbox.CLIENTS else link.base for link in mine)
    return [said for said in found if said and said != BLANK]


def _credit(session: Session, contact: Contact, is_by_hand: bool, other: Link | None, mails: list[Told]) -> None:
    """Say what else made a contact known (invariant 11): a person, the entry of another mailbox, or its mail."""
    if is_by_hand:
        contact.created_by_mailbox_id = contact.created_by_run_id = None
    elif other is not None:
        contact.created_by_rule = FROM_FOLDER
        contact.created_by_mailbox_id, contact.created_by_run_id = other.mailbox_id, other.run_id
    elif mails:
        contact.created_by_rule = FROM_MAIL
        contact.created_by_mailbox_id, contact.created_by_run_id = mails[0].mailbox_id, mails[0].run_id
    session.flush()


def _source_of(session: Session, settings: Settings, mail: Told) -> Source:
    mailbox = session.get_one(Mailbox, mail.mailbox_id)
    return source_of(settings, mailbox, session.get_one(MirrorFolder, mail.folder_id), mail.run_id or 0)


def _mails(session: Session, settings: Settings, mailbox: Mailbox, addresses: Iterable[str]) -> list[Told]:
    """The first mail of another mailbox that would have made a contact of each of these addresses (S7)."""
    choice = func.coalesce(func.nullif(Mailbox.create_contacts, ""), settings.mirror.create_contacts)
    is_sent = and_(Activity.direction == "out", Participant.role.in_((Role.TO, Role.CC, Role.BCC)), choice != "off")
    is_received = and_(Activity.direction == "in", Participant.role == Role.FROM, choice == "all")
    people = aliased(Participant)
    many = select(func.count()).where(people.activity_id == Activity.id).correlate(Activity).scalar_subquery()
    query = (
        select(Participant.address, Participant.name, Link.mailbox_id, Link.folder_id, Link.run_id)
        .join(Activity, Activity.id == Participant.activity_id)
        .join(Message, Message.activity_id == Activity.id)
        .join(Link, and_(Link.entity == mirror_mail.ENTITY, Link.local_id == Activity.id))
        .join(Mailbox, Mailbox.id == Link.mailbox_id)
        .where(Link.mailbox_id != mailbox.id, or_(is_sent, is_received))
        .where(Message.is_bulk.is_(False), many <= mirror_mail.MANY_PEOPLE)
        .order_by(Activity.id, Participant.position, Link.id)
        .limit(1)
    )
    wanted = sorted({address for address in addresses if address and not is_no_reply(address)})
    found = [session.execute(query.where(Participant.address == address)).first() for address in wanted]
    return [Told(*row) for row in found if row is not None]


def _give_up_domains(session: Session, company_id: int, is_by_hand: bool) -> None:
    """A company has a domain by its people; without one of them who has it, it is free again."""
    company = session.get(Company, company_id)
    if company is None or is_by_hand:
        return
    of_people = select(ContactAddress.domain).join(Contact).where(Contact.company_id == company_id)
    left = set(session.scalars(of_people))
    free = [owned.domain for owned in company.domains if owned.domain not in left]
    if not free:
        return
    company.domains = [owned for owned in company.domains if owned.domain in left]
    session.flush()
    for domain in free:
        history.unlink_domain(session, domain)
    company_records.index(session, company)


def by_hand(session: Session, entity: str, ids: Collection[int]) -> set[int]:
    """Those of these that a person made, changed or decided about."""
    model: Any = Contact if entity == ENTITY else Company
    decided = SenderDecision.contact_id if entity == ENTITY else SenderDecision.company_id
    made = or_(model.created_by_mailbox_id.is_(None), model.created_by_rule == FROM_TRAY)
    changed = FieldChange.entity == entity, FieldChange.source.in_(BY_HAND)
    merge = Merge.entity == entity
    is_task = ActivityTopic.activity_id.in_(select(Task.activity_id))
    queries: tuple[tuple[Any, ColumnElement[bool]], ...] = (
        (model.id, made),
        (FieldChange.entity_id, and_(*changed)),
        (decided, true()),
        (Merge.winner_id, merge),
        (Merge.loser_id, merge),
        (ActivityTopic.entity_id, and_(ActivityTopic.entity == entity, or_(ActivityTopic.method == MANUAL, is_task))),
        (Conflict.entity_id, and_(Conflict.entity == entity, Conflict.user_id.is_not(None))),
    )
    found: set[int] = set()
    for some in chunks(sorted(ids)):
        for column, which in queries:
            found |= set(session.scalars(select(column).where(column.in_(some), which)))
    return found
