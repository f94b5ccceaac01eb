"""The sync process is killed at some of the points at which it can be; `make kills` kills it at all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ALL, POSTGRES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_a_killed_sync_loses_and_doubles_nothing(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--stride", "20" if ALL else "160", "--random", "10" if ALL else "2"]
    if kind == "postgresql":
        if not POSTGRES or not ALL:
            pytest.skip("on PostgreSQL with `make test-all` or `make kills`")
        words += ["--database", POSTGRES]
    command = [sys.executable, "-m", "tests.torture.kills", *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TERRACRM_")}
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, f"{found.stdout}\n{found.stderr}"
    with capsys.disabled():
        print(f"\n{found.stdout.splitlines()[-1]}")
    assert "lost 0, doubled 0, differing 0" in found.stdout
