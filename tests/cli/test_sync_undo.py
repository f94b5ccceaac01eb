"""`terracrm sync runs` and `sync undo`: found, shown first, done, told, taken in again (Y3)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectors.simulator.simulator import Simulator

from .conftest import Terracrm

ANNA = "anna@romashka.example"


@pytest.fixture
def mailbox(terracrm: Terracrm, simulator: Simulator, password_file: Path) -> str:
    """Anna's mailbox under sync, read once: she wrote to one client."""
    lines = ["From: anna@romashka.example", "To: Maria <maria@market.example>", "Message-ID: <yes@romashka.example>",
             "Date: Mon, 02 Nov 2026 12:00:00 +0300", "Subject: RE: Order of milk", "", "Yes."]  # fmt: skip
    simulator.deliver("\r\n".join(lines).encode(), [ANNA], folder="sentitems")
    who = ("--server", simulator.url, "--username", "service@romashka.example", "--password-file", password_file)
    assert terracrm("mailbox", "add", ANNA, *who, "--impersonate", "--enable").code == 0
    assert terracrm("sync", "run").code == 0
    return ANNA


def counts(terracrm: Terracrm) -> tuple[int, int]:
    found = json.loads(terracrm("stats", "--json").out)
    return found["contacts"], found["messages"]


def test_a_run_is_found_shown_undone_and_taken_in_again(terracrm: Terracrm, mailbox: str) -> None:
    before = counts(terracrm)
    assert before == (1, 2)
    (found,) = [json.loads(line) for line in terracrm("sync", "runs", "--mailbox", mailbox, "--json").out.splitlines()]
    assert (found["stream"], found["created"], found["why_not"], found["undone_at"]) == ("mail", 2, "", None)
    run = found["id"]
    assert f"{run}  " in terracrm("sync", "runs").out
    assert len(terracrm("sync", "runs", "--idle").out.splitlines()) > 1
    shown = terracrm("sync", "undo", run)
    assert shown.code == 0
    assert "of 2026-11-02 09:00 UTC goes" in shown.out
    assert "(Maria) goes" in shown.out
    assert "add --yes to do it" in shown.out
    assert "milk" not in shown.out
    assert counts(terracrm) == before
    done = json.loads(terracrm("sync", "undo", run, "--yes", "--json").out)
    assert (done["applied"], done["counts"]["mails"], done["counts"]["contacts"], done["kept"]) == (True, 2, 1, [])
    assert counts(terracrm) == (0, 0)
    assert terracrm("sync", "run").code == 0
    assert counts(terracrm) == (0, 0)
    assert "the run that had brought it was undone" in terracrm("why", "yes@romashka.example").out
    assert terracrm("sync", "runs").out.rstrip().endswith("undone")
    assert "2 items" in terracrm("sync", "undo", run, "--again").out
    assert terracrm("sync", "run", "--mailbox", mailbox).code == 0
    assert counts(terracrm) == before


@pytest.mark.usefixtures("mailbox")
@pytest.mark.parametrize(
    ("words", "code", "why"),
    [((999,), 1, "There is no run 999"), ((1, "--again"), 2, "was not undone"), (("x",), 2, "RUN")],
)
def test_what_cannot_be_undone_says_why(terracrm: Terracrm, words: tuple[object, ...], code: int, why: str) -> None:
    ran = terracrm("sync", "undo", *words)
    assert ran.code == code
    assert why in ran.err
