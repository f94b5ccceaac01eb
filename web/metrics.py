"""The numbers for Prometheus (G4): read from the database at each scrape, for whoever shows the token."""

from __future__ import annotations

import hmac
from collections.abc import Iterator

from flask import Blueprint, Response, abort, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from pydantic import SecretStr

from terracrm.domain.alert_rules import Rule
from terracrm.models import StreamState, utcnow
from terracrm.services import metrics
from terracrm.services.metrics import Numbers
from web.configured import settings
from web.database import session
from web.signed_in import public

pages = Blueprint("metrics", __name__)

OF_STREAM = ("mailbox", "stream")


class NumbersCollector(Collector):
    """The families of metrics that say one set of numbers. Nothing is kept between scrapes."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Each family once, with all its samples."""
        yield from self._streams()
        yield from self._outbox()
        yield from self._runs()
        conflicts = _gauge("conflicts_open", "Conflicts that nobody has decided, by mailbox.", ("mailbox",))
        for address, count in self._numbers.conflicts.items():
            conflicts.add_metric([address], count)
        yield conflicts
        told = _gauge("mailbox_told_at_once", "Whether the mailbox tells of its changes by itself.", ("mailbox",))
        for address, is_told in self._numbers.told_at_once.items():
            told.add_metric([address], is_told)
        yield told
        size = _gauge("database_size_bytes", "The size of the database.")
        size.add_metric([], self._numbers.database_bytes)
        yield size
        daemon = _gauge("daemon_seen_age_seconds", "The time since a daemon was seen at work.")
        if self._numbers.daemon_age is not None:
            daemon.add_metric([], self._numbers.daemon_age)
        yield daemon
        queued = _gauge("streams_queued", "Streams on the queue of the distributed engine.")
        queued.add_metric([], self._numbers.queued)
        yield queued
        broker = _gauge("broker_seen_age_seconds", "The time since the message broker was reached.")
        if self._numbers.broker_age is not None:
            broker.add_metric([], self._numbers.broker_age)
        yield broker
        alerts = _gauge("alerts_open", "Alerts that were told and last, by rule.", ("rule",))
        for rule in Rule:
            alerts.add_metric([rule], self._numbers.alerts.get(rule, 0))
        yield alerts

    def _streams(self) -> Iterator[GaugeMetricFamily]:
        state = _gauge("stream_state", "1 for the state the stream is in, 0 for the others.", (*OF_STREAM, "state"))
        is_on = _gauge("stream_enabled", "Whether the stream is to run at all.", OF_STREAM)
        age = _gauge("stream_last_success_age_seconds", "The time since the last run that went well.", OF_STREAM)
        lag = _gauge("stream_lag_seconds", "For how long the stream has been due without being run.", OF_STREAM)
        backoff = _gauge("stream_backoff_seconds", "How long the stream still waits after a failure.", OF_STREAM)
        failures = _gauge("stream_failures", "How many runs in a row have failed.", OF_STREAM)
        quarantined = _gauge("stream_quarantined_items", "Items that could not be processed.", OF_STREAM)
        due = _gauge("stream_skipped_due_items", "Items left out before that are to be read again.", OF_STREAM)
        for stream in self._numbers.streams:
            labels = [stream.mailbox, stream.stream]
            for name in StreamState:
                state.add_metric([*labels, name], name == stream.state)
            is_on.add_metric(labels, stream.is_on)
            if stream.success_age is not None:
                age.add_metric(labels, stream.success_age)
            lag.add_metric(labels, stream.lag)
            backoff.add_metric(labels, stream.backoff)
            failures.add_metric(labels, stream.failures)
            quarantined.add_metric(labels, stream.quarantined)
            due.add_metric(labels, stream.skipped_due)
        yield from (state, is_on, age, lag, backoff, failures, quarantined, due)

    def _outbox(self) -> Iterator[GaugeMetricFamily]:
        labels = ("mailbox", "entity")
        owed = _gauge("outbox_owed_items", "What is to be written into Outlook by now.", labels)
        given_up = _gauge("outbox_given_up_items", "What could not be written into Outlook.", labels)
        oldest = _gauge("outbox_oldest_seconds", "For how long the oldest write has been owed.", labels)
        for row in self._numbers.outbox:
            owed.add_metric([row.mailbox, row.entity], row.owed)
            given_up.add_metric([row.mailbox, row.entity], row.given_up)
            oldest.add_metric([row.mailbox, row.entity], row.oldest)
        yield from (owed, given_up, oldest)

    def _runs(self) -> Iterator[GaugeMetricFamily]:
        runs = _gauge("runs_last_hour", "Runs that began in the last hour, by outcome.", (*OF_STREAM, "outcome"))
        items = _gauge("items_last_hour", "What runs of the last hour did with items.", (*OF_STREAM, "action"))
        done: dict[tuple[str, str, str], int] = {}
        for row in self._numbers.runs:
            runs.add_metric([row.mailbox, row.stream, row.outcome], row.runs)
            for action, count in row.items.items():
                key = (row.mailbox, row.stream, action)
                done[key] = done.get(key, 0) + count
        for labels, count in done.items():
            items.add_metric(labels, count)
        yield from (runs, items)


@pages.get("/metrics")
@public
def show() -> Response:
    """The numbers as text for Prometheus; 404 where no token is set, 401 for who does not show it."""
    token = settings().web.metrics_token
    if token is None:
        abort(404)
    if not _is_shown(token):
        return Response("show the token: Authorization: Bearer TOKEN\n", 401, {"WWW-Authenticate": "Bearer"})
    registry = CollectorRegistry(auto_describe=False)
    registry.register(NumbersCollector(metrics.read(session(), utcnow())))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _is_shown(token: SecretStr) -> bool:
    """Whether the request has the token; how long this takes says nothing about it."""
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    is_same = hmac.compare_digest(shown.strip().encode(), token.get_secret_value().encode())
    return is_same and scheme.lower() == "bearer"


def _gauge(name: str, documentation: str, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"terracrm_{name}", documentation, labels=labels)
