"""What keeps mailboxes and the CRM safe: plans that wait for a person, reconciliations (Y1, Y2, S14)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from terracrm.models.base import Base, utcnow
from terracrm.models.mailboxes import Mailbox, Stream
from terracrm.models.users import User


class Plan(Base):
    """What a run would do, step by step, kept until it is decided on or done (Y1, Y2).

    `cause` is "brake", of one stream, or "command", of a whole mailbox (`stream_id` None) or of one stream. `state` is
    "open", "approved" (the next run may do it), "rejected", "done", or "superseded" by a later look. `items` is how
    many the stream had when the plan was made; `removals` and `changes` are those that the brake weighs.
    """

    __tablename__ = "plans"
    __table_args__ = (Index("ix_plans_state", "state", "mailbox_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"), index=True)
    stream_id: Mapped[int | None] = mapped_column(ForeignKey("streams.id", ondelete="CASCADE"), index=True)
    cause: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(12), default="open")
    made_at: Mapped[datetime] = mapped_column(default=utcnow)
    run_id: Mapped[int | None]
    items: Mapped[int] = mapped_column(default=0)
    creations: Mapped[int] = mapped_column(default=0)
    changes: Mapped[int] = mapped_column(default=0)
    removals: Mapped[int] = mapped_column(default=0)
    decided_at: Mapped[datetime | None]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    mailbox: Mapped[Mailbox] = relationship()
    stream: Mapped[Stream | None] = relationship()
    user: Mapped[User | None] = relationship()


class PlanStep(Base):
    """One step of a plan. `direction` is "in" (into the CRM) or "out" (into Outlook), `act` create, change or remove.

    `local_id` is None for what is not here yet, `remote_id` "" for what is not there yet; `version` is the remote
    version that was planned with. `fields` holds what changes, each with "field", "old" and "new"; `fingerprint` tells
    whether a later plan means the same step. No text of mail is kept here; a withdrawn item takes its steps along (S4).
    """

    __tablename__ = "plan_steps"
    __table_args__ = (
        Index("ix_plan_steps_entity", "entity", "local_id"),
        Index("ix_plan_steps_remote", "remote_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("plans.id", ondelete="CASCADE"), index=True)
    stream_id: Mapped[int] = mapped_column(ForeignKey("streams.id", ondelete="CASCADE"))
    direction: Mapped[str] = mapped_column(String(3))
    act: Mapped[str] = mapped_column(String(6))
    entity: Mapped[str] = mapped_column(String(10))
    local_id: Mapped[int | None]
    folder_id: Mapped[int | None] = mapped_column(ForeignKey("folders.id", ondelete="CASCADE"))
    remote_id: Mapped[str] = mapped_column(default="")
    version: Mapped[str] = mapped_column(default="")
    rule: Mapped[str] = mapped_column(String(40), default="")
    fields: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list)
    fingerprint: Mapped[str] = mapped_column(String(40), default="")


class Reconciliation(Base):
    """The count of a stream's items here and there, once (S14).

    `there` are the items of the mailbox's folders of that kind, `here` those of them that are linked; `missing` are
    there and neither linked nor skipped nor quarantined, `extra` are linked and not there, `stale` are linked in
    another version, which says something else. `skipped` counts by rule. `gaps` lists the first of the gaps, each with
    "kind", "folder_id" and "remote_id"; `repaired` of all were mended, as far as they could be.
    """

    __tablename__ = "reconciliations"
    __table_args__ = (Index("ix_reconciliations_stream", "stream_id", "checked_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    stream_id: Mapped[int] = mapped_column(ForeignKey("streams.id", ondelete="CASCADE"))
    run_id: Mapped[int | None]
    checked_at: Mapped[datetime] = mapped_column(default=utcnow)
    here: Mapped[int] = mapped_column(default=0)
    there: Mapped[int] = mapped_column(default=0)
    missing: Mapped[int] = mapped_column(default=0)
    extra: Mapped[int] = mapped_column(default=0)
    stale: Mapped[int] = mapped_column(default=0)
    quarantined: Mapped[int] = mapped_column(default=0)
    repaired: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    gaps: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list)
    stream: Mapped[Stream] = relationship()
