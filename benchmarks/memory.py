"""Figure 6: the most memory that the process of a first mirror ever has, for a large mailbox and a small one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks import first_mirror, recording
from benchmarks.first_mirror import Told
from benchmarks.replay import serving
from benchmarks.report import Bench, Figure


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A mailbox that was mirrored: its letters, the database that it is in, and what that took."""

    count: int
    database: Path
    told: Told


def measure(bench: Bench) -> None:
    """One process for each."""
    few = _mirrored(bench, 100 if bench.quick else 2000)
    many = large(bench)
    peak = many.told.peak_mb
    told = f"{few.count:,} messages: {few.told.peak_mb:.0f} MB; {many.count:,}: {peak:.0f} MB"
    bench.tell(Figure(6, "peak memory of a first mirror", peak, "MB", peak / few.told.peak_mb, "<= 1.15", told))


def large(bench: Bench) -> Mirrored:
    """A large mailbox, mirrored by the first benchmark of a run that asks for it."""
    if "large" not in bench.kept:
        bench.kept["large"] = _mirrored(bench, 400 if bench.quick else 40_000)
    found = bench.kept["large"]
    assert isinstance(found, Mirrored)
    return found


def _mirrored(bench: Bench, count: int) -> Mirrored:
    database = bench.folder / f"mailbox-{count}.db"
    with serving(recording.kept(bench), count) as server:
        template = first_mirror.prepared(bench.folder)
        return Mirrored(count, database, first_mirror.run("product", server.url, database, template))
