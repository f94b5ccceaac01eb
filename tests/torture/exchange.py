"""Exchange in a process of its own: it serves the real protocol over HTTP, and is put back to any earlier moment.

`Exchange()` starts the process; everything else is asked over a pipe, so that whoever forks holds no thread of it.
"""

from __future__ import annotations

import multiprocessing
import re
import sqlite3
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

from lxml import etree

from connectors.simulator import loader
from connectors.simulator.delivery import outbound
from connectors.simulator.rows import ItemRow
from connectors.simulator.simulator import Simulator

DOMAIN = "office.test"
PASSWORD = "secret"
# What the server says of an item by itself: of when and where, not of what it is.
_OWN = {
    "ItemId", "ParentFolderId", "ConversationId", "ConversationIndex", "DateTimeCreated", "LastModifiedTime",
    "LastModifiedName", "ChangeKey", "RecordKey", "InstanceKey", "DateTimeStamp", "ReceivedBy",
}  # fmt: skip
_HIDDEN = re.compile(r"\b[0-9a-f]{32}\b")  # keys that the sync gives what it creates
_CONTACT = re.compile(r"/(contacts|companies|tasks|activities|mail|meetings|notes)/\d+")


@dataclass(frozen=True)
class RemoteItem:
    """One item as the canonical dumps name it: `name` has no id in it; `line` is all that it says."""

    name: str
    version: str
    line: str = ""


@dataclass
class Contents:
    """All mailboxes: what is in them (a line for each item and folder), and who was mailed."""

    lines: list[str]
    outbound: list[Any]
    items: dict[str, RemoteItem] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)


class Exchange:
    """The handle of the process; `url` is the EWS address."""

    def __init__(self, data: Path | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, data), daemon=True)
        self._process.start()
        theirs.close()
        self.url = str(self._ask("url"))

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pipe.send(("stop",))
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()

    def add_mailbox(self, name: str, *, shared: bool = False) -> None:
        """A mailbox name@office.test."""
        self._ask("add_mailbox", name, shared)

    def load(self, mail: Path | None = None, vcards: Path | None = None, calendars: Path | None = None) -> None:
        """Fill mailboxes from folders, see `connectors.simulator.loader`."""
        self._ask("load", mail, vcards, calendars)

    def deliver(self, message: bytes, *names: str) -> None:
        """A mail from outside."""
        self._ask("deliver", message, [f"{name}@{DOMAIN}" for name in names])

    def save(self, name: str) -> None:
        """Remember how everything is now."""
        self._ask("save", name)

    def restore(self, name: str) -> None:
        """Put everything back to what was saved; ids come as they came then."""
        self._ask("restore", name)

    def contents(self) -> Contents:
        """What is in the mailboxes; waits until no request is on its way."""
        found = self._ask("contents")
        assert isinstance(found, Contents)
        return found

    def idle(self) -> None:
        """Wait until every request that has arrived is done, its client dead or not."""
        self._ask("idle")

    def fault(self, kind: str, **settings: Any) -> int:
        """Switch a fault on; its number."""
        return int(self._ask("fault", kind, settings))

    def clock(self, seconds: int) -> None:
        """Have the server's clock be ahead by so much."""
        self._ask("clock", seconds)

    def mend(self, number: int | None = None) -> None:
        """Switch one fault off, or all and set the clock right."""
        self._ask("mend", number)

    def password(self, word: str) -> None:
        """Change the password of everybody."""
        self._ask("password", word)

    def _ask(self, *words: Any) -> Any:
        self._pipe.send(words)
        is_well, answer = self._pipe.recv()
        if not is_well:
            raise RuntimeError(answer)
        return answer


def _serve(pipe: Connection, data: Path | None) -> None:
    with Simulator(domain=DOMAIN, password=PASSWORD, data=data) as simulator:
        Host(simulator).serve(pipe)


