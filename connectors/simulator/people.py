"""Addresses and names inside items: recipients, contacts, distribution lists."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from connectors.simulator.schema import Element, add, drop, elements, local, make, put, t, text_of

if TYPE_CHECKING:
    from connectors.simulator.store import Store

_ADDRESS_ORDER = ("Name", "EmailAddress", "RoutingType", "MailboxType", "ItemId", "OriginalDisplayName")
_FILED_BY = frozenset({"FileAsMapping", "GivenName", "MiddleName", "Surname", "Generation", "CompanyName"})
_COMPLETE_NAME = (
    ("Title", None),
    ("FirstName", "GivenName"),
    ("MiddleName", "MiddleName"),
    ("LastName", "Surname"),
    ("Suffix", "Generation"),
    ("Initials", "Initials"),
    ("FullName", "DisplayName"),
    ("Nickname", "Nickname"),
    ("YomiFirstName", "PhoneticFirstName"),
    ("YomiLastName", "PhoneticLastName"),
)


def address(name: str, email: str, kind: str = "OneOff", *, tag: str = "Mailbox") -> Element:
    """A Mailbox element."""
    box = make(tag)
    add(box, "Name", name or email)
    add(box, "EmailAddress", email)
    add(box, "RoutingType", "SMTP")
    add(box, "MailboxType", kind)
    return box


def complete_address(store: Store, box: Element) -> None:
    """Fill the display name, routing type and mailbox type of an address, as the directory knows them."""
    email = text_of(box, "EmailAddress")
    known = store.mailboxes.find(email) if email else None
    if not text_of(box, "Name"):
        put(box, "Name", known.name if known else email)
    if email and not text_of(box, "RoutingType"):
        put(box, "RoutingType", "SMTP")
    if not text_of(box, "MailboxType"):
        put(box, "MailboxType", "Mailbox" if known else "OneOff")
    box[:] = sorted(elements(box), key=lambda child: _ADDRESS_ORDER.index(local(child)))


def addresses(element: Element, *names: str) -> list[str]:
    """The e-mail addresses in these recipient lists of an item, in order."""
    return [
        email
        for name in names
        for box in element.iterfind(f"{t(name)}//{t('Mailbox')}")
        if (email := text_of(box, "EmailAddress").strip())
    ]


def file_as(element: Element, mapping: str) -> str | None:
    """How a contact is filed under this FileAsMapping; None when the mapping says nothing about names."""
    first, last, middle, suffix, company, display = (
        text_of(element, name)
        for name in ("GivenName", "Surname", "MiddleName", "Generation", "CompanyName", "DisplayName")
    )
    given = " ".join(filter(None, (first, middle)))
    forms = {
        "LastCommaFirst": ", ".join(filter(None, (last, given))),
        "FirstSpaceLast": " ".join(filter(None, (first, middle, last, suffix))),
        "Company": company,
        "LastCommaFirstCompany": "\r\n".join(filter(None, (", ".join(filter(None, (last, given))), company))),
        "CompanyLastCommaFirst": "\r\n".join(filter(None, (company, ", ".join(filter(None, (last, given)))))),
        "LastFirst": "".join((last, given)),
        "LastFirstCompany": "\r\n".join(filter(None, (last + given, company))),
        "CompanyLastFirst": "\r\n".join(filter(None, (company, last + given))),
        "LastFirstSuffix": " ".join(filter(None, (last + given, suffix))),
        "LastSpaceFirst": " ".join(filter(None, (last, given))),
        "LastSpaceFirstCompany": "\r\n".join(filter(None, (" ".join(filter(None, (last, given))), company))),
        "CompanyLastSpaceFirst": "\r\n".join(filter(None, (company, " ".join(filter(None, (last, given)))))),
        "LastFirstMiddleSuffix": " ".join(filter(None, (last + first, middle, suffix))),
        "DisplayName": display,
        "FirstName": first,
        "LastName": last,
        "Empty": "",
    }
    return forms.get(mapping)


def complete_contact(element: Element, touched: frozenset[str] | None) -> None:
    """Names and the file-as line of a contact, and the e-mail entries as the server writes them.

    `touched` names what an update has changed; None for a new contact. A FileAs of the client's own stays.
    """
    if touched is None:
        _name_new_contact(element)
    elif touched & _FILED_BY and "FileAs" not in touched:
        filed = file_as(element, text_of(element, "FileAsMapping"))
        if filed:
            put(element, "FileAs", filed)
    if touched and "Birthday" in touched and element.find(t("Birthday")) is None:
        _bring_back_birthday(element)
    if element.find(t("PostalAddressIndex")) is None:
        add(element, "PostalAddressIndex", "None")
    _complete_name(element)
    for entry in element.iterfind(f"{t('EmailAddresses')}/{t('Entry')}"):
        if entry.text:
            entry.set("Name", entry.get("Name") or entry.text)
            entry.set("RoutingType", entry.get("RoutingType") or "SMTP")
            entry.set("MailboxType", entry.get("MailboxType") or "Contact")


def _bring_back_birthday(element: Element) -> None:
    """A birthday that Outlook wrote outlives the deletion of Birthday alone: it is in PidLidBirthdayLocal as well."""
    for held in element.iterfind(t("ExtendedProperty")):
        uri = held.find(t("ExtendedFieldURI"))
        if uri is not None and uri.get("DistinguishedPropertySetId") == "Address" and uri.get("PropertyId") == "32990":
            put(element, "Birthday", text_of(held, "Value"))


def _name_new_contact(element: Element) -> None:
    if element.find(t("DisplayName")) is None:
        names = (text_of(element, name) for name in ("GivenName", "MiddleName", "Surname", "Generation"))
        full = " ".join(filter(None, names)) or text_of(element, "CompanyName")
        if full:
            put(element, "DisplayName", full)
    if element.find(t("FileAs")) is None:
        if element.find(t("FileAsMapping")) is None:
            put(element, "FileAsMapping", "LastCommaFirst")
        filed = file_as(element, text_of(element, "FileAsMapping"))
        if filed is not None:
            put(element, "FileAs", filed or text_of(element, "DisplayName"))
    if not text_of(element, "Subject") and text_of(element, "DisplayName"):
        put(element, "Subject", text_of(element, "DisplayName"))


def _complete_name(element: Element) -> None:
    known = element.find(t("CompleteName"))
    title = text_of(known, "Title")
    drop(element, "CompleteName")
    name = make("CompleteName")
    if title:
        add(name, "Title", title)
    for part, source in _COMPLETE_NAME:
        if source and (text := text_of(element, source)):
            add(name, part, text)
    if len(name):
        element.append(name)


def complete_list(store: Store, element: Element, *, new: bool) -> None:
    """Names and keys of the members of a distribution list."""
    if new:
        _name_new_list(element)
    for member in element.iterfind(f"{t('Members')}/{t('Member')}"):
        _complete_member(store, member)


def _name_new_list(element: Element) -> None:
    if element.find(t("DisplayName")) is None and text_of(element, "Subject"):
        put(element, "DisplayName", text_of(element, "Subject"))
    if not text_of(element, "Subject") and text_of(element, "DisplayName"):
        put(element, "Subject", text_of(element, "DisplayName"))
    if element.find(t("FileAs")) is None and text_of(element, "DisplayName"):
        put(element, "FileAs", text_of(element, "DisplayName"))


def _complete_member(store: Store, member: Element) -> None:
    box = member.find(t("Mailbox"))
    if box is None:
        return
    complete_address(store, box)
    key = f"SMTP:{text_of(box, 'EmailAddress')}\0{text_of(box, 'Name')}"
    member.set("Key", member.get("Key") or base64.b64encode(key.encode("utf-16-le")).decode())
    if member.find(t("Status")) is None:
        add(member, "Status", "Normal")
