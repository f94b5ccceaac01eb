"""Puts the office into the simulator's store: mailboxes with their mail, calendars and contacts."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from datetime import datetime

from connectors.simulator.content import Item
from connectors.simulator.icalendar_files import read_calendar
from connectors.simulator.mime import read_mime
from connectors.simulator.office.calendars import make_calendars
from connectors.simulator.office.contacts import make_vcards
from connectors.simulator.office.mail import Delivery, make_mail
from connectors.simulator.office.office import Office
from connectors.simulator.rows import FolderRow, Mailbox
from connectors.simulator.schema import put
from connectors.simulator.store import Store
from connectors.simulator.vcard import read_vcards


def populate(store: Store, office: Office, now: datetime, days: int = 90) -> None:
    """Make the mailboxes of the office with all that is in them up to `now`, in one transaction."""
    vcards = make_vcards(office)
    calendars = make_calendars(office, now, days)
    with store.transaction():
        for employee in office.people:
            mailbox = store.mailboxes.add(employee.address, employee.name_ru)
            _fill(store, mailbox, "contacts", read_vcards(vcards[employee.address].encode()))
            _fill(store, mailbox, "calendar", read_calendar(calendars[employee.address]))
        put_mail(store, make_mail(office, now, days))


def put_mail(store: Store, deliveries: Iterable[Delivery], *, new: bool = False) -> None:
    """Put copies into their folders, making a folder that is not there. `new` announces inbox mail as arriving.

    Raises KeyError for an address without mailbox.
    """
    folders: dict[tuple[str, str], FolderRow] = {}
    source, parsed = b"", None
    for delivery in deliveries:
        where = (delivery.mailbox, delivery.folder)
        if where not in folders:
            folders[where] = _folder(store, *where)
        if parsed is None or delivery.mime != source:  # copies of one mail come one after another
            source, parsed = delivery.mime, read_mime(delivery.mime)
        element = deepcopy(parsed.element)
        put(element, "IsRead", "true" if delivery.is_read else "false")
        store.items.create(
            folders[where],
            element,
            attachments=parsed.attachments,
            mime=delivery.mime,
            draft=False,
            new_mail=new and delivery.folder != "sentitems",
        )


def _fill(store: Store, mailbox: Mailbox, key: str, items: list[Item]) -> None:
    folder = store.folders.distinguished(mailbox, key)
    for item in items:
        store.items.create(folder, item.element, attachments=item.attachments, draft=False)


def _folder(store: Store, address: str, name: str) -> FolderRow:
    mailbox = store.mailboxes.find(address)
    if mailbox is None:
        raise KeyError(f"no mailbox {address}")
    if name in ("inbox", "sentitems"):
        return store.folders.distinguished(mailbox, name)
    root = store.folders.distinguished(mailbox, "msgfolderroot")
    return store.folders.child(root, name) or store.folders.create(root, name)
