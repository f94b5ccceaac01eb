"""The entries of the relationship history that meetings with people from outside are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from terracrm.domain.addresses import normalise
from terracrm.domain.capture import snippet
from terracrm.domain.meetings import Told, shown_at
from terracrm.models import Activity, ActivityKind, ActivityMailbox, Meeting, utcnow
from terracrm.models import Participant as ParticipantRow
from terracrm.services import history, merge_privacy, search, touches
from terracrm.services.activities import Entry, Row, add_entries, participant_rows
from terracrm.services.matching import Match, chunks, match
from terracrm.services.sources import Source

RULE = "calendar"
SEARCHED_PEOPLE = 20
_SAID = ("role", "address", "name", "response")

Pair = tuple[Meeting, Told]


def write(session: Session, source: Source, pairs: Sequence[Pair], sharing: Mapping[int, int]) -> None:
    """Let each of these meetings be in the history as it is told; `sharing` is the level of each mailbox."""
    if not pairs:
        return
    addresses = {normalise(p.address) for _, told in pairs for p in told.record.participants}
    matches = match(session, source.policy, addresses)
    new = [(meeting, told) for meeting, told in pairs if meeting.activity_id is None]
    known = [(meeting, told) for meeting, told in pairs if meeting.activity_id is not None]
    changed = _changed(session, source, known, matches)
    ids = add_entries(session, source, [_entry(told) for _, told in new], matches) if new else []
    for (meeting, _), activity_id in zip(new, ids, strict=True):
        meeting.activity_id = activity_id
    _rewrite(session, source, changed, matches)
    # A new entry has the mailbox that brought it, and that is all that most have.
    own = frozenset({source.mailbox_id})
    _write_holders(session, [*known, *(pair for pair in new if pair[1].holders != own)], sharing)
    search.index_activities(session, [_searched(source, *pair) for pair in (*new, *changed)])


def drop(session: Session, meetings: Iterable[Meeting]) -> None:
    """Take these meetings out of the history."""
    found = [meeting for meeting in meetings if meeting.activity_id is not None]
    ids = [meeting.activity_id for meeting in found if meeting.activity_id is not None]
    touches.activities(session, ids)
    for meeting in found:
        meeting.activity_id = None
    session.flush()
    search.remove(session, "activity_search", ids)
    for some in chunks(ids):
        session.execute(delete(Activity).where(Activity.id.in_(some)))
        merge_privacy.forget_activities(session, some)


def _entry(told: Told) -> Entry:
    record = told.record
    return Entry(
        kind=ActivityKind.MEETING,
        occurred_at=shown_at(record) or utcnow(),
        direction="",
        subject=record.subject,
        snippet=snippet(record.body_text),
        has_attachments=False,
        rule=RULE,
        participants=record.participants,
    )


def _changed(session: Session, source: Source, pairs: Sequence[Pair], matches: Mapping[str, Match]) -> list[Pair]:
    """Those of whom the history says something else than is told now."""
    ids = [meeting.activity_id for meeting, _ in pairs if meeting.activity_id is not None]
    columns = (ParticipantRow.role, ParticipantRow.address, ParticipantRow.name, ParticipantRow.response)
    people: dict[int, list[tuple[str, ...]]] = defaultdict(list)
    shown = {}
    for some in chunks(ids):
        for activity in session.scalars(select(Activity).where(Activity.id.in_(some))):
            shown[activity.id] = activity
        rows = select(ParticipantRow.activity_id, *columns).where(ParticipantRow.activity_id.in_(some))
        for activity_id, *said in session.execute(rows.order_by(ParticipantRow.activity_id, ParticipantRow.position)):
            people[activity_id].append(tuple(said))
    found = []
    for meeting, told in pairs:
        activity, entry = shown[meeting.activity_id or 0], _entry(told)
        was = (activity.occurred_at, activity.subject, activity.snippet)
        now = [tuple(row[name] for name in _SAID) for row in _participants(source, meeting, told, matches)]
        if was != (entry.occurred_at, entry.subject, entry.snippet) or people[activity.id] != now:
            activity.occurred_at, activity.subject, activity.snippet = entry.occurred_at, entry.subject, entry.snippet
            found.append((meeting, told))
    return found


def _rewrite(session: Session, source: Source, pairs: Sequence[Pair], matches: Mapping[str, Match]) -> None:
    session.flush()
    ids = [meeting.activity_id for meeting, _ in pairs if meeting.activity_id is not None]
    for some in chunks(ids):
        session.execute(delete(ParticipantRow).where(ParticipantRow.activity_id.in_(some)))
    rows = [row for meeting, told in pairs for row in _participants(source, meeting, told, matches)]
    if rows:
        session.execute(insert(ParticipantRow), rows)
    for some in chunks(ids):
        history.refresh(session, some)


def _participants(source: Source, meeting: Meeting, told: Told, matches: Mapping[str, Match]) -> list[Row]:
    return participant_rows(source, meeting.activity_id or 0, told.record.participants, dict(matches))


def _write_holders(session: Session, pairs: Sequence[Pair], sharing: Mapping[int, int]) -> None:
    """Who holds a meeting may read it; of their levels the most restrictive counts (A2)."""
    wanted = {meeting.activity_id or 0: told for meeting, told in pairs}
    held: dict[int, set[int]] = defaultdict(set)
    for some in chunks(list(wanted)):
        rows = select(ActivityMailbox.activity_id, ActivityMailbox.mailbox_id)
        for activity_id, mailbox_id in session.execute(rows.where(ActivityMailbox.activity_id.in_(some))):
            held[activity_id].add(mailbox_id)
        for activity in session.scalars(select(Activity).where(Activity.id.in_(some))):
            told = wanted[activity.id]
            activity.sharing = min(sharing[mailbox_id] for mailbox_id in told.holders)
            if activity.mailbox_id not in told.holders:
                activity.mailbox_id = told.teller
    gone = {(activity_id, box) for activity_id, told in wanted.items() for box in held[activity_id] - told.holders}
    for activity_id, mailbox_id in sorted(gone):
        session.execute(
            delete(ActivityMailbox).where(
                ActivityMailbox.activity_id == activity_id, ActivityMailbox.mailbox_id == mailbox_id
            )
        )
    new = {(activity_id, box) for activity_id, told in wanted.items() for box in told.holders - held[activity_id]}
    if new:
        rows_ = [{"activity_id": activity_id, "mailbox_id": mailbox_id} for activity_id, mailbox_id in sorted(new)]
        session.execute(insert(ActivityMailbox), rows_)


def _searched(source: Source, meeting: Meeting, told: Told) -> tuple[int, datetime, str]:
    record = told.record
    people = " ".join(f"{p.name} {p.address}" for p in record.participants[:SEARCHED_PEOPLE])
    text = f"{record.subject} {record.location} {people} {record.body_text[: source.full_text_chars]}"
    return meeting.activity_id or 0, shown_at(record) or utcnow(), text
