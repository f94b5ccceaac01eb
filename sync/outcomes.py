"""How a run ended and what the stream does next: one reaction for each kind of error (Y5, exchange-facts)."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Exists, exists, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from sync.brake import Braked
from sync.writer import Counts
from terracrm.config import Settings
from terracrm.errors import AuthFailed, SignInRefused, Temporary, TerraCRMError, Unsupported
from terracrm.models import MirrorFolder, QuarantinedItem, Stream, StreamState, SyncRun, utcnow
from terracrm.services import outbox, plans, reconciliations, skipped

CLOCKS_DIFFER: Final = timedelta(hours=1)
"""By so much at most, between the machines that run streams."""


class Stopped(Exception):
    """Raised by a progress callback to stop between two pages; the stream goes on from there next time."""


UNEXPECTED = "an unexpected error: the log has the details (of `terracrm sync run`: commands.log in paths.data_dir)"


def settle(
    settings: Settings,
    session: Session,
    stream: Stream,
    run: SyncRun,
    error: Exception | None,
    *,
    is_ours: bool,
    is_waiting: bool = False,
) -> None:
    """Write the outcome of a run; when the claim is still ours also the stream's state and when it is due again.

    A temporary error backs off, wrong credentials stop the stream until a person has mended them (one try only, or
    the server locks the account), anything else backs off as degraded. Other streams are not touched.
    After a run that went well it is degraded while items are in quarantine, writes are given up (W5) or a count has
    found gaps that are not mended, of which it says how many (S14). What the brake
    stopped is kept as a plan in the same commit, and the stream waits for its approval (Y2). `is_waiting`: it did so
    when the run began, and goes on.
    """
    now = utcnow()
    run.finished_at = now
    run.outcome = "ok" if error is None else "failed"
    run.error = explain(error) if error and not isinstance(error, Stopped) else ""
    if not is_ours:
        run.outcome = "superseded"
        return
    stream.claim, stream.claimed_until = "", None
    if is_waiting and not isinstance(error, AuthFailed | Unsupported):
        _wait_on(settings, session, stream, run, error)
        return
    stream.is_refused = isinstance(error, SignInRefused)
    stream.last_error = run.error
    if error is None:
        with session.no_autoflush:  # all of it in one statement
            _got_through(settings, session, stream, run, now)
        return
    if isinstance(error, Stopped):
        run.outcome = "stopped"
        stream.due_at = now
        return
    if isinstance(error, Braked):
        plan = plans.store(session, stream.mailbox_id, stream.id, plans.BRAKE, error.steps, error.items, run.id)
        run.outcome, run.error = "braked", error.of_plan(plan.id)
        stream.state, stream.last_error, stream.failures = StreamState.APPROVAL, run.error, 0
        stream.due_at = now + _interval(settings, stream)
        session.execute(update(MirrorFolder).where(MirrorFolder.stream_id == stream.id).values(private_cursor=None))
        return
    stream.failures += 1
    delay = _delay(settings, stream, error)
    if isinstance(error, AuthFailed | Unsupported):
        stream.state = StreamState.CREDENTIALS if isinstance(error, AuthFailed) else StreamState.PAUSED
    elif isinstance(error, Temporary | DBAPIError):
        stream.state = StreamState.BACKOFF
    else:
        stream.state = StreamState.DEGRADED
    stream.due_at = now + delay


def _got_through(settings: Settings, session: Session, stream: Stream, run: SyncRun, now: datetime) -> None:
    is_sick, has_due = session.execute(select(_has_quarantined(stream.id), skipped.has_due(stream.id))).one()
    stream.failures = 0
    stream.last_success_at = now
    stream.last_error = reconciliations.reason(session, stream)
    has_gaps = stream.gaps or is_sick or outbox.has_given_up(session, stream)
    stream.state = StreamState.DEGRADED if has_gaps else StreamState.OK
    stream.due_at = now if _is_woken(stream, run) or has_due else now + _interval(settings, stream)


def _wait_on(settings: Settings, session: Session, stream: Stream, run: SyncRun, error: Exception | None) -> None:
    """A run that only took out what became private is over: the stream waits on, unless somebody has decided meanwhile.

    One that found nothing leaves no trace, so that the run that made the plan stays in sight.
    """
    is_failure = error is not None and not isinstance(error, Stopped)
    run.outcome = "failed" if is_failure else "braked"
    if not is_failure and not any(getattr(run, count.name) for count in fields(Counts)):
        session.delete(run)
    if stream.state != StreamState.APPROVAL:
        return
    stream.failures = stream.failures + 1 if is_failure else 0
    if is_failure:
        stream.due_at = utcnow() + _delay(settings, stream, error)
    elif error or _is_woken(stream, run):
        stream.due_at = utcnow()
    else:
        stream.due_at = utcnow() + _interval(settings, stream)


def _interval(settings: Settings, stream: Stream) -> timedelta:
    return timedelta(minutes=stream.interval_minutes or settings.sync.interval_minutes)


def _is_woken(stream: Stream, run: SyncRun) -> bool:
    return stream.woken_at is not None and stream.woken_at > run.started_at


def _delay(settings: Settings, stream: Stream, error: Exception | None) -> timedelta:
    """The wait until the next try, not less than the server asked for."""
    asked = timedelta(seconds=getattr(error, "retry_after", None) or 0)
    return max(retry_delay(settings, stream.failures), asked)


def retry_delay(settings: Settings, failures: int) -> timedelta:
    """The wait after this many failures in a row: doubling, up to the limit of the settings."""
    seconds = settings.sync.retry_base_seconds * 2 ** min(failures - 1, 20)
    return timedelta(seconds=min(seconds, settings.sync.retry_max_seconds))


def explain(error: Exception) -> str:
    """The error in a sentence for a person; nothing of an unexpected one, which may carry a secret."""
    if isinstance(error, TerraCRMError):
        return str(error)
    if isinstance(error, DBAPIError):
        reason = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
        return f"the database could not be used: {reason[0]}"
    return UNEXPECTED


def close_abandoned(session: Session, stream_id: int, since: datetime | None) -> None:
    """Say of runs whose worker died that they were broken off; what they committed stays.

    `since` is when the stream was run last: each run closes what was abandoned before it, so no other one is open, and
    the whole history of the stream need not be looked through.
    """
    abandoned = update(SyncRun).where(SyncRun.stream_id == stream_id, SyncRun.finished_at.is_(None))
    if since is not None:
        abandoned = abandoned.where(SyncRun.started_at >= since - CLOCKS_DIFFER)
    session.execute(abandoned.values(finished_at=utcnow(), outcome="broken_off"))


def _has_quarantined(stream_id: int) -> Exists:
    return exists().where(QuarantinedItem.folder_id == MirrorFolder.id, MirrorFolder.stream_id == stream_id)
