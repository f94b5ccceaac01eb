"""One decision for all mail of a sender, past and to come, which can be taken back (M2)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select, true
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy, normalise
from terracrm.errors import Forbidden, InvalidInput, NotFound
from terracrm.models import AuditEntry, Company, Contact, SenderDecision, User
from terracrm.services import access, audit, correspondents, history, suggestions
from terracrm.services import sender_effects as effects
from terracrm.services.access import Viewer
from terracrm.services.matching import BY_ADDRESS, BY_DECISION, IGNORE, match
from terracrm.services.sender_effects import Effects
from terracrm.services.sources import lock_directory

DECIDED, UNDONE = "sender.decide", "sender.undo"
ENTITY = "sender"
FASTER = "Somebody has decided about this sender already: see what, and take that back first if it is wrong."
SHOWN = 100


class AlreadyDecided(InvalidInput):
    """Somebody was faster: the sender has been decided about, or has become known, meanwhile."""


@dataclass(frozen=True, slots=True)
class ToContact:
    """The sender is this contact, who gets the address."""

    contact_id: int


@dataclass(frozen=True, slots=True)
class NewContact:
    """The sender is somebody new, in the company of `company_id`, else in that of the address's domain.

    A domain that tells a company and is nobody's makes a company of that name, as it does for people from the mail.
    """

    name: str
    company_id: int | None = None


@dataclass(frozen=True, slots=True)
class ToCompany:
    """The sender belongs to this company; with `takes_domain` so do all who write from its domain."""

    company_id: int
    takes_domain: bool = False


@dataclass(frozen=True, slots=True)
class Ignore:
    """The sender is nobody to know: it leaves the tray. Somebody who gets to be known is matched nevertheless."""


Choice = ToContact | NewContact | ToCompany | Ignore


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided of an address; `name` is that of the contact or company, "" where the viewer sees none."""

    address: str
    decision: str
    contact_id: int | None
    company_id: int | None
    name: str
    who: str
    decided_at: datetime


def decide(session: Session, policy: DomainPolicy, viewer: Viewer, address: str, choice: Choice) -> Decided:
    """Decide who a sender is: all its mail follows at once, and what comes.

    Raises Forbidden for a role that changes no clients, NotFound for a sender, contact or company that the viewer
    does not see, AlreadyDecided when somebody was faster, and InvalidInput for a name that is none.
    """
    require_right(viewer)
    address = normalise(address)
    if not correspondents.is_known_to(session, viewer, address):
        raise NotFound("There is no such sender.")
    lock_directory(session, for_writing=True)
    made = _claim(session, viewer, policy, address, choice)
    done = Effects(made.decision)
    if isinstance(choice, ToContact):
        done.contact_id = effects.contact(session, viewer, choice.contact_id).id
    elif isinstance(choice, NewContact):
        done.contact_id = done.new_contact = effects.add_contact(
            session, policy, viewer, done, address, choice.name, choice.company_id
        )
    elif isinstance(choice, ToCompany):
        done.company_id = effects.company(session, viewer, choice.company_id).id
        if choice.takes_domain:
            effects.give_domain(session, policy, viewer, done, done.company_id, address)
    made.contact_id, made.company_id = done.contact_id, done.company_id
    if done.contact_id is not None:
        done.added_address = effects.give_address(session, policy, viewer, done.contact_id, address)
    session.flush()
    history.link_addresses(session, [address])
    suggestions.collect_past(session, policy, address)
    audit.record(session, viewer.signs_as, DECIDED, ENTITY, made.id, f"{address} {json.dumps(asdict(done))}")
    return _decided(session, viewer, SenderDecision.id == made.id)[0]


