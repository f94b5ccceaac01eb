"""Customer organisations and the mail domains that are theirs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from terracrm.models.base import Base, utcnow
from terracrm.models.users import Team, User


class Company(Base):
    """A customer organisation. `name_key` is the name made comparable: case, ё, quotes and legal form aside.

    `merged_into_id` names what it was merged into (M4); `created_by_*` is its source (invariant 11).
    """

    __tablename__ = "companies"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    name_key: Mapped[str] = mapped_column(index=True)
    phone: Mapped[str] = mapped_column(default="")
    website: Mapped[str] = mapped_column(default="")
    city: Mapped[str] = mapped_column(default="")
    notes: Mapped[str] = mapped_column(Text, default="")
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"), index=True)
    archived_at: Mapped[datetime | None]
    merged_into_id: Mapped[int | None] = mapped_column(index=True)
    created_by_mailbox_id: Mapped[int | None]
    created_by_run_id: Mapped[int | None]
    created_by_rule: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(default=utcnow, onupdate=utcnow)
    owner: Mapped[User | None] = relationship()
    team: Mapped[Team | None] = relationship()
    domains: Mapped[list[CompanyDomain]] = relationship(
        back_populates="company", order_by="CompanyDomain.domain", cascade="all, delete-orphan"
    )


class CompanyDomain(Base):
    """A mail domain that belongs to one company; never a free-mail or internal one."""

    __tablename__ = "company_domains"
    domain: Mapped[str] = mapped_column(primary_key=True)
    company_id: Mapped[int] = mapped_column(ForeignKey("companies.id", ondelete="CASCADE"), index=True)
    company: Mapped[Company] = relationship(back_populates="domains")
