"""Contacts of several mailboxes made one: what a change in Outlook changes here (per field, against the base).

A snapshot is a contact in JSON terms, kept in `Link.base` as the last agreed state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date
from typing import Any, Final

from terracrm.domain.addresses import normalise
from terracrm.domain.names import e164
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


def retracted_scalars(
    local: Mapping[str, Any],
    withdrawn: Iterable[Mapping[str, Any]],
    others: Iterable[Mapping[str, Any]],
    before: Mapping[str, Any],
) -> dict[str, str]:
    """What the fields become whose value only the withdrawn snapshots say (S4).

    That is what it was `before` these, or what another snapshot says, or nothing.
    """
    gone, left = list(withdrawn), list(others)
    return {
        name: before.get(name) or next((other[name] for other in left if other[name]), "")
        for name in SCALARS
        if local[name] and any(base[name] == local[name] for base in gone) and local[name] not in _said(name, left)
    }


def retracted_entries(
    field: str, withdrawn: Iterable[Mapping[str, Any]], others: Iterable[Mapping[str, Any]]
) -> set[str]:
    """The identities of a list field's entries that only the withdrawn snapshots have (S4)."""
    gone, left = ({identity(field, entry) for base in bases for entry in base[field]} for bases in (withdrawn, others))
    return gone - left


def _said(name: str, snapshots: Iterable[Mapping[str, Any]]) -> set[str]:
    return {found[name] for found in snapshots}


def identity(field: str, entry: Mapping[str, Any]) -> str:
    """What makes an entry of a list field the same entry; its label and spelling may change."""
    if field == "emails":
        return normalise(entry["address"])
    if field == "phones":
        return e164(entry["number"]) or str(entry["number"]).strip()
    parts = (entry["postal_code"], entry["country"], entry["region"], entry["city"], entry["street"])
    return ", ".join(part for part in parts if part)


def list_changes(
    field: str, base: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]
) -> tuple[dict[str, Mapping[str, Any]], set[str]]:
    """The entries that were added or relabelled, by identity, and the identities of the removed ones."""
    before = {identity(field, entry): entry for entry in base}
    after = {found: entry for entry in new if (found := identity(field, entry))}
    added = {
        found: entry
        for found, entry in after.items()
        if found not in before or entry["label"] != before[found]["label"]
    }
    return added, before.keys() - after.keys()
