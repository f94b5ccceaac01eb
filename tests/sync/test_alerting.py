"""Alerts on their way: mail through Exchange, a webhook over HTTP, and what happens when neither gets through (Y5)."""

from __future__ import annotations

import ast
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import exchangelib
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, select, text, update
from sqlalchemy.orm import Session, sessionmaker
from structlog.testing import capture_logs

from connectors.base import Account
from connectors.exchange_ews import ExchangeEWS
from connectors.exchange_ews.connect import connect
from connectors.memory import MemoryConnector, MemoryServer
from connectors.simulator import delivery
from connectors.simulator.simulator import Simulator
from sync import alerting, webhook
from sync.alerting import Alerting
from sync.engine import run_stream
from sync.outcomes import UNEXPECTED as UNEXPECTED_RUN
from terracrm import db
from terracrm.config import Settings
from terracrm.domain.records import Folder
from terracrm.errors import AuthFailed, ConnectorError, Temporary, Unsupported
from terracrm.models import Alert, AlertMessage, Heartbeat, Stream, StreamState, utcnow
from terracrm.services import mailboxes
from tests.sync.conftest import DOMAIN

SQLITE_FIRST = True

ANNA, CRM, ADMIN = (f"{name}@{DOMAIN}" for name in ("anna", "crm", "admin"))
DUTY = "duty@elsewhere.test"
SECRET = "kept-from-all-logs"


@dataclass
class Receiver:
    """A webhook: what was posted to it, and what it answers."""

    status: int = 200
    location: str = ""
    got: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def __enter__(self) -> Receiver:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                """Keep the output clean."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(json.loads(body) | {"path": self.path})
                self.send_response(receiver.status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.end_headers()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hooks/{SECRET}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class World(NamedTuple):
    """An office in memory, watched over."""

    alerting: Alerting
    sessions: sessionmaker[Session]
    server: MemoryServer
    receiver: Receiver
    settings: Settings

    def stream(self, address: str, **values: object) -> None:
        """What a mailbox's mail is like."""
        with self.sessions.begin() as session:
            mailbox = mailboxes.get(session, address)
            mine = Stream.mailbox_id == mailbox.id, Stream.kind == "mail"
            session.execute(update(Stream).where(*mine).values(**values))

    def look(self) -> None:
        """A look that is a minute after the last, as far as the tables know; what waited is due."""
        minute = timedelta(minutes=1)
        with self.sessions.begin() as session:
            session.execute(update(Heartbeat).values(at=Heartbeat.at))
            for beat in session.scalars(select(Heartbeat)):
                beat.at -= minute
            session.execute(update(AlertMessage).values(next_try_at=utcnow() - minute))
        self.alerting.look()

    def messages(self) -> list[tuple[str, str, bool, bool]]:
        """Each message: its channel, its error, whether it is sent, and given up."""
        with self.sessions() as session:
            rows = session.scalars(select(AlertMessage).order_by(AlertMessage.id))
            return [(row.channel, row.error, bool(row.sent_at), bool(row.given_up_at)) for row in rows]


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("secret\n")
    return path


def settings_for(url: str, tmp_path: Path, **alerts: object) -> Settings:
    given = {"mail_to": [ADMIN, DUTY], "mail_from": CRM, "webhook_url": SecretStr(url), **alerts}
    return Settings(
        alerts=given,  # type: ignore[arg-type]
        paths={"data_dir": tmp_path},
        web={"base_url": "https://crm.office.test"},
    )


@pytest.fixture
def world(sessions: sessionmaker[Session], tmp_path: Path, password_file: Path) -> Iterator[World]:
    server = MemoryServer()
    with sessions.begin() as session:
        for address in (ANNA, CRM):
            server.add_mailbox(address)
            mailbox = mailboxes.add(session, address, "https://mail.test", address, password_file=password_file)
            mailboxes.enable(session, mailbox)
    with Receiver() as receiver:
        settings = settings_for(receiver.url, tmp_path)
        looked = Alerting(settings, sessions, lambda account: MemoryConnector(account, server))
        yield World(looked, sessions, server, receiver, settings)


