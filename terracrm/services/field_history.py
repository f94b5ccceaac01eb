"""The log of changed contact data: who changed which field, from where (P2)."""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, update
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


def move_changes(session: Session, entity: str, entity_id: int, new_id: int) -> None:
    """One thing was found to be another: what changed of it goes there."""
    session.execute(
        update(FieldChange)
        .where(FieldChange.entity == entity, FieldChange.entity_id == entity_id)
        .values(entity_id=new_id)
    )


def forget_changes(session: Session, entity: str, entity_id: int, *only: ColumnElement[bool]) -> None:
    """Forget what changed, for what must leave no trace (S4)."""
    session.execute(delete(FieldChange).where(FieldChange.entity == entity, FieldChange.entity_id == entity_id, *only))
