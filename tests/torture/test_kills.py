"""The sync process is killed at some of the points at which it can be, and meets some faults; all with `make kills`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ALL, POSTGRES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_kills_and_faults_lose_and_double_nothing(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--stride", "20" if ALL else "97", "--random", "10" if ALL else "2", "--faults", "1" if ALL else "29"]
    words += ["--away", "60" if ALL else "2"]
    if kind == "postgresql":
        if not POSTGRES or not ALL:
            pytest.skip("on PostgreSQL with `make test-all` or `make kills`")
        words += ["--database", POSTGRES]
    command = [sys.executable, "-m", "tests.torture", *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TERRACRM_")}
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, f"{found.stdout}\n{found.stderr}"
    with capsys.disabled():
        print("\n" + "\n".join(found.stdout.splitlines()[-2:]))
    assert "lost 0, doubled 0, differing 0" in found.stdout
