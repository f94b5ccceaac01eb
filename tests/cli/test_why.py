"""`terracrm why`: in sentences and as JSON (Y4)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectors.simulator.simulator import Simulator

from .conftest import Terracrm, letter

ANNA = "anna@romashka.example"


@pytest.fixture
def mirrored(
    terracrm: Terracrm, simulator: Simulator, password_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Terracrm:
    """Anna's mail was read: a letter of a client, and one of a colleague that is left out."""
    monkeypatch.setenv("TERRACRM_MIRROR__INTERNAL_DOMAINS", "romashka.example")
    internal = letter("inside@romashka.example", "Lunch").replace(b"maria@market.example", b"boris@romashka.example")
    simulator.deliver(internal, [ANNA])
    who = ("--server", simulator.url, "--username", "service@romashka.example", "--password-file", password_file)
    assert terracrm("mailbox", "add", ANNA, *who, "--impersonate", "--enable", "--streams", "mail").code == 0
    assert terracrm("sync", "run").code == 0
    return terracrm


def test_a_mail_that_is_here_says_how_it_came(mirrored: Terracrm) -> None:
    told = mirrored("why", "<first@market.example>")
    assert told.code == 0
    for line in (
        "Entry 1 is here: mail of 2026-11-02 07:00 UTC.",
        f"It came from the mailbox {ANNA}, run 1 of ",
        "The rule: mail with clients is mirrored.",
        "From: maria@market.example: not known.",
        f"To: {ANNA}: our own domain.",
        f"Item in {ANNA}, Inbox, run 1 of ",
        "the same by its Message-ID",
    ):
        assert line in told.out
    assert mirrored("why", "1").out == mirrored("why", "message:1").out == told.out
    found = json.loads(mirrored("why", "first@market.example", "--json").out)
    assert (found["is_here"], found["what"], found["origin"]["mailbox"]) == (True, "mail", ANNA)
    assert [copy["match_method"] for copy in found["copies"]] == ["message_id"]
    link = mirrored("why", f"link:{found['copies'][0]['link_id']}")
    assert "to this item" in link.out
    assert "Order of milk" not in told.out


def test_a_mail_that_was_left_out_says_the_rule(mirrored: Terracrm) -> None:
    told = mirrored("why", "<inside@romashka.example>")
    assert told.code == 1
    assert "The mail <inside@romashka.example> is not here." in told.out
    assert f"Left out in {ANNA}, Inbox, since " in told.out
    assert "run 1 of " in told.out
    assert "it is among colleagues only." in told.out
    found = json.loads(mirrored("why", "inside@romashka.example", "--json").out)
    assert (found["is_here"], found["skips"][0]["origin"]["rule"]) == (False, "internal_only")


def test_a_mail_that_nobody_saw_says_what_was_read(mirrored: Terracrm) -> None:
    told = mirrored("why", "<nobody@knows.example>")
    assert told.code == 1
    assert "No mailbox that is read has shown it:" in told.out
    assert f"{ANNA} was read completely on " in told.out


def test_what_is_not_there_and_what_names_nothing_is_told(terracrm: Terracrm) -> None:
    assert terracrm("db", "upgrade").code == 0
    for thing in ("7", "contact:7", "company:3", "link:1", "activity:12"):
        told = terracrm("why", thing)
        assert (told.code, told.out) == (1, "")
        assert "There is no such" in told.err
    for thing in ("", "wat", "user:7", "contact:0", "99999999999", "１２"):
        assert terracrm("why", thing).code == 2
    told = terracrm("why", "<a@b>")
    assert (told.code, "The mail of no mailbox is read." in told.out) == (1, True)
