"""`terracrm mailbox rules` and `owner`: what is captured of a mailbox, previewed first, and whose it is (S6, S16)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.simulator.simulator import Simulator

from .conftest import Outcome, Terracrm

ANNA, BORIS = "anna@romashka.example", "boris@romashka.example"


@pytest.fixture
def mailbox(terracrm: Terracrm, simulator: Simulator, password_file: Path) -> str:
    """Anna's mailbox under sync, read once."""
    who = ("--server", simulator.url, "--username", "service@romashka.example", "--password-file", password_file)
    assert terracrm("mailbox", "add", ANNA, *who, "--impersonate", "--enable").code == 0
    assert terracrm("sync", "run").code == 0
    return ANNA


def told(outcome: Outcome) -> dict[str, Any]:
    assert outcome.code == 0, outcome.err
    found: dict[str, Any] = json.loads(outcome.out)
    return found


def letter(sender: str, to: str, header: str) -> bytes:
    lines = [f"From: {sender}", f"To: {to}", header, "Date: Mon, 02 Nov 2026 10:00:00 +0300", "Subject: Offer", "", "x"]
    return "\r\n".join(lines).encode()


def messages(terracrm: Terracrm) -> int:
    found: int = json.loads(terracrm("stats", "--json").out)["messages"]
    return found


def test_the_rules_in_force_say_where_they_come_from(terracrm: Terracrm, mailbox: str) -> None:
    rules = told(terracrm("mailbox", "rules", mailbox, "--json"))
    assert rules["rules"]["capture"] == {"value": "all", "from": "setting"}
    assert (rules["applied"], rules["effect"]) == (False, None)
    terracrm("mailbox", "rules", mailbox, "--capture", "all", "--apply")
    shown = terracrm("mailbox", "rules", mailbox).out
    assert "capture              all          (this mailbox)" in shown
    assert "(mirror.detail)" in shown


def test_without_apply_nothing_is_changed(terracrm: Terracrm, mailbox: str) -> None:
    before = messages(terracrm)
    shown = terracrm("mailbox", "rules", mailbox, "--capture", "none")
    assert (shown.code, shown.err) == (0, "")
    assert f"{before} entries leave the CRM" in shown.out
    assert "add --apply to do it" in shown.out
    slip = terracrm("mailbox", "rules", mailbox, "--include-folder", "Inbx")
    assert (slip.code, "that was seen so far is called Inbx" in slip.err) == (0, True)
    assert messages(terracrm) == before
    assert told(terracrm("mailbox", "rules", mailbox, "--json"))["rules"]["capture"]["value"] == "all"


def test_apply_does_it_and_setting_takes_it_back(terracrm: Terracrm, mailbox: str) -> None:
    before = messages(terracrm)
    done = told(terracrm("mailbox", "rules", mailbox, "--capture", "none", "--apply", "--json"))
    assert (done["applied"], done["effect"]["leave"]) == (True, before)
    assert messages(terracrm) == 0
    back = terracrm("mailbox", "rules", mailbox, "--capture", "setting", "--apply")
    assert "left out so far (capture_off) are looked at again" in back.out
    terracrm("sync", "run")
    assert messages(terracrm) == before


def test_folders_and_categories_are_of_one_stream(terracrm: Terracrm, mailbox: str) -> None:
    first = told(terracrm("mailbox", "rules", mailbox, "--exclude-folder", "Sent Items", "--apply", "--json"))
    assert first["streams"]["mail"]["exclude_folders"] == ["Sent Items"]
    done = terracrm(
        "mailbox", "rules", mailbox, "--stream", "contacts", "--only-category", "Clients", "--apply", "--json"
    )
    streams = told(done)["streams"]
    assert (streams["contacts"]["only_category"], streams["mail"]["exclude_folders"]) == ("Clients", ["Sent Items"])
    cleared = told(terracrm("mailbox", "rules", mailbox, "--all-folders", "--apply", "--json"))["streams"]
    assert (cleared["contacts"]["only_category"], cleared["mail"]["exclude_folders"]) == ("Clients", [])


def test_what_does_not_fit_is_refused(terracrm: Terracrm, mailbox: str) -> None:
    for words, says in (
        (("--capture", "some"), "capture is one of all, known, replies, category, none; not some"),
        (("--stream", "tasks", "--only-category", "x"), "this mailbox has no stream tasks"),
        (("--tracking-category", "a, b"), "a category is one name"),
    ):
        refused = terracrm("mailbox", "rules", mailbox, *words, "--apply")
        assert (refused.code, says in refused.err) == (2, True)
    assert "there is no mailbox nobody@romashka.example" in terracrm("mailbox", "rules", "nobody@romashka.example").err


def test_a_reply_in_one_mailbox_to_mail_of_another_comes_with_one_call(
    terracrm: Terracrm, mailbox: str, simulator: Simulator, password_file: Path
) -> None:
    terracrm("mailbox", "rules", mailbox, "--capture", "replies", "--apply")
    sent = letter(BORIS, "who@opt.example", "Message-ID: <offer@romashka.example>")
    answer = letter("who@opt.example", ANNA, "In-Reply-To: <offer@romashka.example>")
    simulator.deliver(answer, [ANNA])
    simulator.deliver(sent, [BORIS])
    who = ("--server", simulator.url, "--username", "service@romashka.example", "--password-file", password_file)
    terracrm("mailbox", "add", BORIS, *who, "--impersonate", "--enable")
    lines = [json.loads(line) for line in terracrm("sync", "run", "--json").out.splitlines()]
    mine = [line for line in lines if (line["mailbox"], line["stream"]) == (ANNA, "mail")]
    assert [line["created"] for line in mine][-1] == 1


def test_a_mailbox_is_given_to_a_team_a_person_or_nobody(terracrm: Terracrm, mailbox: str, password_file: Path) -> None:
    terracrm("user", "add", "anna", "--role", "manager", "--team", "North", "--password-file", password_file)
    for words, owner in ((("--team", "North"), "North"), (("--user", "anna"), "anna"), (("--nobody",), "")):
        assert terracrm("mailbox", "owner", mailbox, *words).code == 0
        assert json.loads(terracrm("mailbox", "list", "--json").out)["owner"] == owner
    wrong = terracrm("mailbox", "owner", mailbox, "--user", "anna", "--team", "North")
    assert (wrong.code, "say one of --user NAME, --team NAME and --nobody" in wrong.err) == (2, True)
    assert terracrm("mailbox", "owner", mailbox).code == 2
    assert "there is no user olga" in terracrm("mailbox", "owner", mailbox, "--user", "olga").err


def test_a_shared_mailbox_is_no_persons_even_when_somebody_has_its_address(
    terracrm: Terracrm, simulator: Simulator, password_file: Path
) -> None:
    terracrm("user", "add", "anna", "--role", "manager", "--email", ANNA, "--password-file", password_file)
    who = ("--server", simulator.url, "--username", "service@romashka.example", "--password-file", password_file)
    both = terracrm("mailbox", "add", ANNA, *who, "--team", "North", "--user", "anna")
    assert (both.code, "a person or to a team" in both.err) == (2, True)
    assert terracrm("mailbox", "add", ANNA, *who, "--team", "North").code == 0
    assert json.loads(terracrm("mailbox", "list", "--json").out)["owner"] == "North"