def undo(session: Session, policy: DomainPolicy, viewer: Viewer, address: str) -> None:
    """Take a decision back: what it changed is as before, and the sender's mail is matched anew.

    A contact or company that it made goes, unless something else has come to it since. Raises NotFound when nothing
    was decided, or not for this viewer.
    """
    require_right(viewer)
    address = normalise(address)
    lock_directory(session, for_writing=True)
    if of_address(session, viewer, address) is None:
        raise NotFound("Nothing was decided about this sender, or somebody has taken it back meanwhile.")
    made = session.scalars(select(SenderDecision).where(SenderDecision.address == address)).one()
    done, decision_id, contact_id = _effects(session, made), made.id, made.contact_id
    session.delete(made)
    session.flush()
    if done.added_address and contact_id is not None:
        effects.take_address(session, viewer, contact_id, address)
    history.link_addresses(session, [address])
    if done.new_contact is not None:
        effects.drop_contact(session, done.new_contact)
    effects.take_domain_back(session, policy, viewer, done)
    audit.record(session, viewer.signs_as, UNDONE, ENTITY, decision_id, address)


def of_address(session: Session, viewer: Viewer, address: str) -> Decided | None:
    """What was decided of an address, for who may read its mail, made the decision or sees whom it names."""
    address = normalise(address)
    found = _decided(session, viewer, SenderDecision.address == address)
    if not found and correspondents.is_known_to(session, viewer, address):
        found = _decided(session, viewer, SenderDecision.address == address, sees_all=True)
    return found[0] if found else None


def newest(session: Session, viewer: Viewer) -> list[Decided]:
    """The newest decisions: one's own, and those about clients whom the viewer sees."""
    access.require_content(viewer)
    return _decided(session, viewer)


def require_right(viewer: Viewer) -> None:
    """Raise Forbidden for a role that changes no clients."""
    if not viewer.decides:
        raise Forbidden("This role does not decide who a sender is.")


def _decided(session: Session, viewer: Viewer, *only: ColumnElement[bool], sees_all: bool = False) -> list[Decided]:
    contact = select(Contact.id, Contact.display_name).where(access.contacts(viewer)).subquery()
    company = select(Company.id, Company.name).where(access.companies(viewer)).subquery()
    mine = or_(SenderDecision.user_id == viewer.user_id, contact.c.id.is_not(None), company.c.id.is_not(None))
    rows = (
        select(
            SenderDecision.address,
            SenderDecision.decision,
            contact.c.id,
            company.c.id,
            func.coalesce(contact.c.display_name, company.c.name, ""),
            func.coalesce(func.nullif(User.full_name, ""), User.name, ""),
            SenderDecision.decided_at,
        )
        .outerjoin(contact, contact.c.id == SenderDecision.contact_id)
        .outerjoin(company, company.c.id == SenderDecision.company_id)
        .outerjoin(User, User.id == SenderDecision.user_id)
        .where(*only, true() if sees_all or viewer.sees_all else mine)
        .order_by(SenderDecision.decided_at.desc(), SenderDecision.id.desc())
        .limit(SHOWN)
    )
    return [Decided(*row) for row in session.execute(rows)]


def _claim(session: Session, viewer: Viewer, policy: DomainPolicy, address: str, choice: Choice) -> SenderDecision:
    """The decision's row, of which there can be one for an address: who writes it first decides."""
    if session.scalar(select(SenderDecision.id).where(SenderDecision.address == address)) is not None:
        raise AlreadyDecided(FASTER)
    if match(session, policy, [address])[address].method in (BY_ADDRESS, BY_DECISION):
        raise AlreadyDecided("This sender has become known meanwhile: nothing is left to decide.")
    words = {ToContact: "contact", NewContact: "contact", ToCompany: "company", Ignore: IGNORE}
    made = SenderDecision(address=address, decision=words[type(choice)], user_id=viewer.signs_as)
    try:
        session.add(made)
        session.flush()
    except IntegrityError:
        raise AlreadyDecided(FASTER) from None
    return made


def _effects(session: Session, made: SenderDecision) -> Effects:
    """What the decision changed, from the audit log; nothing for a decision that it does not know."""
    detail = session.scalar(
        select(AuditEntry.detail)
        .where(AuditEntry.action == DECIDED, AuditEntry.entity == ENTITY, AuditEntry.entity_id == made.id)
        .order_by(AuditEntry.id.desc())
        .limit(1)
    )
    # The address comes first, and may have braces itself.
    return Effects(**json.loads(detail[detail.rindex("{") :])) if detail else Effects(made.decision)
