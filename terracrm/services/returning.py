"""Clients who were archived by the deletion of their card, and whose entry is put into that Outlook again (S9)."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.models import Contact, ContactAddress, FieldChange
from terracrm.services import field_history
from terracrm.services.sources import Source


def find(session: Session, source: Source, addresses: Collection[str]) -> Contact | None:
    """The client with one of these addresses whom this mailbox has put into the archive, where it was nobody else."""
    archived = Contact.archived_at.is_not(None), Contact.merged_into_id.is_(None)
    query = select(Contact).join(ContactAddress).where(ContactAddress.address.in_(addresses), *archived)
    contact = session.scalar(query.order_by(Contact.archived_at.desc()).limit(1)) if addresses else None
    return contact if contact is not None and _is_archived_by(session, source, contact) else None


def take_back(session: Session, source: Source, contact: Contact) -> None:
    """Take a client out of the archive whom this mailbox has put there; whom others have put there stays."""
    if contact.archived_at is not None and _is_archived_by(session, source, contact):
        with field_history.recording(session, field_history.of_mailbox(source), contact):
            contact.archived_at = None


def _is_archived_by(session: Session, source: Source, contact: Contact) -> bool:
    mine = FieldChange.entity == "contact", FieldChange.entity_id == contact.id, FieldChange.field == "archived"
    last = session.scalar(select(FieldChange).where(*mine).order_by(FieldChange.id.desc()).limit(1))
    return last is not None and last.mailbox_id == source.mailbox_id
