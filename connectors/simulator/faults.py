"""Faults on demand: what a real server does on bad days, switched on by tests through the control endpoint."""

from __future__ import annotations

import itertools
import random
import threading
from dataclasses import asdict, dataclass, field
from typing import Any

KINDS = {
    "server_busy": "ErrorServerBusy, BackOffMilliseconds = `milliseconds`; a SOAP fault, or `per_item`",
    "unavailable": "HTTP 503; Retry-After = `seconds` when it is given",
    "internal": "HTTP 500 without a SOAP body",
    "unauthorized": "HTTP 401 although the password is right",
    "slow": "the answer comes after `milliseconds`",
    "drop": "the connection closes before any answer",
    "cut": "the connection closes in the middle of the answer",
    "truncated": "the answer ends in the middle of its XML, with a length that fits",
    "invalid_sync_state": "SyncFolderItems and SyncFolderHierarchy refuse the state that they are given",
    "conversion_failed": "GetItem refuses its whole batch with ErrorContentConversionFailed while it holds `item`",
    "corrupt_item": "GetItem answers ErrorItemCorrupt for `item` (an EWS id, or a word of its subject)",
    "empty_folder": "FindItem and SyncFolderItems show nothing (all items of a sync seem deleted)",
    "false_delete": "SyncFolderItems tells `item` (as above) as deleted, although it is there",
    "second_change": "an item that was just written changes its change key once more",
    "error": "the operation answers the response code `code`: a SOAP fault, or `per_item`",
}


@dataclass
class Fault:
    """One bad habit: what happens, to which requests, how often, and with which chance.

    `per_item` refuses the items of a batch one by one instead of the request: all, or the one at `position`
    (counted from 0).
    """

    kind: str
    operation: str = ""
    mailbox: str = ""
    count: int | None = None
    probability: float = 1.0
    seed: int = 0
    milliseconds: int = 0
    seconds: int | None = None
    per_item: bool = False
    position: int | None = None
    item: str = ""
    code: str = ""
    number: int = 0
    hits: int = 0
    _random: random.Random = field(default_factory=random.Random, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}: one of {', '.join(KINDS)}")
        self._random = random.Random(self.seed)  # noqa: S311 - chance for tests, not secrets

    def strikes(self, operation: str, mailbox: str) -> bool:
        """True when it meets this request; counts it then."""
        if self.count is not None and self.hits >= self.count:
            return False
        if self.operation and self.operation != operation:
            return False
        if self.mailbox and self.mailbox.lower() != mailbox.lower():
            return False
        if self.probability < 1 and self._random.random() >= self.probability:
            return False
        self.hits += 1
        return True

    def public(self) -> dict[str, Any]:
        """What the control endpoint tells of it."""
        shown = asdict(self)
        shown.pop("_random")
        return shown


class Faults:
    """The faults that are switched on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._active: list[Fault] = []

    def add(self, kind: str, **settings: Any) -> Fault:
        """Switch a fault on. Raises ValueError for an unknown kind, TypeError for an unknown setting."""
        fault = Fault(kind, **settings)
        with self._lock:
            fault.number = next(self._numbers)
            self._active.append(fault)
        return fault

    def remove(self, number: int) -> None:
        """Switch one fault off."""
        with self._lock:
            self._active = [fault for fault in self._active if fault.number != number]

    def clear(self) -> None:
        """Switch all faults off."""
        with self._lock:
            self._active.clear()

    def all(self) -> list[Fault]:
        """The faults that are switched on."""
        return list(self._active)

    def striking(self, operation: str, mailbox: str) -> list[Fault]:
        """The faults that meet this request."""
        if not self._active:
            return []
        with self._lock:
            return [fault for fault in self._active if fault.strikes(operation, mailbox)]
