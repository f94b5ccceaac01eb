"""Why something is here, and why something is not: mailbox, folder, run, rule and match of each fact (Y4).

Rules and methods are told by their codes; pages and commands put them into words.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, select
from sqlalchemy.orm import Session

from terracrm.domain.capture import message_hash, normalise_message_id
from terracrm.errors import NotFound
from terracrm.models import (
    Activity,
    ActivityKind,
    Company,
    Contact,
    Link,
    Mailbox,
    Meeting,
    Message,
    MirrorFolder,
    QuarantinedItem,
    SkippedItem,
    Stream,
    SyncRun,
)
from terracrm.services import access, rows, topics
from terracrm.services.access import Viewer
from terracrm.services.people import Person, blind_copies, people_of
from terracrm.services.topics import TopicRow

CARDS_SHOWN = 20
SICK_SHOWN = 20
_LINKED = (
    select(
        Link.id,
        Link.mailbox_id,
        Link.entity,
        Link.local_id,
        Link.run_id,
        Link.rule,
        Link.match_method,
        Link.gone_at,
        Link.untracked_at,
        Mailbox.address,
        MirrorFolder.path,
        SyncRun.started_at,
    )
    .join(Mailbox, Mailbox.id == Link.mailbox_id)
    .join(MirrorFolder, MirrorFolder.id == Link.folder_id)
    .outerjoin(SyncRun, SyncRun.id == Link.run_id)
    .order_by(Mailbox.address, MirrorFolder.path, Link.id)
)
_MAILBOX = select(Mailbox.address).where(Mailbox.id == bindparam("mailbox_id"))
_RUN = select(SyncRun.started_at).where(SyncRun.id == bindparam("run_id"))
_CARDS_OF_CONTACT = _LINKED.where(Link.entity == "contact", Link.local_id == bindparam("contact_id")).limit(CARDS_SHOWN)


@dataclass(frozen=True, slots=True)
class Origin:
    """What brought something: "" and None where that is not known (any more)."""

    mailbox: str
    run_id: int | None
    run_at: datetime | None
    rule: str


@dataclass(frozen=True, slots=True)
class Copy:
    """One item of a mailbox that is linked to what is here, and how it was found to be the same.

    `gone_at`: since when it is no longer in Outlook (S9). `untracked_at`: since when it is no longer followed (S8).
    """

    link_id: int
    entity: str
    local_id: int
    folder: str
    origin: Origin
    match_method: str
    gone_at: datetime | None
    untracked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Skip:
    """An item of a mailbox that was left out, by which rule and since when; `origin.rule` is that rule."""

    folder: str
    origin: Origin
    since: datetime


@dataclass(frozen=True, slots=True)
class Sick:
    """An item that could not be read. What it is, is not known: it may be the one that is asked for."""

    mailbox: str
    folder: str
    error: str
    attempts: int
    since: datetime
    next_try_at: datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """A mailbox's mail, and up to when it was read; None for never. `folders` are those that are read."""

    mailbox: str
    is_read: bool
    state: str
    until: datetime | None
    folders: int
    unread_folders: int


@dataclass(frozen=True, slots=True)
class ActivityWhy:
    """Why an activity is here. `skips` are other mailboxes that left the same mail out."""

    id: int
    kind: str
    occurred_at: datetime
    origin: Origin
    sharing: int
    detail: str
    people: list[Person]
    topics: list[TopicRow]
    copies: list[Copy]
    skips: list[Skip]


@dataclass(frozen=True, slots=True)
class ClientWhy:
    """Why a contact or company is here. `cards` are the entries of contacts folders, for a company its people's."""

    entity: str
    id: int
    name: str
    origin: Origin
    created_at: datetime
    cards: list[Copy]
    merged_into_id: int | None
    domains: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MissingWhy:
    """Why a mail is not here: it was left out, or may be among the sick, or no mailbox that is read has it."""

    message_id: str
    skips: list[Skip]
    sick: list[Sick]
    readings: list[Reading]


