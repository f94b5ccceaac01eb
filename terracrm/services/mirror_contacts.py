"""Entries of Outlook's contacts folders become Contacts, and their company names Companies (M1, P2).

The entry of the same person in another mailbox is found by any of its addresses, and a moved entry by its
content. The first entry fills what is empty; after that each mailbox changes what it changed (per field).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, exists, or_, select
from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy, normalise
from terracrm.domain.client_merge import card_of
from terracrm.domain.client_slots import BLANK
from terracrm.domain.contact_merge import (
    LISTS,
    SCALARS,
    Snapshot,
    identity,
    list_changes,
    retracted_entries,
    retracted_scalars,
    scalar_changes,
)
from terracrm.domain.names import company_key, name_key
from terracrm.domain.records import ContactRecord, Role
from terracrm.models import (
    Company,
    Conflict,
    Contact,
    ContactAddress,
    FieldChange,
    Link,
    Participant,
    SenderDecision,
)
from terracrm.services import (
    company_records,
    contact_data,
    field_history,
    history,
    links,
    merge_privacy,
    merged,
    plans,
    returning,
    search,
    untold,
)
from terracrm.services.company_records import company_by_domain
from terracrm.services.contact_data import index, texts
from terracrm.services.field_history import (
    COMMAND,
    MAIL,
    MAILBOX,
    PORTAL,
    SUGGESTION,
    Change,
    Origin,
    forget_changes,
    of_mailbox,
)
from terracrm.services.outbox import CLIENTS
from terracrm.services.sources import Source, lock_directory

ENTITY: Final = "contact"
FROM_FOLDER = "contacts_folder"
FROM_MAIL = "sent_mail"
FROM_TRAY = "tray"
# What became a contact by these has another source than a card.
WITHOUT_A_CARD = (FROM_MAIL, FROM_TRAY)
BY_HAND = (PORTAL, COMMAND, SUGGESTION)


def store(session: Session, source: Source, remote_id: str, version: str, record: ContactRecord) -> bool:
    """Take in one entry of a contacts folder; whether anything changed. The link keeps it as the new base."""
    lock_directory(session, for_writing=True)
    new = card_of(record, "")
    digest = content_hash(new)
    link = links.find(session, source.mailbox_id, remote_id)
    if link is None:
        contact, method = _same_person(session, source, record, digest)
        if contact is not None:
            returning.take_back(session, source, contact)
        link = links.add(session, source, ENTITY, contact.id if contact else 0, remote_id, FROM_FOLDER, method)
    else:
        contact = merged.survivor(session, session.get(Contact, link.local_id))
    changed = contact is None or link.content_hash != digest
    if contact is None:
        contact = add(session, source, FROM_FOLDER)
        link.base = None
        link.local_id = contact.id
    if changed:
        apply(session, source, contact, link.base, new)
    link.version, link.content_hash, link.base, link.gone_at = version, digest, new, None
    session.flush()
    return changed


def apply(
    session: Session,
    source: Source,
    contact: Contact,
    base: Snapshot | None,
    new: Snapshot,
    origin: Origin | None = None,
) -> None:
    """Change the contact by what the entry says now, against what it said before: the origin, unless one is given."""
    values: dict[str, Any] = dict(scalar_changes(base, texts(contact), new))
    values |= {field: _merged(contact, field, base, new) for field in LISTS}
    contact_data.change(session, origin or of_mailbox(source), source.policy, contact, values)


def add_from_mail(session: Session, source: Source, address: str, name: str) -> Contact:
    """A new contact for somebody we wrote to (S7), in the company of the address's domain."""
    contact = add(session, source, FROM_MAIL)
    domain, origin = source.policy.company_domain(address), of_mailbox(source, MAIL)
    with field_history.creating(session, origin, contact):
        contact.display_name = _written_name(name) or _signed_name(session, address) or address
        contact.name_key = name_key(contact.display_name)
        contact.addresses.append(ContactAddress(address=address, written=address, domain=domain, label="1"))
        session.flush()
        if domain:
            contact.company_id = company_by_domain(session, origin, domain).id
    history.link_addresses(session, [address])
    index(session, contact)
    return contact


