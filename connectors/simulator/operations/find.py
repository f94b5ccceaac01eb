"""FindItem and FindFolder: what is in a folder, restricted, sorted, grouped and paged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from connectors.simulator import fields, mapi, render, search, shapes, targets
from connectors.simulator.errors import EwsError, SchemaViolation
from connectors.simulator.registry import Call, hooks, operation
from connectors.simulator.responses import Part, batch, choice, listed, part
from connectors.simulator.rows import FolderRow, ItemRow
from connectors.simulator.schema import Element, add, elements, local, m, make, message, t, text_of

_MOST_ITEMS = 1000
# The properties are read only when something looks at them before the page is cut.
Found = tuple[ItemRow, Element | None]
_VIEWS = {
    "IndexedPageItemView": "indexed",
    "IndexedPageFolderView": "indexed",
    "FractionalPageItemView": "fractional",
    "FractionalPageFolderView": "fractional",
    "SeekToConditionPageItemView": "seek",
    "ContactsView": "contacts",
    "CalendarView": "calendar",
}


_LOOKING = frozenset({"ContactsView", "SeekToConditionPageItemView"})


@dataclass(frozen=True)
class Page:
    """What a view shows of all that was found, and the attributes that say so."""

    entries: list[Any]
    attributes: dict[str, str]


def _view(call: Call) -> Element | None:
    return next((child for child in elements(call.request) if local(child) in _VIEWS), None)


def _whole(view: Element, name: str, default: int | None = None) -> int:
    text = view.get(name)
    if text is None:
        if default is None:
            raise SchemaViolation(f"The required attribute '{name}' is missing.")
        return default
    try:
        return int(text)
    except ValueError as error:
        raise SchemaViolation(f"The '{name}' attribute is invalid - The value '{text}' is invalid.") from error


def paged(entries: list[Any], view: Element | None, most: int | None, seek: Callable[[Any], bool]) -> Page:
    """The page of the entries that a view asks for; `most` is the server's own limit."""
    total = len(entries)
    if view is None or local(view) in ("ContactsView", "CalendarView"):
        limit = _whole(view, "MaxEntriesReturned", total) if view is not None else total
        end = min(limit, most or limit)
        return _page(entries, 0, end, total)
    size = _whole(view, "MaxEntriesReturned", most or total)
    if size <= 0:
        raise EwsError("ErrorInvalidIndexedPagingParameters")
    size = min(size, most or size)
    kind = _VIEWS[local(view)]
    if kind == "fractional":
        numerator, denominator = _whole(view, "Numerator"), _whole(view, "Denominator")
        if denominator <= 0 or numerator < 0 or numerator > denominator:
            raise EwsError("ErrorInvalidFractionalPagingParameters")
        start = total * numerator // denominator
        page = _page(entries, start, min(start + size, total), total)
        fraction = {"NumeratorOffset": str(min(start + size, total)), "AbsoluteDenominator": str(max(total, 1))}
        return Page(page.entries, {**fraction, **{k: v for k, v in page.attributes.items() if "Index" not in k}})
    if kind == "seek":
        start = next((number for number, entry in enumerate(entries) if seek(entry)), total)
        return _page(entries, start, min(start + size, total), total)
    return _indexed(entries, view, size)


def _indexed(entries: list[Any], view: Element, size: int) -> Page:
    offset, base, total = _whole(view, "Offset"), view.get("BasePoint"), len(entries)
    if base not in ("Beginning", "End") or offset < 0:
        raise EwsError("ErrorInvalidIndexedPagingParameters")
    if base == "Beginning":
        start = min(offset, total)
        return _page(entries, start, min(start + size, total), total)
    end = max(total - offset, 0)
    start = max(end - size, 0)
    page = _page(entries, start, end, total)
    page.attributes["IndexedPagingOffset"] = str(total - start)
    page.attributes["IncludesLastItemInRange"] = "true" if start == 0 else "false"
    return page


