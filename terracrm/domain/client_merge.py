"""A client's contact here and its card in Outlook: what each side changed since both agreed, and who has the say (W1).

Each side is compared with what it said itself when both last agreed: Outlook's with `base`, ours with `sent`. So what a
server makes of a value on its own is nobody's change, and never goes back and forth. `decide` is the whole decision
table. A list is merged entry by entry: an entry is a field of its own, told by its `identity`.

Outlook keeps three addresses, one number of each kind and three postal addresses. `project` says which entry stands
where; what finds no place stays here only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from terracrm.domain import history_block
from terracrm.domain.client_slots import (
    BLANK,
    Entry,
    Value,
    cells,
    key_of,
    left_alone,
    placed,
    record,
    same,
    tidy,
    tidy_list,
)
from terracrm.domain.contact_merge import LISTS, SCALARS, Snapshot, snapshot
from terracrm.domain.outlook_slots import trimmed
from terracrm.domain.records import Body, ContactRecord

BOTH, IN, OUT, OFF = "both", "in", "out", "off"
CRM, OUTLOOK = "crm", "outlook"
LATEST = "latest"
DIRECTION = "direction"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Both sides said something else of a field, or of one entry of a list; the value of one of them is lost.

    `winner` is CRM or OUTLOOK, `rule` is that of the stream, or DIRECTION where the field does not come in.
    """

    field: str
    crm: Value
    outlook: Value
    winner: str
    rule: str


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge comes to.

    `changes` are the fields that must change here, with their new values: texts, and lists that are whole and in order.
    What must change in Outlook is what `outgoing` says after these. `base` and `sent` are what to compare with then.
    `said` is what was said in Outlook since both agreed, and stands: texts, and entries by identity (None: taken out).
    """

    changes: Snapshot
    conflicts: tuple[Disagreement, ...]
    base: Snapshot
    sent: Snapshot
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """What both sides say of one field or entry, and what each said when they last agreed."""

    base: Value
    sent: Value
    local: Value
    remote: Value


def decide(cell: Cell, direction: str, by_rule: Callable[[], str]) -> tuple[str, bool]:
    """Whose value stands, CRM's or OUTLOOK's, and whether the other one's is lost by that.

    `by_rule` says who wins where both changed.
    """
    if same(cell.remote, cell.base) or same(cell.remote, cell.local):
        return CRM, False  # nothing new came from Outlook: what we changed goes there, if it does
    if direction == OUT:
        return CRM, True
    if same(cell.local, cell.sent):
        return OUTLOOK, False
    return by_rule(), True


def merge(
    *,
    base: Snapshot | None,
    sent: Snapshot | None,
    local: Snapshot,
    remote: Snapshot,
    directions: Mapping[str, str],
    rule: str,
    remote_at: datetime | None,
    changed_at: Callable[[str], datetime | None],
) -> Merged:
    """What Outlook's card says now, taken in: `remote` is the card without the history block, `local` the contact here.

    Without `base` and `sent` both meet for the first time: what is empty on one side comes from the other. Fields that
    are not in `directions` go both ways. `rule` is CRM, OUTLOOK or LATEST: the later of `remote_at` and `changed_at`,
    when a field was last changed here.
    """
    projection = project(local, base or sent or remote)
    before, ours = tidy(base or sent or BLANK), tidy(sent or base or BLANK)
    now = tidy(remote)
    changes: Snapshot = {}
    conflicts: list[Disagreement] = []
    said: dict[str, Any] = {}
    new_base, new_sent = dict(remote), dict(ours)
    for field in (*SCALARS, *LISTS):
        direction = directions.get(field, BOTH)
        if direction == OFF:
            new_base[field] = before[field]
            continue

        def winner(field: str = field) -> str:
            return rule if rule != LATEST else _later(remote_at, changed_at(field))

        if field in SCALARS:
            cell = Cell(before[field], ours[field], projection[field], now[field])
            stands, is_lost = decide(cell, direction, winner)
            if stands == OUTLOOK:
                changes[field] = now[field]
            found = [(local[field], now[field], stands)] if is_lost else []
            new_sent[field] = ours[field] if same(cell.remote, cell.base) else now[field]
            if _is_said(cell, stands):
                said[field] = now[field]
        else:
            merged = _merge_list(field, before, ours, local, projection, now, direction, winner)
            if merged.entries != list(local[field]):
                changes[field] = merged.entries
            found, new_sent[field] = merged.lost, merged.sent
            if merged.said:
                said[field] = merged.said
        why = DIRECTION if direction == OUT else rule
        conflicts += [Disagreement(field, crm, outlook, stands, why) for crm, outlook, stands in found]
    return Merged(changes, tuple(conflicts), new_base, new_sent, said)


def still_told(told: Snapshot | None, merged: Merged) -> Snapshot:
    """What is known here from the people of this mailbox, after a merge: the fields they spoke of, as in a snapshot."""
    result = dict(told or {})
    for field, said in merged.said.items():
        if field in SCALARS:
            result[field] = said
        else:
            known: dict[str, Entry | None] = {**cells(field, result.get(field, ())), **said}
            result[field] = [entry for entry in known.values() if entry]
    return result


def card_of(record: ContactRecord, written: str) -> Snapshot:
    """What a card says of its client, without the history; `written` is the text of that as it was last written."""
    return snapshot(replace(record, notes=history_block.strip(Body(record.notes), written).content))


def project(local: Snapshot, base: Snapshot | None) -> Snapshot:
    """The contact as Outlook can show it, and as it reads once it is written; `base` says what stands where now.

    What finds no place is left out: it stays here only.
    """
    there = tidy(base or BLANK)
    shown = {name: local[name] for name in SCALARS} | {
        field: placed(field, tidy_list(field, local[field]), there[field]) for field in LISTS
    }
    return tidy(shown)


def outgoing(sent: Snapshot | None, projection: Snapshot, directions: Mapping[str, str]) -> set[str]:
    """The fields to write into Outlook. Without `sent`, for a new card, all that say anything."""
    goes_out = {field for field in (*SCALARS, *LISTS) if directions.get(field, BOTH) in (BOTH, OUT)}
    return differing(projection, sent or BLANK) & goes_out


def outward(projection: Snapshot, directions: Mapping[str, str]) -> Snapshot:
    """What goes out of a projection: the fields that do not are empty. What a new card is made with, and its `sent`."""
    return projection | {field: BLANK[field] for field, way in directions.items() if way in (IN, OFF)}


def differing(one: Snapshot, other: Snapshot) -> set[str]:
    """The fields of which two snapshots do not say the same, but for the order of lists and what is left alone."""
    one, other = tidy(one), tidy(other)
    found = {field for field in SCALARS if not same(one[field], other[field])}
    for field in LISTS:
        entries = cells(field, one[field])
        if entries != cells(field, other[field], entries):
            found.add(field)
    return found


def record_of(projection: Snapshot, base: Snapshot | None = None) -> ContactRecord:
    """The record to write: a projection, and of the lists what Outlook has (`base`) that is left alone."""
    whole = projection | {
        field: [*projection[field], *left_alone(field, projection[field], (base or BLANK)[field])] for field in LISTS
    }
    return trimmed(record(whole))


@dataclass(frozen=True, slots=True)
class _MergedList:
    entries: list[Entry]
    lost: list[tuple[Value, Value, str]]
    sent: list[Entry]
    said: dict[str, Entry | None]


def _merge_list(
    field: str,
    before: Snapshot,
    ours: Snapshot,
    local: Snapshot,
    projection: Snapshot,
    now: Snapshot,
    direction: str,
    winner: Callable[[], str],
) -> _MergedList:
    known_as = _aliases(field, before[field], ours[field])
    sent = cells(field, ours[field], known_as=known_as)
    base = cells(field, before[field], sent, known_as)
    remote = cells(field, now[field], base, known_as)
    raw = cells(field, local[field], known_as=known_as)
    shown = cells(field, projection[field], known_as=known_as)
    taken: dict[str, Entry | None] = {}
    lost: list[tuple[Value, Value, str]] = []
    said: dict[str, Entry | None] = {}
    new_sent: list[Entry] = []
    for key in dict.fromkeys((*sent, *base, *raw, *remote)):
        theirs = remote.get(key)
        mine = shown.get(key) or _unplaced(raw.get(key), theirs)
        cell = Cell(base.get(key), sent.get(key), mine, theirs)
        stands, is_lost = decide(cell, direction, winner)
        if stands == OUTLOOK:
            taken[key] = theirs and _taken(theirs, raw.get(key), mine, base.get(key))
        if is_lost:
            lost.append((raw.get(key), theirs, stands))
        if _is_said(cell, stands):
            said[key] = theirs
        agreed = cell.sent if same(cell.remote, cell.base) else cell.remote
        new_sent += [agreed] if isinstance(agreed, dict) else []
    return _MergedList(_rewritten(field, local[field], taken, base, known_as), lost, new_sent, said)


def _is_said(cell: Cell, stands: str) -> bool:
    return not same(cell.remote, cell.base) and (stands == OUTLOOK or same(cell.remote, cell.local))


def _unplaced(entry: Entry | None, theirs: Entry | None) -> Entry | None:
    """An entry here that has no place in Outlook: where it stands there is not its own doing."""
    return entry | {"label": theirs["label"]} if entry and theirs else entry


def _taken(theirs: Entry, raw: Entry | None, mine: Entry | None, base: Entry | None) -> Entry:
    """Outlook's entry as it is kept here: under our own label where it stands in the place that it had for that."""
    places_for_ours = [entry["label"] for entry in (mine, base) if entry]
    return theirs | {"label": raw["label"]} if raw and theirs["label"] in places_for_ours else theirs


