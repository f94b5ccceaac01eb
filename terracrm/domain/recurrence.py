"""The occurrences of a recurring meeting (S3): by wall clock in the zone of the series, inside a window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from dateutil.rrule import rrule, rruleset, rrulestr

from terracrm.domain.zones import from_wall_clock, wall_clock

_DAY = timedelta(days=1)
_FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_BEGIN_OF_TIME = datetime(1, 1, 3)  # noqa: DTZ001 - wall clocks have no zone
_END_OF_TIME = datetime(9999, 12, 29)  # noqa: DTZ001


def starts_between(rule: str, start: datetime, zone: tzinfo, first: datetime, until: datetime) -> list[datetime]:
    """The starts, in UTC, of the occurrences from `first` to before `until`, in their order.

    `rule` is an RRULE that repeats by days, weeks, months or years, `start` the start of the series. An occurrence at
    ten o'clock is at ten when the clocks have changed. A rule that cannot be read leaves the start alone. Endless
    rules are fast however long ago they began.
    """
    return list(_starts(rule, start, zone, first, until))


def ends_before(rule: str, start: datetime, zone: tzinfo, moment: datetime) -> bool:
    """Whether no occurrence starts at this moment or later."""
    parts = _parts(rule)
    if "COUNT" not in parts and "UNTIL" not in parts:
        return not parts and start < moment
    return next(_starts(rule, start, zone, moment, _END_OF_TIME.replace(tzinfo=UTC)), None) is None


def _starts(rule: str, start: datetime, zone: tzinfo, first: datetime, until: datetime) -> Iterator[datetime]:
    begin = wall_clock(start, zone)
    # A day more on either side: wall clocks and UTC differ by up to 14 hours, and by one more when clocks change.
    near = max(wall_clock(first, zone), _BEGIN_OF_TIME) - _DAY
    last = min(wall_clock(until, zone), _END_OF_TIME) + _DAY
    repeats = _rule(rule, begin, zone, near)
    for local in [begin] if repeats is None else repeats:
        if local > last:
            return
        moment = from_wall_clock(local, zone)
        if first <= moment < until:
            yield moment


def _rule(rule: str, begin: datetime, zone: tzinfo, near: datetime) -> rrule | rruleset | None:
    """The rule in local time, from an occurrence at or before `near` on; None where it cannot be read."""
    parts = _parts(rule)
    if not parts:
        return None
    if "UNTIL" in parts:
        parts["UNTIL"] = _local_end(parts["UNTIL"], zone)
    text = ";".join(f"{name}={value}" for name, value in parts.items())
    try:
        return rrulestr(text, dtstart=_moved_up(parts, begin, near))
    except (ValueError, TypeError, KeyError):
        return None


@lru_cache(maxsize=1024)
def _read(rule: str) -> tuple[tuple[str, str], ...]:
    pairs = (part.partition("=") for part in rule.upper().removeprefix("RRULE:").split(";") if part)
    return tuple((name.strip(), value.strip()) for name, _, value in pairs)


def _parts(rule: str) -> dict[str, str]:
    """The parts of a rule by their names, nothing for one that does not repeat by days or longer."""
    parts = dict(_read(rule))
    if parts.get("FREQ") not in _FREQUENCIES or parts.keys() & {"BYHOUR", "BYMINUTE", "BYSECOND"}:
        return {}
    if not parts.get("INTERVAL", "1").isdigit() or int(parts.get("INTERVAL", "1")) < 1:
        parts["INTERVAL"] = "1"
    return parts


def _local_end(until: str, zone: tzinfo) -> str:
    """UNTIL as local time: a date counts with its whole day."""
    try:
        if "T" not in until:
            moment = datetime.combine(datetime.strptime(until, "%Y%m%d"), time.max)  # noqa: DTZ007 - local
        elif until.endswith("Z"):
            moment = wall_clock(datetime.strptime(until, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC), zone)
        else:
            return until
    except ValueError:
        return until
    return moment.strftime("%Y%m%dT%H%M%S")


def _moved_up(parts: dict[str, str], begin: datetime, near: datetime) -> datetime:
    """A later beginning that gives the same occurrences from `near` on, where the rule allows for one.

    It is whole intervals after the first, so that "every second week" stays in step, and one interval before the
    window, so that the part of its week or month that lies before it is not missed.
    """
    if "COUNT" in parts or near <= begin:
        return begin
    interval = int(parts.get("INTERVAL", "1"))
    if parts["FREQ"] in ("DAILY", "WEEKLY"):
        step = timedelta(days=interval * (7 if parts["FREQ"] == "WEEKLY" else 1))
        return begin + max((near - begin) // step - 1, 0) * step
    names_day = "BYDAY" in parts or "BYMONTHDAY" in parts
    if not names_day or (parts["FREQ"] == "YEARLY" and "BYMONTH" not in parts):
        return begin
    step_months = interval * (12 if parts["FREQ"] == "YEARLY" else 1)
    months = (near.year - begin.year) * 12 + near.month - begin.month
    skipped = (months // step_months - 1) * step_months
    if skipped <= 0:
        return begin
    year, month = divmod(begin.year * 12 + begin.month - 1 + skipped, 12)
    return begin.replace(year=year, month=month + 1, day=1)


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a rule says, for people: every `interval` units of `frequency`, on these days.

    `weekdays` count from Monday = 0; with `position` (1 to 4, -1 for the last) they are that one of the month.
    `day` is one of the month, 31 the last of it. `count` or `until` is where it ends, if it does.
    """

    frequency: str
    interval: int = 1
    weekdays: tuple[int, ...] = ()
    position: int | None = None
    day: int | None = None
    month: int | None = None
    count: int | None = None
    until: date | None = None


