"""What a decision about a sender changes besides itself, and how that is taken back (M2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.names import name_key
from terracrm.errors import InvalidInput, NotFound
from terracrm.models import (
    ActivityTopic,
    Company,
    CompanyDomain,
    Contact,
    ContactAddress,
    ContactSuggestion,
    FieldChange,
    Link,
    Merge,
    Participant,
    SenderDecision,
)
from terracrm.services import (
    access,
    company_records,
    contact_data,
    field_history,
    history,
    mirror_contacts,
    search,
    suggestions,
)
from terracrm.services.access import Viewer
from terracrm.services.field_history import forget_changes, of_viewer
from terracrm.services.matching import is_live, match_outside

MAX_NAME = 200


@dataclass(slots=True)
class Effects:
    """What a decision changed besides itself, kept in the audit log to be taken back."""

    decision: str
    contact_id: int | None = None
    company_id: int | None = None
    added_address: bool = False
    new_contact: int | None = None
    new_company: int | None = None
    claimed_domain: str = ""
    domain_company: int | None = None
    adopted: list[int] = field(default_factory=list)


def contact(session: Session, viewer: Viewer, contact_id: int) -> Contact:
    """A contact that mail can be matched to and that the viewer sees; NotFound else."""
    found = session.scalar(select(Contact).where(Contact.id == contact_id, access.contacts(viewer), is_live()))
    if found is None:
        raise NotFound("There is no such contact.")
    return found


def company(session: Session, viewer: Viewer, company_id: int) -> Company:
    """A company that mail can be matched to and that the viewer sees; NotFound else."""
    live = Company.merged_into_id.is_(None), Company.archived_at.is_(None)
    found = session.scalar(select(Company).where(Company.id == company_id, access.companies(viewer), *live))
    if found is None:
        raise NotFound("There is no such company.")
    return found


def add_contact(
    session: Session,
    policy: DomainPolicy,
    viewer: Viewer,
    done: Effects,
    address: str,
    name: str,
    company_id: int | None,
) -> int:
    """A new contact of the viewer's, in a company or else in that of the address's domain; its id."""
    name = " ".join(name.split())[:MAX_NAME]
    if not name_key(name):
        raise InvalidInput("Say what the new contact is called.")
    if company_id is not None:
        company_id = company(session, viewer, company_id).id
    elif domain := policy.company_domain(address):
        by_domain = match_outside(session, {address: domain})[address].company_id
        company_id = by_domain or _add_company(session, policy, viewer, done, address)
    made = Contact(
        display_name=name,
        name_key=name_key(name),
        company_id=company_id,
        owner_id=viewer.signs_as,
        team_id=viewer.team_id,
        created_by_rule=mirror_contacts.FROM_TRAY,
    )
    with field_history.creating(session, of_viewer(viewer), made):
        session.add(made)
    return made.id


def give_domain(
    session: Session, policy: DomainPolicy, viewer: Viewer, done: Effects, company_id: int, address: str
) -> None:
    """Give a company the domain of an address, if it tells a company and is nobody's yet."""
    domain = policy.company_domain(address)
    if not domain or session.get(CompanyDomain, domain) is not None:
        return
    homeless = set(session.scalars(select(Contact.id).where(Contact.company_id.is_(None))))
    company_records.own_domains(session, of_viewer(viewer), session.get_one(Company, company_id), [domain])
    of_company = session.scalars(select(Contact.id).where(Contact.company_id == company_id))
    done.claimed_domain, done.domain_company = domain, company_id
    done.adopted = sorted(homeless & set(of_company))


def take_domain_back(session: Session, policy: DomainPolicy, viewer: Viewer, done: Effects) -> None:
    """The domain that a company was given goes, and so does the company if it was made for that."""
    owned = session.get(CompanyDomain, done.claimed_domain) if done.claimed_domain else None
    if owned is None or owned.company_id != done.domain_company:
        return
    owner = owned.company
    adopted = select(Contact).where(Contact.id.in_(done.adopted), Contact.company_id == owner.id)
    for person in session.scalars(adopted).all():
        with field_history.recording(session, of_viewer(viewer), person):
            person.company_id = None
        history.move_contact(session, person.id, owner.id, None)
    if owner.id == done.new_company and not _is_used(session, owner):
        company_records.drop(session, policy, [owner])
        return
    with field_history.recording(session, of_viewer(viewer), owner):
        owner.domains.remove(owned)
    history.unlink_domain(session, done.claimed_domain)
    company_records.index(session, owner)


