"""Meetings: one per iCalendar UID and occurrence, however many mirrored attendees (S3)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import JSON, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from terracrm.models.activities import Activity
from terracrm.models.base import Base, utcnow


class Meeting(Base):
    """A calendar item. `occurrence` is "" for a single meeting or a master, else the original start in UTC.

    The occurrences of a series in the rolling window are rows of their own (`series_id` is the master's id), so that
    each stands in the timeline; `deleted_occurrences` of a master are the original starts of those that were
    cancelled, `expanded_until` is how far its occurrences were written.

    It has an activity only when somebody from outside takes part: an internal meeting is no client history.
    `source_mailbox_id` is the mailbox whose copy was written last; the organizer's copy is authoritative.
    """

    __tablename__ = "meetings"
    __table_args__ = ()
    id: Mapped[int] = mapped_column(primary_key=True)
    meeting_key: Mapped[str] = mapped_column(unique=True)
    uid: Mapped[str] = mapped_column(index=True)
    occurrence: Mapped[str] = mapped_column(default="")
    kind: Mapped[str] = mapped_column(String(12))
    activity_id: Mapped[int | None] = mapped_column(ForeignKey("activities.id", ondelete="SET NULL"), unique=True)
    subject: Mapped[str] = mapped_column(default="")
    start_at: Mapped[datetime | None] = mapped_column(index=True)
    end_at: Mapped[datetime | None]
    is_all_day: Mapped[bool] = mapped_column(default=False)
    start_date: Mapped[date | None]
    end_date: Mapped[date | None]
    zone: Mapped[str] = mapped_column(default="")
    location: Mapped[str] = mapped_column(default="")
    is_cancelled: Mapped[bool] = mapped_column(default=False)
    recurrence: Mapped[str] = mapped_column(default="")
    series_id: Mapped[int | None] = mapped_column(index=True)
    deleted_occurrences: Mapped[list[str]] = mapped_column(JSON, default=list)
    expanded_until: Mapped[datetime | None]
    from_organizer: Mapped[bool] = mapped_column(default=False)
    source_mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailboxes.id"))
    updated_at: Mapped[datetime] = mapped_column(default=utcnow, onupdate=utcnow)
    body_text: Mapped[str] = mapped_column(Text, default="")
    activity: Mapped[Activity | None] = relationship()


class MeetingCopy(Base):
    """One mailbox's copy of a meeting, with its owner's answer."""

    __tablename__ = "meeting_copies"
    link_id: Mapped[int] = mapped_column(ForeignKey("links.id", ondelete="CASCADE"), primary_key=True)
    meeting_id: Mapped[int] = mapped_column(ForeignKey("meetings.id", ondelete="CASCADE"), index=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailboxes.id"), index=True)
    response: Mapped[str] = mapped_column(String(10), default="")
    categories: Mapped[str] = mapped_column(Text, default="")
