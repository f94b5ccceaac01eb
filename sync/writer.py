"""Perform a page's actions through the services, inside the transaction of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from types import MappingProxyType

from sqlalchemy import and_, delete, insert, select
from sqlalchemy.orm import Session

from sync.planner import (
    Action,
    Ignore,
    Keep,
    KeepOut,
    LinkState,
    MarkGone,
    Quarantine,
    Return,
    SetRead,
    Skip,
    Store,
    TakeCard,
    TakeTask,
    Untrack,
    Update,
    Withdraw,
    Withhold,
)
from terracrm.domain.capture import Detail
from terracrm.domain.records import ContactRecord, MeetingRecord, MessageRecord
from terracrm.models import Link, Message, QuarantinedItem, SyncRunItem, utcnow
from terracrm.services import (
    bulk,
    client_cards,
    kept_out,
    links,
    mirror_calendar,
    mirror_contacts,
    mirror_mail,
    outbox,
    search,
    skipped,
    task_items,
)
from terracrm.services.mail_text import MailText
from terracrm.services.sources import Source

QUARANTINE_BASE = timedelta(minutes=10)
QUARANTINE_MAX = timedelta(days=1)
Texts = Mapping[str, MailText]
NONE: Texts = MappingProxyType({})


@dataclass
class Weight:
    """What was done that the brake weighs: things (entity, local id) whose item left, items that changed them here."""

    gone: set[tuple[str, int]] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)

    def add(self, other: Weight) -> None:
        """Add what another page did; what is told twice counts once."""
        self.gone |= other.gone
        self.changed |= other.changed


@dataclass
class Counts:
    """What was done, in items; the columns of a SyncRun. `weight` is besides, and no column."""

    created: int = 0
    updated: int = 0
    deleted: int = 0
    skipped: int = 0
    quarantined: int = 0
    unmatched: int = 0
    written: int = 0

    def __post_init__(self) -> None:
        self.weight = Weight()

    def add(self, other: Counts) -> None:
        """Add another page's counts to these."""
        for column in fields(self):
            setattr(self, column.name, getattr(self, column.name) + getattr(other, column.name))
        self.weight.add(other.weight)


def link_states(session: Session, mailbox_id: int, remote_ids: Sequence[str]) -> dict[str, LinkState]:
    """What is known of these remote items."""
    is_mail = and_(Link.entity == mirror_mail.ENTITY, Message.activity_id == Link.local_id)
    rows = session.execute(
        select(Link.remote_id, Link.version, Link.gone_at, Link.rule, Link.untracked_at, Link.is_unmet, Message.detail)
        .outerjoin(Message, is_mail)
        .where(Link.mailbox_id == mailbox_id, bulk.one_of(Link.remote_id, remote_ids))
    )
    return {
        row.remote_id: LinkState(
            version=row.version,
            is_gone=row.gone_at is not None,
            rule=row.rule,
            is_untracked=row.untracked_at is not None,
            is_unmet=row.is_unmet,
            lacks_content=row.detail == Detail.HEADERS,
        )
        for row in rows
    }


