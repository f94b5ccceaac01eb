"""The history of a seeded office: told entry by entry as rows of one narrow table, from which all others are filled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any, cast

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, TextClause, bindparam, text
from sqlalchemy.orm import DeclarativeBase

from terracrm.domain.made_up import Writer
from terracrm.domain.words import stem
from terracrm.models import (
    Activity,
    ActivityKind,
    ActivityMailbox,
    CompanyTimeline,
    ContactTimeline,
    Link,
    Meeting,
    MeetingCopy,
    Message,
    MessageBody,
    MessageCopy,
    Note,
    Participant,
    Sharing,
    Thread,
    ThreadKey,
    UTCDateTime,
)
from terracrm.services.seeded_people import STREAMS, Office, Size

SPAN = timedelta(days=5 * 365)
AHEAD = timedelta(days=30)  # meetings are planned that far
SENTENCE = 7  # words
KINDS, KIND_WEIGHTS = (ActivityKind.MAIL, ActivityKind.MEETING, ActivityKind.NOTE), (88, 9, 3)
HEAT = 3  # the n-th contact is written to about n ** -(2/3) times as often as the first
WITH_OWNER, ANSWERED, WITH_COLLEAGUE = 0.75, 0.5, 0.7
_NUMBER = 10**9  # numbers as texts of one length: they are written in the order of their index

temporary = MetaData()
story = Table(
    "seeded_story",
    temporary,
    Column("id", Integer, primary_key=True),
    Column("occurred_at", UTCDateTime),
    Column("ends_at", UTCDateTime),
    Column("kind", String),
    Column("direction", String),
    Column("sharing", Integer),
    Column("mailbox_id", Integer),  # what holds it, and in another one; a note is in none
    Column("other_id", Integer),
    Column("contact_id", Integer),
    Column("colleague_id", Integer),
    Column("company_id", Integer),
    Column("author_id", Integer),
    Column("speaker", Integer),  # the participants, by the ids of `faces`
    Column("listener", Integer),
    Column("third", Integer),
    Column("subject", Integer),  # what is said, by the ids of `said`
    Column("opening", Integer),
    Column("rest", Integer),
    Column("thread_id", Integer),
    Column("answered_id", Integer),
    prefixes=["TEMPORARY"],
)
said = Table(
    "seeded_said",
    temporary,
    Column("id", Integer, primary_key=True),
    Column("text", Text),
    Column("words", Text),
    prefixes=["TEMPORARY"],
)
# Contacts by their ids, our own people by the negative ids of their mailboxes.
faces = Table(
    "seeded_faces",
    temporary,
    Column("id", Integer, primary_key=True),
    Column("address", String),
    Column("name", String),
    Column("domain", String),
    Column("contact_id", Integer),
    Column("company_id", Integer),
    Column("method", String),
    Column("words", Text),
    prefixes=["TEMPORARY"],
)
positions = Table("seeded_positions", temporary, Column("n", Integer, primary_key=True), prefixes=["TEMPORARY"])
_SAID = (
    "seeded_story s JOIN seeded_said subject ON subject.id = s.subject JOIN seeded_said opening"
    " ON opening.id = s.opening JOIN seeded_said rest ON rest.id = s.rest"
)
_COPIES = (
    "SELECT id, 2 * id AS n, mailbox_id, kind, occurred_at FROM seeded_story WHERE mailbox_id IS NOT NULL"
    " UNION ALL SELECT id, 2 * id + 1, other_id, kind, occurred_at FROM seeded_story WHERE other_id IS NOT NULL"
)
_IS_MAIL, _IS_MEETING, _IS_NOTE = (
    f"s.kind = '{kind}'" for kind in (ActivityKind.MAIL, ActivityKind.MEETING, ActivityKind.NOTE)
)
FILLED: tuple[type[DeclarativeBase], ...] = (
    Activity, Participant, ContactTimeline, CompanyTimeline, ActivityMailbox, Thread, ThreadKey, Message, MessageBody,
    Link, MessageCopy, Meeting, MeetingCopy, Note,
)  # fmt: skip


def sayings(writer: Writer, size: Size) -> list[dict[str, Any]]:
    """What people say: subjects, then sentences."""
    texts = [writer.subject() for _ in range(size.subjects)]
    texts += [writer.sentence(SENTENCE) for _ in range(size.sentences)]
    return [{"id": n, "text": said_, "words": stem(said_)} for n, said_ in enumerate(texts, start=1)]


def tell(random: Random, size: Size, office: Office, until: datetime) -> Iterator[tuple[Any, ...]]:
    """Rows of `story`: mailbox after mailbox, each in the order of time, as mailboxes are mirrored."""
    happened = sorted(_happened(random, size, office))
    newest: dict[tuple[int, int], tuple[int, int, int]] = {}
    kinds = random.choices(KINDS, KIND_WEIGHTS, k=size.activities)
    boxes = len(office.sharing)
    threads = 0
    for id_, ((box, ago, contact), kind) in enumerate(zip(happened, kinds, strict=True), start=1):
        at = until + timedelta(seconds=ago)
        other = colleague = thread = answered = ends_at = None
        company = (contact - 1) % size.companies + 1
        if random.random() < WITH_COLLEAGUE:
            colleague = contact + size.companies if contact + size.companies <= size.contacts else company
        if colleague is None or colleague == contact:
            colleague, other = None, box % boxes + 1
        subject = random.randint(1, size.subjects)
        outgoing = random.random() < 0.5
        if kind == ActivityKind.MAIL:
            if (box, contact) in newest and random.random() < ANSWERED:
                thread, answered, subject = newest[box, contact]
            else:
                threads += 1
                thread = threads
            newest[box, contact] = (thread, id_, subject)
        elif kind == ActivityKind.MEETING:
            at = (at + AHEAD).replace(minute=0, second=0)
            ends_at, outgoing = at + timedelta(hours=1), True
        direction = ("out" if outgoing else "in") if kind == ActivityKind.MAIL else ""
        speaker, listener = (-box, contact) if outgoing else (contact, -box)
        third = colleague or -(other or 0)
        is_note = kind == ActivityKind.NOTE
        opening, rest = (size.subjects + random.randint(1, size.sentences) for _ in range(2))
        levels = [office.sharing[box], office.sharing[other]] if other else [office.sharing[box]]
        yield (
            id_, at, ends_at, kind.value, direction, int(Sharing.EVERYONE if is_note else min(levels)),
            None if is_note else box, None if is_note else other, contact, colleague, company,
            min(box, size.users) if is_note else None, speaker, listener, third, subject,
            opening, rest, thread, answered,
        )  # fmt: skip


def _happened(random: Random, size: Size, office: Office) -> Iterator[tuple[int, float, int]]:
    """Of each entry the mailbox, when it was in seconds, and the contact: most by the company's owner."""
    seconds = int(SPAN.total_seconds())
    for _ in range(size.activities):
        contact = int(size.contacts * random.random() ** HEAT) + 1
        owner = office.owners[(contact - 1) % size.companies][0]
        is_own = owner is not None and random.random() < WITH_OWNER
        box = owner if owner and is_own else random.randint(1, len(office.sharing))
        yield box, -random.randint(1, seconds), contact


