"""What the readers and writers of MIME say about an item of the store."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from connectors.simulator.content import Item
from connectors.simulator.errors import EwsError
from connectors.simulator.icalendar_files import read_calendar
from connectors.simulator.mime import read_mime
from connectors.simulator.mime_write import write_mime
from connectors.simulator.properties import MAIL_KINDS
from connectors.simulator.registry import Call
from connectors.simulator.rows import ItemRow
from connectors.simulator.schema import Element, local, t
from connectors.simulator.vcard import read_vcards


def mime(call: Call, row: ItemRow, source: Element) -> bytes:
    """The item as RFC 822 (a contact as vCard, a meeting as iCalendar), its own source where it has one."""
    kept = call.store.items.mime(row) if row.occurrence is None else None
    if kept is not None:
        return kept
    element = deepcopy(source)
    return write_mime(Item(element, call.store.attachments.as_content(row), None))


def read(data: bytes, kind: str = "Message") -> Item:
    """An item of that kind out of RFC 822 (a Contact out of a vCard, a CalendarItem out of iCalendar).

    Raises ErrorMimeContentInvalid, or ErrorUnsupportedMimeConversion where it is something else.
    """
    try:
        found = _READERS.get(kind, _read_mail)(data)
    except (ValueError, LookupError) as error:
        raise EwsError("ErrorMimeContentInvalid") from error
    if found is None or (local(found.element) in MAIL_KINDS) != (kind in MAIL_KINDS):
        if found is not None and kind in ("PostItem", "Item"):
            found.element.tag = t(kind)
            return found
        raise EwsError("ErrorUnsupportedMimeConversion")
    return found


def _read_mail(data: bytes) -> Item | None:
    return read_mime(data)


def _read_contact(data: bytes) -> Item | None:
    return next(iter(read_vcards(data)), None)


def _read_event(data: bytes) -> Item | None:
    return next(iter(read_calendar(data)), None)


_READERS: dict[str, Callable[[bytes], Item | None]] = {"Contact": _read_contact, "CalendarItem": _read_event}
