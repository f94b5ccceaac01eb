"""The whole way, by the words that scripts rely on: Exchange, the command line, the portal, as separate processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.ports import free_port

PASSWORD = "secret-word-1"
VCARD = """BEGIN:VCARD
VERSION:3.0
FN:Ольга Лаврова
N:Лаврова;Ольга;;;
ORG:ООО «Лавка»
EMAIL:olga@lavka.example
TEL;TYPE=WORK:+7 495 555-01-02
END:VCARD
"""
CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:tasting-1
DTSTAMP:20260301T090000Z
DTSTART:20260303T090000Z
DTEND:20260303T100000Z
SUMMARY:Дегустация сыров
ORGANIZER:mailto:anna@example.test
ATTENDEE;PARTSTAT=ACCEPTED:mailto:olga@lavka.example
END:VEVENT
END:VCALENDAR
"""


def letter(number: int, subject: str, to: str = "anna@example.test", sender: str = "olga@lavka.example") -> bytes:
    return (
        f"Message-ID: <{number}@lavka.example>\r\nFrom: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n"
        f"Date: Mon, 02 Mar 2026 12:00:0{number} +0300\r\nContent-Type: text/plain; charset=utf-8"
        f"\r\n\r\nПисьмо {number}\r\n"
    ).encode()


class Shell:
    """`terracrm` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TERRACRM_")}
        self.environment = clean | {"COLUMNS": "200"}

    def run(self, *words: str, code: int = 0) -> str:
        """What a command prints; its exit code must be `code`."""
        done = subprocess.run(
            [sys.executable, "-m", "terracrm", *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout

    def json(self, *words: str, code: int = 0) -> list[dict[str, object]]:
        """The JSON objects that a command prints, one on each line."""
        return [json.loads(line) for line in self.run(*words, code=code).splitlines()]

    @contextmanager
    def serving(self, *words: str) -> Iterator[str]:
        """A command that serves; the URL it says it is ready at."""
        with (self.folder / f"{words[0]}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "terracrm", *words],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith("ready "), (self.folder / f"{words[0]}.log").read_text()
            yield said.removeprefix("ready ").strip()
        finally:
            process.terminate()
            assert process.wait(30) == 0


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    (tmp_path / "config.toml").write_text('[mirror]\ninternal_domains = ["example.test"]\n')
    for user in ("anna", "boris"):
        inbox = tmp_path / "mail" / user / "inbox"
        inbox.mkdir(parents=True)
        (inbox / "1.").write_bytes(letter(1, "Прайс-лист", "anna@example.test, boris@example.test"))
    (tmp_path / "mail/anna/inbox/2.").write_bytes(letter(2, "Внутреннее", sender="boris@example.test"))
    (tmp_path / "mail/anna/inbox/3.").write_bytes(
        b"From nobody\x00\xff\r\nSubject: =?koi8-r?B?broken\r\nTo: \r\n\r\n\xff\xfe"
    )
    (tmp_path / "mail/anna/deleted_items").mkdir()
    (tmp_path / "mail/anna/deleted_items/9.").write_bytes(letter(9, "Выброшено"))
    for kind, name, text in (("vcards", "anna.vcf", VCARD), ("calendars", "anna.ics", CALENDAR)):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / name).write_text(text, encoding="utf-8")
    return Shell(tmp_path)


def sign_in(address: str, name: str) -> requests.Session:
    browser = requests.Session()
    page = browser.get(f"{address}/sign-in", timeout=30)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert token
    answer = browser.post(
        f"{address}/sign-in", {"csrf_token": token[1], "name": name, "password": PASSWORD}, timeout=30
    )
    assert answer.status_code == 200
    assert "/sign-in" not in answer.url
    return browser


def test_what_happens_in_outlook_shows_on_the_profile_after_the_next_run(shell: Shell) -> None:
    served = ("simulator", "serve", "--port", "0", "--domain", "example.test", "--password-file", "password")
    with shell.serving(*served, "--mail", "mail", "--vcards", "vcards", "--calendars", "calendars") as url:
        for user, who, extra in (
            ("anna", "anna@example.test", ()),
            ("boris", "service@example.test", ("--impersonate",)),
        ):
            words = ("--server", url, "--username", who, "--password-file", "password", *extra, "--enable")
            shell.run("mailbox", "add", f"{user}@example.test", *words)
        first = shell.json("sync", "run", "--json")
        assert len(first) == 6
        assert {line["state"] for line in first} == {"ok"}
        (found,) = shell.json("stats", "--json")
        assert found == {
            "companies": 1,
            "contacts": 1,
            "activities": {"mail": 2, "meeting": 1},
            "messages": 2,
            "copies": 3,
            "meetings": 1,
            "links": 5,
            "quarantined": 0,
            "unmatched": 1,
            "tasks": {"open": 0, "done": 0},
        }
        for line in shell.json("sync", "run", "--json"):
            assert (line["created"], line["updated"], line["deleted"]) == (0, 0, 0)
        assert shell.json("stats", "--json") == [found]

        shell.run("user", "add", "chief", "--role", "controller", "--password-file", "password")
        with shell.serving("web", "--port", str(free_port())) as portal:
            browser = sign_in(portal, "chief")
            contacts = browser.get(f"{portal}/contacts", timeout=30).text
            profile = re.search(r'href="(/contacts/\d+)"', contacts)
            assert profile
            before = browser.get(portal + profile[1], timeout=30).text
            assert "Прайс-лист" in before
            assert "Дегустация сыров" in before
            assert "Срочный заказ" not in before
            control = url.replace("/EWS/Exchange.asmx", "/_control/deliver?to=boris@example.test")
            message = letter(4, "Срочный заказ", "boris@example.test")
            assert requests.post(control, message, timeout=30).status_code == 201
            (line,) = shell.json("sync", "run", "--mailbox", "boris@example.test", "--stream", "mail", "--json")
            assert line["created"] == 1
            assert "Срочный заказ" in browser.get(portal + profile[1], timeout=30).text
            assert browser.get(f"{portal}/contacts/999999", timeout=30).status_code == 404
