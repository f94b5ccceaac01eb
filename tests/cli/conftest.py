"""How a person meets the command line: words in, exit code and two streams out."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from connectors.simulator.simulator import Simulator
from terracrm import logs
from terracrm.cli import main
from tests.ports import free_port

PASSWORD = "milk and честь"


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


Terracrm = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, and an environment that says nothing about us."""
    for name in list(os.environ):
        if name.upper().startswith("TERRACRM_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What a command sets for its whole process is set back: the log, and what signals do."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in logs.QUIET}
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    root.handlers[:], root.level = handlers, level
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    for number, handler in signals.items():
        signal.signal(number, handler)
    structlog.reset_defaults()


@pytest.fixture
def terracrm(capsys: pytest.CaptureFixture[str]) -> Terracrm:
    """`terracrm WORDS...` in this process; a traceback in its output fails the test."""

    def run(*words: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(word) for word in words])
        output = capsys.readouterr()
        assert "Traceback" not in output.out + output.err
        return Outcome(int(stopped.value.code or 0), output.out, output.err)

    return run


@pytest.fixture
def process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`python -m terracrm WORDS...` in a process of its own."""

    def run(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "terracrm", *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            **options,  # type: ignore[call-overload]
        )

    return run


@pytest.fixture
def password_file(folder: Path) -> Path:
    """A file with the password of every mailbox of the simulator."""
    path = folder / "password.txt"
    path.write_text(f"{PASSWORD}\n")
    return path


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """An Exchange server with the mailboxes anna and boris@romashka.example, and one letter to Anna."""
    with Simulator(domain="romashka.example", password=PASSWORD) as running:
        running.add_mailbox("anna@romashka.example", "Anna")
        running.add_mailbox("boris@romashka.example", "Boris")
        running.deliver(letter("first@market.example", "Order of milk"), ["anna@romashka.example"])
        yield running


def letter(message_id: str, subject: str) -> bytes:
    """A letter of a client to Anna."""
    lines = [
        "From: Maria <maria@market.example>",
        "To: Anna <anna@romashka.example>",
        f"Message-ID: <{message_id}>",
        "Date: Mon, 02 Nov 2026 10:00:00 +0300",
        f"Subject: {subject}",
        "Content-Type: text/plain; charset=utf-8",
        "",
        "Ten boxes, please.",
    ]
    return "\r\n".join(lines).encode()


@pytest.fixture
def started(folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `terracrm WORDS` in a process of its own; whatever still runs at the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def start(*words: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "terracrm", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def line_with(process: subprocess.Popen[str], words: str) -> str:
    """Read what the process says until a line with these words; it fails when the process ends before."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if words in line:
            return line.rstrip("\n")
    raise AssertionError(f"{words!r} was not said: {''.join(said)}{process.stderr.read() if process.stderr else ''}")


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture(name="free_port")
def a_free_port() -> int:
    """A port that nobody listens on."""
    return free_port()
