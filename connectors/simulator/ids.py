"""Ids and change keys, built as Exchange builds them.

An id is base64 of: compression (0), kind of id, the mailbox guid as text, and the MAPI entry id, which names
the folder and the item by number. So an item that moves gets another id, ids are case-sensitive, and an entry id
(PR_ENTRYID) can be made of an EWS id and the other way round.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
import uuid
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, unquote

from connectors.simulator.errors import EwsError

_ITEM_OR_FOLDER, _CONVERSATION = 3, 4
_FOLDER_ENTRY, _ITEM_ENTRY = 46, 70
_MAPI_FOLDER, _MAPI_MESSAGE = 1, 7
OBJECT_TYPES = {
    "Folder": 1,
    "CalendarFolder": 2,
    "ContactsFolder": 3,
    "TasksFolder": 4,
    "SearchFolder": 5,
    "Message": 9,
    "MeetingRequest": 14,
    "MeetingResponse": 12,
    "MeetingCancellation": 13,
    "CalendarItem": 15,
    "Contact": 17,
    "DistributionList": 18,
    "Task": 19,
}
FORMATS = ("EwsLegacyId", "EwsId", "EntryId", "HexEntryId", "StoreId", "OwaId")


@dataclass(frozen=True)
class Id:
    """What an id names: a mailbox, a folder of it, an item there, and attachments down from the item."""

    mailbox: str
    folder: int
    item: int | None = None
    attachments: tuple[bytes, ...] = ()
    occurrence: int | None = None


@cache
def _parts(guid: str) -> tuple[bytes, bytes]:
    """The store's and the provider's 16 bytes in the entry ids of a mailbox."""
    box = uuid.UUID(guid).bytes
    return box, hashlib.md5(b"provider" + box, usedforsecurity=False).digest()


def _entry(guid: str, folder: int, item: int | None) -> bytes:
    box, provider = _parts(guid)
    kind = _MAPI_FOLDER if item is None else _MAPI_MESSAGE
    head = bytes(4) + provider + struct.pack("<H", kind) + box + folder.to_bytes(6, "big") + bytes(2)
    return head if item is None else head + box + item.to_bytes(6, "big") + bytes(2)


def encode(this: Id) -> str:
    """The EWS id: 120 characters for a folder, 152 for an item, 180 for an attachment of it.

    An occurrence of a recurring item carries its number in place of the padding of the entry id.
    """
    entry = _entry(this.mailbox, this.folder, this.item)
    if this.occurrence is not None:
        entry = entry[:-2] + this.occurrence.to_bytes(2, "big")
    raw = _head(this.mailbox) + struct.pack("<BH", 0, len(entry)) + entry
    if this.attachments:
        raw += bytes([len(this.attachments)])
        for part in this.attachments:
            raw += struct.pack("<HH", len(part) + 2, len(part)) + part
    return base64.b64encode(raw).decode()


def _parse_entry(entry: bytes) -> tuple[int, int | None, int]:
    if len(entry) not in (_FOLDER_ENTRY, _ITEM_ENTRY) or entry[:4] != bytes(4):
        raise ValueError(entry)
    folder = int.from_bytes(entry[38:44], "big")
    if len(entry) == _FOLDER_ENTRY:
        return folder, None, 0
    return folder, int.from_bytes(entry[62:68], "big"), int.from_bytes(entry[68:70], "big")


def _head(guid: str) -> bytes:
    return struct.pack("<BBH", 0, _ITEM_OR_FOLDER, len(guid)) + guid.encode()


def _split(raw: bytes) -> tuple[str, bytes, bytes]:
    """The mailbox, the entry id, and what follows them in an EWS id."""
    compression, kind, length = struct.unpack_from("<BBH", raw)
    if compression or kind != _ITEM_OR_FOLDER or length != 36:
        raise ValueError(raw)
    guid = raw[4:40].decode("ascii")
    if str(uuid.UUID(guid)) != guid:
        raise ValueError(raw)
    size = struct.unpack_from("<H", raw, 41)[0]
    return guid, raw[43 : 43 + size], raw[43 + size :]


def _parse(raw: bytes) -> Id:
    guid, entry, rest = _split(raw)
    folder, item, occurrence = _parse_entry(entry)
    if _entry(guid, folder, item)[:-2] != entry[:-2]:
        raise ValueError(raw)
    attachments = []
    if rest:
        position = 1
        for _ in range(rest[0]):
            length = struct.unpack_from("<H", rest, position + 2)[0]
            attachments.append(rest[position + 4 : position + 4 + length])
            position += 4 + length
        if position != len(rest):
            raise ValueError(raw)
    return Id(guid, folder, item, tuple(attachments), occurrence or None)


def decode(text: str | None) -> Id:
    """What the EWS id names. Raises ErrorInvalidIdEmpty or ErrorInvalidIdMalformed."""
    if not text:
        raise EwsError("ErrorInvalidIdEmpty")
    try:
        return _parse(base64.b64decode(text, validate=True))
    except (ValueError, struct.error, IndexError, binascii.Error) as error:
        raise EwsError("ErrorInvalidIdMalformed") from error


def entry_id(this: Id) -> bytes:
    """The MAPI entry id (PR_ENTRYID) of the folder or item."""
    return _entry(this.mailbox, this.folder, this.item)


def change_key(kind: str, mailbox: str, sequence: int) -> str:
    """The 40-character change key of an item or folder at one point of the mailbox's history."""
    store = hashlib.md5(b"changes" + mailbox.encode(), usedforsecurity=False).digest()
    raw = struct.pack("<II", OBJECT_TYPES.get(kind, 9), 22) + store + sequence.to_bytes(6, "big")
    return base64.b64encode(raw).decode()


