"""MAPI properties that are another view of what EWS names itself: read by tag, and written by tag.

A property that is not in this table is kept as the ExtendedProperty that the client wrote. The tags are those
of Microsoft's MS-OXPROPS.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING

from connectors.simulator import ids, mapi_named
from connectors.simulator.rows import FolderRow, ItemRow
from connectors.simulator.schema import Element, elements, put, t, text_of

if TYPE_CHECKING:
    from connectors.simulator.store import Store

_IMPORTANCE = ("Low", "Normal", "High")
_SENSITIVITY = ("Normal", "Personal", "Private", "Confidential")
_READ, _UNMODIFIED, _SUBMITTED, _UNSENT, _ATTACHED, _FROM_ME, _ASSOCIATED = 1, 2, 4, 8, 16, 32, 64
_FLAGS = {"Complete": "1", "Flagged": "2"}
_FLAG_NAMES = {"0": "NotFlagged", "1": "Complete", "2": "Flagged"}

# Tags whose value is the text of one element, both ways.
_TEXTS = {
    0x001A: "ItemClass",
    0x0037: "Subject",
    0x0070: "ConversationTopic",
    0x0E03: "DisplayCc",
    0x0E04: "DisplayTo",
    0x1035: "InternetMessageId",
    0x1039: "References",
    0x1042: "InReplyTo",
    0x0039: "DateTimeSent",
    0x0E06: "DateTimeReceived",
    0x3007: "DateTimeCreated",
    0x3008: "LastModifiedTime",
    0x0029: "IsReadReceiptRequested",
    0x0023: "IsDeliveryReceiptRequested",
    0x3001: "DisplayName",
    0x3A06: "GivenName",
    0x3A11: "Surname",
    0x3A44: "MiddleName",
    0x3A05: "Generation",
    0x3A0A: "Initials",
    0x3A4F: "Nickname",
    0x3A16: "CompanyName",
    0x3A17: "JobTitle",
    0x3A18: "Department",
    0x3A19: "OfficeLocation",
    0x3A46: "Profession",
    0x3A48: "SpouseName",
    0x3A4E: "Manager",
    0x3A30: "AssistantName",
    0x3A51: "BusinessHomePage",
    0x3A42: "Birthday",
    0x3A41: "WeddingAnniversary",
}
_READ_ONLY = frozenset({0x0E03, 0x0E04, 0x3007, 0x3008})
_PHONES = {
    0x3A08: "BusinessPhone",
    0x3A1B: "BusinessPhone2",
    0x3A09: "HomePhone",
    0x3A2F: "HomePhone2",
    0x3A1C: "MobilePhone",
    0x3A24: "BusinessFax",
    0x3A25: "HomeFax",
    0x3A21: "Pager",
    0x3A1A: "PrimaryPhone",
    0x3A1E: "CarPhone",
    0x3A1F: "OtherTelephone",
    0x3A02: "Callback",
}
_BOOLEANS = {0x0E1B: "HasAttachments"}
_SENDERS = {0x0C1A: ("Sender", "Name"), 0x0C1F: ("Sender", "EmailAddress"), 0x5D01: ("Sender", "EmailAddress")}
_SENDERS |= {0x0042: ("From", "Name"), 0x0065: ("From", "EmailAddress"), 0x5D02: ("From", "EmailAddress")}


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _flag_bits(row: ItemRow, element: Element) -> int:
    bits = _READ if row.is_read else 0
    for name, bit in (
        ("IsUnmodified", _UNMODIFIED),
        ("IsSubmitted", _SUBMITTED),
        ("IsDraft", _UNSENT),
        ("IsFromMe", _FROM_ME),
        ("IsAssociated", _ASSOCIATED),
    ):
        if text_of(element, name) == "true":
            bits |= bit
    return bits | (_ATTACHED if row.has_attachments else 0)


def _body(element: Element, kind: str) -> str | None:
    body = element.find(t("Body"))
    if body is None or not body.text or body.get("BodyType") != kind:
        return None
    return body.text if kind == "Text" else _b64(body.text.encode())


def _headers(element: Element) -> str | None:
    lines = [
        f"{header.get('HeaderName')}: {header.text or ''}"
        for header in elements(element.find(t("InternetMessageHeaders")))
    ]
    return "\r\n".join(lines) + "\r\n" if lines else None


def _subject_prefix(element: Element) -> str:
    subject, topic = text_of(element, "Subject"), text_of(element, "ConversationTopic")
    return subject[: -len(topic)] if topic and subject.endswith(topic) else ""


Reader = Callable[["Store", ItemRow, Element], str | None]
_READERS: dict[int, Reader] = {
    0x0017: lambda s, row, e: str(_IMPORTANCE.index(text_of(e, "Importance", "Normal"))),
    0x0036: lambda s, row, e: str(_SENSITIVITY.index(text_of(e, "Sensitivity", "Normal"))),
    0x003D: lambda s, row, e: _subject_prefix(e),
    0x0071: lambda s, row, e: text_of(e, "ConversationIndex") or None,
    0x007D: lambda s, row, e: _headers(e),
    0x0E07: lambda s, row, e: str(_flag_bits(row, e)),
    0x0E08: lambda s, row, e: str(row.size),
    0x0E09: lambda s, row, e: _b64(ids.entry_id(ids.Id(row.mailbox.guid, row.folder))),
    0x0E1D: lambda s, row, e: text_of(e, "ConversationTopic"),
    0x0E23: lambda s, row, e: str(row.number),
    0x0E69: lambda s, row, e: "true" if row.is_read else "false",
    0x0FF4: lambda s, row, e: "55",
    0x0FF6: lambda s, row, e: _b64(row.number.to_bytes(8, "big")),
    0x0FFE: lambda s, row, e: "5",
    0x0FFF: lambda s, row, e: _b64(ids.entry_id(ids.Id(row.mailbox.guid, row.folder, row.number))),
    0x1000: lambda s, row, e: _body(e, "Text"),
    0x1013: lambda s, row, e: _body(e, "HTML"),
    0x1090: lambda s, row, e: _FLAGS.get(text_of(e.find(t("Flag")), "FlagStatus")),
    0x300B: lambda s, row, e: _b64(row.search_key),
    0x65E0: lambda s, row, e: _b64(row.number.to_bytes(22, "big")),
    0x65E2: lambda s, row, e: _b64(row.sequence.to_bytes(22, "big")),
    0x670A: lambda s, row, e: text_of(e, "LastModifiedTime"),
}


def read(store: Store, row: ItemRow, element: Element, key: tuple) -> str | None:
    """The value of a MAPI property (a key of `fields.Path`) that EWS has another name for; None without a value."""
    if len(key) == 3:
        return mapi_named.read(row.kind, element, key)
    tag = key[0]
    if tag in _READERS:
        return _READERS[tag](store, row, element)
    if tag in _TEXTS:
        return element.findtext(t(_TEXTS[tag]))
    if tag in _BOOLEANS:
        return "true" if row.has_attachments else "false"
    if tag in _PHONES:
        entries = element.iterfind(f"{t('PhoneNumbers')}/{t('Entry')}")
        return next((entry.text for entry in entries if entry.get("Key") == _PHONES[tag]), None)
    if tag in _SENDERS:
        role, part = _SENDERS[tag]
        return element.findtext(f"{t(role)}/{t('Mailbox')}/{t(part)}")
    return None


def absorb(element: Element) -> None:
    """Turn MAPI properties that a client wrote by tag or by name into the EWS properties that they are."""
    from connectors.simulator.fields import extended_key

    for held in element.findall(t("ExtendedProperty")):
        uri = held.find(t("ExtendedFieldURI"))
        key = extended_key(uri) if uri is not None else ()
        value = text_of(held, "Value")
        named = len(key) == 3 and mapi_named.write(element, key, value)
        if named or (len(key) == 2 and _write(element, key[0], value)):
            element.remove(held)


def _write(element: Element, tag: int, value: str) -> bool:
    if tag in _TEXTS and tag not in _READ_ONLY:
        put(element, _TEXTS[tag], value)
    elif tag == 0x0E07 and value.lstrip("-").isdigit():
        put(element, "IsDraft", "true" if int(value) & _UNSENT else "false")
        put(element, "IsRead", "true" if int(value) & _READ else "false")
    elif tag in (0x0017, 0x0036) and value.isdigit():
        names = _IMPORTANCE if tag == 0x0017 else _SENSITIVITY
        put(element, "Importance" if tag == 0x0017 else "Sensitivity", names[int(value) % len(names)])
    elif tag == 0x1090 and value in _FLAG_NAMES:
        flag = put(element, "Flag", "")
        flag.text = None
        flag[:] = []
        put(flag, "FlagStatus", _FLAG_NAMES[value])
    else:
        return False
    return True


def read_folder(folder: FolderRow, counts: tuple[int, int, int], tag: int) -> str | None:
    """The value of a MAPI property of a folder that the server knows itself."""
    total, unread, children = counts
    size = str((total + 1) * 4096)  # never nothing: every folder has hidden messages
    return {
        0x3001: folder.name,
        0x3613: folder.folder_class,
        0x3602: str(total),
        0x3603: str(unread),
        0x360A: "true" if children else "false",
        0x0E08: size,
        0x0E09: _b64(ids.entry_id(ids.Id(folder.mailbox.guid, folder.parent or folder.number))),
        0x0FFF: _b64(ids.entry_id(ids.Id(folder.mailbox.guid, folder.number))),
        0x3601: "2" if folder.kind == "SearchFolder" else "1",
        0x10F4: "false",
        0x3008: folder.changed,
        0x670A: folder.changed,
        0x66B3: size,
    }.get(tag)
