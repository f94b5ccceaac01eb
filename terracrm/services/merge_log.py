"""What a merge writes down for people to read: the changed fields with who changed them, and the audit log (M4, P2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.models import FieldChange, Merge
from terracrm.services import audit, field_history, merged
from terracrm.services.field_history import Change, Origin
from terracrm.services.merge_fields import Client


def origin(user_id: int | None) -> Origin:
    """A merge, or its undoing, by somebody."""
    return Origin(field_history.MERGE, user_id)


def unlogged(session: Session, made: Merge, winner: Client) -> dict[str, str]:
    """What the winner says in those fields of which no change is known."""
    said = field_history.said(winner)
    return {field: said[field] for field in said if _last(session, made.entity, winner.id, field) is None}


def unnote(session: Session, made: Merge, winner: Client, loser: Client, before: Mapping[str, str]) -> None:
    """The changes that a merge made were undone: only the audit log goes on telling that it was.

    Of a field that was changed since, all its changes stay, and the undoing is one more. `before` is what
    `unlogged` said before the undoing.
    """
    noted = select(FieldChange).where(FieldChange.id.in_(cast("list[int]", made.before["changes"])))
    for row in session.scalars(noted.order_by(FieldChange.id)).all():
        client = cast("Client | None", session.get(merged.MODELS[row.entity], row.entity_id))
        last = _last(session, row.entity, row.entity_id, row.field)
        now = field_history.said(client).get(row.field, "") if client else ""
        if client is None or client is loser or (last is row and now == row.old):
            session.delete(row)
        elif client is not winner and last is not None:
            field_history.record(session, origin(made.undone_by), [Change(client, row.field, last.new, now)])
    session.flush()
    for field, value in field_history.said(winner).items():
        last = _last(session, made.entity, winner.id, field)
        told = last.new if last else before.get(field, value)
        field_history.record(session, origin(made.undone_by), [Change(winner, field, told, value)])
    record(session, made, "merge.undo", made.undone_by)


def record(session: Session, made: Merge, action: str, user_id: int | None) -> None:
    """A line of the audit log, without content."""
    detail = f"merge {made.id}: {made.entity} {made.loser_id} into {made.winner_id}"
    audit.record(session, user_id, action, made.entity, made.winner_id, detail)


def _last(session: Session, entity: str, entity_id: int, field: str) -> FieldChange | None:
    """The newest change of a field."""
    same = FieldChange.entity == entity, FieldChange.entity_id == entity_id, FieldChange.field == field
    return session.scalars(select(FieldChange).where(*same).order_by(FieldChange.id.desc()).limit(1)).first()
