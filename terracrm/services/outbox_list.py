"""What is owed to Outlook, for a person to read: since when, why, and what went wrong; and to try it again (W5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session, contains_eager

from terracrm.errors import Forbidden, NotFound
from terracrm.models import Activity, Contact, Mailbox, OutboxItem, Stream, utcnow
from terracrm.services import access, audit, outbox
from terracrm.services.access import Viewer
from terracrm.services.listing import PAGE_SIZE, Listing

RETRIED = "retried"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One write that is owed. `name` is the client or the subject, "" where the viewer may not see it.

    `reason` is what made it owed last; `error` what the last of `attempts` tries met; one that `is_given_up` is not
    tried again by itself, another one at `next_try_at`.
    """

    id: int
    mailbox_id: int
    mailbox: str
    entity: str
    local_id: int
    name: str
    reason: str
    owed_since: datetime
    next_try_at: datetime
    attempts: int
    error: str
    is_given_up: bool


@dataclass(frozen=True, slots=True)
class Owed:
    """How much is owed to a mailbox and on the way, since when, and how much was given up."""

    waiting: int = 0
    given_up: int = 0
    since: datetime | None = None


def listing(session: Session, viewer: Viewer, mailbox_id: int | None = None, page: int = 1) -> Listing[OutboxRow]:
    """One page of what is owed to the mailboxes that the viewer sees: given up ones first, then the oldest."""
    condition = _seen(viewer, mailbox_id)
    total = session.scalar(select(func.count()).select_from(OutboxItem).join(Mailbox).where(condition)) or 0
    items = session.scalars(
        select(OutboxItem)
        .join(OutboxItem.mailbox)
        .options(contains_eager(OutboxItem.mailbox))
        .where(condition)
        .order_by(case((OutboxItem.state == outbox.GIVEN_UP, 0), else_=1), OutboxItem.owed_since, OutboxItem.id)
        .limit(PAGE_SIZE)
        .offset((page - 1) * PAGE_SIZE)
    ).all()
    called = names(session, viewer, [(item.entity, item.local_id) for item in items])
    return Listing([_row(item, called.get((item.entity, item.local_id), "")) for item in items], total, page)


def counts(session: Session, mailbox_ids: Collection[int]) -> dict[int, Owed]:
    """How much is owed to each of these mailboxes; those to which nothing is are left out."""
    rows = session.execute(
        select(OutboxItem.mailbox_id, OutboxItem.state, func.count())
        .where(OutboxItem.mailbox_id.in_(mailbox_ids), is_owed())
        .group_by(OutboxItem.mailbox_id, OutboxItem.state)
    )
    found = {(mailbox_id, state): count for mailbox_id, state, count in rows}
    return {
        mailbox_id: Owed(found.get((mailbox_id, outbox.OWED), 0), found.get((mailbox_id, outbox.GIVEN_UP), 0))
        for mailbox_id, _ in found
    }


def counts_by_kind(session: Session, mailbox_ids: Collection[int]) -> dict[tuple[int, str], Owed]:
    """The same for each stream that writes: by mailbox and kind of stream."""
    is_waiting = OutboxItem.state == outbox.OWED
    rows = session.execute(
        select(
            OutboxItem.mailbox_id,
            OutboxItem.entity,
            func.count(case((is_waiting, 1))),
            func.count(case((OutboxItem.state == outbox.GIVEN_UP, 1))),
            func.min(case((is_waiting, OutboxItem.owed_since))),
        )
        .where(OutboxItem.mailbox_id.in_(mailbox_ids), is_owed())
        .group_by(OutboxItem.mailbox_id, OutboxItem.entity)
    )
    return {(box, outbox.KINDS[entity]): Owed(waiting, gone, since) for box, entity, waiting, gone, since in rows}


