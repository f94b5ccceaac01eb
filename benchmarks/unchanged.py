"""Figure 14: a run over a large mailbox in which nothing has changed, against its first mirror."""

from __future__ import annotations

from statistics import median

from benchmarks import first_mirror, memory, recording
from benchmarks.replay import serving
from benchmarks.report import Bench, Figure


def measure(bench: Bench) -> None:
    """The same run as the first mirror, again."""
    mailbox = memory.large(bench)
    with serving(recording.kept(bench), mailbox.count) as server:
        again = [first_mirror.run("product", server.url, mailbox.database) for _ in range(3 if bench.quick else 5)]
    assert not any(told.messages for told in again), "nothing has changed"
    seconds, first = median(told.seconds for told in again), mailbox.told.seconds
    told = f"the first mirror of {mailbox.count:,} messages: {first:.1f} s"
    bench.tell(Figure(14, "run in which nothing changed", seconds * 1000, "ms", seconds / first, "<= 0.5 %", told))
