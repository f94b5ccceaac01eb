"""GetItem."""

from __future__ import annotations

from connectors.simulator import render, shapes, targets
from connectors.simulator.errors import EwsError
from connectors.simulator.faults import Fault
from connectors.simulator.registry import Call, operation
from connectors.simulator.responses import Part, answer, batch, failure, holding, listed, part
from connectors.simulator.rows import ItemRow
from connectors.simulator.schema import Element, text_of


@operation("GetItem")
def get_item(call: Call) -> Element:
    shape = shapes.parse(part(call, "ItemShape"))
    entries = listed(call, "ItemIds")

    def serve(entry: Element) -> list[Part]:
        row = targets.item(call, entry)
        _strike(call, row)
        return [holding("Items", render.item(call, row, shape))]

    try:
        return batch(call, entries, serve, empty="Items")
    except _WholeBatch as error:
        made = [failure("GetItemResponseMessage", error.of, "Items") for _ in entries]
        return answer("GetItem", made)


class _WholeBatch(Exception):
    """One item that spoils the answer of all."""

    def __init__(self, error: EwsError) -> None:
        self.of = error


def meets(call: Call, fault: Fault, row: ItemRow) -> bool:
    """Whether a fault is about this item: by its id, a word of its subject, or because it is about all."""
    if fault.item in (row.ews_id, ""):
        return True
    return fault.item.lower() in text_of(call.store.items.element(row), "Subject").lower()


def _strike(call: Call, row: ItemRow) -> None:
    """The faults `corrupt_item` and `conversion_failed`, if they meet this item."""
    for fault in call.striking:
        if fault.kind not in ("corrupt_item", "conversion_failed"):
            continue
        if not meets(call, fault, row):
            continue
        if fault.kind == "corrupt_item":
            raise EwsError("ErrorItemCorrupt")
        raise _WholeBatch(EwsError("ErrorContentConversionFailed"))
