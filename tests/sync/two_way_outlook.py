"""What people do in their Outlook: the same acts on a memory server, and on an Exchange over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import exchangelib
from exchangelib.properties import FolderId, ItemId
from exchangelib.services import CopyItem, DeleteFolder, MoveItem

from connectors import memory_contacts
from connectors.base import Account, Connector
from connectors.exchange_ews import ExchangeEWS
from connectors.exchange_ews.connect import connect as sign_in
from connectors.memory import MemoryConnector, MemoryServer
from connectors.simulator.simulator import Simulator
from terracrm.domain.records import Body, ContactRecord, Folder, MessageRecord, Participant, Role, StreamKind
from terracrm.errors import Temporary
from tests.sync.conftest import DOMAIN
from tests.sync.items import NOON

HIDDEN = ("deleteditems",)


@dataclass(frozen=True, repr=False)
class Entry:
    """An entry of a contacts folder as its owner sees it; `record.body` is what the mailbox keeps of the notes."""

    owner: str
    folder: Folder
    remote_id: str
    version: str
    key: str
    record: ContactRecord

    def __repr__(self) -> str:
        """What is worth reading of it in a failing example."""
        record = self.record
        values = {each.name: getattr(record, each.name) for each in fields(record)}
        said = {name: value for name, value in values.items() if value and name not in ("notes", "card")}
        where = f"{self.owner}: {self.folder.path}/{self.remote_id[-12:]}"
        return f"<{where} {self.version[-6:]} key={self.key[:6]} {said}>"

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        printer.text(repr(self))

    @property
    def body(self) -> Body:
        return self.record.body or Body(self.record.notes)

    @property
    def text(self) -> str:
        """All that it says, for looking words up."""
        return f"{replace(self.record, body=None, notes='')} {self.body.content}"


def address_of(name: str) -> str:
    return f"{name}@{DOMAIN}"


class Outlook(Protocol):
    """Mailboxes, the people at them, and what their server is made to do."""

    server: str

    def add_mailbox(self, name: str) -> None: ...
    def connect(self, account: Account) -> Connector: ...
    def folders(self, name: str) -> list[Folder]: ...
    def entries(self, name: str) -> list[Entry]: ...
    def put(self, name: str, folder: Folder, record: ContactRecord) -> str: ...
    def edit(self, entry: Entry, record: ContactRecord, names: set[str]) -> None: ...
    def delete(self, entry: Entry) -> str: ...
    def move(self, name: str, remote_id: str, target: Folder) -> str: ...
    def copy(self, entry: Entry, target: Folder) -> str: ...
    def add_folder(self, name: str, title: str) -> Folder: ...
    def remove_folder(self, name: str, folder: Folder) -> None: ...
    def deliver(self, name: str, sender: str, subject: str) -> None: ...
    def writes(self) -> int: ...
    def lose_answer(self) -> None: ...
    def expire_cursors(self) -> None: ...
    def change_once_more(self, on: bool) -> None: ...
    def fail_next(self) -> None: ...
    def mend(self) -> None: ...
    def close(self) -> None: ...


class MemoryOutlook:
    """On a memory server."""

    server = "https://mail.test"

    def __init__(self) -> None:
        self.memory = MemoryServer()
        self.count = 0

    def add_mailbox(self, name: str) -> None:
        self.memory.add_mailbox(address_of(name))

    def connect(self, account: Account) -> Connector:
        return MemoryConnector(account, self.memory)

    def folders(self, name: str) -> list[Folder]:
        return [box.folder for box in self.memory._folders[address_of(name)].values()]

    def entries(self, name: str) -> list[Entry]:
        found = []
        for box in self.memory._folders[address_of(name)].values():
            if box.folder.kind is StreamKind.CONTACTS and box.folder.well_known not in HIDDEN:
                for item in box.items.values():
                    if not item.is_deleted and isinstance(item.record, ContactRecord):
                        record = replace(item.record, body=memory_contacts.body_of(item.record))
                        found.append(Entry(name, box.folder, item.remote_id, item.version, item.key, record))
        return found

    def put(self, name: str, folder: Folder, record: ContactRecord) -> str:
        return self.memory.put(folder, memory_contacts.created(record))

    def edit(self, entry: Entry, record: ContactRecord, names: set[str]) -> None:
        now = self.memory._item(entry.remote_id).record
        assert isinstance(now, ContactRecord)
        changed = memory_contacts.written(now, record, names)
        if changed != now:
            self.memory.change(entry.remote_id, changed)

    def delete(self, entry: Entry) -> str:
        trash = next(f for f in self.folders(entry.owner) if f.well_known == "deleteditems")
        return self.memory.move(entry.remote_id, trash)

    def move(self, name: str, remote_id: str, target: Folder) -> str:
        return self.memory.move(remote_id, target)

    def copy(self, entry: Entry, target: Folder) -> str:
        return self.memory.copy(entry.remote_id, target)

    def add_folder(self, name: str, title: str) -> Folder:
        return self.memory.add_folder(address_of(name), f"Contacts/{title}", StreamKind.CONTACTS)

    def remove_folder(self, name: str, folder: Folder) -> None:
        self.memory.remove_folder(folder)

    def deliver(self, name: str, sender: str, subject: str) -> None:
        self.count += 1
        inbox = next(f for f in self.folders(name) if f.well_known == "inbox")
        people = (Participant(Role.FROM, sender), Participant(Role.TO, address_of(name)))
        record = MessageRecord(f"<{self.count}@test>", subject, NOON, NOON, participants=people, body_text=subject)
        self.memory.put(inbox, record)

    def writes(self) -> int:
        return self.memory.writes

    def lose_answer(self) -> None:
        self.memory.lose_answers()

    def expire_cursors(self) -> None:
        self.memory.expire_cursors()

    def change_once_more(self, on: bool) -> None:
        self.memory.second_change = on

    def fail_next(self) -> None:
        self.memory.fail_next(Temporary("The server is busy."))

    def mend(self) -> None:
        self.memory._lost_answers = 0
        self.memory._failures.clear()

    def close(self) -> None:
        pass


class ExchangeOutlook:
    """On the simulator over HTTP; people work with connectors of their own, and with exchangelib."""

    WRITES = frozenset({"CreateItem", "UpdateItem", "DeleteItem", "CreateFolder", "MoveItem", "CopyItem"})

    def __init__(self) -> None:
        self.simulator = Simulator(domain=DOMAIN)
        self.simulator.start()
        self.server = self.simulator.url
        self.people: dict[str, exchangelib.Account] = {}
        self.connectors: dict[str, ExchangeEWS] = {}
        self.known_folders: dict[str, tuple[Any, list[Folder]]] = {}
        self.known_entries: dict[tuple[str, str], Entry] = {}
        self.count = self.own_writes = self.other_writes = 0
        serve = self.simulator._answer

        def counted(call: Any) -> Any:
            if call.name in self.WRITES:
                self.other_writes += 1
            return serve(call)

        self.simulator._answer = counted  # type: ignore[method-assign]

    def add_mailbox(self, name: str) -> None:
        self.simulator.add_mailbox(address_of(name))

    def connect(self, account: Account) -> Connector:
        return ExchangeEWS(account)

    def folders(self, name: str) -> list[Folder]:
        rows = self._rows("SELECT number, sequence, parent FROM folder WHERE mailbox = ? ORDER BY number", name)
        if self.known_folders.get(name, ((), []))[0] != rows:
            with self._a_person():
                self.known_folders[name] = rows, self._connector(name).folders()
        return self.known_folders[name][1]

    def entries(self, name: str) -> list[Entry]:
        folders = {f.remote_id: f for f in self.folders(name) if f.kind is StreamKind.CONTACTS}
        folders = {each.remote_id: each for each in folders.values() if each.well_known not in HIDDEN}
        box = self._box(name)
        found: list[Entry | tuple[Folder, str, str]] = []
        for row in self.simulator.store.items.where("mailbox = ? AND kind = 'Contact' ORDER BY number", box.number):
            folder = folders.get(self.simulator.store.folders.get(row.folder).ews_id)
            if folder is not None:
                known = self.known_entries.get((row.ews_id, row.change_key))
                found.append(known or (folder, row.ews_id, row.change_key))
        return [entry if isinstance(entry, Entry) else self._read(name, *entry) for entry in found]

    def _read(self, name: str, folder: Folder, remote_id: str, change_key: str) -> Entry:
        with self._a_person():
            (change,) = self._connector(name).get(folder, [remote_id])
        assert isinstance(change.record, ContactRecord), change
        assert change.version == change_key
        record = replace(change.record, body=self._body(remote_id))
        made = Entry(name, folder, remote_id, change.version, change.key, record)
        self.known_entries[remote_id, change_key] = made
        return made

    def put(self, name: str, folder: Folder, record: ContactRecord) -> str:
        with self._a_person():
            return self._connector(name).create(folder, record, "").remote_id

    def edit(self, entry: Entry, record: ContactRecord, names: set[str]) -> None:
        with self._a_person():
            connector = self._connector(entry.owner)
            connector.update(entry.remote_id, record, names, self._version(entry.remote_id))

    def delete(self, entry: Entry) -> str:
        trash = next(f for f in self.folders(entry.owner) if f.well_known == "deleteditems")
        return self.move(entry.owner, entry.remote_id, trash)

    def move(self, name: str, remote_id: str, target: Folder) -> str:
        with self._a_person():
            return self._send(MoveItem, name, remote_id, target)

    def copy(self, entry: Entry, target: Folder) -> str:
        with self._a_person():
            return self._send(CopyItem, entry.owner, entry.remote_id, target)

    def add_folder(self, name: str, title: str) -> Folder:
        with self._a_person():
            return self._connector(name).ensure_folder("contacts", title, StreamKind.CONTACTS)

    def remove_folder(self, name: str, folder: Folder) -> None:
        """As Outlook does it: the folder lies in Deleted Items, with all that was in it."""
        with self._a_person():
            service = DeleteFolder(account=self._person(name))
            service.get(folders=[FolderId(id=folder.remote_id)], delete_type="MoveToDeletedItems")

    def deliver(self, name: str, sender: str, subject: str) -> None:
        self.count += 1
        text = f"From: {sender}\r\nTo: {address_of(name)}\r\nSubject: {subject}\r\nMessage-ID: <{self.count}@test>\r\n"
        self.simulator.deliver(
            f"{text}Date: Mon, 2 Mar 2026 12:00:00 +0000\r\n\r\n{subject}".encode(), [address_of(name)]
        )

    def writes(self) -> int:
        return self.other_writes

    def lose_answer(self) -> None:
        for operation in ("CreateItem", "UpdateItem", "DeleteItem"):
            self.simulator.fault("cut", operation=operation, count=1)

    def expire_cursors(self) -> None:
        self.simulator.fault("invalid_sync_state", operation="SyncFolderItems", count=3)

    def change_once_more(self, on: bool) -> None:
        for fault in self.simulator.faults.all():
            if fault.kind == "second_change":
                self.simulator.faults.remove(fault.number)
        if on:
            self.simulator.fault("second_change")

    def fail_next(self) -> None:
        self.simulator.fault("unavailable", count=1)

    def mend(self) -> None:
        for fault in self.simulator.faults.all():
            if fault.kind != "second_change":
                self.simulator.faults.remove(fault.number)

    def close(self) -> None:
        for connector in self.connectors.values():
            connector.close()
        for person in self.people.values():
            person.protocol.close()
        self.simulator.stop()

    @contextmanager
    def _a_person(self) -> Iterator[None]:
        """What people do meets no faults, and is not counted among what the sync writes."""
        faults, self.simulator.faults._active = self.simulator.faults._active, []
        before = self.other_writes
        try:
            yield
        finally:
            self.simulator.faults._active = faults
            self.other_writes = before

    def _account(self, name: str) -> Account:
        return Account(address_of(name), self.server, address_of(name), "secret")

    def _connector(self, name: str) -> ExchangeEWS:
        if name not in self.connectors:
            self.connectors[name] = ExchangeEWS(self._account(name))
        return self.connectors[name]

    def _box(self, name: str) -> Any:
        return self.simulator.store.mailboxes.find(address_of(name))

    def _rows(self, query: str, name: str) -> Any:
        return list(self.simulator.store.rows(query, self._box(name).number))

    def _person(self, name: str) -> exchangelib.Account:
        if name not in self.people:
            self.people[name] = sign_in(self._account(name))
        return self.people[name]

    def _send(self, service: type[MoveItem], name: str, remote_id: str, target: Folder) -> str:
        sent = service(account=self._person(name))
        return str(sent.get(items=[ItemId(id=remote_id)], to_folder=FolderId(id=target.remote_id))[0])

    def _row(self, remote_id: str) -> Any:
        rows = self.simulator.store.items.where("1 = 1 ORDER BY number DESC")
        return next(row for row in rows if row.ews_id == remote_id)

    def _version(self, remote_id: str) -> str:
        return str(self._row(remote_id).change_key)

    def _body(self, remote_id: str) -> Body:
        element = self.simulator.store.items.element(self._row(remote_id)).find("{*}Body")
        if element is None:
            return Body()
        return Body(element.text or "", element.get("BodyType") == "HTML")
