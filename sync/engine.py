"""Run one stream once: claim it, read its folders page by page, write each page with its cursor, say how it went.

`run_stream` is idempotent and safe to call at any time from anywhere: the claim and the fenced cursor in the
database make a second worker, a late call or a crash harmless (design, invariants 1, 2 and 5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import TypeVar

import structlog
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from connectors.base import Account, Connector
from sync import attachments, claims, folders, outcomes, writer
from sync.planner import Action, Quarantine, Skip, plan
from terracrm.config import Settings
from terracrm.db import begin_write, is_about_data, is_race
from terracrm.domain.records import Change, Folder, StreamKind
from terracrm.domain.texts import storable
from terracrm.errors import ConfigError, ConnectorError, CursorExpired, ItemGone, Temporary
from terracrm.logs import about
from terracrm.models import Mailbox, MirrorFolder, QuarantinedItem, Stream, SyncRun, utcnow
from terracrm.secrets import decrypt
from terracrm.services import known, mirror_attachments, mirror_calendar, mirror_folders, skipped
from terracrm.services.mailboxes import password_of
from terracrm.services.sources import Source, source_of

log = structlog.get_logger(__name__)

Sessions = sessionmaker[Session]
Connect = Callable[[Account], Connector]
# folder path, items done in it, items expected in it where the server said so
Progress = Callable[[str, int, int | None], None]

T = TypeVar("T")
QUARANTINE_BATCH = 100
DUE_BATCH = 100
SETTLE_BATCH = 20
PAGE_TRIES = 3


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


def run_stream(
    settings: Settings, sessions: Sessions, stream_id: int, connect: Connect, progress: Progress | None = None
) -> Summary | None:
    """Run a stream once and return what it did; None when another worker has it or it is gone.

    Never raises for what a remote system, a mailbox or an item does: that is the outcome of the run.
    """
    run = _begin(settings, sessions, stream_id)
    if run is None:
        return None
    started = monotonic()
    with about(run=run.run_id, mailbox=run.summary.mailbox, stream=run.summary.stream):
        try:
            error = _work(run, connect, progress)
        except Fenced:
            log.warning("another worker took this stream over")
            error = None
        run.summary.seconds = monotonic() - started
        _finish(run, error)
    return run.summary


@dataclass
class _Run:
    settings: Settings
    sessions: Sessions
    stream_id: int
    run_id: int
    claim: str
    kind: StreamKind
    summary: Summary


def _begin(settings: Settings, sessions: Sessions, stream_id: int) -> _Run | None:
    with sessions() as session, session.begin():
        begin_write(session)
        stream = session.get(Stream, stream_id)
        if stream is None:
            return None
        claim = claims.new_claim()
        if not claims.take(session, stream, claim, settings.sync.lease_seconds):
            return None
        outcomes.close_abandoned(session, stream_id)
        row = SyncRun(stream_id=stream_id)
        session.add(row)
        stream.last_run_at = utcnow()
        session.flush()
        summary = Summary(stream.mailbox.address, stream.kind)
        return _Run(settings, sessions, stream_id, row.id, claim, StreamKind(stream.kind), summary)


def _work(run: _Run, connect: Connect, progress: Progress | None) -> Exception | None:
    """Read and write everything there is; the error that stopped the stream, if one did."""
    connector: Connector | None = None
    try:
        connector = connect(_account(run))
        mirrored = _folders(run, connector)
        for folder_id, folder in mirrored:
            _retry_quarantined(run, connector, folder_id, folder)
            _read_folder(run, connector, folder_id, folder, progress)
        while any(_read_due(run, connector, folder_id, folder) for folder_id, folder in mirrored):
            pass  # what one folder brings may be what another one's items waited for
        _complete(run)
        _fetch_attachments(run, connector, connect, progress)
    except (ConnectorError, ConfigError, OperationalError, outcomes.Stopped) as error:
        return error
    except Fenced:
        raise
    except Exception as error:
        log.exception("the stream failed in an unexpected way")
        return error
    finally:
        if connector is not None:
            connector.close()
    return None


def _fetch_attachments(run: _Run, connector: Connector, connect: Connect, progress: Progress | None) -> None:
    """The contents that are wanted of the mail of this mailbox (S12)."""
    if run.kind is not StreamKind.MAIL:
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

    with run.sessions() as session:
        mailbox_id = session.get_one(Stream, run.stream_id).mailbox_id
    attachments.Fetcher(run.settings, mailbox_id, connector, other, run.sessions, lambda: _transaction(run), show).run()


def _account(run: _Run) -> Account:
    with run.sessions() as session:
        mailbox = session.get_one(Stream, run.stream_id).mailbox
        return account_of(run.settings, mailbox)


def account_of(settings: Settings, mailbox: Mailbox) -> Account:
    """What it takes to open a mailbox, its password read from the file or decrypted."""
    return Account(
        address=mailbox.address,
        server=mailbox.server,
        username=mailbox.username,
        password=password_of(mailbox, lambda token: decrypt(settings, token)),
        impersonate=mailbox.impersonate,
        verify_tls=mailbox.verify_tls,
    )


def _folders(run: _Run, connector: Connector) -> list[tuple[int, Folder]]:
    found = connector.folders()
    remote = {folder.remote_id: folder for folder in found}
    with run.sessions() as session, session.begin():
        begin_write(session)
        stream = session.get_one(Stream, run.stream_id)
        folders.refresh(session, stream, found, run.settings.mirror.excluded_folders)
        rows = [row for row in stream.folders if row.gone_at is None and not row.is_excluded]
        # Whom we wrote to first: then what these people wrote finds them, with what its signatures say of them.
        rows.sort(key=lambda row: row.well_known != "sentitems")
        return [(row.id, remote[row.remote_id]) for row in rows]


def _complete(run: _Run) -> None:
    """What can be said only when every folder was read to its end."""
    if run.kind is not StreamKind.CALENDAR:
        return
    with run.sessions() as session:
        source = _calendar_source(run, session)
        uids = mirror_calendar.due(session, source) if source else []
    for start in range(0, len(uids), SETTLE_BATCH):
        with _transaction(run) as session:
            if source := _calendar_source(run, session):
                mirror_calendar.settle(session, source, uids[start : start + SETTLE_BATCH])


def _calendar_source(run: _Run, session: Session) -> Source | None:
    """The mailbox as a source beyond any of its folders; None while it has no calendar."""
    stream = session.get_one(Stream, run.stream_id)
    return source_of(run.settings, stream.mailbox, stream.folders[0], run.run_id) if stream.folders else None


def _read_folder(run: _Run, connector: Connector, folder_id: int, folder: Folder, progress: Progress | None) -> None:
    for attempt in ("from the cursor", "from the start"):
        try:
            _read_pages(run, connector, folder_id, folder, progress)
            return
        except CursorExpired:
            if attempt == "from the start":
                raise
            log.warning("the server forgot the cursor: reading the folder anew", folder=folder.path)
            _write(run, folder_id, lambda session, row: mirror_folders.forget(session, row))
        except ItemGone:
            _write(run, folder_id, lambda session, row: folders.mark_gone(session, row))
            return


def _read_pages(run: _Run, connector: Connector, folder_id: int, folder: Folder, progress: Progress | None) -> None:
    with run.sessions() as session:
        cursor = session.get_one(MirrorFolder, folder_id).cursor
    done = 0
    for page in connector.changes(folder, cursor, run.settings.mirror.page_size):
        if page.changes or page.cursor != cursor:
            run.summary.counts.add(_write_page(run, folder_id, page.changes, page.cursor))
        cursor = page.cursor
        done += len(page.changes)
        if progress:
            progress(folder.path, done, page.expected)


def _retry_quarantined(run: _Run, connector: Connector, folder_id: int, folder: Folder) -> None:
    due = select(QuarantinedItem.remote_id).where(
        QuarantinedItem.folder_id == folder_id, QuarantinedItem.next_try_at <= utcnow()
    )
    with run.sessions() as session:
        remote_ids = list(session.scalars(due.limit(QUARANTINE_BATCH)))
    if remote_ids:
        changes = connector.get(folder, remote_ids)
        run.summary.counts.add(_write_page(run, folder_id, changes, None))


def _read_due(run: _Run, connector: Connector, folder_id: int, folder: Folder) -> bool:
    """Read again some of what was left out and may come in now (M2, S6); whether there was any."""
    with run.sessions() as session:
        remote_ids = skipped.due(session, folder_id, DUE_BATCH)
    if not remote_ids:
        return False
    try:
        changes = connector.get(folder, remote_ids)
    except ItemGone:
        _write(run, folder_id, lambda session, row: folders.mark_gone(session, row))
    else:
        run.summary.counts.add(_write_page(run, folder_id, changes, None))
    return True


def _write_page(run: _Run, folder_id: int, changes: Sequence[Change], cursor: str | None) -> writer.Counts:
    """Write a page and its cursor in one commit; where the page fails, each of its items on its own."""
    for _ in range(PAGE_TRIES):
        try:
            return _write(run, folder_id, lambda session, row: _apply(run, session, row, changes, cursor, writer.apply))
        except Fenced:
            raise
        except Exception as error:
            if is_race(error):
                # Another mailbox stored the same message or person meanwhile: now it is known, so plan anew.
                continue
            if not is_about_data(error):
                raise
            log.exception("a page could not be written: trying its items one by one")
            break
    return _write(run, folder_id, lambda session, row: _apply(run, session, row, changes, cursor, _one_by_one))


def _write(run: _Run, folder_id: int, work: Callable[[Session, MirrorFolder], T]) -> T:
    with _transaction(run) as session:
        return work(session, session.get_one(MirrorFolder, folder_id))


@contextmanager
def _transaction(run: _Run) -> Iterator[Session]:
    """A transaction that writes while the claim is ours; raises Fenced when it no longer is."""
    with run.sessions() as session, session.begin():
        begin_write(session)
        if not claims.keep(session, run.stream_id, run.claim, run.settings.sync.lease_seconds):
            raise Fenced
        yield session


def _apply(
    run: _Run,
    session: Session,
    folder: MirrorFolder,
    changes: Sequence[Change],
    cursor: str | None,
    perform: Callable[[Session, Source, Sequence[Action]], writer.Counts],
) -> writer.Counts:
    if folder.is_excluded:
        return writer.Counts()  # the rules have changed since this run began
    source = source_of(run.settings, folder.stream.mailbox, folder, run.run_id)
    told = [storable(change) for change in changes]
    linked = writer.link_states(session, source.mailbox_id, [change.remote_id for change in told])
    knowledge = known.lookup(session, source.rules, [change.record for change in told if change.record])
    counts = perform(session, source, list(plan(told, linked, source.rules, knowledge)))
    row = session.get_one(SyncRun, run.run_id)
    for name, value in asdict(counts).items():
        setattr(row, name, getattr(row, name) + value)
    if cursor is not None and not folders.advance(session, folder, cursor):
        raise Fenced
    return counts


def _one_by_one(session: Session, source: Source, actions: Sequence[Action]) -> writer.Counts:
    """Each action behind a savepoint of its own: the sick one goes to quarantine, the others are done.

    First those that wait for something, because another one may be what they wait for.
    """
    counts = writer.Counts()
    for action in sorted(actions, key=lambda action: not (isinstance(action, Skip) and action.waits_for)):
        try:
            with session.begin_nested():
                done = writer.apply(session, source, [action])
        except Exception as error:
            if not is_about_data(error):
                raise
            log.exception("an item could not be stored", remote_id=action.remote_id)
            reason = f"this item could not be stored ({type(error).__name__})"
            done = writer.apply(session, source, [Quarantine(action.remote_id, reason)])
        counts.add(done)
    return counts


def _is_more_wanted(run: _Run, session: Session, mailbox: Mailbox) -> bool:
    """Whether attachments are left for another run, or were asked for while this one ended."""
    return run.kind is StreamKind.MAIL and mirror_attachments.is_waiting(session, run.settings.mirror, mailbox)


def _finish(run: _Run, error: Exception | None) -> None:
    try:
        with run.sessions() as session, session.begin():
            begin_write(session)
            stream = session.get_one(Stream, run.stream_id, with_for_update=True)
            row = session.get_one(SyncRun, run.run_id)
            is_ours = stream.claim == run.claim
            outcomes.settle(run.settings, session, stream, row, error, is_ours=is_ours)
            if is_ours and error is None and _is_more_wanted(run, session, stream.mailbox):
                stream.due_at = utcnow()
            run.summary.state, run.summary.error = stream.state, row.error
    except OperationalError as failure:
        run.summary.state, run.summary.error = "backoff", outcomes.explain(failure)
        log.error("the outcome could not be written", error=run.summary.error)
