"""People at the customers, with all their addresses, phones and postal addresses."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from terracrm.models.base import Base, utcnow
from terracrm.models.companies import Company
from terracrm.models.users import Team, User


class Contact(Base):
    """A person. `name_key` is the display name made comparable; `merged_into_id` names whom it was merged into (M4).

    `stage` is where the relationship stands, in the office's own words.
    """

    __tablename__ = "contacts"
    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[int | None] = mapped_column(ForeignKey("companies.id"), index=True)
    display_name: Mapped[str]
    name_key: Mapped[str] = mapped_column(index=True)
    given_name: Mapped[str] = mapped_column(default="")
    middle_name: Mapped[str] = mapped_column(default="")
    surname: Mapped[str] = mapped_column(default="")
    company_name: Mapped[str] = mapped_column(default="")
    department: Mapped[str] = mapped_column(default="")
    job_title: Mapped[str] = mapped_column(default="")
    stage: Mapped[str] = mapped_column(default="", server_default="")
    website: Mapped[str] = mapped_column(default="")
    birthday: Mapped[date | None]
    notes: Mapped[str] = mapped_column(Text, default="")
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"), index=True)
    archived_at: Mapped[datetime | None]
    merged_into_id: Mapped[int | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(default=utcnow, onupdate=utcnow)
    created_by_mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailboxes.id"))
    created_by_run_id: Mapped[int | None]
    created_by_rule: Mapped[str] = mapped_column(default="")
    company: Mapped[Company | None] = relationship()
    owner: Mapped[User | None] = relationship()
    team: Mapped[Team | None] = relationship()
    addresses: Mapped[list[ContactAddress]] = relationship(
        back_populates="contact", order_by="ContactAddress.position", cascade="all, delete-orphan"
    )
    phones: Mapped[list[ContactPhone]] = relationship(
        back_populates="contact", order_by="ContactPhone.position", cascade="all, delete-orphan"
    )
    postal_addresses: Mapped[list[ContactPostalAddress]] = relationship(
        back_populates="contact", order_by="ContactPostalAddress.position", cascade="all, delete-orphan"
    )


class ContactAddress(Base):
    """An e-mail address of a person. `address` is normalised; `written` is how it was written.

    `domain` is the domain that tells the company, "" where it tells none (`DomainPolicy.company_domain`).
    """

    __tablename__ = "contact_addresses"
    id: Mapped[int] = mapped_column(primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), index=True)
    address: Mapped[str] = mapped_column(index=True)
    domain: Mapped[str] = mapped_column(default="", index=True)
    written: Mapped[str] = mapped_column(default="")
    label: Mapped[str] = mapped_column(default="")
    position: Mapped[int] = mapped_column(default=0)
    contact: Mapped[Contact] = relationship(back_populates="addresses")


class ContactPhone(Base):
    """A phone number; `e164` is its international form where the number can be understood."""

    __tablename__ = "contact_phones"
    id: Mapped[int] = mapped_column(primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), index=True)
    number: Mapped[str]
    e164: Mapped[str] = mapped_column(default="", index=True)
    label: Mapped[str] = mapped_column(default="")
    position: Mapped[int] = mapped_column(default=0)
    contact: Mapped[Contact] = relationship(back_populates="phones")


class ContactPostalAddress(Base):
    """A postal address; `label` is business, home or other."""

    __tablename__ = "contact_postal_addresses"
    id: Mapped[int] = mapped_column(primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), index=True)
    label: Mapped[str] = mapped_column(default="")
    street: Mapped[str] = mapped_column(default="")
    city: Mapped[str] = mapped_column(default="")
    region: Mapped[str] = mapped_column(default="")
    postal_code: Mapped[str] = mapped_column(default="")
    country: Mapped[str] = mapped_column(default="")
    position: Mapped[int] = mapped_column(default=0)
    contact: Mapped[Contact] = relationship(back_populates="postal_addresses")