def nameless(session: Session, addresses: Iterable[str]) -> list[Contact]:
    """The contacts that mail made of these addresses and that are still called by them."""
    query = select(Contact).join(ContactAddress).where(ContactAddress.address.in_(list(addresses)))
    called = query.where(ContactAddress.address == Contact.display_name, Contact.created_by_rule == FROM_MAIL)
    return list(session.scalars(called))


def name_from_mail(session: Session, source: Source, names: Mapping[str, str]) -> None:
    """Call contacts that are called by their address by the name that they write under."""
    for contact in nameless(session, names):
        if name := _written_name(names[contact.display_name]):
            with field_history.recording(session, of_mailbox(source, MAIL), contact):
                contact.display_name, contact.name_key = name, name_key(name)
            index(session, contact)


def links_of(session: Session, source: Source, record: ContactRecord) -> list[Link]:
    """The links of this mailbox to entries of the same content."""
    return links.by_content(session, source.mailbox_id, ENTITY, content_hash(card_of(record, "")))


def match(session: Session, source: Source, record: ContactRecord) -> Contact | None:
    """Whose entry this is, by its addresses or by what an entry of this mailbox said."""
    return _same_person(session, source, record, content_hash(card_of(record, "")))[0]


def withdraw(session: Session, source: Source, link: Link) -> None:
    """The entry became private: nothing that only it said stays, and without another source no contact (S4).

    What mail told of the person, or the entry of another mailbox, is not private.
    """
    contact = session.get(Contact, link.local_id)
    before = links.of(session, ENTITY, link.local_id)
    links.withdraw(session, [link])
    if contact is not None:
        left = links.of(session, ENTITY, contact.id)
        withdrawn = [known.base for known in before if known not in left and known.base]
        take_back(session, source, contact, withdrawn, set())


def take_back(
    session: Session,
    source: Source,
    contact: Contact,
    withdrawn: list[Snapshot],
    fields: Collection[str],
    kept: Collection[tuple[str, int]] = (),
) -> bool:
    """What was withdrawn may not stay where nobody else says it; without another source the contact is forgotten (S4).

    What was here before, or what others said, is there again. `fields` are further fields of which no change may be
    remembered, `kept` the contact and the companies that are there by a person's decision, as entity and id. Whether
    the contact is forgotten.
    """
    said = {field for field in (*SCALARS, *LISTS) for base in withdrawn if base.get(field)}
    merge_privacy.forget_shared(session, contact.id, {*said, *fields})
    names = {str(base["company_name"]) for base in withdrawn}
    companies = _named([contact.company, *merge_privacy.forget_contact(session, contact)], contact.company, names)
    links.forget_agreed(session, ENTITY, contact.id)
    plans.forget(session, ENTITY, [contact.id])
    others = _told_elsewhere(session, contact)
    is_known = bool(others) or contact.created_by_rule in WITHOUT_A_CARD or _is_made_here(session, contact)
    is_known = is_known or (ENTITY, contact.id) in kept
    is_forgotten = not is_known and not known_otherwise(session, contact)
    if is_forgotten:
        forget(session, source.policy, [contact])
    else:
        _retract(session, source, contact, withdrawn, others, fields)
    for company in companies:
        if ("company", company.id) in kept or company_records.withdraw(session, source.policy, company, names):
            for base in withdrawn:
                _untell_company(session, source, company, base)
    search.forget_words(session)
    return is_forgotten


def known_otherwise(session: Session, contact: Contact) -> set[str]:
    """The addresses by which mail or a person's decision made this contact known, or one that was merged into it."""
    told = {contact.addresses[0].address} if contact.created_by_rule in WITHOUT_A_CARD and contact.addresses else set()
    return told | merge_privacy.known_otherwise(session, contact)


def _named(companies: list[Company | None], own: Company | None, names: set[str]) -> list[Company]:
    """The contact's own company, and of the others those that were named so."""
    keys = {company_key(name) for name in names}
    return list(dict.fromkeys(c for c in companies if c is not None and (c is own or c.name_key in keys)))