def test_an_alert_reaches_the_admin_by_mail_and_the_webhook_once(world: World) -> None:
    world.stream(ANNA, state=StreamState.CREDENTIALS, last_error="The server refused the user name or the password.")
    with capture_logs() as logged:
        for _ in range(3):
            world.look()
    (mail,) = world.server.mails
    assert mail[:3] == (CRM, (ADMIN, DUTY), f"TerraCRM: {ANNA}: cannot sign in")
    assert "The server refused the user name or the password." in mail[3]
    assert "https://crm.office.test/mailboxes/1" in mail[3]
    (post,) = world.receiver.got
    (told,) = post["alerts"]
    assert (post["source"], post["version"], post["is_trial"], post["total"]) == ("terracrm", 1, False, 1)
    assert post["text"] == f"TerraCRM: {ANNA}: cannot sign in"
    assert (told["event"], told["rule"], told["mailbox"], told["stream"]) == ("raised", "credentials", ANNA, "mail")
    assert [event["event"] for event in logged] == ["alert"]
    assert logged[0]["mailbox"] == ANNA
    assert SECRET not in str(logged)


def test_the_daemon_is_seen_alive_with_each_look(world: World) -> None:
    world.look()
    with world.sessions() as session:
        assert utcnow() - session.get_one(Heartbeat, "daemon").at < timedelta(minutes=1)


def test_a_webhook_that_fails_stops_no_mail_and_is_tried_again(world: World) -> None:
    world.stream(ANNA, state=StreamState.CREDENTIALS)
    world.receiver.status = 503
    with capture_logs() as logged:
        world.look()
        assert len(world.server.mails) == 1
        assert world.messages()[1][1:] == (f"{_host(world)} cannot take it at the moment (HTTP 503).", False, False)
        world.receiver.status = 204
        world.look()
    assert [len(world.server.mails), len(world.receiver.got)] == [1, 2]
    assert all(sent and not error for _, error, sent, _ in world.messages())
    assert SECRET not in str(logged)


def test_a_webhook_that_refuses_is_given_up_and_told_by_mail(world: World) -> None:
    world.stream(ANNA, state=StreamState.CREDENTIALS)
    world.receiver.status = 404
    for _ in range(3):
        world.look()
    assert [len(world.receiver.got), len(world.server.mails)] == [1, 2]
    assert world.server.mails[1][2] == "TerraCRM: webhook: alerts do not get through"
    assert "HTTP 404" in world.server.mails[1][3]
    assert SECRET not in str(world.server.mails) + str(world.messages())


def test_a_mailbox_that_cannot_sign_in_is_tried_once_and_told_by_the_webhook_alone(world: World) -> None:
    world.server.add_mailbox(CRM, "another password")
    world.stream(ANNA, state=StreamState.APPROVAL)
    for _ in range(4):
        world.look()
    assert (world.server.sign_ins, world.server.mails) == (1, [])
    assert [post["alerts"][0]["rule"] for post in world.receiver.got] == ["approval", "channel"]
    world.stream(CRM, state=StreamState.CREDENTIALS)
    world.look()
    world.look()
    assert world.receiver.got[-1]["alerts"][0]["mailbox"] == CRM
    world.stream(ANNA, state=StreamState.PAUSED)
    world.look()
    assert world.server.sign_ins == 1


def test_a_mail_that_could_not_leave_leaves_later(world: World) -> None:
    world.server.fail_next(Temporary("The server is busy."))
    world.stream(ANNA, state=StreamState.APPROVAL)
    world.look()
    assert world.server.mails == []
    world.look()
    assert len(world.server.mails) == 1


def test_an_unexpected_error_of_a_channel_stops_nothing(world: World) -> None:
    def break_(account: Account) -> Any:
        raise RuntimeError("connector")

    world.stream(ANNA, state=StreamState.APPROVAL)
    Alerting(world.settings, world.sessions, break_).look()
    assert [(error, sent) for _, error, sent, _ in world.messages()] == [(alerting.UNEXPECTED, False), ("", True)]


