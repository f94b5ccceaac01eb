"""What is owed to Outlook: written down in the commit of the change that makes it owed (W5).

An item says that a thing of a mailbox is to be brought up to date, not how: that is decided when it is written, so
what waits is one write for each remote item, and in order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Insert, and_, bindparam, case, delete, exists, func, insert, select, union, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from terracrm.domain.records import StreamKind
from terracrm.models import Link, OutboxItem, Stream, SyncRunItem, utcnow
from terracrm.services import merged

CONTACT: Final = "contact"
TASK, POST = "task", "post"
OWED, GIVEN_UP = "owed", "given_up"
CLIENTS = "clients"
"""The rule of links to client cards, and the role of their folder."""
REMOVING, WRITING, LINK = "removing", "writing", "link"
TIME = "time"
"""OutboxItem.reason of what nobody changed, and is looked at again because time has passed."""
WITHDRAWN: Final = "withdrawn"
"""OutboxItem.reason of what may say something that became private: it stays, whatever else comes, until it is paid."""
KINDS = {CONTACT: StreamKind.CONTACTS, TASK: StreamKind.TASKS, POST: StreamKind.POSTS}
"""Which kind of stream writes each thing."""
OUT = ("both", "out")
"""The directions in which something is written."""
_DUE_MAILBOXES = (
    select(OutboxItem.mailbox_id, OutboxItem.entity)
    .where(OutboxItem.state == OWED, OutboxItem.next_try_at <= bindparam("since"))
    .distinct()
)


def owe(
    session: Session, mailbox_id: int, entity: str, local_ids: Collection[int], reason: str, at: datetime | None = None
) -> None:
    """Owe a mailbox these things, from `at` on (default: now). What is owed already is owed anew, and not later."""
    now = utcnow()
    _upsert(
        session,
        [_row(mailbox_id, entity, local_id, reason, at or now) for local_id in sorted(set(local_ids))],
    )


def touch_contacts(session: Session, contact_ids: Collection[int], reason: str) -> None:
    """Contacts or what is told of them changed: all mailboxes that have their cards, or are about to, are owed these.

    Mailboxes into whose scope a contact comes find that when they settle (`Outbound.settle`). Cards that are gone
    count, because while a folder is read anew all of its cards are.
    """
    wanted = sorted(set(contact_ids))
    if not wanted:
        return
    writes = select(Stream.mailbox_id).where(Stream.kind == StreamKind.CONTACTS, Stream.direction.in_(OUT))
    of_cards = select(Link.mailbox_id, Link.local_id).where(Link.entity == CONTACT, Link.rule == CLIENTS)
    on_list = select(OutboxItem.mailbox_id, OutboxItem.local_id).where(OutboxItem.entity == CONTACT)
    cards = union(
        of_cards.where(Link.local_id.in_(wanted), Link.mailbox_id.in_(writes)),
        on_list.where(OutboxItem.local_id.in_(wanted)),
    )
    now = utcnow()
    _upsert(
        session,
        [
            _row(mailbox_id, CONTACT, local_id, reason, now)
            for mailbox_id, local_id in sorted((row[0], row[1]) for row in session.execute(cards))
        ],
    )


def due(session: Session, mailbox_id: int, entity: str) -> list[int]:
    """The items that are to be written into a mailbox now, the longest waiting first."""
    mine = OutboxItem.mailbox_id == mailbox_id, OutboxItem.entity == entity
    query = select(OutboxItem.id).where(*mine, OutboxItem.state == OWED, OutboxItem.next_try_at <= utcnow())
    return list(session.scalars(query.order_by(OutboxItem.next_try_at, OutboxItem.id)))


def waits_for_its_time(item: type[OutboxItem] = OutboxItem) -> ColumnElement[bool]:
    """Whether this says only that a thing is to be looked at again later, maybe in days: nothing is owed by it now."""
    return and_(item.reason == TIME, item.attempts == 0)


def due_mailboxes(session: Session, since: datetime) -> set[tuple[int, str]]:
    """To which mailboxes something has been owed since then, with the kind of stream that writes it."""
    rows = session.execute(_DUE_MAILBOXES, {"since": since})
    return {(mailbox_id, KINDS[entity]) for mailbox_id, entity in rows}


def has_given_up(session: Session, stream: Stream) -> bool:
    """Whether something that a stream should have written was given up (W5)."""
    entities = [entity for entity, kind in KINDS.items() if kind == stream.kind]
    mine = OutboxItem.mailbox_id == stream.mailbox_id, OutboxItem.entity.in_(entities)
    return may_write(stream) and bool(session.scalar(select(exists().where(*mine, OutboxItem.state == GIVEN_UP))))


def items(session: Session, item_ids: Collection[int]) -> list[OutboxItem]:
    """These items as they are now, in the order in which all that write here lock them."""
    query = select(OutboxItem).where(OutboxItem.id.in_(item_ids), OutboxItem.state == OWED)
    return list(session.scalars(query.order_by(OutboxItem.local_id)))


def written(session: Session, revisions: Mapping[int, int]) -> set[int]:
    """All of these revisions of items is written; the items of which nothing is owed any more.

    What has a newer revision stays owed.
    """
    if not revisions:
        return set()
    # Locked in the order in which all do that write here.
    mine = select(OutboxItem.id, OutboxItem.revision).where(OutboxItem.id.in_(revisions))
    there = session.execute(mine.order_by(OutboxItem.local_id).with_for_update()).all()
    gone = {id_ for id_, revision in there if revision == revisions[id_]}
    newer = {id_ for id_, _ in there} - gone
    if gone:
        session.execute(delete(OutboxItem).where(OutboxItem.id.in_(gone)))
    if newer:
        blank = {"key": "", "sent": None, "attempts": 0, "error": ""}
        session.execute(update(OutboxItem).where(OutboxItem.id.in_(newer)).values(blank))
    return gone


def look_again(session: Session, mailbox_id: int, entity: str, times: Mapping[int, datetime]) -> None:
    """Owe these things from those times on, because time alone changes what is told of them then."""
    _upsert(session, [_row(mailbox_id, entity, local_id, TIME, times[local_id]) for local_id in sorted(times)])


def creating(item: OutboxItem, key: str, sent: dict[str, object]) -> None:
    """This is about to be created under this key: to be committed before it is (W4)."""
    item.key, item.sent = key, sent


def removing(item: OutboxItem, link: Link) -> None:
    """The linked item is about to be removed by us: to be committed before it is (S9)."""
    item.key, item.sent = "", {REMOVING: link.remote_id}


def writing(item: OutboxItem, link: Link, sent: dict[str, object]) -> None:
    """These fields of the linked item are about to be set: to be committed before they are (invariant 3)."""
    item.key, item.sent = "", {WRITING: sent, LINK: link.id}


def removed(session: Session, run_id: int, whys: Mapping[int, str]) -> None:
    """Linked items were removed by us: the links, given by their ids, go with them, and the run says why (Y4)."""
    gone = session.scalars(select(Link).where(Link.id.in_(whys)).order_by(Link.id)).all() if whys else []
    if gone:
        rows = [{"run_id": run_id, "folder_id": link.folder_id, "remote_id": link.remote_id} for link in gone]
        told = [row | {"outcome": "removed", "rule": whys[link.id]} for row, link in zip(rows, gone, strict=True)]
        session.execute(insert(SyncRunItem), told)
        session.execute(delete(Link).where(Link.id.in_(whys)))


def failed(session: Session, item_id: int, error: str, next_try_at: datetime, attempts: int) -> None:
    """A try has failed, and there is to be another."""
    values = {"error": error, "next_try_at": next_try_at, "attempts": attempts}
    session.execute(update(OutboxItem).where(OutboxItem.id == item_id).values(values))


def give_up(session: Session, item_id: int, revision: int, error: str) -> None:
    """This cannot be written: it stays on the list with the reason, until it is owed anew (W5)."""
    mine = OutboxItem.id == item_id, OutboxItem.revision == revision
    values = {"state": GIVEN_UP, "error": error, "attempts": OutboxItem.attempts + 1}
    session.execute(update(OutboxItem).where(*mine).values(values))


def may_write(stream: Stream) -> bool:
    """Whether anything is written for a stream: not while it, its mailbox or the mailbox's owner rests."""
    if stream.direction not in OUT:
        return False
    mailbox = stream.mailbox
    is_owner_here = mailbox.user is None or mailbox.user.is_active
    return stream.is_enabled and mailbox.is_enabled and is_owner_here


