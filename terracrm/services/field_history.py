"""The log of changed contact data: who changed which field, from what to what, from where (P2).

All changes of all fields of contacts and companies are recorded here and nowhere else, and what is recorded makes the
cards of these contacts owed to all mailboxes that have them. That a client came into being is one row (CREATED): its
first values are the `old` of the first change of each field, or what the field still says. So a field's value at any
time is the `old` of the first change after it, or else the present one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from terracrm.domain.contact_merge import LISTS, SCALARS
from terracrm.models import (
    Company,
    Contact,
    ContactAddress,
    ContactPhone,
    ContactPostalAddress,
    FieldChange,
    utcnow,
)
from terracrm.services import outbox, plans, touches
from terracrm.services.access import Viewer
from terracrm.services.merged import Entity
from terracrm.services.sources import Source

MAILBOX, MAIL, PORTAL, COMMAND = "mailbox", "mail", "portal", "command line"
MERGE, SUGGESTION, CONFLICT, UNDO = "merge", "suggestion", "conflict", "undo"
CREATED: Final = "created"
# What a field of a client says: text, a day or time in ISO form, the number of a user, team or client, or a list.
ASSIGNED: Final = {"company": "company_id", "owner": "owner_id", "team": "team_id"}
STATE: Final = {"archived": "archived_at", "merged": "merged_into_id"}
CONTACT_COLUMNS: Final = {name: name for name in SCALARS} | {"stage": "stage"} | ASSIGNED | STATE
COMPANY_TEXTS: Final = ("name", "phone", "website", "city", "notes")
COMPANY_COLUMNS: Final = {name: name for name in COMPANY_TEXTS} | {"owner": "owner_id", "team": "team_id"} | STATE
CONTACT_FIELDS: Final = (*CONTACT_COLUMNS, *LISTS)
COMPANY_FIELDS: Final = (*COMPANY_COLUMNS, "domains")
# Changes of a company that its people's cards show, or that bring them into a mailbox's scope.
OF_ITS_PEOPLE: Final = frozenset({"name", "owner", "team"})
# What decides who in the office sees a client, and so reads its history.
READERS: Final = frozenset({"owner", "team", "company", "merged"})
_OPEN = "field_history.open"

Client = Contact | Company
Said = dict[str, str]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change comes from. `source` is one of the words above.

    `user_id` is who made it, or whose mailbox said it; a client that is made belongs to them and to `team_id`.
    """

    source: str
    user_id: int | None = None
    team_id: int | None = None
    mailbox_id: int | None = None
    run_id: int | None = None


class Change(NamedTuple):
    """One field of one client, and what it said before and after, as `said` puts it."""

    client: Client
    field: str
    old: str
    new: str


def of_mailbox(source: Source, word: str = MAILBOX) -> Origin:
    """What an item of a mailbox says; `word` where it is not an entry of its contacts."""
    return Origin(word, source.owner_id, source.team_id, source.mailbox_id, source.run_id)


def of_viewer(viewer: Viewer) -> Origin:
    """What somebody does in the portal, or at the command line."""
    return Origin(PORTAL if viewer.signs_as else COMMAND, viewer.signs_as, viewer.team_id)


def entity_of(client: Client) -> Entity:
    """The word for what a client is."""
    return "contact" if isinstance(client, Contact) else "company"


@contextmanager
def recording(session: Session, origin: Origin, *clients: Client) -> Iterator[list[FieldChange]]:
    """Record what is changed of these clients inside; the rows are in the list once it is left.

    A client that is being recorded already is left to who began.
    """
    with _opened(session, clients) as mine:
        before = [(client, said(client)) for client in mine]
        rows: list[FieldChange] = []
        yield rows
        session.flush()
        left = [(client, then, said(client)) for client, then in before if client in session]
    rows += record(
        session,
        origin,
        [Change(client, field, then[field], now[field]) for client, then, now in left for field in now],
    )


@contextmanager
def creating(session: Session, origin: Origin, client: Client) -> Iterator[None]:
    """Record that a client comes into being inside, with its first values."""
    with _opened(session, [client]) as mine:
        yield
        session.flush()
    if mine:
        _write(session, origin, [Change(client, CREATED, "", "")])


@contextmanager
def unrecorded(session: Session, *clients: Client, reason: str = outbox.WITHDRAWN) -> Iterator[None]:
    """Change these clients without a trace, for what must leave none (S4), or for a caller who records it in another
    way; their cards are owed nevertheless, for this reason."""
    with _opened(session, clients):
        yield
        session.flush()
    left = [client for client in clients if client in session]
    outbox.touch_contacts(session, _concerned(session, [Change(client, "name", "", "") for client in left]), reason)


def record(session: Session, origin: Origin, changes: Iterable[Change]) -> list[FieldChange]:
    """Write down those of the changes that are some, but of clients that are being recorded already."""
    opened: set[Client] = session.info.get(_OPEN, set())
    made = [each for each in changes if each.old != each.new and each.client not in opened]
    rows = _write(session, origin, made)
    outbox.touch_contacts(session, _concerned(session, made), origin.source)
    _touch_readers(session, made)
    return rows


