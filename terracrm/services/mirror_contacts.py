"""Entries of Outlook's contacts folders become Contacts, and their company names Companies (M1, P2).

The entry of the same person in another mailbox is found by any of its addresses, and a moved entry by its
content. The first entry fills what is empty; after that each mailbox changes what it changed (per field).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from terracrm.domain.addresses import normalise
from terracrm.domain.contact_merge import (
    LISTS,
    SCALARS,
    TEXTS,
    Snapshot,
    birthday_of,
    identity,
    list_changes,
    retracted_entries,
    retracted_scalars,
    scalar_changes,
    snapshot,
)
from terracrm.domain.names import company_key, display_name, e164, name_key
from terracrm.domain.records import ContactRecord, Role
from terracrm.models import (
    Company,
    Contact,
    ContactAddress,
    ContactPhone,
    ContactPostalAddress,
    FieldChange,
    Link,
    Participant,
    SenderDecision,
)
from terracrm.services import company_records, history, links, merge_privacy, merged, search
from terracrm.services.company_records import company_by_domain, company_for, own_domains
from terracrm.services.field_history import forget_changes, record_change
from terracrm.services.sources import Source, lock_directory

ENTITY: Final = "contact"
FROM_FOLDER = "contacts_folder"
FROM_MAIL = "sent_mail"
FROM_TRAY = "tray"
# What became a contact by these has another source than a card.
WITHOUT_A_CARD = (FROM_MAIL, FROM_TRAY)


def store(session: Session, source: Source, remote_id: str, version: str, record: ContactRecord) -> bool:
    """Take in one entry of a contacts folder; whether anything changed. The link keeps it as the new base."""
    lock_directory(session, for_writing=True)
    new = snapshot(record)
    digest = content_hash(new)
    link = links.find(session, source.mailbox_id, remote_id)
    if link is None:
        contact, method = _same_person(session, source, record, digest)
        link = links.add(session, source, ENTITY, contact.id if contact else 0, remote_id, FROM_FOLDER, method)
    else:
        contact = merged.survivor(session, session.get(Contact, link.local_id))
    changed = contact is None or link.content_hash != digest
    if contact is None:
        contact = _add(session, source, FROM_FOLDER)
        link.base = None
        link.local_id = contact.id
    if changed:
        apply(session, source, contact, link.base, new)
    link.version, link.content_hash, link.base, link.gone_at = version, digest, new, None
    session.flush()
    return changed


def apply(session: Session, source: Source, contact: Contact, base: Snapshot | None, new: Snapshot) -> None:
    """Change the contact by what the entry says now, against what it said before."""
    is_new = not contact.display_name
    before = {entry.address for entry in contact.addresses}
    local = texts(contact)
    changes = scalar_changes(base, local, new)
    _set(contact, changes)
    for field, value in changes.items():
        if not is_new:
            record_change(session, source, ENTITY, contact.id, field, local[field], value)
    for field in LISTS:
        _apply_list(session, source, contact, field, base, new, log=not is_new)
    _name(contact)
    session.flush()
    _settle_company(session, source, contact, renamed="company_name" in changes)
    _tell_company(session, contact)
    now = {entry.address for entry in contact.addresses}
    history.link_addresses(session, now)
    history.unlink_addresses(session, before - now)
    index(session, contact)


def add_from_mail(session: Session, source: Source, address: str, name: str) -> Contact:
    """A new contact for somebody we wrote to (S7), in the company of the address's domain."""
    contact = _add(session, source, FROM_MAIL)
    contact.display_name = _written_name(name) or _signed_name(session, address) or address
    contact.name_key = name_key(contact.display_name)
    domain = source.policy.company_domain(address)
    contact.addresses.append(ContactAddress(address=address, written=address, domain=domain, label="1"))
    session.flush()
    if domain:
        contact.company_id = company_by_domain(session, source, domain).id
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
            record_change(session, source, ENTITY, contact.id, "display_name", contact.display_name, name)
            contact.display_name, contact.name_key = name, name_key(name)
            index(session, contact)


def links_of(session: Session, source: Source, record: ContactRecord) -> list[Link]:
    """The links of this mailbox to entries of the same content."""
    return links.by_content(session, source.mailbox_id, ENTITY, content_hash(snapshot(record)))


