"""The occurrences of a series that differ from it, kept with its master.

Exchange keeps an exception inside its master, and so does this server: one element beside the schema's
children for each exception, holding a whole CalendarItem. No client ever sees that element. Deleted
occurrences are the master's DeletedOccurrences.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime

from lxml import etree

from connectors.simulator.elements import add, find, find_all, moment_of, read_moment, xml_moment

PRIVATE = "urn:terracrm:exchange-simulator"
_OVERRIDE = f"{{{PRIVATE}}}Override"


def overrides(master: etree._Element) -> dict[datetime, etree._Element]:
    """The exceptions by the moment (UTC) at which the occurrence was to start originally."""
    found = {}
    for holder in master.findall(_OVERRIDE):
        original = read_moment(holder.get("OriginalStart", ""))
        if original is not None and len(holder):
            found[original] = holder[0]
    return found


def set_override(master: etree._Element, original: datetime, item: etree._Element) -> None:
    """Keep `item` as what the occurrence of `original` is now, instead of an earlier exception."""
    drop_override(master, original)
    holder = etree.SubElement(master, _OVERRIDE, nsmap={"s": PRIVATE})
    holder.set("OriginalStart", xml_moment(original))
    holder.append(deepcopy(item))


def drop_override(master: etree._Element, original: datetime) -> None:
    """Forget the exception of `original`, if there is one."""
    for holder in master.findall(_OVERRIDE):
        if holder.get("OriginalStart") == xml_moment(original):
            master.remove(holder)


def drop_overrides(master: etree._Element) -> None:
    """Forget every exception and deletion, as Exchange does when a series is given another pattern."""
    for holder in master.findall(_OVERRIDE):
        master.remove(holder)
    deleted = find(master, "DeletedOccurrences")
    if deleted is not None:
        master.remove(deleted)


def deletions(master: etree._Element) -> set[datetime]:
    """The original starts (UTC) of the occurrences that were deleted."""
    found = find_all(master, "DeletedOccurrences", "DeletedOccurrence")
    return {moment for each in found if (moment := moment_of(each, "Start"))}


def delete_occurrence(master: etree._Element, original: datetime) -> None:
    """Delete the occurrence of `original`, with its exception if it was one."""
    drop_override(master, original)
    if original in deletions(master):
        return
    holder = find(master, "DeletedOccurrences")
    if holder is None:
        holder = add(master, "DeletedOccurrences")
    add(add(holder, "DeletedOccurrence"), "Start", original)
