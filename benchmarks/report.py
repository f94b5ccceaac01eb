"""What a benchmark tells: one JSON line for each figure, and a table of them all."""

from __future__ import annotations

import json
import operator
import os
import platform
import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

BEGIN, END = "<!-- the last run -->", "<!-- the end of the last run -->"
_COMPARE: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge, "<": operator.lt}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure of the numbered list in docs/performance.md.

    `value` is the product's own, in `unit`; `ratio` what is held against `target` ("<= 1.4", ">= 70 %", "<= 2 s"): for
    a target in percent it is a share (0.7), for one in seconds or milliseconds it is in that unit. A target of "" is
    none: such a figure is for information. `told` says in a few words what was measured against what.
    """

    number: int
    name: str
    value: float
    unit: str
    ratio: float
    target: str
    told: str = ""

    @property
    def met(self) -> bool:
        """Whether the target was reached, if there is one."""
        if not self.target:
            return True
        sign, number, *unit = self.target.split()
        limit = float(number) / (100 if unit == ["%"] else 1)
        return _COMPARE[sign](self.ratio, limit)

    def as_json(self) -> str:
        """One line for machines."""
        told = {"number": self.number, "name": self.name, "value": round(self.value, 4), "unit": self.unit}
        return json.dumps(
            told | {"ratio": round(self.ratio, 4), "target": self.target, "met": self.met, "told": self.told},
            ensure_ascii=False,
        )


@dataclass
class Bench:
    """What the benchmarks of one run share.

    `folder` is theirs alone and empty at first. `postgres` is the URL of a PostgreSQL database that may be emptied, ""
    where there is none: what needs one is then left out. `quick`: smaller, to see that it works; its ratios say little.
    """

    folder: Path
    postgres: str = ""
    quick: bool = False
    figures: list[Figure] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)

    def tell(self, figure: Figure) -> None:
        """Print a figure at once and keep it for the table."""
        self.figures.append(figure)
        print(figure.as_json(), flush=True)


def median_ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """How one side stands to the other, of which each round was measured right after one of the first."""
    return median(here / there for here, there in zip(one, other, strict=True))


def table(figures: list[Figure]) -> str:
    """The figures as a table in Markdown, as docs/performance.md shows them."""
    rows = ["| # | figure | value | ratio | target | met |", "| --- | --- | --- | --- | --- | --- |"]
    for each in sorted(figures, key=lambda figure: figure.number):
        value = f"{each.value:,.4g} {each.unit}"
        ratio = f"{each.ratio:.1%}" if each.target.endswith("%") else f"{each.ratio:.3g}"
        met = ("yes" if each.met else "NO") if each.target else ""
        rows.append(f"| {each.number} | {each.name} | {value} | {ratio} | {each.target} | {met} |")
    return "\n".join(rows)


def write(figures: list[Figure], page: Path) -> None:
    """Put the table, and where it was measured, between the two marks of a page."""
    where = (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}:"
    )
    told = f"{BEGIN}\n{where}\n\n{table(figures)}\n{END}"
    text, count = re.subn(f"{BEGIN}.*?{END}", lambda _: told, page.read_text(encoding="utf-8"), flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{page} has no place for the table: {BEGIN} and {END}")
    page.write_text(text, encoding="utf-8")
