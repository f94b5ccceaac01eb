"""Contacts of several mailboxes made one: what a change in Outlook changes here (per field, against the base).

A snapshot is a contact in JSON terms, kept in `Link.base` as the last agreed state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date
from typing import Any, Final

from terracrm.domain.records import ContactRecord

Snapshot = dict[str, Any]

TEXTS: Final = (
    "display_name",
    "given_name",
    "middle_name",
    "surname",
    "company_name",
    "department",
    "job_title",
    "website",
    "notes",
)
SCALARS: Final = (*TEXTS, "birthday")
LISTS: Final = ("emails", "phones", "postal_addresses")


def snapshot(record: ContactRecord) -> Snapshot:
    """The record in JSON terms: texts, a birthday in ISO form, and lists of plain objects."""
    data = asdict(record)
    found: Snapshot = {name: data[name] for name in TEXTS}
    found["birthday"] = record.birthday.isoformat() if record.birthday else ""
    found |= {name: list(data[name]) for name in LISTS}
    found["categories"] = list(record.categories)
    return found


def birthday_of(value: str) -> date | None:
    """The birthday of a snapshot as a date."""
    return date.fromisoformat(value) if value else None


def scalar_changes(base: Mapping[str, Any] | None, local: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """The single-valued fields that must change here, with their new values.

    With a base: what Outlook changed since. Without one (the first time this mailbox's entry meets the contact):
    only what is empty here, so that two people's entries of one client do not overwrite each other.
    """
    if base is None:
        return {name: new[name] for name in SCALARS if new[name] and not local[name]}
    return {name: new[name] for name in SCALARS if new[name] != base.get(name, "") and new[name] != local[name]}


def list_changes(
    base: Iterable[Mapping[str, Any]] | None, new: Iterable[Mapping[str, Any]], key: str
) -> tuple[list[Mapping[str, Any]], list[str]]:
    """What was added to a list field and the `key` values of what was removed, since the base."""
    before = {str(entry[key]) for entry in base or ()}
    after = {str(entry[key]): entry for entry in new if entry[key]}
    return [entry for value, entry in after.items() if value not in before], sorted(before - after.keys())
