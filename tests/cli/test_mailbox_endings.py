"""`terracrm mailbox disconnect`, `reconnect` and `purge`: shown first, then done (S15)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.simulator.simulator import Simulator

from .conftest import Outcome, Terracrm

ANNA = "anna@romashka.example"


@pytest.fixture
def mailbox(terracrm: Terracrm, simulator: Simulator, password_file: Path) -> str:
    """Anna's mailbox under sync, read once: she wrote to one client, who is hers."""
    lines = ["From: anna@romashka.example", "To: Maria <maria@market.example>", "Message-ID: <yes@romashka.example>",
             "Date: Mon, 02 Nov 2026 12:00:00 +0300", "Subject: RE: Order of milk", "", "Yes."]  # fmt: skip
    simulator.deliver("\r\n".join(lines).encode(), [ANNA], folder="sentitems")
    who = ("--server", simulator.url, "--username", "service@romashka.example", "--password-file", password_file)
    terracrm("user", "add", "anna", "--email", ANNA, "--role", "manager", "--password-file", password_file)
    assert terracrm("mailbox", "add", ANNA, *who, "--impersonate", "--enable").code == 0
    assert terracrm("sync", "run").code == 0
    return ANNA


def told(outcome: Outcome) -> dict[str, Any]:
    assert outcome.code == 0, outcome.err
    found: dict[str, Any] = json.loads(outcome.out)
    return found


def stats(terracrm: Terracrm) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(terracrm("stats", "--json").out)
    return found


def test_a_mailbox_is_disconnected_and_connected_again(terracrm: Terracrm, mailbox: str, password_file: Path) -> None:
    before = stats(terracrm)
    assert "add --apply to do it" in terracrm("mailbox", "disconnect", mailbox).out
    assert "(enabled" in terracrm("mailbox", "list").out
    done = told(terracrm("mailbox", "disconnect", mailbox, "--apply", "--json"))
    assert (done["applied"], done["effect"]["entries"] > 0) == (True, True)
    assert "(disconnected" in terracrm("mailbox", "list").out
    assert stats(terracrm) == before
    refused = terracrm("mailbox", "enable", mailbox)
    assert (refused.code, "terracrm mailbox reconnect" in refused.err) == (2, True)
    shown = terracrm("mailbox", "reconnect", mailbox, "--password-file", password_file)
    assert "goes on from" in shown.out
    assert "(disconnected" in terracrm("mailbox", "list").out
    done = told(terracrm("mailbox", "reconnect", mailbox, "--password-file", password_file, "--apply", "--json"))
    assert {each["stream"] for each in done["streams"]} == {"contacts", "calendar", "mail"}
    assert terracrm("sync", "run").code == 0
    assert stats(terracrm) == before


def test_a_purge_does_what_it_has_shown(terracrm: Terracrm, mailbox: str) -> None:
    before = stats(terracrm)
    shown = told(terracrm("mailbox", "purge", mailbox, "--json"))
    assert (shown["applied"], shown["effect"]["mails"]) == (False, before["messages"])
    assert shown["effect"]["contacts"] == before["contacts"]
    assert stats(terracrm) == before
    done = told(terracrm("mailbox", "purge", mailbox, "--apply", "--json"))
    assert done["effect"] == shown["effect"]
    after = stats(terracrm)
    assert (after["messages"], after["contacts"], after["companies"], after["links"]) == (0, 0, 0, 0)
    assert "nothing of it is here" in terracrm("mailbox", "purge", mailbox).out


def test_the_clients_are_taken_out_of_outlook_first_when_that_is_asked_for(terracrm: Terracrm, mailbox: str) -> None:
    terracrm("mailbox", "outlook", mailbox, "--clients", "on", "--apply")
    assert terracrm("sync", "run", "--stream", "contacts").code == 0
    cards = told(terracrm("mailbox", "disconnect", mailbox, "--json"))["effect"]["cards"]
    assert cards == 1
    done = told(terracrm("mailbox", "disconnect", mailbox, "--remove-cards", "--apply", "--json"))
    assert done["effect"]["cards"] == 0
    assert done["effect"]["owed"] == 0
