"""What both sides said of a field, for a person who may take the other value (W1). Pure.

A value is a text, an entry of a list, or None for an entry that was not there, as `client_merge` and `task_merge` find
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terracrm.domain.client_slots import Entry, Value, same
from terracrm.domain.contact_merge import LISTS, identity

CRM, OUTLOOK = "crm", "outlook"
_NO_VALUE = ("label", "name")
_TEXT = {"emails": ("address",), "phones": ("number",)}
_POSTAL = ("street", "postal_code", "city", "region", "country")


def text_of(field: str, value: object) -> str:
    """The value as a person reads it; "" for none."""
    if isinstance(value, Mapping):
        parts = (str(value.get(name, "")) for name in _TEXT.get(field, _POSTAL))
        return ", ".join(part for part in parts if part)
    return str(value or "")


def label_of(value: object) -> str:
    """The label of an entry of a list; "" for anything else."""
    return str(value.get("label", "")) if isinstance(value, Mapping) else ""


def shown_label(field: str, value: object) -> str:
    """The label as it says something to a person: which of three addresses in Outlook one is does not."""
    return "" if field == "emails" else label_of(value)


def present(field: str, said: Any, crm: Value, outlook: Value, winner: str) -> Value:
    """What the field says now: `said` is its text, or all entries of the list, of which that one is meant."""
    if field not in LISTS:
        return str(said or "")
    entries = {identity(field, entry): dict(entry) for entry in said}
    first, second = (outlook, crm) if winner == OUTLOOK else (crm, outlook)
    found = (entries.get(identity(field, value)) for value in (first, second) if isinstance(value, Mapping))
    return next((entry for entry in found if entry), None)


def has_changed(field: str, now: Value, crm: Value, outlook: Value, winner: str) -> bool:
    """Whether the field no longer says what won: somebody has changed it since."""
    won = outlook if winner == OUTLOOK else crm
    if field not in LISTS:
        return not same(now or "", won or "")
    if not isinstance(now, Mapping) or not isinstance(won, Mapping):
        return (now is None) != (won is None)
    return _bare(now) != _bare(won) or label_of(now) not in (label_of(crm), label_of(outlook))


def taken(field: str, said: Any, crm: Value, outlook: Value, winner: str) -> str | list[Entry]:
    """What the field becomes when the value that lost is taken: its text, or all entries of the list in their order."""
    other = crm if winner == OUTLOOK else outlook
    if field not in LISTS:
        return str(other or "")
    replaced = {identity(field, value) for value in (crm, outlook) if isinstance(value, Mapping)}
    result: list[Entry] = []
    waiting = [dict(other)] if isinstance(other, Mapping) else []
    for entry in said:
        if identity(field, entry) not in replaced:
            result.append(dict(entry))
        elif waiting:
            result.append(waiting.pop())
    return [*result, *waiting]


def _bare(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in _NO_VALUE}
