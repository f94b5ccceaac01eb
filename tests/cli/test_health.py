"""`terracrm health` and `terracrm alert`: what an admin and cron read (Y5)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from connectors.simulator.simulator import Simulator
from terracrm import db
from terracrm.models import (
    Alert,
    Heartbeat,
    Mailbox,
    MirrorFolder,
    OutboxItem,
    QuarantinedItem,
    Stream,
    SyncRun,
    utcnow,
)
from tests.cli.conftest import Terracrm

ANNA, BORIS = "anna@romashka.example", "boris@romashka.example"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
Rows = Callable[..., None]


@pytest.fixture
def rows(folder: Path, migrated_sqlite: Path) -> Rows:
    """`rows(row, ..., state="ok")`: Anna's mailbox with one stream that is like this, and more rows; a span of time
    stands for what is then that far from now.
    """
    path = folder / "var/terracrm.db"
    path.parent.mkdir()
    shutil.copy(migrated_sqlite, path)
    engine = db.make_engine(f"sqlite:///{path}")
    with Session(engine) as session, session.begin():
        box = Mailbox(address=ANNA, server="https://mail.example", username="anna", is_enabled=True)
        session.add(box)
        box.streams.append(Stream(kind="mail"))

    def change(*made: object, **values: object) -> None:
        with Session(engine) as session, session.begin():
            given = {"state": "ok", "due_at": HOUR, "last_success_at": -MINUTE, **values}
            now = utcnow()
            at = {name: now + value if isinstance(value, timedelta) else value for name, value in given.items()}
            session.execute(update(Stream).values(at))
            for row in made:
                session.add(row)
                session.flush()
        engine.dispose()

    return change


# name: what the stream is like, the exit code, what its line says
LINES: dict[str, tuple[dict[str, object], int, list[str]]] = {
    "in order": ({}, 0, ["  anna@romashka.example mail     ok", "last success 20", "next run 20"]),
    "never run": ({"state": "new", "last_success_at": None}, 0, [" new ", "last success never"]),
    "backs off since a minute": (
        {"state": "backoff", "failures": 2, "last_error": "The server is away."},
        0,
        ["  anna", "backoff", "2 failed, backs off until 20", ": The server is away."],
    ),
    "backs off since an hour": (
        {"state": "backoff", "failures": 9, "last_error": "Away.", "last_success_at": -HOUR},
        1,
        ["! anna", "9 failed", ": Away."],
    ),
    "an unexpected error": (
        {"state": "degraded", "failures": 1, "last_error": "an unexpected error", "last_success_at": None},
        1,
        ["! anna", "degraded", "backs off until"],
    ),
    "a wrong password": (
        {"state": "credentials", "failures": 1, "last_error": "Refused."},
        1,
        ["! anna", "credentials", "waits for a person: Refused."],
    ),
    "the brake": (
        {"state": "approval", "last_error": "Too much."},
        1,
        ["! anna", "approval", "waits for a person: Too"],
    ),
    "paused": ({"state": "paused", "last_error": "No EWS."}, 1, ["! anna", "paused", "waits for a person: No EWS."]),
    "gaps": ({"state": "degraded", "gaps": 3}, 1, ["! anna", "degraded", "3 gaps"]),
    "a little late": ({"due_at": -MINUTE}, 0, ["  anna", " s late"]),
    "running": (
        {"claim": "w", "claimed_until": HOUR, "due_at": -HOUR},
        0,
        ["  anna", "running now"],
    ),
    "off": ({"direction": "off", "state": "credentials"}, 0, ["  anna", " off "]),
}


@pytest.mark.parametrize("name", LINES)
def test_the_state_the_reason_and_the_next_try_are_in_one_line(name: str, terracrm: Terracrm, rows: Rows) -> None:
    values, code, words = LINES[name]
    rows(**values)
    shown = terracrm("health")
    assert (shown.code, len(shown.out.splitlines())) == (code, 1), shown.out
    assert [word for word in words if word not in shown.out] == []


def test_what_is_set_aside_owed_and_given_up_is_counted(terracrm: Terracrm, rows: Rows) -> None:
    inbox = MirrorFolder(stream_id=1, remote_id="inbox")
    rows(inbox, kind="contacts", direction="both")
    sick = QuarantinedItem(folder_id=1, remote_id="x", error="sick", next_try_at=utcnow())
    owed = [OutboxItem(mailbox_id=1, entity="contact", local_id=n, state=s) for n, s in enumerate(("owed", "given_up"))]
    broken = [SyncRun(stream_id=1, outcome="broken_off", started_at=utcnow()) for _ in range(3)]
    rows(sick, *owed, *broken, kind="contacts", direction="both")
    shown = terracrm("health")
    assert shown.code == 1
    assert "1 set aside, 1 owed to Outlook, 1 given up, 3 runs broken off" in shown.out
    line = json.loads(terracrm("health", "--json").out)
    assert line["mailbox"] == ANNA
    assert [line[name] for name in ("quarantined", "owed", "given_up", "broken_off")] == [1, 1, 1, 3]
    assert (line["needs_somebody"], line["gaps"], line["state"]) == (True, 0, "ok")


def test_a_missing_daemon_and_a_wrong_clock_need_somebody(terracrm: Terracrm, rows: Rows) -> None:
    rows(Heartbeat(name="daemon", at=utcnow() - HOUR), clock_skew=-600)
    shown = terracrm("health")
    assert shown.code == 1
    assert "differ by 600 s" in shown.out
    rows(due_at=utcnow() - 10 * MINUTE, clock_skew=0)
    shown = terracrm("health")
    assert (shown.code, "! no daemon has been seen since 20" in shown.out) == (1, True)
    problem = json.loads(terracrm("health", "--json").out.splitlines()[-1])
    assert problem["problem"].endswith("start terracrm daemon")


def test_without_mailboxes_nothing_is_wrong(terracrm: Terracrm) -> None:
    shown = terracrm("health")
    assert (shown.code, shown.out) == (0, "No mailbox is mirrored: terracrm mailbox add\n")


def test_a_trial_says_what_happened(
    terracrm: Terracrm, simulator: Simulator, password_file: Path, folder: Path
) -> None:
    terracrm("mailbox", "add", ANNA, "--server", simulator.url, "--username", ANNA, "--password-file", password_file)
    terracrm("mailbox", "enable", ANNA)
    none = terracrm("alert", "test")
    assert (none.code, "alerts.mail_to" in none.err) == (2, True)
    config = folder / "config.toml"
    config.write_text(f'[alerts]\nmail_to = ["{BORIS}"]\nmail_from = "{ANNA}"\n')
    sent = terracrm("alert", "test")
    assert (sent.code, sent.out) == (0, f"mail: sent to {BORIS}\n")
    box = simulator.store.mailboxes.find(BORIS)
    rows = simulator.store.items.in_folder(simulator.store.folders.distinguished(box, "inbox"))
    assert len(rows) == 1
    config.write_text(config.read_text() + 'webhook_url = "http://127.0.0.1:1/hooks/kept-secret"\n')
    partly = terracrm("alert", "test")
    assert (partly.code, partly.err) == (3, "Error: webhook: 127.0.0.1:1 cannot be reached.\n")
    shown = terracrm("alert", "list")
    assert "Nothing is wrong." in shown.out
    assert "! webhook does not get through: 127.0.0.1:1 cannot be reached." in shown.out
    assert "kept-secret" not in shown.out + partly.out
    assert "alerts do not get through by webhook" in terracrm("health").out
    config.write_text(f'[alerts]\nmail_to = ["{BORIS}"]\nmail_from = "nobody@romashka.example"\n')
    refused = terracrm("alert", "test")
    assert (refused.code, "there is no mailbox nobody@romashka.example" in refused.err) == (1, True)


def test_alerts_are_listed(terracrm: Terracrm, rows: Rows) -> None:
    wrong = Alert(
        rule="credentials", mailbox_id=1, stream_id=1, message="Refused.", raised_at=utcnow(), told_at=utcnow()
    )
    over = Alert(
        rule="clock", about="mail.example", count=900, raised_at=utcnow(), over_at=utcnow(), cleared_at=utcnow()
    )
    rows(wrong, over, Alert(rule="failing", mailbox_id=1, stream_id=1))
    shown = terracrm("alert", "list")
    assert len(shown.out.splitlines()) == 2
    assert shown.out.startswith(f"{ANNA} mail: cannot sign in, since 20")
    assert "Only the log and the portal are told" in shown.out
    assert "mail.example: its clock is wrong by 900 seconds" in terracrm("alert", "list", "--ended").out
    (row,) = map(json.loads, terracrm("alert", "list", "--json").out.splitlines())
    assert (row["rule"], row["mailbox"], row["stream"], row["reason"]) == ("credentials", ANNA, "mail", "Refused.")


def test_the_doctor_looks_at_the_channels(terracrm: Terracrm, rows: Rows, folder: Path) -> None:
    (folder / "config.toml").write_text('[alerts]\nmail_to = ["a@b.example"]\nmail_from = "nobody@romashka.example"\n')
    rows()
    found = terracrm("doctor", "--offline").out
    assert "alerts:\n  - alerts.mail_from: there is no mailbox nobody@romashka.example" in found


@pytest.mark.parametrize(
    ("written", "mistakes"),
    [
        ('[sync]\nbrake_items = "x"\nno_setting = 1\n', ["sync.brake_items: must be", "sync.no_setting: unknown"]),
        ('[paths]\ndata_dir = "/proc/none"\n', ["paths.data_dir: /proc/none cannot be made"]),
    ],
)
def test_the_doctor_says_each_mistake_of_the_settings_once(
    terracrm: Terracrm, folder: Path, written: str, mistakes: list[str]
) -> None:
    (folder / "config.toml").write_text(written)
    found = terracrm("doctor")
    assert (found.code, found.err) == (1, "")
    *_, title = found.out.splitlines()[: -len(mistakes)]
    assert title == "settings:"
    for line, mistake in zip(found.out.splitlines()[-len(mistakes) :], mistakes, strict=True):
        assert line.startswith(f"  - {mistake}")


def test_the_doctor_asks_the_message_broker(terracrm: Terracrm, folder: Path) -> None:
    (folder / "config.toml").write_text(
        '[database]\nurl = "postgresql://crm@127.0.0.1:1/crm"\n'
        '[sync]\nengine = "celery"\nbroker_url = "redis://:s3cret@127.0.0.1:1/0"\n'
    )
    found = terracrm("doctor", "--offline")
    assert "message broker:\n  - The message broker 127.0.0.1:1 cannot be reached" in found.out
    assert (found.code, "s3cret" in found.out + found.err) == (1, False)


def test_health_says_that_the_message_broker_is_away(
    terracrm: Terracrm, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows(Heartbeat(name="daemon", at=utcnow()))
    assert terracrm("health").code == 0
    monkeypatch.setattr("terracrm.services.alerts.is_broker_missing", lambda *_: True)
    found = terracrm("health")
    assert (found.code, "! the message broker" in found.out) == (1, True)