def words() -> str:
    """What each activity is found by: (id, occurred_at, words)."""
    said_ = "subject.words || ' ' || opening.words || ' ' || rest.words"
    people = " || ' ' || ".join(f"{name}.words" for name in ("speaker", "listener", "third"))
    joined = " ".join(f"JOIN seeded_faces {name} ON {name}.id = s.{name}" for name in ("speaker", "listener", "third"))
    number = "CAST(s.id AS TEXT)"
    return f"SELECT s.id, s.occurred_at, {said_} || ' ' || {people} || ' ' || {number} AS words FROM {_SAID} {joined}"  # noqa: S608


def statements() -> list[tuple[type[DeclarativeBase], TextClause]]:
    """What fills the tables from the story, in this order."""
    link = {"folder_id": f"mailbox_id * {len(STREAMS)}", "remote_id": f"'item' || ({_NUMBER} + n)"}
    return [
        _fill(
            Activity, f"{_SAID} ORDER BY s.id",
            id="s.id", kind="s.kind", occurred_at="s.occurred_at", direction="s.direction", sharing="s.sharing",
            is_matched="TRUE", mailbox_id="s.mailbox_id", rule="s.kind", snippet="opening.text",
            subject="CASE WHEN s.answered_id IS NULL THEN '' ELSE 'RE: ' END || subject.text || ' № ' || s.id",
        ),
        _fill(
            Participant,
            "seeded_story s CROSS JOIN seeded_positions p JOIN seeded_faces f"
            " ON f.id = CASE p.n WHEN 0 THEN s.speaker WHEN 1 THEN s.listener ELSE s.third END",
            activity_id="s.id", position="p.n", address="f.address", name="f.name", domain="f.domain",
            contact_id="f.contact_id", company_id="f.company_id", match_method="f.method",
            role=f"CASE WHEN s.kind = '{ActivityKind.MEETING}'"
            " THEN CASE p.n WHEN 0 THEN 'organizer' WHEN 1 THEN 'required' ELSE 'optional' END"
            " ELSE CASE p.n WHEN 0 THEN 'from' WHEN 1 THEN 'to' ELSE 'cc' END END",
        ),
        _timeline(ContactTimeline, "contact_id", "contact_id", "colleague_id"),
        _timeline(CompanyTimeline, "company_id", "company_id"),
        _fill(ActivityMailbox, f"({_COPIES}) c ORDER BY id, mailbox_id", activity_id="id", mailbox_id="mailbox_id"),
        _fill(Thread, "seeded_story WHERE thread_id IS NOT NULL GROUP BY thread_id ORDER BY 1", id="thread_id"),
        _fill(ThreadKey, f"seeded_story s WHERE {_IS_MAIL} ORDER BY id", key=_key("id"), thread_id="thread_id"),
        _fill(
            Message, f"seeded_story s WHERE {_IS_MAIL} ORDER BY id",
            activity_id="id", message_key=_key("id"), message_id=_key("id"), thread_id="thread_id",
            in_reply_to=f"coalesce({_key('answered_id')}, '')", sent_at="occurred_at",
            is_reply="answered_id IS NOT NULL",
        ),
        _fill(
            MessageBody, f"{_SAID} WHERE {_IS_MAIL} ORDER BY s.id",
            activity_id="s.id", text="opening.text || ' ' || rest.text", unique_text="opening.text || ' ' || rest.text",
        ),
        _fill(
            Meeting, f"{_SAID} WHERE {_IS_MEETING} ORDER BY s.id",
            id="s.id", meeting_key=_key("s.id"), uid=_key("s.id"), kind="'single'", activity_id="s.id",
            subject="subject.text || ' № ' || s.id", start_at="s.occurred_at", end_at="s.ends_at", zone="'UTC'",
            source_mailbox_id="s.mailbox_id", body_text="opening.text",
        ),
        _fill(
            Link, f"({_COPIES}) s WHERE {_IS_MAIL} ORDER BY mailbox_id, n",
            id="n", mailbox_id="mailbox_id", entity="'message'", local_id="id", rule="kind", version="'1'",
            folder_id=f"{link['folder_id']} + {STREAMS.index('mail')}", remote_id=link["remote_id"],
        ),
        _fill(
            MessageCopy, f"({_COPIES}) s WHERE {_IS_MAIL} ORDER BY n",
            link_id="n", message_id="id", mailbox_id="mailbox_id", received_at="occurred_at",
        ),
        _fill(
            Link, f"({_COPIES}) s WHERE {_IS_MEETING} ORDER BY mailbox_id, n",
            id="n", mailbox_id="mailbox_id", entity="'meeting'", local_id="id", rule="'calendar'", version="'1'",
            folder_id=f"{link['folder_id']} + {STREAMS.index('calendar')}", remote_id=link["remote_id"],
        ),
        _fill(
            MeetingCopy, f"({_COPIES}) s WHERE {_IS_MEETING} ORDER BY n",
            link_id="n", meeting_id="id", mailbox_id="mailbox_id", response="'accepted'",
        ),
        _fill(
            Note, f"{_SAID} WHERE {_IS_NOTE} ORDER BY s.id",
            activity_id="s.id", author_id="author_id", text="rest.text",
        ),
    ]  # fmt: skip


