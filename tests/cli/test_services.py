"""Commands that run until they are stopped: `simulator serve`, `web`, `daemon`, `demo`."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from .conftest import Terracrm, letter, line_with

Start = Callable[..., subprocess.Popen[str]]


def stop(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def processes_of(folder: Path) -> list[int]:
    """The processes that have this folder in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words and int(path.parent.name) != os.getpid():
            found.append(int(path.parent.name))
    return found


@pytest.fixture
def mail(folder: Path) -> Path:
    """A folder with one letter in the inbox of anna and one that is no mail at all."""
    inbox = folder / "mail/anna/inbox"
    inbox.mkdir(parents=True)
    (inbox / "1.").write_bytes(letter("first@market.example", "Order of milk"))
    (inbox / "2.").write_bytes(b"\x00\xff not a letter")
    return folder / "mail"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_simulator_says_one_line_when_it_is_ready_and_stops_cleanly(
    started: Start, terracrm: Terracrm, password_file: Path, mail: Path, free_port: int, number: signal.Signals
) -> None:
    process = started(
        "simulator", "serve", "--port", free_port, "--domain", "romashka.example", "--password-file", password_file,
        "--mail", mail,
    )  # fmt: skip
    assert line_with(process, "ready") == f"ready http://127.0.0.1:{free_port}/EWS/Exchange.asmx"
    added = terracrm(
        "mailbox", "add", "anna@romashka.example", "--server", f"http://127.0.0.1:{free_port}/EWS/Exchange.asmx",
        "--username", "anna@romashka.example", "--password-file", password_file, "--enable",
    )  # fmt: skip
    assert "It opens: " in added.out
    assert terracrm("sync", "run", "--stream", "mail").code == 0
    assert json.loads(terracrm("stats", "--json").out)["messages"] == 2
    assert stop(process, number) == (0, "", "")


def test_a_taken_port_and_a_missing_folder_are_told_in_plain_words(
    terracrm: Terracrm, password_file: Path, taken_port: int
) -> None:
    serve = ("simulator", "serve", "--password-file", password_file)
    taken = terracrm(*serve, "--port", taken_port)
    assert taken.code == 1
    assert taken.err.startswith(f"Error: cannot listen on 127.0.0.1:{taken_port}: Address already in use")
    absent = terracrm(*serve, "--mail", "absent")
    assert (absent.code, absent.err) == (2, "Error: --mail: there is no folder absent\n")
    portal = terracrm("web", "--port", taken_port)
    assert portal.code == 1
    assert f"cannot listen on 127.0.0.1:{taken_port}" in portal.err


def test_the_portal_answers_until_it_is_told_to_stop(started: Start, free_port: int) -> None:
    process = started("web", "--port", free_port)
    assert line_with(process, "ready") == f"ready http://127.0.0.1:{free_port}"
    with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/healthz") as answer:
        assert answer.status == 200
    code, out, _ = stop(process)
    assert (code, out) == (0, "")


@pytest.mark.parametrize(("proxies", "is_refused"), [(0, False), (1, True)])
def test_what_a_proxy_says_of_the_client_is_believed_only_where_there_is_one(
    started: Start, folder: Path, free_port: int, proxies: int, is_refused: bool
) -> None:
    (folder / "config.toml").write_text(f"[web]\nport = {free_port}\ntrusted_proxies = {proxies}\n")
    line_with(started("web"), "ready")
    address = f"http://127.0.0.1:{free_port}/sign-in"
    with requests.Session() as session:
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', session.get(address).text)
        assert token
        form = {"csrf_token": token[1], "name": "eve", "password": "wrong password"}
        # Only over https is a form without a Referer refused, and only the proxy says that it was https.
        posted = session.post(address, form, headers={"X-Forwarded-Proto": "https"})
    assert (posted.status_code == 400) is is_refused, posted.status_code


def test_a_service_does_not_start_on_a_database_of_an_older_version(
    started: Start, terracrm: Terracrm, folder: Path
) -> None:
    (folder / "var").mkdir()
    (folder / "var/terracrm.db").touch()
    for command in ("daemon", "web"):
        ran = terracrm(command)
        assert ran.code == 1
        assert "run terracrm db upgrade" in ran.err


