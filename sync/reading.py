"""Read the folders of a stream page by page, write each page with its cursor, and settle what only the whole tells."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import ColumnElement, bindparam, select
from sqlalchemy.orm import Session

from connectors.base import Connector
from sync import asking, folders, holding, indexing, preparing, writer
from sync.brake import Contradicted, Held, Unsure
from sync.planner import Action, Cards, LinkState, Quarantine, Skip, TakeCard, Withdraw, Withhold, plan
from sync.preparing import Ready
from sync.run import Fenced, Progress, Run
from terracrm.config import Settings
from terracrm.db import is_about_data, is_race
from terracrm.domain.records import Change, ChangeKind, ContactRecord, Folder, Page, StreamKind
from terracrm.domain.texts import storable
from terracrm.errors import CursorExpired, ItemGone, Temporary
from terracrm.models import MirrorFolder, QuarantinedItem, Stream, utcnow
from terracrm.services import (
    client_cards,
    gone_cards,
    kept_out,
    known,
    links,
    mirror_calendar,
    mirror_folders,
    outbox,
    skipped,
)
from terracrm.services.sources import Source, source_of

log = structlog.get_logger(__name__)

T = TypeVar("T")
Perform = Callable[[Session, Source, Sequence[Action]], writer.Counts]
QUARANTINE_BATCH = 100
DUE_BATCH = 100
SETTLE_BATCH = 20
PAGE_TRIES = 3
_CURSOR = select(MirrorFolder.cursor).where(MirrorFolder.id == bindparam("folder_id"))


def read(run: Run, connector: Connector, mirrored: Sequence[tuple[int, Folder]], progress: Progress | None) -> None:
    """All that is new in these folders, given by their ids, and what follows from it.

    Raises Braked when that is more than a run may remove and change (Y2), Contradicted when all folders were read but
    those of which the server contradicts itself.
    """
    with_sick, contradicted = _with_sick(run), None
    for folder_id, folder in mirrored:
        if folder_id in with_sick:
            _retry_quarantined(run, connector, folder_id, folder)
        try:
            _read_folder(run, connector, folder_id, folder, progress)
        except Contradicted as error:
            contradicted = error
    if contradicted is not None:
        raise contradicted
    _read_all_due(run, connector, mirrored)
    if holding.settle(run, connector, mirrored, _as_reading(run, connector, progress)):
        _read_all_due(run, connector, mirrored)
    if run.brake.held or run.brake.vanished:
        return  # a plan is run: what follows from all of it, follows when all was read
    if run.kind is StreamKind.CALENDAR:
        _settle_meetings(run)
    elif run.kind is StreamKind.CONTACTS and _is_any_card_to_settle(run):
        if _settled(run, lambda session, stream, _: gone_cards.look_for_moved(session, stream)):
            _read_all_due(run, connector, mirrored)
        may_archive = not run.is_moved
        _settled(run, lambda s, stream, source: gone_cards.settle(s, run.settings, stream, source, may_archive))


def _as_reading(run: Run, connector: Connector, progress: Progress | None) -> holding.Reading:
    return holding.Reading(
        pages=lambda folder_id, folder: _pages(run, connector, folder_id, folder),
        planned=planned,
        withdraw=lambda folder_id, changes: withdraw(run, folder_id, changes),
        again=lambda folder_id, folder: _read_folder(run, connector, folder_id, folder, progress),
        take=lambda folder_id, changes: _take(run, folder_id, changes),
        remove=lambda folder_id, remote_ids: remove(run, folder_id, remote_ids),
    )


def remove(run: Run, folder_id: int, remote_ids: Sequence[str]) -> None:
    """These items left their folder, as is known for certain: the brake is not asked any more."""
    for start in range(0, len(remote_ids), DUE_BATCH):
        gone = [Change(ChangeKind.DELETED, remote_id) for remote_id in remote_ids[start : start + DUE_BATCH]]
        run.summary.counts.add(write_page(run, folder_id, gone, None, is_checked=False))


def _read_all_due(run: Run, connector: Connector, mirrored: Sequence[tuple[int, Folder]]) -> None:
    """Read again what was left out and may come in now (M2, S6).

    What one folder brings may be what another one's items waited for.
    """
    folders = dict(mirrored)
    while (folder_id := _first_due(run, [each for each in folders if _is_open(run, each)])) is not None:
        _read_due(run, connector, folder_id, folders[folder_id])


def _first_due(run: Run, folder_ids: Sequence[int]) -> int | None:
    with run.sessions() as session:
        found = skipped.due_folders(session, folder_ids)
    return next((folder_id for folder_id in folder_ids if folder_id in found), None)


def _settled(run: Run, work: Callable[[Session, Stream, Source], T]) -> T | None:
    """Do what can be done only when every folder was read, and once more where another run got in the way."""
    for attempt in range(1, PAGE_TRIES + 1):
        try:
            with run.transaction() as session:
                source = run.source(session)
                return work(session, session.get_one(Stream, run.stream_id), source) if source else None
        except Exception as error:
            if attempt == PAGE_TRIES or not is_race(error):
                raise
    raise AssertionError  # the last attempt returns or raises


def _settle_meetings(run: Run) -> None:
    """What can be said of meetings only when every folder was read to its end."""
    with run.sessions() as session:
        source = run.source(session)
        uids = mirror_calendar.due(session, source) if source else []
    for start in range(0, len(uids), SETTLE_BATCH):
        with run.transaction() as session:
            if source := run.source(session):
                mirror_calendar.settle(session, source, uids[start : start + SETTLE_BATCH])


def _is_any_card_to_settle(run: Run) -> bool:
    with run.sessions() as session:
        return gone_cards.is_any_to_settle(session, run.settings, run.stream(session))


def _is_open(run: Run, folder_id: int) -> bool:
    """Whether the folder is neither held nor gone."""
    return folder_id not in run.brake.held and folder_id not in run.brake.vanished


def _read_folder(run: Run, connector: Connector, folder_id: int, folder: Folder, progress: Progress | None) -> None:
    for attempt in ("from the cursor", "from the start"):
        if not _is_open(run, folder_id):
            return
        try:
            _read_pages(run, connector, folder_id, folder, progress)
            return
        except Held:
            run.brake.held.add(folder_id)
        except CursorExpired:
            if attempt == "from the start":
                raise
            log.warning("the server forgot the cursor: reading the folder anew", folder=folder.path)
            _write(run, folder_id, lambda session, row: mirror_folders.read_anew(session, row))
        except ItemGone:
            holding.leave(run, connector, {folder_id: None})  # it was deleted while the mailbox was read
            return


def _read_pages(run: Run, connector: Connector, folder_id: int, folder: Folder, progress: Progress | None) -> None:
    with run.sessions() as session:
        cursor = session.scalars(_CURSOR, {"folder_id": folder_id}).one()
    found = pages(run.settings, connector, folder, cursor, progress)
    with closing(found), closing(preparing.ahead(run, folder_id, found)) as made:
        for page, ready in made:
            if page.changes or page.cursor != cursor:
                try:
                    counts = write_ready(run, folder_id, ready, page.cursor)
                except Unsure as unsure:
                    try:
                        changes = asking.confirmed(run, connector, folder, page.changes, unsure.remote_ids)
                    except Temporary:
                        withdraw(run, folder_id, page.changes)
                        raise
                    counts = write_page(run, folder_id, changes, page.cursor)
                run.summary.counts.add(counts)
                indexing.after_page(run, counts.created)
            cursor = page.cursor


def pages(
    settings: Settings, connector: Connector, folder: Folder, cursor: str | None, progress: Progress | None
) -> Generator[Page]:
    """What has changed in a folder since the cursor, page by page; after each, `progress` is told of it.

    To be closed by who does not read all of it: it may hold requests that are under way.
    """
    done = 0
    with closing(connector.changes(folder, cursor, settings.mirror.page_size)) as found:
        for page in found:
            yield page
            done += len(page.changes)
            if progress:
                progress(folder.path, done, page.expected)


def _pages(run: Run, connector: Connector, folder_id: int, folder: Folder) -> Iterator[Sequence[Change]]:
    """All that there is to be read of a folder, without writing any of it."""
    with run.sessions() as session:
        again = waiting(session, folder_id)
        cursor = session.get_one(MirrorFolder, folder_id).cursor
    if again:
        yield connector.get(folder, again)
    with closing(pages(run.settings, connector, folder, cursor, None)) as found:
        for page in found:
            yield page.changes


def waiting(session: Session, folder_id: int, limit: int | None = DUE_BATCH) -> list[str]:
    """The items of a folder that a run asks for one by one: those in quarantine, and those that may come in now."""
    return [*sick(session, folder_id), *skipped.due(session, folder_id, limit)]


def sick(session: Session, folder_id: int) -> list[str]:
    """The items of a folder in quarantine whose next try has come, not more than a batch."""
    due = select(QuarantinedItem.remote_id).where(QuarantinedItem.folder_id == folder_id, _is_to_be_tried())
    return list(session.scalars(due.limit(QUARANTINE_BATCH)))


def _with_sick(run: Run) -> set[int]:
    """The folders of the stream with items in quarantine whose next try has come."""
    with run.sessions() as session:
        of_stream = MirrorFolder.id == QuarantinedItem.folder_id, MirrorFolder.stream_id == run.stream_id
        return set(session.scalars(select(QuarantinedItem.folder_id).where(*of_stream, _is_to_be_tried())))


def _is_to_be_tried() -> ColumnElement[bool]:
    return QuarantinedItem.next_try_at <= utcnow()


def _retry_quarantined(run: Run, connector: Connector, folder_id: int, folder: Folder) -> None:
    with run.sessions() as session:
        remote_ids = sick(session, folder_id)
    _take(run, folder_id, connector.get(folder, remote_ids))


def _take(run: Run, folder_id: int, changes: Sequence[Change]) -> None:
    """Write what was asked for one by one, or hold the folder."""
    try:
        run.summary.counts.add(write_page(run, folder_id, changes, None))
    except Held:
        run.brake.held.add(folder_id)


def _read_due(run: Run, connector: Connector, folder_id: int, folder: Folder) -> None:
    with run.sessions() as session:
        remote_ids = skipped.due(session, folder_id, DUE_BATCH)
    try:
        _take(run, folder_id, connector.get(folder, remote_ids))
    except ItemGone:
        holding.leave(run, connector, {folder_id: None})


def write_page(
    run: Run, folder_id: int, changes: Sequence[Change], cursor: str | None, *, is_checked: bool = True
) -> writer.Counts:
    """As `write_ready`, of changes of which nothing was made beforehand."""
    return write_ready(run, folder_id, preparing.ready(run, folder_id, changes), cursor, is_checked=is_checked)


def write_ready(
    run: Run, folder_id: int, ready: Ready, cursor: str | None, *, is_checked: bool = True
) -> writer.Counts:
    """Write a page and its cursor in one commit; where the page fails, each of its items on its own.

    Raises Held when the brake does not let it pass: then nothing of it is written but what privacy demands; and Unsure
    when the server is to be asked first: then nothing of it is. Where it is not checked, that was decided before.
    """
    try:
        return _write_ready(run, folder_id, ready, cursor, is_checked=is_checked)
    except Held:
        withdraw(run, folder_id, ready.changes)
        raise


def _write_ready(run: Run, folder_id: int, ready: Ready, cursor: str | None, *, is_checked: bool) -> writer.Counts:
    def write(perform: Perform) -> writer.Counts:
        def work(session: Session, row: MirrorFolder) -> writer.Counts:
            return _apply(run, session, row, ready.changes, cursor, perform, is_checked=is_checked)

        return _write(run, folder_id, work)

    for _ in range(PAGE_TRIES):
        try:
            return write(partial(writer.apply, texts=ready.texts))
        except (Fenced, Held, Unsure):
            raise
        except Exception as error:
            if is_race(error):
                # Another mailbox stored the same message or person meanwhile: now it is known, so plan anew.
                continue
            if not is_about_data(error):
                raise
            log.exception("a page could not be written: trying its items one by one")
            break
    return write(partial(one_by_one, texts=ready.texts))


def withdraw(run: Run, folder_id: int, changes: Sequence[Change], private_cursor: str | None = None) -> writer.Counts:
    """Do of these changes only what may not wait: what became private is not kept until somebody decides (S4).

    While the stream waits, what cannot be read is kept, too, to be tried again: `private_cursor` moves past it.
    """

    def work(session: Session, folder: MirrorFolder) -> writer.Counts:
        source, actions = planned(run, session, folder, changes)
        urgent = [action for action in actions if _is_private(action) or (run.is_waiting and _is_sick(action))]
        counts = writer.Counts()
        if urgent and not folder.is_excluded:
            counts = one_by_one(session, source, urgent)
            run.count(session, counts)
        if private_cursor is not None:
            folder.private_cursor = private_cursor
        return counts

    return _write(run, folder_id, work)


def _is_sick(action: Action) -> bool:
    return isinstance(action, Quarantine)


def _is_private(action: Action) -> bool:
    if isinstance(action, TakeCard):
        return isinstance(action.change.record, ContactRecord) and action.change.record.is_private
    return isinstance(action, Withdraw | Withhold)


def _write(run: Run, folder_id: int, work: Callable[[Session, MirrorFolder], T]) -> T:
    with run.transaction() as session:
        return work(session, session.get_one(MirrorFolder, folder_id))


def _apply(
    run: Run,
    session: Session,
    folder: MirrorFolder,
    changes: Sequence[Change],
    cursor: str | None,
    perform: Perform,
    *,
    is_checked: bool,
) -> writer.Counts:
    if folder.is_excluded:
        return writer.Counts()  # the rules have changed since this run began
    source, actions, linked = _planned(run, session, folder, changes)
    if is_checked:
        run.brake.check(session, source, folder, actions, linked, is_reading=cursor is not None)
    counts = perform(session, source, actions)
    if any(link.is_unmet for link in linked.values()):
        links.meet(session, source, list(linked))
    run.count(session, counts)
    if cursor is not None and not folders.advance(session, folder, cursor):
        raise Fenced
    if is_checked:
        run.brake.note(counts.weight)
    return counts


def planned(
    run: Run,
    session: Session,
    folder: MirrorFolder,
    changes: Sequence[Change],
    besides: Collection[str] = frozenset(),
) -> tuple[Source, list[Action]]:
    """What these changes of a folder mean now, one action for each; with what is known `besides` (`known.lookup`)."""
    source, actions, _ = _planned(run, session, folder, [storable(change) for change in changes], besides)
    return source, actions


def _planned(
    run: Run,
    session: Session,
    folder: MirrorFolder,
    changes: Sequence[Change],
    besides: Collection[str] = frozenset(),
) -> tuple[Source, list[Action], dict[str, LinkState]]:
    source = source_of(run.settings, folder.stream.mailbox, folder, run.run_id)
    linked = writer.link_states(session, source.mailbox_id, [change.remote_id for change in changes])
    records = [change.record for change in changes if change.record]
    knowledge = known.lookup(session, source.rules, records, besides)
    keys = client_cards.known_keys(session, source.mailbox_id, {change.key for change in changes if change.key})
    cards = Cards(is_their_folder=folder.role == outbox.CLIENTS, keys=keys)
    undone = kept_out.lookup(session, source.mailbox_id, changes)
    return source, list(plan(changes, linked, source.rules, knowledge, cards, undone)), linked


def one_by_one(
    session: Session, source: Source, actions: Sequence[Action], texts: writer.Texts = writer.NONE
) -> writer.Counts:
    """Each action behind a savepoint of its own: the sick one goes to quarantine, the others are done.

    First those that wait for something, because another one may be what they wait for.
    """
    counts = writer.Counts()
    for action in sorted(actions, key=lambda action: not (isinstance(action, Skip) and action.waits_for)):
        try:
            with session.begin_nested():
                done = writer.apply(session, source, [action], texts)
        except Exception as error:
            if not is_about_data(error):
                raise
            log.exception("an item could not be stored", remote_id=action.remote_id)
            reason = f"this item could not be stored ({type(error).__name__})"
            done = writer.apply(session, source, [Quarantine(action.remote_id, reason)])
        counts.add(done)
    return counts
