"""Who runs a stream: a claim in the database, taken by compare-and-set, that ends with its worker.

A claim names host, process and the process's start, so that the claim of a worker that was killed on this
machine is free at once; elsewhere it is free when its lease ends.
"""

from __future__ import annotations

import os
import socket
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.orm import Session

from terracrm.models import CLAIMED, MailboxWatch, Stream, utcnow


def new_claim() -> str:
    """A claim of this process."""
    return f"{socket.gethostname()}|{os.getpid()}|{_started(os.getpid())}|{uuid.uuid4().hex}"


def is_free(row: Stream | MailboxWatch | Row[*tuple[Any, ...]]) -> bool:
    """Whether nobody alive has the stream or mailbox: no claim, its lease over, or its process on this machine dead."""
    return not row.claim or not row.claimed_until or row.claimed_until <= utcnow() or is_dead(row.claim)


def take(session: Session, stream: Stream, claim: str, lease_seconds: int) -> bool:
    """Claim the stream for a run that begins now, unless somebody alive has it. The caller commits."""
    if not is_free(stream):
        return False
    now = utcnow()
    taken = session.connection().execute(
        update(Stream)
        .where(Stream.id == stream.id, Stream.claim == stream.claim)
        .values(claim=claim, claimed_until=now + timedelta(seconds=lease_seconds), last_run_at=now)
    )
    return taken.rowcount == 1


def keep(session: Session, stream_id: int, claim: str, lease_seconds: int) -> bool:
    """Extend the lease; False when the claim is no longer ours."""
    kept = session.connection().execute(
        update(Stream)
        .where(Stream.id == stream_id, Stream.claim == claim)
        .values(claimed_until=utcnow() + timedelta(seconds=lease_seconds))
    )
    return kept.rowcount == 1


def free_dead(session: Session) -> None:
    """Give back what dead processes of this machine have claimed, for the other machines. The caller commits."""
    for row in session.execute(select(Stream.id, Stream.claim).where(CLAIMED)):
        if is_dead(row.claim):
            same = Stream.id == row.id, Stream.claim == row.claim
            session.execute(update(Stream).where(*same).values(claim="", claimed_until=None))


def is_dead(claim: str) -> bool:
    """Whether the process that made the claim was one of this machine and has ended."""
    host, pid, started, *_ = [*claim.split("|"), "", "", ""]
    return host == socket.gethostname() and pid.isdigit() and _started(int(pid)) != started


def _started(pid: int) -> str:
    """When a process of this machine started, in the kernel's ticks; "" when it has ended, "?" if unknown."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if words[0] in "ZX" else words[19]
    except (OSError, IndexError):
        return "?"
