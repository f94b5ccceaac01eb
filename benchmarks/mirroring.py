"""Figures 2 and 3: the first mirror of a mailbox into SQLite, against the limit and against stock."""

from __future__ import annotations

from statistics import median

from benchmarks import first_mirror, recording
from benchmarks.alike import require_same
from benchmarks.first_mirror import Told
from benchmarks.replay import serving
from benchmarks.report import Bench, Figure

SIDES = ("product", "limit", "limit-unsplit")


def measure(bench: Bench) -> None:
    """All sides in turns over the same mailbox; the stock one over less of it, for it takes so long."""
    count, rounds = (200, 1) if bench.quick else (10_000, 3)
    taken: dict[str, list[Told]] = {side: [] for side in SIDES}
    with serving(recording.kept(bench), count) as server:
        for number in range(rounds):
            for side in SIDES:
                taken[side].append(_run(bench, side, server.url))
            if not number:
                require_same(bench.folder / "product.db", bench.folder / "limit.db")
    stock = _stock(bench, count)
    ours, least, unsplit = (median(told.rate for told in taken[side]) for side in SIDES)
    value = (ours, "messages/s")
    told = f"hand-written lxml + sqlite3: {least:.0f} messages/s"
    bench.tell(Figure(2, "first mirror, against the limit", *value, ours / least, ">= 70 %", told))
    told = f"the same without splitting replies, which both ask of the same rules: {unsplit:.0f} messages/s"
    bench.tell(Figure(2, "first mirror, against a limit that splits no replies", *value, ours / unsplit, "", told))
    told = f"stock exchangelib + ORM, extrapolated from its second and third thousand: {stock:.0f} messages/s"
    bench.tell(Figure(3, "first mirror, against stock", *value, ours / stock, ">= 8", told))


def _run(bench: Bench, side: str, url: str) -> Told:
    template = first_mirror.prepared(bench.folder) if side != "stock" else None
    database = bench.folder / f"{side}.db"
    first_mirror.remove(database)
    return first_mirror.run(side, url, database, template)


def _stock(bench: Bench, count: int) -> float:
    """Messages a second of a stock mirror of so many, if it goes on as it does between its first and third thousand."""
    few, more = (50, 100) if bench.quick else (1000, 3000)
    seconds = []
    for size in (few, more):
        with serving(recording.kept(bench), size) as server:
            seconds.append(_run(bench, "stock", server.url).seconds)
    of_few, of_more = seconds
    return count / (of_few + (count - few) * (of_more - of_few) / (more - few))
