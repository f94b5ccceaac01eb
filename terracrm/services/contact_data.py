"""Changing what is known of a contact, from wherever that comes, with all that follows from it (P2).

A change of contact data is recorded; the company that the contact belongs to, the history of its addresses, the search
and the cards in all mailboxes follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy, normalise
from terracrm.domain.contact_merge import LISTS, SCALARS, TEXTS, birthday_of, identity
from terracrm.domain.names import display_name, e164, name_key
from terracrm.models import Company, Contact, ContactAddress, ContactPhone, ContactPostalAddress
from terracrm.services import field_history, history, search
from terracrm.services.company_records import company_for, own_domains
from terracrm.services.field_history import Change, Origin

ROWS: Final = {"emails": "addresses", "phones": "phones", "postal_addresses": "postal_addresses"}
Entry = Mapping[str, Any]


def change(session: Session, origin: Origin, policy: DomainPolicy, contact: Contact, values: Mapping[str, Any]) -> None:
    """Give a contact these values, of SCALARS and LISTS as in a snapshot, and let all follow that follows.

    A list is given whole and in order: what it does not have goes. A contact that has no name yet comes into being.
    """
    local = texts(contact)
    scalars = {field: values[field] for field in SCALARS if field in values and values[field] != local[field]}
    before = {row.address for row in contact.addresses}
    how = field_history.recording if contact.display_name else field_history.creating
    with how(session, origin, contact):
        set_scalars(contact, scalars)
        for field in LISTS:
            if field in values:
                set_list(policy, contact, field, values[field])
        name(contact)
        session.flush()
        settle_company(session, origin, contact, renamed="company_name" in scalars)
    tell_company(session, origin, contact)
    now = {row.address for row in contact.addresses}
    history.link_addresses(session, now)
    history.unlink_addresses(session, before - now)
    index(session, contact)


def texts(contact: Contact) -> dict[str, str]:
    """The single-valued fields as an entry of Outlook says them."""
    birthday = contact.birthday.isoformat() if contact.birthday else ""
    return {field: getattr(contact, field) or "" for field in TEXTS} | {"birthday": birthday}


def entries(contact: Contact, field: str) -> list[dict[str, str]]:
    """A list field as an entry of Outlook says it, in its order."""
    return field_history.entries(getattr(contact, ROWS[field]))


def set_scalars(contact: Contact, values: Mapping[str, str]) -> None:
    """Set these single-valued fields, and nothing else."""
    for field, value in values.items():
        setattr(contact, field, birthday_of(value) if field == "birthday" else value)


def name(contact: Contact) -> None:
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


def settle_company(session: Session, origin: Origin, contact: Contact, renamed: bool) -> None:
    """Put the contact into the company that it names, or else that of its addresses' domains; its history follows."""
    domains = [entry.domain for entry in contact.addresses]
    if contact.company_id is not None and not renamed:
        if contact.company_name:
            own_domains(session, origin, session.get_one(Company, contact.company_id), domains)
        return
    company = company_for(session, origin, contact.company_name, domains)
    old, contact.company_id = contact.company_id, company.id if company else None
    session.flush()
    if old != contact.company_id:
        history.move_contact(session, contact.id, old, contact.company_id)


def tell_company(session: Session, origin: Origin, contact: Contact) -> None:
    """What a card says of the company itself fills what is not known of it yet."""
    company = session.get(Company, contact.company_id) if contact.company_id else None
    if company is None:
        return
    business = next((entry for entry in contact.postal_addresses if entry.label == "business"), None)
    told = {
        "city": business.city if business else "",
        "website": contact.website,
        "phone": next((entry.number for entry in contact.phones if entry.label == "company_main"), ""),
    }
    news = {field: value for field, value in told.items() if value and not getattr(company, field)}
    for field, value in news.items():
        setattr(company, field, value)
    session.flush()
    field_history.record(session, origin, [Change(company, field, "", value) for field, value in news.items()])


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


def set_list(policy: DomainPolicy, contact: Contact, field: str, wanted: Iterable[Entry]) -> None:
    """The rows become these entries; who was there already keeps its row."""
    rows = getattr(contact, ROWS[field])
    by_identity = {found: entry for entry in wanted if (found := identity(field, entry))}
    there: dict[str, Any] = {}
    for row in list(rows):
        found = identity(field, field_history.entry(row))
        if found in by_identity and found not in there:
            there[found] = row
        else:
            rows.remove(row)
    for position, (found, entry) in enumerate(by_identity.items()):
        made = _MAKE[field](policy, entry)
        if row := there.get(found):
            for column in _COLUMNS[field]:
                setattr(row, column, getattr(made, column))
        else:
            row = made
            rows.append(row)
        row.position = position


def _make_address(policy: DomainPolicy, entry: Entry) -> ContactAddress:
    address = normalise(entry["address"])
    domain = policy.company_domain(address)
    return ContactAddress(address=address, domain=domain, written=entry["address"].strip(), label=entry["label"])


def _make_phone(_: DomainPolicy, entry: Entry) -> ContactPhone:
    return ContactPhone(number=entry["number"].strip(), e164=e164(entry["number"]), label=entry["label"])


def _make_postal(_: DomainPolicy, entry: Entry) -> ContactPostalAddress:
    return ContactPostalAddress(**{column: entry[column] for column in _COLUMNS["postal_addresses"]})


_COLUMNS: Final = {
    "emails": ("address", "domain", "written", "label"),
    "phones": ("number", "e164", "label"),
    "postal_addresses": ("label", "street", "city", "region", "postal_code", "country"),
}
_MAKE: Final[dict[str, Callable[[DomainPolicy, Entry], Any]]] = {
    "emails": _make_address,
    "phones": _make_phone,
    "postal_addresses": _make_postal,
}
