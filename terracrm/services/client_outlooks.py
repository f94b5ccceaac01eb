"""In which Outlooks a client's card is, and what of it is still to be written there (W1, W5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session

from terracrm.models import Link, Mailbox, OutboxItem, User, utcnow
from terracrm.services import access, outbox, outbox_list, rows
from terracrm.services.access import Viewer


@dataclass(frozen=True, slots=True)
class OutlookCard:
    """The card of a client in one mailbox. `is_there`: it was written; else it was deleted there, or is to be made.

    `is_owed`: a change waits to be written; `error` is why that was given up, "" while it was not.
    """

    mailbox: str
    owner: str
    is_there: bool
    was_deleted: bool
    is_owed: bool
    error: str


def of_contact(session: Session, viewer: Viewer, contact_id: int) -> list[OutlookCard]:
    """The cards of a contact in the mailboxes whose state the viewer sees, by address."""
    cards = rows.fetch(session, _cards(viewer), {"contact_id": contact_id, "now": utcnow()})
    found: dict[str, OutlookCard] = {}
    for address, owner, link_id, gone_at, state, error in cards:
        given_up = error or "" if state == outbox.GIVEN_UP else ""
        is_there = link_id is not None and gone_at is None
        card = OutlookCard(address, owner, is_there, gone_at is not None, state == outbox.OWED, given_up)
        found.setdefault(address, card)
    return list(found.values())


@access.kept
def _cards(viewer: Viewer) -> Select[*tuple[Any, ...]]:
    card = and_(
        Link.mailbox_id == Mailbox.id,
        Link.entity == outbox.CONTACT,
        Link.local_id == bindparam("contact_id"),
        Link.rule == outbox.CLIENTS,
    )
    owed = and_(
        OutboxItem.mailbox_id == Mailbox.id,
        OutboxItem.entity == outbox.CONTACT,
        OutboxItem.local_id == bindparam("contact_id"),
        outbox_list.is_owed(bindparam("now", type_=OutboxItem.owed_since.type)),
    )
    return (
        select(
            Mailbox.address,
            func.coalesce(func.nullif(User.full_name, ""), User.name, ""),
            Link.id,
            Link.gone_at,
            OutboxItem.state,
            OutboxItem.error,
        )
        .outerjoin(User, User.id == Mailbox.user_id)
        .outerjoin(Link, card)
        .outerjoin(OutboxItem, owed)
        .where(access.mailboxes(viewer), or_(Link.id.is_not(None), OutboxItem.id.is_not(None)))
        .order_by(Mailbox.address, Link.gone_at.is_not(None), Link.id)
    )
