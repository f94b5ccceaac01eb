"""Links between local things and the remote items of one mailbox."""

from __future__ import annotations

from sqlalchemy import delete as sql_delete
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from terracrm.models import Link, utcnow
from terracrm.services.sources import Source


def find(session: Session, mailbox_id: int, remote_id: str) -> Link | None:
    """The link of a remote item."""
    return session.scalar(select(Link).where(Link.mailbox_id == mailbox_id, Link.remote_id == remote_id))


def find_by_content(session: Session, mailbox_id: int, entity: str, content_hash: str) -> Link | None:
    """A link of this mailbox to an item of the same content: what a move leaves behind, as delete and create."""
    return session.scalar(
        select(Link)
        .where(Link.mailbox_id == mailbox_id, Link.entity == entity, Link.content_hash == content_hash)
        .order_by(Link.id.desc())
        .limit(1)
    )


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


def delete(session: Session, link: Link) -> None:
    """Remove a link altogether, for what must leave no trace (S4)."""
    session.execute(sql_delete(Link).where(Link.id == link.id))
    session.expunge(link)


def is_held(session: Session, entity: str, local_id: int) -> bool:
    """Whether any mailbox, now or before, brought this thing."""
    return bool(session.scalar(select(exists().where(Link.entity == entity, Link.local_id == local_id))))
