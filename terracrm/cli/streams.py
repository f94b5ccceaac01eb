"""Streams as commands name them: which are meant, which wait, and how far they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from sqlalchemy.orm import Session

from terracrm.cli.invocation import stderr
from terracrm.domain.records import StreamKind
from terracrm.errors import InvalidInput
from terracrm.models import Stream, StreamState
from terracrm.services import mailboxes


def mailbox_named(session: Session, mailbox: str | None) -> str | None:
    """The address of the mailbox that is named, which is to be enabled; None where none is."""
    if mailbox is None:
        return None
    found = mailboxes.get(session, mailbox)
    if not found.is_enabled:
        raise InvalidInput(f"{found.address} is paused; terracrm mailbox enable {found.address} starts it")
    return found.address


def kind_named(stream: str | None) -> str | None:
    """The kind of stream that is named; raises InvalidInput."""
    if stream is not None and stream not in list(StreamKind):
        raise InvalidInput(f"--stream: {stream} is none of {', '.join(StreamKind)}")
    return stream


def why_waiting(stream: Stream) -> str:
    """Why a stream is not run, and what to do about it."""
    address = stream.mailbox.address
    reason = f"{address} {stream.kind} is not run: {(stream.last_error or stream.state).rstrip('.')}"
    if stream.state == StreamState.BACKOFF:
        return f"{reason}. It is tried again at {stream.due_at:%H:%M:%S} UTC, or now with --mailbox {address}"
    if stream.state == StreamState.APPROVAL:
        return reason  # which names the plan, and the commands that decide about it
    return f"{reason}. Mend it, then run terracrm mailbox enable {address}"


@contextmanager
def bars() -> Iterator[Progress]:
    """Progress bars on standard error; nothing where that is no terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeElapsedColumn(), console=stderr, transient=True, disable=not stderr.is_terminal
    ) as progress:
        yield progress
