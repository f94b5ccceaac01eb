"""What is owed to Outlook, what both sides changed, and saved conditions over clients (W1, W5, K1)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from terracrm.models.base import Base, utcnow
from terracrm.models.mailboxes import Mailbox


class OutboxItem(Base):
    """One remote write that is owed: this contact, task or post of this mailbox is to be brought up to date.

    What is to be written is decided when it is written, from how things are then: so changes that wait are one write,
    and in order. `revision` rises with each further change; who wrote an older one still owes the newer. `state` is
    "owed" or "given_up" (W5); `reason` is what made it owed last. `key` is the idempotency key of a creation that may
    have got through: it is committed with `sent`, what is being created, before the creation is tried, and looked up
    before it is tried again.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("mailbox_id", "entity", "local_id"),
        Index("ix_outbox_due", "state", "next_try_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"))
    entity: Mapped[str] = mapped_column(String(10))
    local_id: Mapped[int]
    revision: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(String(10), default="owed")
    reason: Mapped[str] = mapped_column(String(20), default="")
    key: Mapped[str] = mapped_column(String(64), default="")
    sent: Mapped[dict[str, object] | None] = mapped_column(JSON)
    owed_since: Mapped[datetime] = mapped_column(default=utcnow)
    next_try_at: Mapped[datetime] = mapped_column(default=utcnow)
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(Text, default="")
    mailbox: Mapped[Mailbox] = relationship()


class Conflict(Base):
    """Both sides changed the same field: both values, who won and by which rule; one click takes the other (W1).

    The values are as in a snapshot of the contact: text, or an entry of a list. `winner` is "crm" or "outlook", `rule`
    is "crm", "outlook", "latest" or "direction" (the field does not come in from Outlook). `state` is "open", "kept"
    (a person agreed) or "taken" (a person took the other value).
    """

    __tablename__ = "conflicts"
    __table_args__ = (Index("ix_conflicts_entity", "entity", "entity_id"), Index("ix_conflicts_state", "state", "id"))
    id: Mapped[int] = mapped_column(primary_key=True)
    entity: Mapped[str] = mapped_column(String(10))
    entity_id: Mapped[int]
    field: Mapped[str] = mapped_column(String(40))
    mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailboxes.id"), index=True)
    run_id: Mapped[int | None]
    crm_value: Mapped[object] = mapped_column(JSON)
    outlook_value: Mapped[object] = mapped_column(JSON)
    winner: Mapped[str] = mapped_column(String(8))
    rule: Mapped[str] = mapped_column(String(10))
    found_at: Mapped[datetime] = mapped_column(default=utcnow)
    state: Mapped[str] = mapped_column(String(8), default="open")
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None]


class Segment(Base):
    """A saved condition over clients: all of `conditions` hold, each with "field", "operator" and "value" (K1)."""

    __tablename__ = "segments"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    conditions: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