def activity(session: Session, viewer: Viewer, activity_id: int) -> ActivityWhy:
    """Why an activity is here; NotFound where the viewer does not see it.

    A role that reads no history is told mailboxes, runs and rules, and nobody who took part.
    """
    row = session.scalar(select(Activity).where(Activity.id == activity_id, access.activities(viewer)))
    if row is None:
        raise NotFound("There is no such entry.")
    people = people_of(session, viewer, [activity_id]).get(activity_id, [])
    message = session.get(Message, activity_id) if row.kind == ActivityKind.MAIL else None
    hidden = blind_copies(session, viewer, activity_id, people)
    copies = _copies_of_activity(session, viewer, row, hidden)
    origin = _origin(session, row.mailbox_id, row.run_id, row.rule)
    if origin.mailbox in hidden:
        origin = next((copy.origin for copy in copies), Origin("", None, None, row.rule))
    return ActivityWhy(
        id=row.id,
        kind=row.kind,
        occurred_at=row.occurred_at,
        origin=origin,
        sharing=row.sharing,
        detail=message.detail if message else "",
        people=people,
        topics=topics.of_activity(session, viewer, activity_id) if viewer.reads_content else [],
        copies=copies,
        skips=_skips(session, viewer, message.message_id or message.message_key) if message else [],
    )


def client(session: Session, viewer: Viewer, entity: str, client_id: int) -> ClientWhy:
    """Why a contact or company is here; NotFound where the viewer does not see it."""
    if entity == "contact":
        contact = session.scalar(select(Contact).where(Contact.id == client_id, access.contacts(viewer)))
        if contact is not None:
            return of_contact(session, viewer, contact)
    elif entity == "company":
        company = session.scalar(select(Company).where(Company.id == client_id, access.companies(viewer)))
        if company is not None:
            return of_company(session, viewer, company)
    raise NotFound(f"There is no such {entity}.")


def of_contact(session: Session, viewer: Viewer, contact: Contact | Row[*tuple[Any, ...]]) -> ClientWhy:
    """Why a contact is here that the viewer sees; a row of its table will do."""
    cards = rows.fetch(session, _CARDS_OF_CONTACT, {"contact_id": contact.id})
    return _client(session, "contact", contact.display_name, contact, _copies_of(viewer, cards), [])


def of_company(session: Session, viewer: Viewer, company: Company) -> ClientWhy:
    """Why a company is here that the viewer sees."""
    cards = rows.fetch(session, _cards_of_company(viewer), {"company_id": company.id})
    domains = [each.domain for each in company.domains]
    return _client(session, "company", company.name, company, _copies_of(viewer, cards), domains)


@access.kept
def _cards_of_company(viewer: Viewer) -> Select[*tuple[Any, ...]]:
    people = select(Contact.id).where(Contact.company_id == bindparam("company_id"), access.contacts(viewer))
    return _LINKED.where(Link.entity == "contact", Link.local_id.in_(people)).limit(CARDS_SHOWN)


def link(session: Session, viewer: Viewer, link_id: int) -> Copy:
    """What is known of one link; NotFound unless the viewer sees its mailbox."""
    found = _copies(session, viewer, Link.id == link_id, access.mailboxes(viewer))
    if not found:
        raise NotFound("There is no such link.")
    return found[0]


def mail(session: Session, viewer: Viewer, message_id: str) -> ActivityWhy | MissingWhy:
    """Why the mail of a Message-ID is here, or why it is not."""
    key = normalise_message_id(message_id)
    found = session.scalar(select(Message.activity_id).where(Message.message_key == key))
    if found is not None:
        return activity(session, viewer, found)
    return MissingWhy(
        message_id=message_id,
        skips=_skips(session, viewer, message_id),
        sick=_sick(session, viewer),
        readings=_readings(session, viewer),
    )


def _client(
    session: Session,
    entity: str,
    name: str,
    row: Contact | Company | Row[*tuple[Any, ...]],
    cards: list[Copy],
    domains: list[str],
) -> ClientWhy:
    origin = _origin(session, row.created_by_mailbox_id, row.created_by_run_id, row.created_by_rule)
    return ClientWhy(entity, row.id, name, origin, row.created_at, cards, row.merged_into_id, domains)


def _origin(session: Session, mailbox_id: int | None, run_id: int | None, rule: str) -> Origin:
    mailbox = rows.first(session, _MAILBOX, {"mailbox_id": mailbox_id}) if mailbox_id else None
    run = rows.first(session, _RUN, {"run_id": run_id}) if run_id else None
    return Origin(mailbox.address if mailbox else "", run_id, run.started_at if run else None, rule)


