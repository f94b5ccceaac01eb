"""Run benchmarks: python -m benchmarks [NAME...] [--quick] [--list]."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.report import Bench, table

# The modules in the order in which they run; each has `measure(bench)`, which tells its figures.
NAMES = (
    "fetching",
    "mirroring",
    "latency",
    "postgresql",
    "memory",
    "processes",
    "idle",
    "freshness",
    "profiles",
    "searching",
    "pages",
    "unchanged",
    "refreshing",
)


def main() -> int:
    """0 when all targets were met, 1 when one was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="small: shows that it works, its ratios say little")
    parser.add_argument("--postgres", default=os.environ.get("TERRACRM_TEST_DATABASE_URL", ""), metavar="URL")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="terracrm-bench-") as folder:
        bench = Bench(Path(folder), asked.postgres, asked.quick)
        for name in asked.names or NAMES:
            importlib.import_module(f"benchmarks.{name}").measure(bench)
    print(f"\n{table(bench.figures)}")
    return int(not all(figure.met for figure in bench.figures))


if __name__ == "__main__":
    sys.exit(main())
