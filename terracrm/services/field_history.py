"""The log of changed contact data: who changed which field, from where (P2)."""

from __future__ import annotations

from sqlalchemy.orm import Session

from terracrm.models import FieldChange
from terracrm.services.sources import Source


def record_change(
    session: Session, source: Source, entity: str, entity_id: int, field: str, old: str, new: str
) -> None:
    """Note that a mailbox's entry changed one field; `entity` is "contact" or "company"."""
    if old != new:
        session.add(
            FieldChange(
                entity=entity,
                entity_id=entity_id,
                field=field,
                old=old,
                new=new,
                mailbox_id=source.mailbox_id,
                run_id=source.run_id,
                user_id=source.owner_id,
                source="mailbox",
            )
        )
