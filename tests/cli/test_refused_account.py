"""A wrong password of a service account on the command line: seen once by the server, and told for every mailbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.simulator import server
from connectors.simulator.simulator import Simulator

from .conftest import Terracrm

MAILBOXES = ("anna@romashka.example", "boris@romashka.example")
SERVICE = "service@romashka.example"


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sign-ins that the server has refused."""
    found: list[str] = []
    user = server.Handler._user

    def counted(handler: server.Handler) -> object:
        known = user(handler)
        if known is None and handler.headers.get("Authorization"):
            found.append(handler.path)
        return known

    monkeypatch.setattr(server.Handler, "_user", counted)
    return found


def test_the_server_sees_one_try_for_all_streams_of_all_mailboxes(
    terracrm: Terracrm, simulator: Simulator, folder: Path, password_file: Path, refused: list[str]
) -> None:
    for address in MAILBOXES:
        words = ("--server", simulator.url, "--username", SERVICE, "--password-file", password_file)
        assert terracrm("mailbox", "add", address, *words, "--impersonate", "--enable").code == 0
    right, simulator.password = simulator.password, "another"

    for number in range(2):
        ran = terracrm("sync", "run")
        assert ran.code == 1
        assert ran.err.count("refused the user name or the password") == 6, f"run {number}: {ran.err}"
        assert right not in ran.out + ran.err
    assert len(refused) == 1
    assert "terracrm mailbox enable" in ran.err
    assert terracrm("doctor").code != 0
    assert len(refused) == 1
    tested = terracrm("mailbox", "test")
    assert tested.err.count("refused the user name or the password") == 2
    assert len(refused) == 2  # a person asks: once for both

    simulator.password = right
    assert terracrm("mailbox", "enable", MAILBOXES[0]).code == 0
    assert terracrm("sync", "run").code == 3  # the other mailbox waited until this one was let in
    assert terracrm("sync", "run").code == 0
    assert len(refused) == 2
    log = (folder / "var" / "commands.log").read_text() if (folder / "var" / "commands.log").exists() else ""
    assert right not in log
    assert "Traceback" not in log
