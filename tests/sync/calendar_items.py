"""Calendar items of a small office, and what a calendar tells of them, in lines that read like Outlook's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from terracrm.domain.meetings import Copy, Told
from terracrm.domain.records import MeetingKind, MeetingRecord, Participant, Response, Role
from terracrm.domain.zones import midnight, zone_or_utc

MOSCOW = ZoneInfo("Europe/Moscow")
ANNA, BORIS, VERA, OLGA = "anna@office.test", "boris@office.test", "vera@office.test", "olga@lavka.example"
MAILBOXES = {ANNA: 1, BORIS: 2, VERA: 3}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Z = "Russian Standard Time"


def at(text: str, zone: str = "Europe/Moscow") -> datetime:
    """A moment by the wall clock of a zone: at("2026-03-02 10:00")."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def meeting(start: str = "2026-03-02 10:00", zone: str = Z, **changes: object) -> MeetingRecord:
    """A meeting of an hour that Anna organises with Boris and a client; `start` is by the clocks of its zone."""
    local = zone_or_utc(zone)
    begin = datetime.fromisoformat(start).replace(tzinfo=local).astimezone(UTC)
    made = MeetingRecord(
        uid="uid-1",
        subject="Дегустация",
        start=begin,
        end=begin + HOUR,
        zone=zone,
        participants=(
            Participant(Role.ORGANIZER, ANNA, "Анна", Response.ORGANIZER),
            Participant(Role.REQUIRED, BORIS, "Борис"),
            Participant(Role.REQUIRED, OLGA, "Ольга"),
        ),
        is_meeting=True,
        is_organizer=True,
        my_response=Response.ORGANIZER,
    )
    return replace(made, **changes)


def series(rule: str = "FREQ=WEEKLY;BYDAY=MO", start: str = "2026-03-02 10:00", **changes: object) -> MeetingRecord:
    """The same as a series."""
    return replace(meeting(start, str(changes.pop("zone", Z))), kind=MeetingKind.MASTER, recurrence=rule, **changes)


def exception(master: MeetingRecord, original: str, start: str = "", **changes: object) -> MeetingRecord:
    """An occurrence of a series that differs; times by Moscow's clocks."""
    begin = at(start or original)
    made = replace(
        master,
        kind=MeetingKind.EXCEPTION,
        original_start=at(original),
        start=begin,
        end=begin + HOUR,
        recurrence="",
        exceptions=(),
        deleted_occurrences=(),
    )
    return replace(made, **changes)


def all_day(first: date, days: int = 1, zone: str = Z, **changes: object) -> MeetingRecord:
    """An event of whole days in the zone of who made it."""
    local = zone_or_utc(zone)
    last = first + days * DAY
    return replace(
        meeting(zone=zone, **changes),
        is_all_day=True,
        start=midnight(first, local),
        end=midnight(last, local),
        start_date=first,
        end_date=last,
    )


def theirs(record: MeetingRecord, answer: Response = Response.ACCEPTED, **changes: object) -> MeetingRecord:
    """An attendee's copy: Exchange tells attendees nobody's answer but their own."""
    people = tuple(
        one if one.role is Role.ORGANIZER else replace(one, response=Response.UNKNOWN) for one in record.participants
    )
    mine = tuple(replace(one, is_organizer=False, my_response=answer) for one in record.exceptions)
    made = replace(record, is_organizer=False, my_response=answer, participants=people, exceptions=mine)
    return replace(made, **changes)


def answered(record: MeetingRecord, **answers: Response) -> MeetingRecord:
    """The organizer's copy with the answers that came: answered(record, boris=Response.ACCEPTED)."""
    people = tuple(
        replace(one, response=answers.get(one.address.partition("@")[0], one.response)) for one in record.participants
    )
    return replace(record, participants=people)


def copy(owner: str, record: MeetingRecord, gone: str = "", remote_id: str = "item") -> Copy:
    """The item of a mailbox; `gone` is when it left."""
    return Copy(MAILBOXES[owner], owner, remote_id, record, at(gone) if gone else None)


def lines(told: Iterable[Told]) -> list[str]:
    """What is told, without the row of a series itself: the day and time in Moscow, subject, marks."""
    return sorted(line(one.record) for one in told if not one.record.recurrence)


def line(record: MeetingRecord) -> str:
    """One meeting: "2026-03-02 10:00 Дегустация", or "2026-03-02 Праздник", and what it is besides."""
    if record.is_all_day:
        last = (record.end_date or date.max) - DAY
        when = str(record.start_date) if last == record.start_date else f"{record.start_date}..{last}"
    else:
        when = f"{record.start.astimezone(MOSCOW):%Y-%m-%d %H:%M}" if record.start else "?"
    marks = [record.location, "cancelled" if record.is_cancelled else ""]
    return " ".join(part for part in (when, record.subject, *marks) if part)


def answers(told: Told) -> dict[str, str]:
    """What each attendee answered."""
    return {one.name: str(one.response) for one in told.record.participants if one.role is not Role.ORGANIZER}
