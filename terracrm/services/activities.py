"""Entries of the relationship history, added in bulk with their participants and timelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from terracrm.domain.addresses import MAX_ADDRESS, normalise
from terracrm.domain.records import Participant
from terracrm.models import Activity, ActivityKind, ActivityMailbox, CompanyTimeline, ContactTimeline
from terracrm.models import Participant as ParticipantRow
from terracrm.services import bulk, outbox, touches
from terracrm.services.matching import Match
from terracrm.services.sources import Source

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One activity to be added; `rule` is the rule that takes it in."""

    kind: ActivityKind
    occurred_at: datetime
    direction: str
    subject: str
    snippet: str
    has_attachments: bool
    rule: str
    participants: tuple[Participant, ...]


def add_entries(session: Session, source: Source, entries: Sequence[Entry], matches: dict[str, Match]) -> list[int]:
    """Add activities with participants, timelines and the mailbox that holds them; their ids in the same order."""
    found = [_matches_of(entry, matches) for entry in entries]
    ids = bulk.new_ids(session, Activity, len(entries))
    bulk.add(
        session,
        Activity,
        [
            {
                "id": activity_id,
                "kind": entry.kind.value,
                "occurred_at": entry.occurred_at,
                "direction": entry.direction,
                "sharing": source.sharing,
                "is_matched": any(m.contact_id or m.company_id for m in people),
                "has_attachments": entry.has_attachments,
                "mailbox_id": source.mailbox_id,
                "run_id": source.run_id,
                "rule": entry.rule,
                "subject": entry.subject,
                "snippet": entry.snippet,
            }
            for activity_id, entry, people in zip(ids, entries, found, strict=True)
        ],
    )
    participants: list[Row] = []
    contacts: list[Row] = []
    companies: list[Row] = []
    for activity_id, entry, people in zip(ids, entries, found, strict=True):
        participants += participant_rows(source, activity_id, entry.participants, matches)
        when: Row = {"activity_id": activity_id, "occurred_at": entry.occurred_at, "kind": entry.kind.value}
        contacts += [when | {"contact_id": id_} for id_ in sorted({m.contact_id for m in people if m.contact_id})]
        companies += [when | {"company_id": id_} for id_ in sorted({m.company_id for m in people if m.company_id})]
    holders: list[Row] = [{"activity_id": activity_id, "mailbox_id": source.mailbox_id} for activity_id in ids]
    bulk.add(session, ParticipantRow, participants)
    bulk.add(session, ContactTimeline, contacts)
    bulk.add(session, CompanyTimeline, companies)
    bulk.add(session, ActivityMailbox, holders)
    outbox.touch_contacts(session, {row["contact_id"] for row in contacts}, touches.HISTORY)
    return ids


def participant_rows(
    source: Source,
    activity_id: int,
    participants: Sequence[Participant],
    matches: dict[str, Match],
    first_position: int = 0,
) -> list[Row]:
    """The rows of an activity's participants, each with whom it was found to be; each address once a role."""
    rows: dict[tuple[str, str], Row] = {}
    for participant in participants:
        address = normalise(participant.address)
        found = matches.get(address, Match())
        rows.setdefault(
            (participant.role, address or participant.name),
            {
                "activity_id": activity_id,
                "position": first_position + len(rows),
                "role": participant.role.value,
                "address": address or participant.address.strip()[:MAX_ADDRESS],
                "name": participant.name,
                "domain": source.policy.company_domain(address),
                "response": participant.response.value,
                "contact_id": found.contact_id,
                "company_id": found.company_id,
                "match_method": found.method,
            },
        )
    return list(rows.values())


def _matches_of(entry: Entry, matches: dict[str, Match]) -> list[Match]:
    addresses = {normalise(p.address) for p in entry.participants}
    return [matches[address] for address in addresses if address in matches]
