"""What changed in a folder, page by page: SyncFolderItems for the ids, then GetItem for what was created or updated."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace

import exchangelib
import structlog
from exchangelib.errors import ErrorItemNotFound
from exchangelib.version import EXCHANGE_2013
from lxml.etree import _Element as Element

from connectors.base import Listed
from connectors.exchange_ews import ahead, contacts, errors, meetings, messages, named, posts, series, tasks
from connectors.exchange_ews.ahead import Outline
from connectors.exchange_ews.connect import server_version
from connectors.exchange_ews.elements import Item
from connectors.exchange_ews.services import GetItems, ListItems, Shape, Synced, SyncItems, field
from terracrm.domain.records import Change, ChangeKind, Folder, Page, Record, StreamKind, TaskRecord

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reader:
    """How the items of one kind of folder are read: the elements that count, what to ask, what to make of it."""

    types: frozenset[str]
    shape: Shape
    record: Callable[[Item], Record]


READERS = {
    StreamKind.MAIL: Reader(messages.TYPES, messages.SHAPE, messages.message),
    StreamKind.CONTACTS: Reader(contacts.TYPES, contacts.SHAPE, contacts.contact),
    StreamKind.CALENDAR: Reader(meetings.TYPES, meetings.SHAPE, meetings.meeting),
    StreamKind.TASKS: Reader(tasks.TYPES, tasks.SHAPE, tasks.task),
    StreamKind.POSTS: Reader(posts.TYPES, posts.SHAPE, posts.post),
}
_STRANGE_TASK = Reader(tasks.TYPES, tasks.KEY_SHAPE, lambda _: TaskRecord())
_NEWS = (field("item:UniqueBody"), field("calendar:IsOrganizer"))
_DATED = contacts.TYPES | tasks.TYPES
_KEYED = _DATED | posts.TYPES
_PLACE = Shape((field("item:ParentFolderId"),))
UPSERTS = {"Create": ChangeKind.CREATED, "Update": ChangeKind.UPDATED}


def read_changes(
    account: exchangelib.Account, folder: Folder, cursor: str | None, page_size: int, in_flight: int
) -> Generator[Page, None, None]:
    """The pages since `cursor`, which is Exchange's SyncState, with up to `in_flight` requests on their way.

    Items that are no contact in a contacts folder (distribution lists), no mail in a mail folder and so on do not
    appear; their deletion may, because Exchange tells only an id.
    """

    def outline(state: str | None) -> Outline:
        return _outline(folder.kind, SyncItems(account=account).call(folder.remote_id, state, page_size))

    def fetch(remote_ids: Sequence[str]) -> list[Change]:
        return read_items(account, folder.kind, remote_ids) if remote_ids else []

    # The first request is answered before any other is sent: a password that is wrong is tried once.
    for page, fetched in ahead.pages(outline(cursor), outline, fetch, in_flight):
        yield Page(_completed(page, fetched), page.state, page.is_last, expected=folder.item_count or None)


def read_items(account: exchangelib.Account, kind: StreamKind, remote_ids: Sequence[str]) -> list[Change]:
    """These items as they are now, in their order: UPDATED with record or error, or DELETED."""
    if kind is StreamKind.TASKS:
        return _read_tasks(account, remote_ids)
    return _read_items(account, kind, remote_ids)


def read_present(account: exchangelib.Account, folder: Folder, remote_ids: Sequence[str]) -> set[str]:
    """Which of these items lie in the folder. One that was moved has another id, or lies elsewhere."""
    answers = zip(remote_ids, GetItems(account=account).call(remote_ids, _PLACE), strict=True)
    items = [(remote_id, Item(answer)) for remote_id, answer in answers if not isinstance(answer, Exception)]
    return {remote_id for remote_id, item in items if item.id("ParentFolderId") == folder.remote_id}


def read_listing(account: exchangelib.Account, folder: Folder) -> Iterator[Listed]:
    """What FindItem shows of a folder, which keeps no state as SyncFolderItems does."""
    for element in ListItems(account=account).call(folder.remote_id):
        item = Item(element)
        item_id, version = _id_and_version(item)
        yield Listed(item_id, version, item.type not in READERS[folder.kind].types)


def _read_tasks(account: exchangelib.Account, remote_ids: Sequence[str]) -> list[Change]:
    """Tasks: first whether they are ours at all, and then no more than those."""
    answers = GetItems(account=account).call(remote_ids, tasks.KEY_SHAPE)
    asked = zip(remote_ids, answers, strict=True)
    found = {remote_id: _read(remote_id, answer, _STRANGE_TASK) for remote_id, answer in asked}
    ours = [remote_id for remote_id, change in found.items() if change.key]
    found |= zip(ours, _read_items(account, StreamKind.TASKS, ours) if ours else (), strict=True)
    return [found[remote_id] for remote_id in remote_ids]


def _read_items(account: exchangelib.Account, kind: StreamKind, remote_ids: Sequence[str]) -> list[Change]:
    reader = READERS[kind]
    shape = reader.shape if server_version(account).build >= EXCHANGE_2013 else _without_news(reader.shape)
    found = GetItems(account=account).call(remote_ids, shape)
    changes = [_read(remote_id, answer, reader) for remote_id, answer in zip(remote_ids, found, strict=True)]
    return series.completed(account, found, changes, shape) if kind is StreamKind.CALENDAR else changes


def _outline(kind: StreamKind, page: Synced) -> Outline:
    """A page in the server's order; what is not known, or of another kind than the folder, is no change."""
    changes = tuple(change for element in page.elements if (change := _told(Item(element), kind)) is not None)
    ids = dict.fromkeys(change.remote_id for change in changes if change.kind in UPSERTS.values())
    return Outline(changes, tuple(ids), page.state, page.is_last)