def _copies_of_activity(session: Session, viewer: Viewer, row: Activity, hidden: Collection[str]) -> list[Copy]:
    """The items behind it, without those that would give away a blind copy which the viewer does not see."""
    entity, local_ids = "message", [row.id]
    if row.kind == ActivityKind.MEETING:
        # The occurrences of a series are behind the item of the series.
        found = session.execute(select(Meeting.id, Meeting.series_id).where(Meeting.activity_id == row.id)).first()
        entity, local_ids = "meeting", [id_ for id_ in found or () if id_]
    elif row.kind == ActivityKind.TASK:
        entity = "task"
    copies = _copies(session, viewer, Link.entity == entity, Link.local_id.in_(local_ids), limit=None)
    return [copy for copy in copies if copy.origin.mailbox not in hidden]


def _copies(
    session: Session, viewer: Viewer, *which: ColumnElement[bool], limit: int | None = CARDS_SHOWN
) -> list[Copy]:
    return _copies_of(viewer, session.execute(_LINKED.where(*which).limit(limit)).all())


def _copies_of(viewer: Viewer, rows: Sequence[Row[*tuple[Any, ...]]]) -> list[Copy]:
    return [
        Copy(
            link_id=row.id,
            entity=row.entity,
            local_id=row.local_id,
            folder=row.path if access.sees_inside(viewer, row.mailbox_id) else "",
            origin=Origin(row.address, row.run_id, row.started_at, row.rule),
            match_method=row.match_method,
            gone_at=row.gone_at,
            untracked_at=row.untracked_at,
        )
        for row in rows
    ]


def _skips(session: Session, viewer: Viewer, message_id: str) -> list[Skip]:
    wanted = message_hash(message_id)
    if not wanted:
        return []
    rows = session.execute(
        select(SkippedItem, Mailbox.address, MirrorFolder.path, SyncRun.started_at)
        .join(MirrorFolder, MirrorFolder.id == SkippedItem.folder_id)
        .join(Stream, Stream.id == MirrorFolder.stream_id)
        .join(Mailbox, Mailbox.id == Stream.mailbox_id)
        .outerjoin(SyncRun, SyncRun.id == SkippedItem.run_id)
        .where(SkippedItem.message_hash == wanted, access.mailboxes(viewer))
        .order_by(Mailbox.address, MirrorFolder.path, SkippedItem.id)
    )
    return [
        Skip(path, Origin(address, row.run_id, run_at, row.rule), row.skipped_at) for row, address, path, run_at in rows
    ]


def _sick(session: Session, viewer: Viewer) -> list[Sick]:
    rows = session.execute(
        select(QuarantinedItem, Mailbox.address, MirrorFolder.path)
        .join(MirrorFolder, MirrorFolder.id == QuarantinedItem.folder_id)
        .join(Stream, Stream.id == MirrorFolder.stream_id)
        .join(Mailbox, Mailbox.id == Stream.mailbox_id)
        .where(Stream.kind == "mail", access.mailboxes(viewer))
        .order_by(QuarantinedItem.first_seen_at.desc(), QuarantinedItem.id)
        .limit(SICK_SHOWN)
    )
    return [
        Sick(address, path, row.error, row.attempts, row.first_seen_at, row.next_try_at) for row, address, path in rows
    ]


def _readings(session: Session, viewer: Viewer) -> list[Reading]:
    streams = session.execute(
        select(Stream, Mailbox)
        .join(Mailbox, Mailbox.id == Stream.mailbox_id)
        .where(Stream.kind == "mail", access.mailboxes(viewer))
        .order_by(Mailbox.address)
    ).all()
    return [
        Reading(
            mailbox=mailbox.address,
            is_read=mailbox.is_enabled and stream.is_enabled and stream.direction != "off",
            state=stream.state,
            until=stream.last_success_at,
            folders=sum(not row.is_excluded and row.gone_at is None for row in stream.folders),
            unread_folders=sum(row.is_excluded and row.gone_at is None for row in stream.folders),
        )
        for stream, mailbox in streams
    ]