def names(session: Session, viewer: Viewer, things: Iterable[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """What these contacts, tasks and posts are called, of those that the viewer may read."""
    wanted = set(things)
    contact_ids = {id_ for entity, id_ in wanted if entity == outbox.CONTACT}
    activities = {(entity, id_) for entity, id_ in wanted if entity != outbox.CONTACT}
    seen = select(Contact.id, Contact.display_name).where(Contact.id.in_(contact_ids), access.contacts(viewer))
    read = select(Activity.id, Activity.subject).where(Activity.id.in_({id_ for _, id_ in activities}))
    subjects = dict(session.execute(read.where(access.readable_activities(viewer))).all())
    found = {(outbox.CONTACT, id_): name for id_, name in session.execute(seen)}
    return found | {thing: subjects[thing[1]] for thing in activities if thing[1] in subjects}


def may_retry(viewer: Viewer) -> bool:
    """Whether this role may have something tried again: in which mailboxes, says what it sees."""
    return viewer.configures or viewer.decides


def retry(session: Session, viewer: Viewer, item_id: int) -> OutboxRow:
    """Try one write again with the next run; Forbidden for other roles, NotFound where it is not, or is done."""
    _require_right(viewer)
    item = session.scalar(select(OutboxItem).join(Mailbox).where(OutboxItem.id == item_id, _seen(viewer)))
    if item is None:
        raise NotFound("This is no longer owed.")
    thing = (item.entity, item.local_id)
    row = _row(item, names(session, viewer, [thing]).get(thing, ""))
    _owe(session, viewer, [item])
    return row


def retry_all(session: Session, viewer: Viewer, mailbox_id: int | None = None) -> int:
    """Try again with the next run whatever has failed, in one mailbox or in all that the viewer sees; how many."""
    _require_right(viewer)
    failed = _seen(viewer, mailbox_id) & ((OutboxItem.state == outbox.GIVEN_UP) | (OutboxItem.attempts > 0))
    items = session.scalars(select(OutboxItem).join(Mailbox).where(failed).order_by(OutboxItem.mailbox_id)).all()
    _owe(session, viewer, items)
    return len(items)


def is_owed(now: datetime | ColumnElement[datetime] | None = None) -> ColumnElement[bool]:
    """Not what is only to be looked at again later (`outbox.TIME`), nor what an admin wants written no more."""
    writes = select(Stream.mailbox_id).where(Stream.direction.in_(outbox.OUT))
    kinds = (
        and_(OutboxItem.entity == entity, OutboxItem.mailbox_id.in_(writes.where(Stream.kind == kind)))
        for entity, kind in outbox.KINDS.items()
    )
    return and_(OutboxItem.owed_since <= (utcnow() if now is None else now), or_(*kinds))


def _require_right(viewer: Viewer) -> None:
    if not may_retry(viewer):
        raise Forbidden("This role changes nothing in mailboxes.")


def _seen(viewer: Viewer, mailbox_id: int | None = None) -> ColumnElement[bool]:
    seen = access.mailboxes(viewer) & is_owed()
    return seen if mailbox_id is None else and_(seen, OutboxItem.mailbox_id == mailbox_id)


def _owe(session: Session, viewer: Viewer, items: Collection[OutboxItem]) -> None:
    owed: dict[tuple[int, str], list[int]] = {}
    for item in items:
        owed.setdefault((item.mailbox_id, item.entity), []).append(item.local_id)
    for (mailbox_id, entity), local_ids in sorted(owed.items()):
        outbox.owe(session, mailbox_id, entity, local_ids, RETRIED)
        told = f"{entity} {', '.join(map(str, sorted(local_ids)))}"
        audit.record(session, viewer.signs_as, "outbox.retry", "mailbox", mailbox_id, told)
    for item in items:
        session.expire(item)


def _row(item: OutboxItem, name: str) -> OutboxRow:
    return OutboxRow(
        id=item.id,
        mailbox_id=item.mailbox_id,
        mailbox=item.mailbox.address,
        entity=item.entity,
        local_id=item.local_id,
        name=name,
        reason=item.reason,
        owed_since=item.owed_since,
        next_try_at=item.next_try_at,
        attempts=item.attempts,
        error=item.error,
        is_given_up=item.state == outbox.GIVEN_UP,
    )
