"""What the simulator answers for one mailbox, recorded once, so that `replay` can answer the same without the work.

The inbox of OWNER holds seeded letters; its other folders are empty. Every item is kept as the simulator renders it for
the connector's shape of mail.
"""

from __future__ import annotations

import base64
import pickle
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import exchangelib

from benchmarks import soap
from benchmarks.letters import OWNER, letters
from benchmarks.report import Bench
from connectors.base import Account
from connectors.exchange_ews import ExchangeEWS
from connectors.simulator.rows import Mailbox
from connectors.simulator.simulator import Simulator
from connectors.simulator.wire import Answer

PASSWORD = "secret"
CORE = slice(8, 52)
"""Where the id of anything says in whose mailbox it is: 33 characters of the mailbox's guid, in base64."""
_BATCH = 100
_PAYLOAD = re.compile(rb"<(?:\w+:)?Body>(.*)</(?:\w+:)?Body>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Split:
    """An answer that has a part for each item: what stands before the parts, the parts, what stands behind them."""

    head: bytes
    parts: tuple[bytes, ...]
    tail: bytes

    @classmethod
    def of(cls, answer: bytes, opening: bytes, closing: bytes) -> Split:
        """Split an answer into the parts that end with `closing`; all of them together begin with `opening`."""
        start, end = answer.index(opening), answer.rindex(closing) + len(closing)
        parts = answer[start:end].split(closing)
        return cls(answer[:start], tuple(part + closing for part in parts[:-1]), answer[end:])


@dataclass(slots=True)
class Recording:
    """One mailbox. `plain` are whole answers by the payloads that were asked; `items` go by the ids in the inbox."""

    core: str
    inbox: str
    ids: list[str] = field(default_factory=list)
    plain: dict[bytes, bytes] = field(default_factory=dict)
    items: Split = Split(b"", (), b"")
    told: Split = Split(b"", (), b"")
    listed: Split = Split(b"", (), b"")

    def save(self, path: Path) -> None:
        """Keep it in a file."""
        path.write_bytes(pickle.dumps(self))

    @staticmethod
    def load(path: Path) -> Recording:
        """Read it from a file that `save` wrote."""
        recording = pickle.loads(path.read_bytes())
        assert isinstance(recording, Recording)
        return recording


class Recorded(Simulator):
    """A simulator that keeps what it was asked, and what it answered."""

    def __init__(self) -> None:
        super().__init__(password=PASSWORD)
        self.kept: dict[bytes, bytes] = {}

    def serve(self, body: bytes, caller: Mailbox, url: str, gone: Callable[[], bool] = lambda: False) -> Answer:
        """Answer as ever."""
        answer = super().serve(body, caller, url, gone)
        self.kept[payload(body)] = answer.body
        return answer

    def ask(self, body: bytes) -> bytes:
        """The answer to a request of OWNER, without HTTP."""
        owner = self.store.mailboxes.find(OWNER)
        assert owner is not None
        return super().serve(body, owner, self.url).body


def kept(bench: Bench) -> Path:
    """The recording that all benchmarks of a run share, made by the first that asks for it."""
    if "recording" not in bench.kept:
        path = bench.folder / "recording"
        record(200 if bench.quick else 5000).save(path)
        bench.kept["recording"] = path
    path = bench.kept["recording"]
    assert isinstance(path, Path)
    return path


def record(count: int, seed: int = 1) -> Recording:
    """A mailbox of so many letters."""
    simulator = filled(count, seed)
    with simulator:
        return listen(simulator)


def filled(count: int, seed: int = 1) -> Recorded:
    """A simulator with the letters in it, not yet started."""
    simulator = Recorded()
    core = core_of(simulator.add_mailbox(OWNER).guid)
    for letter in letters(count, core, seed):
        simulator.deliver(letter, [OWNER])
    return simulator


def listen(simulator: Recorded) -> Recording:
    """Record what a started simulator answers."""
    owner = simulator.store.mailboxes.find(OWNER)
    assert owner is not None
    _start_as_clients_do(simulator.url)
    request = soap.get_folder("inbox", OWNER)
    answer = simulator.ask(request)
    inbox = _id(answer, "FolderId")
    recording = Recording(core_of(owner.guid), inbox, plain=simulator.kept | {payload(request): answer})
    told = [Split.of(each, b"<t:Create>", b"</t:Create>") for each in _pages(simulator, inbox)]
    recording.told = _joined(told)
    recording.ids = [_id(part, "ItemId") for part in recording.told.parts]
    batches = [recording.ids[start : start + _BATCH] for start in range(0, len(recording.ids), _BATCH)]
    opening, closing = b"<m:GetItemResponseMessage ", b"</m:GetItemResponseMessage>"
    recording.items = _joined([Split.of(simulator.ask(soap.get_items(ids)), opening, closing) for ids in batches])
    found = simulator.ask(soap.find_items(inbox, 0, _BATCH))
    recording.listed = Split.of(found, b"<t:Message>", b"</t:Message>")
    return recording


def payload(request: bytes) -> bytes:
    """What a request asks, apart from who asks it."""
    found = _PAYLOAD.search(request)
    return found[1] if found else request


def core_of(guid: str) -> str:
    """What ids say of the mailbox with that guid, or with any other 36 characters; see CORE."""
    return base64.b64encode(guid[2:35].encode()).decode()


def account(url: str, address: str = OWNER) -> Account:
    """What the connector opens the mailbox with."""
    return Account(address, url, address, PASSWORD)


def stock_account(url: str, address: str = OWNER) -> Any:
    """The same as exchangelib's own documentation has it."""
    credentials = exchangelib.Credentials(address, PASSWORD)
    config = exchangelib.Configuration(service_endpoint=url, credentials=credentials, auth_type=exchangelib.BASIC)
    return exchangelib.Account(address, config=config, autodiscover=False, access_type=exchangelib.DELEGATE)


def _start_as_clients_do(url: str) -> None:
    """Ask what the connector and exchangelib itself ask before they come to items."""
    connector = ExchangeEWS(account(url))
    connector.folders()
    connector.close()
    assert stock_account(url).inbox.id


def _pages(simulator: Recorded, inbox: str) -> list[bytes]:
    pages: list[bytes] = []
    state = ""
    while not pages or b"<m:IncludesLastItemInRange>false<" in pages[-1]:
        pages.append(simulator.ask(soap.sync_items(inbox, state, _BATCH)))
        found = re.search(rb"<m:SyncState>([^<]+)</m:SyncState>", pages[-1])
        assert found is not None
        state = found[1].decode()
    return pages


def _joined(answers: Sequence[Split]) -> Split:
    parts = tuple(part for answer in answers for part in answer.parts)
    return Split(answers[0].head, parts, answers[-1].tail)


def _id(part: bytes, name: str) -> str:
    found = re.search(rb'<t:%b Id="([^"]+)"' % name.encode(), part)
    assert found is not None
    return found[1].decode()
