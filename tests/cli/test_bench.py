"""`terracrm bench`."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from benchmarks.report import BEGIN, END, Figure, write
from terracrm.cli import bench

from .conftest import Terracrm


def test_what_is_installed_without_its_source_has_no_benchmarks(
    terracrm: Terracrm, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "CHECKOUT", folder)
    for words in (("run",), ("list",)):
        ran = terracrm("bench", *words)
        assert ran.code == 2
        assert ran.err.startswith("Error: The benchmarks are not installed: they belong to the source.")


def test_the_benchmarks_of_the_checkout_are_run_with_the_same_words(
    terracrm: Terracrm, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = folder / "benchmarks/__main__.py"
    program.parent.mkdir()
    program.write_text(f"import sys; open({str(folder / 'words')!r}, 'w').write(' '.join(sys.argv[1:])); sys.exit(1)")
    monkeypatch.setattr(bench, "CHECKOUT", folder)
    assert terracrm("bench", "run", "fetching", "memory", "--quick").code == 1, "the exit code is theirs"
    assert (folder / "words").read_text() == "fetching memory --quick"


def test_seed_fills_an_empty_database_and_no_other(terracrm: Terracrm, folder: Path) -> None:
    ran = terracrm("bench", "seed", "--activities", "300")
    assert ran.code == 0
    assert ran.out.startswith("The database has 300 entries of history with 20 contacts of 5 companies now")
    with sqlite3.connect(folder / "var/terracrm.db") as database:
        assert database.execute("SELECT count(*) FROM activities").fetchone() == (300,)
    again = terracrm("bench", "seed", "--activities", "300")
    assert again.code == 2
    assert again.err.startswith("Error: There is something in this database already")


def test_the_last_run_takes_the_place_of_the_one_before_in_its_page(folder: Path) -> None:
    page = folder / "performance.md"
    page.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nAfter\n")
    for number in (1, 2):
        write([Figure(number, "speed", 1.5, "s", 0.72, ">= 70 %")], page)
    text = page.read_text()
    assert "| 2 | speed | 1.5 s | 72.0% | >= 70 % | yes |" in text
    assert "old" not in text
    assert "| 1 |" not in text
    assert text.startswith("# Before\n")
    assert text.endswith("\n\nAfter\n")


def test_a_figure_without_a_target_is_for_information(folder: Path) -> None:
    page = folder / "performance.md"
    page.write_text(f"{BEGIN}{END}")
    write([Figure(2, "without replies", 1000, "messages/s", 0.4, "")], page)
    assert "| 2 | without replies | 1,000 messages/s | 0.4 |  |  |" in page.read_text()