def _add_company(session: Session, policy: DomainPolicy, viewer: Viewer, done: Effects, address: str) -> int:
    """A company named by the domain, until somebody says its name."""
    name = policy.company_domain(address)
    made = company_records.add_company(session, of_viewer(viewer), name, mirror_contacts.FROM_TRAY)
    done.new_company = made.id
    give_domain(session, policy, viewer, done, made.id, address)
    return made.id


def _is_used(session: Session, company: Company) -> bool:
    """Whether a company that a decision made has come to more than that."""
    uses = (
        select(Contact.id).where(Contact.company_id == company.id),
        select(SenderDecision.id).where(SenderDecision.company_id == company.id),
        select(ActivityTopic.id).where(ActivityTopic.entity == "company", ActivityTopic.entity_id == company.id),
        _merges("company", company.id),
        _edits("company", company.id, "domains"),
    )
    is_changed = company.notes or [company.name] != [owned.domain for owned in company.domains]
    return bool(is_changed) or _any(session, uses)


def give_address(session: Session, policy: DomainPolicy, viewer: Viewer, contact_id: int, address: str) -> bool:
    """Add the address to the contact's; whether it was not among them yet."""
    person = session.get_one(Contact, contact_id)
    if any(entry.address == address for entry in person.addresses):
        return False
    position = max((entry.position for entry in person.addresses), default=-1) + 1
    domain = policy.company_domain(address)
    with field_history.recording(session, of_viewer(viewer), person):
        person.addresses.append(
            ContactAddress(address=address, written=address, domain=domain, label="other", position=position)
        )
    contact_data.index(session, person)
    return True


def take_address(session: Session, viewer: Viewer, contact_id: int, address: str) -> None:
    """Take the address from the contact's, if it is still among them."""
    person = session.get(Contact, contact_id)
    if person is None:
        return
    with field_history.recording(session, of_viewer(viewer), person):
        for entry in [entry for entry in person.addresses if entry.address == address]:
            person.addresses.remove(entry)
    contact_data.index(session, person)


def drop_contact(session: Session, contact_id: int) -> None:
    """A contact that a decision made goes, unless something else has come to it."""
    person = session.get(Contact, contact_id)
    if person is None or person.addresses or person.phones or person.notes or person.merged_into_id:
        return
    uses = (
        select(Link.id).where(Link.entity == "contact", Link.local_id == contact_id),
        select(Participant.activity_id).where(Participant.contact_id == contact_id),
        select(SenderDecision.id).where(SenderDecision.contact_id == contact_id),
        select(ContactSuggestion.id).where(
            ContactSuggestion.contact_id == contact_id, ContactSuggestion.state != suggestions.OPEN
        ),
        select(ActivityTopic.id).where(ActivityTopic.entity == "contact", ActivityTopic.entity_id == contact_id),
        _merges("contact", contact_id),
        _edits("contact", contact_id, "emails", "company"),
    )
    if _any(session, uses):
        return
    forget_changes(session, "contact", [contact_id])
    search.remove(session, "contact_search", [contact_id])
    session.delete(person)
    session.flush()


def _any(session: Session, queries: Iterable[Select[int]]) -> bool:
    return any(session.scalar(query.limit(1)) is not None for query in queries)


def _merges(entity: str, id_: int) -> Select[int]:
    return select(Merge.id).where(Merge.entity == entity, or_(Merge.winner_id == id_, Merge.loser_id == id_))


def _edits(entity: str, id_: int, *own: str) -> Select[int]:
    """What was changed of a client, but the fields that the decision itself changes."""
    mine = FieldChange.entity == entity, FieldChange.entity_id == id_
    return select(FieldChange.id).where(*mine, FieldChange.field.not_in((field_history.CREATED, *own)))
