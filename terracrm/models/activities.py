"""The relationship history: activities, who took part, and the two timelines that profiles read."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from terracrm.models.base import Base, utcnow


class ActivityKind(StrEnum):
    """What an entry of the history is."""

    MAIL = "mail"
    MEETING = "meeting"
    NOTE = "note"
    TASK = "task"


class Sharing(IntEnum):
    """Who may read an item besides those whose mailboxes hold it; the smaller is the more restrictive (A2)."""

    PRIVATE = 0
    PARTICIPANTS = 1
    TEAM = 2
    EVERYONE = 3


# Participants that the tray shows (M2).
UNKNOWN = text("match_method IN ('', 'ambiguous')")


class Activity(Base):
    """One entry of the relationship history.

    `direction` is "in", "out" or "" as seen from the office. `sharing` is the most restrictive of the levels of
    the mailboxes that hold it. The source (invariant 11): the mailbox, run and rule that brought it.
    """

    __tablename__ = "activities"
    __table_args__ = (Index("ix_activities_newest", "occurred_at", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    occurred_at: Mapped[datetime]
    direction: Mapped[str] = mapped_column(String(3), default="")
    sharing: Mapped[int] = mapped_column(default=Sharing.EVERYONE)
    is_matched: Mapped[bool] = mapped_column(default=False, index=True)
    has_attachments: Mapped[bool] = mapped_column(default=False)
    mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailboxes.id"))
    run_id: Mapped[int | None]
    rule: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    subject: Mapped[str] = mapped_column(default="")
    snippet: Mapped[str] = mapped_column(Text, default="")
    participants: Mapped[list[Participant]] = relationship(order_by="Participant.position", viewonly=True)


class Participant(Base):
    """A person of an activity as the item named them, and whom of ours that address was found to be.

    `match_method` is "address", "domain", "decision" (a person's, see SenderDecision), "internal", "ambiguous" (the
    address of several people) or "" (unknown); the row is the link and says how it came.
    """

    __tablename__ = "participants"
    __table_args__ = (
        Index("ix_participants_unknown", "address", sqlite_where=UNKNOWN, postgresql_where=UNKNOWN),
        {"sqlite_with_rowid": False},
    )
    activity_id: Mapped[int] = mapped_column(ForeignKey("activities.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(String(10))
    address: Mapped[str] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(default="")
    domain: Mapped[str] = mapped_column(default="", index=True)
    response: Mapped[str] = mapped_column(String(10), default="")
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contacts.id"), index=True)
    company_id: Mapped[int | None] = mapped_column(ForeignKey("companies.id"), index=True)
    match_method: Mapped[str] = mapped_column(String(10), default="")


class ActivityTopic(Base):
    """What an activity is about beside its participants: a company or contact, later a deal or case (M3).

    `method` says how that is known: "manual", "token", or how a reply came by it: "reply", "conversation",
    "subject"; an inherited topic names in `from_activity_id` the message that gave it.
    """

    __tablename__ = "activity_topics"
    __table_args__ = (
        UniqueConstraint("activity_id", "entity", "entity_id"),
        Index("ix_activity_topics_entity", "entity", "entity_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    activity_id: Mapped[int] = mapped_column(ForeignKey("activities.id", ondelete="CASCADE"))
    entity: Mapped[str] = mapped_column(String(10))
    entity_id: Mapped[int]
    method: Mapped[str] = mapped_column(String(12))
    from_activity_id: Mapped[int | None] = mapped_column(index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailboxes.id"))
    run_id: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=utcnow)


class ContactTimeline(Base):
    """The activities of a contact, newest last in the key: one range scan reads a page of a profile."""

    __tablename__ = "contact_timeline"
    __table_args__ = ({"sqlite_with_rowid": False},)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), primary_key=True)
    occurred_at: Mapped[datetime] = mapped_column(primary_key=True)
    activity_id: Mapped[int] = mapped_column(
        ForeignKey("activities.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    kind: Mapped[str] = mapped_column(String(20))


class CompanyTimeline(Base):
    """The activities of a company and of its people, once each."""

    __tablename__ = "company_timeline"
    __table_args__ = ({"sqlite_with_rowid": False},)
    company_id: Mapped[int] = mapped_column(ForeignKey("companies.id", ondelete="CASCADE"), primary_key=True)
    occurred_at: Mapped[datetime] = mapped_column(primary_key=True)
    activity_id: Mapped[int] = mapped_column(
        ForeignKey("activities.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    kind: Mapped[str] = mapped_column(String(20))


class ActivityMailbox(Base):
    """The mailboxes that hold an activity's item: visibility follows the copies (S2)."""

    __tablename__ = "activity_mailboxes"
    __table_args__ = ({"sqlite_with_rowid": False},)
    activity_id: Mapped[int] = mapped_column(ForeignKey("activities.id", ondelete="CASCADE"), primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailboxes.id"), primary_key=True, index=True)
