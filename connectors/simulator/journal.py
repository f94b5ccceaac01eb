"""What happened in the mailboxes, for notifications: a bounded list that streams wait on."""

from __future__ import annotations

import threading
from collections import deque

from connectors.simulator.rows import Event

_KEPT = 20_000


class Journal:
    """The events of committed writes, oldest first. Events of an open transaction wait in `pending`."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._pending: list[Event] = []
        self._events: deque[Event] = deque(maxlen=_KEPT)
        self.dropped = 0

    def note(self, event: Event) -> None:
        """Tell of an event once the transaction commits."""
        self._pending.append(event)

    def mark(self) -> int:
        """Where the open transaction's events stand now."""
        return len(self._pending)

    def back_to(self, mark: int) -> None:
        """Forget the events noted since the mark."""
        del self._pending[mark:]

    def publish(self) -> None:
        """Make the noted events visible and wake every stream."""
        if not self._pending:
            return
        with self.changed:
            overflow = len(self._events) + len(self._pending) - _KEPT
            if overflow > 0:
                self.dropped = self._events[min(overflow, len(self._events)) - 1].sequence
            self._events.extend(self._pending)
            self._pending.clear()
            self.changed.notify_all()

    def clear(self) -> None:
        """Forget everything."""
        with self.changed:
            self._events.clear()
            self._pending.clear()

    def since(self, sequence: int) -> list[Event]:
        """The events after that number."""
        found: list[Event] = []
        with self.changed:
            for event in reversed(self._events):
                if event.sequence <= sequence:
                    break
                found.append(event)
        return found[::-1]

    def is_beyond(self, sequence: int) -> bool:
        """Whether there is an event after that number."""
        return bool(self._events) and self._events[-1].sequence > sequence
