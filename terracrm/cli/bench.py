"""`terracrm bench`: how fast this is, on this machine, and data to look at that with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

import terracrm
from terracrm.cli.invocation import current
from terracrm.cli.streams import bars
from terracrm.errors import InvalidInput

app = typer.Typer(help="How fast this is: benchmarks, and a database of any size to try it with.", no_args_is_help=True)

# Benchmarks belong to the source: what is installed without it has none.
CHECKOUT = Path(terracrm.__file__).resolve().parent.parent


@app.command(name="list")
def show() -> None:
    """List the benchmarks by name.

    Example: terracrm bench list
    """
    _benchmarks("--list")


@app.command()
def run(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Which ones; all of them without a name.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small: shows that they work, and little of how fast this is.")
    ] = False,
) -> None:
    """Measure speed as ratios, side by side, and compare with the targets; all of it takes up to ten minutes.

    Needs a checkout of the source, and the machine to itself. Nothing of your data is touched: each benchmark makes
    its own. Exit code 1 when a target was missed. docs/performance.md explains the figures.

    Example: terracrm bench run fetching mirroring
    """
    _benchmarks(*(names or ()), *(["--quick"] if quick else []))


@app.command()
def seed(
    activities: Annotated[int, typer.Option(min=1, max=100_000_000, help="How many entries of history.")],
    number: Annotated[int, typer.Option("--seed", help="The same number makes the same office.")] = 0,
) -> None:
    """Fill an empty database with an invented office and its history, to see how the portal behaves at that size.

    A million entries take about two minutes and 2.5 GB. Nobody of this office can sign in before you give
    them a password (terracrm user password manager1), or add a user of your own.

    Example: terracrm --config try.toml bench seed --activities 1000000
    """
    from terracrm.services import seeding

    engine = current().engine
    with bars() as progress:
        task = progress.add_task("", total=None)
        size = seeding.seed(engine, activities, number, lambda what: progress.update(task, description=what))
    typer.echo(
        f"The database has {size.activities:,} entries of history with {size.contacts:,} contacts of {size.companies:,}"
        f" companies now, and {size.users} managers: manager1 and so on."
    )


def _benchmarks(*words: str) -> None:
    """Run the benchmarks' own program, as `make bench` does; its exit code is ours."""
    if not (CHECKOUT / "benchmarks" / "__main__.py").exists():
        raise InvalidInput(
            "The benchmarks are not installed: they belong to the source. Run terracrm bench in a checkout of it."
        )
    done = subprocess.run([sys.executable, "-m", "benchmarks", *words], cwd=CHECKOUT, check=False)  # noqa: S603
    if done.returncode:
        raise typer.Exit(done.returncode)
