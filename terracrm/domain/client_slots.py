"""The entries of a client's contact in the places of its card in Outlook (W1).

An entry keeps its place while it can. What Outlook holds that is nothing to us (an address that is none, the same
number once more) is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from terracrm.domain.contact_merge import LISTS, SCALARS, TEXTS, Snapshot, birthday_of, identity, snapshot
from terracrm.domain.outlook_slots import places, reads_the_same, trimmed
from terracrm.domain.records import ContactRecord, LabelledAddress, Phone, PostalAddress

Entry = dict[str, Any]
Value = str | Entry | None
"""Of a field: text, or one entry of a list; None for an entry that is not there."""

BLANK: Final[Snapshot] = dict.fromkeys(SCALARS, "") | {name: [] for name in LISTS}
_MAKE: Final[dict[str, Any]] = {"emails": LabelledAddress, "phones": Phone, "postal_addresses": PostalAddress}


def tidy(said: Mapping[str, Any]) -> Snapshot:
    """A snapshot as it reads once it was written to Outlook."""
    return snapshot(trimmed(record(BLANK | dict(said))))


def tidy_list(field: str, entries: Iterable[Entry]) -> list[Entry]:
    """Without space around the values, in the order given."""
    stripped = [{name: text.strip() for name, text in entry.items()} for entry in entries]
    return [entry for entry in stripped if any(text for name, text in entry.items() if name not in ("label", "name"))]


def same(one: Value, other: Value) -> bool:
    """Whether two values say the same; line ends and the space around a text do not count."""
    if isinstance(one, str) and isinstance(other, str):
        return reads_the_same(one, other)
    return one == other


def cells(
    field: str,
    entries: Iterable[Entry],
    rather: Mapping[str, Entry] | None = None,
    known_as: Mapping[str, str] | None = None,
) -> dict[str, Entry]:
    """The entries by identity; of several that are the same the one in the place that `rather` names, or the first."""
    found: dict[str, Entry] = {}
    for entry in entries:
        key = key_of(field, entry, known_as or {})
        bare = {name: value for name, value in entry.items() if name != "name"}
        wanted = rather.get(key) if rather else None
        if key and (key not in found or (wanted and bare["label"] == wanted["label"])):
            found[key] = bare
    return found


def key_of(field: str, entry: Entry, known_as: Mapping[str, str]) -> str:
    """The identity of an entry; `known_as` holds those that mean another one."""
    key = identity(field, entry)
    return known_as.get(key, key)


def placed(field: str, entries: Iterable[Entry], there: list[Entry]) -> list[Entry]:
    """The entries that find a place, each under its place's label.

    That is its own place; else one near to it, the one where it stands rather than another; else where it stands.
    """
    ours = cells(field, entries)
    wanted = {key: places(field, entry["label"]) for key, entry in ours.items()}
    labels = _labels(field, there)
    kept = set(labels.get("", ()))
    seats: dict[str, str] = {}
    twins: dict[str, list[str]] = {}
    for key in ours.keys() & labels.keys():
        if found := [label for label in wanted[key] if label in labels[key]]:
            seats[key], twins[key] = found[0], [label for label in labels[key] if label != found[0]]

    def is_free(label: str) -> bool:
        return label not in kept and label not in seats.values() and all(label not in held for held in twins.values())

    while moves := [key for key in ours if key in seats and seats[key] != wanted[key][0] and is_free(wanted[key][0])]:
        seats[moves[0]] = wanted[moves[0]][0]
        del twins[moves[0]]
    for choice in (lambda key: wanted[key][:1], lambda key: wanted[key], lambda key: labels.get(key, ())):
        for key in ours:
            free = [label for label in choice(key) if is_free(label)]
            if key not in seats and free:
                seats[key] = free[0]
    return [entry | {"label": seats[key]} for key, entry in ours.items() if key in seats]


def left_alone(field: str, placed: list[Entry], there: list[Entry]) -> list[Entry]:
    """What Outlook holds beside our entries: what is none, and an entry of ours that stays, once more elsewhere."""
    there = tidy_list(field, there)
    taken = {entry["label"] for entry in placed}
    labels = _labels(field, there)
    stay = {key for key, entry in cells(field, placed).items() if entry["label"] in labels.get(key, ())}
    return [entry for entry in there if entry["label"] not in taken and identity(field, entry) in {"", *stay}]


def _labels(field: str, entries: Iterable[Entry]) -> dict[str, list[str]]:
    """Where each entry stands, by identity."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        found.setdefault(identity(field, entry), []).append(entry["label"])
    return found


def record(said: Mapping[str, Any]) -> ContactRecord:
    """A snapshot as a record; categories are nobody's business here."""
    lists = {field: tuple(_MAKE[field](**entry) for entry in said[field]) for field in LISTS}
    values: dict[str, Any] = {name: said[name] for name in TEXTS} | lists
    return ContactRecord(**values, birthday=birthday_of(said["birthday"]))
