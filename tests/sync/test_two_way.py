"""Whatever people, servers and killed workers do: Outlook and the CRM come to say the same, and nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, reproduce_failure, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import ALL
from tests.sync.two_way_crashes import walk as crash_walk
from tests.sync.two_way_machine import TwoWayMachine
from tests.sync.two_way_outlook import ExchangeOutlook, MemoryOutlook, Outlook

# A few walks, the same each time; TWO_WAY_WALKS=1000 looks for something new, TWO_WAY_SHRINK=1 makes it small. What it
# finds it prints with a blob, and TWO_WAY_AGAIN=blob walks that walk again.
WALKS = int(os.environ.get("TWO_WAY_WALKS", "0"))
STEPS = int(os.environ.get("TWO_WAY_STEPS", "0"))
AGAIN = os.environ.get("TWO_WAY_AGAIN", "")


def walk(template: Path, outlook: type[Outlook], walks: int, steps: int) -> None:
    machine = type("Machine", (TwoWayMachine,), {"template": template, "make_outlook": outlook})
    if AGAIN:
        machine = reproduce_failure(hypothesis.__version__, AGAIN.encode())(machine)
    phases = [Phase.generate, Phase.shrink] if "TWO_WAY_SHRINK" in os.environ else [Phase.generate]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=WALKS or walks,
            stateful_step_count=STEPS or steps,
            derandomize=not WALKS,
            deadline=None,
            database=None,
            phases=phases,
            print_blob=bool(WALKS),
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_both_sides_come_to_say_the_same(migrated_sqlite: Path) -> None:
    walk(migrated_sqlite, MemoryOutlook, walks=2, steps=20)


def test_both_sides_come_to_say_the_same_over_http(migrated_sqlite: Path) -> None:
    walk(migrated_sqlite, ExchangeOutlook, walks=1, steps=10)


def test_a_worker_may_be_killed_at_any_point(migrated_sqlite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same end as undisturbed; in CI at a few points, with TWO_WAY_WALKS at each."""
    points = crash_walk(migrated_sqlite, MemoryOutlook, stride=1 if WALKS else 240)
    with capsys.disabled():
        print(f"\n{points} points to be killed at")
    assert points > 100


@pytest.mark.skipif(not (ALL or WALKS), reason="with `make test-all`")
def test_a_worker_may_be_killed_at_any_point_over_http(migrated_sqlite: Path) -> None:
    crash_walk(migrated_sqlite, ExchangeOutlook, stride=3 if WALKS else 500)
