"""Which folders of a mailbox hold mail, contacts, calendar items or tasks, and which are Exchange's own business."""

from __future__ import annotations

from collections.abc import Sequence

import exchangelib
from exchangelib.version import EXCHANGE_2013

from connectors.exchange_ews.connect import server_version
from connectors.exchange_ews.elements import Item
from connectors.exchange_ews.services import FindFolders, GetFolders, Shape, field, tagged
from terracrm.domain.records import Folder, StreamKind
from terracrm.errors import AuthFailed

ROOT = "msgfolderroot"
WELL_KNOWN = (
    ROOT, "inbox", "sentitems", "drafts", "outbox", "junkemail", "deleteditems", "calendar", "contacts",
    "tasks",
)  # fmt: skip
WELL_KNOWN_SINCE_2013 = (
    "conversationhistory", "syncissues", "recipientcache", "quickcontacts", "imcontactlist", "peopleconnect"
)  # fmt: skip

INHERITED = frozenset({"syncissues", "deleteditems", "junkemail", "drafts", "outbox"})
"""A folder inside one of these is like it: a folder that was thrown away lies in Deleted Items with all its mail."""

CACHES = frozenset({"recipientcache", "quickcontacts", "imcontactlist", "peopleconnect"})
CACHE_NAMES = frozenset({"Suggested Contacts", "Рекомендуемые контакты"})
"""What Outlook 2010 calls the addresses it collects by itself; nothing but the name tells that folder."""

KINDS = {
    "IPF.Note": StreamKind.MAIL,
    "IPF.Imap": StreamKind.MAIL,
    "": StreamKind.MAIL,  # what IMAP clients create; Outlook shows it as mail
    "IPF.Contact": StreamKind.CONTACTS,
    "IPF.Appointment": StreamKind.CALENDAR,
    "IPF.Task": StreamKind.TASKS,
}
"""By exact class: IPF.Contact.* are caches, IPF.Appointment.Birthday is made from contacts, IPF.Note.* are feeds."""

HIDDEN = "0x10f4"  # PidTagAttributeHidden
SHAPE = Shape(
    (
        field("folder:ParentFolderId"),
        field("folder:DisplayName"),
        field("folder:FolderClass"),
        field("folder:TotalCount"),
        tagged(HIDDEN, "Boolean"),
    )
)


def read_folders(account: exchangelib.Account) -> list[Folder]:
    """Every folder below the mailbox root whose items are mirrored, sorted by path, in two requests.

    Search folders, hidden folders, recoverable items, public folders and collected addresses are left out.
    Raises AuthFailed when the mailbox cannot be opened.
    """
    names = well_known_ids(account)
    elements = [Item(element) for element in FindFolders(account=account).call(SHAPE)]
    return sorted(_folders(elements, names), key=lambda folder: folder.path)


def well_known_ids(account: exchangelib.Account) -> dict[str, str]:
    """The names of the distinguished folders by folder id."""
    names = WELL_KNOWN if server_version(account).build < EXCHANGE_2013 else WELL_KNOWN + WELL_KNOWN_SINCE_2013
    found = GetFolders(account=account).call(names, Shape())
    if found[0] is None:
        raise AuthFailed(f"The account has no right to open the mailbox {account.primary_smtp_address}.")
    return {
        Item(element).id("FolderId"): name for name, element in zip(names, found, strict=True) if element is not None
    }


def _folders(elements: Sequence[Item], names: dict[str, str]) -> list[Folder]:
    by_id = {element.id("FolderId"): element for element in elements}
    found = []
    for folder_id, element in by_id.items():
        line = _line(element, by_id)
        kind = KINDS.get(element.text("FolderClass"))
        own_names = [names.get(each.id("FolderId"), "") for each in line]
        if kind is None or element.type == "SearchFolder" or _is_cache(line, own_names):
            continue
        found.append(
            Folder(
                remote_id=folder_id,
                path="/".join(each.text("DisplayName") for each in line),
                kind=kind,
                well_known=own_names[-1] or next((name for name in own_names if name in INHERITED), ""),
                item_count=element.number("TotalCount"),
            )
        )
    return found


def _line(element: Item, by_id: dict[str, Item]) -> list[Item]:
    """The folder with those above it, from the top; the mailbox root is not among what FindFolder returns."""
    line = [element]
    while (parent := by_id.get(line[0].id("ParentFolderId"))) is not None and parent not in line:
        line.insert(0, parent)
    return line


def _is_cache(line: Sequence[Item], names: Sequence[str]) -> bool:
    hidden = any(each.extended().get(HIDDEN) == "true" for each in line)
    return hidden or not CACHES.isdisjoint(names) or line[-1].text("DisplayName") in CACHE_NAMES
