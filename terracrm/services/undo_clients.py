"""Contacts and companies that an undone run had made go again, unless something else has come to them since (Y3).

That is: a person changed them, decided about them or wrote something of them; another entry tells of them; or history
of them came since. Such a client stays as it is, with all that the run said of it. What mailboxes have of those that
go is owed a removal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session, selectinload

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

AT_ONCE = 200  # clients that go by the same statements
Client = TypeVar("Client", Contact, Company)


def take_out_contacts(act: Act) -> set[int]:
    """The contacts that the run made; their ids, also of those that stay."""
    session = act.session
    made = session.scalars(
        _made(act, Contact).options(
            selectinload(Contact.addresses), selectinload(Contact.phones), selectinload(Contact.postal_addresses)
        )
    ).all()
    for some in _parts(_going(act, made, _why_contacts_stay)):
        _let_go(act, [contact.id for contact in some])
        act.effect.gone += map(thing_of, some)
        mirror_contacts.forget(session, act.policy, some)
    return {contact.id for contact in made}


def made_companies(act: Act) -> set[int]:
    """The companies that the run made."""
    return {company.id for company in act.session.scalars(_made(act, Company))}


def take_out_companies(act: Act) -> None:
    """The companies that the run made, now that their people are where they were."""
    made = act.session.scalars(_made(act, Company).options(selectinload(Company.domains))).all()
    for some in _parts(_going(act, made, _why_companies_stay)):
        act.effect.gone += map(thing_of, some)
        company_records.drop(act.session, act.policy, some)


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


def _parts(clients: Sequence[Client]) -> Iterator[Sequence[Client]]:
    return (clients[start : start + AT_ONCE] for start in range(0, len(clients), AT_ONCE))


def _going(act: Act, made: Sequence[Client], why: Callable[[Act, Sequence[Client]], Mapping[int, str]]) -> list[Client]:
    """Those of these clients for whom nothing speaks, told before any of them goes; of the others it is noted."""
    stay = {id_: reason for some in _parts(made) for id_, reason in why(act, some).items()}
    for client in made:
        if client.id in stay:
            act.keep(thing_of(client), stay[client.id])
    return [client for client in made if client.id not in stay]


def _why_contacts_stay(act: Act, contacts: Sequence[Contact]) -> dict[int, str]:
    """Why contacts that the run made stay, by their ids; those go for whom nothing speaks. The first reason counts."""
    ids = [contact.id for contact in contacts]
    is_one_of = ContactTimeline.contact_id.in_(ids), ContactTimeline.contact_id == Contact.id
    merged = {contact.id for contact in contacts if contact.merged_into_id is not None}
    return {
        **dict.fromkeys(_with_history(act.session, Contact, ContactTimeline, *is_one_of), HISTORY),
        **dict.fromkeys(_told_otherwise(act, ids), TOLD),
        **dict.fromkeys(_changed_since(act, CONTACT, ids), CHANGED),
        **dict.fromkeys(by_hand(act.session, CONTACT, ids) | merged, BY_HAND),
    }


def _why_companies_stay(act: Act, companies: Sequence[Company]) -> dict[int, str]:
    """The same of companies."""
    ids = [company.id for company in companies]
    is_one_of = CompanyTimeline.company_id.in_(ids), CompanyTimeline.company_id == Company.id
    with_people = act.session.scalars(select(Contact.company_id).where(Contact.company_id.in_(ids)))
    theirs = {company.id for company in companies if company.merged_into_id is not None or company.notes}
    return {
        **dict.fromkeys(_with_history(act.session, Company, CompanyTimeline, *is_one_of), HISTORY),
        **dict.fromkeys((id_ for id_ in with_people if id_ is not None), PEOPLE),
        **dict.fromkeys(_changed_since(act, COMPANY, ids), CHANGED),
        **dict.fromkeys(by_hand(act.session, COMPANY, ids) | theirs, BY_HAND),
    }


def _changed_since(act: Act, entity: str, ids: Collection[int]) -> set[int]:
    """Those of these that anything but this run, and runs that were undone themselves, changed."""
    undone = select(SyncRun.id).where(SyncRun.undone_at.is_not(None))
    other = or_(FieldChange.run_id.is_(None), and_(FieldChange.run_id != act.run.id, FieldChange.run_id.not_in(undone)))
    mine = FieldChange.entity == entity, FieldChange.entity_id.in_(ids), FieldChange.source != UNDO
    return set(act.session.scalars(select(FieldChange.entity_id).where(*mine, other).distinct()))


def _with_history(session: Session, model: Any, timeline: Any, *is_one_of: ColumnElement[bool]) -> set[int]:
    """Those of these clients of which there is history that came after them."""
    since = Activity.id == timeline.activity_id, Activity.created_at >= model.created_at
    return set(session.scalars(select(model.id).where(*is_one_of, *since).distinct()))


def _told_otherwise(act: Act, ids: Collection[int]) -> set[int]:
    """Those of these contacts of whom an item tells that the run was not the first to meet."""
    found: dict[int, list[Link]] = defaultdict(list)
    for link in act.session.scalars(select(Link).where(Link.entity == CONTACT, Link.local_id.in_(ids))):
        found[link.local_id].append(link)
    return {id_ for id_, items in found.items() if _is_told_otherwise(act, items)}


def _is_told_otherwise(act: Act, items: Collection[Link]) -> bool:
    met = {link.id for link in _met_first(act, [link for link in items if link.mailbox_id == act.mailbox.id])}
    return any(link.id not in met and _tells(link) for link in items)


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


def _let_go(act: Act, contact_ids: Sequence[int]) -> None:
    """The mailbox knows nothing of the contacts any more. Cards that carry what we wrote are taken out of Outlook."""
    outbox.touch_contacts(act.session, contact_ids, UNDO)
    mine = Link.entity == CONTACT, Link.local_id.in_(contact_ids), Link.mailbox_id == act.mailbox.id
    own = act.session.scalars(select(Link).where(*mine).order_by(Link.local_id, Link.id))
    _leave_out(act, [link for link in own if link.rule != CLIENTS or not (link.key or link.written or link.card)])


def _leave_out(act: Act, entries: Iterable[Link]) -> None:
    rows = list(entries)
    act.leave_out((link.folder_id, link.remote_id, kept_out.of_contact(link.content_hash)) for link in rows)
    for link in rows:
        act.session.delete(link)
    act.session.flush()
