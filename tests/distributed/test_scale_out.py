"""The distributed engine for some seconds among kills; `make scale-out` lasts longer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ALL, POSTGRES
from tests.distributed.brokers import BROKERS


@pytest.mark.postgres
@pytest.mark.parametrize("broker", BROKERS)
def test_whatever_is_killed_the_data_are_those_of_an_undisturbed_run(
    broker: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if not POSTGRES:
        pytest.skip("needs PostgreSQL: TERRACRM_TEST_DATABASE_URL names none")
    if why := BROKERS[broker].missing():
        pytest.skip(why)
    if broker != "redis" and not ALL:
        pytest.skip("with `make test-all` or `make scale-out`")
    words = ["--broker", broker, "--database", POSTGRES, "--seconds", "8", "--mailboxes", "30"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TERRACRM_")}
    command = [sys.executable, "-m", "tests.distributed", *words]
    root = Path(__file__).parents[2]
    found = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, f"{found.stdout}\n{found.stderr}"
    with capsys.disabled():
        print(f"\n{found.stdout.splitlines()[-2]}")
