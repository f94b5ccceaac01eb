"""What a client's card in Outlook tells of the client: properties, and the block in the notes (W2).

In the language of the mailbox's owner, and no more than the owner reads in the portal. The same data gives the same
text, byte for byte: what changes merely because time passes changes at moments that are known beforehand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain.history_block import Block, render
from terracrm.domain.records import ClientCard, Role
from terracrm.languages import language_of
from terracrm.models import (
    Activity,
    ActivityKind,
    Contact,
    ContactTimeline,
    Link,
    Meeting,
    OutboxItem,
    Participant,
    Stream,
    Task,
    Team,
    User,
    utcnow,
)
from terracrm.services import access, outbox
from terracrm.services.access import Condition, Viewer
from terracrm.services.history_lines import Entry, Writer
from terracrm.services.matching import chunks

Rows = Select[*tuple[Any, ...]]

SAMPLE = 10
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Facts:
    """What Outlook is to be told of a client. `block` is None where the notes are left alone.

    At `until` it says something else because time has passed; None where it never does. Whoever writes it owes the
    card again from then on (`outbox.owe(..., at=facts.until)`), also where there was nothing to write.
    """

    card: ClientCard
    block: Block | None
    until: datetime | None


def facts(
    session: Session, settings: Settings, stream: Stream, contact_ids: Collection[int], now: datetime | None = None
) -> dict[int, Facts]:
    """What the mailbox of a contacts stream is to be told of these clients; a handful of queries for all together.

    Of a client that is not there (any more), nothing.
    """
    viewer = access.viewer_of_mailbox(session, stream.mailbox)
    count = settings.outlook.history_entries if stream.history_entries is None else stream.history_entries
    writer = Writer(language_of(settings, stream.mailbox.user), ZoneInfo(settings.web.time_zone))
    found: dict[int, Facts] = {}
    for ids in chunks(sorted(set(contact_ids))):
        for told in _tellings(session, viewer, writer, ids, count, now or utcnow()):
            found[told.contact_id] = _facts(told, writer, settings.web.address, count)
    return found


def is_current(session: Session, settings: Settings, stream: Stream) -> bool:
    """Whether the cards that tell most, of those that are not owed, say what they are to say. Where one does not, the
    settings have changed: the language, the time zone, the address of the portal, or how much is told.
    """
    due = exists().where(
        OutboxItem.mailbox_id == Link.mailbox_id,
        OutboxItem.entity == outbox.CONTACT,
        OutboxItem.local_id == Link.local_id,
        or_(OutboxItem.state != outbox.OWED, OutboxItem.next_try_at <= utcnow()),
    )
    ours = Link.mailbox_id == stream.mailbox_id, Link.entity == outbox.CONTACT, Link.rule == outbox.CLIENTS
    is_told = Link.gone_at.is_(None), Link.untracked_at.is_(None), Link.block_removed_at.is_(None), Link.version != ""
    longest = (
        select(Link).where(*ours, *is_told, ~due).order_by(func.length(Link.written).desc(), Link.id).limit(SAMPLE)
    )
    cards = {card.local_id: card for card in session.scalars(longest) if card.card}
    found = facts(session, settings, stream, cards) if cards else {}
    return all(_says(cards[contact_id], each) for contact_id, each in found.items())


def _says(card: Link, found: Facts) -> bool:
    text = render(found.block) if found.block else ""
    return (text, found.card.profile_link) == (card.written, (card.card or {}).get("profile_link"))


@dataclass(slots=True)
class _Telling:
    """What is known of one client as the viewer may see it. `past` is newest first, `next_step` the nearest."""

    contact_id: int
    owner: str
    stage: str
    last_at: datetime | None
    past: list[Entry]
    next_step: Entry | None
    until: datetime | None


def _facts(told: _Telling, writer: Writer, address: str, count: int) -> Facts:
    card = ClientCard(
        client_id=str(told.contact_id),
        owner=told.owner,
        stage=told.stage,
        last_contact=told.last_at.replace(microsecond=0) if told.last_at else None,
        next_step=writer.line(told.next_step) if told.next_step else "",
        profile_link=f"{address}/contacts/{told.contact_id}",
    )
    gettext = writer.language.gettext
    labelled = (
        (gettext("Owner"), card.owner),
        (gettext("Stage"), card.stage),
        (gettext("Last contact"), writer.day(told.last_at) if told.last_at else ""),
        (gettext("Next step"), card.next_step),
    )
    entries = tuple(writer.line(entry) for entry in told.past)
    block = Block(gettext("Relationship history"), labelled, entries, card.profile_link)
    return Facts(card, block if count else None, told.until)


def _tellings(
    session: Session, viewer: Viewer, writer: Writer, ids: Sequence[int], count: int, now: datetime
) -> list[_Telling]:
    """What is known of these clients. A role that reads no content learns when, and nothing else."""
    seen = access.activities(viewer)
    contacts = session.execute(_contacts(seen, ids, now)).all()
    ahead = _by_contact(session.execute(_ahead(seen, ids, now)))
    tasks = past = _by_contact(())
    if viewer.reads_content:
        tasks = _by_contact(session.execute(_tasks(seen, ids)))
        past = _by_contact(session.execute(_past(seen, ids, count, now))) if count else past
    latest = {contact_id: sorted(rows, key=_age, reverse=True)[:count] for contact_id, rows in past.items()}
    people = _people(session, sorted({row.id for rows in latest.values() for row in rows}))
    return [
        _Telling(
            contact_id=contact.id,
            owner=contact.full_name or contact.name or contact.team or "",
            stage=contact.stage,
            last_at=contact.last_at,
            past=[
                _past_entry(row, _named(people[row.id], contact), contact.display_name)
                for row in latest.get(contact.id, ())
            ],
            next_step=_nearest(writer, tasks[contact.id], ahead[contact.id]) if viewer.reads_content else None,
            until=min((row.occurred_at for row in ahead[contact.id]), default=None),
        )
        for contact in contacts
    ]


def _contacts(seen: Condition, ids: Sequence[int], now: datetime) -> Rows:
    """Who looks after each client, and when somebody was last in touch: by what happened, tasks aside."""
    cancelled = exists().where(Meeting.activity_id == Activity.id, Meeting.is_cancelled)
    last_at = (
        select(ContactTimeline.occurred_at)
        .join(Activity, Activity.id == ContactTimeline.activity_id)
        .where(ContactTimeline.contact_id == Contact.id, ContactTimeline.occurred_at <= now)
        .where(Activity.kind != ActivityKind.TASK, ~cancelled, seen)
        .order_by(ContactTimeline.occurred_at.desc())
        .limit(1)
    )
    return (
        select(
            Contact.id,
            Contact.display_name,
            Contact.stage,
            User.full_name,
            User.name,
            Team.name.label("team"),
            last_at.correlate(Contact).scalar_subquery().label("last_at"),
        )
        .outerjoin(User, User.id == Contact.owner_id)
        .outerjoin(Team, Team.id == Contact.team_id)
        .where(Contact.id.in_(ids))
        .order_by(Contact.id)
    )


def _rows(seen: Condition) -> Rows:
    """What the viewer sees on the timelines of clients, with what is told of it."""
    return (
        select(
            ContactTimeline.contact_id,
            Activity.id,
            Activity.kind,
            Activity.occurred_at,
            Activity.direction,
            Activity.subject,
            Activity.snippet,
            Meeting.is_cancelled,
            Meeting.start_date,
            Task.due_on,
            Task.done_at,
            User.full_name,
            User.name,
        )
        .join(Activity, Activity.id == ContactTimeline.activity_id)
        .outerjoin(Meeting, Meeting.activity_id == Activity.id)
        .outerjoin(Task, Task.activity_id == Activity.id)
        .outerjoin(User, User.id == Task.responsible_id)
        .where(seen)
    )


def _ahead(seen: Condition, ids: Sequence[int], now: datetime) -> Rows:
    return _rows(seen).where(ContactTimeline.contact_id.in_(ids), ContactTimeline.occurred_at > now)


def _tasks(seen: Condition, ids: Sequence[int]) -> Rows:
    is_open = and_(Task.activity_id.is_not(None), Task.done_at.is_(None), Task.cancelled_at.is_(None))
    return _rows(seen).where(ContactTimeline.contact_id.in_(ids), is_open)


def _past(seen: Condition, ids: Sequence[int], count: int, now: datetime) -> Rows:
    """The latest entries of each client, and all that are as old as the last of them. Tasks count when done.

    Their number is found by walking each timeline from its end, whatever its length.
    """
    done = exists().where(Task.activity_id == Activity.id, Task.done_at.is_not(None)).correlate(Activity)
    is_told = and_(ContactTimeline.occurred_at <= now, or_(Activity.kind != ActivityKind.TASK, done))
    oldest = (
        select(ContactTimeline.occurred_at)
        .join(Activity, Activity.id == ContactTimeline.activity_id)
        .where(ContactTimeline.contact_id == Contact.id, is_told, seen)
        .order_by(ContactTimeline.occurred_at.desc())
        .offset(count - 1)
        .limit(1)
        .correlate(Contact)
        .scalar_subquery()
    )
    since = select(Contact.id, func.coalesce(oldest, _BEGINNING).label("oldest")).where(Contact.id.in_(ids)).subquery()
    latest = and_(ContactTimeline.contact_id == since.c.id, ContactTimeline.occurred_at >= since.c.oldest)
    return _rows(seen).join(since, latest).where(is_told)


def _by_contact(rows: Iterable[Any]) -> defaultdict[int, list[Any]]:
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.contact_id].append(row)
    return found


def _age(row: Any) -> tuple[datetime, int]:
    return row.occurred_at, row.id


def _people(session: Session, activity_ids: Sequence[int]) -> defaultdict[int, list[Any]]:
    """Who took part in activities that the viewer may read; of blind copies nothing is ever told."""
    columns = (Participant.activity_id, Participant.role, Participant.name, Participant.address, Participant.contact_id)
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for ids in chunks(activity_ids):
        rows = select(*columns).where(Participant.activity_id.in_(ids), Participant.role != Role.BCC)
        for row in session.execute(rows.order_by(Participant.activity_id, Participant.position)):
            found[row.activity_id].append(row)
    return found


def _named(people: Iterable[Any], contact: Any) -> tuple[tuple[str, str], ...]:
    """The participants, the client before others, each once in a role.

    The client goes by the name here, others by that of the item: a card changes with its own client and history only.
    """
    ordered = sorted(people, key=lambda row: row.contact_id != contact.id)
    names = (contact.display_name if row.contact_id == contact.id else row.name or row.address for row in ordered)
    return tuple(dict.fromkeys((row.role, name) for row, name in zip(ordered, names, strict=True) if name))


def _past_entry(row: Any, people: tuple[tuple[str, str], ...], own: str) -> Entry:
    if row.kind == ActivityKind.TASK:
        who = row.full_name or row.name or ""
        return Entry(row.kind, row.done_at, subject=row.subject, is_done=True, responsible=who)
    return Entry(
        kind=row.kind,
        at=row.occurred_at,
        day=row.start_date,
        direction=row.direction,
        subject=row.subject,
        snippet=row.snippet,
        is_cancelled=bool(row.is_cancelled),
        people=people,
        own=own,
    )


def _nearest(writer: Writer, tasks: Iterable[Any], ahead: Iterable[Any]) -> Entry | None:
    """The open task or upcoming meeting that comes first: a task on its day, or last where it has none."""
    steps: list[tuple[date, datetime, int, Entry]] = []
    for row in tasks:
        who = row.full_name or row.name or ""
        task = Entry(row.kind, None, day=row.due_on, subject=row.subject, responsible=who)
        steps.append((row.due_on or date.max, row.occurred_at, row.id, task))
    for row in ahead:
        if row.kind == ActivityKind.MEETING and not row.is_cancelled:
            meeting = Entry(row.kind, row.occurred_at, day=row.start_date, subject=row.subject)
            steps.append((row.start_date or writer.day_of(row.occurred_at), row.occurred_at, row.id, meeting))
    return min(steps, key=lambda step: step[:3])[3] if steps else None
