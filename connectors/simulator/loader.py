"""Fills mailboxes from folders on disk: mail, vCards and iCalendar files, one folder or file for each user.

    MAIL/allen-p/inbox/1.           a message in the Inbox of allen-p@DOMAIN
    VCARDS/allen-p.vcf              contacts of allen-p (or VCARDS/allen-p/*.vcf)
    CALENDARS/allen-p/team.ics      events and to-dos of allen-p (or CALENDARS/allen-p.ics)

A user named `x@y.z` is that whole address. Mailboxes are made as they are named. What was loaded is remembered, so a
store that survives restarts takes each file once.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lxml import etree

from connectors.simulator import operations
from connectors.simulator.content import Item
from connectors.simulator.errors import EwsError
from connectors.simulator.icalendar_files import read_calendar
from connectors.simulator.mail_folders import Found, find_mail
from connectors.simulator.mime import read_mime
from connectors.simulator.rows import FolderRow, Mailbox
from connectors.simulator.schema import drop, local, put, text_of
from connectors.simulator.store import Store
from connectors.simulator.vcard import read_vcards

if TYPE_CHECKING:
    from connectors.simulator.simulator import Simulator

_log = logging.getLogger(__name__)
# The fixed words of the layout; every other folder keeps its name.
_DISTINGUISHED = {
    "inbox": "inbox",
    "sent": "sentitems",
    "sent_items": "sentitems",
    "_sent_mail": "sentitems",
    "deleted_items": "deleteditems",
    "drafts": "drafts",
}
_MAIL_CLASS = "IPF.Note"
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


@dataclass
class Loaded:
    """What was put into the mailboxes.

    `refused` counts events that no Exchange keeps (one that lasts for years);
    `unreadable` names the files that could not be opened.
    """

    mailboxes: int = 0
    messages: int = 0
    contacts: int = 0
    events: int = 0
    refused: int = 0
    unreadable: list[Path] = field(default_factory=list)


def load(
    target: Simulator | Store,
    *,
    mail: Path | None = None,
    vcards: Path | None = None,
    calendars: Path | None = None,
) -> Loaded:
    """Load whatever is in these folders and was not loaded before.

    Malformed content is taken as far as it can be read; a file that cannot be opened is named in the answer.
    Raises NotADirectoryError where one of the folders is none.
    """
    operations.load()  # without them nobody completes what is put into a calendar
    store = target if isinstance(target, Store) else target.store
    for folder in (mail, vcards, calendars):
        if folder is not None and not folder.is_dir():
            raise NotADirectoryError(f"{folder} is not a folder")
    done = Loaded()
    users: set[str] = set()
    for folder, load_user in ((mail, _load_mail), (vcards, _load_vcards), (calendars, _load_calendars)):
        for name, path in _users(folder) if folder is not None else ():
            address = name if "@" in name else f"{name}@{store.domain}"
            with store.transaction():
                mailbox = store.mailboxes.add(address)
                load_user(store, mailbox, path, done)
            users.add(address.lower())
    done.mailboxes = len(users)
    return done


def _users(folder: Path) -> Iterator[tuple[str, Path]]:
    """Each user with his folder or file: `allen-p/`, `allen-p.vcf`, `allen-p.ics`, `allen-p.mbox`."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield path.name, path
        elif path.suffix.lower() in (".vcf", ".ics", ".mbox"):
            yield path.stem, path


def _load_mail(store: Store, mailbox: Mailbox, path: Path, done: Loaded) -> None:
    known = _Known(store, "mail", mailbox)
    folders: dict[tuple[str, ...], FolderRow] = {}
    for found in find_mail(path, done.unreadable):
        if not known.is_new(found.key):
            continue
        if found.folder not in folders:
            folders[found.folder] = _folder(store, mailbox, found.folder)
        _put_mail(store, folders[found.folder], found)
        done.messages += 1
    known.remember()


