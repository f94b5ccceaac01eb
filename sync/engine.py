"""Run one stream once: claim it, read its folders page by page, write each page with its cursor, say how it went.

`run_stream` is idempotent and safe to call at any time from anywhere: the claim and the fenced cursor in the
database make a second worker, a late call or a crash harmless (design, invariants 1, 2 and 5).
"""

from __future__ import annotations

from collections.abc import Collection
from time import monotonic, sleep

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, joinedload

from connectors.base import Account, Connector
from sync import (
    accounts,
    attachments,
    claims,
    folders,
    holding,
    indexing,
    moved,
    outcomes,
    push,
    reading,
    reconcile,
    servers,
    waiting,
    writer,
)
from sync.brake import Brake, Braked
from sync.kinds import outbound_of
from sync.run import WITH_MAILBOX, Connect, Fenced, Order, Progress, Run, Sessions, Summary
from terracrm.config import Settings
from terracrm.db import begin_write
from terracrm.domain.records import Folder, StreamKind
from terracrm.errors import ConfigError, ConnectorError, ItemRejected, SignInRefused, Temporary
from terracrm.logs import about
from terracrm.models import STOPPED, UNREAD, Mailbox, Stream, StreamState, SyncRun, utcnow
from terracrm.secrets import decrypt
from terracrm.services import mirror_attachments, mirror_folders, outbox, plans
from terracrm.services.mailboxes import password_of

log = structlog.get_logger(__name__)

# How often a run reads and writes before it leaves what changes all the time in Outlook to the next one.
ROUNDS = 3
# For so long the outcome of a run waits for a database that is away, asking again at growing intervals.
PATIENCE_SECONDS = 90.0
LONGEST_PAUSE_SECONDS = 10.0


def run_stream(
    settings: Settings,
    sessions: Sessions,
    stream_id: int,
    connect: Connect,
    progress: Progress | None = None,
    order: Order | None = None,
    *,
    is_scheduled: bool = False,
) -> Summary | None:
    """Run a stream once and return what it did; None when another worker has it or it is gone.

    None also while another stream finds out whether their common account is let in; once that is refused, nothing is
    tried (`accounts`). And where it `is_scheduled`, when it was switched off since, or its server has as many runs as
    it may (`servers`).
    Never raises for what a remote system, a mailbox or an item does: that is the outcome of the run.
    """
    run = _begin(settings, sessions, stream_id, STOPPED if order else UNREAD, is_scheduled)
    if not isinstance(run, Run):
        return run
    run.order = order
    if order is not None and order.only is not None:
        run.brake.restrict(order.only)
    started = monotonic()
    with about(run=run.run_id, mailbox=run.summary.mailbox, stream=run.summary.stream):
        try:
            error = _work(run, connect, progress)
        except Fenced:
            log.warning("another worker took this stream over")
            error = None
        run.summary.seconds = monotonic() - started
        _finish(run, error)
        indexing.after_run(run)
    if order is not None:
        order.seen = tuple(run.brake.seen.values())
    return run.summary


def _begin(
    settings: Settings, sessions: Sessions, stream_id: int, stopped: Collection[StreamState], is_scheduled: bool
) -> Run | Summary | None:
    with sessions() as session, session.begin():
        begin_write(session)
        stream = session.get(Stream, stream_id, options=[WITH_MAILBOX])
        if stream is None:
            return None
        if stream.is_refused or stream.state in stopped:
            return Summary(stream.mailbox.address, stream.kind, state=stream.state, error=stream.last_error)
        if is_scheduled and not (stream.is_enabled and stream.mailbox.is_enabled):
            return None  # switched off since it was due
        claim = claims.new_claim()
        if is_scheduled and claims.is_free(stream):
            servers.lock(session, stream.mailbox.server)  # first, so that nobody waits for each other
        stream.queued_until = None
        if accounts.must_wait(session, stream):
            return None
        if is_scheduled and servers.is_full(session, stream.mailbox.server, settings.sync.streams_per_server):
            stream.queued_until = utcnow() + servers.AGAIN
            return None
        if not claims.take(session, stream, claim, settings.sync.lease_seconds):
            return None
        outcomes.close_abandoned(session, stream_id, stream.last_run_at)
        row = SyncRun(stream_id=stream_id)
        session.add(row)
        session.flush()
        summary = Summary(stream.mailbox.address, stream.kind)
        brake = Brake.of(settings, session, stream, row.id)
        is_on, kind = stream.direction != "off", StreamKind(stream.kind)
        run = Run(settings, sessions, stream_id, row.id, claim, kind, is_on, summary, brake)
        run.failures, run.last_error = stream.failures, stream.last_error
        run.is_waiting = stream.state == StreamState.APPROVAL
        if run.is_waiting:
            brake.restrict(())
        return run


