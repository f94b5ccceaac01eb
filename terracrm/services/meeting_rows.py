"""The rows of a family of meetings, brought to what its copies tell; what happened is never removed (S3, S9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from terracrm.domain.meeting_identity import occurrence_key, original_start
from terracrm.domain.meetings import APART, Copy, Told, has_outsiders
from terracrm.domain.records import MeetingKind, MeetingRecord
from terracrm.domain.recurrence import ends_before
from terracrm.domain.zones import wall_clock, zone_or_utc
from terracrm.models import ActivityTopic, Meeting
from terracrm.services import meeting_entries, touches
from terracrm.services.sources import Source

NEVER_AGAIN = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Family:
    """The copies of one UID with the rows that there are. `sharing` is the level of each mailbox.

    `until` is how far the occurrences are told, `now` what divides what happened from what is planned.
    """

    uid: str
    rows: Sequence[Meeting]
    copies: Sequence[Copy]
    sharing: Mapping[int, int]
    until: datetime
    now: datetime

    @property
    def head(self) -> Meeting | None:
        """The row of the single meeting or of the series itself."""
        return next((row for row in self.rows if not row.occurrence), None)

    def is_history_of(self, mailbox_id: int | None, teller: int | None) -> bool:
        """Whether what this mailbox told stays when it is no longer told: it told so then, and nobody knew better.

        What was told for want of a better copy goes, and so does what a withdrawn copy told.
        """
        there = {copy.mailbox_id for copy in self.copies if copy.gone_at is None}
        left = {copy.mailbox_id for copy in self.copies} - there
        return mailbox_id is not None and (mailbox_id == teller or mailbox_id in left)


def write(session: Session, source: Source, family: Family, told: Sequence[Told]) -> dict[tuple[int, str], int]:
    """Make the rows and their entries say what is told; the id of the meeting that each copy is an item of."""
    touches.activities(session, [row.activity_id for row in family.rows if row.activity_id is not None])
    found = _matched(family, told)
    new = _new(family, told, found)
    matched = set(found.values())
    left = [row for row in family.rows if row not in matched]
    session.add_all(new.values())
    pairs = [(row, one) for one in told if (row := found.get(one.key) or new.get(one.key))]
    for row, one in pairs:
        _fill(row, family, one)
    session.flush()
    series = next((row for row, one in pairs if one.is_series), None)
    for row, one in pairs:
        row.series_id = series.id if series is not None and one.is_in_series else None
    kept = _clear(session, family, told, left)
    has_occurrences = bool(kept) or any(one.is_in_series for _, one in pairs)
    _write_entries(session, source, family, pairs, has_occurrences=has_occurrences)
    session.flush()
    return {key: row.id for row, one in pairs for key in one.copies}


def remove(session: Session, rows: Iterable[Meeting]) -> None:
    """Remove meetings with their entries of the history."""
    rows = list(rows)
    meeting_entries.drop(session, rows)
    for row in rows:
        session.delete(row)
    session.flush()


def _matched(family: Family, told: Sequence[Told]) -> dict[str, Meeting]:
    """The row of each that is told and has one: that of its key, else that of its day.

    A series that is moved to another hour has the same occurrences as before: no two are on one day.
    """
    by_key = {row.occurrence: row for row in family.rows}
    found = {one.key: by_key.pop(one.key) for one in told if one.key in by_key}
    zone = zone_or_utc(told[0].record.zone, told[0].record.zone_rule)
    days: dict[date | None, Meeting] = {day: row for key, row in by_key.items() if (day := _day(key, zone))}
    for one in told:
        if one.key not in found and (row := days.pop(_day(one.key, zone), None)) is not None:
            found[one.key] = row
    return found


def _day(key: str, zone: tzinfo) -> date | None:
    """The day of an occurrence; None for what is none."""
    original = original_start(key)
    return wall_clock(original, zone).date() if original else None


def _new(family: Family, told: Sequence[Told], found: Mapping[str, Meeting]) -> dict[str, Meeting]:
    """Rows for what is told and has none.

    A rule that is changed does not change what happened: it adds nothing to the time that was written already.
    """
    head, teller = family.head, told[0].teller
    written = None
    if head is not None and head.expanded_until and family.is_history_of(head.source_mailbox_id, teller):
        written = min(head.expanded_until, family.now)
    return {
        one.key: Meeting(meeting_key=f"{family.uid}/{one.key}", uid=family.uid, occurrence=one.key)
        for one in told
        if one.key not in found
        and (one.is_explicit or written is None or (one.record.start is not None and one.record.start >= written))
    }


def _fill(row: Meeting, family: Family, told: Told) -> None:
    record = told.record
    row.occurrence, row.meeting_key = told.key, f"{family.uid}/{told.key}"
    row.kind = record.kind
    row.subject = record.subject
    row.start_at, row.end_at = record.start, record.end
    row.is_all_day = record.is_all_day
    row.start_date, row.end_date = record.start_date, record.end_date
    row.zone, row.location = record.zone, record.location
    row.is_cancelled = record.is_cancelled
    row.recurrence = record.recurrence
    row.from_organizer = record.is_organizer
    row.source_mailbox_id = told.teller
    # The text of a series is kept once, with the series.
    row.body_text = "" if record.kind is MeetingKind.OCCURRENCE and told.is_in_series else record.body_text
    row.deleted_occurrences = [moment.isoformat() for moment in record.deleted_occurrences]
    row.expanded_until = _expanded_until(record, family.until) if record.recurrence else None


def _expanded_until(record: MeetingRecord, until: datetime) -> datetime:
    """How far the series is written: one that ends before needs no more."""
    zone = zone_or_utc(record.zone, record.zone_rule)
    is_over = record.start is None or ends_before(record.recurrence, record.start, zone, until)
    return NEVER_AGAIN if is_over else until


def _clear(session: Session, family: Family, told: Sequence[Told], left: Sequence[Meeting]) -> list[Meeting]:
    """Deal with the rows that nobody tells any more; those that stay.

    What happened stays, unless it is private now. What was planned goes, or is cancelled where people had linked
    something to it.
    """
    teller = told[0].teller if told and not told[0].key else None
    private = {
        occurrence_key(exception.original_start)
        for copy in family.copies
        for exception in copy.record.exceptions
        if exception.is_private
    }
    kept: list[Meeting] = []
    gone: list[Meeting] = []
    for row in left:
        is_open = row.occurrence not in private and not row.occurrence.startswith(APART)
        # A series that is a single meeting now is that one of its occurrences.
        is_double = teller is not None and not told[0].is_series and row.start_at == told[0].record.start
        if not is_open or is_double or not family.is_history_of(row.source_mailbox_id, teller):
            gone.append(row)
        elif row.start_at is not None and row.start_at <= family.now:
            kept.append(row)
        elif _is_linked(session, row):
            row.is_cancelled = True
            kept.append(row)
        else:
            gone.append(row)
    remove(session, gone)
    return kept


def _is_linked(session: Session, row: Meeting) -> bool:
    """Whether a person said what the meeting is about."""
    linked = exists().where(ActivityTopic.activity_id == row.activity_id, ActivityTopic.user_id.is_not(None))
    return row.activity_id is not None and bool(session.scalar(select(linked)))


def _write_entries(
    session: Session, source: Source, family: Family, pairs: Sequence[tuple[Meeting, Told]], *, has_occurrences: bool
) -> None:
    own = frozenset(copy.address for copy in family.copies)
    shown: list[meeting_entries.Pair] = []
    hidden: list[meeting_entries.Pair] = []
    for row, told in pairs:
        # The occurrences of a series are what happens; the series itself stands for them only where it shows none.
        is_shown = not (told.is_series and has_occurrences) and told.record.start is not None
        is_history = is_shown and has_outsiders(told, source.policy, own)
        (shown if is_history else hidden).append((row, told))
    meeting_entries.drop(session, [row for row, _ in hidden])
    meeting_entries.write(session, source, shown, family.sharing)
