"""What a merge would do, before it is done: the fields side by side, what comes over, and what to think about (M4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from terracrm.domain.transliteration import sounds
from terracrm.models import (
    Activity,
    Company,
    CompanyDomain,
    CompanyTimeline,
    Contact,
    ContactSuggestion,
    ContactTimeline,
    Link,
)
from terracrm.services import access, merge_fields, merge_rows, merges
from terracrm.services.access import Viewer
from terracrm.services.merge_fields import FIELDS, Client, Side
from terracrm.services.merged import Entity


@dataclass(frozen=True, slots=True)
class FieldLine:
    """A field of both, and whose value stays. `is_open` where both have one and they differ: a person chooses."""

    field: str
    winner: str
    loser: str
    takes: Side

    @property
    def is_open(self) -> bool:
        """Whether there is anything to choose."""
        return self.winner != self.loser


@dataclass(frozen=True, slots=True)
class Preview:
    """What merging `loser` into `winner` would do.

    `comes` is what the winner does not have yet: e-mail and postal addresses, phones, or domains of a company.
    `people` counts those of a company; `history` the entries that the viewer sees. `warnings` are "owners",
    "birthdays", "companies" and "names": what differs so that the two may not be the same.
    """

    entity: Entity
    winner: Client
    loser: Client
    fields: list[FieldLine]
    comes: dict[str, list[str]]
    history: int
    links: int
    suggestions: int
    people: int
    warnings: list[str] = field(default_factory=list)


def preview(session: Session, viewer: Viewer, entity: Entity, winner_id: int, loser_id: int) -> Preview:
    """What the merge would do; raises what `merges.merge` raises."""
    winner, loser = merges.pair(session, viewer, entity, winner_id, loser_id)
    lines = [
        FieldLine(
            name,
            merge_fields.text(winner, name),
            merge_fields.text(loser, name),
            merge_fields.default(winner, loser, name),
        )
        for name in FIELDS[entity]
    ]
    is_contact = entity == "contact"
    return Preview(
        entity=entity,
        winner=winner,
        loser=loser,
        fields=[line for line in lines if line.winner or line.loser],
        comes=_lists(session, winner, loser),
        history=_history(session, viewer, entity, loser_id),
        links=_count(session, select(Link.id).where(Link.entity == entity, Link.local_id == loser_id)),
        suggestions=_count(
            session,
            select(ContactSuggestion.id).where(
                ContactSuggestion.contact_id == loser_id, ContactSuggestion.state == "open"
            ),
        )
        if is_contact
        else 0,
        people=0 if is_contact else _people(session, viewer, loser_id),
        warnings=_warnings(winner, loser, lines),
    )


def labels(found: Preview) -> tuple[str, str]:
    """What to call the winner and the loser so that they can be told apart: by name, by address, or by number."""
    both = (found.winner, found.loser)
    names = [merge_fields.name(client) for client in both]
    known_by = [_known_by(client) for client in both]
    if names[0] == names[1]:
        known_by = known_by if known_by[0] != known_by[1] and all(known_by) else [f"№ {client.id}" for client in both]
        names = [f"{name} ({by})" for name, by in zip(names, known_by, strict=True)]
    return names[0], names[1]


def _known_by(client: Client) -> str:
    if isinstance(client, Company):
        return client.domains[0].domain if client.domains else client.city
    found = [*(entry.address for entry in client.addresses), *(phone.number for phone in client.phones)]
    return found[0] if found else ""


def _lists(session: Session, winner: Client, loser: Client) -> dict[str, list[str]]:
    if isinstance(loser, Company):
        domains = select(CompanyDomain.domain).where(CompanyDomain.company_id == loser.id)
        return {"domains": list(session.scalars(domains.order_by(CompanyDomain.domain)))}
    found = {}
    for kind in merge_rows.LISTS:
        there = merge_rows.keys_of(kind, merge_rows.rows_of(session, kind, winner.id))
        theirs = merge_rows.rows_of(session, kind, loser.id)
        found[kind.field] = [str(kind.key(row)) for row in theirs if kind.key and kind.key(row) not in there]
    return found


def _history(session: Session, viewer: Viewer, entity: Entity, client_id: int) -> int:
    table, owner = (
        (ContactTimeline, ContactTimeline.contact_id)
        if entity == "contact"
        else (CompanyTimeline, CompanyTimeline.company_id)
    )
    entries = select(Activity.id).join(table, table.activity_id == Activity.id).where(owner == client_id)
    return _count(session, entries.where(access.activities_of_client(viewer)))


def _people(session: Session, viewer: Viewer, company_id: int) -> int:
    return _count(session, select(Contact.id).where(Contact.company_id == company_id, access.contacts(viewer)))


def _warnings(winner: Client, loser: Client, lines: list[FieldLine]) -> list[str]:
    """Which differences may mean that these are two."""
    differ = {line.field for line in lines if line.winner and line.loser and line.winner != line.loser}
    found = [
        warning
        for warning, name in (("owners", "owner"), ("birthdays", "birthday"), ("companies", "company_name"))
        if name in differ
    ]
    if not _share_a_word(winner.name_key, loser.name_key):
        found.append("names")
    return found


def _share_a_word(one: str, other: str) -> bool:
    """Whether two names have a word in common, be it in another alphabet."""
    return not set(one.split()).isdisjoint(other.split()) or not sounds(one).isdisjoint(sounds(other))


def _count(session: Session, query: Any) -> int:
    return session.scalar(select(func.count()).select_from(query.subquery())) or 0
