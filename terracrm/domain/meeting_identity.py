"""What makes a calendar item the same meeting in every mailbox: its UID, and the occurrence it is (S3)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime

from terracrm.domain.records import MeetingKind, MeetingRecord
from terracrm.domain.zones import from_wall_clock, wall_clock, zone_or_utc

# A Global Object Id in hexadecimal ([MS-OXOCAL] 2.2.1.27): the array id, the date of the instance, then the rest.
_ARRAY_ID = "040000008200E00074C5B7101A82E008"
_DATE = slice(32, 40)
_DATA = 80
_FOREIGN = b"vCal-Uid\x01\x00\x00\x00".hex().upper()
_KEY = "%Y%m%dT%H%M%SZ"
_HEX = re.compile(r"[0-9A-F]+", re.IGNORECASE)
_CANCELLED = re.compile(r"(?:cancell?ed|отменено|отменена|отмена)\s*:\s*", re.IGNORECASE)


def recognised(record: MeetingRecord) -> MeetingRecord:
    """The record with the UID that all its copies share, as the occurrence it is.

    Outlook writes the day of an occurrence into the id of those who were invited to that occurrence alone; the id
    without it is that of the series. "Canceled:" before the subject of a meeting is not part of the subject.
    """
    uid, day = _split(record.uid)
    original = record.original_start
    if original is None and day is not None and record.kind is not MeetingKind.MASTER:
        original = _original_start(record, day)
    subject, is_cancelled = record.subject, record.is_cancelled
    if record.is_meeting and (prefix := _CANCELLED.match(subject)):
        subject, is_cancelled = subject[prefix.end() :], True
    return replace(
        record,
        uid=uid,
        original_start=original,
        subject=subject,
        is_cancelled=is_cancelled,
        exceptions=tuple(map(recognised, record.exceptions)),
    )


def without_secrets(record: MeetingRecord) -> MeetingRecord:
    """The record as it may be stored: of a private exception only that the occurrence has one (S4)."""
    open_ = tuple(
        MeetingRecord(kind=one.kind, original_start=one.original_start, is_private=True) if one.is_private else one
        for one in record.exceptions
    )
    return replace(record, exceptions=open_)


def occurrence_key(original: datetime | None) -> str:
    """How an original start is written as the occurrence of a meeting; "" for a single meeting or a master."""
    return original.strftime(_KEY) if original else ""


def original_start(key: str) -> datetime | None:
    """The original start that was written as the occurrence of a meeting."""
    try:
        return datetime.strptime(key, _KEY).replace(tzinfo=UTC)
    except ValueError:
        return None


def _split(uid: str) -> tuple[str, date | None]:
    """The UID of the series, and the day of the one occurrence that a Global Object Id names."""
    text = uid.strip()
    if not text.upper().startswith(_ARRAY_ID) or not _HEX.fullmatch(text) or len(text) < _DATA:
        return text, None
    text = text.upper()
    stamp, data = text[_DATE], text[_DATA:]
    clean = text[: _DATE.start] + "0" * len(stamp) + text[_DATE.stop :]
    if data.startswith(_FOREIGN):
        foreign = data[len(_FOREIGN) :]
        clean = bytes.fromhex(foreign[: len(foreign) // 2 * 2]).rstrip(b"\x00").decode("utf-8", "replace")
    try:
        return clean, date(int(stamp[:4], 16), int(stamp[4:6], 16), int(stamp[6:], 16))
    except ValueError:  # no date: all zeroes
        return clean, None


def _original_start(record: MeetingRecord, day: date) -> datetime | None:
    """When the occurrence of a day was to start, as far as the item can tell: at the hour at which it starts now."""
    if record.start is None:
        return None
    zone = zone_or_utc(record.zone, record.zone_rule)
    return from_wall_clock(datetime.combine(day, wall_clock(record.start, zone).time()), zone)
