"""`terracrm mailbox outlook` and `card`: what is written into a mailbox (W1-W3)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.simulator.simulator import Simulator
from tests.cli.conftest import Outcome, Terracrm

ANNA = "anna@romashka.example"
FOLDER = "TerraCRM Clients"


@pytest.fixture
def mailbox(terracrm: Terracrm, simulator: Simulator, password_file: Path) -> str:
    """Anna's mailbox, mirrored: she wrote to one client, who is hers."""
    terracrm("user", "add", "anna", "--role", "manager", "--email", ANNA, "--password-file", password_file)
    lines = ["From: anna@romashka.example", "To: Maria <maria@market.example>", "Message-ID: <yes@romashka.example>",
             "Date: Mon, 02 Nov 2026 12:00:00 +0300", "Subject: RE: Order of milk", "", "Yes."]  # fmt: skip
    simulator.deliver("\r\n".join(lines).encode(), [ANNA], folder="sentitems")
    who = ("--server", simulator.url, "--username", "service@romashka.example", "--password-file", password_file)
    terracrm("mailbox", "add", ANNA, *who, "--impersonate", "--enable")
    assert terracrm("sync", "run").code == 0
    return ANNA


def told(outcome: Outcome) -> dict[str, Any]:
    assert (outcome.code, outcome.err) == (0, "")
    found: dict[str, Any] = json.loads(outcome.out)
    return found


def test_what_is_in_force_says_where_it_comes_from(terracrm: Terracrm, mailbox: str) -> None:
    found = told(terracrm("mailbox", "outlook", mailbox, "--json"))
    assert (found["clients"], found["tasks"], found["posts"], found["effect"]) == ("off", "off", "off", None)
    assert found["rules"]["folder"] == {"value": FOLDER, "from": "setting"}
    shown = terracrm("mailbox", "outlook", mailbox).out
    assert "scope        mine         (outlook.scope)" in shown
    assert "direction    all fields both" in shown


def test_without_apply_nothing_is_written(terracrm: Terracrm, mailbox: str, simulator: Simulator) -> None:
    shown = terracrm("mailbox", "outlook", mailbox, "--clients", "on")
    assert (shown.code, shown.err) == (0, "")
    assert "  1 client is put into Outlook\n" in shown.out
    assert shown.out.endswith("Nothing is changed yet: add --apply to do it.\n")
    terracrm("sync", "run")
    assert told(terracrm("mailbox", "outlook", mailbox, "--json"))["there"] == 0


def test_clients_come_into_outlook_and_leave_it_again(terracrm: Terracrm, mailbox: str) -> None:
    done = told(
        terracrm("mailbox", "outlook", mailbox, "--clients", "on", "--direction", "notes=in", "--apply", "--json")
    )
    assert (done["applied"], done["effect"]["made"], done["directions"]) == (True, 1, {"notes": "in"})
    assert terracrm("sync", "run", "--stream", "contacts").code == 0
    found = told(terracrm("mailbox", "outlook", mailbox, "--json"))
    assert (found["there"], found["owed"], found["given_up"]) == (1, 0, 0)
    assert "in Outlook." in terracrm("mailbox", "card", mailbox, 1).out
    removed = terracrm("mailbox", "outlook", mailbox, "--clients", "remove", "--apply").out
    assert "  1 client leaves Outlook\n" in removed
    assert terracrm("sync", "run", "--stream", "contacts").code == 0
    assert told(terracrm("mailbox", "outlook", mailbox, "--json"))["there"] == 0
    assert "(Maria) in anna@romashka.example: not in Outlook." in terracrm("mailbox", "card", mailbox, 1).out


def test_a_segment_is_a_scope(terracrm: Terracrm, mailbox: str) -> None:
    terracrm("segment", "add", "Shops", "mail domain = shop.example")
    done = told(
        terracrm("mailbox", "outlook", mailbox, "--clients", "on", "--scope", "segment:shops", "--apply", "--json")
    )
    assert done["rules"]["scope"] == {"value": "segment:Shops", "from": "mailbox"}
    assert done["effect"]["made"] == 0
    refused = terracrm("segment", "remove", "Shops")
    assert (refused.code, mailbox in refused.err) == (2, True)
    back = told(terracrm("mailbox", "outlook", mailbox, "--scope", "setting", "--apply", "--json"))
    assert (back["rules"]["scope"]["from"], back["effect"]["made"]) == ("setting", 1)
    assert terracrm("segment", "remove", "Shops").code == 0


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("--clients", "yes"), 2, "clients is one of on, off, remove; not yes"),
        (("--scope", "all"), 2, "scope is one of mine, team, region, segment; not all"),
        (("--scope", "segment:nowhere"), 1, "there is no segment nowhere"),
        (("--scope", "segment"), 2, "segment:NAME"),
        (("--direction", "shoes=in"), 2, "shoes is no field"),
        (("--direction", "notes"), 2, "an example: notes=in"),
        (("--conflict", "me"), 2, "conflict is one of crm, outlook, latest"),
        (("--on-delete", "burn"), 2, "on-delete is one of unlink, archive"),
        (("--history", "many"), 2, "history is a number from 0 to 50"),
        (("--tasks", "remove"), 2, "tasks is one of on, off"),
        (("--folder", "a/b"), 2, "without slashes"),
    ],
)
def test_what_does_not_fit_is_refused(
    terracrm: Terracrm, mailbox: str, words: tuple[str, ...], code: int, what: str
) -> None:
    refused = terracrm("mailbox", "outlook", mailbox, *words, "--apply")
    assert (refused.code, what in refused.err) == (code, True), refused.err


def test_what_was_not_taken_out_cannot_be_brought_back(terracrm: Terracrm, mailbox: str) -> None:
    assert "there is no contact 4711" in terracrm("mailbox", "card", mailbox, 4711).err
    for option, what in (("--again", "was not deleted"), ("--history", "nobody took")):
        refused = terracrm("mailbox", "card", mailbox, 1, option)
        assert (refused.code, what in refused.err) == (2, True)


def test_a_warning_tells_of_rules_that_do_nothing(terracrm: Terracrm, mailbox: str) -> None:
    terracrm("mailbox", "pause", mailbox)
    shown = terracrm("mailbox", "outlook", mailbox, "--clients", "on", "--apply")
    assert (shown.code, f"Warning: {mailbox} is paused" in shown.err) == (0, True)
