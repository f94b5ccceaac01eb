"""Links between local things and the remote items of one mailbox."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, and_, delete, func, select, text, update
from sqlalchemy.orm import Session

from terracrm.models import Link, MirrorFolder, Stream, utcnow
from terracrm.services import plans
from terracrm.services.outbox import CLIENTS
from terracrm.services.sources import Source

HAS_KEY = text("links.key <> ''")
"""Beside the condition for a key, so that SQLite, too, finds the index of the few links that have one."""
IS_UNMET = text("links.is_unmet")
"""Said so that SQLite, too, finds the index of the few links that are."""
WRITTEN = "written"
"""Link.match_method of what we created; an item that a person made says how it was matched."""


def find(session: Session, mailbox_id: int, remote_id: str) -> Link | None:
    """The link of a remote item."""
    return session.scalar(select(Link).where(Link.mailbox_id == mailbox_id, Link.remote_id == remote_id))


def by_id(session: Session, link_ids: Collection[int]) -> dict[int, Link]:
    """These links by their ids."""
    return {link.id: link for link in session.scalars(select(Link).where(Link.id.in_(link_ids)))} if link_ids else {}


def by_remote_id(session: Session, mailbox_id: int, remote_ids: Collection[str]) -> dict[str, Link]:
    """The links of some items of a mailbox by the ids of these."""
    if not remote_ids:
        return {}
    query = select(Link).where(Link.mailbox_id == mailbox_id, Link.remote_id.in_(remote_ids))
    return {link.remote_id: link for link in session.scalars(query)}


def by_content(session: Session, mailbox_id: int, entity: str, content_hash: str) -> list[Link]:
    """The links of this mailbox to items of the same content, newest first: what moves leave behind."""
    query = select(Link).where(Link.mailbox_id == mailbox_id, Link.entity == entity, Link.content_hash == content_hash)
    return list(session.scalars(query.order_by(Link.id.desc())))


def of(session: Session, entity: str, local_id: int, mailbox_id: int | None = None) -> list[Link]:
    """The links to a thing, of one mailbox or of all, those of items that left included."""
    query = select(Link).where(Link.entity == entity, Link.local_id == local_id)
    if mailbox_id is not None:
        query = query.where(Link.mailbox_id == mailbox_id)
    return list(session.scalars(query.order_by(Link.id)))


def in_stream(stream: Stream) -> ColumnElement[bool]:
    """The links to items of one stream: few beside those of the mailbox's mail, and told by an index."""
    return Link.folder_id.in_(select(MirrorFolder.id).where(MirrorFolder.stream_id == stream.id))


def count_live(session: Session, stream_ids: Collection[int]) -> int:
    """How many items of these streams are there."""
    folders = select(MirrorFolder.id).where(MirrorFolder.stream_id.in_(stream_ids))
    there = select(func.count()).select_from(Link).where(Link.folder_id.in_(folders), Link.gone_at.is_(None))
    return session.scalar(there) or 0


def live(
    session: Session, mailbox_id: int, entity: str, local_ids: Collection[int], rule: str
) -> dict[int, list[Link]]:
    """The links of a mailbox to what is there of these things by this rule, by thing where there are any.

    What is left alone comes first, then a person's own item, then the oldest.
    """
    query = select(Link).where(Link.entity == entity, Link.local_id.in_(local_ids), Link.mailbox_id == mailbox_id)
    there = session.scalars(query.where(Link.rule == rule, Link.gone_at.is_(None)).order_by(Link.id))
    found: defaultdict[int, list[Link]] = defaultdict(list)
    for link in sorted(there, key=lambda link: (link.untracked_at is None, link.match_method == WRITTEN)):
        found[link.local_id].append(link)
    return dict(found)


def there(session: Session, link_ids: Collection[int]) -> dict[int, Link]:
    """Those of these links that lead to something that is there, by their ids."""
    query = select(Link).where(Link.id.in_(link_ids), Link.gone_at.is_(None))
    return {link.id: link for link in session.scalars(query)}


def add(
    session: Session, source: Source, entity: str, local_id: int, remote_id: str, rule: str, match_method: str
) -> Link:
    """A new link that says which mailbox, run and rule brought it (invariant 11)."""
    link = Link(
        mailbox_id=source.mailbox_id,
        folder_id=source.folder_id,
        run_id=source.run_id,
        entity=entity,
        local_id=local_id,
        remote_id=remote_id,
        rule=rule,
        match_method=match_method,
    )
    session.add(link)
    return link


def mark_gone(session: Session, link: Link) -> None:
    """The remote item left: the link stays as a tombstone, the local thing stays (S9)."""
    link.gone_at = utcnow()
    session.flush()


def went(session: Session, link: Link) -> None:
    """The item is not there, and no reading has told that it left: where it is met again it is compared anew."""
    link.version = ""
    mark_gone(session, link)


def untrack(session: Session, link: Link) -> None:
    """The item is no longer followed; what it told stays (S8)."""
    link.untracked_at = utcnow()
    session.flush()


def bring_back(session: Session, source: Source, remote_ids: Sequence[str]) -> None:
    """These items of the folder are there again, as they were."""
    if remote_ids:
        session.execute(
            update(Link)
            .where(Link.mailbox_id == source.mailbox_id, Link.remote_id.in_(remote_ids))
            .values(gone_at=None, folder_id=source.folder_id)
        )


def meet(session: Session, source: Source, remote_ids: Sequence[str]) -> None:
    """These items were met since their folder is read anew, whatever was told of them."""
    mine = Link.mailbox_id == source.mailbox_id, Link.remote_id.in_(remote_ids), Link.is_unmet
    session.execute(update(Link).where(*mine).values(is_unmet=False))


def forget_agreed(session: Session, entity: str, local_id: int) -> None:
    """Of cards that their people deleted, what both sides had agreed on is forgotten: it is not ours to keep (S4).

    One that is put there again is met as if for the first time.
    """
    for link in of(session, entity, local_id):
        if link.rule == CLIENTS and link.gone_at is not None and not link.version:
            link.base, link.sent = None, None
    session.flush()


def withdraw(session: Session, going: Sequence[Link]) -> set[int]:
    """Remove links of one mailbox to things of one kind, and what the items' moves there left behind (S4).

    Those of the things that other items hold. A card of a client that is gone is another item. What was planned with
    them goes along.
    """
    mailbox_id, entity, things = going[0].mailbox_id, going[0].entity, {link.local_id for link in going}
    same = and_(Link.entity == entity, Link.local_id.in_(things))
    left_behind = and_(Link.gone_at.is_not(None), Link.rule != CLIENTS)
    these = and_(same, Link.mailbox_id == mailbox_id, left_behind | Link.id.in_([link.id for link in going]))
    plans.forget_items(session, mailbox_id, session.scalars(select(Link.remote_id).where(these)).all())
    session.execute(delete(Link).where(these))
    held = set(session.scalars(select(Link.local_id).where(same).distinct()))
    plans.forget(session, entity, things - held)
    return held
