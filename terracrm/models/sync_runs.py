"""What each pass over a stream did."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from terracrm.models.base import Base, utcnow
from terracrm.models.mailboxes import Stream


class SyncRun(Base):
    """One pass over one stream: counts, duration, outcome. `written` counts what was written into Outlook.

    `undone_at`: what it changed in the CRM was reverted, by the user `undone_by` (Y3).
    """

    __tablename__ = "sync_runs"
    __table_args__ = (Index("ix_sync_runs_stream_started", "stream_id", "started_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    stream_id: Mapped[int] = mapped_column(ForeignKey("streams.id", ondelete="CASCADE"))
    started_at: Mapped[datetime] = mapped_column(default=utcnow)
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str] = mapped_column(String(12), default="running")
    error: Mapped[str] = mapped_column(Text, default="")
    created: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    deleted: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    quarantined: Mapped[int] = mapped_column(default=0)
    unmatched: Mapped[int] = mapped_column(default=0)
    written: Mapped[int] = mapped_column(default=0, server_default="0")
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[int | None]
    stream: Mapped[Stream] = relationship()


class SyncRunItem(Base):
    """What a run did with one item, where the Link does not already say it. What is skipped is a SkippedItem.

    `outcome` is "deleted", "withdrawn", "untracked", "quarantined" or, of what we took out of Outlook, "removed";
    `rule` is the rule that decided. No content of the item is kept: a private one leaves only its remote id
    (invariant 6). Of a task of ours that was "changed" there, `detail` says what it said before and since (Y3).
    """

    __tablename__ = "sync_run_items"
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("sync_runs.id", ondelete="CASCADE"), index=True)
    folder_id: Mapped[int | None] = mapped_column(ForeignKey("folders.id", ondelete="CASCADE"), index=True)
    remote_id: Mapped[str] = mapped_column(index=True)
    outcome: Mapped[str] = mapped_column(String(12))
    rule: Mapped[str] = mapped_column(String(40), default="")
    detail: Mapped[str] = mapped_column(Text, default="")
