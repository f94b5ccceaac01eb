"""A contact as the memory server keeps it: `notes` and `body` say the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from terracrm.domain.names import display_name
from terracrm.domain.outlook_slots import reads_the_same
from terracrm.domain.records import Body, ContactRecord
from terracrm.domain.texts import html_to_text


def created(record: ContactRecord) -> ContactRecord:
    """A new contact; one without a display name is called as Outlook would."""
    name = display_name(record.given_name, record.middle_name, record.surname, record.company_name)
    return _holding(replace(record, display_name=record.display_name or name), body_of(record))


def written(now: ContactRecord, wanted: ContactRecord, fields: Collection[str]) -> ContactRecord:
    """A contact after these fields were written; the same one where nothing differs."""
    record = replace(now, **{name: getattr(wanted, name) for name in fields if name != "notes"})
    if "notes" not in fields or (wanted.body is None and reads_the_same(wanted.notes, now.notes)):
        return record
    return _holding(record, body_of(wanted)) if body_of(wanted) != body_of(now) else record


def body_of(record: ContactRecord) -> Body:
    """The notes as the mailbox keeps them."""
    return record.body or Body(record.notes)


def _holding(record: ContactRecord, body: Body) -> ContactRecord:
    notes = html_to_text(body.content) if body.is_html else body.content
    return replace(record, body=body, notes=notes.strip())