def parse_change_key(text: str) -> int:
    """The point of the mailbox's history that a change key names. Raises ErrorInvalidChangeKey."""
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise EwsError("ErrorInvalidChangeKey") from error
    if len(raw) != 30:
        raise EwsError("ErrorInvalidChangeKey")
    return int.from_bytes(raw[24:30], "big")


def conversation_id(mailbox: str, conversation: bytes) -> str:
    """The EWS id of a conversation, named by the 16 bytes that its messages share."""
    guid = mailbox.encode()
    raw = struct.pack("<BBH", 0, _CONVERSATION, len(guid)) + guid + struct.pack("<BH", 0, 16) + conversation
    return base64.b64encode(raw).decode()


def parse_conversation_id(text: str) -> bytes:
    """The 16 bytes that the messages of the conversation share. Raises ErrorInvalidIdMalformed."""
    try:
        raw = base64.b64decode(text or "", validate=True)
    except binascii.Error as error:
        raise EwsError("ErrorInvalidIdMalformed") from error
    if len(raw) != 59 or raw[1] != _CONVERSATION:
        raise EwsError("ErrorInvalidIdMalformed")
    return raw[43:]


@dataclass(frozen=True)
class EntryId:
    """An id taken apart only as far as every mailbox of any Exchange builds it: its entry id, and what follows it."""

    mailbox: str
    entry: bytes
    rest: bytes = b""


def from_format(text: str, form: str, mailbox: str) -> EntryId:
    """Read an id that another interface of Exchange has given (ConvertId); it may be of any mailbox anywhere."""
    try:
        if form in ("EntryId", "StoreId"):
            raw = base64.b64decode(text, validate=True)
            found = EntryId(mailbox, raw if form == "EntryId" else raw[1 : 1 + raw[0]])
        elif form == "HexEntryId":
            found = EntryId(mailbox, bytes.fromhex(text))
        else:
            found = EntryId(*_split(base64.b64decode(unquote(text) if form == "OwaId" else text, validate=True)))
        _parse_entry(found.entry)
    except (ValueError, IndexError, struct.error) as error:
        raise EwsError("ErrorInvalidIdMalformed") from error
    return found


def to_format(this: EntryId, form: str) -> str:
    """Write an id as another interface of Exchange would (ConvertId)."""
    if form == "EntryId":
        return base64.b64encode(this.entry).decode()
    if form == "HexEntryId":
        return this.entry.hex().upper()
    if form == "StoreId":
        return base64.b64encode(bytes([len(this.entry)]) + this.entry + b"\0").decode()
    ews_id = base64.b64encode(_head(this.mailbox) + struct.pack("<BH", 0, len(this.entry)) + this.entry + this.rest)
    return quote(ews_id, safe="") if form == "OwaId" else ews_id.decode()
