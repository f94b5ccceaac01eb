"""An entry of the history as a post: who, when, to whom, and what was said (W3).

Of blind copies nothing is told, of a mail that was kept as headers no more than these, and of an answer only what is
new in it. The same data gives the same text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from terracrm.domain.capture import hashed
from terracrm.domain.records import PostRecord, Role
from terracrm.languages import Language
from terracrm.models import Activity, ActivityKind, Meeting, MessageBody, Note, Participant, Task, User
from terracrm.services.history_lines import Entry, Writer

MAX_TEXT: Final = 20_000
People = dict[str, list[str]]

_UNSENDABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_ROLES: Final = (Role.FROM, Role.ORGANIZER, Role.TO, Role.REQUIRED, Role.CC, Role.OPTIONAL, Role.RESOURCE)
_WRITTEN = (
    select(
        Activity.id,
        Activity.kind,
        Activity.occurred_at,
        Activity.direction,
        Activity.subject,
        Activity.snippet,
        MessageBody.unique_text,
        Meeting.end_at,
        Meeting.start_date,
        Meeting.end_date,
        Meeting.location,
        Meeting.is_cancelled,
        Meeting.body_text,
        Note.text.label("note"),
        Task.text.label("task"),
        Task.due_on,
        Task.done_at,
        User.full_name,
        User.name,
    )
    .outerjoin(MessageBody, MessageBody.activity_id == Activity.id)
    .outerjoin(Meeting, Meeting.activity_id == Activity.id)
    .outerjoin(Note, Note.activity_id == Activity.id)
    .outerjoin(Task, Task.activity_id == Activity.id)
    .outerjoin(User, User.id == func.coalesce(Note.author_id, Task.responsible_id))
)


def posts(session: Session, writer: Writer, links: Mapping[int, str]) -> dict[int, PostRecord]:
    """The posts of activities that are there, each with the link to the profile that it belongs to."""
    rows = session.execute(_WRITTEN.where(Activity.id.in_(links))).all()
    people = _people(session, links)
    return {row.id: _post(row, people[row.id], writer, links[row.id]) for row in rows}


def _post(row: Any, people: People, writer: Writer, link: str) -> PostRecord:
    facts = (f"{label}: {said}" for label, value in _facts(row, people, writer) if (said := _line(value)))
    text = row.unique_text or row.body_text or row.note or row.task or ""
    profile = writer.language.gettext("Profile")
    parts = ("\n".join(facts), _sendable(text).strip()[:MAX_TEXT].rstrip(), f"{profile}: {link}")
    return PostRecord(_line(writer.line(_entry(row, people))), "\n\n".join(part for part in parts if part))


def fingerprint(record: PostRecord) -> str:
    """The same for posts that read the same, whatever a server makes of line ends and of the space around words."""
    lines = (" ".join(line.split()) for line in record.body.splitlines())
    return hashed("\n".join([" ".join(record.subject.split()), *(line for line in lines if line)]))


def _people(session: Session, activity_ids: Collection[int]) -> dict[int, People]:
    """The names of the participants of each activity by role, without blind copies."""
    columns = select(Participant.activity_id, Participant.role, Participant.name, Participant.address)
    found = columns.where(Participant.activity_id.in_(activity_ids), Participant.role != Role.BCC)
    people: dict[int, People] = {id_: defaultdict(list) for id_ in activity_ids}
    for id_, role, name, address in session.execute(found.order_by(Participant.activity_id, Participant.position)):
        people[id_][role].append(name or address)
    return people


def _entry(row: Any, people: People) -> Entry:
    """What the subject says: all but what was said, unless there is nothing else."""
    is_own = row.kind in (ActivityKind.NOTE, ActivityKind.TASK)
    return Entry(
        kind=row.kind,
        at=row.done_at or row.occurred_at,
        day=row.start_date or (None if row.done_at else row.due_on),
        direction=row.direction,
        subject=row.subject,
        snippet=row.snippet if is_own and not row.subject else "",
        is_cancelled=bool(row.is_cancelled),
        is_done=row.done_at is not None,
        people=tuple((role, name) for role in _ROLES for name in people.get(role, ())),
        responsible=(row.full_name or row.name or "") if is_own else "",
    )


def _facts(row: Any, people: People, writer: Writer) -> Iterator[tuple[str, str]]:
    gettext, labels = writer.language.gettext, _labels(writer.language)
    who = row.full_name or row.name or ""
    if row.kind == ActivityKind.TASK:
        yield gettext("Responsible"), who
        yield gettext("Due"), writer.language.day(row.due_on) if row.due_on else ""
        yield gettext("Done"), writer.day(row.done_at) if row.done_at else ""
        return
    yield gettext("When"), _when(row, writer)
    if row.kind == ActivityKind.NOTE:
        yield gettext("Author"), who
    yield gettext("Place"), row.location or ""
    for role in _ROLES:
        yield labels[role], "; ".join(people.get(role, ()))


def _labels(language: Language) -> dict[Role, str]:
    pgettext = language.pgettext
    return {
        Role.FROM: pgettext("participant", "From"),
        Role.ORGANIZER: pgettext("participant", "Organizer"),
        Role.TO: pgettext("participant", "To"),
        Role.REQUIRED: pgettext("participant", "Required"),
        Role.CC: pgettext("participant", "Cc"),
        Role.OPTIONAL: pgettext("participant", "Optional"),
        Role.RESOURCE: pgettext("participant", "Room"),
    }


def _when(row: Any, writer: Writer) -> str:
    """23 Nov 2026, 14:05 – 15:00; of all-day meetings the days, the last one included."""
    language = writer.language
    if row.start_date is not None:
        last = (row.end_date or row.start_date) - timedelta(days=1)
        days = (row.start_date,) if last <= row.start_date else (row.start_date, last)
        return " – ".join(language.day(day) for day in days)
    start = language.day_and_time(row.occurred_at, writer.zone)
    if row.end_at is None:
        return start
    if writer.day_of(row.end_at) == writer.day_of(row.occurred_at):
        return f"{start} – {language.time_of_day(row.end_at, writer.zone)}"
    return f"{start} – {language.day_and_time(row.end_at, writer.zone)}"


def _line(text: str) -> str:
    return " ".join(_sendable(text).split())


def _sendable(text: str) -> str:
    """The text without the characters that no mailbox keeps."""
    return _UNSENDABLE.sub(" ", text)
