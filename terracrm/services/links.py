"""Links between local things and the remote items of one mailbox."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, delete, exists, select, update
from sqlalchemy.orm import Session

from terracrm.models import Link, utcnow
from terracrm.services.sources import Source


def find(session: Session, mailbox_id: int, remote_id: str) -> Link | None:
    """The link of a remote item."""
    return session.scalar(select(Link).where(Link.mailbox_id == mailbox_id, Link.remote_id == remote_id))


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


def withdraw(session: Session, link: Link) -> bool:
    """Remove a link and what the item's moves in its mailbox left behind (S4); whether other items hold the thing."""
    same = and_(Link.entity == link.entity, Link.local_id == link.local_id)
    left_behind = and_(Link.mailbox_id == link.mailbox_id, Link.gone_at.is_not(None))
    session.execute(delete(Link).where(same, left_behind | (Link.id == link.id)))
    return bool(session.scalar(select(exists().where(same))))
