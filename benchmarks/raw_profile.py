"""The yardstick of figure 10: what a profile shows, as SQL written by hand, through the driver and into tuples."""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Engine

from terracrm.services.access import Viewer

PAGE = 31
COUNTED = 101
_NAME = re.compile(r":(\w+)")

_CONTACT = """
SELECT c.*, u.full_name, t.name FROM contacts c LEFT JOIN users u ON u.id = c.owner_id LEFT JOIN teams t
ON t.id = c.team_id WHERE c.id = :id AND {contact}
"""
_LISTS = tuple(
    f"SELECT * FROM contact_{name} WHERE contact_id = :id ORDER BY position"
    for name in ("addresses", "phones", "postal_addresses")
)
_COMPANY = "SELECT * FROM companies e WHERE e.id = :company AND {company}"
_COUNTS = """
SELECT t.kind FROM contact_timeline t JOIN activities a ON a.id = t.activity_id
WHERE t.contact_id = :id AND {activity} ORDER BY t.occurred_at DESC, t.activity_id DESC LIMIT :counted
"""
_FIRST = """
SELECT t.occurred_at FROM contact_timeline t JOIN activities a ON a.id = t.activity_id
WHERE t.contact_id = :id AND {activity} ORDER BY t.occurred_at, t.activity_id LIMIT 1
"""
_ABSORBED = "SELECT id FROM contacts WHERE merged_into_id = :id"
_CHANGES = """
SELECT f.*, u.full_name, u.name, m.address FROM field_changes f LEFT JOIN users u ON u.id = f.user_id
LEFT JOIN mailboxes m ON m.id = f.mailbox_id
WHERE f.entity = 'contact' AND f.entity_id = :id ORDER BY f.id DESC LIMIT 11
"""
_HISTORY = """
SELECT a.* FROM contact_timeline t JOIN activities a ON a.id = t.activity_id
WHERE t.contact_id = :id AND {activity} ORDER BY t.occurred_at DESC, t.activity_id DESC LIMIT :page
"""
_PEOPLE = "SELECT * FROM participants WHERE activity_id IN ({ids}) ORDER BY activity_id, position"
_NAMES = "SELECT c.id, c.display_name FROM contacts c WHERE c.id IN ({ids}) AND {contact}"
_MEETINGS = (
    "SELECT activity_id, end_at, is_all_day, is_cancelled, location, start_date, end_date, series_id, recurrence,"
)
_MEETINGS += " kind FROM meetings WHERE activity_id IN ({ids})"


class RawProfile:
    """Reads profiles of contacts as one viewer may see them."""

    def __init__(self, engine: Engine, viewer: Viewer) -> None:
        self._connection = engine.raw_connection()
        self._cursor = self._connection.cursor()
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._may = _policy(viewer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def read(self, contact_id: int) -> int:
        """Fetch all rows of one profile; how many there were."""
        asked: dict[str, Any] = {"id": contact_id, "page": PAGE, "counted": COUNTED}
        contact = self._rows(_CONTACT, asked)
        found = len(contact)
        for statement in (*_LISTS, _COUNTS, _FIRST, _ABSORBED, _CHANGES):
            found += len(self._rows(statement, asked))
        found += len(self._rows(_COMPANY, {"company": contact[0][1]}))
        history = self._rows(_HISTORY, asked)[: PAGE - 1]
        if history:
            people = self._rows(_PEOPLE, {}, (row[0] for row in history))
            names = self._rows(_NAMES, {}, {row[7] for row in people if row[7]})
            meetings = [row[0] for row in history if row[1] == "meeting"]
            found += len(people) + len(names) + (len(self._rows(_MEETINGS, {}, meetings)) if meetings else 0)
        return found + len(history)

    def _rows(self, statement: str, asked: dict[str, Any], ids: Iterable[int] = ()) -> list[Any]:
        said = statement.format(ids=", ".join(map(str, ids)), **self._may)
        if not self._is_sqlite:
            said = _NAME.sub(r"%(\1)s", said)
        self._cursor.execute(said, asked)
        return list(self._cursor.fetchall())


def _policy(viewer: Viewer) -> dict[str, str]:
    """What `services.access` says of a viewer, in SQL of contacts `c`, companies `e` and activities `a`."""
    if viewer.sees_all:
        live = {"contact": "coalesce(c.merged_into_id, 0) < 1", "company": "coalesce(e.merged_into_id, 0) < 1"}
        return live | {"activity": "TRUE"}
    owners = ", ".join(map(str, sorted(viewer.colleague_ids)))
    own, team = (", ".join(map(str, sorted(ids))) or "NULL" for ids in (viewer.mailbox_ids, viewer.team_mailbox_ids))

    def ours(name: str) -> str:
        return f"({name}.owner_id IN ({owners}) OR {name}.team_id = {viewer.team_id})"

    def free(name: str) -> str:
        return f"({name}.owner_id IS NULL AND {name}.team_id IS NULL)"

    held = "EXISTS (SELECT 1 FROM activity_mailboxes h WHERE h.activity_id = a.id AND h.mailbox_id IN ({}))"
    employer = "EXISTS (SELECT 1 FROM companies e WHERE e.id = c.company_id AND {})"
    return {
        "company": f"coalesce(e.merged_into_id, 0) < 1 AND ({ours('e')} OR {free('e')})",
        "contact": f"coalesce(c.merged_into_id, 0) < 1 AND ({ours('c')} OR {employer.format(ours('e'))} OR"
        f" ({free('c')} AND (c.company_id IS NULL OR {employer.format(free('e'))})))",
        "activity": f"(a.sharing = 3 OR (a.sharing = 2 AND {held.format(team)}) OR {held.format(own)} OR"
        " (a.kind = 'note' AND EXISTS (SELECT 1 FROM notes n WHERE n.activity_id = a.id"
        f" AND n.author_id = {viewer.user_id})) OR (a.kind = 'task' AND EXISTS (SELECT 1 FROM tasks k"
        f" WHERE k.activity_id = a.id AND (k.author_id = {viewer.user_id} OR k.responsible_id = {viewer.user_id}))))",
    }
