"""ExportItems and UploadItems: items as opaque streams that this server can read back."""

from __future__ import annotations

import base64
import binascii
import json
import zlib

from lxml import etree

from connectors.simulator import targets
from connectors.simulator.content import Attachment, Item
from connectors.simulator.errors import EwsError, SchemaViolation
from connectors.simulator.registry import Call, operation
from connectors.simulator.responses import Part, batch, flag, listed
from connectors.simulator.schema import Element, m, make, t, text_of

# The streams of Exchange begin with a version and are otherwise undocumented, too.
_MAGIC = b"\x01\x00\x00\x00TFX1"


@operation("ExportItems")
def export_items(call: Call) -> Element:
    def serve(entry: Element) -> list[Part]:
        row = targets.item(call, entry)
        item = Item(call.store.items.element(row), call.store.attachments.as_content(row), call.store.items.mime(row))
        packed = zlib.compress(json.dumps(_pack(item)).encode())
        named = make("ItemId", Id=row.ews_id, ChangeKey=row.change_key)
        named.tag = m("ItemId")
        return [named, ("Data", base64.b64encode(_MAGIC + packed).decode())]

    return batch(call, listed(call, "ItemIds"), serve)


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _pack(item: Item) -> dict:
    return {
        "xml": etree.tostring(item.element).decode(),
        "mime": _text(item.mime),
        "attachments": [
            {
                "name": one.name,
                "content_type": one.content_type,
                "content": _text(one.content),
                "content_id": one.content_id,
                "is_inline": one.is_inline,
                "is_contact_photo": one.is_contact_photo,
                "item": _pack(one.item) if one.item else None,
                "content_location": one.content_location,
            }
            for one in item.attachments
        ],
    }


def _unpack(packed: dict) -> Item:
    attachments = []
    for one in packed["attachments"]:
        inner = one.pop("item")
        content = base64.b64decode(one.pop("content"))
        attachments.append(Attachment(content=content, item=_unpack(inner) if inner else None, **one))
    mime = packed["mime"]
    return Item(etree.fromstring(packed["xml"]), attachments, base64.b64decode(mime) if mime else None)


@operation("UploadItems")
def upload_items(call: Call) -> Element:
    def serve(entry: Element) -> list[Part]:
        parent = entry.find(t("ParentFolderId"))
        if parent is None:
            raise SchemaViolation("The element 'Item' has incomplete content.")
        folder = targets.folder(call, make("FolderId", **dict(parent.attrib)), "create")
        action = entry.get("CreateAction", "CreateNew")
        named = entry.find(t("ItemId"))
        item = _read(text_of(entry, "Data"))
        if action in ("Update", "UpdateOrCreate") and named is not None:
            row = _replace(call, named, item, create=action == "UpdateOrCreate")
            if row is not None:
                return [row]
        elif action == "Update":
            raise EwsError("ErrorInvalidRequest", "An item id is needed for an update.")
        made = call.store.items.create(
            folder,
            item.element,
            attachments=item.attachments,
            mime=item.mime,
            associated=flag(entry.get("IsAssociated")),
            by=call.user,
        )
        return [_named(made.ews_id, made.change_key)]

    return batch(call, listed(call, "Items"), serve)


def _named(ews_id: str, change_key: str) -> Element:
    made = make("ItemId", Id=ews_id, ChangeKey=change_key)
    made.tag = m("ItemId")
    return made


def _read(text: str) -> Item:
    try:
        raw = base64.b64decode(text, validate=True)
        if not raw.startswith(_MAGIC):
            raise ValueError("no stream of this server")
        return _unpack(json.loads(zlib.decompress(raw[len(_MAGIC) :])))
    except (ValueError, KeyError, TypeError, zlib.error, binascii.Error, etree.XMLSyntaxError) as error:
        raise EwsError("ErrorCorruptData", "The data is corrupt.") from error


def _replace(call: Call, named: Element, item: Item, *, create: bool) -> Element | None:
    try:
        row = targets.item(call, make("ItemId", **dict(named.attrib)), "edit")
    except EwsError:
        if create:
            return None
        raise
    for held in call.store.attachments.of(row.number):
        call.store.attachments.delete(held)
    for one in item.attachments:
        call.store.attachments.add(row, one)
    row = call.store.items.rewrite(row, item.element, by=call.user)
    row = call.store.items.attachments_changed(row)
    return _named(row.ews_id, row.change_key)
