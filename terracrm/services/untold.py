"""What a contact would say had the people of one mailbox never spoken of it (S4).

The log of changes is gone through once more without what their items said. So a value that was here before theirs, or
that others said, is found again, and no change remembers theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from terracrm.domain.contact_merge import LISTS, SCALARS, Snapshot, identity
from terracrm.models import Contact, FieldChange, Merge
from terracrm.services import contact_data, field_history
from terracrm.services.field_history import CONFLICT, MAILBOX, as_entries, as_text

Entries = list[dict[str, str]]


def without(
    session: Session,
    contact: Contact,
    fields: Collection[str],
    mailbox_id: int,
    said: Sequence[Mapping[str, Any]],
    *,
    is_theirs: bool,
) -> Snapshot:
    """These fields as they would be, and their log as it would read; `said` are the snapshots of what goes.

    `is_theirs`: the contact came into being by these people's item, so that its first values are theirs. Of a contact
    that was ever merged all changes of these fields are forgotten: which of the two they told of is not known.
    """
    if _was_merged(session, contact):
        field_history.forget_changes(session, "contact", [contact.id], FieldChange.field.in_(fields))
        return {field: [] if field in LISTS else "" for field in fields}
    now: Snapshot = contact_data.texts(contact)
    left: Snapshot = {}
    for field in fields:
        rows = _changes(session, contact, field)
        theirs = {row.id for row in rows if row.mailbox_id == mailbox_id and row.source == MAILBOX}
        if field in SCALARS:
            taken = {base.get(field) for base in said}
            theirs |= {row.id for row in rows if row.source == CONFLICT and row.new in taken}
            first = "" if is_theirs else rows[0].old if rows else now[field]
            left[field] = _text_without(session, rows, theirs, first)
        else:
            here = as_entries(rows[0].old) if rows else contact_data.entries(contact, field)
            left[field] = _list_without(session, field, rows, theirs, [] if is_theirs else here or [])
    session.flush()
    return left


def _changes(session: Session, contact: Contact, field: str) -> list[FieldChange]:
    mine = FieldChange.entity == "contact", FieldChange.entity_id == contact.id, FieldChange.field == field
    return list(session.scalars(select(FieldChange).where(*mine).order_by(FieldChange.changed_at, FieldChange.id)))


def _text_without(session: Session, rows: Iterable[FieldChange], theirs: Collection[int], value: str) -> str:
    for row in rows:
        if row.id in theirs or row.new == value:
            session.delete(row)
        else:
            row.old, value = value, row.new
    return value


def _list_without(
    session: Session, field: str, rows: Iterable[FieldChange], theirs: Collection[int], first: Entries
) -> Entries:
    there = _by_identity(field, first)
    for row in rows:
        was, now = (as_entries(value) for value in (row.old, row.new))
        before = as_text(there.values())
        if row.id not in theirs and was is not None and now is not None:
            _change(there, _by_identity(field, was), _by_identity(field, now))
        row.old, row.new = before, as_text(there.values())
        if row.old == row.new:
            session.delete(row)
    return list(there.values())


def _change(there: dict[str, dict[str, str]], was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """What others did to a list: an entry that was not theirs does not come back by another label."""
    for gone in was.keys() - now.keys():
        there.pop(gone, None)
    there.update({key: entry for key, entry in now.items() if key not in was or key in there})


def _by_identity(field: str, entries: Iterable[dict[str, str]]) -> dict[str, dict[str, str]]:
    return {identity(field, entry): entry for entry in entries}


def _was_merged(session: Session, contact: Contact) -> bool:
    either = or_(Merge.winner_id == contact.id, Merge.loser_id == contact.id)
    return bool(session.scalar(select(exists().where(Merge.entity == "contact", either))))
