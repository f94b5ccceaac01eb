"""Contacts and companies that an undone run had made go again, unless something else has come to them since (Y3).

That is: a person changed them, decided about them or wrote something of them; another entry tells of them; or history
of them came since. Such a client stays as it is, with all that the run said of it. What mailboxes have of those that
go is owed a removal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session

from terracrm.domain.client_slots import BLANK
from terracrm.domain.contact_merge import LISTS, SCALARS, Snapshot, identity
from terracrm.models import (
    Activity,
    Company,
    CompanyTimeline,
    Contact,
    ContactTimeline,
    FieldChange,
    Link,
    SyncRun,
)
from terracrm.services import company_records, field_history, kept_out, links, mirror_contacts, outbox
from terracrm.services.field_history import UNDO
from terracrm.services.outbox import CLIENTS
from terracrm.services.purged_clients import by_hand
from terracrm.services.undo_act import BY_HAND, CHANGED, COMPANY, CONTACT, HISTORY, PEOPLE, TOLD, Act, PutBack, thing_of


def take_out_contacts(act: Act) -> set[int]:
    """The contacts that the run made; their ids, also of those that stay."""
    session = act.session
    made = session.scalars(_made(act, Contact)).all()
    ids = [contact.id for contact in made]
    theirs = by_hand(session, CONTACT, ids)
    for contact in made:
        thing, reason = thing_of(contact), _why_contact_stays(act, contact, theirs)
        if reason:
            act.keep(thing, reason)
            continue
        _let_go(act, contact)
        mirror_contacts.forget(session, act.policy, contact)
        act.effect.gone.append(thing)
    return set(ids)


def made_companies(act: Act) -> set[int]:
    """The companies that the run made."""
    return {company.id for company in act.session.scalars(_made(act, Company))}


def take_out_companies(act: Act) -> None:
    """The companies that the run made, now that their people are where they were."""
    session = act.session
    for company in session.scalars(_made(act, Company)).all():
        thing, reason = thing_of(company), _why_company_stays(act, company)
        if reason:
            act.keep(thing, reason)
            continue
        company_records.drop(session, act.policy, company)
        act.effect.gone.append(thing)


def let_go_of_entries(act: Act, but: Collection[int]) -> None:
    """The entries of contacts folders that the run met first and that told of clients who were here, are not known any
    more: where all is put back that they changed. `but` are the contacts that the run made."""
    session = act.session
    mine = Link.mailbox_id == act.mailbox.id, Link.entity == CONTACT
    of_run = (*mine, Link.run_id == act.run.id, Link.rule != CLIENTS)
    told = set(session.scalars(select(Link.local_id).where(*of_run))) - set(but)
    for contact_id in sorted(told):
        contact = session.get(Contact, contact_id)
        own = session.scalars(select(Link).where(*mine, Link.local_id == contact_id).order_by(Link.id)).all()
        entries = _met_first(act, own)
        if contact is None or not entries or act.kept_fields(thing_of(contact)):
            continue
        _leave_out(act, entries)
        act.effect.copies += 1


def forget_what_was_told(act: Act, done: Iterable[PutBack]) -> None:
    """What people said on cards and is not so any more is no source of it (S4)."""
    for each in done:
        if each.thing.entity != CONTACT or each.field not in (*SCALARS, *LISTS):
            continue
        for link in links.of(act.session, CONTACT, each.thing.id, act.mailbox.id):
            if link.rule == CLIENTS and link.told and link.told.get(each.field):
                link.told = _untold(link.told, each)
    act.session.flush()


def _untold(told: Snapshot, each: PutBack) -> Snapshot | None:
    if each.field in LISTS:
        before = {identity(each.field, entry) for entry in field_history.as_entries(each.before) or ()}
        left = [entry for entry in told[each.field] if identity(each.field, entry) in before]
        found = told | {each.field: left}
    else:
        found = told | ({each.field: ""} if told[each.field] == each.now else {})
    return found if any(found.values()) else None


def _made(act: Act, model: Any) -> Any:
    mine = model.created_by_run_id == act.run.id, model.created_by_mailbox_id == act.mailbox.id
    return select(model).where(*mine, model.created_at >= act.run.started_at).order_by(model.id)


def _why_contact_stays(act: Act, contact: Contact, theirs: Collection[int]) -> str:
    """Why a contact that the run made stays; "" when nothing speaks for it."""
    session = act.session
    if contact.id in theirs or contact.merged_into_id is not None:
        return BY_HAND
    if _is_changed_since(act, CONTACT, contact.id):
        return CHANGED
    found = session.scalars(select(Link).where(Link.entity == CONTACT, Link.local_id == contact.id)).all()
    own = [link for link in found if link.mailbox_id == act.mailbox.id]
    met = {link.id for link in _met_first(act, own)}
    if any(link.id not in met and _tells(link) for link in found):
        return TOLD
    since = ContactTimeline.contact_id == contact.id, Activity.created_at >= contact.created_at
    return HISTORY if _has_history(session, ContactTimeline, *since) else ""


def _why_company_stays(act: Act, company: Company) -> str:
    session = act.session
    if company.merged_into_id is not None or company.notes or by_hand(session, COMPANY, [company.id]):
        return BY_HAND
    if _is_changed_since(act, COMPANY, company.id):
        return CHANGED
    if session.scalar(select(exists().where(Contact.company_id == company.id))):
        return PEOPLE
    since = CompanyTimeline.company_id == company.id, Activity.created_at >= company.created_at
    return HISTORY if _has_history(session, CompanyTimeline, *since) else ""


def _is_changed_since(act: Act, entity: str, id_: int) -> bool:
    """Whether anything but this run, and runs that were undone themselves, changed it."""
    undone = select(SyncRun.id).where(SyncRun.undone_at.is_not(None))
    other = or_(FieldChange.run_id.is_(None), and_(FieldChange.run_id != act.run.id, FieldChange.run_id.not_in(undone)))
    mine = FieldChange.entity == entity, FieldChange.entity_id == id_, FieldChange.source != UNDO
    return bool(act.session.scalar(select(exists().where(*mine, other))))


def _has_history(session: Session, timeline: Any, *which: ColumnElement[bool]) -> bool:
    is_since = exists().where(timeline.activity_id == Activity.id, *which)
    return bool(session.scalar(select(is_since)))


def _met_first(act: Act, own: Iterable[Link]) -> list[Link]:
    """The entries of the mailbox that the run was the first to meet, wherever they have moved since."""
    rows = [link for link in own if link.rule != CLIENTS or link.match_method != links.WRITTEN]
    first: dict[str, int | None] = {}
    for link in sorted(rows, key=lambda link: link.id):
        first.setdefault(_content(link), link.run_id)
    return [link for link in rows if first[_content(link)] == act.run.id]


def _content(link: Link) -> str:
    return link.content_hash or f"{link.rule}:{link.id}"


def _tells(link: Link) -> bool:
    """Whether a person says something of the contact with this item; what we wrote ourselves says nothing."""
    if link.rule != CLIENTS:
        return bool(link.base) and link.base != BLANK
    return link.match_method != links.WRITTEN or bool(link.told and BLANK | link.told != BLANK)


def _let_go(act: Act, contact: Contact) -> None:
    """The mailbox knows nothing of the contact any more. Cards that carry what we wrote are taken out of Outlook."""
    outbox.touch_contacts(act.session, [contact.id], UNDO)
    own = links.of(act.session, CONTACT, contact.id, act.mailbox.id)
    _leave_out(act, [link for link in own if link.rule != CLIENTS or not (link.key or link.written or link.card)])


def _leave_out(act: Act, entries: Iterable[Link]) -> None:
    rows = list(entries)
    act.leave_out((link.folder_id, link.remote_id, kept_out.of_contact(link.content_hash)) for link in rows)
    for link in rows:
        act.session.delete(link)
    act.session.flush()