def test_a_trial_says_for_each_channel_what_happened(world: World) -> None:
    assert [tuple(each) for each in map(_pair, world.alerting.try_channels())] == [("mail", ""), ("webhook", "")]
    assert world.server.mails[0][2] == "TerraCRM: trial alert"
    assert (world.receiver.got[0]["is_trial"], world.receiver.got[0]["alerts"]) == (True, [])
    world.receiver.status = 302
    world.server.add_mailbox(CRM, "another password")
    errors = dict(map(_pair, world.alerting.try_channels()))
    assert "refused the user name" in errors["mail"]
    assert "redirects (HTTP 302)" in errors["webhook"]


def test_a_redirect_is_not_followed(world: World) -> None:
    with Receiver() as other:
        world.receiver.status, world.receiver.location = 307, other.url
        with pytest.raises(Unsupported):
            webhook.post(SecretStr(world.receiver.url), {})
        assert other.got == []


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:1/hooks/kept-from-all-logs", Temporary),
        ("http://no-such-host.invalid/kept-from-all-logs", Temporary),
        ("http://a..b/kept-from-all-logs", Unsupported),
    ],
)
def test_what_keeps_a_webhook_from_being_reached_names_no_secret(url: str, error: type[ConnectorError]) -> None:
    with pytest.raises(error) as raised:
        webhook.post(SecretStr(url), {})
    assert SECRET not in str(raised.value)


def test_a_certificate_that_nobody_trusts_gets_nothing(tmp_path: Path) -> None:
    with Simulator(tls=True) as simulator, pytest.raises(Temporary, match="certificate"):
        webhook.post(SecretStr(simulator.url), {})


def test_a_disk_that_is_almost_full_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(world.settings.paths.data_dir)._replace(free=10 * 2**20)
    monkeypatch.setattr(alerting.shutil, "disk_usage", lambda folder: usage)
    world.look()
    assert "10 MB are free in " in world.receiver.got[0]["alerts"][0]["reason"]


def test_a_database_that_is_gone_is_told_by_the_webhook_from_memory(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = db.session_factory(db.make_engine("postgresql+psycopg://root:password-of-the-database@127.0.0.1:1/none"))
    looked = Alerting(world.settings, away, lambda account: MemoryConnector(account, world.server))
    now = utcnow()
    with capture_logs() as logged:
        for minute in range(4):
            monkeypatch.setattr(alerting, "utcnow", lambda minute=minute: now + minute * timedelta(minutes=1))
            looked.look()
    (post,) = world.receiver.got
    assert [told["rule"] for told in post["alerts"]] == ["database"]
    assert sum(event["event"] == "the database cannot be used; looking again" for event in logged) == 4
    assert "password-of-the-database" not in str(post) + str(logged)
    looked._sessions = world.sessions
    for minute in (5, 40):
        monkeypatch.setattr(alerting, "utcnow", lambda minute=minute: now + minute * timedelta(minutes=1))
        looked.look()
    ended = [told for post in world.receiver.got for told in post["alerts"] if told["rule"] == "database"]
    assert [told["event"] for told in ended] == ["raised", "ended"]


def test_a_full_disk_under_the_database_is_trouble_with_it(
    world: World, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("a limit of SQLite's file stands for the disk")
    world.look()
    with engine.connect() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar()
    engine.dispose()
    full = db.make_engine(str(engine.url))
    with full.connect() as connection:
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))
        connection.execute(text("PRAGMA query_only = 1"))
        looked = Alerting(world.settings, sessionmaker(bind=connection), world.alerting._connect)
        with capture_logs() as logged:
            looked.look()
    full.dispose()
    assert [event["event"] for event in logged] == ["the database cannot be used; looking again"]


