"""Servers with the mailboxes of Anna and Boris, to hold writing against: in memory, and Exchange over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import exchangelib
from exchangelib import items as ews
from lxml import etree

from connectors.base import Account, Connector
from connectors.exchange_ews import ExchangeEWS
from connectors.exchange_ews.connect import connect
from connectors.memory import MemoryConnector, MemoryServer
from connectors.simulator.simulator import Simulator
from terracrm.domain.records import ContactRecord, Folder, MessageRecord, PostRecord, TaskRecord
from tests.connectors.simulator.soap_client import Validator, schema

ANNA, BORIS, SERVICE = "anna@example.test", "boris@example.test", "service@example.test"


class Office(Protocol):
    """A server with the mailboxes of Anna and Boris, and Anna at work in hers."""

    def connector(self, *, service: bool = False) -> Connector:
        """A connector to Anna's mailbox, as herself or as the account that may impersonate everybody."""

    def everything(self, remote_id: str) -> Any:
        """All that the server keeps of an item but when and by whom it was changed."""

    def rename(self, remote_id: str, job_title: str) -> None:
        """Anna changes the job title."""

    def retitle(self, remote_id: str, subject: str) -> None:
        """Anna changes the subject of a task or a post."""

    def finish(self, remote_id: str) -> None:
        """Anna marks a task as done."""

    def delete(self, remote_id: str) -> None:
        """Anna deletes an item for good."""

    def copy(self, remote_id: str, folder: Folder) -> None:
        """Anna copies an item within its folder."""

    def remove(self, folder: Folder) -> None:
        """Anna deletes a folder for good."""

    def lose_the_answer(self, operation: str) -> None:
        """The next request of this kind is carried out, and its answer gets lost."""

    def change_once_more(self) -> None:
        """Let the server change an item again right after each write."""

    def mails(self) -> int:
        """How many messages lie in any folder of any mailbox."""


class MemoryOffice:
    """In memory."""

    def __init__(self) -> None:
        self.server = MemoryServer()
        self.server.add_mailbox(ANNA)
        self.server.add_mailbox(BORIS)
        self.server.add_service(SERVICE)

    def connector(self, *, service: bool = False) -> Connector:
        user = SERVICE if service else ANNA
        return MemoryConnector(Account(ANNA, "memory:", user, "secret", impersonate=service), self.server)

    def everything(self, remote_id: str) -> Any:
        record = self.server._item(remote_id).record
        return {field.name: getattr(record, field.name) for field in fields(record)}

    def rename(self, remote_id: str, job_title: str) -> None:
        record = self.server._item(remote_id).record
        assert isinstance(record, ContactRecord)
        self.server.change(remote_id, replace(record, job_title=job_title))

    def retitle(self, remote_id: str, subject: str) -> None:
        record = self.server._item(remote_id).record
        assert isinstance(record, TaskRecord | PostRecord)
        self.server.change(remote_id, replace(record, subject=subject))

    def finish(self, remote_id: str) -> None:
        record = self.server._item(remote_id).record
        assert isinstance(record, TaskRecord)
        self.server.change(remote_id, replace(record, completed_on=datetime.now(UTC).date(), remind_at=None))

    def delete(self, remote_id: str) -> None:
        self.server.delete(remote_id)

    def copy(self, remote_id: str, folder: Folder) -> None:
        self.server.copy(remote_id, folder)

    def remove(self, folder: Folder) -> None:
        self.server.remove_folder(folder)

    def lose_the_answer(self, operation: str) -> None:
        self.server.lose_answers()

    def change_once_more(self) -> None:
        self.server.second_change = True

    def mails(self) -> int:
        boxes = [box for folders in self.server._folders.values() for box in folders.values()]
        return sum(isinstance(item.record, MessageRecord) for box in boxes for item in box.items.values())


