"""`terracrm health`: every stream in one line, and whether somebody is needed (Y5)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from terracrm.cli.invocation import current
from terracrm.config import Settings
from terracrm.domain import alert_rules
from terracrm.domain.alert_rules import Rule, StreamFacts
from terracrm.models import STOPPED, utcnow
from terracrm.services import access, alerts, mailbox_health
from terracrm.services.mailbox_health import MailboxHealth, StreamHealth

NEEDED = 1


@dataclass(frozen=True, slots=True)
class Line:
    """One stream in the fixed words of --json. Times are ISO 8601 in UTC, `lag` is in seconds."""

    mailbox: str
    stream: str
    enabled: bool
    state: str
    running: bool
    last_success: str | None
    lag: int
    failures: int
    backoff_until: str | None
    next_try: str | None
    reason: str
    quarantined: int
    gaps: int
    owed: int
    given_up: int
    broken_off: int
    needs_somebody: bool


def health(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each stream and line.")] = False,
) -> None:
    """Show each stream: its state, last success, reason and next try, what is set aside, missing, owed and given up.

    Exit code 1 when something needs somebody, for cron and Nagios: what waits for a person, is given up, set aside or
    missing at once; what fails or is late once it has for alerts.after_minutes; no daemon, no message broker; the clock
    of a server.

    Example: terracrm health --json
    """
    settings, now = current().settings, utcnow()
    with current().transaction() as session:
        lines = list(_lines(session, settings, now))
        problems = list(_problems(session, settings, now))
    width = max((len(line.mailbox) for line in lines), default=0)
    for line in lines:
        typer.echo(json.dumps(asdict(line), ensure_ascii=False) if as_json else _words(line, width))
    if not lines and not as_json:
        typer.echo("No mailbox is mirrored: terracrm mailbox add")
    for problem in problems:
        typer.echo(json.dumps({"problem": problem}, ensure_ascii=False) if as_json else f"! {problem}")
    if problems or any(line.needs_somebody for line in lines):
        raise typer.Exit(NEEDED)


def _lines(session: Session, settings: Settings, now: datetime) -> Iterator[Line]:
    boxes = mailbox_health.all_mailboxes(session, access.operator(), now)
    facts = {each.stream_id: each for each in alerts.facts(boxes, now)}
    for box in boxes:
        for stream in box.streams:
            yield _line(box, stream, _needs_somebody(stream, facts[stream.stream.id], settings, now))


def _needs_somebody(health: StreamHealth, facts: StreamFacts, settings: Settings, now: datetime) -> bool:
    after = timedelta(minutes=settings.alerts.after_minutes)
    success = health.stream.last_success_at
    spared = set()
    if success is not None and now - success <= after:
        spared.add(Rule.FAILING)
    if facts.lag <= after:
        spared.add(Rule.LATE)
    rules = {finding.subject.rule for finding in alert_rules.of_streams([facts])} - {Rule.CLOCK}
    return bool(rules - spared)


def _problems(session: Session, settings: Settings, now: datetime) -> Iterator[str]:
    """What is about no single stream."""
    seen, is_missing = alerts.daemon(session, now)
    if is_missing:
        since = f"since {seen:%Y-%m-%d %H:%M} UTC" if seen else "so far"
        yield f"no daemon has been seen {since}: start terracrm daemon"
    for finding in alerts.findings(session, settings, now):
        about = finding.subject.about
        if finding.subject.rule is Rule.CLOCK:
            yield f"{about}: its clock and that of this machine differ by {finding.count} s: set them"
        if finding.subject.rule is Rule.CHANNEL:
            yield f"alerts do not get through by {about}: {finding.reason.rstrip('.')}; then run terracrm alert test"
        if finding.subject.rule is Rule.BROKER:
            yield f"the message broker {about} cannot be reached: no mailbox is read until it can be"


def _line(box: MailboxHealth, health: StreamHealth, needs_somebody: bool) -> Line:
    stream = health.stream
    return Line(
        mailbox=box.mailbox.address,
        stream=stream.kind,
        enabled=health.is_on,
        state=stream.state,
        running=health.is_running,
        last_success=_iso(stream.last_success_at),
        lag=int(health.lag.total_seconds()),
        failures=stream.failures,
        backoff_until=_iso(health.backoff_until),
        next_try=_iso(health.next_run_at),
        reason=stream.last_error,
        quarantined=health.quarantined,
        gaps=stream.gaps,
        owed=health.owed.waiting,
        given_up=health.owed.given_up,
        broken_off=health.broken_off,
        needs_somebody=needs_somebody,
    )


def _words(line: Line, width: int) -> str:
    parts = [f"last success {_short(line.last_success) or 'never'}"]
    if line.enabled and line.state in STOPPED:
        parts.append("waits for a person")
    elif line.running:
        parts.append("running now")
    elif line.backoff_until:
        parts.append(f"{line.failures} failed, backs off until {_short(line.backoff_until)}")
    elif line.next_try:
        parts.append(f"{line.lag} s late" if line.lag else f"next run {_short(line.next_try)}")
    counts = {
        "set aside": line.quarantined,
        "gaps": line.gaps,
        "owed to Outlook": line.owed,
        "given up": line.given_up,
        "runs broken off": line.broken_off,
    }
    parts += [f"{count} {what}" for what, count in counts.items() if count]
    mark = "!" if line.needs_somebody else " "
    state = line.state if line.enabled else "off"
    reason = f": {line.reason}" if line.reason else ""
    return f"{mark} {line.mailbox:<{width}} {line.stream:<8} {state:<11} {', '.join(parts)}{reason}"


def _iso(when: datetime | None) -> str | None:
    return when.isoformat(timespec="seconds") if when else None


def _short(when: str | None) -> str:
    """2026-11-23 14:05 UTC."""
    return f"{datetime.fromisoformat(when):%Y-%m-%d %H:%M} UTC" if when else ""
