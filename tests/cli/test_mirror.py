"""From a mailbox's first line on the command line to the counts: `user`, `mailbox`, `sync run`, `stats`, `doctor`."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.simulator.simulator import Simulator

from .conftest import PASSWORD, Terracrm, letter

ANNA, BORIS = "anna@romashka.example", "boris@romashka.example"


@pytest.fixture
def add(terracrm: Terracrm, simulator: Simulator, password_file: Path) -> Any:
    """`terracrm mailbox add ADDRESS ...` with a service account that may open every mailbox."""

    def run(address: str, *words: str, server: str = simulator.url, password: Path = password_file) -> Any:
        who = ("--server", server, "--username", "service@romashka.example", "--password-file", password)
        return terracrm("mailbox", "add", address, *who, "--impersonate", *words)

    return run


def runs(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_mailbox_is_mirrored_once_and_new_mail_with_the_next_run(
    terracrm: Terracrm, add: Any, simulator: Simulator
) -> None:
    added = add(ANNA, "--enable")
    assert (added.code, added.err) == (0, "")
    assert "is added and enabled" in added.out
    assert "It opens: Microsoft Exchange" in added.out

    first = terracrm("sync", "run", "--json")
    assert first.code == 0
    by_stream = {run["stream"]: run for run in runs(first.out)}
    assert list(by_stream) == ["contacts", "calendar", "mail"]
    words = {"mailbox", "stream", "created", "updated", "deleted", "skipped", "quarantined", "unmatched"}
    words |= {"written", "seconds"}
    assert words | {"state"} <= by_stream["mail"].keys()
    assert (by_stream["mail"]["mailbox"], by_stream["mail"]["created"], by_stream["mail"]["state"]) == (ANNA, 1, "ok")

    counts = json.loads(terracrm("stats", "--json").out)
    words = {"companies", "contacts", "activities", "messages", "copies", "meetings", "tasks", "links", "quarantined"}
    assert words | {"unmatched"} == counts.keys()
    assert (counts["messages"], counts["activities"]) == (1, {"mail": 1})

    again = terracrm("sync", "run", "--json")
    assert {run["created"] + run["updated"] + run["deleted"] for run in runs(again.out)} == {0}
    assert json.loads(terracrm("stats", "--json").out) == counts

    simulator.deliver(letter("second@market.example", "One more box"), [ANNA])
    [mail] = runs(terracrm("sync", "run", "--mailbox", ANNA, "--stream", "mail", "--json").out)
    assert mail["created"] == 1
    assert json.loads(terracrm("stats", "--json").out)["messages"] == 2


def test_a_run_for_people_says_what_it_did(terracrm: Terracrm, add: Any) -> None:
    add(ANNA, "--enable", "--streams", "mail")
    assert terracrm("sync", "run").out.startswith(f"{ANNA} mail: 1 created")
    assert terracrm("sync", "run").out.startswith(f"{ANNA} mail: nothing new (ok, ")
    assert f"{'messages':<12} {1:>9}" in terracrm("stats").out


def test_one_refused_mailbox_is_told_and_the_others_are_mirrored(terracrm: Terracrm, add: Any, folder: Path) -> None:
    wrong = folder / "wrong.txt"
    wrong.write_text("wrong")
    add(ANNA, "--enable", "--streams", "mail")
    warned = add(BORIS, "--enable", "--streams", "mail", password=wrong)
    assert warned.code == 0
    assert "Warning: it cannot be opened now: " in warned.err

    ran = terracrm("sync", "run", "--json")
    assert ran.code == 3
    states = {run["mailbox"]: (run["state"], run["created"]) for run in runs(ran.out)}
    assert states == {ANNA: ("ok", 1), BORIS: ("credentials", 0)}

    left_alone = terracrm("sync", "run", "--json")
    assert left_alone.code == 3
    assert [run["mailbox"] for run in runs(left_alone.out)] == [ANNA]
    assert f"Warning: {BORIS} mail is not run: " in left_alone.err

    tested = terracrm("mailbox", "test")
    assert tested.code == 3
    assert f"Error: {BORIS}: " in tested.err


def test_a_mended_password_starts_the_streams_again(
    terracrm: Terracrm, add: Any, folder: Path, password_file: Path
) -> None:
    (folder / "wrong.txt").write_text("wrong")
    add(ANNA, "--enable", "--streams", "mail", password=folder / "wrong.txt")
    assert terracrm("sync", "run").code == 1
    mended = terracrm("mailbox", "password", ANNA, "--password-file", password_file)
    assert (mended.code, mended.err) == (0, "")
    assert terracrm("sync", "run").code == 0


def test_an_unreachable_server_is_told_in_plain_words(terracrm: Terracrm, add: Any, free_port: int) -> None:
    server = f"http://127.0.0.1:{free_port}/EWS/Exchange.asmx"
    assert "Warning: it cannot be opened now" in add(ANNA, "--enable", "--streams", "mail", server=server).err
    ran = terracrm("sync", "run")
    assert ran.code == 1
    assert ran.err.startswith(f"Error: {ANNA} mail: ")
    assert terracrm("mailbox", "test", ANNA).code == 1
    waiting = terracrm("sync", "run")
    assert (waiting.code, waiting.out) == (1, "")
    assert "It is tried again at " in waiting.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("add", "no address", "--server", "https://x.example/", "--username", "u"), "is no e-mail address"),
        (("add", "a@b.example", "--server", "x", "--username", "u"), "is no server URL"),
        (("add", "a@b.example", "--server", "https://[", "--username", "u"), "is no server URL"),
        (("add", "a@b.example", "--server", "https://u:p@b.example", "--username", "u"), "names a user or a password"),
        (("add", "a@b.example", "--server", "https://x.example/", "--username", "u", "--streams", "fax"), "not fax"),
        (("add", "a@b.example", "--server", "https://x.example/", "--username", "u", "--user", "eve"), "no user eve"),
        (("password", "nobody@b.example"), "there is no mailbox nobody@b.example"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_added(
    terracrm: Terracrm, password_file: Path, words: tuple[str, ...], reason: str
) -> None:
    ran = terracrm("mailbox", *words, "--password-file", password_file)
    assert ran.code in (1, 2)
    assert reason in ran.err
    assert PASSWORD not in ran.err
    assert terracrm("mailbox", "list").out == ""


def test_passwords_come_from_a_file_or_standard_input(
    terracrm: Terracrm, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "empty").write_text("\n")
    for path, reason in (("absent", "there is no file absent"), ("empty", "is empty"), (".", "cannot be read")):
        ran = terracrm("user", "add", "eve", "--role", "admin", "--password-file", path)
        assert ran.code == 2
        assert reason in ran.err
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\nsecond line\n"))
    assert terracrm("user", "add", "eve", "--role", "admin", "--password-file", "-").code == 0


def test_people_are_added_listed_and_given_new_passwords(terracrm: Terracrm, password_file: Path) -> None:
    words = ("--role", "manager", "--team", "Sales", "--email", ANNA, "--password-file", password_file)
    assert terracrm("user", "add", "anna", *words).out == "anna can sign in as manager.\n"
    taken = terracrm("user", "add", "anna", *words)
    assert (taken.code, taken.err) == (2, "Error: the user anna is there already\n")
    unknown = terracrm("user", "add", "eve", "--role", "king", "--password-file", password_file)
    assert "there is no role king; the roles are admin, controller, manager" in unknown.err
    assert terracrm("user", "list").out == f"anna: manager, Sales, {ANNA}\n"
    assert [row["name"] for row in runs(terracrm("user", "list", "--json").out)] == ["anna"]
    assert terracrm("user", "password", "anna", "--password-file", password_file).code == 0
    assert terracrm("user", "password", "eve", "--password-file", password_file).code == 1


def test_a_paused_mailbox_is_not_run_until_it_is_enabled(terracrm: Terracrm, add: Any) -> None:
    add(ANNA, "--enable", "--streams", "mail")
    assert terracrm("mailbox", "pause", ANNA).out == f"{ANNA} is paused.\n"
    assert "(paused)" in terracrm("mailbox", "list").out
    named = terracrm("sync", "run", "--mailbox", ANNA)
    assert (named.code, named.err) == (2, f"Error: {ANNA} is paused; terracrm mailbox enable {ANNA} starts it\n")
    assert "There is nothing to run" in terracrm("sync", "run").err
    assert terracrm("mailbox", "enable", ANNA).code == 0
    [row] = runs(terracrm("mailbox", "list", "--json").out)
    assert (row["enabled"], row["streams"][0]["state"]) == (True, "new")


def test_a_password_kept_in_its_file_is_read_each_time(terracrm: Terracrm, add: Any, password_file: Path) -> None:
    add(ANNA, "--enable", "--streams", "mail", "--keep-in-file")
    assert terracrm("sync", "run").code == 0
    password_file.unlink()
    ran = terracrm("sync", "run")
    assert ran.code == 1
    assert "the password file of anna@romashka.example cannot be read" in ran.err


def test_the_doctor_finds_what_is_wrong_and_says_what_to_do(
    terracrm: Terracrm, add: Any, simulator: Simulator, password_file: Path
) -> None:
    waiting = terracrm("doctor")
    assert waiting.code == 1
    assert "run `terracrm db upgrade`" in waiting.out

    terracrm("db", "upgrade")
    empty = terracrm("doctor")
    assert "terracrm user add NAME" in empty.out
    assert "terracrm mailbox add ADDRESS" in empty.out

    terracrm("user", "add", "eve", "--role", "admin", "--password-file", password_file)
    add(ANNA, "--enable")
    terracrm("sync", "run")
    well = terracrm("doctor")
    assert well.code == 0, well.out
    assert all(line.endswith(": in order") for line in well.out.splitlines())

    simulator.store.skew = timedelta(minutes=10)
    late = terracrm("doctor")
    assert late.code == 1
    assert "the clocks of the server and of this machine differ by " in late.out

    simulator.stop()
    gone = terracrm("doctor")
    assert f"opening {ANNA}: " in gone.out
    assert terracrm("doctor", "--offline").code == 0
