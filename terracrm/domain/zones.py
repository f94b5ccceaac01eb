"""Time zones as calendars name them: Windows names, IANA names, and rules of their own (S10)."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from io import BytesIO
from zoneinfo import ZoneInfo

from tzlocal.windows_tz import win_tz

_UTC_NAMES = frozenset({"UTC", "tzone://Microsoft/Utc", "Coordinated Universal Time"})
_HALF_DAY = timedelta(hours=12)


@lru_cache(maxsize=1024)
def find_zone(name: str, rule: str = "") -> tzinfo | None:
    """The zone of a Windows or IANA name, else the one that `rule` describes; None where neither is known.

    `rule` is a POSIX TZ string ("STD-1DST-2,M3.5.0/2:00,M10.5.0/3:00"), the form for a zone that no table names.
    """
    if name in _UTC_NAMES:
        return UTC
    try:
        return ZoneInfo(win_tz.get(name, name)) if name else _by_rule(rule)
    except (KeyError, ValueError, OSError):  # not found; not a key at all; a name of a folder
        return _by_rule(rule)


def zone_or_utc(name: str, rule: str = "") -> tzinfo:
    """The same, and UTC where neither is known: the moment stays right, its wall clock cannot be told."""
    return find_zone(name, rule) or UTC


def wall_clock(moment: datetime, zone: tzinfo) -> datetime:
    """What clocks in the zone show at a moment, without zone; the nearest there is at the ends of time."""
    try:
        return moment.astimezone(zone).replace(tzinfo=None)
    except OverflowError:
        return moment.replace(tzinfo=None)


def from_wall_clock(local: datetime, zone: tzinfo) -> datetime:
    """The moment in UTC at which clocks in the zone show this time.

    A time that is skipped in spring is as much later as the clocks are put forward, one that comes twice in autumn
    is the first of the two (RFC 5545, section 3.3.5, which Exchange follows).
    """
    try:
        return local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    except OverflowError:
        return local.replace(tzinfo=UTC)


def day_of(moment: datetime, zone: tzinfo) -> date:
    """The day that begins at a moment: that of the nearest midnight in the zone.

    So it is right where the clocks skip midnight itself, and where an event of whole days lost its zone on the way
    and its midnight is up to twelve hours from that of UTC.
    """
    try:
        return (wall_clock(moment, zone) + _HALF_DAY).date()
    except OverflowError:
        return moment.date()


def midnight(day: date, zone: tzinfo) -> datetime:
    """The moment in UTC at which a day begins in the zone."""
    return from_wall_clock(datetime.combine(day, time()), zone)


def _by_rule(rule: str) -> tzinfo | None:
    """The zone of a POSIX TZ string, by way of a zone file that holds nothing else (RFC 8536, section 3.3)."""
    if not rule:
        return None
    block = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + struct.pack(">lbb", 0, 0, 0) + b"UTC\0"
    try:
        return ZoneInfo.from_file(BytesIO(block + block + f"\n{rule}\n".encode()))
    except (ValueError, TypeError):
        return None