class ExchangeOffice:
    """The simulator over HTTP; Anna's own work is done with exchangelib."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        simulator.add_mailbox(ANNA, "Anna")
        simulator.add_mailbox(BORIS, "Boris")
        self.anna = connect(Account(ANNA, simulator.url, ANNA, "secret"))

    def connector(self, *, service: bool = False) -> Connector:
        user = SERVICE if service else ANNA
        return ExchangeEWS(Account(ANNA, self.simulator.url, user, "secret", impersonate=service))

    def everything(self, remote_id: str) -> Any:
        """By element; entries of lists and named properties each on their own."""
        items = self.simulator.store.items
        (row,) = [row for row in items.where("1 = 1") if row.ews_id == remote_id]
        found: dict[str, bytes] = {}
        for child in deepcopy(items.element(row)):
            name = etree.QName(child).localname
            parts = list(child) if name in ("EmailAddresses", "PhysicalAddresses", "PhoneNumbers") else [child]
            for part in parts:
                uri = part.find("{*}ExtendedFieldURI")
                names = "" if uri is None else f" {dict(uri.attrib)}"
                found[f"{name} {part.get('Key', '')}{names}"] = etree.tostring(part)
        return {name: text for name, text in found.items() if not name.startswith("LastModified")}

    def rename(self, remote_id: str, job_title: str) -> None:
        contact = self._item(remote_id)
        contact.job_title = job_title
        contact.save(update_fields=["job_title"])

    def retitle(self, remote_id: str, subject: str) -> None:
        item = self._item(remote_id)
        item.subject = subject
        item.save(update_fields=["subject"])

    def finish(self, remote_id: str) -> None:
        self._item(remote_id).complete()

    def delete(self, remote_id: str) -> None:
        self._item(remote_id).delete(affected_task_occurrences="AllOccurrences")

    def copy(self, remote_id: str, folder: Folder) -> None:
        item = self._item(remote_id)
        item.copy(self.anna.tasks if isinstance(item, ews.Task) else self.anna.contacts)

    def remove(self, folder: Folder) -> None:
        (self.anna.contacts // folder.path.partition("/")[2]).delete()

    def lose_the_answer(self, operation: str) -> None:
        self.simulator.fault("cut", operation=operation, count=1)

    def change_once_more(self) -> None:
        self.simulator.fault("second_change")

    def mails(self) -> int:
        return len(self.simulator.store.items.where("kind LIKE 'Me%'"))

    def _item(self, remote_id: str) -> Any:
        (item,) = self.anna.fetch([exchangelib.properties.ItemId(id=remote_id)])
        return item


def opened(kind: str) -> Iterator[Office]:
    """An office whose every answer follows Microsoft's schema, and where nobody was mailed."""
    if kind == "memory":
        memory = MemoryOffice()
        yield memory
        assert memory.mails() == 0
        return
    with Simulator() as simulator:
        validator = Validator()
        simulator.on_answer.append(validator)
        asked = watch_requests(simulator)
        exchange = ExchangeOffice(simulator)
        yield exchange
        exchange.anna.protocol.close()
        assert exchange.mails() == 0, "somebody was mailed"
        assert not validator.problems, "\n\n".join(validator.problems[:3])
        assert asked == [], "\n".join(asked[:3])


def watch_requests(simulator: Simulator) -> list[str]:
    """What Microsoft's schema has against the requests that come from now on."""
    rules, serve, found = schema(), simulator.serve, []

    def watched(body: bytes, *args: Any, **options: Any) -> Any:
        request = etree.fromstring(body, etree.XMLParser(huge_tree=True)).find("{*}Body")[0]
        if rules is not None and not rules.validate(etree.fromstring(etree.tostring(request))):
            found.append(f"{etree.QName(request).localname}: {rules.error_log.last_error}")
        return serve(body, *args, **options)

    simulator.serve = watched
    return found


def folder_of(connector: Connector, well_known: str = "contacts") -> Folder:
    return next(folder for folder in connector.folders() if folder.well_known == well_known)
