"""Who wants to be told of what: pull, push and streaming subscriptions. They end with the process."""

from __future__ import annotations

import base64
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from connectors.simulator.errors import EwsError
from connectors.simulator.rows import Event

HANGING_LIMIT = 3
"""The streaming connections that one mailbox's budget allows (Exchange 2013; Exchange Online: 10)."""


@dataclass
class Subscription:
    """One subscription: `folders` None means the whole mailbox; `position` is the last event told.

    `owner` is who signed in when it was made, `listener` the connection that listens to it.
    """

    identifier: str
    kind: str
    owner: int
    mailbox: int
    folders: frozenset[int] | None
    events: frozenset[str]
    position: int
    url: str = ""
    timeout: float = 1800.0
    touched: float = field(default_factory=time.monotonic)
    listener: object = None

    def wants(self, event: Event) -> bool:
        """True when this event is to be told."""
        if event.mailbox != self.mailbox or event.kind not in self.events:
            return False
        return self.folders is None or event.folder in self.folders or event.old_folder in self.folders


def watermark(position: int) -> str:
    """A position in the journal, as clients carry it."""
    return base64.b64encode(b"\x01\x00\x00\x00" + position.to_bytes(16, "big")).decode()


def position_of(text: str) -> int:
    """The position that a watermark names. Raises ErrorInvalidWatermark."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise EwsError("ErrorInvalidWatermark") from error
    if len(raw) != 20:
        raise EwsError("ErrorInvalidWatermark")
    return int.from_bytes(raw[4:], "big")


class Subscriptions:
    """The living subscriptions by their id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Subscription] = {}
        self._hanging: Counter[int] = Counter()

    def may_hang(self, mailbox: int) -> bool:
        """Whether the budget of a mailbox allows another streaming connection."""
        with self._lock:
            return self._hanging[mailbox] < HANGING_LIMIT

    def hang(self, mailbox: int) -> None:
        """A streaming connection has begun."""
        with self._lock:
            self._hanging[mailbox] += 1

    def let_go(self, mailbox: int) -> None:
        """A streaming connection has ended."""
        with self._lock:
            self._hanging[mailbox] -= 1

    def hanging(self) -> int:
        """How many streaming connections are open."""
        with self._lock:
            return self._hanging.total()

    def lost(self, found: Iterable[Subscription]) -> list[str]:
        """The ids of those that have ended."""
        with self._lock:
            return [one.identifier for one in found if one.identifier not in self._known]

    def add(
        self,
        kind: str,
        *,
        owner: int,
        mailbox: int,
        folders: frozenset[int] | None,
        events: frozenset[str],
        position: int,
        url: str = "",
        timeout: float = 1800.0,
    ) -> Subscription:
        """Begin a subscription."""
        identifier = base64.b64encode(b"\x10\x00exchange.simulator" + secrets.token_bytes(30)).decode()
        made = Subscription(identifier, kind, owner, mailbox, folders, events, position, url, timeout)
        with self._lock:
            self._known[identifier] = made
        return made

    def find(self, identifier: str, owner: int) -> Subscription:
        """The owner's subscription, kept alive by asking. Raises ErrorSubscriptionNotFound."""
        with self._lock:
            found = self._known.get(identifier)
            if found is None:
                raise EwsError("ErrorSubscriptionNotFound")
            if found.owner != owner:
                raise EwsError("ErrorSubscriptionAccessDenied")
            now = time.monotonic()
            if found.kind == "pull" and now - found.touched > found.timeout:
                del self._known[identifier]
                raise EwsError("ErrorSubscriptionNotFound")
            found.touched = now
            return found

    def remove(self, identifier: str, owner: int) -> None:
        """End a subscription. Push ones end by themselves: ErrorInvalidSubscription."""
        found = self.find(identifier, owner)
        if found.kind == "push":
            raise EwsError("ErrorInvalidSubscription")
        with self._lock:
            self._known.pop(identifier, None)

    def pushes(self) -> list[Subscription]:
        """The push subscriptions."""
        with self._lock:
            return [one for one in self._known.values() if one.kind == "push"]

    def drop(self, identifier: str) -> None:
        """Forget a subscription whose listener has gone or asked for it."""
        with self._lock:
            self._known.pop(identifier, None)

    def clear(self) -> None:
        """Forget all subscriptions."""
        with self._lock:
            self._known.clear()
