"""A short soak of few mailboxes; `make soak` lasts longer and has many."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ALL


@pytest.mark.skipif(not ALL, reason="with `make test-all` or `make soak`")
def test_after_some_bad_minutes_both_sides_are_equal(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--minutes", "0.5", "--mailboxes", "4"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TERRACRM_")}
    command = [sys.executable, "-m", "tests.torture.soak", *words]
    root = Path(__file__).parents[2]
    found = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, f"{found.stdout}\n{found.stderr}"
    with capsys.disabled():
        print(f"\n{found.stdout.splitlines()[-1]}")
