"""EWS Contacts as vCard 3.0, as Exchange gives them as MimeContent."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from lxml import etree

from connectors.simulator.content import Item
from connectors.simulator.elements import find, find_all, text_of

_PHONE_TYPES = {
    "BusinessPhone": "WORK",
    "BusinessPhone2": "WORK",
    "HomePhone": "HOME",
    "HomePhone2": "HOME",
    "MobilePhone": "CELL",
    "BusinessFax": "WORK,FAX",
    "HomeFax": "HOME,FAX",
    "OtherFax": "FAX",
    "Pager": "PAGER",
    "CarPhone": "CAR",
    "Isdn": "ISDN",
    "PrimaryPhone": "PREF",
    "AssistantPhone": "X-ASSISTANT",
    "CompanyMainPhone": "X-COMPANY",
    "Callback": "X-CALLBACK",
    "RadioPhone": "X-RADIO",
    "Telex": "TLX",
    "TtyTddPhone": "TEXTPHONE",
}
_ADDRESS_TYPES = {"Business": "WORK", "Home": "HOME", "Other": "OTHER"}
_CLASSES = {"Private": "PRIVATE", "Confidential": "CONFIDENTIAL", "Personal": "PRIVATE"}


def write_vcard(item: Item) -> bytes:
    """The contact in UTF-8, folded at 75 bytes, with its photo."""
    lines = ["BEGIN:VCARD", "VERSION:3.0", *_properties(item.element)]
    photo = next((each for each in item.attachments if each.is_contact_photo), None)
    if photo is not None:
        kind = photo.content_type.rpartition("/")[2].upper()
        lines.append(f"PHOTO;ENCODING=b;TYPE={kind}:{base64.b64encode(photo.content).decode('ascii')}")
    lines.append("END:VCARD")
    return b"".join(_folded(line) for line in lines)


def _properties(element: etree._Element) -> Iterator[str]:
    names = [
        text_of(element, "Surname"),
        text_of(element, "GivenName"),
        text_of(element, "MiddleName"),
        text_of(element, "CompleteName", "Title"),
        text_of(element, "Generation"),
    ]
    display = text_of(element, "DisplayName") or text_of(element, "FileAs") or text_of(element, "CompanyName")
    yield f"N:{_joined(names)}"
    yield f"FN:{_escaped(display or '')}"
    organisation = [text_of(element, "CompanyName"), text_of(element, "Department")]
    if any(organisation):
        yield f"ORG:{_joined(organisation)}"
    for name, field in (
        ("NICKNAME", "Nickname"),
        ("TITLE", "JobTitle"),
        ("ROLE", "Profession"),
        ("URL", "BusinessHomePage"),
        ("X-MS-ASSISTANT", "AssistantName"),
        ("X-MS-MANAGER", "Manager"),
        ("X-MS-SPOUSE", "SpouseName"),
        ("X-MS-OFFICE", "OfficeLocation"),
    ):
        if value := text_of(element, field):
            yield f"{name}:{_escaped(value)}"
    for name, field in (("BDAY", "Birthday"), ("ANNIVERSARY", "WeddingAnniversary")):
        if value := text_of(element, field):
            yield f"{name}:{value[:10]}"
    yield from _reachable(element)
    if words := [each.text or "" for each in find_all(element, "Categories", "String")]:
        yield "CATEGORIES:" + ",".join(_escaped(word) for word in words)
    body = find(element, "Body")
    if body is not None and body.text:
        yield f"NOTE:{_escaped(body.text)}"
    yield f"CLASS:{_CLASSES.get(text_of(element, 'Sensitivity') or '', 'PUBLIC')}"


def _reachable(element: etree._Element) -> Iterator[str]:
    for entry in find_all(element, "EmailAddresses", "Entry"):
        if entry.text:
            preferred = ",PREF" if entry.get("Key") == "EmailAddress1" else ""
            yield f"EMAIL;TYPE=INTERNET{preferred}:{_escaped(entry.text)}"
    for entry in find_all(element, "PhoneNumbers", "Entry"):
        if entry.text:
            yield f"TEL;TYPE={_PHONE_TYPES.get(entry.get('Key') or '', 'VOICE')}:{_escaped(entry.text)}"
    for entry in find_all(element, "PhysicalAddresses", "Entry"):
        parts = [text_of(entry, part) for part in ("Street", "City", "State", "PostalCode", "CountryOrRegion")]
        if any(parts):
            yield f"ADR;TYPE={_ADDRESS_TYPES.get(entry.get('Key') or '', 'OTHER')}:;;{_joined(parts)}"
    for entry in find_all(element, "ImAddresses", "Entry"):
        if entry.text:
            yield f"X-MS-IMADDRESS:{_escaped(entry.text)}"


def _joined(parts: list[str | None]) -> str:
    return ";".join(_escaped(part or "") for part in parts)


def _escaped(text: str) -> str:
    return re.sub(r"\r\n|\r|\n", r"\\n", re.sub(r"([\\,;])", r"\\\1", text))


def _folded(line: str) -> bytes:
    """The line with CRLF, folded without cutting a letter."""
    pieces, current, size = [], "", 0
    for char in line:
        width = len(char.encode("utf-8"))
        if size + width > 75:
            pieces.append(current)
            current, size = " ", 1
        current, size = current + char, size + width
    pieces.append(current)
    return "\r\n".join(pieces).encode("utf-8") + b"\r\n"
