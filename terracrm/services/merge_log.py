"""What a merge writes down for people to read: the changed fields with who changed them, and the audit log (M4, P2)."""

from __future__ import annotations

from typing import cast

from sqlalchemy.orm import Session

from terracrm.models import Company, FieldChange, Merge
from terracrm.services import audit, merge_fields, merge_rows
from terracrm.services.field_history import forget_changes
from terracrm.services.merge_fields import FIELDS, Client

SOURCE = "merge"


def said(session: Session, client: Client) -> dict[str, str]:
    """All that the history of changes shows of a client."""
    said = {field: merge_fields.text(client, field) for field in FIELDS[merge_fields.entity_of(client)]}
    if isinstance(client, Company):
        return said | {"domains": "; ".join(sorted(owned.domain for owned in client.domains))}
    return said | {
        kind.field: "; ".join(str(kind.key(row)) for row in merge_rows.rows_of(session, kind, client.id))
        for kind in merge_rows.LISTS
        if kind.key
    }


def note(session: Session, made: Merge, before: dict[str, str], winner: Client) -> list[int]:
    """Write down what changed on the winner since it said `before`, and who did it; the ids of these changes."""
    changes = [
        FieldChange(
            entity=made.entity,
            entity_id=made.winner_id,
            field=field,
            old=before[field],
            new=new,
            user_id=made.user_id,
            source=SOURCE,
        )
        for field, new in said(session, winner).items()
        if new != before[field]
    ]
    session.add_all(changes)
    record(session, made, "merge", made.user_id)
    return [change.id for change in changes]


def unnote(session: Session, made: Merge) -> None:
    """The changes that a merge made were undone: only the audit log goes on telling that it was."""
    forget_changes(session, made.entity, made.winner_id, FieldChange.id.in_(cast("list[int]", made.before["changes"])))
    record(session, made, "merge.undo", made.undone_by)


def record(session: Session, made: Merge, action: str, user_id: int | None) -> None:
    """A line of the audit log, without content."""
    detail = f"merge {made.id}: {made.entity} {made.loser_id} into {made.winner_id}"
    audit.record(session, user_id, action, made.entity, made.winner_id, detail)
