"""Run benchmarks: python -m benchmarks [NAME...] [--quick] [--list] [--write docs/performance.md]."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import traceback
from pathlib import Path
from types import ModuleType

from benchmarks.report import Bench, table, write

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
    """0 when all targets were met, 1 when one was missed or a benchmark failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="small: shows that it works, its ratios say little")
    parser.add_argument("--postgres", default=os.environ.get("TERRACRM_TEST_DATABASE_URL", ""), metavar="URL")
    parser.add_argument("--list", action="store_true", help="only say what there is")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page, in place of its own")
    asked = parser.parse_args()
    names = asked.names or NAMES
    if asked.list:
        for name in names:
            print(f"{name:<12} {(_module(name).__doc__ or '').strip().splitlines()[0]}")
        return 0
    failed = []
    with tempfile.TemporaryDirectory(prefix="terracrm-bench-") as folder:
        bench = Bench(Path(folder), asked.postgres, asked.quick)
        for name in names:
            try:
                _module(name).measure(bench)
            except Exception:  # noqa: BLE001 - the others can still be measured
                traceback.print_exc()
                failed.append(name)
    print(f"\n{table(bench.figures)}")
    if asked.write:
        write(bench.figures, asked.write)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return int(bool(failed) or not all(figure.met for figure in bench.figures))


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"benchmarks.{name}")


if __name__ == "__main__":
    sys.exit(main())
