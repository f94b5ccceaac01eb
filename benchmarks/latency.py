"""Figure 4: the first mirror where each request takes 20 ms on the way, against the same with none."""

from __future__ import annotations

from statistics import median

from benchmarks import first_mirror, recording
from benchmarks.replay import serving
from benchmarks.report import Bench, Figure, median_ratio

LATENCY_MS = 20


def measure(bench: Bench) -> None:
    """Both in turns."""
    count, rounds = (200, 1) if bench.quick else (10_000, 2)
    recorded, template = recording.kept(bench), first_mirror.prepared(bench.folder)
    rates: dict[int, list[float]] = {0: [], LATENCY_MS: []}
    with serving(recorded, count) as near, serving(recorded, count, latency_ms=LATENCY_MS) as far:
        for _ in range(rounds):
            for server, latency in ((near, 0), (far, LATENCY_MS)):
                database = bench.folder / "latency.db"
                first_mirror.remove(database)
                rates[latency].append(first_mirror.run("product", server.url, database, template).rate)
    fast, slow = median(rates[0]), median(rates[LATENCY_MS])
    told = f"without latency: {fast:.0f} messages/s"
    ratio = median_ratio(rates[LATENCY_MS], rates[0])
    bench.tell(Figure(4, f"first mirror at {LATENCY_MS} ms a request", slow, "messages/s", ratio, ">= 60 %", told))
