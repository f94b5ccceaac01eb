"""What the log says, and what it never says."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from terracrm import logs
from terracrm.config.settings import Log


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """A log of this test's own; the root logger is as before when it ends."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in logs.QUIET}
    yield io.StringIO()
    root.handlers[:], root.level = handlers, level
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


def events(output: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_every_event_inside_names_run_and_mailbox_even_from_libraries(output: io.StringIO) -> None:
    logs.configure(Log(format="json"), output)
    with logs.about(run=7, mailbox="anna@romashka.example"):
        structlog.get_logger("sync").info("page committed", created=3)
        logging.getLogger("library").warning("slow %s", "answer")
    structlog.get_logger("sync").info("done")
    ours, library, after = events(output)
    assert (ours["event"], ours["created"], ours["run"]) == ("page committed", 3, 7)
    assert (library["event"], library["mailbox"]) == ("slow answer", "anna@romashka.example")
    assert "run" not in after


def test_secrets_are_blanked_by_name_at_any_depth_and_in_urls(output: io.StringIO) -> None:
    logs.configure(Log(format="json", level="debug"), output)
    log = structlog.get_logger("x")
    log.info("add", password="s3cret", account={"api_key": "s3cret", "list": [{"Cookie": "s3cret"}]})
    logging.getLogger("db").info("open %s", "postgresql://crm:s3cret@db/crm")
    try:
        raise ValueError("cannot open postgresql://crm:s3cret@db/crm")
    except ValueError:
        log.exception("failed")
    assert "s3cret" not in output.getvalue()
    assert events(output)[1]["event"] == "open postgresql://crm:***@db/crm"
    assert "ValueError" in events(output)[2]["exception"]


def test_the_level_holds_and_chatty_libraries_are_quiet(output: io.StringIO) -> None:
    logs.configure(Log(format="json", level="warning"), output)
    structlog.get_logger("x").info("not said")
    logging.getLogger("urllib3.connectionpool").warning("Retrying (Retry(total=0 ...")
    logging.getLogger("exchangelib.protocol").warning("Server requested back-off")
    assert output.getvalue() == ""


def test_the_console_form_is_one_plain_line(output: io.StringIO) -> None:
    logs.configure(Log(format="console"), output)
    structlog.get_logger("sync").info("страница записана", created=3)
    [line] = output.getvalue().splitlines()
    assert "страница записана" in line
    assert "created=3" in line
    assert "\x1b" not in line
