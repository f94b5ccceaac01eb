"""Reading ahead: what the next pages need is on its way while the caller works on the one it has.

SyncFolderItems goes page by page, for each needs the state after the one before; the GetItem batches of several pages
go side by side, and beside the next SyncFolderItems.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

from connectors.exchange_ews.services import GetItems
from terracrm.domain.records import Change


@dataclass(frozen=True, slots=True)
class Outline:
    """A page as SyncFolderItems tells it: its changes in order, and the state after them.

    Those of the items in `ids` only say so far what has happened: GetItem is to be asked what is in them now.
    """

    changes: tuple[Change, ...]
    ids: tuple[str, ...]
    state: str
    is_last: bool


Follow = Callable[[str], Outline]
Fetch = Callable[[Sequence[str]], list[Change]]
Pages = Generator[tuple[Outline, list[Change]], None, None]


def pages(first: Outline, follow: Follow, fetch: Fetch, in_flight: int) -> Pages:
    """Each page with what `fetch` makes of its ids, in order; `follow` asks for the one after a state.

    Both are called from threads, `in_flight` of them at most, and as many pages are held beside the one that was handed
    out. What fails is raised where its page would come. Closing the generator asks for nothing more, and waits for what
    is under way. Nothing is asked for ahead where one request tells all, or where only one may be under way.
    """
    if in_flight == 1 or (first.is_last and len(first.ids) <= GetItems.BATCH):
        yield from _one_by_one(first, follow, fetch)
        return
    threads = ThreadPoolExecutor(in_flight, thread_name_prefix="reading ahead")
    try:
        yield from _ahead(first, follow, fetch, threads, in_flight)
    finally:
        threads.shutdown(cancel_futures=True)


def _one_by_one(page: Outline, follow: Follow, fetch: Fetch) -> Pages:
    yield page, fetch(page.ids)
    while not page.is_last:
        page = follow(page.state)
        yield page, fetch(page.ids)


def _ahead(page: Outline, follow: Follow, fetch: Fetch, threads: ThreadPoolExecutor, held: int) -> Pages:
    coming: deque[tuple[Outline, list[Future[list[Change]]]]] = deque()
    following: Future[Outline] | None = Future()
    following.set_result(page)
    while coming or following:
        # A page that is there is handed out before the failure of a later one is told.
        while following and len(coming) < held and not (coming and following.exception()):
            page = following.result()
            following = None if page.is_last else threads.submit(copy_context().run, follow, page.state)
            batches = (page.ids[start : start + GetItems.BATCH] for start in range(0, len(page.ids), GetItems.BATCH))
            coming.append((page, [threads.submit(copy_context().run, fetch, batch) for batch in batches]))
        page, fetched = coming.popleft()
        yield page, [change for batch in fetched for change in batch.result()]