def _rewritten(
    field: str,
    local: Iterable[Entry],
    taken: Mapping[str, Entry | None],
    base: Mapping[str, Entry],
    known_as: Mapping[str, str],
) -> list[Entry]:
    """The list here with what comes from Outlook; a new entry comes where the one stood that had its place before."""
    waiting = {key: entry for key, entry in taken.items() if entry}
    result: list[Entry] = []
    for entry in local:
        key = key_of(field, entry, known_as)
        if key not in taken:
            result.append(entry)
        elif key in waiting:
            result.append(waiting.pop(key))
        elif taken[key] is None and key in base:
            slot = base[key]["label"]
            heir = next((new for new, found in waiting.items() if found["label"] == slot and new not in base), None)
            result += [waiting.pop(heir)] if heir else []
    return [*result, *waiting.values()]


def _aliases(field: str, base: list[Entry], sent: list[Entry]) -> dict[str, str]:
    """What Outlook made of entries that we wrote: the identity there, and ours, of what stood in the same place."""
    theirs, ours = cells(field, base), cells(field, sent)
    by_label = {entry["label"]: key for key, entry in ours.items() if key not in theirs}
    new = {key: entry["label"] for key, entry in theirs.items() if key not in ours}
    return {key: by_label[label] for key, label in new.items() if label in by_label}


def _later(remote_at: datetime | None, changed_at: datetime | None) -> str:
    return OUTLOOK if remote_at and (changed_at is None or remote_at > changed_at) else CRM
