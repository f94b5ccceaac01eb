"""What people decided about who is who: senders of the tray, suggestions for a contact, merges (M1, M2, M4)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from terracrm.models.base import Base, utcnow


class SenderDecision(Base):
    """One decision for all mail of an address, past and to come (M2).

    `decision` is "contact" or "company" (whom the address is), or "ignore" (nobody: it leaves the tray).
    """

    __tablename__ = "sender_decisions"
    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(unique=True)
    decision: Mapped[str] = mapped_column(String(10))
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), index=True)
    company_id: Mapped[int | None] = mapped_column(ForeignKey("companies.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime] = mapped_column(default=utcnow)


class ContactSuggestion(Base):
    """Something that a mail says of a contact, for a person to confirm; never a silent change.

    `field` is "phones", "job_title", "company_name"...; `value_key` makes the value comparable. `state` is "open",
    "accepted" or "dismissed". The source: the message, mailbox and run that it was read in.
    """

    __tablename__ = "contact_suggestions"
    __table_args__ = (UniqueConstraint("contact_id", "field", "value_key"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"))
    field: Mapped[str] = mapped_column(String(40))
    value: Mapped[str] = mapped_column(Text)
    value_key: Mapped[str] = mapped_column(String(200))
    label: Mapped[str] = mapped_column(String(20), default="")
    activity_id: Mapped[int | None] = mapped_column(ForeignKey("activities.id", ondelete="CASCADE"), index=True)
    mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailboxes.id"))
    run_id: Mapped[int | None]
    found_at: Mapped[datetime] = mapped_column(default=utcnow)
    state: Mapped[str] = mapped_column(String(10), default="open")
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None]


class Merge(Base):
    """Two contacts or two companies were made one (M4). The loser stays, marked, so that the merge can be undone.

    `before` holds the fields of both as they were; `MergeMove` each row that went over to the winner.
    """

    __tablename__ = "merges"
    __table_args__ = (Index("ix_merges_entity", "entity", "winner_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    entity: Mapped[str] = mapped_column(String(10))
    winner_id: Mapped[int]
    loser_id: Mapped[int] = mapped_column(index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    merged_at: Mapped[datetime] = mapped_column(default=utcnow)
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    before: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)


class MergeMove(Base):
    """A row that a merge moved: `kind` names the table, `row_id` and `position` its key."""

    __tablename__ = "merge_moves"
    __table_args__ = ({"sqlite_with_rowid": False},)
    merge_id: Mapped[int] = mapped_column(ForeignKey("merges.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(30), primary_key=True)
    row_id: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, default=0)
    before: Mapped[dict[str, object] | None] = mapped_column(JSON)