def _told_elsewhere(session: Session, contact: Contact) -> list[tuple[int, Snapshot]]:
    """What other items say of a contact, with their mailboxes; of a card that we wrote, what its people said."""
    told = (
        (link.mailbox_id, BLANK | (link.told or {}) if link.rule == CLIENTS else link.base)
        for link in links.of(session, ENTITY, contact.id)
    )
    return [(mailbox_id, said) for mailbox_id, said in told if said and said != BLANK]


def _is_made_here(session: Session, contact: Contact) -> bool:
    """Whether a person made the contact in the CRM, or what was merged into it, or changed there what is said of it.

    An address that it got by a decision on a sender is no more than that decision, which ends with the contact.
    """
    ids = [contact.id, *merged.absorbed(session, ENTITY, contact.id)]
    by_hand = exists().where(Contact.id.in_(ids), Contact.created_by_mailbox_id.is_(None))
    if session.scalar(select(by_hand)):
        return True
    mine = FieldChange.entity == ENTITY, FieldChange.entity_id == contact.id, FieldChange.source.in_(BY_HAND)
    changes = session.execute(
        select(FieldChange.field, FieldChange.old, FieldChange.new).where(
            *mine, FieldChange.field.in_((*SCALARS, *LISTS))
        )
    ).all()
    decided = set(session.scalars(select(SenderDecision.address).where(SenderDecision.contact_id == contact.id)))
    return any(field != "emails" or not _given(old, new) <= decided for field, old, new in changes)


def _given(old: str, new: str) -> set[str]:
    """The addresses that a change of the e-mail addresses gave, or a mark that it did something else."""
    before, after = field_history.as_entries(old) or [], field_history.as_entries(new) or []
    if any(entry not in after for entry in before):
        return {""}
    return {normalise(entry["address"]) for entry in after if entry not in before}


def _retract(
    session: Session,
    source: Source,
    contact: Contact,
    withdrawn: list[Snapshot],
    others: list[tuple[int, Snapshot]],
    fields: Collection[str],
) -> None:
    before = {entry.address for entry in contact.addresses}
    said = [told for _, told in others]
    forgotten = {name for name in (*SCALARS, *LISTS) for base in withdrawn if base[name]} | set(fields)
    is_theirs = contact.created_by_mailbox_id == source.mailbox_id and contact.created_by_rule not in WITHOUT_A_CARD
    left = untold.without(session, contact, forgotten, source.mailbox_id, withdrawn, is_theirs=is_theirs)
    changes = retracted_scalars(texts(contact), withdrawn, said, left)
    with field_history.unrecorded(session, contact):
        contact_data.set_scalars(contact, changes)
        for field in LISTS:
            gone = retracted_entries(field, withdrawn, said) - {identity(field, each) for each in left.get(field, ())}
            if field == "emails":
                gone -= known_otherwise(session, contact)
            rows = getattr(contact, contact_data.ROWS[field])
            for row in [row for row in rows if identity(field, field_history.entry(row)) in gone]:
                rows.remove(row)
        contact_data.name(contact)
        session.flush()
        addresses = [entry.address for entry in contact.addresses]
        mine = Participant.contact_id == contact.id
        history.rematch(session, source.policy, mine, Participant.address.not_in(addresses))
        history.unlink_addresses(session, before - set(addresses))
        contact_data.settle_company(session, of_mailbox(source), contact, renamed="company_name" in changes)
    for name in [name for name, value in changes.items() if value != left[name]]:
        # The next of whom this is withdrawn is told by the log.
        by = next(mailbox_id for mailbox_id, told in others if told[name] == changes[name])
        news = Change(contact, name, left[name], changes[name])
        field_history.record(session, Origin(MAILBOX, mailbox_id=by), [news])
    if "company_name" in forgotten:
        forget_changes(session, ENTITY, [contact.id], FieldChange.field == "company")
    _forget_conflicts(session, [contact.id], Conflict.field.in_(forgotten))
    index(session, contact)


