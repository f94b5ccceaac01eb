"""Which troubles admins are told of, and when: named rules, and one step in the life of an alert (Y5). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from terracrm.domain.addresses import normalise


class Rule(StrEnum):
    """What can be wrong; docs/administration.md has them as a table."""

    CREDENTIALS = "credentials"
    APPROVAL = "approval"
    PAUSED = "paused"
    FAILING = "failing"
    LATE = "late"
    BROKEN_OFF = "broken_off"
    QUARANTINE = "quarantine"
    GAPS = "gaps"
    GIVEN_UP = "given_up"
    OUTBOX = "outbox"
    CLOCK = "clock"
    DISK = "disk"
    DATABASE = "database"
    BROKER = "broker"
    CHANNEL = "channel"


WAITS_FOR_A_PERSON = {"credentials": Rule.CREDENTIALS, "approval": Rule.APPROVAL, "paused": Rule.PAUSED}
"""The states of a stream in which it waits for a person, by `StreamState`."""
AT_ONCE = frozenset({*WAITS_FOR_A_PERSON.values(), Rule.BROKEN_OFF, Rule.OUTBOX, Rule.DISK, Rule.BROKER, Rule.CHANNEL})
"""Told as soon as they are noticed: nothing of this mends itself, or it has lasted for long already."""
KEEPS_FROM_SENDING = frozenset({Rule.CREDENTIALS, Rule.PAUSED, Rule.FAILING})
"""Of the mailbox that sends the mails these are not told by mail."""

CLOCK_SKEW = timedelta(minutes=2)
OUTBOX_AGE = timedelta(hours=2)
BROKEN_OFF_TIMES = 3
LOW_DISK_BYTES = 500 * 2**20
OUTAGE_AFTER = timedelta(minutes=2)
"""Nothing goes on without the database: it is told after this, whatever the settings say."""
SHORTEST_QUIET = timedelta(minutes=10)
REASON_CHARS = 300

_QUOTED = re.compile(r"(?<!\w)'[^']*'(?!\w)|\"[^\"]*\"|«[^»]*»|“[^”]*”")
_ADDRESS = re.compile(r"[^\s<>()\[\]{},;:'\"]+@[^\s<>()\[\]{},;:'\"]+")


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """A stream as it is now. `server` is the host behind it, `lag` for how long it has been due without being run.

    `given_up` writes were given up; `owed_for` is the age of the oldest of the `owed` ones. `broken_off` runs have died
    since the last one that went well. `clock_skew` is in seconds.
    """

    mailbox_id: int
    mailbox: str
    stream_id: int
    server: str
    is_on: bool
    state: str
    failures: int = 0
    error: str = ""
    lag: timedelta = timedelta()
    quarantined: int = 0
    gaps: int = 0
    given_up: int = 0
    owed: int = 0
    owed_for: timedelta = timedelta()
    broken_off: int = 0
    clock_skew: int | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What an alert is about: there is at most one open alert of it."""

    rule: Rule
    mailbox_id: int | None = None
    stream_id: int | None = None
    about: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something is wrong now: `count` of them, where the rule counts; `reason` in the words of the log."""

    subject: Subject
    count: int = 0
    reason: str = ""


class What(StrEnum):
    """What is told of an alert."""

    RAISED = "raised"
    LASTS = "lasts"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Times:
    """An alert's life: noticed, told first, told last, gone, told as gone."""

    since: datetime
    raised_at: datetime | None = None
    told_at: datetime | None = None
    over_at: datetime | None = None
    cleared_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """What the settings say: told when it has lasted for `after`, again every `repeat` (None: never)."""

    after: timedelta
    repeat: timedelta | None

    @property
    def quiet(self) -> timedelta:
        """For how long it must be gone before its end is told: what comes and goes is one alert."""
        return max(self.after, SHORTEST_QUIET)

    def wait(self, rule: Rule) -> timedelta:
        """For how long this must last before it is told."""
        if rule is Rule.DATABASE:
            return OUTAGE_AFTER
        return timedelta() if rule in AT_ONCE else self.after


def timing(after_minutes: int, repeat_hours: int) -> Timing:
    """From the settings of the same names."""
    return Timing(timedelta(minutes=after_minutes), timedelta(hours=repeat_hours) if repeat_hours else None)


def step(
    rule: Rule, is_there: bool, known: Times | None, now: datetime, timing: Timing
) -> tuple[Times | None, What | None]:
    """What becomes of an alert at this look, and what is told of it; None: there is none, or it is forgotten untold."""
    if not is_there:
        if known is None or known.raised_at is None:
            return None, None
        gone = replace(known, over_at=known.over_at or now)
        if now - (gone.over_at or now) < timing.quiet:
            return gone, None
        return replace(gone, cleared_at=now), What.ENDED
    known = replace(known or Times(now), over_at=None)
    if known.raised_at is None:
        if now - known.since < timing.wait(rule):
            return known, None
        return replace(known, raised_at=now, told_at=now), What.RAISED
    if timing.repeat and known.told_at and now - known.told_at >= timing.repeat:
        return replace(known, told_at=now), What.LASTS
    return known, None


def of_streams(streams: Iterable[StreamFacts]) -> Iterator[Finding]:
    """What is wrong with the streams that somebody wants to run, and with the clocks of their servers."""
    skews: dict[str, int] = {}
    for stream in streams:
        if not stream.is_on:
            continue
        yield from _of_stream(stream)
        skew = stream.clock_skew or 0
        if abs(skew) > max(abs(skews.get(stream.server, 0)), CLOCK_SKEW.total_seconds()):
            skews[stream.server] = skew
    for server, skew in skews.items():
        yield Finding(Subject(Rule.CLOCK, about=server), abs(skew))


def safe_reason(text: str, mailbox: str = "") -> str:
    """A reason that may leave the house: what is quoted in it, and any address but the mailbox's own, is blanked."""
    found = _QUOTED.sub("…", text)
    found = _ADDRESS.sub(lambda match: match[0] if normalise(match[0].rstrip(".")) == mailbox else "…", found)
    return found if len(found) <= REASON_CHARS else f"{found[: REASON_CHARS - 1]}…"


def _of_stream(stream: StreamFacts) -> Iterator[Finding]:
    def found(rule: Rule, count: int = 0, reason: str = "") -> Finding:
        subject = Subject(rule, stream.mailbox_id, stream.stream_id)
        return Finding(subject, count, safe_reason(reason, stream.mailbox))

    waits = WAITS_FOR_A_PERSON.get(stream.state)
    if waits:
        yield found(waits, reason=stream.error)
    elif stream.failures:
        yield found(Rule.FAILING, stream.failures, stream.error)
    elif stream.lag > timedelta():
        yield found(Rule.LATE)
    if stream.broken_off >= BROKEN_OFF_TIMES:
        yield found(Rule.BROKEN_OFF, stream.broken_off)
    counted = {Rule.QUARANTINE: stream.quarantined, Rule.GAPS: stream.gaps, Rule.GIVEN_UP: stream.given_up}
    yield from (found(rule, count) for rule, count in counted.items() if count)
    # While a stream waits or fails, that says already why nothing is written.
    if stream.owed and stream.owed_for > OUTBOX_AGE and not waits and not stream.failures:
        yield found(Rule.OUTBOX, stream.owed)