def said(client: Client) -> Said:
    """All that is recorded of a client, by field."""
    if isinstance(client, Company):
        domains = "; ".join(sorted(owned.domain for owned in client.domains))
        return {field: _text(getattr(client, name)) for field, name in COMPANY_COLUMNS.items()} | {"domains": domains}
    found = {field: _text(getattr(client, name)) for field, name in CONTACT_COLUMNS.items()}
    return found | {
        "emails": as_text(entries(client.addresses)),
        "phones": as_text(entries(client.phones)),
        "postal_addresses": as_text(entries(client.postal_addresses)),
    }


def entry(row: ContactAddress | ContactPhone | ContactPostalAddress) -> dict[str, str]:
    """An entry of a list field as it is recorded: as it is written, with its label."""
    if isinstance(row, ContactAddress):
        return {"label": row.label, "address": row.written or row.address}
    if isinstance(row, ContactPhone):
        return {"label": row.label, "number": row.number}
    return {name: getattr(row, name) for name in ("label", "street", "city", "region", "postal_code", "country")}


def entries(rows: Iterable[Any]) -> list[dict[str, str]]:
    """The entries of a list field in their order."""
    return [entry(row) for row in sorted(rows, key=lambda row: row.position or 0)]


def as_text(entries: Iterable[Mapping[str, str]]) -> str:
    """A list field as it is recorded; "" for an empty one."""
    found = list(entries)
    return json.dumps(found, ensure_ascii=False) if found else ""


def as_entries(value: str) -> list[dict[str, str]] | None:
    """What `as_text` wrote; None for what was recorded of a list in another form before."""
    try:
        found = json.loads(value) if value else []
    except ValueError:
        return None
    return found if isinstance(found, list) else None


def changed_at(session: Session, entity: str, entity_id: int, fields: Collection[str]) -> dict[str, datetime]:
    """When each of these fields was changed last; those of which no change is known are left out."""
    newest = (
        select(FieldChange.field, func.max(FieldChange.changed_at))
        .where(FieldChange.entity == entity, FieldChange.entity_id == entity_id, FieldChange.field.in_(fields))
        .group_by(FieldChange.field)
    )
    return dict(session.execute(newest).all())


def move_changes(session: Session, entity: str, entity_id: int, new_id: int) -> None:
    """One thing was found to be another: what changed of it goes there."""
    session.execute(
        update(FieldChange)
        .where(FieldChange.entity == entity, FieldChange.entity_id == entity_id)
        .values(entity_id=new_id)
    )


def forget_changes(session: Session, entity: str, entity_ids: Collection[int], *only: ColumnElement[bool]) -> None:
    """Forget what changed of these, and what was planned to, for what must leave no trace (S4)."""
    mine = FieldChange.entity == entity, FieldChange.entity_id.in_(entity_ids)
    session.execute(delete(FieldChange).where(*mine, *only))
    plans.forget(session, entity, entity_ids)


@contextmanager
def _opened(session: Session, clients: Iterable[Client]) -> Iterator[list[Client]]:
    """Hold these clients as being recorded, but those that somebody else holds."""
    opened: set[Client] = session.info.setdefault(_OPEN, set())
    mine = [client for client in dict.fromkeys(clients) if client not in opened]
    opened.update(mine)
    try:
        yield mine
    finally:
        opened.difference_update(mine)


def _write(session: Session, origin: Origin, changes: list[Change]) -> list[FieldChange]:
    now = utcnow()
    rows = [
        FieldChange(
            entity=entity_of(each.client),
            entity_id=each.client.id,
            field=each.field,
            old=each.old,
            new=each.new,
            changed_at=now,
            user_id=origin.user_id,
            mailbox_id=origin.mailbox_id,
            run_id=origin.run_id,
            source=origin.source,
        )
        for each in changes
    ]
    session.add_all(rows)
    session.flush()
    return rows


def _concerned(session: Session, changes: Iterable[Change]) -> set[int]:
    """The contacts whose cards may have to be written anew."""
    found, companies = set(), set()
    for each in changes:
        if isinstance(each.client, Contact):
            found.add(each.client.id)
        elif each.field in OF_ITS_PEOPLE:
            companies.add(each.client.id)
    if companies:
        found |= set(session.scalars(select(Contact.id).where(Contact.company_id.in_(companies))))
    return found


def _touch_readers(session: Session, changes: Iterable[Change]) -> None:
    """Who reads the history that other clients share with these may have changed."""
    moved = {each.client for each in changes if each.field in READERS}
    contacts = [client.id for client in moved if isinstance(client, Contact)]
    touches.around(session, contacts, [client.id for client in moved if isinstance(client, Company)])


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, date) else str(value)
