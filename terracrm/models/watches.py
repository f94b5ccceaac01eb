"""Who listens to which mailbox."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from terracrm.models.base import Base


class MailboxWatch(Base):
    """Which daemon listens to a mailbox, and since when it tells of its changes; without `since`, `error` says why not.

    `claim` names the process until `claimed_until`, as that of a stream does; after that nothing here holds.
    """

    __tablename__ = "mailbox_watches"
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"), primary_key=True)
    claim: Mapped[str] = mapped_column(default="")
    claimed_until: Mapped[datetime | None]
    since: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(Text, default="")