def _work(run: Run, connect: Connect, progress: Progress | None) -> Exception | None:
    """Read and write everything there is; the error that stopped the stream, if one did."""
    connector: Connector | None = None
    try:
        if not run.is_on:
            return None
        connector = connect(_account(run))
        pusher = _push(run, connector, progress)
        mirrored, refused = _folders(run, connector, None if run.is_waiting else pusher)
        if run.is_waiting:
            waiting.withdraw(run, connector, mirrored, progress)
            if pusher is not None:
                pusher.withdraw()
            return None
        rounds = 1 if run.brake.is_exact else ROUNDS
        for is_last in (False,) * (rounds - 1) + (True,):
            reading.read(run, connector, mirrored, progress)
            if pusher is None or refused or not pusher.run(is_last=is_last):
                break  # else something has changed in Outlook since it was read
        if refused:
            return refused
        reconcile.when_due(run, connector, mirrored, progress)
        _fetch_attachments(run, connector, connect, progress)
    except (ConnectorError, ConfigError, OperationalError, outcomes.Stopped, Braked) as error:
        if isinstance(error, SignInRefused):
            _note_refusal(run, error)
        return error
    except Fenced:
        raise
    except Exception as error:
        log.exception("the stream failed in an unexpected way")
        return error
    finally:
        if connector is not None:
            run.clock_skew = connector.clock_skew()
            connector.close()
    return None


def _note_refusal(run: Run, error: SignInRefused) -> None:
    """Before the claim is given back, so that no other stream of the account tries in between."""
    try:
        with run.transaction() as session:
            accounts.refused(session, run.settings, run.stream(session).mailbox, str(error))
    except OperationalError as failure:
        log.error("the refusal could not be written", error=outcomes.explain(failure))


def _push(run: Run, connector: Connector, progress: Progress | None) -> push.Push | None:
    """What writes what is owed to the mailbox; None where nothing may be written."""
    outbound = outbound_of(run.kind)
    if outbound is None:
        return None
    with run.sessions() as session:
        if not outbox.may_write(run.stream(session)):
            return None

    def show(done: int, total: int) -> None:
        if progress:
            progress("to Outlook", done, total)

    def count(session: Session, written: int) -> None:
        run.count(session, writer.Counts(written=written))
        run.summary.counts.written += written

    return push.Push(
        run.settings,
        outbound,
        connector,
        run.stream_id,
        run.run_id,
        run.sessions,
        run.transaction,
        count,
        show,
        run.brake,
    )


def _fetch_attachments(run: Run, connector: Connector, connect: Connect, progress: Progress | None) -> None:
    """The contents that are wanted of the mail of this mailbox (S12)."""
    if run.kind is not StreamKind.MAIL or run.brake.is_exact:
        return

    def other(mailbox_id: int) -> Connector:
        try:
            with run.sessions() as session:
                return connect(account_of(run.settings, session.get_one(Mailbox, mailbox_id)))
        except ConfigError as error:
            raise Temporary(str(error)) from error

    def show(done: int, total: int) -> None:
        if progress:
            progress("attachments", done, total)

    attachments.Fetcher(run.settings, run.brake.mailbox_id, connector, other, run.sessions, run.transaction, show).run()


