"""Who changed which contact data (P2): one row for each field of each change."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from terracrm.models.base import Base, utcnow


class FieldChange(Base):
    """Old and new value of one field, when, by whom and from where. `entity` is "contact" or "company"."""

    __tablename__ = "field_changes"
    __table_args__ = (Index("ix_field_changes_entity", "entity", "entity_id", "changed_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    entity: Mapped[str] = mapped_column(String(10))
    entity_id: Mapped[int]
    field: Mapped[str] = mapped_column(String(40))
    old: Mapped[str] = mapped_column(Text, default="")
    new: Mapped[str] = mapped_column(Text, default="")
    changed_at: Mapped[datetime] = mapped_column(default=utcnow)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailboxes.id"))
    run_id: Mapped[int | None]
    source: Mapped[str] = mapped_column(String(12), default="mailbox")