def apply(session: Session, source: Source, actions: Sequence[Action], texts: Texts = NONE) -> Counts:
    """Perform the actions; nothing is committed. A processed item leaves the quarantine.

    `texts` are those of mail that are made already, by its remote ids.
    """
    meetings = [a.record for a in actions if isinstance(a, Store | Update) and isinstance(a.record, MeetingRecord)]
    mirror_calendar.lock(session, meetings)
    counts = Counts()
    mail: list[mirror_mail.Arrival] = []
    for action in actions:
        match action:
            case Store(record=MessageRecord() as record):
                mail.append(_arrival(source, action, record, texts))
                counts.created += 1
            case Store(remote_id, version, ContactRecord() as record):
                counts.created += mirror_contacts.store(session, source, remote_id, version, record)
            case Store(remote_id, version, MeetingRecord() as record):
                counts.created += mirror_calendar.store(session, source, remote_id, version, record)
            case Update():
                counts.updated += _update(session, source, action, counts.weight)
            case Untrack(remote_id, version):
                counts.updated += _untrack(session, source, remote_id, version, counts.weight)
            case SetRead(remote_id, is_read, version):
                if link := links.find(session, source.mailbox_id, remote_id):
                    mirror_mail.set_read(session, link, is_read, version)
                    counts.updated += 1
            case MarkGone(remote_id):
                counts.deleted += _mark_gone(session, source, remote_id, counts.weight)
            case Withdraw(remote_id, rule):
                counts.deleted += _withdraw(session, source, remote_id, rule)
            case Skip():
                if isinstance(action, Withhold):
                    counts.deleted += _withdraw_moved(session, source, action)
                counts.skipped += 1
            case KeepOut(remote_id, run_id, identity):
                kept_out.keep_out(session, run_id, {(source.folder_id, remote_id): identity})
                counts.skipped += 1
            case Quarantine(remote_id, error):
                counts.quarantined += 1
                _quarantine(session, source, remote_id, error)
            case Return() | Keep() | Ignore() | TakeTask() | TakeCard():
                pass
    back = [action.remote_id for action in actions if isinstance(action, Return)]
    links.bring_back(session, source, back)
    # Before the mail is stored: what comes to be known by it wakes what is skipped for not knowing.
    _note_skipped(session, source, actions)
    for action in actions:
        if isinstance(action, TakeTask):
            _take_task(session, source, action, counts)
        elif isinstance(action, TakeCard):
            _take_card(session, source, action, counts)
    search.wipe_clients(session)
    if mail:
        counts.unmatched += mirror_mail.store(session, source, mail)
    _release(session, source, actions)
    return counts


def _arrival(source: Source, action: Store | Update, record: MessageRecord, texts: Texts) -> mirror_mail.Arrival:
    text = texts.get(action.remote_id)
    if text is None or text.record is not record:
        text = MailText(record, source.full_text_chars)
    return mirror_mail.Arrival(action.remote_id, action.version, record, action.decision, text)


def _take_task(session: Session, source: Source, action: TakeTask, counts: Counts) -> None:
    outcome = task_items.take(session, source, action.change)
    counts.updated += outcome == "updated"
    counts.weight.changed |= {action.remote_id} if outcome == "updated" else set()
    counts.skipped += outcome in ("skipped", "left_alone")
    if outcome == "left_alone":
        note(session, source, action.remote_id, "skipped", task_items.PRIVATE)


def _take_card(session: Session, source: Source, action: TakeCard, counts: Counts) -> None:
    outcome = client_cards.take(session, source, action.change)
    counts.created += outcome == "created"
    counts.updated += outcome == "updated"
    counts.weight.changed |= {action.remote_id} if outcome == "updated" else set()
    if outcome in client_cards.LEFT_OUT:
        counts.skipped += 1
        note(session, source, action.remote_id, "skipped", outcome)


def _note_skipped(session: Session, source: Source, actions: Sequence[Action]) -> None:
    taken = [action.remote_id for action in actions if not isinstance(action, Skip | Withdraw | Ignore | KeepOut)]
    skipped.forget(session, source.folder_id, taken)
    left_out = [
        skipped.Skip(source.folder_id, action.remote_id, action.rule, action.message_hash, waits_for)
        for action in actions
        if isinstance(action, Skip | Withdraw)
        for waits_for in [action.waits_for if isinstance(action, Skip) else frozenset()]
    ]
    skipped.note(session, source.run_id, left_out)


def note(session: Session, source: Source, remote_id: str, outcome: str, rule: str, detail: str = "") -> None:
    """Keep what the run did with one item where its link does not say it (Y4)."""
    row = {"run_id": source.run_id, "folder_id": source.folder_id, "remote_id": remote_id}
    session.execute(insert(SyncRunItem), [row | {"outcome": outcome, "rule": rule, "detail": detail}])


