"""What the copies of a meeting say together: pure, and the same in whatever order the mailboxes are read (S3).

A family is all the copies of one UID: masters, single items, and the items of people who were invited to one
occurrence only. `tell` makes of them the meeting, or the series with its occurrences inside a window.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from terracrm.domain.addresses import DomainPolicy, normalise
from terracrm.domain.meeting_identity import occurrence_key
from terracrm.domain.records import MeetingKind, MeetingRecord, Participant, Response, Role
from terracrm.domain.recurrence import starts_between
from terracrm.domain.zones import day_of, midnight, wall_clock, zone_or_utc

_BEGINNING = datetime.min.replace(tzinfo=UTC)
NOON = timedelta(hours=12)
# Begins the key of an item that is told apart from the others of its family.
APART = "@"


@dataclass(frozen=True, slots=True)
class Copy:
    """One mailbox's item of a family, as it was last read; `gone_at` when it left that mailbox.

    `is_apart`: it was told as a meeting of its own so far, see `_strays`.
    """

    mailbox_id: int
    address: str
    remote_id: str
    record: MeetingRecord
    gone_at: datetime | None = None
    is_apart: bool = False

    @property
    def key(self) -> tuple[int, str]:
        """What tells the copy from all others."""
        return self.mailbox_id, self.remote_id


@dataclass(frozen=True, slots=True)
class Told:
    """A meeting, a series or one of its occurrences as its copies tell it.

    `key` tells it from the others of its family: "" for the meeting or the series itself, else the original start.
    `teller` is the mailbox whose copy decided, `holders` those that have it, `copies` the items that are this very
    meeting. `is_explicit`: an item or exception says so, and not the rule of the series. `left_at` is when it left the
    last mailbox that had it.
    """

    key: str
    record: MeetingRecord
    teller: int
    holders: frozenset[int]
    copies: frozenset[tuple[int, str]] = frozenset()
    is_in_series: bool = False
    is_explicit: bool = True
    left_at: datetime | None = None

    @property
    def is_series(self) -> bool:
        """Whether it is the series itself, which happens in its occurrences."""
        return bool(self.record.recurrence)


def tell(copies: Iterable[Copy], first: datetime, until: datetime) -> list[Told]:
    """What the copies say: the meeting or series itself first, then its occurrences from `first` to before `until`.

    The organizer's copy decides. Without it that of the attendee who knows the organizer's latest change does, and
    each attendee's own copy says what that attendee answered. A private exception is not told by the copy that has
    it. A meeting that left every mailbox before it began is cancelled (S9).
    """
    ranked = sorted(copies, key=_rank)
    wholes = [copy for copy in ranked if copy.record.original_start is None]
    parts = [copy for copy in ranked if copy.record.original_start is not None]
    strays = _strays(wholes)
    stray_keys = {stray.key for stray in strays}
    wholes = [copy for copy in wholes if copy.key not in stray_keys]
    told = [_told([stray], stray.record, f"{APART}{stray.mailbox_id}:{stray.remote_id}") for stray in strays]
    if wholes:
        told.insert(0, _told(wholes, wholes[0].record))
    if wholes and wholes[0].record.recurrence:
        return told + list(_Series(wholes, parts).told(first, until))
    return told + [_orphan(same) for same in _by_original(parts).values()]


def has_outsiders(told: Told, policy: DomainPolicy, own: frozenset[str]) -> bool:
    """Whether somebody from outside takes part; rooms do not count, nor do those whose mailboxes hold it (S3)."""
    addresses = {normalise(p.address) for p in told.record.participants if p.role is not Role.RESOURCE}
    return any(not policy.is_internal(address) for address in addresses - own - {""})


def shown_at(record: MeetingRecord) -> datetime | None:
    """Where a meeting stands in the history: at its start, an all-day one on its date for readers of any zone."""
    if record.is_all_day and record.start_date:
        return midnight(record.start_date, UTC) + NOON
    return record.start


def _rank(copy: Copy) -> tuple[bool, bool, int, float, str, str]:
    """The order in which copies decide: those that are there, the organizer's, the latest, then always the same."""
    record = copy.record
    changed = record.changed_at or _BEGINNING
    age = (datetime.max.replace(tzinfo=UTC) - changed).total_seconds()
    return copy.gone_at is not None, not record.is_organizer, -record.sequence, age, copy.address, copy.remote_id