class Host:
    """What answers the handle, in the server's own process."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self._saved: dict[str, sqlite3.Connection] = {}
        self._busy, self._calm = 0, threading.Condition()
        serve = simulator.serve

        def counted(*args: Any, **options: Any) -> Any:
            with self._counted():
                return serve(*args, **options)

        simulator.serve = counted  # type: ignore[method-assign]

    @contextmanager
    def _counted(self) -> Any:
        with self._calm:
            self._busy += 1
        try:
            yield
        finally:
            with self._calm:
                self._busy -= 1
                self._calm.notify_all()

    def serve(self, pipe: Connection) -> None:
        while True:
            try:
                name, *words = pipe.recv()
            except EOFError:
                return
            if name == "stop":
                return
            try:
                pipe.send((True, getattr(self, f"do_{name}")(*words)))
            except Exception as error:  # noqa: BLE001 - told to whoever asked
                pipe.send((False, f"{name}: {type(error).__name__}: {error}"))

    def do_url(self) -> str:
        return self.simulator.url

    def do_add_mailbox(self, name: str, shared: bool) -> None:
        self.simulator.add_mailbox(f"{name}@{DOMAIN}", name.capitalize(), shared=shared)

    def do_load(self, mail: Path | None, vcards: Path | None, calendars: Path | None) -> None:
        loaded = loader.load(self.simulator, mail=mail, vcards=vcards, calendars=calendars)
        assert not loaded.unreadable
        assert not loaded.refused

    def do_deliver(self, message: bytes, to: list[str]) -> None:
        self.simulator.deliver(message, to)

    def do_fault(self, kind: str, settings: dict[str, Any]) -> int:
        return self.simulator.fault(kind, **settings).number

    def do_mend(self, number: int | None) -> None:
        if number is None:
            self.simulator.faults.clear()
            self.do_clock(0)
        else:
            self.simulator.faults.remove(number)

    def do_clock(self, seconds: int) -> None:
        self.simulator.store.skew = timedelta(seconds=seconds)

    def do_password(self, word: str) -> None:
        self.simulator.password = word

    def do_save(self, name: str) -> None:
        self.do_idle()
        store = self.simulator.store
        with store._lock:
            kept = self._saved[name] = sqlite3.connect(":memory:", check_same_thread=False)
            store._connection.backup(kept)

    def do_restore(self, name: str) -> None:
        self.do_idle()
        store = self.simulator.store
        with store._lock:
            self._saved[name].backup(store._connection)
            store._sequence = int(store.setting("sequence", "0"))
            store.mailboxes.forget()
            store.items.forget()
            store.journal.clear()
            self.simulator.subscriptions.clear()
            self.simulator.faults.clear()

    def do_idle(self) -> None:
        with self._calm:
            assert self._calm.wait_for(lambda: self._busy == 0, 30), "requests hang"
        time.sleep(0)

    def do_contents(self) -> Contents:
        self.do_idle()
        store = self.simulator.store
        found = Contents([], outbound(store))
        with store._lock:
            for box in store.mailboxes.all():
                paths = self._paths(box.number)
                for number, path in paths.items():
                    row = store.folders.get(number)
                    found.lines.append(f"{box.address} folder {path} ({row.folder_class})")
                    found.folders[row.ews_id] = path
                names: Counter[str] = Counter()
                for item in store.items.where("mailbox = ? ORDER BY created_sequence, number", box.number):
                    title, line = self._told(item)
                    name = f"{paths.get(item.folder)}/{title}"
                    names[name] += 1
                    if names[name] > 1:
                        name = f"{name} #{names[name]}"
                    found.items[item.ews_id] = RemoteItem(name, item.change_key, line)
                    found.lines.append(f"{box.address} {paths.get(item.folder)} {line}")
        found.lines.sort()
        return found

    def _paths(self, mailbox: int) -> dict[int, str]:
        rows = self.simulator.store.rows("SELECT number, parent, name FROM folder WHERE mailbox = ?", mailbox)
        parents, names = {row[0]: row[1] for row in rows}, {row[0]: row[2] for row in rows}

        def path(number: int) -> str:
            above = parents[number]
            return f"{path(above)}/{names[number]}" if above in names else names[number]

        return {number: path(number) for number in names}

    def _told(self, item: ItemRow) -> tuple[str, str]:
        element = self.simulator.store.items.element(item)
        own = _OWN if item.kind.startswith("Me") else _OWN | {"DateTimeReceived"}  # of a mail it is the world's time
        for part in list(element.iter()):
            if isinstance(part.tag, str) and etree.QName(part).localname in own and part.getparent() is not None:
                part.getparent().remove(part)
        texts = [
            _neutral(f"{etree.QName(part).localname}{sorted(part.attrib.values())}={(part.text or '').strip()}")
            for part in element.iter()
            if isinstance(part.tag, str) and ((part.text or "").strip() or part.attrib)
        ]
        title = next(
            (
                part.text
                for name in ("Subject", "DisplayName")
                for part in element.iter("{*}" + name)
                if (part.text or "").strip()
            ),
            "",
        )
        return f"{item.kind} {title}", f"{item.kind} read={item.is_read} {' | '.join(sorted(texts))}"


def _neutral(text: str) -> str:
    return " ".join(_CONTACT.sub(r"/\1/N", _HIDDEN.sub("KEY", text)).split())