def _key(id_: str) -> str:
    return f"'i' || ({_NUMBER} + {id_}) || '@seeded.example'"


def _timeline(model: type[DeclarativeBase], column: str, *owners: str) -> tuple[type[DeclarativeBase], TextClause]:
    each = " UNION ALL ".join(
        f"SELECT {owner} AS owner, occurred_at, id, kind FROM seeded_story WHERE {owner} IS NOT NULL"  # noqa: S608
        for owner in owners
    )
    of = {column: "owner", "occurred_at": "occurred_at", "activity_id": "id", "kind": "kind"}
    return _fill(model, f"({each}) t ORDER BY 1, 2, 3", **of)


def _fill(model: type[DeclarativeBase], source: str, **columns: str) -> tuple[type[DeclarativeBase], TextClause]:
    """Fill a table from a source: what is given as SQL, and the defaults of its other columns."""
    table = cast(Table, model.__table__)
    defaults = {c.name: c for c in table.columns if c.default is not None and c.name not in columns}
    values = [*columns.values(), *(f":{name}" for name in defaults)]
    said_ = f"INSERT INTO {table.name} ({', '.join((*columns, *defaults))}) SELECT {', '.join(values)} FROM {source}"  # noqa: S608
    made = {name: _default(column) for name, column in defaults.items()}
    return model, text(said_).bindparams(*(bindparam(name, made[name], defaults[name].type) for name in defaults))


def _default(column: Any) -> Any:
    made = column.default
    return made.arg(None) if made.is_callable else made.arg