def _put_mail(store: Store, folder: FolderRow, found: Found) -> None:
    item = read_mime(found.data)
    element = item.element
    if found.arrived is not None and element.find("{*}DateTimeReceived") is None:
        put(element, "DateTimeReceived", found.arrived)
        put(element, "DateTimeSent", found.arrived)
    put(element, "IsRead", "true" if found.is_read else "false")
    put(element, "IsFromMe", "true" if folder.distinguished == "sentitems" else "false")
    drop(element, "IsDraft")
    if not text_of(element, "InternetMessageId"):
        put(element, "InternetMessageId", _stamp(store, element, found.data))
    store.items.create(
        folder,
        element,
        attachments=item.attachments,
        mime=item.mime,
        draft=folder.distinguished == "drafts",
    )


def _stamp(store: Store, element: etree._Element, data: bytes) -> str:
    """The Message-ID that transport gives to a mail without one: once, so that all who get the mail see the same.

    What differs between its copies, such as the Received lines, does not count.
    """
    people = [text_of(box, "EmailAddress") for box in element.iterfind(".//{*}Mailbox")]
    head = [text_of(element, "Subject"), text_of(element, "DateTimeSent"), *people]
    body = _BLANK_LINE.split(data, maxsplit=1)[-1]
    digest = hashlib.sha256("\x1f".join(head).encode("utf-8", "replace") + b"\x1f" + body.strip()).hexdigest()
    return f"<{digest[:32]}@{store.domain}>"


def _folder(store: Store, mailbox: Mailbox, path: tuple[str, ...]) -> FolderRow:
    """The mail folder at this path of names, made where it is not there."""
    folders = store.folders
    known = _DISTINGUISHED.get(path[0].lower()) if path else "inbox"
    if known is not None:
        folder, rest = folders.distinguished(mailbox, known), path[1:]
    else:
        folder, rest = folders.distinguished(mailbox, "msgfolderroot"), path
    for name in rest:
        child = folders.child(folder, name)
        if child is not None and not _takes_mail(child):
            name = f"{name} (mail)"
            child = folders.child(folder, name)
        folder = child or folders.create(folder, name, folder_class=_MAIL_CLASS)
    return folder


def _takes_mail(folder: FolderRow) -> bool:
    return folder.kind == "Folder" and folder.folder_class in ("", _MAIL_CLASS)


def _load_vcards(store: Store, mailbox: Mailbox, path: Path, done: Loaded) -> None:
    folder = store.folders.distinguished(mailbox, "contacts")
    for item in _read_files(store, mailbox, path, "vcards", ".vcf", read_vcards, done):
        store.items.create(folder, item.element, attachments=item.attachments, draft=False)
        done.contacts += 1


def _load_calendars(store: Store, mailbox: Mailbox, path: Path, done: Loaded) -> None:
    calendar = store.folders.distinguished(mailbox, "calendar")
    tasks = store.folders.distinguished(mailbox, "tasks")
    for item in _read_files(store, mailbox, path, "calendars", ".ics", read_calendar, done):
        folder = tasks if local(item.element) == "Task" else calendar
        try:
            with store.transaction():
                store.items.create(folder, item.element, attachments=item.attachments, draft=False)
        except EwsError as error:
            _log.warning("cannot keep %r of %s: %s", text_of(item.element, "Subject"), mailbox.address, error)
            done.refused += 1
        else:
            done.events += 1


def _read_files(
    store: Store,
    mailbox: Mailbox,
    path: Path,
    kind: str,
    suffix: str,
    read: Callable[[bytes], list[Item]],
    done: Loaded,
) -> Iterator[Item]:
    known = _Known(store, kind, mailbox)
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        if file.suffix.lower() != suffix or file.name.startswith(".") or not file.is_file():
            continue
        if not known.is_new(str(file.resolve())):
            continue
        try:
            yield from read(file.read_bytes())
        except OSError as error:
            _log.warning("cannot read %s: %s", file, error.strerror)
            done.unreadable.append(file)
    known.remember()


class _Known:
    """The files of one user and kind that earlier runs have loaded."""

    def __init__(self, store: Store, kind: str, mailbox: Mailbox) -> None:
        self._store = store
        self._setting = f"loaded {kind} {mailbox.address.lower()}"
        self._names: set[str] = set(json.loads(store.setting(self._setting, "[]")))

    def is_new(self, name: str) -> bool:
        if name in self._names:
            return False
        self._names.add(name)
        return True

    def remember(self) -> None:
        self._store.remember(self._setting, json.dumps(sorted(self._names)))