def _strays(wholes: Sequence[Copy]) -> list[Copy]:
    """Items that were copied to another time inside one mailbox and kept their UID: Outlook shows both.

    One that was told apart stays so when the other leaves. An item that was moved to another calendar is no copy.
    """
    mailboxes: dict[int, list[Copy]] = {}
    for copy in wholes:
        if not copy.record.recurrence:
            mailboxes.setdefault(copy.mailbox_id, []).append(copy)
    found: list[Copy] = []
    for mine in mailboxes.values():
        first = next((copy for copy in mine if not copy.is_apart), mine[0])
        others = [copy for copy in mine if copy.record.start != first.record.start]
        found += [copy for copy in others if copy.is_apart or (copy.gone_at is None and first.gone_at is None)]
    return found


def _by_original(parts: Iterable[Copy]) -> dict[datetime | None, list[Copy]]:
    found: dict[datetime | None, list[Copy]] = {}
    for copy in parts:
        found.setdefault(copy.record.original_start, []).append(copy)
    return found


def _orphan(same: Sequence[Copy]) -> Told:
    return _told(same, same[0].record, occurrence_key(same[0].record.original_start))


def _told(same: Sequence[Copy], record: MeetingRecord, key: str = "") -> Told:
    """A meeting of which these are the items, the one that decides first."""
    answers = {copy.address: copy.record.my_response for copy in reversed(same)}
    left_at = _left_at(same)
    return Told(
        key=key,
        record=_abandoned(replace(record, participants=_answered(record, answers), exceptions=()), left_at),
        teller=same[0].mailbox_id,
        holders=frozenset(copy.mailbox_id for copy in same),
        copies=frozenset(copy.key for copy in same),
        left_at=left_at,
    )


def _left_at(copies: Sequence[Copy]) -> datetime | None:
    """When the last of these left its mailbox; None while one is there."""
    left = [copy.gone_at for copy in copies if copy.gone_at is not None]
    return max(left) if len(left) == len(copies) else None


def _abandoned(record: MeetingRecord, left_at: datetime | None) -> MeetingRecord:
    """What left every mailbox before it began is cancelled."""
    is_abandoned = left_at is not None and record.start is not None and record.start > left_at
    return replace(record, is_cancelled=True) if is_abandoned and not record.is_cancelled else record


def _answered(record: MeetingRecord, answers: dict[str, Response]) -> tuple[Participant, ...]:
    """The participants with what they answered: the organizer's copy knows, else each attendee's own does."""
    return tuple(_with_answer(p, answers.get(normalise(p.address)), record.is_organizer) for p in record.participants)


def _with_answer(one: Participant, own: Response | None, is_known: bool) -> Participant:
    is_told = is_known and one.response is not Response.UNKNOWN
    if one.role is Role.ORGANIZER or is_told or own in (None, Response.UNKNOWN, Response.ORGANIZER):
        return one
    return one if own == one.response else replace(one, response=own)


@dataclass(slots=True)
class _View:
    """What one mailbox's master says of the occurrences that differ, by where the series puts them."""

    copy: Copy
    exceptions: dict[datetime, MeetingRecord] = field(default_factory=dict)
    deleted: set[datetime] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Word:
    """What one copy says of one occurrence; `record` is None where it says what it says of all."""

    copy: Copy
    record: MeetingRecord | None = None
    is_deleted: bool = False

    @property
    def answer(self) -> Response:
        return (self.record or self.copy.record).my_response

    @property
    def counts(self) -> bool:
        """What an attendee deleted may take place without them; what the organizer deleted does not."""
        return not self.is_deleted or self.copy.record.is_organizer


