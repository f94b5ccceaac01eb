"""Figure 1: reading mails (GetItem, the fields that the mirror uses), in CPU time for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

from benchmarks import recording, stock
from benchmarks.limit import Exchange
from benchmarks.replay import serving
from benchmarks.report import Bench, Figure, median_ratio
from connectors.exchange_ews import ExchangeEWS
from terracrm.domain.records import Folder


def measure(bench: Bench) -> None:
    """The connector's `get`, the hand-written client and exchangelib's `Account.fetch`, in turns."""
    count, few, rounds = (100, 50, 1) if bench.quick else (3000, 500, 5)
    recorded = recording.kept(bench)
    with serving(recorded, count) as server:
        connector, limit = ExchangeEWS(recording.account(server.url)), Exchange(server.url)
        inbox = _inbox(connector)
        ids = [item_id for page, _ in limit.pages(inbox.remote_id, 512) for item_id in page]
        account = recording.stock_account(server.url)
        named = [(item_id, "") for item_id in ids]
        sides: dict[str, tuple[Callable[[], Sequence[object]], int]] = {
            "product": (lambda: connector.get(inbox, ids), count),
            "limit": (lambda: limit.mails(ids), count),
            "stock": (lambda: list(stock.fetched(account, named[:few])), few),
        }
        taken: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(rounds):
            for name, (fetch, expected) in sides.items():
                taken[name].append(_cpu(fetch, expected))
        connector.close()
        limit.close()
        account.protocol.close()
    ours, least, theirs = (median(taken[name]) * 1e6 for name in sides)
    value = (ours, "us CPU a mail")
    ratio = median_ratio(taken["product"], taken["limit"])
    told = f"hand-written requests + lxml: {least:.0f} us"
    bench.tell(Figure(1, "fetch and parse, against the limit", *value, ratio, "<= 1.4", told))
    ratio = median_ratio(taken["stock"], taken["product"])
    told = f"exchangelib's Account.fetch of the same fields: {theirs:.0f} us"
    bench.tell(Figure(1, "fetch and parse, against stock", *value, ratio, ">= 10", told))


def _inbox(connector: ExchangeEWS) -> Folder:
    return next(folder for folder in connector.folders() if folder.well_known == "inbox")


def _cpu(fetch: Callable[[], Sequence[object]], expected: int) -> float:
    """CPU seconds for each of the mails that are fetched."""
    started = time.process_time()
    found = fetch()
    taken = time.process_time() - started
    assert len(found) == expected
    return taken / expected
