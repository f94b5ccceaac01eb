"""One run over one stream while it lasts: what it works with, its fenced transactions, and what it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta

from sqlalchemy.orm import Session, joinedload, sessionmaker

from connectors.base import Account, Connector
from sync import claims, writer
from sync.brake import Brake
from terracrm.config import Settings
from terracrm.db import begin_write
from terracrm.domain.records import StreamKind
from terracrm.models import Mailbox, Stream, SyncRun
from terracrm.services.plans import Step
from terracrm.services.sources import Source, source_of

Sessions = sessionmaker[Session]
Connect = Callable[[Account], Connector]
WITH_MAILBOX = joinedload(Stream.mailbox).joinedload(Mailbox.user)
# folder path, items done in it, items expected in it where the server said so
Progress = Callable[[str, int, int | None], None]


class Fenced(Exception):
    """Another worker has taken the stream over: stop without a word, the data are its business now."""


@dataclass
class Summary:
    """What one run did; `seconds` of wall-clock time, `state` of the stream afterwards."""

    mailbox: str
    stream: str
    counts: writer.Counts = field(default_factory=writer.Counts)
    seconds: float = 0.0
    state: str = ""
    error: str = ""

    def as_json(self) -> dict[str, object]:
        """The fixed words of `terracrm sync run --json`."""
        words = {"mailbox": self.mailbox, "stream": self.stream, **asdict(self.counts)}
        return words | {"seconds": round(self.seconds, 3), "state": self.state, "error": self.error}


@dataclass
class Order:
    """What a person asks for beside reading: the count of all items, and to mend what differs (S14); or only a plan.

    `anyway`: also where that marks very many items gone. `only` are the steps (fingerprints) that may be done, all
    others are left (Y1). Afterwards `count_id` is the count, `refused` says why some of it was not mended, and `seen`
    are the steps that there were to be done.
    """

    repair: bool = False
    anyway: bool = False
    only: frozenset[str] | None = None
    seen: tuple[Step, ...] = ()
    count_id: int = 0
    refused: str = ""


@dataclass
class Run:
    """A claimed stream and its SyncRun. `is_on`: its direction is not off.

    `is_waiting`: its stream waits for the decision about a plan, so that it only takes out what became private.
    `is_moved`: the mailbox was found on another server, and no run has got through since. `brake` says what it may
    still remove and change. `failures` is how many runs of the stream failed in a row before this one, and `last_error`
    by what. `clock_skew` is by how much the server's clock was ahead of ours, as far as it said. `unfollowed` is how
    many items came since the full-text index caught up (`indexing`).
    """

    settings: Settings
    sessions: Sessions
    stream_id: int
    run_id: int
    claim: str
    kind: StreamKind
    is_on: bool
    summary: Summary
    brake: Brake
    failures: int = 0
    last_error: str = ""
    clock_skew: timedelta | None = None
    order: Order | None = None
    is_waiting: bool = False
    is_moved: bool = False
    unfollowed: int = 0

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A transaction that writes while the claim is ours; raises Fenced when it no longer is."""
        with self.sessions() as session, session.begin():
            begin_write(session)
            if not claims.keep(session, self.stream_id, self.claim, self.settings.sync.lease_seconds):
                raise Fenced
            yield session

    def keep(self) -> None:
        """Renew the claim during long work that writes nothing; raises Fenced when it no longer is ours."""
        with self.transaction():
            pass

    def stream(self, session: Session) -> Stream:
        """The stream with its mailbox and whose that is, in one question."""
        return session.get_one(Stream, self.stream_id, options=[WITH_MAILBOX])

    def count(self, session: Session, counts: writer.Counts) -> None:
        """Add to what the run has done, in the commit of what was done."""
        row = session.get_one(SyncRun, self.run_id)
        for name, value in asdict(counts).items():
            setattr(row, name, getattr(row, name) + value)

    def source(self, session: Session) -> Source | None:
        """The mailbox as a source beyond any of its folders; None while the stream has none."""
        stream = self.stream(session)
        return source_of(self.settings, stream.mailbox, stream.folders[0], self.run_id) if stream.folders else None
