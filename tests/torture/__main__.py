"""Kills and faults, as many as are asked for, and their numbers.

python -m tests.torture [--database URL] [--stride N] [--random N] [--faults N] [--away N] [--only WORDS] [--seed N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.torture import faults, processes
from tests.torture.databases import Database, PostgreSQL, SQLite
from tests.torture.exchange import Exchange
from tests.torture.kills import Kills
from tests.torture.office import UNITS, Place


def main() -> int:
    """Do what is asked for and print the numbers; 1 when anything was lost, doubled or otherwise than it should be."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", default="", help="a PostgreSQL database; SQLite when not given")
    parser.add_argument("--stride", type=int, default=1, help="kill at every so many points; 0: at none")
    parser.add_argument("--random", type=int, default=100, help="kills at random moments")
    parser.add_argument("--faults", type=int, default=1, help="every so many faults; 0: none")
    parser.add_argument("--away", type=float, default=60, help="for how many seconds the database is away")
    parser.add_argument("--only", default="", help="units whose name has these words")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    processes.log_failures()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name, Exchange() as exchange:
        folder = Path(name)
        database: Database = PostgreSQL(asked.database) if asked.database else SQLite(folder)
        try:
            kills = Kills(Place(folder, database.url, exchange.url), database, exchange, asked.seed)
            kills.live(max(number for number, unit in enumerate(UNITS) if asked.only in unit.name))
            print(f"the scenario took {time.monotonic() - started:.0f} s undisturbed", flush=True)
            _kill(kills, asked)
            struck, problems = _strike(kills, asked) if asked.faults else (0, 0)
        finally:
            database.close()
    kind, seconds = "PostgreSQL" if asked.database else "SQLite", time.monotonic() - started
    if asked.faults:
        print(f"faults on {kind}: {struck} struck, {problems} with another end", flush=True)
    print(f"kills on {kind}: {kills.numbers} ({seconds:.0f} s)", flush=True)
    return bool(kills.numbers.failures or problems)


def _kill(kills: Kills, asked: argparse.Namespace) -> None:
    chosen = [number for number, unit in enumerate(UNITS) if asked.only in unit.name]
    total = sum(len(kills.calm[UNITS[number].name].points) for number in chosen)
    print(f"{len(chosen)} units, {total} points", flush=True)
    met = 0
    for number in chosen if asked.stride else ():
        unit = UNITS[number]
        points = len(kills.calm[unit.name].points)
        for point in range(1, points + 1):
            met += 1
            if met % asked.stride == 0:
                kills.kill_at(number, point)
        if asked.stride == 1:
            print(f"{unit.name}: {points} points, {len(kills.numbers.failures)} failures so far", flush=True)
    for _ in range(3 * asked.random):  # some are done before their time
        if kills.numbers.randoms < asked.random:
            kills.kill_at_random(kills.random.choice(chosen))


def _strike(kills: Kills, asked: argparse.Namespace) -> tuple[int, int]:
    """How many faults were struck, and how many of them ended in another way than they should."""
    strikes: dict[str, Callable[[str], str]] = {
        **{fault.name: partial(faults.strike, kills, fault) for fault in faults.FAULTS},
        "disk full": partial(faults.strike_here, kills, "disk full", faults.disk_full),
        "database gone": partial(faults.strike_here, kills, "database gone", faults.database_gone),
        "database away": partial(faults.strike_away, kills, asked.away),
    }
    cases = [(name, unit) for name in strikes for unit in faults.PHASES]
    struck = problems = 0
    for number, (name, unit) in enumerate(cases):
        if number % asked.faults or asked.only not in unit:
            continue
        struck += 1
        if problem := strikes[name](unit):
            problems += 1
            print(f"{name} in {unit}: {problem}", flush=True)
    return struck, problems


if __name__ == "__main__":
    sys.exit(main())