def test_the_mail_is_delivered_by_exchange_to_the_admins_alone(
    sessions: sessionmaker[Session], tmp_path: Path, password_file: Path
) -> None:
    with Simulator(domain=DOMAIN) as simulator, sessions.begin() as session:
        for address in (ANNA, CRM, ADMIN):
            simulator.add_mailbox(address)
        for address in (ANNA, CRM):
            mailbox = mailboxes.add(session, address, simulator.url, address, password_file=password_file)
            mailboxes.enable(session, mailbox)
        mailboxes.get(session, ANNA).streams[2].state = StreamState.CREDENTIALS
        session.commit()
        settings = settings_for("https://unused.test", tmp_path, webhook_url=None)
        Alerting(settings, sessions, ExchangeEWS).look()
        account = connect(Account(ADMIN, simulator.url, ADMIN, "secret"))
        found = [(mail.subject, mail.sender.email_address) for mail in _inbox(account)]
        account.protocol.close()
        assert found == [(f"TerraCRM: {ANNA}: cannot sign in", CRM)]
        assert [mail["recipients"] for mail in delivery.outbound(simulator.store)] == [[DUTY]]
        rows = simulator.store.items.where("kind LIKE 'Me%'")
        assert len(rows) == 1


def test_nothing_but_the_alerts_sends_a_mail() -> None:
    """The one exception to invariant 8 stays one: who calls `send_mail`, and who asks the server to send."""
    root = Path(alerting.__file__).parents[1]
    callers, senders = set(), set()
    for package in ("connectors", "sync", "terracrm", "web"):
        for path in (root / package).rglob("*.py"):
            source = path.read_text()
            name = str(path.relative_to(root))
            if name.startswith("connectors/simulator/"):
                continue
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Attribute) and node.attr == "send_mail":
                    callers.add(name)
                if isinstance(node, ast.Constant) and str(node.value) in ("SendOnly", "SendAndSaveCopy"):
                    senders.add(name)
            if "import smtplib" in source or "getattr(connector" in source:
                senders.add(name)
    assert callers == {"sync/alerting.py"}
    assert senders == {"connectors/exchange_ews/sending.py"}


def test_alerts_of_a_mailbox_that_is_purged_go_with_it(world: World) -> None:
    world.stream(ANNA, state=StreamState.CREDENTIALS)
    world.look()
    with world.sessions.begin() as session:
        session.delete(mailboxes.get(session, ANNA))
    world.look()
    with world.sessions() as session:
        assert session.scalars(select(Alert.rule).where(Alert.raised_at.is_not(None))).all() == []


STATES = [
    (AuthFailed("Refused."), "credentials", "Refused.", False),
    (Unsupported("No EWS."), "paused", "No EWS.", False),
    (Temporary("Busy.", 7200), "backoff", "Busy.", True),
    (ValueError("a secret"), "degraded", UNEXPECTED_RUN, True),
]


@pytest.mark.parametrize(("error", "state", "reason", "is_tried_again"), STATES)
def test_the_log_says_of_a_run_that_failed_its_state_its_reason_and_the_next_try(
    world: World, error: Exception, state: str, reason: str, is_tried_again: bool
) -> None:
    class Failing(MemoryConnector):
        def folders(self) -> list[Folder]:
            raise error

    with world.sessions() as session:
        stream = mailboxes.get(session, ANNA).streams[0].id
    with capture_logs() as logged:
        run_stream(world.settings, world.sessions, stream, lambda account: Failing(account, world.server))
    (told,) = (event for event in logged if event["event"] == "the run failed")
    assert (told["state"], told["reason"]) == (state, reason)
    with world.sessions() as session:
        due = session.get_one(Stream, stream).due_at.isoformat(timespec="seconds")
    assert told["next_try"] == (due if is_tried_again else "waits for a person")


def test_a_run_notes_the_skew_of_the_servers_clock(world: World) -> None:
    world.server.skew = timedelta(minutes=-15)
    with world.sessions() as session:
        stream = mailboxes.get(session, ANNA).streams[0].id
    run_stream(world.settings, world.sessions, stream, lambda account: MemoryConnector(account, world.server))
    with world.sessions() as session:
        assert session.get_one(Stream, stream).clock_skew == -900


def _host(world: World) -> str:
    return world.receiver.url.split("/")[2]


def _pair(trial: alerting.Trial) -> tuple[str, str]:
    return trial.channel, trial.error


def _inbox(account: exchangelib.Account) -> list[exchangelib.Message]:
    return list(account.inbox.all())
