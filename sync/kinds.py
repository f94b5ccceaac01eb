"""All that is written into mailboxes, and what would be written now, without writing it (Y1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from sync import outgoing, push
from sync.clients import Clients
from sync.outbound import Outbound, Place, Step, Target
from sync.posts import Posts
from sync.tasks import Tasks
from terracrm.config import Settings
from terracrm.models import Link, Mailbox, Stream
from terracrm.services import outbox

OUTBOUND: Final[tuple[Outbound, ...]] = (Clients(), Tasks(), Posts())


@dataclass(frozen=True, slots=True)
class Planned:
    """One step that is due in a mailbox: about which thing, and why it came to be owed (`OutboxItem.reason`).

    `link` is the item that it is about, if there is one, in the run of which stream.
    """

    entity: str
    local_id: int
    reason: str
    step: Step
    stream_id: int
    link: Link | None


def outbound_of(kind: str) -> Outbound | None:
    """What is written in the runs of such streams, if anything is."""
    return next((outbound for outbound in OUTBOUND if outbound.kind == kind), None)


def places(session: Session, settings: Settings, stream: Stream) -> Sequence[Place]:
    """The folders that a run of a stream finds or makes before it writes; none where nothing is written."""
    outbound = outbound_of(stream.kind)
    if outbound is None or not outbox.may_write(stream):
        return ()
    return outbound.places(session, Target(settings, stream.mailbox, stream, run_id=0))


def planned(session: Session, settings: Settings, mailbox: Mailbox) -> Iterator[Planned]:
    """What the next run would write into a mailbox as things are here now, in the order of the streams.

    Steps that come to nothing are among them, with the rule that says why. Nothing is asked of the mailbox, so what
    has changed there since it was read is not in it, and nothing is changed here.
    """
    for stream in mailbox.streams:
        outbound = outbound_of(stream.kind)
        if outbound is None or not outbox.may_write(stream):
            continue
        target = Target(settings, mailbox, stream, run_id=0)
        trial = session.begin_nested()
        try:
            outbound.settle(session, target)
            owed = outbox.items(session, outbox.due(session, mailbox.id, outbound.entity))
            decided = push.decisions_of(session, outbound, target, [item.local_id for item in owed])
            found = [
                Planned(item.entity, item.local_id, item.reason, step, stream.id, each.link)
                for item in owed
                for each in [decided[item.local_id]]
                for step in [outgoing.because(each.step, item.reason)]
            ]
        finally:
            trial.rollback()
        yield from found