def pattern_of(rule: str, start: datetime, zone: tzinfo) -> Pattern | None:
    """The pattern of a rule; None for one that cannot be read, or says more than a pattern does."""
    parts = _parts(rule)
    begin = wall_clock(start, zone)
    try:
        position, weekdays = _weekdays(parts)
        days = [int(day) for day in parts.get("BYMONTHDAY", "").split(",") if day]
        end = _local_end(parts["UNTIL"], zone)[:8] if "UNTIL" in parts else ""
        found = Pattern(
            frequency=parts["FREQ"],
            interval=int(parts.get("INTERVAL", "1")),
            weekdays=weekdays,
            position=position,
            day=days[-1] if days else None,
            month=int(parts["BYMONTH"]) if "BYMONTH" in parts else None,
            count=int(parts["COUNT"]) if "COUNT" in parts else None,
            until=datetime.strptime(end, "%Y%m%d").date() if end else None,  # noqa: DTZ007 - a date
        )
    except (KeyError, ValueError):
        return None
    return _with_start(found, begin.date())


def _weekdays(parts: dict[str, str]) -> tuple[int | None, tuple[int, ...]]:
    """Which of the month, and the days: "-1FR" and "MO,TU;BYSETPOS=1" say it in two ways."""
    days = [day for day in parts.get("BYDAY", "").split(",") if day]
    if len(days) == 1 and len(days[0]) > len(_WEEKDAYS[0]):
        return int(days[0][:-2]), (_WEEKDAYS.index(days[0][-2:]),)
    position = int(parts["BYSETPOS"]) if days and "BYSETPOS" in parts else None
    return position, tuple(sorted(_WEEKDAYS.index(day) for day in days))


def _with_start(pattern: Pattern, first: date) -> Pattern:
    """The pattern with the days that it takes from the first occurrence."""
    if pattern.frequency == "WEEKLY" and not pattern.weekdays:
        return replace(pattern, weekdays=(first.weekday(),))
    if pattern.frequency == "YEARLY" and pattern.month is None:
        pattern = replace(pattern, month=first.month)
    if pattern.frequency in ("MONTHLY", "YEARLY") and not pattern.weekdays and pattern.day is None:
        return replace(pattern, day=first.day)
    return pattern
