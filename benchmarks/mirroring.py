"""Figures 2 and 3: the first mirror of a mailbox into SQLite, against the limit and against stock."""

from __future__ import annotations

from statistics import median

from benchmarks import first_mirror, recording
from benchmarks.alike import require_same
from benchmarks.replay import serving
from benchmarks.report import Bench, Figure, median_ratio

SIDES = ("product", "limit", "limit-unsplit")


def measure(bench: Bench) -> None:
    """All sides in turns over the same mailbox; the stock one over less of it, for it takes so long."""
    count, rounds = (200, 1) if bench.quick else (10_000, 3)
    sizes = (50, 100) if bench.quick else (1000, 3000)
    taken: dict[str, list[float]] = {side: [] for side in SIDES}
    stock: dict[int, float] = {}
    with serving(recording.kept(bench), count) as server:
        for number in range(rounds):
            for side in SIDES:
                taken[side].append(_run(bench, side, server.url))
            if not number:
                require_same(bench.folder / "product.db", bench.folder / "limit.db")
            for size in sizes[number::rounds]:
                with serving(recording.kept(bench), size) as smaller:
                    stock[size] = size / _run(bench, "stock", smaller.url)
    ours, least, unsplit = (median(taken[side]) for side in SIDES)
    theirs = _extrapolated(stock, count)
    value = (ours, "messages/s")
    told = f"hand-written lxml + sqlite3: {least:.0f} messages/s"
    ratio = median_ratio(taken["product"], taken["limit"])
    bench.tell(Figure(2, "first mirror, against the limit", *value, ratio, ">= 70 %", told))
    told = f"the same without splitting replies, which both ask of the same rules: {unsplit:.0f} messages/s"
    ratio = median_ratio(taken["product"], taken["limit-unsplit"])
    bench.tell(Figure(2, "first mirror, against a limit that splits no replies", *value, ratio, "", told))
    told = f"stock exchangelib + ORM, extrapolated from its second and third thousand: {theirs:.0f} messages/s"
    bench.tell(Figure(3, "first mirror, against stock", *value, ours / theirs, ">= 8", told))


def _extrapolated(seconds: dict[int, float], count: int) -> float:
    """Messages a second of a mirror of so many, if it goes on as it did between these two sizes."""
    (few, of_few), (more, of_more) = sorted(seconds.items())
    return count / (of_few + (count - few) * (of_more - of_few) / (more - few))


def _run(bench: Bench, side: str, url: str) -> float:
    """Messages a second."""
    template = first_mirror.prepared(bench.folder) if side != "stock" else None
    database = bench.folder / f"{side}.db"
    first_mirror.remove(database)
    return first_mirror.run(side, url, database, template).rate