def _page(entries: list[Any], start: int, end: int, total: int) -> Page:
    return Page(
        entries[start:end],
        {
            "IndexedPagingOffset": str(end),
            "TotalItemsInView": str(total),
            "IncludesLastItemInRange": "true" if end >= total else "false",
        },
    )


@operation("FindItem")
def find_item(call: Call) -> Element:
    shape = shapes.parse(part(call, "ItemShape"))
    traversal = choice(call, "Traversal", ("Shallow", "SoftDeleted", "Associated"))
    meets = search.restriction(call.request.find(m("Restriction")))
    words = search.query_string(call.request.find(m("QueryString")))
    by = search.orders(call.request.find(m("SortOrder")))
    view = _view(call)
    view_kind = "" if view is None else local(view)
    calendar = view if view_kind == "CalendarView" else None
    grouping = call.request.find(m("GroupBy"))
    if calendar is not None and (meets or by):
        raise EwsError("ErrorInvalidOperation", "CalendarView cannot be used with a restriction or sort order.")

    def serve(entry: Element) -> list[Part]:
        folder = targets.folder(call, entry, "read")
        looks = bool(meets or words or by) or grouping is not None or view_kind in _LOOKING
        found = _in_folder(call, folder, traversal, calendar, looks=looks)
        if meets is not None:
            found = [one for one in found if meets(_values(call, one))]
        if words is not None:
            found = [one for one in found if words(_values(call, one))]
        found = _in_names(view, found)
        if by:
            found = search.sort(found, by, lambda one: _values(call, one))
        elif traversal != "Associated" and calendar is None and folder.kind == "CalendarFolder":
            found = sorted(found, key=lambda one: text_of(one[1], "Start"))
        return [_root(call, found, shape, view)]

    return batch(call, listed(call, "ParentFolderIds"), serve)


def _in_folder(call: Call, folder: FolderRow, traversal: str, calendar: Element | None, *, looks: bool) -> list[Found]:
    if any(fault.kind == "empty_folder" for fault in call.striking):
        return []
    items = call.store.items
    if traversal == "SoftDeleted":
        rows = items.where("deleted_from = ? ORDER BY received DESC, number DESC", folder.number)
        return [(row, items.element(row)) for row in rows]
    if calendar is not None:
        return _calendar(call, folder, calendar)
    if folder.kind == "SearchFolder":
        return _search_folder(call, folder)
    if looks or folder.kind == "CalendarFolder":
        return [*items.in_folder_with_elements(folder, associated=traversal == "Associated")]
    return [(row, None) for row in items.in_folder(folder, associated=traversal == "Associated")]


def _calendar(call: Call, folder: FolderRow, view: Element) -> list[Found]:
    if folder.kind != "CalendarFolder":
        raise EwsError("ErrorCalendarFolderIsInvalidForCalendarView", "The folder is not a calendar folder.")
    start, end = view.get("StartDate"), view.get("EndDate")
    if not start or not end:
        raise SchemaViolation("The required attribute 'StartDate' or 'EndDate' is missing.")
    if search.compare(start, end) > 0:
        raise EwsError("ErrorCalendarEndDateIsEarlierThanStartDate", "EndDate is earlier than StartDate.")
    if hooks.calendar_view is not None:
        return hooks.calendar_view(call, folder, view)
    found = [
        (row, element)
        for row, element in call.store.items.in_folder_with_elements(folder)
        if search.compare(text_of(element, "Start"), end) < 0 and search.compare(text_of(element, "End"), start) > 0
    ]
    return sorted(found, key=lambda one: search.comparable(text_of(one[1], "Start")))


