"""Child processes that are forked ready to work, and the points at which they are killed.

A child is a copy of this process after its imports and before it has opened anything: it makes its own engine, its own
connections, and dies by SIGKILL like any other.
"""

from __future__ import annotations

import os
import pickle
import re
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests
import structlog
from requests.adapters import HTTPAdapter
from sqlalchemy import event
from sqlalchemy.orm import Session

SECONDS = 120.0
_OPERATION = re.compile(rb"<(?:\w+:)?Body[^>]*>\s*<(?:\w+:)?(\w+)")


class ChildFailed(Exception):
    """The child ended in another way than by our kill: its traceback."""


@dataclass
class Points:
    """Every commit and every remote call of this process, counted before and after; it dies at `kill_at`."""

    kill_at: int = 0
    log: list[str] = field(default_factory=list)

    def reach(self, what: str) -> None:
        """Count one point."""
        self.log.append(what)
        if len(self.log) == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """From now on, every commit and remote call of this process is a point."""

        def before(session: Session) -> None:
            if not session.in_nested_transaction():
                self.reach("commit: before")

        def after(session: Session) -> None:
            if not session.in_nested_transaction():
                self.reach("commit: after")

        event.listen(Session, "before_commit", before)
        event.listen(Session, "after_commit", after)
        send = HTTPAdapter.send

        def watched(adapter: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **options: Any) -> Any:
            name = _operation(request.body)
            self.reach(f"call: before {name}")
            answer = send(adapter, request, *args, **options)
            self.reach(f"call: after {name}")
            return answer

        HTTPAdapter.send = watched  # type: ignore[method-assign]


def log_failures() -> None:
    """What this process and its children log is dropped, but for what nobody expected: that goes to standard error."""

    def shown(_: Any, __: str, said: Any) -> str:
        if said.get("exc_info"):
            print(f"{said.get('event')}\n{traceback.format_exc()}", file=sys.stderr, flush=True)
        return str(said.get("event"))

    structlog.configure(processors=[shown], logger_factory=structlog.ReturnLoggerFactory())


def _operation(body: Any) -> str:
    found = _OPERATION.search(body if isinstance(body, bytes) else str(body or "").encode())
    return found[1].decode() if found else "?"


@dataclass
class Child:
    """A running child; `result` is what its work returned."""

    pid: int
    pipe: int

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        os.kill(self.pid, signal.SIGKILL)
        self._end()

    def kill_after(self, seconds: float) -> bool:
        """Kill it after so long; False when it was done before."""
        is_done = bool(select.select([self.pipe], [], [], seconds)[0])
        if is_done:
            self.result()
            return False
        self.kill()
        return True

    def result(self) -> Any:
        """Wait for what it returns; None when it was killed. Raises ChildFailed with its traceback."""
        parts = []
        deadline = time.monotonic() + SECONDS
        while True:
            if not select.select([self.pipe], [], [], max(deadline - time.monotonic(), 0))[0]:
                self.kill()
                raise ChildFailed(f"the child did not end within {SECONDS:.0f} s")
            part = os.read(self.pipe, 1 << 20)
            if not part:
                break
            parts.append(part)
        status = self._end()
        if os.WIFSIGNALED(status):
            return None
        is_well, answer = pickle.loads(b"".join(parts))
        if not is_well:
            raise ChildFailed(answer)
        return answer

    def _end(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pipe)
        return status


def start(work: Callable[[], Any]) -> Child:
    """Do this in a child of its own."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(writing)
        return Child(pid, reading)
    try:
        os.close(reading)
        try:
            said = pickle.dumps((True, work()))
        except BaseException:  # noqa: BLE001 - told to the parent
            said = pickle.dumps((False, traceback.format_exc()))
        with os.fdopen(writing, "wb") as file:
            file.write(said)
    finally:
        os._exit(0)


def done(work: Callable[[], Any]) -> Any:
    """Do this in a child, undisturbed."""
    return start(work).result()