def is_being_removed(session: Session, link: Link) -> bool:
    """Whether it is we who are taking this item away: that it is gone is no wish of the mailbox's owner (S9)."""
    return any(sent.get(REMOVING) == link.remote_id for sent in _tries(session, link))


def being_removed(session: Session, mailbox_id: int) -> set[str]:
    """The items that we are taking out of a mailbox, or were when a run broke off."""
    begun = select(OutboxItem.sent).where(OutboxItem.mailbox_id == mailbox_id, OutboxItem.sent.is_not(None))
    return {str(sent[REMOVING]) for sent in session.scalars(begun) if sent and REMOVING in sent}


def unfinished(session: Session, link: Link) -> dict[str, object]:
    """What we were setting on this item when we last tried, and do not know whether it got through."""
    found = (sent[WRITING] for sent in _tries(session, link) if sent.get(LINK) == link.id)
    return next(found, {})


def _tries(session: Session, link: Link) -> list[dict[str, Any]]:
    """What was being done to the thing of a link, also under the contact that it was before or in a merge."""
    local_ids = [link.local_id]
    if link.entity == CONTACT:
        local_ids += merged.others(session, CONTACT, link.local_id)
    mine = OutboxItem.mailbox_id == link.mailbox_id, OutboxItem.entity == link.entity
    query = select(OutboxItem.sent).where(*mine, OutboxItem.local_id.in_(local_ids), OutboxItem.sent.is_not(None))
    return [sent for sent in session.scalars(query) if sent is not None]


def _row(mailbox_id: int, entity: str, local_id: int, reason: str, at: datetime) -> dict[str, Any]:
    mine = {"mailbox_id": mailbox_id, "entity": entity, "local_id": local_id}
    return mine | {"reason": reason, "owed_since": at, "next_try_at": at}


def _upsert(session: Session, rows: list[dict[str, Any]]) -> None:
    """Add items; of one that is there already the revision rises, and one that was given up is owed again."""
    if not rows:
        return
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    new: Any = dialect.insert(OutboxItem)
    now_or_then = func.least if dialect is postgresql else func.min
    statement: Insert = new.on_conflict_do_update(
        index_elements=["mailbox_id", "entity", "local_id"],
        set_={
            "revision": OutboxItem.revision + 1,
            "state": OWED,
            "reason": case((OutboxItem.reason == WITHDRAWN, WITHDRAWN), else_=new.excluded.reason),
            "attempts": 0,
            "error": "",
            "owed_since": now_or_then(OutboxItem.owed_since, new.excluded.owed_since),
            "next_try_at": now_or_then(OutboxItem.next_try_at, new.excluded.next_try_at),
        },
    )
    blank = {"revision": 1, "state": OWED, "key": "", "attempts": 0, "error": ""}
    session.execute(statement, [row | blank for row in rows])