def _told(element: Item, kind: StreamKind) -> Change | None:
    if element.type in UPSERTS:
        wanted = (item for item in element.parts() if item.type in READERS[kind].types)
        return next((Change(UPSERTS[element.type], item.id("ItemId")) for item in wanted), None)
    if element.type == "Delete":
        return Change(ChangeKind.DELETED, element.id("ItemId"))
    if element.type == "ReadFlagChange":
        item_id, version = _id_and_version(element)
        return Change(ChangeKind.READ_FLAG, item_id, version, is_read=element.flag("IsRead"))
    return None


def _completed(page: Outline, fetched: Sequence[Change]) -> tuple[Change, ...]:
    """The changes of a page with what GetItem says of its items; one may be gone meanwhile."""
    found = dict(zip(page.ids, fetched, strict=True))
    return tuple(
        _with_content(change, found[change.remote_id]) if change.kind in UPSERTS.values() else change
        for change in page.changes
    )


def _with_content(told: Change, found: Change) -> Change:
    return found if found.kind is ChangeKind.DELETED else replace(found, kind=told.kind)


def _id_and_version(item: Item) -> tuple[str, str]:
    found = item.child("ItemId")
    return ("", "") if found is None else (found.get("Id") or "", found.get("ChangeKey") or "")


def _read(remote_id: str, answer: Element | Exception, reader: Reader) -> Change:
    if isinstance(answer, ErrorItemNotFound):
        return Change(ChangeKind.DELETED, remote_id)
    if isinstance(answer, Exception):
        return Change(ChangeKind.UPDATED, remote_id, error=errors.item_error(answer))
    item = Item(answer)
    _, version = _id_and_version(item)
    if item.type not in reader.types:
        return Change(ChangeKind.UPDATED, remote_id, version, error=f"The item is now of another kind ({item.type}).")
    try:
        return Change(
            ChangeKind.UPDATED,
            remote_id,
            version,
            reader.record(item),
            key=named.key(item) if item.type in _KEYED else "",
            changed_at=item.moment("LastModifiedTime") if item.type in _DATED else None,
        )
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        _log.exception("item not understood", kind=item.type)  # a slip of ours must not stop the folder
        return Change(ChangeKind.UPDATED, remote_id, version, error=f"The item could not be understood: {error!r}")


def _without_news(shape: Shape) -> Shape:
    """Before Exchange 2013 a request for these is an error."""
    return Shape(tuple(path for path in shape.paths if path not in _NEWS), shape.body_type)
