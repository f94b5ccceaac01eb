"""The numbers for monitoring, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, event

from terracrm.models import (
    Alert,
    Conflict,
    Heartbeat,
    MirrorFolder,
    OutboxItem,
    QuarantinedItem,
    SkippedItem,
    Stream,
    StreamState,
    SyncRun,
)
from terracrm.services import metrics
from terracrm.services.metrics import OutboxNumbers, StreamNumbers
from tests.office import NOW, Office

ANNA = "anna@romashka.example"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def mail(office: Office) -> Stream:
    """Anna's mail, in order and due in a minute."""
    stream = office.mailboxes["anna"].streams[0]
    stream.due_at = NOW + MINUTE
    office.session.flush()
    return stream


def numbers(office: Office, stream: Stream) -> StreamNumbers:
    office.session.flush()
    found = metrics.read(office.session, NOW).streams
    return next(row for row in found if (row.mailbox, row.stream) == (ANNA, stream.kind))


def test_a_stream_in_order_has_no_lag_and_does_not_back_off(office: Office, mail: Stream) -> None:
    assert numbers(office, mail) == StreamNumbers(ANNA, "mail", True, "ok", 240.0, 0.0, 0.0, 0, 0, 0)


def test_a_stream_that_was_never_read_has_no_last_success(office: Office) -> None:
    assert numbers(office, office.mailboxes["anna"].streams[1]).success_age is None


def test_what_is_due_and_not_run_lags(office: Office, mail: Stream) -> None:
    mail.due_at = NOW - 5 * MINUTE
    assert numbers(office, mail).lag == 300.0
    mail.claim, mail.claimed_until = "worker", NOW + MINUTE
    assert numbers(office, mail).lag == 0.0


def test_a_stream_that_failed_says_how_often_and_how_long_it_waits(office: Office, mail: Stream) -> None:
    mail.state, mail.failures = StreamState.BACKOFF, 3
    found = numbers(office, mail)
    assert (found.state, found.failures, found.backoff) == ("backoff", 3, 60.0)


@pytest.mark.parametrize("state", [StreamState.PAUSED, StreamState.CREDENTIALS])
def test_a_stream_that_waits_for_a_person_neither_lags_nor_backs_off(
    office: Office, mail: Stream, state: StreamState
) -> None:
    mail.state, mail.failures, mail.due_at = state, 1, NOW - 5 * MINUTE
    found = numbers(office, mail)
    assert (found.is_on, found.lag, found.backoff) == (True, 0.0, 0.0)


def test_a_mailbox_that_is_off_is_not_waited_for(office: Office, mail: Stream) -> None:
    office.mailboxes["anna"].is_enabled, mail.due_at = False, NOW - 5 * MINUTE
    found = numbers(office, mail)
    assert (found.is_on, found.lag) == (False, 0.0)


def test_sick_items_and_those_to_be_read_again_are_counted(office: Office, mail: Stream) -> None:
    gone = MirrorFolder(stream_id=mail.id, remote_id="gone", gone_at=NOW)
    office.add(gone)
    inbox = mail.folders[0].id
    office.add(
        QuarantinedItem(folder_id=inbox, remote_id="x", error="no sender", next_try_at=NOW),
        SkippedItem(folder_id=inbox, remote_id="y", rule="unknown", is_due=True),
        SkippedItem(folder_id=inbox, remote_id="z", rule="unknown"),
        SkippedItem(folder_id=gone.id, remote_id="y", rule="unknown", is_due=True),
    )
    found = numbers(office, mail)
    assert (found.quarantined, found.skipped_due) == (1, 1)


def test_what_is_owed_to_outlook_is_told_by_mailbox_and_thing(office: Office) -> None:
    box = office.mailboxes["anna"].id
    office.add(
        OutboxItem(mailbox_id=box, entity="contact", local_id=1, owed_since=NOW - 2 * MINUTE),
        OutboxItem(mailbox_id=box, entity="contact", local_id=2, owed_since=NOW + MINUTE),
        OutboxItem(mailbox_id=box, entity="contact", local_id=3, state="given_up", owed_since=NOW - 9 * MINUTE),
        OutboxItem(mailbox_id=box, entity="task", local_id=1, owed_since=NOW + MINUTE),
    )
    assert metrics.read(office.session, NOW).outbox == [
        OutboxNumbers(ANNA, "contact", 1, 1, 120.0),
        OutboxNumbers(ANNA, "task", 0, 0, 0.0),
    ]


def test_only_runs_of_the_last_hour_count(office: Office, mail: Stream) -> None:
    for minutes, outcome, created in ((1, "failed", 0), (2, "failed", 1), (61, "ok", 700)):
        began = NOW - minutes * MINUTE
        office.add(SyncRun(stream_id=mail.id, started_at=began, outcome=outcome, created=created, written=1))
    found = {run.outcome: run for run in metrics.read(office.session, NOW).runs if run.mailbox == ANNA}
    assert {outcome: run.runs for outcome, run in found.items()} == {"failed": 2, "ok": 1}
    assert (found["failed"].items["created"], found["failed"].items["written"]) == (1, 2)
    assert found["ok"].items["created"] == 12


def test_open_conflicts_count_and_those_of_no_mailbox_too(office: Office) -> None:
    values = {"entity": "contact", "entity_id": 1, "field": "notes", "crm_value": "a", "outlook_value": "b"}
    values |= {"winner": "crm", "rule": "latest"}
    box = office.mailboxes["anna"].id
    office.add(*(Conflict(mailbox_id=which, state=state, **values) for which, state in ((box, "open"), (box, "kept"))))
    office.add(Conflict(mailbox_id=None, **values))
    assert metrics.read(office.session, NOW).conflicts == {ANNA: 1, "": 1}


def test_the_daemon_and_open_alerts_are_told(office: Office) -> None:
    assert (metrics.read(office.session, NOW).daemon_age, metrics.read(office.session, NOW).alerts) == (None, {})
    told = {"rule": "gaps", "raised_at": NOW}
    office.add(Heartbeat(name="daemon", at=NOW - MINUTE), Alert(rule="gaps"), Alert(**told), Alert(**told, over_at=NOW))
    found = metrics.read(office.session, NOW)
    assert (found.daemon_age, found.alerts) == (60.0, {"gaps": 1})


def test_the_queue_and_its_broker_are_told(office: Office) -> None:
    assert (metrics.read(office.session, NOW).queued, metrics.read(office.session, NOW).broker_age) == (0, None)
    stream, other = office.mailboxes["anna"].streams[0], office.mailboxes["boris"].streams[0]
    stream.queued_until, other.queued_until = NOW + MINUTE, NOW - MINUTE
    office.add(Heartbeat(name="broker", at=NOW - MINUTE))
    found = metrics.read(office.session, NOW)
    assert (found.queued, found.broker_age) == (1, 60.0)


def test_a_scrape_asks_the_database_eleven_times(office: Office, engine: Engine) -> None:
    asked: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        asked.append(statement)

    assert metrics.read(office.session, NOW).database_bytes > 0
    assert len(asked) == 11
