"""CreateAttachment, GetAttachment, DeleteAttachment."""

from __future__ import annotations

import base64
import binascii
from copy import deepcopy

from connectors.simulator import properties, render, shapes, targets, values
from connectors.simulator.content import Attachment, Item
from connectors.simulator.errors import EwsError, SchemaViolation
from connectors.simulator.mime_write import write_mime
from connectors.simulator.properties import ITEM_CLASSES
from connectors.simulator.registry import Call, operation
from connectors.simulator.responses import Part, answer, attempt, batch, flag, holding, listed, part
from connectors.simulator.rows import AttachmentRow, ItemRow
from connectors.simulator.schema import (
    ITEM_ORDER,
    Element,
    add,
    arrange,
    elements,
    local,
    m,
    make,
    misplaced,
    parse,
    put,
    t,
    text_of,
)

_DEPTH = 20


def contents(call: Call, holder: Element | None, depth: int = 0) -> list[Attachment]:
    """The attachments that a client wrote into an item."""
    return [content(call, entry, depth) for entry in elements(holder)]


def content(call: Call, entry: Element, depth: int = 0) -> Attachment:
    """One attachment that a client wrote."""
    if depth > _DEPTH:
        raise EwsError("ErrorAttachmentNestLevelLimitExceeded")
    kind, name = local(entry), text_of(entry, "Name")
    inner, data = None, b""
    if kind == "FileAttachment":
        try:
            data = base64.b64decode(text_of(entry, "Content"))
        except binascii.Error as error:
            raise SchemaViolation("The 'Content' element is invalid.") from error
    elif kind == "ItemAttachment":
        inner = _inner(call, entry, depth)
        name = name or text_of(inner.element, "Subject")
    elif kind == "ReferenceAttachment":
        raise EwsError("ErrorUnsupportedTypeForConversion")
    else:
        raise SchemaViolation(f"The element 'Attachments' has invalid child element '{kind}'.")
    return Attachment(
        name=name,
        content_type=text_of(entry, "ContentType"),
        content=data,
        content_id=text_of(entry, "ContentId") or None,
        is_inline=flag(text_of(entry, "IsInline")),
        is_contact_photo=flag(text_of(entry, "IsContactPhoto")),
        item=inner,
        content_location=text_of(entry, "ContentLocation") or None,
    )


def _inner(call: Call, entry: Element, depth: int) -> Item:
    held = next((child for child in elements(entry) if local(child) in ITEM_ORDER), None)
    if held is None:
        raise EwsError("ErrorInvalidItemForOperationCreateItemAttachment")
    wrong = misplaced(held, ITEM_ORDER[local(held)])
    if wrong is not None:
        raise SchemaViolation(f"The element '{local(held)}' has invalid child element '{wrong}'.")
    element = deepcopy(held)
    values.normalise(element, call.time_zone)
    nested = contents(call, held.find(t("Attachments")), depth + 1)
    properties.complete(call.store, call.user, element, draft=None)
    for child in element.findall(t("Attachments")):
        element.remove(child)
    return Item(arrange(element), nested)


@operation("CreateAttachment")
def create_attachment(call: Call) -> Element:
    parent = part(call, "ParentItemId")
    parent_id = make("ItemId", **dict(parent.attrib))

    def serve(entry: Element) -> list[Part]:
        row = targets.item(call, parent_id, "edit")
        made = call.store.attachments.add(row, content(call, entry))
        row = call.store.items.attachments_changed(row)
        return [holding("Attachments", only_attachment_id(call, row, made))]

    return batch(call, listed(call, "Attachments"), serve, empty="Attachments")


def only_attachment_id(call: Call, row: ItemRow, held: AttachmentRow) -> Element:
    """An attachment that shows nothing but its id."""
    made = make("FileAttachment" if held.element is None else "ItemAttachment")
    add(
        made,
        "AttachmentId",
        Id=call.store.attachments.ews_id(row, held),
        RootItemId=row.ews_id,
        RootItemChangeKey=row.change_key,
    )
    return made


@operation("GetAttachment")
def get_attachment(call: Call) -> Element:
    shape = shapes.parse(call.request.find(m("AttachmentShape")))

    def serve(entry: Element) -> list[Part]:
        row, held = call.store.attachments.find(entry.get("Id") or "")
        targets.item_by_id(call, row.ews_id)
        made = render.attachment(call, row, held)
        if held.element is None:
            add(made, "Content", base64.b64encode(call.store.attachments.content(held)).decode())
        else:
            for flag_element in made.findall(t("IsContactPhoto")):
                made.remove(flag_element)
            made.append(_attached_item(call, row, held, shape))
        return [holding("Attachments", made)]

    return batch(call, listed(call, "AttachmentIds"), serve, empty="Attachments")


def _attached_item(call: Call, row: ItemRow, held: AttachmentRow, shape: shapes.Shape) -> Element:
    """An attached item with all its properties; its id is the attachment's."""
    assert held.element is not None
    element = parse(held.element)
    if shape.names & {"MimeContent"}:
        mime = call.store.attachments.content(held)
        if not mime:
            mime = write_mime(Item(element, call.store.attachments.as_content(row, held.number)))
        put(element, "MimeContent", base64.b64encode(mime).decode()).set("CharacterSet", "UTF-8")
    add(element, "ItemId", Id=call.store.attachments.ews_id(row, held))
    if not text_of(element, "ItemClass"):
        put(element, "ItemClass", ITEM_CLASSES.get(local(element), "IPM.Note"))
    nested = call.store.attachments.of(row.number, held.number)
    put(element, "HasAttachments", str(any(not one.is_inline for one in nested)).lower())
    put(element, "Size", str(held.size))
    if nested:
        holder = add(element, "Attachments")
        for one in nested:
            holder.append(render.attachment(call, row, one))
    body = element.find(t("Body"))
    if body is not None:
        shown = render.some_body("Body", element, shape.body_type, shape)
        for name in shape.names & {"TextBody", "UniqueBody", "NormalizedBody"}:
            element.append(render.some_body(name, element, "Text" if name == "TextBody" else shape.body_type, shape))
        element.replace(body, shown)
    return arrange(element)


@operation("DeleteAttachment")
def delete_attachment(call: Call) -> Element:
    def serve(entry: Element) -> list[Part]:
        row, held = call.store.attachments.find(entry.get("Id") or "")
        targets.item_by_id(call, row.ews_id, "edit")
        call.store.attachments.delete(held)
        row = call.store.items.attachments_changed(row)
        made = make("RootItemId", RootItemId=row.ews_id, RootItemChangeKey=row.change_key)
        made.tag = m("RootItemId")
        return [made]

    name = "DeleteAttachmentResponseMessage"
    return answer(call.name, [attempt(call, name, entry, serve) for entry in listed(call, "AttachmentIds")])
