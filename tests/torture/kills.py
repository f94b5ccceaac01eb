"""Kill the sync process at every commit, at every remote call and at random moments; nothing may be lost or doubled.

A scenario (`office`) is lived once undisturbed, and its state kept before and after each unit of work. Then, for each
point of each unit, everything is put back to before it, a child process does the work and is killed with SIGKILL right
there, another one finishes it, and the database and the mailboxes are compared with the undisturbed end. Every random
kill is followed by a kill of the process that recovers from it.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial

from terracrm import db
from tests.torture import office, processes
from tests.torture.canon import Canon
from tests.torture.databases import Database
from tests.torture.exchange import Contents, Exchange
from tests.torture.office import UNITS, Place, Unit

SHOWN, SHOWN_OF_LINE = 12, 900


@dataclass
class Numbers:
    """What was done and what came of it."""

    commits: int = 0
    calls: int = 0
    randoms: int = 0
    doubles: int = 0
    lost: int = 0
    doubled: int = 0
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.commits} at commits, {self.calls} at remote calls, {self.randoms} at random"
            f" ({self.doubles} of them killed again while recovering);"
            f" lost {self.lost}, doubled {self.doubled}, differing {len(self.failures)}"
        )


@dataclass
class Calm:
    """A unit as it goes undisturbed."""

    unit: Unit
    points: list[str]
    seconds: float
    lines: list[str]
    remote: list[str]


class Kills:
    """The scenario with its kept states, and the kills."""

    def __init__(self, place: Place, database: Database, exchange: Exchange, seed: int) -> None:
        self.place, self.database, self.exchange = place, database, exchange
        self.random = random.Random(seed)
        self.numbers = Numbers()
        self.calm: dict[str, Calm] = {}

    def live(self, last: int) -> None:
        """The scenario undisturbed up to a unit, each unit's beginning kept."""
        office.fill(self.exchange, self.place.folder)
        processes.done(partial(office.install, self.place))
        for number, unit in enumerate(UNITS[: last + 1]):
            if unit.before:
                processes.done(partial(unit.before, self.place))
            processes.done(partial(office.make_due, self.place, unit.streams))
            self._keep(number)
            started = time.monotonic()
            points = processes.done(partial(_work, self.place, unit, 0))
            seconds = time.monotonic() - started
            processes.done(partial(office.settle, self.place, unit.streams))
            lines, remote = self._state()
            self.calm[unit.name] = Calm(unit, points, seconds, lines, remote)

    def kill_at(self, number: int, point: int) -> None:
        """One kill at a point of a unit, and the comparison."""
        unit = UNITS[number]
        self.restore(number)
        child = processes.start(partial(_work, self.place, unit, point))
        if child.result() is not None:
            return  # it went another way, and was done before
        what = self.calm[unit.name].points[point - 1]
        if what.startswith("commit"):
            self.numbers.commits += 1
        else:
            self.numbers.calls += 1
        self.compare(unit, f"killed at point {point} of {unit.name} ({what})")

    def kill_at_random(self, number: int) -> None:
        """A kill at any moment, and one of what recovers from it."""
        unit = UNITS[number]
        self.restore(number)
        seconds = self.calm[unit.name].seconds
        first, second = (self.random.uniform(0, seconds) for _ in range(2))
        if not processes.start(partial(_work, self.place, unit, 0)).kill_after(first):
            return
        self.numbers.randoms += 1
        self.exchange.idle()
        self.numbers.doubles += processes.start(partial(_work, self.place, unit, 0)).kill_after(second)
        self.compare(unit, f"killed after {first:.3f} s and again after {second:.3f} s in {unit.name}")

    def compare(self, unit: Unit, what: str) -> None:
        """Finish a unit and hold it against its undisturbed end; what differs is printed and counted."""
        calm = self.calm[unit.name]
        self.exchange.idle()
        try:
            processes.done(partial(office.settle, self.place, unit.streams))
            lines, remote = self._state()
        except processes.ChildFailed as error:
            self.numbers.failures.append(f"{what}: it does not recover:\n{error}")
            print(self.numbers.failures[-1], flush=True)
            return
        missing = Counter(calm.lines + calm.remote) - Counter(lines + remote)
        extra = Counter(lines + remote) - Counter(calm.lines + calm.remote)
        if not missing and not extra:
            return
        self.numbers.lost += len(lines) < len(calm.lines) or len(remote) < len(calm.remote)
        self.numbers.doubled += len(lines) > len(calm.lines) or len(remote) > len(calm.remote)
        self.numbers.failures.append("\n".join([what, *_differences(missing, extra)[:SHOWN]]))
        print(self.numbers.failures[-1], flush=True)

    def _keep(self, number: int) -> None:
        self.database.save(f"s{number}")
        self.exchange.save(f"s{number}")

    def restore(self, number: int) -> None:
        """Put all back to before a unit."""
        self.database.restore(f"s{number}")
        self.exchange.restore(f"s{number}")

    def _state(self) -> tuple[list[str], list[str]]:
        contents = self.exchange.contents()
        assert not contents.outbound, "somebody was mailed"
        lines = processes.done(partial(_told, self.place, contents))
        return lines, contents.lines


def _differences(missing: Counter[str], extra: Counter[str]) -> list[str]:
    """What is not as it should be; of lines that are much alike only the parts that are not."""
    found, others = [], sorted(extra.elements())
    for line in sorted(missing.elements()):
        like = next(iter(get_close_matches(line, others, 1, 0.6)), None)
        if like is None:
            found.append(f"- {line[:SHOWN_OF_LINE]}")
            continue
        others.remove(like)
        was, now = line.split(" | "), like.split(" | ")
        parts = [f"  - {part}" for part in was if part not in now] + [f"  + {part}" for part in now if part not in was]
        found.append("\n".join([f"  {line[:150]}", *(part[:SHOWN_OF_LINE] for part in parts)]))
    return found + [f"+ {line[:SHOWN_OF_LINE]}" for line in others]


def _work(place: Place, unit: Unit, kill_at: int) -> list[str]:
    points = processes.Points(kill_at)
    points.watch()
    office.run(place, unit.streams)
    return points.log


def _told(place: Place, contents: Contents) -> list[str]:
    engine = db.make_engine(place.database)
    with engine.connect() as connection:
        lines = Canon(connection, contents).lines()
    engine.dispose()
    return lines