def _search_folder(call: Call, folder: FolderRow) -> list[Found]:
    """A search folder shows what its restriction finds in its base folders."""
    parameters = call.store.folders.element(folder).find(t("SearchParameters"))
    if parameters is None:
        return []
    meets = search.restriction(parameters.find(t("Restriction")))
    found: list[Found] = []
    for named in elements(parameters.find(t("BaseFolderIds"))):
        base = targets.folder(call, named, "read")
        deep = parameters.get("Traversal") == "Deep"
        for one in [base, *(call.store.folders.children(base, deep=True) if deep else [])]:
            found += call.store.items.in_folder_with_elements(one)
    return [one for one in found if meets is None or meets(_values(call, one))]


def _values(call: Call, one: Found) -> search.Values:
    row, known = one
    element = render.properties_of(call, row) if known is None else known
    return lambda path: render.value(call, row, element, path)


def _in_names(view: Element | None, found: list[Found]) -> list[Found]:
    if view is None or local(view) != "ContactsView":
        return found
    first, last = (view.get("InitialName") or "").casefold(), (view.get("FinalName") or "").casefold()

    def within(one: Found) -> bool:
        name = text_of(one[1], "DisplayName").casefold()
        return name >= first and (not last or name[: len(last)] <= last)

    return sorted(filter(within, found), key=lambda one: text_of(one[1], "DisplayName").casefold())


def _root(call: Call, found: list[Found], shape: shapes.Shape, view: Element | None) -> Element:
    condition = None
    if view is not None and local(view) == "SeekToConditionPageItemView":
        condition = search.restriction(view.find(make("Condition").tag))
    page = paged(found, view, _MOST_ITEMS, lambda one: condition is not None and condition(_values(call, one)))
    root = message("RootFolder", **page.attributes)
    grouping = call.request.find(m("GroupBy"))
    if grouping is not None:
        _add_groups(call, root, page.entries, grouping, shape)
        return root
    holder = add(root, "Items")
    for row, element in page.entries:
        holder.append(render.item(call, row, shape, view=True, source=element))
    return root


def _add_groups(call: Call, root: Element, found: list[Found], grouping: Element, shape: shapes.Shape) -> None:
    path = fields.parse(elements(grouping)[0])
    groups: dict[str, list[Found]] = {}
    for one in found:
        groups.setdefault("; ".join(_values(call, one)(path)), []).append(one)
    holder = add(root, "Groups")
    for name in sorted(groups, reverse=grouping.get("Order") == "Descending"):
        group = add(holder, "GroupedItems")
        add(group, "GroupIndex", name)
        items = add(group, "Items")
        for row, element in groups[name]:
            items.append(render.item(call, row, shape, view=True, source=element))


@operation("FindFolder")
def find_folder(call: Call) -> Element:
    shape = shapes.parse(part(call, "FolderShape"))
    traversal = choice(call, "Traversal", ("Shallow", "Deep", "SoftDeleted"))
    meets = search.restriction(call.request.find(m("Restriction")))

    def serve(entry: Element) -> list[Part]:
        parent = targets.folder(call, entry)
        found = []
        if traversal != "SoftDeleted":
            found = call.store.folders.children(parent, deep=traversal == "Deep")
        if meets is not None:
            found = [row for row in found if meets(_folder_values(call, row))]
        page = paged(found, _view(call), None, lambda _: False)
        root = message("RootFolder", **page.attributes)
        holder = add(root, "Folders")
        for row in page.entries:
            holder.append(render.folder(call, row, shape))
        return [root]

    return batch(call, listed(call, "ParentFolderIds"), serve)


def _folder_values(call: Call, row: FolderRow) -> search.Values:
    def values(path: fields.Path) -> list[str]:
        if not path.key:
            shown = render.folder(call, row, shapes.Shape(names=frozenset({path.name})))
            held = shown.find(make(path.name).tag)
            return [] if held is None else [held.get("Id") or held.text or ""]
        held = fields.extended(call.store.folders.element(row), path)
        if held is not None:
            return render.texts(held[-1])
        known = mapi.read_folder(row, call.store.folders.counts(row), path.key[0]) if len(path.key) == 2 else None
        return [] if known is None else [known]

    return values