def _update(session: Session, source: Source, action: Update, weight: Weight) -> bool:
    link = links.find(session, source.mailbox_id, action.remote_id)
    if link is None:
        return False
    link.folder_id = source.folder_id
    was_untracked, link.untracked_at = link.untracked_at is not None, None
    before = link.base
    is_changed = _store_again(session, source, action, link) or was_untracked
    if is_changed and not isinstance(action.record, MessageRecord):
        now = links.find(session, source.mailbox_id, action.remote_id)
        if was_untracked or now is None or now.base != before:
            weight.changed.add(action.remote_id)
    return is_changed


def _store_again(session: Session, source: Source, action: Update, link: Link) -> bool:
    match action.record:
        case MessageRecord() as record:
            return mirror_mail.update_copy(session, source, link, _arrival(source, action, record, NONE))
        case ContactRecord() as record:
            return mirror_contacts.store(session, source, action.remote_id, action.version, record)
        case MeetingRecord() as record:
            return mirror_calendar.store(session, source, action.remote_id, action.version, record)


def _untrack(session: Session, source: Source, remote_id: str, version: str, weight: Weight) -> bool:
    link = links.find(session, source.mailbox_id, remote_id)
    if link is None:
        return False
    link.folder_id, link.version, link.gone_at = source.folder_id, version, None
    links.untrack(session, link)
    note(session, source, remote_id, "untracked", "category_removed")
    weight.changed.add(remote_id)
    return True


def _mark_gone(session: Session, source: Source, remote_id: str, weight: Weight) -> bool:
    link = links.find(session, source.mailbox_id, remote_id)
    # An item that has moved is already linked to its new folder: the old folder's deletion is no news.
    if link is None or link.folder_id != source.folder_id:
        return False
    weight.gone.add((link.entity, link.local_id))
    links.mark_gone(session, link)
    if link.entity == outbox.TASK:
        task_items.gone(session, link)
    note(session, source, remote_id, "deleted", "left_folder")
    return True


def _withdraw_moved(session: Session, source: Source, action: Withhold) -> int:
    """What a private item was before it was moved here. The old folder may not have told yet that it left."""
    match action.record:
        case MessageRecord() as record:
            same = mirror_mail.links_of(session, source, record)
        case ContactRecord() as record:
            same = mirror_contacts.links_of(session, source, record)
        case MeetingRecord() as record:
            same = mirror_calendar.links_of(session, source, record)
    moved = [link.remote_id for link in same if link.gone_at or link.is_unmet or link.folder_id != source.folder_id]
    return sum(_withdraw(session, source, remote_id, action.rule) for remote_id in moved)


def _withdraw(session: Session, source: Source, remote_id: str, rule: str) -> bool:
    link = links.find(session, source.mailbox_id, remote_id)
    if link is None:
        return False
    withdraw = {
        mirror_contacts.ENTITY: mirror_contacts.withdraw,
        mirror_mail.ENTITY: mirror_mail.withdraw,
        mirror_calendar.ENTITY: mirror_calendar.withdraw,
    }[link.entity]
    withdraw(session, source, link)
    note(session, source, remote_id, "withdrawn", rule)
    return True


def _quarantine(session: Session, source: Source, remote_id: str, error: str) -> None:
    item = session.scalar(
        select(QuarantinedItem).where(
            QuarantinedItem.folder_id == source.folder_id, QuarantinedItem.remote_id == remote_id
        )
    )
    if item is None:
        item = QuarantinedItem(folder_id=source.folder_id, remote_id=remote_id, attempts=0)
        session.add(item)
    item.attempts += 1
    item.error = error
    item.next_try_at = utcnow() + min(QUARANTINE_BASE * 2 ** min(item.attempts - 1, 20), QUARANTINE_MAX)
    session.flush()
    note(session, source, remote_id, "quarantined", "unreadable", error)


def _release(session: Session, source: Source, actions: Sequence[Action]) -> None:
    done = [action.remote_id for action in actions if not isinstance(action, Quarantine)]
    session.execute(
        delete(QuarantinedItem).where(
            QuarantinedItem.folder_id == source.folder_id, QuarantinedItem.remote_id.in_(done)
        )
    )
