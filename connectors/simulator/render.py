"""An item or folder as a client sees it: what is stored, filtered by shape, with what the server computes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

from lxml import etree

from connectors.simulator import access, bodies, fields, ids, mapi, sources
from connectors.simulator.distinguished import DEFAULT_KEYS
from connectors.simulator.errors import EwsError
from connectors.simulator.registry import Call, hooks
from connectors.simulator.rows import AttachmentRow, FolderRow, ItemRow
from connectors.simulator.schema import Element, add, arrange, elements, local, make, t, text_of
from connectors.simulator.shapes import Shape
from connectors.simulator.unique_body import unique_body

# What Exchange 2010 and later give as the change key of a parent folder.
_PARENT_KEY = "AQAAAA=="
_MAIL = frozenset({"Message", "MeetingMessage", "MeetingRequest", "MeetingResponse", "MeetingCancellation"})


def item_id(row: ItemRow, name: str = "ItemId") -> Element:
    """The ItemId element of an item."""
    return make(name, Id=row.ews_id, ChangeKey=row.change_key)


def folder_id(row: FolderRow, name: str = "FolderId") -> Element:
    """The FolderId element of a folder."""
    return make(name, Id=row.ews_id, ChangeKey=row.change_key)


def properties_of(call: Call, row: ItemRow) -> Element:
    """The stored properties of an item, or of one occurrence of a series."""
    if row.occurrence is not None:
        if hooks.occurrence is None:
            raise EwsError("ErrorItemNotFound")
        return hooks.occurrence(call, row)
    return call.store.items.element(row)


def item(call: Call, row: ItemRow, shape: Shape, *, view: bool = False, source: Element | None = None) -> Element:
    """The item as an answer shows it; `view` for FindItem and SyncFolderItems, which show less.

    `source` are its properties where the caller has read them already; the tree is used up.
    """
    if shape.base == "IdOnly" and not shape.paths and not shape.names:
        if row.occurrence is not None and source is None:
            properties_of(call, row)  # an occurrence that is not there has no id either
        bare = make(row.kind)
        bare.append(item_id(row))
        return bare
    if source is None:
        source = properties_of(call, row)
    shown = shape.shows(row.kind, view=view)
    made = make(local(source))
    made.append(item_id(row))
    for name in shown & _COMPUTED.keys():
        found = _COMPUTED[name](call, row, source, shape)
        if found is not None:
            made.append(found)
    _add_extended(call, made, row, source, shape)
    _add_indexed(made, source, shape, shown)
    for child in source:
        name = local(child)
        if name in shown and name not in _COMPUTED and name != "ExtendedProperty":
            made.append(child)
    return arrange(made)


def _add_indexed(made: Element, source: Element, shape: Shape, shown: frozenset[str]) -> None:
    for path in shape.indexed:
        if path.name in shown:
            continue
        held = fields.entry(source, path)
        if held is None or (path.part is not None and held.find(t(path.part)) is None):
            continue
        container = made.find(t(path.name))
        if container is None:
            container = add(made, path.name)
        if path.part is None:
            container.append(held)
            continue
        known = fields.entry(made, path)
        if known is None:
            known = add(container, "Entry", Key=path.index or "")
        add(known, path.part, text_of(held, path.part))
        known[:] = sorted(known, key=lambda child: fields.ADDRESS_PARTS.index(local(child)))


def _add_extended(call: Call, made: Element, row: ItemRow, source: Element, shape: Shape) -> None:
    for path, uri in shape.extended:
        held = fields.extended(source, path)
        if held is not None:
            made.append(etree.fromstring(etree.tostring(held)))
        else:
            _add_tag(made, uri, mapi.read(call.store, row, source, path.key))


def _add_tag(made: Element, uri: Element, value: str | None) -> None:
    if value is None:
        return
    held = add(made, "ExtendedProperty")
    add(held, "ExtendedFieldURI", **dict(uri.attrib))
    add(held, "Value", value)


Computer = Callable[[Call, ItemRow, Element, Shape], Element | None]


def _text(name: str, value: Callable[[Call, ItemRow, Element], str | None]) -> Computer:
    def compute(call: Call, row: ItemRow, source: Element, shape: Shape) -> Element | None:
        text = value(call, row, source)
        return None if text is None else make(name, text)

    return compute


def _parent(call: Call, row: ItemRow, source: Element, shape: Shape) -> Element:
    folder = ids.encode(ids.Id(row.mailbox.guid, row.folder))
    return make("ParentFolderId", Id=folder, ChangeKey=_PARENT_KEY)


def _conversation(call: Call, row: ItemRow, source: Element, shape: Shape) -> Element | None:
    key = call.store.items.conversation(row)
    return make("ConversationId", Id=ids.conversation_id(row.mailbox.guid, key)) if key else None


def _rights(call: Call, row: ItemRow, source: Element, shape: Shape) -> Element:
    held = access.rights(call.store, call.user, call.store.folders.get(row.folder))
    return access.effective(held)


def _responses(call: Call, row: ItemRow, source: Element, shape: Shape) -> Element | None:
    names: tuple[str, ...] = ()
    if row.kind in _MAIL:
        names = ("ReplyToItem", "ReplyAllToItem", "ForwardItem")
        if text_of(source, "IsDraft") == "true":
            names = ("ForwardItem",)
        elif row.kind == "MeetingRequest":
            names = ("AcceptItem", "TentativelyAcceptItem", "DeclineItem", *names)
        elif row.kind == "MeetingCancellation":
            names = ("RemoveItem", *names)
    elif row.kind == "CalendarItem":
        names = _calendar_responses(source)
    elif row.kind == "PostItem":
        names = ("PostReplyItem", "ReplyToItem", "ForwardItem")
    elif row.kind in ("Contact", "DistributionList", "Task"):
        names = ("ForwardItem",)
    made = make("ResponseObjects")
    for name in names:
        add(made, name)
    return made if names else None


def _calendar_responses(source: Element) -> tuple[str, ...]:
    mine = text_of(source, "MyResponseType", "Organizer")
    if text_of(source, "IsMeeting") != "true":
        return ("ForwardItem",)
    if mine in ("Organizer", "Unknown"):
        return ("CancelCalendarItem", "ForwardItem")
    return ("AcceptItem", "TentativelyAcceptItem", "DeclineItem", "ReplyToItem", "ReplyAllToItem", "ForwardItem")


def _attachments(call: Call, row: ItemRow, source: Element, shape: Shape) -> Element | None:
    held = call.store.attachments.of(row.number)
    made = make("Attachments")
    for one in held:
        made.append(attachment(call, row, one))
    return made if held else None


def attachment(call: Call, row: ItemRow, held: AttachmentRow) -> Element:
    """What an item says of one of its attachments: everything but the content."""
    made = make("FileAttachment" if held.element is None else "ItemAttachment")
    add(made, "AttachmentId", Id=call.store.attachments.ews_id(row, held))
    add(made, "Name", held.name)
    for name, text in (
        ("ContentType", held.content_type),
        ("ContentId", held.content_id),
        ("ContentLocation", held.content_location),
    ):
        if text:
            add(made, name, text)
    add(made, "Size", str(held.size))
    add(made, "LastModifiedTime", held.modified)
    add(made, "IsInline", "true" if held.is_inline else "false")
    if held.element is None:
        add(made, "IsContactPhoto", "true" if held.is_photo else "false")
    return made


def _body(call: Call, row: ItemRow, source: Element, shape: Shape) -> Element:
    return some_body("Body", source, shape.body_type, shape)


def some_body(name: str, source: Element, wanted: str, shape: Shape) -> Element:
    """A body of that name in the wanted form, cut where the shape limits it."""
    body = source.find(t("Body"))
    if body is None:
        return make(name, BodyType=wanted if wanted in ("HTML", "Text") else "Text")
    content, kind = bodies.converted(body, wanted, filtered=shape.filter_html)
    made = make(name, content, BodyType=kind)
    limit = shape.maximum_body_size
    if limit is not None and len(content) > limit:
        made.text = content[:limit]
        made.set("IsTruncated", "true")
    return made


def _unique_body(call: Call, row: ItemRow, source: Element, shape: Shape) -> Element:
    """What is new, told in the form in which the mail was written: as text, HTML no longer says what it quotes."""
    body, new = source.find(t("Body")), make("Message")
    if body is not None:
        kind = body.get("BodyType", "Text")
        new.append(make("Body", unique_body(body.text or "", kind), BodyType=kind))
    return some_body("UniqueBody", new, shape.unique_body_type or shape.body_type, shape)


def _normalized_body(call: Call, row: ItemRow, source: Element, shape: Shape) -> Element:
    return some_body("NormalizedBody", source, shape.normalized_body_type or shape.body_type, shape)


def _mime(call: Call, row: ItemRow, source: Element, shape: Shape) -> Element:
    content = base64.b64encode(sources.mime(call, row, source)).decode()
    return make("MimeContent", content, CharacterSet="UTF-8")


def _link(call: Call, row: ItemRow, source: Element) -> str:
    host = call.url.partition("/EWS")[0] or "https://exchange." + call.store.domain
    return f"{host}/owa/?ItemID={quote(row.ews_id, safe='')}&exvsurl=1&viewmodel=ReadMessageItem"


def _number_key(row: ItemRow) -> str:
    raw = row.folder.to_bytes(8, "little") + row.number.to_bytes(8, "little")
    return base64.b64encode(raw).decode()


def _entry(row: ItemRow) -> str:
    return base64.b64encode(ids.entry_id(ids.Id(row.mailbox.guid, row.folder, row.number))).decode()


_COMPUTED: dict[str, Computer] = {
    "ParentFolderId": _parent,
    "Size": _text("Size", lambda call, row, source: str(row.size)),
    "HasAttachments": _text("HasAttachments", lambda call, row, source: "true" if row.has_attachments else "false"),
    "HasPicture": _text(
        "HasPicture",
        lambda call, row, source: str(call.store.attachments.has_photo(row)).lower() if row.kind == "Contact" else None,
    ),
    "Attachments": _attachments,
    "ResponseObjects": _responses,
    "EffectiveRights": _rights,
    "ConversationId": _conversation,
    "Body": _body,
    "UniqueBody": _unique_body,
    "NormalizedBody": _normalized_body,
    "TextBody": lambda call, row, source, shape: some_body("TextBody", source, "Text", shape),
    "MimeContent": _mime,
    "Preview": _text("Preview", lambda call, row, source: bodies.preview(source)),
    "InstanceKey": _text("InstanceKey", lambda call, row, source: _number_key(row)),
    "StoreEntryId": _text("StoreEntryId", lambda call, row, source: _entry(row)),
    "SearchKey": _text("SearchKey", lambda call, row, source: base64.b64encode(row.search_key).decode()),
    "WebClientReadFormQueryString": _text("WebClientReadFormQueryString", _link),
}


def computes(name: str, computer: Computer) -> None:
    """Make a property for each answer, where it exists, instead of showing what is stored."""
    _COMPUTED[name] = computer


def value(call: Call, row: ItemRow, source: Element, path: fields.Path) -> list[str]:
    """The values of a property, as text, to search and sort by; [] where the item has none."""
    if path.key:
        return _extended_value(call, row, source, path)
    if path.index is not None:
        held = fields.entry(source, path)
        if held is not None and path.part is not None:
            held = held.find(t(path.part))
        return [held.text] if held is not None and held.text else []
    if path.name == "ItemId":
        return [row.ews_id]
    if path.name in _SEARCHED_COMPUTED:
        found = _COMPUTED[path.name](call, row, source, Shape())
        held_id = None if found is None else found.get("Id")
        return [] if found is None else [held_id or found.text or ""]
    held = source.find(t(path.name))
    return [] if held is None else texts(held)


_SEARCHED_COMPUTED = frozenset(_COMPUTED) - {"Body", "UniqueBody", "NormalizedBody", "MimeContent", "Attachments"}


def texts(element: Element) -> list[str]:
    """The text of an element, or of the parts that a search looks at in a structured one."""
    if not len(element):
        return [element.text or ""]
    boxes = list(element.iter(t("Mailbox")))
    if boxes:
        parts = ("Name", "EmailAddress")
        return [text for box in boxes for part in parts if (text := text_of(box, part))]
    return [child.text for child in element.iter() if child.text and not len(child)]


def _extended_value(call: Call, row: ItemRow, source: Element, path: fields.Path) -> list[str]:
    held = fields.extended(source, path)
    if held is not None:
        return [value.text or "" for value in held.iter(t("Value"))]
    found = mapi.read(call.store, row, source, path.key)
    return [] if found is None else [found]


def folder(call: Call, row: FolderRow, shape: Shape) -> Element:
    """The folder as an answer shows it."""
    made = make(row.kind)
    made.append(folder_id(row))
    shown = shape.shows_of_folder()
    if not shown and not shape.extended:
        return made
    counts = call.store.folders.counts(row)
    simple = {
        "FolderClass": row.folder_class or None,
        "DisplayName": row.name,
        "TotalCount": str(counts[0]),
        "ChildFolderCount": str(counts[2]),
        "UnreadCount": str(counts[1]),
        "DistinguishedFolderId": row.distinguished if row.distinguished in DEFAULT_KEYS else None,
    }
    if row.kind in ("CalendarFolder", "ContactsFolder"):
        del simple["UnreadCount"]
    for name, text in simple.items():
        if name in shown and text is not None:
            add(made, name, text)
    if "ParentFolderId" in shown:
        parent = call.store.folders.id_of(row.parent or row.number, row.mailbox)
        add(made, "ParentFolderId", Id=parent, ChangeKey=_PARENT_KEY)
    if "EffectiveRights" in shown:
        made.append(access.effective(access.rights(call.store, call.user, row), folder=True))
    _add_folder_settings(call, made, row, shape, shown, counts)
    return arrange(made)


def _add_folder_settings(
    call: Call, made: Element, row: FolderRow, shape: Shape, shown: frozenset[str], counts: tuple[int, int, int]
) -> None:
    source = call.store.folders.element(row)
    for path, uri in shape.extended:
        held = fields.extended(source, path)
        if held is not None:
            made.append(held)
        elif len(path.key) == 2:
            _add_tag(made, uri, mapi.read_folder(row, counts, path.key[0]))
    for child in elements(source):
        if local(child) in shown and local(child) in ("SearchParameters", "ManagedFolderInformation"):
            made.append(child)
    if "PermissionSet" in shown:
        held = source.find(t("PermissionSet"))
        made.append(held if held is not None else default_permissions(row))


def default_permissions(row: FolderRow) -> Element:
    """The permission set that a folder has until somebody sets another."""
    calendar = row.kind == "CalendarFolder"
    made = make("PermissionSet")
    listed = add(made, "CalendarPermissions" if calendar else "Permissions")
    for who in ("Default", "Anonymous"):
        level = "FreeBusyTimeOnly" if calendar and who == "Default" else "None"
        listed.append(permission(who, level, calendar=calendar))
    return made


def permission(who: str, level: str, *, calendar: bool) -> Element:
    """One entry of a permission set for a distinguished user, spelled out as the server does."""
    held = access.LEVELS[level]
    made = make("CalendarPermission" if calendar else "Permission")
    add(add(made, "UserId"), "DistinguishedUser", who)
    reading = "FullDetails" if held.read else ("TimeOnly" if level == "FreeBusyTimeOnly" else "None")
    for name, text in (
        ("CanCreateItems", str(held.create).lower()),
        ("CanCreateSubFolders", str(held.subfolders).lower()),
        ("IsFolderOwner", str(held.owner).lower()),
        ("IsFolderVisible", str(held.visible).lower()),
        ("IsFolderContact", "false"),
        ("EditItems", "All" if held.edit else "None"),
        ("DeleteItems", "All" if held.delete else "None"),
        ("ReadItems", reading),
        ("CalendarPermissionLevel" if calendar else "PermissionLevel", level),
    ):
        add(made, name, text)
    return made


def fresh(call: Call, row: ItemRow) -> ItemRow:
    """The row as it is now, keeping which occurrence it stands for."""
    return replace(call.store.items.get(row.number), occurrence=row.occurrence)
