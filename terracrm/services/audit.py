"""The audit log: one line for each act that has to be known later (A4).

Nothing changes a line, and nothing removes one but its age, where the settings give it one: that is a line again.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from terracrm.models import AuditEntry

COMMAND_LINE = "command line"


def record(session: Session, user_id: int | None, action: str, entity: str, entity_id: int, detail: str = "") -> None:
    """Note what somebody did. `user_id` is None for the command line, and the line says so."""
    who = "" if user_id is not None else COMMAND_LINE
    text = ": ".join(part for part in (who, detail) if part)
    session.add(AuditEntry(user_id=user_id, action=action, entity=entity, entity_id=entity_id, detail=text))
    session.flush()


def was_cut(session: Session, removed: int, last_id: int) -> None:
    """Note that this many lines, up to this one, were too old for the settings."""
    told = f"removed by age: {removed}"
    session.add(AuditEntry(user_id=None, action="audit.cut", entity="audit_log", entity_id=last_id, detail=told))
    session.flush()
