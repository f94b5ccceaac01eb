"""Making streams due because their mailbox told of a change: each at most once a second, whatever comes in.

`woken_at` and `due_at` of a stream are all that a wake-up writes. While the stream runs it stays with its worker, and
`sync.outcomes` makes it due again behind a wake-up that came after the run began.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from time import monotonic

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from sync.run import Sessions
from terracrm.db import begin_write
from terracrm.domain.records import StreamKind
from terracrm.models import UNREAD, Mailbox, MirrorFolder, Stream, utcnow

log = structlog.get_logger(__name__)

SPACING_SECONDS = 1.0
"""A burst (a rule files a hundred mails, Exchange tells of each mail twice) wakes a stream once, and once behind it."""
RETRY_SECONDS = 2.0
"""The wait when the database is away."""


def wake(session: Session, stream_ids: Iterable[int], due_at: datetime) -> bool:
    """Note that these streams were woken, and make them due at that time unless they are sooner; whether one was.

    One that backs off, waits for a person, or is switched off keeps its time.
    """
    ids = set(stream_ids)
    session.execute(update(Stream).where(Stream.id.in_(ids)).values(woken_at=utcnow()))
    woken = session.connection().execute(
        update(Stream)
        .where(
            Stream.id.in_(ids),
            Stream.is_enabled,
            Stream.direction != "off",
            Stream.failures == 0,
            Stream.state.not_in(UNREAD),
            Stream.mailbox_id.in_(select(Mailbox.id).where(Mailbox.is_enabled)),
            Stream.due_at > due_at,
        )
        .values(due_at=due_at)
    )
    return woken.rowcount > 0


def streams_of(session: Session, told: Mapping[int, Collection[str]]) -> set[int]:
    """The streams that read these folders, by mailbox; all of a mailbox where none of its folders is known.

    No folders: everything. A known folder that is not mirrored wakes nobody.
    """
    names = {name for folder_ids in told.values() for name in folder_ids}
    rows = session.execute(
        select(Stream.mailbox_id, Stream.id, MirrorFolder.remote_id, MirrorFolder.is_excluded)
        .join(MirrorFolder.stream)
        .where(Stream.mailbox_id.in_(told), MirrorFolder.remote_id.in_(names))
    )
    known = [(mailbox, stream, skip) for mailbox, stream, name, skip in rows if name in told[mailbox]]
    strange = told.keys() - {mailbox_id for mailbox_id, _, _ in known}
    everything = select(Stream.id).where(Stream.mailbox_id.in_(strange), Stream.kind != StreamKind.POSTS)
    return {stream_id for _, stream_id, skip in known if not skip} | set(session.scalars(everything))


class Wakes:
    """Collects what is told, and writes it down in a thread of its own; `woken` is called when streams became due."""

    def __init__(self, sessions: Sessions, woken: Callable[[], None]) -> None:
        self._sessions, self._woken = sessions, woken
        self._something = threading.Condition()
        self._told: dict[int, set[str]] = {}
        self._catch_up: dict[int, datetime] = {}
        self._waiting: dict[int, float] = {}  # streams that were woken a moment ago, and when they may be again
        self._last: dict[int, float] = {}
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="wakes", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what was told and not written yet is found by the next reading on schedule."""
        with self._something:
            self._is_stopping = True
            self._something.notify()

    def tell(self, mailbox_id: int, folder_ids: Collection[str]) -> None:
        """Something has changed in these folders of a mailbox; anywhere, where there are none. From any thread."""
        with self._something:
            known = self._told.get(mailbox_id)
            if known is not None and (not known or not folder_ids):
                self._told[mailbox_id] = set()  # anywhere, whatever else was told
            else:
                self._told.setdefault(mailbox_id, set()).update(folder_ids)
            self._something.notify()

    def catch_up(self, mailbox_id: int, seconds: float) -> None:
        """Something may have changed that was not told: read the mailbox within so many seconds. From any thread."""
        with self._something:
            self._catch_up[mailbox_id] = utcnow() + timedelta(seconds=seconds)
            self._something.notify()

    def _run(self) -> None:
        while True:
            with self._something:
                self._something.wait_for(self._is_up, self._until_next())
                if self._is_stopping:
                    return
                told, self._told = self._told, {}
                catch_up, self._catch_up = self._catch_up, {}
            try:
                self._write(told, catch_up)
            except DBAPIError as error:
                log.error("a wake-up could not be written; trying again", reason=type(error).__name__)
                time.sleep(RETRY_SECONDS)
                for mailbox_id, folder_ids in told.items():
                    self.tell(mailbox_id, folder_ids)
                with self._something:
                    self._catch_up = catch_up | self._catch_up
            except Exception:
                log.exception("a wake-up could not be written")
                time.sleep(RETRY_SECONDS)  # what still waits is due at once

    def _is_up(self) -> bool:
        return bool(self._told or self._catch_up or self._is_stopping)

    def _until_next(self) -> float | None:
        return max(min(self._waiting.values()) - monotonic(), 0) if self._waiting else None

    def _write(self, told: Mapping[int, Collection[str]], catch_up: Mapping[int, datetime]) -> None:
        now = monotonic()
        with self._sessions() as session, session.begin():
            begin_write(session)
            streams = streams_of(session, told) if told else set()
            wanted = streams | {stream_id for stream_id, moment in self._waiting.items() if moment <= now}
            late = {each for each in wanted if now - self._last.get(each, -SPACING_SECONDS) < SPACING_SECONDS}
            is_due = bool(wanted - late) and wake(session, wanted - late, utcnow())
            for mailbox_id, due_at in catch_up.items():
                is_due |= wake(session, streams_of(session, {mailbox_id: ()}), due_at)
        for stream_id in wanted - late:
            self._last[stream_id] = now
            self._waiting.pop(stream_id, None)
        for stream_id in late:
            self._waiting[stream_id] = self._last[stream_id] + SPACING_SECONDS
        if is_due:
            self._woken()
