"""The changes of contact data, as profiles show them (P2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import and_, bindparam, exists, func, select
from sqlalchemy.orm import Session, aliased

from terracrm.models import Company, FieldChange, Mailbox, Team, User
from terracrm.services import access, bulk, field_history, merged, rows
from terracrm.services.access import Viewer
from terracrm.services.field_history import MERGE

Entity = Literal["company", "contact"]
SHOWN = 10
PAGE = 50
_Mark = aliased(FieldChange, name="mark")


_SAME_ACT = exists().where(
    _Mark.entity == FieldChange.entity,
    _Mark.entity_id == FieldChange.entity_id,
    _Mark.field == "merged",
    _Mark.changed_at == FieldChange.changed_at,
)
# What was merged into the client has its changes here too, but not that it gave all away then.
_ALL = (
    select(
        FieldChange.id,
        FieldChange.field,
        FieldChange.old,
        FieldChange.new,
        FieldChange.changed_at,
        func.coalesce(func.nullif(User.full_name, ""), User.name, ""),
        func.coalesce(Mailbox.address, ""),
        FieldChange.source,
    )
    .outerjoin(User, User.id == FieldChange.user_id)
    .outerjoin(Mailbox, Mailbox.id == FieldChange.mailbox_id)
    .where(
        FieldChange.entity == bindparam("entity"),
        bulk.one_of(FieldChange.entity_id, bindparam("ids")),
        ~and_(FieldChange.entity_id != bindparam("id"), FieldChange.source == MERGE, _SAME_ACT),
    )
    .order_by(FieldChange.id.desc())
)
_NEWEST = _ALL.limit(bindparam("count"))


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """Old and new value of one field, when, who, and the mailbox it came from ("" for none).

    People, teams and clients are named as they are called now; days and times are in ISO form, and lists in JSON, as
    `field_history.as_entries` reads them.
    """

    id: int
    field: str
    old: str
    new: str
    changed_at: datetime
    who: str
    mailbox: str
    source: str


@dataclass(frozen=True, slots=True)
class Changes:
    """The newest changes, and before which id the next ones are; None where there are no more."""

    rows: list[ChangeRow]
    before: int | None


def latest(session: Session, viewer: Viewer, entity: Entity, entity_id: int) -> Changes:
    """The newest changes of one client that the viewer sees, and of what was merged into it."""
    return _page(session, viewer, entity, entity_id, SHOWN)


def older(session: Session, viewer: Viewer, entity: Entity, entity_id: int, before: int | None) -> Changes:
    """A long page of changes: those that came before the one with this id, or the newest."""
    return _page(session, viewer, entity, entity_id, PAGE, before)


def every(session: Session, viewer: Viewer, entity: Entity, entity_id: int) -> list[ChangeRow]:
    """All changes, the newest first."""
    return _rows(session, viewer, rows.fetch(session, _ALL, _asked(session, entity, entity_id)))


def _page(
    session: Session, viewer: Viewer, entity: Entity, entity_id: int, size: int, before: int | None = None
) -> Changes:
    asked = _asked(session, entity, entity_id) | {"count": size + 1, "before": before}
    query = _NEWEST if before is None else _NEWEST.where(FieldChange.id < bindparam("before"))
    found = _rows(session, viewer, rows.fetch(session, query, asked))
    return Changes(found[:size], found[size - 1].id if len(found) > size else None)


def _asked(session: Session, entity: Entity, entity_id: int) -> dict[str, Any]:
    return {"entity": entity, "id": entity_id, "ids": [entity_id, *merged.absorbed(session, entity, entity_id)]}


def _rows(session: Session, viewer: Viewer, found: Sequence[Any]) -> list[ChangeRow]:
    names = _Names(session, viewer)
    return [
        ChangeRow(id_, field, names.of(field, old), names.of(field, new), *rest)
        for id_, field, old, new, *rest in found
    ]


class _Names:
    """What the numbers of users, teams and clients are called; each is asked for once."""

    def __init__(self, session: Session, viewer: Viewer) -> None:
        self._session = session
        self._viewer = viewer
        self._known: dict[tuple[str, str], str] = {}

    def of(self, field: str, value: str) -> str:
        """The name for a number; any other value as it is, and so is the number of what is no longer there."""
        if field not in field_history.ASSIGNED or not value.isdecimal():
            return value
        if (field, value) not in self._known:
            self._known[field, value] = self._name(field, int(value)) or f"№ {value}"
        return self._known[field, value]

    def _name(self, field: str, number: int) -> str:
        if field == "owner":
            user = self._session.get(User, number)
            return (user.full_name or user.name) if user else ""
        if field == "team":
            team = self._session.get(Team, number)
            return team.name if team else ""
        company = self._session.get(Company, number)
        now = merged.survivor_id(self._session, "company", number)
        seen = self._session.scalar(select(Company.id).where(Company.id == now, access.companies(self._viewer)))
        return company.name if company and seen else ""
