"""How much there is: the counts of `terracrm stats`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from terracrm.models import (
    Activity,
    ActivityKind,
    Company,
    Contact,
    Link,
    Meeting,
    Message,
    MessageCopy,
    QuarantinedItem,
    Task,
)
from terracrm.services.access import is_live


def counts(session: Session) -> dict[str, Any]:
    """Numbers of things by the fixed words of `terracrm stats --json`.

    A message counts once however many mailboxes hold it; `copies` and `links` are those whose Outlook item is
    still there; `unmatched` are activities of which no participant is known, tasks aside.
    """
    kinds = session.execute(select(Activity.kind, func.count()).group_by(Activity.kind).order_by(Activity.kind))
    not_task = Activity.kind != ActivityKind.TASK
    is_open = Task.done_at.is_(None) & Task.cancelled_at.is_(None)
    live_copies = select(MessageCopy.link_id).join(Link, Link.id == MessageCopy.link_id).where(Link.gone_at.is_(None))
    return {
        "companies": _count(session, select(Company.id).where(Company.archived_at.is_(None), is_live(Company))),
        "contacts": _count(session, select(Contact.id).where(Contact.archived_at.is_(None), is_live(Contact))),
        "activities": dict(kinds.all()),
        "messages": _count(session, select(Message.activity_id)),
        "copies": _count(session, live_copies),
        "meetings": _count(session, select(Meeting.id)),
        "tasks": {
            "open": _count(session, select(Task.activity_id).where(is_open)),
            "done": _count(session, select(Task.activity_id).where(Task.done_at.is_not(None))),
        },
        "links": _count(session, select(Link.id).where(Link.gone_at.is_(None))),
        "quarantined": _count(session, select(QuarantinedItem.id)),
        "unmatched": _count(session, select(Activity.id).where(Activity.is_matched.is_(False), not_task)),
    }


def _count(session: Session, query: Any) -> int:
    return session.scalar(select(func.count()).select_from(query.subquery())) or 0
