"""FindConversation, GetConversationItems, ApplyConversationAction."""

from __future__ import annotations

from itertools import groupby

from lxml import etree

from connectors.simulator import ids, render, shapes, targets
from connectors.simulator.errors import EwsError
from connectors.simulator.operations.disposal import dispose_item
from connectors.simulator.operations.find import paged
from connectors.simulator.registry import Call, operation
from connectors.simulator.responses import Part, answer, attempt, flag, holding, listed, part
from connectors.simulator.rows import ItemRow
from connectors.simulator.schema import Element, add, elements, local, m, make, message, t, text_of


@operation("FindConversation")
def find_conversation(call: Call) -> Element:
    folder = targets.target(call, part(call, "ParentFolderId"), "read")
    rows = call.store.items.where(
        "folder = ? AND conversation IS NOT NULL AND associated = 0 ORDER BY conversation", folder.number
    )
    groups = [list(group) for _, group in groupby(rows, key=lambda row: call.store.items.conversation(row))]
    groups.sort(key=lambda group: max(row.received for row in group), reverse=True)
    view = next((child for child in elements(call.request) if local(child) == "IndexedPageItemView"), None)
    page = paged(groups, view, 1000, lambda _: False)
    made = message("FindConversationResponse", ResponseClass="Success")
    etree.SubElement(made, m("ResponseCode")).text = "NoError"
    made.append(holding("Conversations", *[_conversation(call, group) for group in page.entries]))
    etree.SubElement(made, m("TotalConversationsInView")).text = str(len(groups))
    etree.SubElement(made, m("IndexedOffset")).text = page.attributes.get("IndexedPagingOffset", "0")
    return made


def _conversation(call: Call, rows: list[ItemRow]) -> Element:
    newest = max(rows, key=lambda row: (row.received, row.number))
    everywhere = call.store.items.by_conversation(newest.mailbox, call.store.items.conversation(newest) or b"")
    elements_of = [call.store.items.element(row) for row in rows]
    made = make("Conversation")
    key = call.store.items.conversation(newest) or b""
    add(made, "ConversationId", Id=ids.conversation_id(newest.mailbox.guid, key))
    add(made, "ConversationTopic", text_of(elements_of[0], "ConversationTopic"))
    senders = dict.fromkeys(
        text_of(element.find(f"{t('From')}/{t('Mailbox')}"), "Name") or "?" for element in elements_of
    )
    holder = add(made, "UniqueSenders")
    for sender in senders:
        add(holder, "String", sender)
    add(made, "LastDeliveryTime", newest.received)
    add(made, "HasAttachments", str(any(row.has_attachments for row in rows)).lower())
    add(made, "MessageCount", str(len(rows)))
    add(made, "GlobalMessageCount", str(len(everywhere)))
    add(made, "UnreadCount", str(sum(not row.is_read for row in rows)))
    add(made, "Size", str(sum(row.size for row in rows)))
    classes = add(made, "ItemClasses")
    for name in dict.fromkeys(row.item_class for row in rows):
        add(classes, "ItemClass", name)
    add(made, "Importance", text_of(elements_of[0], "Importance", "Normal"))
    for name, found in (("ItemIds", rows), ("GlobalItemIds", everywhere)):
        holder = add(made, name)
        for row in found:
            holder.append(render.item_id(row))
    return made


@operation("GetConversationItems")
def get_conversation_items(call: Call) -> Element:
    shape = shapes.parse(part(call, "ItemShape"))

    def serve(entry: Element) -> list[Part]:
        named = entry.find(t("ConversationId"))
        rows = call.store.items.by_conversation(call.user, _key(named))
        if not rows:
            raise EwsError("ErrorItemNotFound")
        made = message("Conversation")
        add(made, "ConversationId", Id=(named.get("Id") or "") if named is not None else "")
        add(made, "SyncState", "AAAA")
        nodes = add(made, "ConversationNodes")
        for row in rows:
            node = add(nodes, "ConversationNode")
            element = call.store.items.element(row)
            add(node, "InternetMessageId", text_of(element, "InternetMessageId"))
            if text_of(element, "InReplyTo"):
                add(node, "ParentInternetMessageId", text_of(element, "InReplyTo"))
            add(node, "Items").append(render.item(call, row, shape))
        return [made]

    name = "GetConversationItemsResponseMessage"
    return answer(call.name, [attempt(call, name, entry, serve) for entry in listed(call, "Conversations")])


def _key(named: Element | None) -> bytes:
    return ids.parse_conversation_id((named.get("Id") or "") if named is not None else "")


@operation("ApplyConversationAction")
def apply_conversation_action(call: Call) -> Element:
    def serve(entry: Element) -> list[Part]:
        rows = call.store.items.by_conversation(call.user, _key(entry.find(t("ConversationId"))))
        action = text_of(entry, "Action")
        for row in rows:
            _apply(call, row, action, entry)
        return []

    name = "ApplyConversationActionResponseMessage"
    entries = listed(call, "ConversationActions")
    return answer(call.name, [attempt(call, name, entry, serve) for entry in entries])


def _apply(call: Call, row: ItemRow, action: str, entry: Element) -> None:
    if action == "SetReadState":
        call.store.items.set_read(row, flag(text_of(entry, "IsRead")))
    elif action == "Delete":
        dispose_item(call, row, text_of(entry, "DeleteType", "MoveToDeletedItems"))
    elif action in ("Move", "Copy"):
        target = targets.target(call, entry.find(t("DestinationFolderId")), "create")
        items = call.store.items
        (items.move if action == "Move" else items.copy)(row, target)
    else:
        raise EwsError("ErrorInvalidOperation", f"The action {action} is not supported.")
