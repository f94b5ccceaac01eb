"""ContactRecord -> the properties of a contact as EWS writes them, and what differs between two records.

Sources: Microsoft's CreateItem and UpdateItem for contacts, [MS-OXOCNTC] for what Outlook keeps beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from datetime import UTC
from typing import Final

from lxml import etree
from lxml.etree import _Element as Element

from connectors.exchange_ews import named
from connectors.exchange_ews.contacts import ADDRESS_PARTS, ADDRESSES, EMAILS, PHONES, contact, phone_label
from connectors.exchange_ews.elements import Item, T
from connectors.exchange_ews.item_settings import (
    body_setting,
    differing,
    extended,
    key_setting,
    named_setting,
    new_item,
    sensitivity,
    simple,
    text_setting,
)
from connectors.exchange_ews.services import Path, element, field, numbered
from connectors.exchange_ews.write_services import Setting
from terracrm.domain.names import display_name
from terracrm.domain.outlook_slots import reads_the_same
from terracrm.domain.records import Body, ContactRecord, LabelledAddress

NAMES: Final = frozenset({"display_name", "given_name", "middle_name", "surname", "company_name"})
"""The fields that Outlook files a contact by."""

_TEXTS = {
    "given_name": "GivenName",
    "middle_name": "MiddleName",
    "surname": "Surname",
    "company_name": "CompanyName",
    "department": "Department",
    "job_title": "JobTitle",
    "website": "BusinessHomePage",
}
_EMAIL_GROUPS = (0x8080, 0x8090, 0x80A0)
"""Where the properties of the three e-mail entries begin: PidLidEmail1DisplayName and its like."""
_DISPLAY_NAME, _ADDRESS_TYPE, _ADDRESS, _ORIGINAL_NAME, _ORIGINAL_ID = 0, 2, 3, 4, 5
_BIRTHDAY_LOCAL = numbered("Address", 0x80DE, "SystemTime")
"""PidLidBirthdayLocal. Outlook goes by it, and a birthday that Outlook wrote comes back while it is there."""
_ORDER = (
    "Subject", "Sensitivity", "Body", "Categories", "ExtendedProperty", "FileAs", "FileAsMapping",
    "DisplayName", "GivenName", "MiddleName", "CompanyName", "EmailAddresses", "PhysicalAddresses",
    "PhoneNumbers", "Birthday", "BusinessHomePage", "Department", "JobTitle", "Surname",
)  # fmt: skip

_Settings = Iterator[Setting]


def new_contact(record: ContactRecord, key: str) -> Element:
    """The element of a new contact; named as Outlook would where the record has no display name."""
    record = replace(record, display_name=record.display_name or _full_name(record))
    settings = [setting for name in FIELDS for setting in FIELDS[name](record)]
    settings += [Setting(path, value) for path, value in _filed(record)]
    return new_item("Contact", [*settings, key_setting(key)], _ORDER)


def changes(item: Item, wanted: ContactRecord, fields: Collection[str]) -> list[Setting]:
    """What must be written so that these fields of a contact become as they are wanted, and it stays filed by them."""
    now = contact(item)
    if wanted.body is not None:
        now = replace(now, body=Body(*item.body("Body")))
    settings = _differences(now, wanted, fields)
    named_now = replace(now, **{name: getattr(wanted, name) for name in NAMES.intersection(fields)})
    if named_now != now:
        settings += _refiled(now, named_now, item.text("FileAs"), item.text("FileAsMapping"))
    return settings


def _differences(now: ContactRecord, wanted: ContactRecord, fields: Collection[str]) -> list[Setting]:
    """Notes that are given as plain text and read the same already are left in the form that they have."""
    wanted = replace(wanted, emails=tuple(_named_as_now(wanted.emails, now.emails)))
    found = []
    for name in (name for name in FIELDS if name in fields):
        if name == "notes" and wanted.body is None and reads_the_same(wanted.notes, now.notes):
            continue
        found += differing(FIELDS[name](now), FIELDS[name](wanted))
    return found


def _refiled(now: ContactRecord, wanted: ContactRecord, file_as: str, mapping: str) -> list[Setting]:
    """What keeps a contact filed by its names after they changed.

    Where Outlook files by a rule (FileAsMapping) Exchange does it by itself. A text that the user chose stays; one
    that is the former display name follows the new one.
    """
    if mapping not in ("", "None") and _full_name(wanted):
        return []
    if mapping in ("", "None") and file_as not in ("", now.display_name):
        return []
    return [Setting(path, value) for path, value in _filed(wanted)]


def _full_name(record: ContactRecord) -> str:
    return display_name(record.given_name, record.middle_name, record.surname, record.company_name)


def _filed(record: ContactRecord) -> Iterator[tuple[Path, Element]]:
    """How a contact is filed: by Outlook's usual rule where it has a person's name, else as it is called."""
    if record.surname or record.given_name:
        yield simple("contacts:FileAsMapping", "LastCommaFirst")
        return
    yield simple("contacts:FileAsMapping", "None")  # first: with a rule in force Exchange ignores a text
    yield simple("contacts:FileAs", record.display_name or record.company_name)


def _display_name(record: ContactRecord) -> _Settings:
    for uri in ("contacts:DisplayName", "item:Subject"):
        yield text_setting(uri, record.display_name)


def _text_field(name: str, uri: str) -> Callable[[ContactRecord], _Settings]:
    def settings(record: ContactRecord) -> _Settings:
        yield text_setting(uri, getattr(record, name))

    return settings


def _emails(record: ContactRecord) -> _Settings:
    entries = {entry.label: entry for entry in record.emails if entry.address}
    for key, group in zip(EMAILS, _EMAIL_GROUPS, strict=True):
        entry = entries.get(key.removeprefix("EmailAddress"))
        yield Setting(field("contacts:EmailAddress", key), _email(key, entry), _whole_group(group))
        if entry is not None:
            yield extended(numbered("Address", group + _DISPLAY_NAME, "String"), entry.name or entry.address)
            yield extended(numbered("Address", group + _ORIGINAL_NAME, "String"), entry.address)


def _email(key: str, entry: LabelledAddress | None) -> Element | None:
    if entry is None:
        return None
    name = entry.name or entry.address
    return _in("EmailAddresses", _entry(key, entry.address, Name=name, RoutingType="SMTP"))


def _whole_group(group: int) -> tuple[Path, ...]:
    """All that Exchange keeps of an e-mail entry: some versions do not delete the entry while any of it is left."""
    texts = (_DISPLAY_NAME, _ADDRESS_TYPE, _ADDRESS, _ORIGINAL_NAME)
    paths = [numbered("Address", group + number, "String") for number in texts]
    return (*paths, numbered("Address", group + _ORIGINAL_ID, "Binary"))


def _named_as_now(wanted: Iterable[LabelledAddress], now: Iterable[LabelledAddress]) -> Iterator[LabelledAddress]:
    """Addresses without a name keep the one that they have there."""
    names = {(entry.label, entry.address): entry.name for entry in now}
    for entry in wanted:
        yield replace(entry, name=entry.name or names.get((entry.label, entry.address), ""))


def _phones(record: ContactRecord) -> _Settings:
    numbers = {phone.label: phone.number for phone in record.phones if phone.number}
    for key in PHONES:
        number = numbers.get(phone_label(key))
        value = None if number is None else _in("PhoneNumbers", _entry(key, number))
        yield Setting(field("contacts:PhoneNumber", key), value)


def _postal_addresses(record: ContactRecord) -> _Settings:
    addresses = {address.label: address for address in record.postal_addresses}
    for key in ADDRESSES:
        address = addresses.get(key.lower())
        parts = (
            (address.street, address.city, address.region, address.country, address.postal_code)
            if address is not None
            else ("",) * len(ADDRESS_PARTS)
        )
        for part, text in zip(ADDRESS_PARTS, parts, strict=True):
            entry = _entry(key, None)
            etree.SubElement(entry, T + part).text = text
            value = _in("PhysicalAddresses", entry) if text else None
            yield Setting(field(f"contacts:PhysicalAddress:{part}", key), value)


def _birthday(record: ContactRecord) -> _Settings:
    """11:59 UTC of the day, as Outlook writes it, is that day from 11 hours west of Greenwich to 12 east of it."""
    day = record.birthday.isoformat() if record.birthday else ""
    yield text_setting("contacts:Birthday", f"{day}T11:59:00Z" if day else "")
    yield extended(_BIRTHDAY_LOCAL, f"{day}T00:00:00Z" if day else "")


def _notes(record: ContactRecord) -> _Settings:
    yield body_setting(record.body or Body(record.notes))


def _categories(record: ContactRecord) -> _Settings:
    value = element("t:Categories")
    for category in record.categories:
        etree.SubElement(value, f"{T}String").text = category
    yield Setting(field("item:Categories"), value if record.categories else None)


def _sensitivity(record: ContactRecord) -> _Settings:
    yield sensitivity(record.is_private)


def _card(record: ContactRecord) -> _Settings:
    for name, (title, kind) in named.CARD.items():
        value = getattr(record.card, name)
        text = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if kind == "SystemTime" and value else value
        yield named_setting(title, kind, text or "")


FIELDS: Final[dict[str, Callable[[ContactRecord], _Settings]]] = {
    "display_name": _display_name,
    **{name: _text_field(name, f"contacts:{tag}") for name, tag in _TEXTS.items()},
    "emails": _emails,
    "phones": _phones,
    "postal_addresses": _postal_addresses,
    "birthday": _birthday,
    "notes": _notes,
    "categories": _categories,
    "is_private": _sensitivity,
    "card": _card,
}
"""How each field of ContactRecord is written."""


def _entry(key: str, text: str | None, **attributes: str) -> Element:
    entry = element("t:Entry", Key=key, **attributes)
    entry.text = text
    return entry


def _in(container: str, entry: Element) -> Element:
    value = element(f"t:{container}")
    value.append(entry)
    return value
