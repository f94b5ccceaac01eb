"""Tasks: what somebody of the office is to do for a client (W3)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from terracrm.models.activities import Activity
from terracrm.models.base import Base, utcnow
from terracrm.models.users import User


class Task(Base):
    """A task; its subject and whom it is about are its activity's. `importance` is low, normal or high.

    Open while neither `done_at` nor `cancelled_at` is set. `due_on` is a day of the office. `changed_at` is when it was
    last changed here, what came from Outlook aside.
    """

    __tablename__ = "tasks"
    activity_id: Mapped[int] = mapped_column(ForeignKey("activities.id", ondelete="CASCADE"), primary_key=True)
    text: Mapped[str] = mapped_column(Text, default="")
    due_on: Mapped[date | None] = mapped_column(index=True)
    remind_at: Mapped[datetime | None]
    importance: Mapped[str] = mapped_column(String(6), default="normal")
    responsible_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    done_at: Mapped[datetime | None]
    done_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    cancelled_at: Mapped[datetime | None]
    changed_at: Mapped[datetime] = mapped_column(default=utcnow)
    activity: Mapped[Activity] = relationship()
    responsible: Mapped[User | None] = relationship(foreign_keys=responsible_id)
    author: Mapped[User | None] = relationship(foreign_keys=author_id)