def _account(run: Run) -> Account:
    with run.sessions() as session:
        mailbox = session.get_one(Mailbox, run.brake.mailbox_id, options=[joinedload(Mailbox.streams)])
        return account_of(run.settings, mailbox)


def account_of(settings: Settings, mailbox: Mailbox, *, by_hand: bool = False) -> Account:
    """What it takes to open a mailbox, its password read from the file or decrypted.

    Raises SignInRefused when the server has refused it before, unless a person asks for it to be tried.
    """
    refused = next((stream for stream in mailbox.streams if stream.is_refused), None)
    if refused is not None and not by_hand:
        raise SignInRefused(refused.last_error)
    return Account(
        address=mailbox.address,
        server=mailbox.server,
        username=mailbox.username,
        password=password_of(mailbox, lambda token: decrypt(settings, token)),
        impersonate=mailbox.impersonate,
        verify_tls=mailbox.verify_tls,
        requests_in_flight=settings.sync.requests_in_flight,
    )


def _folders(
    run: Run, connector: Connector, pusher: push.Push | None
) -> tuple[list[tuple[int, Folder]], ItemRejected | None]:
    """The folders to read, and why one that is needed for writing cannot be had: then they are read all the same."""
    found = connector.folders()
    with run.transaction() as session:
        stream = run.stream(session)
        accounts.let_in(session, run.settings, stream.mailbox)
        leaving = folders.refresh(session, stream, found, mirror_folders.left_out_paths(run.settings, ()))
        run.is_moved = stream.moved_at is not None
        mirrored = folders.to_read(stream, found, run.brake.vanished)
    holding.leave(run, connector, leaving)
    if run.kind is StreamKind.POSTS:
        moved.look_up_posts(run, connector)
    refused = None
    try:
        found += pusher.prepare() if pusher else []
    except ItemRejected as error:
        refused = error
    if leaving or pusher:
        with run.sessions() as session:
            mirrored = folders.to_read(session.get_one(Stream, run.stream_id), found, run.brake.vanished)
    return mirrored, refused


def _is_more_wanted(run: Run, session: Session, mailbox: Mailbox) -> bool:
    """Whether attachments are left for another run, or were asked for while this one ended."""
    return run.kind is StreamKind.MAIL and mirror_attachments.is_waiting(session, run.settings.mirror, mailbox)


def _finish(run: Run, error: Exception | None) -> None:
    """Write how the run went; a database that is away for a minute is waited for, so that it is told why it failed."""
    until, pause = monotonic() + PATIENCE_SECONDS, 1.0
    while True:
        try:
            _write_outcome(run, error)
            return
        except OperationalError as failure:
            run.summary.state, run.summary.error = "backoff", outcomes.explain(failure)
        if monotonic() + pause > until:
            log.error("the outcome could not be written", error=run.summary.error)
            return
        log.warning("the outcome cannot be written yet", error=run.summary.error)
        sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _write_outcome(run: Run, error: Exception | None) -> None:
    with run.sessions() as session, session.begin():
        begin_write(session)
        stream = session.get_one(
            Stream, run.stream_id, options=[joinedload(Stream.mailbox)], with_for_update={"of": Stream}
        )
        row = session.get_one(SyncRun, run.run_id)
        is_ours = stream.claim == run.claim
        if run.clock_skew is not None:
            stream.clock_skew = round(run.clock_skew.total_seconds())
        outcomes.settle(run.settings, session, stream, row, error, is_ours=is_ours, is_waiting=run.is_waiting)
        if is_ours and error is None and not run.brake.is_exact:
            plans.settle(session, stream.id)
            stream.moved_at = None
        if is_ours and error is None and not run.is_waiting and _is_more_wanted(run, session, stream.mailbox):
            stream.due_at = utcnow()
        run.summary.state, run.summary.error = stream.state, row.error
        waits = stream.state in (UNREAD if run.is_waiting else STOPPED)
        next_try = "waits for a person" if waits else stream.due_at.isoformat(timespec="seconds")
    if is_ours and (row.error or waits):
        log.warning("the run failed", state=stream.state, reason=row.error or stream.last_error, next_try=next_try)
