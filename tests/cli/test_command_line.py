"""What holds for every command: help with an example, exit codes, errors in plain words."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from terracrm.cli import run
from terracrm.cli.app import app

from .conftest import Terracrm


def commands(group: Any, *words: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *words, name)
        else:
            yield (*words, name)


EVERY = sorted(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_command_has_help_with_an_example(terracrm: Terracrm, words: tuple[str, ...]) -> None:
    shown = terracrm(*words, "--help")
    assert shown.code == 0
    assert "Example: " in shown.out
    example = next(line for line in shown.out.splitlines() if "Example: " in line)
    assert "terracrm" in example
    assert " ".join(words) in example


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_the_administrators_page_tells_of_every_command(words: tuple[str, ...]) -> None:
    page = Path(__file__).resolve().parents[2] / "docs/administration.md"
    assert f"terracrm {' '.join(words)}" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "words", [("conf",), ("config", "chekc"), ("config", "check", "--nonsense"), ("db", "upgrade", "x")]
)
def test_a_wrong_word_is_exit_code_2(terracrm: Terracrm, words: tuple[str, ...]) -> None:
    ran = terracrm(*words)
    assert ran.code == 2
    assert "No such" in ran.err or "unexpected" in ran.err
    assert ran.out == ""


def test_the_version_is_that_of_the_distribution(terracrm: Terracrm) -> None:
    assert terracrm("--version").out.startswith("terracrm 0.")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_settings_file_may_be_named_anywhere_on_the_line(terracrm: Terracrm, folder: Path, place: int) -> None:
    (folder / "mine.toml").write_text("[web]\nport = 0\n")
    for option in (["--config", "mine.toml"], ["--config=mine.toml"]):
        words = ["config", "check"]
        words[place:place] = option
        assert terracrm(*words).err.startswith("Error: web.port: must be at least 1")


def test_wrong_settings_are_exit_code_78_with_every_mistake(terracrm: Terracrm, folder: Path) -> None:
    (folder / "config.toml").write_text('[web]\nport = 0\n[log]\nlevel = "loud"\n')
    ran = terracrm("config", "check")
    assert ran.code == 78
    assert ran.err.splitlines()[0] == "Error: the settings have mistakes:"
    assert [line.split(":")[0].strip() for line in ran.err.splitlines()[1:]] == ["web.port", "log.level"]


def test_what_nobody_expected_is_told_in_a_line_and_kept_in_a_file(
    terracrm: Terracrm, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no postgresql://crm:s3cret@db/crm")

    monkeypatch.setattr("terracrm.db.upgrade", fail)
    terracrm("db", "check")
    ran = terracrm("db", "upgrade")
    assert ran.code == 1
    assert ran.err == (
        f"Error: something unexpected happened (RuntimeError). The details are in {folder}/var/errors.log\n"
    )
    kept = folder / "var/errors.log"
    assert "RuntimeError: no postgresql://***@db/crm" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_debug_shows_what_nobody_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("seen")

    monkeypatch.setattr("terracrm.db.upgrade", fail)
    with pytest.raises(RuntimeError, match="seen"):
        run.main(["--debug", "db", "upgrade"])


def test_a_reader_that_stops_reading_is_no_error(folder: Path) -> None:
    ran = subprocess.run(
        ["bash", "-c", f'set -o pipefail; "{sys.executable}" -m terracrm config example | head -n 1'],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.stdout.startswith("# Settings")
    assert ran.stderr == ""


def test_the_console_script_and_the_module_are_one(
    process: Callable[..., subprocess.CompletedProcess[str]], folder: Path
) -> None:
    ran = process("config", "check")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "there is no file" in ran.stdout
    assert not (folder / "var").exists(), "checking the settings writes nothing"
    script = Path(sys.executable).with_name("terracrm")
    if script.exists():
        assert subprocess.run([script, "config", "check"], capture_output=True, text=True, env=os.environ, check=True)
