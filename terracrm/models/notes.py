"""Notes that people add to the history by hand."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from terracrm.models.activities import Activity
from terracrm.models.base import Base
from terracrm.models.users import User


class Note(Base):
    """A note; when and about whom is its activity."""

    __tablename__ = "notes"
    activity_id: Mapped[int] = mapped_column(ForeignKey("activities.id", ondelete="CASCADE"), primary_key=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    text: Mapped[str] = mapped_column(Text)
    activity: Mapped[Activity] = relationship()
    author: Mapped[User | None] = relationship()