def forget(session: Session, policy: DomainPolicy, contacts: Sequence[Contact]) -> None:
    """Contacts go with all that is remembered of them; their mail is matched anew."""
    ids = [contact.id for contact in contacts]
    before = {entry.address for contact in contacts for entry in contact.addresses}
    for contact in contacts:
        contact.addresses.clear()
    session.execute(delete(SenderDecision).where(SenderDecision.contact_id.in_(ids)))
    session.flush()
    history.rematch(session, policy, Participant.contact_id.in_(ids))
    history.unlink_addresses(session, before)
    history.forget_topics(session, ENTITY, ids)
    forget_changes(session, ENTITY, ids)
    _forget_conflicts(session, ids)
    merge_privacy.drop(session, ENTITY, ids)
    search.remove(session, "contact_search", ids)
    for contact in contacts:
        session.delete(contact)
    session.flush()


def _forget_conflicts(session: Session, contact_ids: Collection[int], *only: ColumnElement[bool]) -> None:
    """What both sides said of contacts must leave no trace either."""
    mine = Conflict.entity == ENTITY, Conflict.entity_id.in_(contact_ids)
    session.execute(delete(Conflict).where(*mine, *only))


def content_hash(entry: Snapshot) -> str:
    """What tells a changed entry from the same one with a new version."""
    return hashlib.sha1(json.dumps(entry, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def _same_person(session: Session, source: Source, record: ContactRecord, digest: str) -> tuple[Contact | None, str]:
    addresses = [found for entry in record.emails if (found := normalise(entry.address))]
    person = session.scalar(
        select(Contact)
        .join(ContactAddress)
        .where(ContactAddress.address.in_(addresses), Contact.archived_at.is_(None))
        .order_by(Contact.id)
        .limit(1)
    )
    if person is not None:
        return person, "address"
    moved = links.by_content(session, source.mailbox_id, ENTITY, digest)
    if moved:
        return session.get(Contact, moved[0].local_id), "content"
    back = returning.find(session, source, addresses)
    return back, "address" if back else ""


def _written_name(name: str) -> str:
    """The name that a mail gives to an address; "" where it only repeats an address."""
    return "" if "@" in name else name.strip()


def _signed_name(session: Session, address: str) -> str:
    """The name under which this address wrote what is here already."""
    wrote = Participant.address == address, Participant.role == Role.FROM, Participant.name != ""
    names = session.scalars(select(Participant.name).where(*wrote).order_by(Participant.activity_id).limit(5))
    return next((found for name in names if (found := _written_name(name))), "")


def add(session: Session, source: Source, rule: str) -> Contact:
    """A contact that comes into being by an item of a mailbox, without a name yet."""
    contact = Contact(
        display_name="",
        name_key="",
        owner_id=source.owner_id,
        team_id=source.team_id,
        created_by_mailbox_id=source.mailbox_id,
        created_by_run_id=source.run_id,
        created_by_rule=rule,
    )
    session.add(contact)
    session.flush()
    return contact


def _untell_company(session: Session, source: Source, company: Company, withdrawn: Snapshot) -> None:
    """What a withdrawn card said of the company goes, unless another of its people's cards says it, too."""
    told = {
        "city": {entry["city"] for entry in withdrawn["postal_addresses"]} - {""},
        "website": {withdrawn["website"]} - {""},
        "phone": {entry["number"].strip() for entry in withdrawn["phones"]} - {""},
    }
    with field_history.unrecorded(session, company):
        for field, values in told.items():
            setattr(company, field, "" if getattr(company, field) in values else getattr(company, field))
            said = or_(FieldChange.old.in_(values), FieldChange.new.in_(values))
            forget_changes(session, "company", [company.id], FieldChange.field == field, said)
        session.flush()
        for person in session.scalars(select(Contact).where(Contact.company_id == company.id)).all():
            contact_data.tell_company(session, of_mailbox(source), person)


def _merged(contact: Contact, field: str, base: Snapshot | None, new: Snapshot) -> list[Mapping[str, Any]]:
    """What a list field becomes: what is there, without what the entry took out and with what it added or labelled."""
    added, removed = list_changes(field, base[field] if base else (), new[field])
    there = {identity(field, entry): entry for entry in contact_data.entries(contact, field)}
    kept: dict[str, Mapping[str, Any]] = {found: entry for found, entry in there.items() if found not in removed}
    for found, entry in added.items():
        if found not in kept:
            kept[found] = entry
        elif base is not None:
            kept[found] = {**kept[found], "label": entry["label"]}
    return list(kept.values())
