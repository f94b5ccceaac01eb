"""What admins are told of: alerts, the messages that tell them, and signs of life of the daemon (Y5)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from terracrm.models.base import Base, utcnow
from terracrm.models.mailboxes import Mailbox, Stream


class Alert(Base):
    """Something that an admin should know of: noticed, told once it has lasted, told again, and its end told.

    `rule` is one of `terracrm.domain.alert_rules`. `mailbox_id` and `stream_id` say what it is about, `about` what is
    no mailbox: the name of a server or of a channel. `count` is how many there are of what the rule counts, `message`
    the reason in the words of the log.

    `raised_at` is None as long as it has not lasted long enough to be told; `told_at` is when it was last put into a
    message. `over_at`: it is gone, and its end is told when it stays so; then `cleared_at` is set.
    """

    __tablename__ = "alerts"
    __table_args__ = (Index("ix_alerts_cleared", "cleared_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    rule: Mapped[str] = mapped_column(String(20))
    about: Mapped[str] = mapped_column(String(255), default="")
    mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"), index=True)
    stream_id: Mapped[int | None] = mapped_column(ForeignKey("streams.id", ondelete="CASCADE"), index=True)
    count: Mapped[int] = mapped_column(default=0)
    message: Mapped[str] = mapped_column(Text, default="")
    since: Mapped[datetime] = mapped_column(default=utcnow)
    raised_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    over_at: Mapped[datetime | None]
    cleared_at: Mapped[datetime | None]
    mailbox: Mapped[Mailbox | None] = relationship()
    stream: Mapped[Stream | None] = relationship()


class AlertMessage(Base):
    """One message to the admins through one channel ("mail", "webhook"): written down first, then sent.

    `events` are those that it tells, each with "alert" (an id) and "what" ("raised", "lasts", "ended"). It is sent once
    `next_try_at` has come, by who sets `claimed_until`, and in the end has a `sent_at` or a `given_up_at`.
    """

    __tablename__ = "alert_messages"
    __table_args__ = (Index("ix_alert_messages_channel", "channel", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(10))
    events: Mapped[list[dict[str, object]]] = mapped_column(JSON, default=list)
    made_at: Mapped[datetime] = mapped_column(default=utcnow)
    next_try_at: Mapped[datetime] = mapped_column(default=utcnow)
    claimed_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(Text, default="")
    sent_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]


class Heartbeat(Base):
    """When something that works in the background was last seen at work: `name` is "daemon"."""

    __tablename__ = "heartbeats"
    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    at: Mapped[datetime] = mapped_column(default=utcnow)


class Lease(Base):
    """Something of which there is exactly one at a time, such as "scheduler": who has it, and until when."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    holder: Mapped[str] = mapped_column(default="")
    until: Mapped[datetime] = mapped_column(default=utcnow)