class _Series:
    """The masters of a family, the one that decides first, and the items of single occurrences."""

    def __init__(self, wholes: Sequence[Copy], parts: Sequence[Copy]) -> None:
        # A single item of the family was written before it was a series: of the occurrences it knows nothing.
        wholes = [copy for copy in wholes if copy.record.recurrence]
        self._master = wholes[0].record
        self._copies = wholes
        self._parts = parts
        self._zone = zone_or_utc(self._master.zone, self._master.zone_rule)
        self._days: dict[date, datetime] = {}
        self._usual = _said([_Word(copy) for copy in wholes], _usual(wholes[0]))

    def told(self, first: datetime, until: datetime) -> Iterator[Told]:
        """Every occurrence that the window shows, and those that somebody has as an item of its own."""
        start = self._master.start
        if start is None:
            return
        usual = starts_between(self._master.recurrence, start, self._zone, first, until)
        self._days = {wall_clock(moment, self._zone).date(): moment for moment in usual}
        views = [self._view(copy) for copy in self._copies]
        parts = _by_original(self._settled(part) for part in self._parts)
        # An exception may have been moved into the window from outside of it.
        changed = {
            original
            for original, record in views[0].exceptions.items()
            if first <= original < until or (record.start and first <= record.start < until)
        }
        removed = {original for original in views[0].deleted if first <= original < until}
        special = {original for view in views for original in (*view.exceptions, *view.deleted)} | parts.keys()
        for original in sorted({*usual, *changed, *removed, *filter(None, parts)}):
            if original in special:
                yield from self._special(original, views, parts.get(original, []))
            else:
                yield self._occurrence(original, self._usual)

    def _settled(self, part: Copy) -> Copy:
        """The item of an occurrence as the one that it is of this series."""
        original = part.record.original_start
        return replace(part, record=replace(part.record, original_start=original and self._snapped(original)))

    def _snapped(self, original: datetime) -> datetime:
        """The occurrence that an original start means: a series has no two on one day.

        The hours may differ: where a copy knows the day only, or was written when the zone had other rules.
        """
        return self._days.get(wall_clock(original, self._zone).date(), original)

    def _view(self, copy: Copy) -> _View:
        view = _View(copy)
        for exception in copy.record.exceptions:
            if exception.original_start:
                original = self._snapped(exception.original_start)
                view.exceptions[original] = replace(
                    exception, kind=MeetingKind.EXCEPTION, original_start=original, uid=copy.record.uid
                )
        view.deleted = {self._snapped(moment) for moment in copy.record.deleted_occurrences} - view.exceptions.keys()
        return view

    def _special(self, original: datetime, views: Sequence[_View], parts: Sequence[Copy]) -> Iterator[Told]:
        """An occurrence of which some copy says something else; nothing where each keeps it private."""
        words = [_Word(view.copy, view.exceptions.get(original), original in view.deleted) for view in views]
        words += [_Word(part, part.record) for part in parts]
        words = [word for word in words if word.record is None or not word.record.is_private]
        if not words:
            return
        words.sort(key=lambda word: _rank(word.copy))
        chief = next((word for word in words if word.counts), words[0])
        record = chief.record or _usual(chief.copy)
        if chief.is_deleted:
            record = replace(record, is_cancelled=True, changed_at=None)
        told = replace(_said(words, record, chief.copy), copies=frozenset(part.key for part in parts))
        is_usual = chief.copy is views[0].copy and chief.record is None and not chief.is_deleted
        is_explicit = bool(parts) or not is_usual
        yield replace(self._occurrence(original, told), is_explicit=is_explicit)

    @staticmethod
    def _occurrence(original: datetime, told: Told) -> Told:
        record = told.record
        if record.kind is MeetingKind.OCCURRENCE and record.original_start is None:
            record = _placed(record, original)
        return replace(told, key=occurrence_key(original), record=_abandoned(record, told.left_at))


def _said(words: Sequence[_Word], record: MeetingRecord, teller: Copy | None = None) -> Told:
    """What these copies say together of an occurrence, by the record of the one that decides."""
    answers = {word.copy.address: word.answer for word in reversed(words)}
    copies = [word.copy for word in words]
    return Told(
        key="",
        record=replace(record, participants=_answered(record, answers)),
        teller=(teller or copies[0]).mailbox_id,
        holders=frozenset(copy.mailbox_id for copy in copies),
        is_in_series=True,
        is_explicit=False,
        left_at=_left_at(copies),
    )


def _usual(master: Copy) -> MeetingRecord:
    """What a master says of all occurrences that do not differ."""
    return replace(master.record, kind=MeetingKind.OCCURRENCE, recurrence="", exceptions=(), deleted_occurrences=())


def _placed(usual: MeetingRecord, original: datetime) -> MeetingRecord:
    """The occurrence of a series that starts where the rule puts it.

    A series is cancelled from the time on at which its organizer did that: what was before took place.
    """
    is_cancelled = usual.is_cancelled and (usual.changed_at is None or original > usual.changed_at)
    placed = replace(usual, original_start=original, start=original, is_cancelled=is_cancelled)
    if usual.is_all_day and usual.start_date and usual.end_date:
        zone = zone_or_utc(usual.zone, usual.zone_rule)
        day = day_of(original, zone)
        last = day + (usual.end_date - usual.start_date)
        return replace(placed, end=midnight(last, zone), start_date=day, end_date=last)
    length = usual.end - usual.start if usual.start and usual.end else timedelta()
    return replace(placed, end=original + length)
