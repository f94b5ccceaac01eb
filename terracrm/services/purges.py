"""A mailbox is taken out again with all that it alone brought (S15).

What another mailbox holds, a person made, changed or decided about, and tasks stay: as if the mailbox had never been
read. It is done in many short transactions; when it is broken off, a second call goes on from there. The mailbox stays
listed, disconnected and as empty as when it was added, so that it can be connected again. Outlook is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, inspect, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased, sessionmaker

from terracrm.config import Settings
from terracrm.db import begin_write, is_race
from terracrm.domain.capture import Detail
from terracrm.domain.records import StreamKind
from terracrm.errors import InvalidInput, NotFound
from terracrm.models import (
    Activity,
    ActivityTopic,
    AttachmentContent,
    Base,
    Company,
    Conflict,
    Contact,
    ContactSuggestion,
    Link,
    Mailbox,
    Meeting,
    MessageAttachment,
    MirrorFolder,
    OutboxItem,
    Plan,
    PlanStep,
    QuarantinedItem,
    Reconciliation,
    SkippedItem,
    Stream,
    StreamState,
    SyncRun,
    SyncRunItem,
    ThreadKey,
    utcnow,
)
from terracrm.services import audit, mailbox_endings, mirror_calendar, mirror_mail, purged_clients
from terracrm.services.mailbox_endings import IsFree
from terracrm.services.mailboxes import is_disconnected
from terracrm.services.sources import Source, lock_directory, source_of

Sessions = sessionmaker[Session]
T = TypeVar("T")
R = TypeVar("R")
Progress = Callable[[str, int, int], None]
"""What is being taken out, how many of it are done, and of how many."""

NO_RUN = 0
TRIES = 3
CLIENTS_AT_ONCE, ITEMS_AT_ONCE, ROWS_AT_ONCE = 50, 100, 2_000


@dataclass(frozen=True, slots=True)
class Purged:
    """What goes, and of what the mailbox shares with others, what stays.

    Mails are counted once each, meetings once for each series; `attachments` are contents that no other mail has.
    `cards` are the clients in the mailbox's Outlook, which stay there and are no longer known.
    """

    mails: int = 0
    mails_stay: int = 0
    meetings: int = 0
    meetings_stay: int = 0
    contacts: int = 0
    contacts_stay: int = 0
    companies: int = 0
    attachments: int = 0
    cards: int = 0

    def __add__(self, other: Purged) -> Purged:
        return Purged(**{name: count + getattr(other, name) for name, count in asdict(self).items()})


def preview(settings: Settings, sessions: Sessions, mailbox_id: int) -> Purged:
    """What a purge would take out; changes nothing. Contacts and companies are tried out and put back."""
    with sessions() as session:
        begin_write(session)
        mailbox = _mailbox(session, mailbox_id)
        found = _items(session, mailbox)
        ids = purged_clients.candidates(session, mailbox_id)
        found += _take_clients(session, mailbox, settings, ids) + _settle_companies(session, mailbox, settings)
        session.rollback()
    return found


def purge(
    settings: Settings,
    sessions: Sessions,
    mailbox_id: int,
    user_id: int | None,
    is_free: IsFree,
    progress: Progress = lambda what, done, total: None,
) -> Purged:
    """Take out what the mailbox alone brought, after disconnecting it; what was taken out by this call.

    Raises InvalidInput while it is being read or written, and when somebody connects it meanwhile.
    """
    return _Purge(settings, sessions, mailbox_id, user_id, is_free, progress).run()


@dataclass
class _Purge:
    """One purge while it lasts. Each step leaves less to be done, so that any call goes on where another ended."""

    settings: Settings
    sessions: Sessions
    mailbox_id: int
    user_id: int | None
    is_free: IsFree
    progress: Progress

    def run(self) -> Purged:
        """All steps."""
        done = self._begin()
        ids = self._read(lambda session: purged_clients.candidates(session, self.mailbox_id))
        for number, some in enumerate(_parts(ids, CLIENTS_AT_ONCE), start=1):
            done += self._write(partial(_take_clients, settings=self.settings, contact_ids=some))
            self.progress("contacts", min(number * CLIENTS_AT_ONCE, len(ids)), len(ids))
        done += self._write(partial(_settle_companies, settings=self.settings))
        done += self._take("meetings", _uids(self.mailbox_id), _take_meetings)
        done += self._take("mails", _message_ids(self.mailbox_id), _take_mails)
        for model, which in _rows(self.mailbox_id):
            while self._write(partial(_delete_some, model=model, which=which)):
                pass
        self._write(self._end)
        return done

    def _begin(self) -> Purged:
        with self.sessions.begin() as session:
            begin_write(session)
            mailbox = _mailbox(session, self.mailbox_id)
            mailbox_endings.require_rest(session, mailbox, self.is_free)
            cards = mailbox_endings.leaving(session, mailbox).cards
            mailbox_endings.let_go(session, mailbox)
            audit.record(session, self.user_id, "mailbox.purge", "mailbox", mailbox.id, mailbox.address)
        return Purged(cards=cards)

    def _end(self, session: Session, mailbox: Mailbox) -> None:
        """Nothing is left but the mailbox as it was added."""
        _let_others_tell(session, mailbox.id)
        session.execute(delete(MirrorFolder).where(MirrorFolder.stream_id.in_(_stream_ids(mailbox.id))))
        session.execute(delete(Reconciliation).where(Reconciliation.stream_id.in_(_stream_ids(mailbox.id))))
        for stream in mailbox.streams:
            stream.direction = "off" if stream.kind in (StreamKind.TASKS, StreamKind.POSTS) else "in"
            stream.posts_since = stream.last_run_at = stream.last_success_at = stream.reconciled_at = None
            stream.gaps = 0
            stream.state, stream.failures, stream.last_error, stream.due_at = StreamState.NEW, 0, "", utcnow()
        audit.record(session, self.user_id, "mailbox.purge.done", "mailbox", mailbox.id, mailbox.address)

    def _take(self, what: str, keys: Select[Any], take: Callable[..., Purged]) -> Purged:
        done = Purged()
        found = self._read(lambda session: list(session.scalars(keys)))
        for number, some in enumerate(_parts(found, ITEMS_AT_ONCE), start=1):
            done += self._write(partial(take, settings=self.settings, keys=some))
            self.progress(what, min(number * ITEMS_AT_ONCE, len(found)), len(found))
        return done

    def _read(self, work: Callable[[Session], list[T]]) -> list[T]:
        with self.sessions() as session:
            return work(session)

    def _write(self, work: Callable[[Session, Mailbox], R]) -> R:
        """Do this in a transaction while the mailbox rests; once more where another one got in the way."""
        for attempt in range(1, TRIES + 1):
            try:
                with self.sessions.begin() as session:
                    begin_write(session)
                    mailbox = _mailbox(session, self.mailbox_id)
                    mailbox_endings.require_rest(session, mailbox, self.is_free)
                    if not is_disconnected(mailbox):
                        raise InvalidInput(
                            f"{mailbox.address} was connected again while it was purged: what is left stays"
                        )
                    return work(session, mailbox)
            except DBAPIError as error:
                if attempt == TRIES or not is_race(error):
                    raise
        raise AssertionError  # the last attempt returns or raises


def _parts(values: list[T], size: int) -> list[list[T]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def _mailbox(session: Session, mailbox_id: int) -> Mailbox:
    mailbox = session.get(Mailbox, mailbox_id, populate_existing=True)
    if mailbox is None:
        raise NotFound("there is no such mailbox")
    return mailbox


def _source(session: Session, settings: Settings, mailbox: Mailbox) -> Source | None:
    """The mailbox as a source; None when it was never read."""
    folder = session.scalar(
        select(MirrorFolder).join(Stream).where(Stream.mailbox_id == mailbox.id).order_by(MirrorFolder.id).limit(1)
    )
    return source_of(settings, mailbox, folder, NO_RUN) if folder is not None else None


# Contacts and companies


def _take_clients(session: Session, mailbox: Mailbox, settings: Settings, contact_ids: Collection[int]) -> Purged:
    source = _source(session, settings, mailbox)
    if source is None or not contact_ids:
        return Purged()
    lock_directory(session, for_writing=True)
    before = _count(session, Contact.id), _count(session, Company.id)
    stay = purged_clients.take_back(session, settings, mailbox, source, contact_ids)
    contacts, companies = before[0] - _count(session, Contact.id), before[1] - _count(session, Company.id)
    return Purged(contacts=contacts, contacts_stay=stay, companies=companies)


def _settle_companies(session: Session, mailbox: Mailbox, settings: Settings) -> Purged:
    source = _source(session, settings, mailbox)
    if source is None:
        return Purged()
    lock_directory(session, for_writing=True)
    before = _count(session, Company.id)
    purged_clients.settle_companies(session, mailbox, source)
    return Purged(companies=before - _count(session, Company.id))


def _count(session: Session, column: InstrumentedAttribute[Any]) -> int:
    return session.scalar(select(func.count(column))) or 0


# Mail and meetings


def _message_ids(mailbox_id: int) -> Select[int]:
    """The messages that a mailbox holds or held."""
    mine = Link.mailbox_id == mailbox_id, Link.entity == mirror_mail.ENTITY
    return select(Link.local_id).where(*mine).distinct().order_by(Link.local_id)


def _uids(mailbox_id: int) -> Select[str]:
    """The meetings that a mailbox holds or held, each with all its occurrences."""
    mine = Link.mailbox_id == mailbox_id, Link.entity == mirror_calendar.ENTITY
    return select(Meeting.uid).join(Link, Link.local_id == Meeting.id).where(*mine).distinct().order_by(Meeting.uid)


def _take_mails(session: Session, mailbox: Mailbox, settings: Settings, keys: Collection[int]) -> Purged:
    contents = _count(session, AttachmentContent.hash)
    mine = select(Link.id).where(
        Link.mailbox_id == mailbox.id, Link.entity == mirror_mail.ENTITY, Link.local_id.in_(keys)
    )
    mirror_mail.withdraw_all(session, Detail(settings.mirror.detail), session.scalars(mine.order_by(Link.id)).all())
    stay = session.scalar(select(func.count(Activity.id)).where(Activity.id.in_(keys))) or 0
    return Purged(
        mails=len(keys) - stay, mails_stay=stay, attachments=contents - _count(session, AttachmentContent.hash)
    )


def _take_meetings(session: Session, mailbox: Mailbox, settings: Settings, keys: Collection[str]) -> Purged:
    mine = (
        select(Link.id)
        .join(Meeting, Meeting.id == Link.local_id)
        .where(Link.mailbox_id == mailbox.id, Link.entity == mirror_calendar.ENTITY, Meeting.uid.in_(keys))
    )
    for link_id in session.scalars(mine.order_by(Link.id)).all():
        link = session.get(Link, link_id, populate_existing=True)
        if link is not None:  # what a move left behind goes with the item itself
            folder = session.get_one(MirrorFolder, link.folder_id)
            mirror_calendar.withdraw(session, source_of(settings, mailbox, folder, NO_RUN), link)
            session.flush()
    stay = session.scalar(select(func.count(Meeting.uid.distinct())).where(Meeting.uid.in_(keys))) or 0
    return Purged(meetings=len(keys) - stay, meetings_stay=stay)


def _items(session: Session, mailbox: Mailbox) -> Purged:
    """How much of the mail and the meetings, of the attachments and the cards goes or stays; asks only."""
    other = aliased(Link)
    is_shared = exists().where(
        other.entity == mirror_mail.ENTITY, other.local_id == Link.local_id, other.mailbox_id != mailbox.id
    )
    sole = _message_ids(mailbox.id).where(~is_shared).order_by(None).subquery()
    shared = _message_ids(mailbox.id).where(is_shared).order_by(None).subquery()
    row, elsewhere = aliased(MessageAttachment), aliased(MessageAttachment)
    of_sole = select(row.content_hash).where(row.activity_id.in_(select(sole.c.local_id)), row.content_hash != "")
    stays = exists().where(
        elsewhere.content_hash == AttachmentContent.hash, elsewhere.activity_id.not_in(select(sole.c.local_id))
    )
    contents = select(func.count(AttachmentContent.hash)).where(AttachmentContent.hash.in_(of_sole), ~stays)
    family = aliased(Meeting)
    held_elsewhere = (
        select(family.uid)
        .join(other, other.local_id == family.id)
        .where(other.entity == mirror_calendar.ENTITY, other.mailbox_id != mailbox.id, family.uid == Meeting.uid)
        .exists()
    )
    uids = _uids(mailbox.id).order_by(None)
    meetings, meetings_stay = uids.where(~held_elsewhere).subquery(), uids.where(held_elsewhere).subquery()
    count = [
        session.scalar(query) or 0
        for query in (
            *(select(func.count()).select_from(each) for each in (sole, shared, meetings, meetings_stay)),
            contents,
        )
    ]
    cards = mailbox_endings.leaving(session, mailbox).cards
    return Purged(count[0], count[1], count[2], count[3], attachments=count[4], cards=cards)


# The rest


def _stream_ids(mailbox_id: int) -> Select[int]:
    return select(Stream.id).where(Stream.mailbox_id == mailbox_id)


def _rows(mailbox_id: int) -> list[tuple[type[Base], ColumnElement[bool]]]:
    """What else is of a mailbox alone, in the order in which it goes."""
    folders = select(MirrorFolder.id).where(MirrorFolder.stream_id.in_(_stream_ids(mailbox_id)))
    runs = select(SyncRun.id).where(SyncRun.stream_id.in_(_stream_ids(mailbox_id)))
    return [
        (SkippedItem, SkippedItem.folder_id.in_(folders)),
        (QuarantinedItem, QuarantinedItem.folder_id.in_(folders)),
        (Link, Link.mailbox_id == mailbox_id),
        (OutboxItem, OutboxItem.mailbox_id == mailbox_id),
        (PlanStep, PlanStep.plan_id.in_(select(Plan.id).where(Plan.mailbox_id == mailbox_id))),
        (Plan, Plan.mailbox_id == mailbox_id),
        (Conflict, and_(Conflict.mailbox_id == mailbox_id, Conflict.user_id.is_(None))),
        (SyncRunItem, SyncRunItem.run_id.in_(runs)),
        (SyncRun, SyncRun.stream_id.in_(_stream_ids(mailbox_id))),
        (ThreadKey, ThreadKey.key.startswith(f"conversation:{mailbox_id}:")),
    ]


def _delete_some(session: Session, mailbox: Mailbox, model: type[Base], which: ColumnElement[bool]) -> int:
    """Delete some of these rows; how many."""
    key = inspect(model).primary_key[0]
    ids = session.scalars(select(key).where(which).limit(ROWS_AT_ONCE)).all()
    session.execute(delete(model).where(key.in_(ids)).execution_options(synchronize_session=False))
    return len(ids)


def _let_others_tell(session: Session, mailbox_id: int) -> None:
    """What this mailbox brought of entries that stay is brought by who brings these now (invariant 11)."""
    told = ContactSuggestion.activity_id == Activity.id
    now = select(Activity.mailbox_id).where(told).scalar_subquery()
    session.execute(update(ContactSuggestion).where(ContactSuggestion.mailbox_id == mailbox_id).values(mailbox_id=now))
    session.execute(update(ActivityTopic).where(ActivityTopic.mailbox_id == mailbox_id).values(mailbox_id=None))
