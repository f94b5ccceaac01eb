"""Whatever a server does, its state, the reason and the next try can be read: in the portal, the commands, the log."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker
from structlog.testing import capture_logs

from connectors.simulator.simulator import Simulator
from sync.connecting import connect
from sync.engine import run_stream
from terracrm import db
from terracrm.config import Settings
from terracrm.models import Mailbox, Stream, User, utcnow
from terracrm.services import mailboxes
from tests.cli.conftest import Terracrm
from tests.torture.faults import FAULTS, Fault
from web import create_app
from web.words import STATES

ANNA = "anna@romashka.example"
# Those that stop a run wherever they strike; each sentence once.
TOLD = [fault for fault in FAULTS if fault.reason]


class Desk:
    """Anna's mail in the CRM and an administrator before the portal; the CRM is where the commands look for it."""

    def __init__(self, folder: Path, simulator: Simulator, password_file: Path) -> None:
        self.simulator = simulator
        path = folder / "var/terracrm.db"
        self.settings = Settings(
            database={"url": f"sqlite:///{path}"},  # type: ignore[arg-type]
            paths={"data_dir": folder / "var"},  # type: ignore[arg-type]
            security={"secret_key": "k" * 40},  # type: ignore[arg-type]
        )
        engine = db.make_engine(self.settings.database.url)
        db.upgrade(engine)
        self.sessions: sessionmaker[Session] = db.session_factory(engine)
        with self.sessions.begin() as session:
            box = mailboxes.add(session, ANNA, simulator.url, ANNA, password_file=password_file, streams=["mail"])
            session.add(User(name="admin", role_code="admin", language="en"))
            mailboxes.enable(session, box)
        self.run()

    def run(self) -> Stream:
        """Run the stream once, as if nothing had been before, and return it."""
        with self.sessions.begin() as session:
            mailboxes.enable(session, mailboxes.get(session, ANNA))
            stream_id = session.scalars(select(Stream.id)).one()
            session.execute(update(Mailbox).values(let_in_at=utcnow()))
        run_stream(self.settings, self.sessions, stream_id, connect)
        with self.sessions() as session:
            return session.scalars(select(Stream)).one()

    def browser(self) -> FlaskClient:
        app = create_app(self.settings)
        with self.sessions() as session:
            user_id = session.scalars(select(User.id)).one()
        client: FlaskClient = app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"] = f"{user_id}.0"
        return client


@pytest.fixture
def desk(folder: Path, simulator: Simulator, password_file: Path) -> Iterator[Desk]:
    made = Desk(folder, simulator, password_file)
    yield made
    made.sessions.kw["bind"].dispose()


def test_each_fault_can_be_read_everywhere(desk: Desk, terracrm: Terracrm) -> None:
    browser, seen = desk.browser(), set()
    for fault in TOLD:
        struck = desk.simulator.fault(fault.kind, operation="SyncFolderItems", **fault.settings)
        with capture_logs() as logged:
            stream = desk.run()
        desk.simulator.faults.remove(struck.number)
        assert (stream.state in fault.states, fault.reason in stream.last_error) == (True, True), fault.name
        seen.add(stream.last_error)
        next_try = "" if stream.state in ("credentials", "paused") else f"{stream.due_at:%Y-%m-%dT%H:%M:%S}"
        _in_log(fault, stream, next_try, logged)
        _in_commands(fault, stream, next_try, terracrm)
        _in_portal(fault, stream, browser)
    assert len(seen) >= len(TOLD) - 1  # an empty folder and a false deletion are one sentence


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.skew], ids=lambda fault: fault.name)
def test_a_wrong_clock_is_told_and_stops_nothing(desk: Desk, terracrm: Terracrm, fault: Fault) -> None:
    desk.simulator.store.skew = timedelta(seconds=fault.skew)
    stream = desk.run()
    assert (stream.state, stream.last_error) == ("ok", "")
    told = re.search(r"its clock and that of this machine differ by (\d+) s", terracrm("health").out)
    assert told
    assert abs(int(told[1]) - abs(fault.skew)) < 30


def _in_log(fault: Fault, stream: Stream, next_try: str, logged: list[dict[str, object]]) -> None:
    (line,) = [line for line in logged if line["event"] == "the run failed"]
    found = SimpleNamespace(**line)
    assert (found.state, found.reason) == (stream.state, stream.last_error), fault.name
    assert (next_try or "waits for a person") in str(found.next_try), fault.name


def _in_commands(fault: Fault, stream: Stream, next_try: str, terracrm: Terracrm) -> None:
    (line,) = [each for each in map(json.loads, terracrm("health", "--json").out.splitlines()) if "stream" in each]
    assert (line["state"], line["reason"]) == (stream.state, stream.last_error), fault.name
    assert (line["next_try"] or "").startswith(next_try), fault.name
    for command in ("health", ("mailbox", "list")):
        said = terracrm(*([command] if isinstance(command, str) else command)).out
        assert stream.state in said, fault.name
        assert stream.last_error.rstrip(".") in said, fault.name
        assert (next_try.replace("T", " ")[:16] or "waits for a person") in said, fault.name


def _in_portal(fault: Fault, stream: Stream, browser: FlaskClient) -> None:
    page = html.unescape(browser.get(f"/mailboxes/{stream.mailbox_id}").text)
    assert str(STATES[stream.state]) in page, fault.name
    assert _words(stream.last_error) in _words(page), fault.name
    assert ("Next try" if stream.state == "backoff" else "when somebody has mended it") in page, fault.name
    assert _words(stream.last_error)[:60] in _words(html.unescape(browser.get("/mailboxes").text)), fault.name


def _words(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip()