def test_the_daemon_stops_when_it_is_told(started: Start, terracrm: Terracrm) -> None:
    terracrm("db", "upgrade")
    process = started("daemon")
    assert process.stderr is not None
    assert any("the daemon is running" in line for line in process.stderr)
    assert stop(process)[0] == 0


def test_the_daemon_stops_although_a_server_does_not_answer(
    started: Start, terracrm: Terracrm, password_file: Path, mail: Path, folder: Path, free_port: int
) -> None:
    server = started(
        "simulator", "serve", "--port", free_port, "--domain", "romashka.example", "--password-file", password_file,
        "--mail", mail,
    )  # fmt: skip
    line_with(server, "ready")
    url = f"http://127.0.0.1:{free_port}/EWS/Exchange.asmx"
    terracrm(
        "mailbox", "add", "anna@romashka.example", "--server", url, "--username", "anna@romashka.example",
        "--password-file", password_file, "--enable",
    )  # fmt: skip
    stop(server)
    (folder / "config.toml").write_text("[sync]\nwatch = false\n")
    with socket.create_server(("127.0.0.1", free_port)) as silent:
        silent.settimeout(60)
        process = started("daemon")
        connection, _ = silent.accept()
        with connection:
            connection.settimeout(60)
            assert connection.recv(1)  # a worker has asked, and would wait for two minutes
            code, _, err = stop(process)
    assert (code, "its page has taken too long" in err) == (0, True)


@pytest.mark.parametrize("seconds", [0, 90])
def test_a_signal_that_wakes_nobody_is_heard_and_what_holds_up_the_daemon_is_left_behind(
    terracrm: Terracrm, folder: Path, seconds: int
) -> None:
    terracrm("db", "upgrade")
    (folder / "config.toml").write_text("[sync]\nwatch = false\n")
    program = f"""
import signal, time
from pathlib import Path
from sync import daemon, stopping
from terracrm.config import load
def look(_):
    time.sleep(1)  # until the main thread waits
    signal.raise_signal(signal.SIGTERM)  # told to this thread
    time.sleep({seconds})
daemon.Alerting.look = look
stopping.STOP_SECONDS = 12 if {seconds} == 0 else 0.1
config = Path("config.toml")
daemon.run(load(config), config)
"""
    ended = subprocess.run([sys.executable, "-c", program], timeout=60, capture_output=True, text=True)
    assert (ended.returncode, "still under way" in ended.stdout + ended.stderr) == (0, seconds > 0)


def test_the_demo_mirrors_a_folder_of_mail_and_leaves_no_process_behind(
    started: Start, folder: Path, mail: Path, taken_port: int
) -> None:
    process = started("demo", "--mail", mail, "--port", taken_port)
    moved = line_with(process, f"Port {taken_port} is taken")
    address = line_with(process, "TerraCRM is running: ").rpartition(" ")[2]
    assert address == f"http://127.0.0.1:{re.findall(r'[0-9]+', moved)[-1]}"
    assert "password" in line_with(process, "Sign in with")
    line_with(process, "Everything has been read")
    with urllib.request.urlopen(f"{address}/healthz") as answer:
        assert answer.status == 200
    assert len(processes_of(folder)) >= 3
    code, out, err = stop(process, signal.SIGINT)
    assert (code, out.splitlines()[-1], err) == (0, "The demo has stopped.", "")
    deadline = time.monotonic() + 30
    while processes_of(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(folder) == []


def test_the_demo_leaves_a_folder_of_somebody_else_alone(terracrm: Terracrm, folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine/letter.txt").write_text("dear")
    ran = terracrm("demo", "--folder", "mine")
    assert ran.code == 2
    assert "holds something else" in ran.err
    assert (folder / "mine/letter.txt").exists()
    assert terracrm("demo", "--mail", "absent").err == "Error: --mail: there is no folder absent\n"


def test_a_worker_is_for_the_distributed_engine(terracrm: Terracrm) -> None:
    refused = terracrm("worker")
    assert (refused.code, "sync.engine: is local" in refused.err) == (78, True)