def withdraw(session: Session, source: Source, link: Link) -> None:
    """The entry became private: nothing that only it said stays, and without another source no contact (S4).

    What mail told of the person, or the entry of another mailbox, is not private.
    """
    contact = session.get(Contact, link.local_id)
    before = links.of(session, ENTITY, link.local_id)
    links.withdraw(session, link)
    if contact is None:
        return
    left = links.of(session, ENTITY, contact.id)
    withdrawn = [known.base for known in before if known not in left and known.base]
    names = {str(base["company_name"]) for base in withdrawn}
    companies = _named([contact.company, *merge_privacy.forget_contact(session, contact)], contact.company, names)
    if left or contact.created_by_rule in WITHOUT_A_CARD or known_otherwise(session, contact):
        _retract(session, source, contact, withdrawn, [known.base for known in left if known.base])
    else:
        _forget(session, source, contact)
    for company in companies:
        if company_records.withdraw(session, source.policy, company, names):
            for base in withdrawn:
                _untell_company(session, company, base)


def known_otherwise(session: Session, contact: Contact) -> set[str]:
    """The addresses by which mail or a person's decision made this contact known, or one that was merged into it."""
    told = {contact.addresses[0].address} if contact.created_by_rule in WITHOUT_A_CARD and contact.addresses else set()
    return told | merge_privacy.known_otherwise(session, contact)


def _named(companies: list[Company | None], own: Company | None, names: set[str]) -> list[Company]:
    """The contact's own company, and of the others those that were named so."""
    keys = {company_key(name) for name in names}
    return list(dict.fromkeys(c for c in companies if c is not None and (c is own or c.name_key in keys)))


def _retract(
    session: Session, source: Source, contact: Contact, withdrawn: list[Snapshot], others: list[Snapshot]
) -> None:
    before = {entry.address for entry in contact.addresses}
    local = texts(contact)
    changes = retracted_scalars(local, withdrawn, others)
    forgotten = {name for name in SCALARS for base in withdrawn if base[name]}
    _set(contact, changes)
    for field in LISTS:
        gone = retracted_entries(field, withdrawn, others)
        if field == "emails":
            gone -= known_otherwise(session, contact)
        rows = getattr(contact, ROWS[field])
        for row in [row for row in rows if identity(field, _entry(field, row)) in gone]:
            rows.remove(row)
            forgotten.add(field)
    forget_changes(session, ENTITY, contact.id, FieldChange.field.in_(forgotten))
    _name(contact)
    session.flush()
    addresses = [entry.address for entry in contact.addresses]
    history.rematch(session, source.policy, Participant.contact_id == contact.id, Participant.address.not_in(addresses))
    history.unlink_addresses(session, before - set(addresses))
    _settle_company(session, source, contact, renamed="company_name" in changes)
    index(session, contact)


def _forget(session: Session, source: Source, contact: Contact) -> None:
    before = [entry.address for entry in contact.addresses]
    contact.addresses.clear()
    session.execute(delete(SenderDecision).where(SenderDecision.contact_id == contact.id))
    session.flush()
    history.rematch(session, source.policy, Participant.contact_id == contact.id)
    history.unlink_addresses(session, before)
    history.forget_topic(session, ENTITY, contact.id)
    forget_changes(session, ENTITY, contact.id)
    merge_privacy.drop(session, ENTITY, contact.id)
    search.remove(session, "contact_search", [contact.id])
    session.delete(contact)
    session.flush()


