"""The changes of contact data, as profiles show them (P2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.models import FieldChange, Mailbox, User
from terracrm.services import merged

SHOWN = 10


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """Old and new value of one field, when, who, and the mailbox it came from ("" for none)."""

    field: str
    old: str
    new: str
    changed_at: datetime
    who: str
    mailbox: str
    source: str


def latest(session: Session, entity: Literal["company", "contact"], entity_id: int) -> list[ChangeRow]:
    """The newest changes of one client that the viewer sees, and of what was merged into it."""
    ids = [entity_id, *merged.absorbed(session, entity, entity_id)]
    rows = session.execute(
        select(FieldChange, User.full_name, User.name, Mailbox.address)
        .outerjoin(User, User.id == FieldChange.user_id)
        .outerjoin(Mailbox, Mailbox.id == FieldChange.mailbox_id)
        .where(FieldChange.entity == entity, FieldChange.entity_id.in_(ids))
        .order_by(FieldChange.changed_at.desc(), FieldChange.id.desc())
        .limit(SHOWN)
    )
    return [
        ChangeRow(c.field, c.old, c.new, c.changed_at, full_name or name or "", address or "", c.source)
        for c, full_name, name, address in rows
    ]
