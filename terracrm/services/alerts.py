"""What admins should know of: looked for, kept, told, and listed (Y5).

`check` is one look; `terracrm.domain.alert_rules` says what is wrong and when it is told. Nothing is sent here: what is
to be told is written down as messages, in the commit of the look (`alert_messages`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session, joinedload

from terracrm.config import Settings
from terracrm.domain import alert_rules
from terracrm.domain.alert_rules import Finding, Rule, StreamFacts, Subject, Times, Timing, What
from terracrm.errors import Forbidden
from terracrm.models import Alert
from terracrm.services import access, alert_messages, heartbeats, mailbox_health
from terracrm.services.access import Viewer
from terracrm.services.mailbox_health import MailboxHealth, StreamHealth

ENDED_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Event:
    """What a look found to be told."""

    what: What
    alert: Alert


@dataclass(frozen=True, slots=True)
class Page:
    """What an admin sees: `is_daemon_missing` since `daemon_seen`, what is wrong now, what was, and the channels."""

    daemon_seen: datetime | None
    is_daemon_missing: bool
    open: list[Alert]
    ended: list[Alert]
    channels: list[alert_messages.ChannelState]


def check(session: Session, settings: Settings, now: datetime, also: Iterable[Finding] = ()) -> list[Event]:
    """Look once: write down what has begun, lasts and has ended, and the messages that tell it.

    `also` is what is wrong beyond the tables. Where another daemon has just looked, nothing is done. The caller
    commits.
    """
    before = heartbeats.last(session, heartbeats.ALERTS)
    if not heartbeats.take_turn(session, heartbeats.ALERTS, now, alert_messages.TURN):
        return []
    found = {finding.subject: finding for finding in (*findings(session, settings, now), *also)}
    known = {_subject(row): row for row in session.scalars(select(Alert).where(Alert.cleared_at.is_(None)))}
    if before is None or now - before > heartbeats.MISSED:
        _start_anew(known.values(), now)
    times = alert_rules.timing(settings.alerts.after_minutes, settings.alerts.repeat_hours)
    steps = (
        _step(session, subject, found.get(subject), known.get(subject), now, times) for subject in {**known, **found}
    )
    events = [event for event in steps if event is not None]
    if any(event.what is What.LASTS for event in events):
        events += _with_them(known.values(), events, now)
    session.flush()
    for channel in settings.alerts.channels:
        told = [event for event in events if may_go_through(event.alert, channel, settings)]
        alert_messages.add(session, channel, [(event.alert.id, event.what) for event in told], now)
    return events


def findings(session: Session, settings: Settings, now: datetime) -> list[Finding]:
    """What the tables say is wrong: with streams, servers, the channels that tell it, and the broker."""
    boxes = mailbox_health.all_mailboxes(session, access.operator(), now)
    found = list(alert_rules.of_streams(facts(boxes, now)))
    for state in alert_messages.channels(session, settings):
        if state.is_broken:
            found.append(Finding(Subject(Rule.CHANNEL, about=state.channel), reason=state.error))
    if is_broker_missing(session, settings, now):
        found.append(Finding(Subject(Rule.BROKER, about=settings.sync.broker)))
    return found


def facts(boxes: Iterable[MailboxHealth], now: datetime) -> list[StreamFacts]:
    """All streams of these mailboxes as the rules see them."""
    return [_facts(box, stream, now) for box in boxes for stream in box.streams]


def may_go_through(alert: Alert, channel: str, settings: Settings) -> bool:
    """Not through what is broken itself: the mail about a mailbox that cannot send would not leave it."""
    if alert.rule == Rule.CHANNEL:
        return alert.about != channel
    if channel != alert_messages.MAIL or alert.rule not in alert_rules.KEEPS_FROM_SENDING:
        return True
    return alert.mailbox is None or alert.mailbox.address != settings.alerts.mail_from


def page(session: Session, viewer: Viewer, settings: Settings, now: datetime) -> Page:
    """All of it for who configures; Forbidden for others."""
    if not viewer.configures and viewer.role != access.OPERATOR:
        raise Forbidden("This role does not look after the mailboxes.")
    ended = _alerts(Alert.cleared_at.is_not(None)).order_by(Alert.cleared_at.desc(), Alert.id.desc())
    seen, is_missing = daemon(session, now)
    return Page(
        seen,
        is_missing,
        current(session, viewer),
        list(session.scalars(ended.limit(ENDED_SHOWN))),
        alert_messages.channels(session, settings),
    )


def current(session: Session, viewer: Viewer) -> list[Alert]:
    """What was raised and is not over, the latest first; nothing for who does not configure."""
    if not viewer.configures and viewer.role != access.OPERATOR:
        return []
    query = _alerts(Alert.cleared_at.is_(None), Alert.raised_at.is_not(None), Alert.over_at.is_(None))
    return list(session.scalars(query.order_by(Alert.raised_at.desc(), Alert.id.desc())))


def daemon(session: Session, now: datetime) -> tuple[datetime | None, bool]:
    """When a daemon was last seen, and whether one is missing: streams are due and nobody runs them."""
    seen = heartbeats.last(session, heartbeats.DAEMON)
    if seen is not None and now - seen <= heartbeats.MISSED:
        return seen, False
    boxes = mailbox_health.all_mailboxes(session, access.operator(), now)
    return seen, any(stream.lag > heartbeats.MISSED for box in boxes for stream in box.streams)


def is_broker_missing(session: Session, settings: Settings, now: datetime) -> bool:
    """Whether a daemon is at work and has not reached the message broker for a while."""
    if settings.sync.engine != "celery":
        return False
    seen, met = heartbeats.last(session, heartbeats.DAEMON), heartbeats.last(session, heartbeats.BROKER)
    is_at_work = seen is not None and now - seen <= heartbeats.MISSED
    return is_at_work and (met is None or now - met > heartbeats.BROKER_MISSED)


def _alerts(*conditions: ColumnElement[bool]) -> Select[Alert]:
    return select(Alert).options(joinedload(Alert.mailbox), joinedload(Alert.stream)).where(*conditions)


def _facts(box: MailboxHealth, health: StreamHealth, now: datetime) -> StreamFacts:
    stream, owed = health.stream, health.owed
    return StreamFacts(
        mailbox_id=box.mailbox.id,
        mailbox=box.mailbox.address,
        stream_id=stream.id,
        server=urlsplit(box.mailbox.server).netloc[:255],
        is_on=health.is_on,
        state=stream.state,
        failures=stream.failures,
        error=stream.last_error,
        lag=health.lag,
        quarantined=health.quarantined,
        gaps=stream.gaps,
        given_up=owed.given_up,
        owed=owed.waiting,
        owed_for=max(now - owed.since, timedelta()) if owed.since else timedelta(),
        broken_off=health.broken_off,
        clock_skew=stream.clock_skew,
    )


def _start_anew(known: Iterable[Alert], now: datetime) -> None:
    """Nobody looked for a while: what was not told yet has not lasted meanwhile, as far as is known."""
    for alert in known:
        if alert.raised_at is None:
            alert.since = now


def _step(
    session: Session, subject: Subject, finding: Finding | None, alert: Alert | None, now: datetime, timing: Timing
) -> Event | None:
    times, what = alert_rules.step(subject.rule, finding is not None, _times(alert), now, timing)
    if times is None:
        if alert is not None:
            session.delete(alert)
        return None
    if alert is None:
        alert = Alert(
            rule=subject.rule, mailbox_id=subject.mailbox_id, stream_id=subject.stream_id, about=subject.about
        )
        session.add(alert)
    if finding is not None:
        alert.count, alert.message = finding.count, finding.reason
    alert.since, alert.raised_at, alert.told_at = times.since, times.raised_at, times.told_at
    alert.over_at, alert.cleared_at = times.over_at, times.cleared_at
    return Event(what, alert) if what else None


def _with_them(known: Iterable[Alert], events: Sequence[Event], now: datetime) -> list[Event]:
    """When one is told again, all that last are: they are then told together from now on."""
    told = {event.alert.id for event in events}
    more = [row for row in known if row.raised_at and not row.over_at and row.id not in told]
    for row in more:
        row.told_at = now
    return [Event(What.LASTS, row) for row in more]


def _subject(alert: Alert) -> Subject:
    return Subject(Rule(alert.rule), alert.mailbox_id, alert.stream_id, alert.about)


def _times(alert: Alert | None) -> Times | None:
    if alert is None:
        return None
    return Times(alert.since, alert.raised_at, alert.told_at, alert.over_at, alert.cleared_at)