def content_hash(entry: Snapshot) -> str:
    """What tells a changed entry from the same one with a new version."""
    return hashlib.sha1(json.dumps(entry, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def index(session: Session, contact: Contact) -> None:
    """Make the contact found by name, company, position, addresses, phones and notes."""
    words = [
        contact.display_name,
        contact.given_name,
        contact.middle_name,
        contact.surname,
        contact.company_name,
        contact.job_title,
        contact.notes,
        *(entry.address for entry in contact.addresses),
        *(f"{entry.number} {entry.e164}" for entry in contact.phones),
        *(entry.city for entry in contact.postal_addresses),
    ]
    search.index_contacts(session, [(contact.id, " ".join(word for word in words if word))])


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
    return (session.get(Contact, moved[0].local_id), "content") if moved else (None, "")


def _written_name(name: str) -> str:
    """The name that a mail gives to an address; "" where it only repeats an address."""
    return "" if "@" in name else name.strip()


def _signed_name(session: Session, address: str) -> str:
    """The name under which this address wrote what is here already."""
    wrote = Participant.address == address, Participant.role == Role.FROM, Participant.name != ""
    names = session.scalars(select(Participant.name).where(*wrote).order_by(Participant.activity_id).limit(5))
    return next((found for name in names if (found := _written_name(name))), "")


def _add(session: Session, source: Source, rule: str) -> Contact:
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


def texts(contact: Contact) -> dict[str, str]:
    """The single-valued fields as an entry of Outlook says them."""
    birthday = contact.birthday.isoformat() if contact.birthday else ""
    return {name: getattr(contact, name) or "" for name in TEXTS} | {"birthday": birthday}


def _set(contact: Contact, values: Mapping[str, str]) -> None:
    for field, value in values.items():
        setattr(contact, field, birthday_of(value) if field == "birthday" else value)


def _name(contact: Contact) -> None:
    """A contact has a name, and be it an address or a number."""
    if not contact.display_name:
        addresses = [entry.written or entry.address for entry in contact.addresses]
        contact.display_name = display_name(
            contact.given_name,
            contact.middle_name,
            contact.surname,
            next((x for x in [contact.company_name, *addresses, *(p.number for p in contact.phones)] if x), "—"),
        )
    contact.name_key = name_key(contact.display_name)


def _settle_company(session: Session, source: Source, contact: Contact, renamed: bool) -> None:
    domains = [entry.domain for entry in contact.addresses]
    if contact.company_id is not None and not renamed:
        if contact.company_name:
            own_domains(session, session.get_one(Company, contact.company_id), domains)
        return
    company = company_for(session, source, contact.company_name, domains)
    old, contact.company_id = contact.company_id, company.id if company else None
    session.flush()
    if old != contact.company_id:
        history.move_contact(session, contact.id, old, contact.company_id)


def _tell_company(session: Session, contact: Contact) -> None:
    """What a card says of the company itself fills what is not known of it yet."""
    company = session.get(Company, contact.company_id) if contact.company_id else None
    if company is None:
        return
    business = next((entry for entry in contact.postal_addresses if entry.label == "business"), None)
    company.city = company.city or (business.city if business else "")
    company.website = company.website or contact.website
    main = next((entry.number for entry in contact.phones if entry.label == "company_main"), "")
    company.phone = company.phone or main
    session.flush()


def _untell_company(session: Session, company: Company, withdrawn: Snapshot) -> None:
    """What a withdrawn card said of the company goes, unless another of its people's cards says it, too."""
    cities = {entry["city"] for entry in withdrawn["postal_addresses"]}
    company.city = "" if company.city in cities else company.city
    company.website = "" if company.website == withdrawn["website"] else company.website
    phones = {entry["number"].strip() for entry in withdrawn["phones"]}
    company.phone = "" if company.phone in phones else company.phone
    session.flush()
    for person in session.scalars(select(Contact).where(Contact.company_id == company.id)).all():
        _tell_company(session, person)


def _apply_list(
    session: Session, source: Source, contact: Contact, field: str, base: Snapshot | None, new: Snapshot, log: bool
) -> None:
    rows = getattr(contact, ROWS[field])
    before = _line(field, rows)
    added, removed = list_changes(field, base[field] if base else (), new[field])
    known = {identity(field, _entry(field, row)): row for row in rows}
    for gone in removed & known.keys():
        rows.remove(known[gone])
    for found, entry in added.items():
        if found not in known:
            rows.append(_MAKE[field](source, entry))
        elif base is not None:
            known[found].label = entry["label"]
    for position, row in enumerate(rows):
        row.position = position
    if log:
        record_change(session, source, ENTITY, contact.id, field, before, _line(field, rows))


def _entry(field: str, row: Any) -> dict[str, str]:
    names = {"emails": ("address", "label"), "phones": ("number", "label"), "postal_addresses": POSTAL}[field]
    return {name: getattr(row, name) for name in names}


def _line(field: str, rows: list[Any]) -> str:
    return "; ".join(identity(field, _entry(field, row)) for row in rows)


def _make_address(source: Source, entry: Mapping[str, Any]) -> ContactAddress:
    address = normalise(entry["address"])
    domain = source.policy.company_domain(address)
    return ContactAddress(address=address, domain=domain, written=entry["address"].strip(), label=entry["label"])


def _make_phone(_: Source, entry: Mapping[str, Any]) -> ContactPhone:
    return ContactPhone(number=entry["number"].strip(), e164=e164(entry["number"]), label=entry["label"])


def _make_postal(_: Source, entry: Mapping[str, Any]) -> ContactPostalAddress:
    return ContactPostalAddress(**entry)


ROWS = {"emails": "addresses", "phones": "phones", "postal_addresses": "postal_addresses"}
POSTAL = ("label", "street", "city", "region", "postal_code", "country")
_MAKE: dict[str, Callable[[Source, Mapping[str, Any]], Any]] = {
    "emails": _make_address,
    "phones": _make_phone,
    "postal_addresses": _make_postal,
}
