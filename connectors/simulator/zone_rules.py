"""How one year goes in a time zone: the standard offset, the daylight offset and the two days of change."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from terracrm.domain.zones import find_zone

# In the order of datetime.weekday().
DAY_NAMES = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


@dataclass(frozen=True)
class Change:
    """A yearly change of offset in local time before the change.

    `weekday` counts from Monday = 0 and `nth` is 1..4 or -1 for the last of the month; without `weekday`,
    `nth` is the day of the month. `at` is the time of day.
    """

    month: int
    weekday: int | None
    nth: int
    at: timedelta

    def posix(self) -> str:
        """The change as a POSIX TZ string says it; 29 February is not counted."""
        seconds = int(self.at.total_seconds())
        at = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        if self.weekday is not None:
            week = self.nth if 1 <= self.nth <= 4 else 5
            return f"M{self.month}.{week}.{(self.weekday + 1) % 7}/{at}"
        month = min(max(self.month, 1), 12)
        day = min(max(self.nth, 1), monthrange(2001, month)[1])
        return f"J{date(2001, month, day).timetuple().tm_yday}/{at}"


@dataclass(frozen=True)
class YearRule:
    """Offsets east of Greenwich; a zone without summer time has only `standard`."""

    standard: timedelta
    daylight: timedelta | None = None
    to_daylight: Change | None = None
    to_standard: Change | None = None

    def tzinfo(self) -> tzinfo:
        """The zone in which every year goes by this rule."""
        if self.daylight is None or self.to_daylight is None or self.to_standard is None:
            return _fixed(self.standard)
        offsets = f"STD{_posix_offset(self.standard)}DST{_posix_offset(self.daylight)}"
        rule = f"{offsets},{self.to_daylight.posix()},{self.to_standard.posix()}"
        return find_zone("", rule) or _fixed(self.standard)


def _fixed(east: timedelta) -> tzinfo:
    """A zone without summer time; no offset is a day or more."""
    most = timedelta(hours=23, minutes=59)
    return timezone(min(max(east, -most), most))


def _posix_offset(east: timedelta) -> str:
    """An offset as POSIX writes it: west of Greenwich is positive."""
    minutes = int(east.total_seconds()) // 60
    return f"{'-' if minutes >= 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


@dataclass(frozen=True)
class _Transition:
    """One change seen in one year; the fourth Sunday may also be the last, so both readings are kept."""

    before: timedelta
    after: timedelta
    month: int
    weekday: int
    at: timedelta
    readings: frozenset[int]


def rules_by_year(zone: ZoneInfo, first: int, last: int) -> list[tuple[int, YearRule]]:
    """The rules of a zone from `first` to `last`, each with the year from which it holds.

    A year that does not go by a rule (one change only, or more than two) is given the offset at its end.
    Years are merged as long as one rule fits them all.
    """
    runs: list[tuple[int, timedelta, list[_Transition]]] = []
    for year in range(first, last + 1):
        seen = _transitions(zone, year)
        standard = _offset(zone, datetime(year, 12, 31, 12, tzinfo=UTC))
        if len(seen) == 2:
            standard = min(seen[0].before, seen[0].after)
        else:
            seen = []
        merged = _merged(runs[-1], standard, seen) if runs else None
        if merged is None:
            runs.append((year, standard, seen))
        else:
            runs[-1] = (runs[-1][0], standard, merged)
    return [(year, _rule(standard, seen)) for year, standard, seen in runs]


def _merged(
    run: tuple[int, timedelta, list[_Transition]], standard: timedelta, seen: list[_Transition]
) -> list[_Transition] | None:
    _, run_standard, run_seen = run
    if run_standard != standard or len(run_seen) != len(seen):
        return None
    merged = []
    for old, new in zip(run_seen, seen, strict=True):
        readings = old.readings & new.readings
        same = (old.before, old.after, old.month, old.weekday, old.at) == (
            new.before,
            new.after,
            new.month,
            new.weekday,
            new.at,
        )
        if not same or not readings:
            return None
        merged.append(_Transition(old.before, old.after, old.month, old.weekday, old.at, readings))
    return merged


def _rule(standard: timedelta, seen: list[_Transition]) -> YearRule:
    if not seen:
        return YearRule(standard)
    to_daylight, to_standard = sorted(seen, key=lambda transition: transition.after == standard)
    return YearRule(standard, to_daylight.after, _change(to_daylight), _change(to_standard))


def _change(seen: _Transition) -> Change:
    # Where the last week fits all years it is meant: governments say "the last Sunday", hardly "the fourth".
    nth = -1 if -1 in seen.readings else min(seen.readings)
    return Change(seen.month, seen.weekday, nth, seen.at)


def _transitions(zone: ZoneInfo, year: int) -> list[_Transition]:
    found = []
    step = datetime(year, 1, 1, tzinfo=UTC)
    end = datetime(year + 1, 1, 1, tzinfo=UTC)
    while step < end:
        following = min(step + timedelta(days=10), end)
        if _offset(zone, step) != _offset(zone, following):
            found.append(_transition(zone, step, following))
        step = following
    return found


def _transition(zone: ZoneInfo, low: datetime, high: datetime) -> _Transition:
    before, after = _offset(zone, low), _offset(zone, high)
    while high - low > timedelta(minutes=1):
        middle = low + (high - low) / 2
        middle = middle.replace(second=0, microsecond=0)
        if middle in (low, high):
            break
        if _offset(zone, middle) == before:
            low = middle
        else:
            high = middle
    local = (high + before).replace(tzinfo=None)
    at = timedelta(hours=local.hour, minutes=local.minute)
    last = (local + timedelta(days=7)).month != local.month
    nth = (local.day - 1) // 7 + 1
    readings = frozenset([nth] if nth < 5 else []) | frozenset([-1] if last else [])
    return _Transition(before, after, local.month, local.weekday(), at, readings)


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()
