"""Processes that end with the command that started them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from terracrm.cli.children import Children


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_every_child_ends_when_the_block_fails(folder: Path, password_file: Path) -> None:
    serve = ["simulator", "serve", "--port", "0", "--password-file", str(password_file)]
    pids: list[int] = []

    def fail() -> None:
        with Children(folder) as children:
            pids.extend(children.start(name, serve).process.pid for name in ("one", "two"))
            assert all(map(alive, pids))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not any(map(alive, pids))


def test_a_child_that_failed_is_found_with_what_it_said(folder: Path) -> None:
    with Children(folder) as children:
        child = children.start("broken", ["--config", "absent.toml", "config", "check"])
        assert child.process.wait(60) == 78
        assert children.ended() is child
        assert "no such file" in child.last_lines()
