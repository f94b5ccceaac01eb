"""The audit log: who did what that has to be known later; append-only (A4)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from terracrm.models.base import Base, utcnow


class AuditEntry(Base):
    """One act: `action` is "attachment.download", "merge", "merge.undo", "sender.decide", "rules.change"...

    `entity` and `entity_id` name what it was done to. `user_id` is None for the command line, which `detail` says.
    """

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_entity", "entity", "entity_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=utcnow, index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    action: Mapped[str] = mapped_column(String(30))
    entity: Mapped[str] = mapped_column(String(20))
    entity_id: Mapped[int]
    detail: Mapped[str] = mapped_column(Text, default="")
