"""Whether every change of a client's data is in the log of changes: a write path that forgot it fails (P2).

What all clients say is compared with what they said before; where that differs, the rows that came since must lead
from the one to the other without a gap. It looks at the tables alone, so that no way of writing escapes it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.models import (
    Company,
    CompanyDomain,
    Contact,
    ContactAddress,
    ContactPhone,
    ContactPostalAddress,
    FieldChange,
    Link,
)
from terracrm.services.field_history import COMPANY_COLUMNS, CONTACT_COLUMNS, CREATED, as_text

Key = tuple[str, int]
LISTS: dict[str, tuple[Any, dict[str, str]]] = {
    "emails": (ContactAddress, {"label": "label", "address": "written"}),
    "phones": (ContactPhone, {"label": "label", "number": "number"}),
    "postal_addresses": (
        ContactPostalAddress,
        {name: name for name in ("label", "street", "city", "region", "postal_code", "country")},
    ),
}


class Recorded:
    """What all clients said when this was last looked at."""

    def __init__(self) -> None:
        self._said: dict[Key, dict[str, str]] = {}
        self._rows: set[Any] = set()
        self._links: dict[int, int] = {}

    def look(self, session: Session) -> None:
        """Take how things are now for given."""
        self._said, self._links = _said(session), _links(session)
        # SQLite gives the number of a deleted row to the next one: what a row says tells it.
        self._rows = set(_rows(session))

    def check(self, session: Session) -> None:
        """Fail where a change since the last look is not in the log; then look again."""
        session.flush()
        now, rows = _said(session), _rows(session)
        new: dict[tuple[str, int, str], list[Any]] = defaultdict(list)
        for row in rows:
            if row not in self._rows:
                new[row.entity, row.entity_id, row.field].append(row)
        # What was forgotten or undone leaves no trace; nor does what a withdrawn entry said, of its person or company.
        forgotten = {(row.entity, row.entity_id, row.field) for row in self._rows - set(rows)}
        left = _links(session)
        withdrawn = {str(local) for id_, local in self._links.items() if id_ not in left}
        employers = {
            said["company"]
            for (entity, id_), said in self._said.items()
            if entity == "contact" and str(id_) in withdrawn
        }
        for (entity, id_), said in now.items():
            before = self._said.get((entity, id_))
            if before is None:
                if not new[entity, id_, CREATED]:
                    pytest.fail(f"nothing says that the {entity} {said} came into being")
                continue
            if {str(id_), before["merged"]} & withdrawn if entity == "contact" else str(id_) in employers:
                continue
            for field, value in said.items():
                if value != before[field] and (entity, id_, field) not in forgotten:
                    _follow(f"{entity} {id_} {field}", before[field], value, new[entity, id_, field])
        self.look(session)


def _follow(what: str, old: str, now: str, rows: list[Any]) -> None:
    told = old
    for row in rows:
        if row.old == told:
            told = row.new
    if told != now:  # not an AssertionError: a run of the engine would take that for a sick item
        pytest.fail(f"{what} went from {old!r} to {now!r}, and the log says {[(r.old, r.new) for r in rows]}")


def _said(session: Session) -> dict[Key, dict[str, str]]:
    found: dict[Key, dict[str, str]] = {}
    for entity, model, columns in (("contact", Contact, CONTACT_COLUMNS), ("company", Company, COMPANY_COLUMNS)):
        for row in session.execute(select(*[getattr(model, name) for name in ("id", *columns.values())])):
            found[entity, row[0]] = {field: _text(value) for field, value in zip(columns, row[1:], strict=True)}
    for field, (model, parts) in LISTS.items():
        entries: dict[int, list[dict[str, str]]] = defaultdict(list)
        columns = [model.contact_id, *[getattr(model, name) for name in parts.values()]]
        for row in session.execute(select(*columns).order_by(model.position, model.id)):
            entries[row[0]].append(dict(zip(parts, row[1:], strict=True)))
        for (entity, id_), said in found.items():
            if entity == "contact":
                said[field] = as_text(entries[id_])
    domains: dict[int, list[str]] = defaultdict(list)
    for company_id, domain in session.execute(select(CompanyDomain.company_id, CompanyDomain.domain)):
        domains[company_id].append(domain)
    for (entity, id_), said in found.items():
        if entity == "company":
            said["domains"] = "; ".join(sorted(domains[id_]))
    return found


def _rows(session: Session) -> list[Any]:
    columns = (getattr(FieldChange, name) for name in ("id", "entity", "entity_id", "field", "old", "new"))
    return list(session.execute(select(*columns).order_by(FieldChange.id)))


def _links(session: Session) -> dict[int, int]:
    return dict(session.execute(select(Link.id, Link.local_id).where(Link.entity == "contact")).all())


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
