"""The rows that belong to a client: they go over in a merge and come back when it is undone (M4).

A row that the winner has already (the same address, the same topic) is taken out and kept in its MergeMove, so that
nothing is there twice and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.orm import Session

from terracrm.domain.contact_merge import identity
from terracrm.domain.topics import OWN
from terracrm.models import (
    Activity,
    ActivityTopic,
    Contact,
    ContactAddress,
    ContactPhone,
    ContactPostalAddress,
    ContactSuggestion,
    Link,
    Merge,
    MergeMove,
    SenderDecision,
)
from terracrm.services.merge_fields import as_json, from_json

Row = Any  # a row of one of the tables below


POSTAL: Final = ("street", "city", "region", "postal_code", "country")


@dataclass(frozen=True, slots=True)
class Kind:
    """A table whose rows name a client in the column `owner`.

    `key` tells which rows say the same; None where each is a thing of its own. `keeps` are the columns that are
    noted beside the move. `entity` is set where the table is not for one kind of client alone; `methods` where only
    the rows with one of these are moved: a topic that a message inherited follows from what the others are about.
    """

    name: str
    model: type[Row]
    owner: str
    key: Callable[[Row], Hashable] | None = None
    keeps: tuple[str, ...] = ()
    entity: str = ""
    methods: tuple[str, ...] = ()
    field: str = ""

    def of(self, client_id: int) -> list[ColumnElement[bool]]:
        """The condition that holds for a client's rows."""
        mine = [getattr(self.model, self.owner) == client_id]
        if self.entity:
            mine.append(self.model.entity == self.entity)
        if self.methods:
            mine.append(self.model.method.in_(self.methods))
        return mine


def _topic(entity: str) -> Kind:
    return Kind("topic", ActivityTopic, "entity_id", lambda row: row.activity_id, entity=entity, methods=OWN)


KINDS: Final[dict[str, tuple[Kind, ...]]] = {
    "contact": (
        Kind("address", ContactAddress, "contact_id", lambda row: row.address, ("position",), field="emails"),
        Kind(
            "phone",
            ContactPhone,
            "contact_id",
            lambda row: identity("phones", as_json(row, ("number",))),
            ("position",),
            field="phones",
        ),
        Kind(
            "postal_address",
            ContactPostalAddress,
            "contact_id",
            lambda row: identity("postal_addresses", as_json(row, POSTAL)),
            ("position",),
            field="postal_addresses",
        ),
        Kind("suggestion", ContactSuggestion, "contact_id", lambda row: (row.field, row.value_key)),
        Kind("decision", SenderDecision, "contact_id"),
        Kind("link", Link, "local_id", keeps=("base", "told"), entity="contact"),
        _topic("contact"),
    ),
    "company": (
        Kind("person", Contact, "company_id"),
        Kind("decision", SenderDecision, "company_id"),
        _topic("company"),
    ),
}
LISTS: Final = tuple(kind for kind in KINDS["contact"] if kind.field)


def rows_of(session: Session, kind: Kind, client_id: int) -> list[Row]:
    """A client's rows of one kind, in their order."""
    order = (kind.model.position, kind.model.id) if "position" in kind.keeps else (kind.model.id,)
    return list(session.scalars(select(kind.model).where(*kind.of(client_id)).order_by(*order)))


def keys_of(kind: Kind, rows: Iterable[Row]) -> set[Hashable]:
    """What rows say; nothing for a kind of which each row is a thing of its own."""
    return {kind.key(row) for row in rows} - {""} if kind.key else set()


def give(session: Session, merge: Merge) -> None:
    """Let the winner have all rows of the loser, and note each."""
    moves: list[dict[str, Any]] = []
    for kind in KINDS[merge.entity]:
        theirs = rows_of(session, kind, merge.winner_id)
        there = keys_of(kind, theirs)
        position = max((row.position for row in theirs), default=-1) if kind.field else 0
        for row in rows_of(session, kind, merge.loser_id):
            before = as_json(row, kind.keeps)
            if kind.key and kind.key(row) in there:
                before["row"] = as_json(row, row.__table__.c.keys())
                session.delete(row)
            else:
                setattr(row, kind.owner, merge.winner_id)
                if kind.field:
                    row.position = position = position + 1
            moves.append({"merge_id": merge.id, "kind": kind.name, "row_id": row.id, "before": before})
    session.flush()
    if moves:
        session.execute(insert(MergeMove), moves)


def take_back(session: Session, merge: Merge, removed: dict[str, set[str]]) -> set[str]:
    """Let the loser have its rows again; the list fields of which something has been removed since.

    `removed` is what the loser's own entries in Outlook stopped saying since, for each list field: what the winner had
    of that before the merge returns to the winner, too.
    """
    kept = set()
    for kind in KINDS[merge.entity]:
        there = keys_of(kind, rows_of(session, kind, merge.winner_id)) if kind.field else set()
        for move in moves_of(session, merge, kind.name):
            before: dict[str, Any] = dict(move.before or {})
            if folded := before.pop("row", None):
                _unfold(session, kind, folded)
                row = _row(kind, folded | {"id": None, kind.owner: merge.winner_id})
                if kind.key and kind.key(row) in removed.get(kind.field, set()) - there:
                    session.add(row)
            elif not _return(session, kind, merge, move.row_id, before) and kind.field:
                kept.add(kind.field)
    session.flush()
    return kept


def moves_of(session: Session, merge: Merge, kind: str) -> list[MergeMove]:
    """What a merge noted of one kind."""
    mine = select(MergeMove).where(MergeMove.merge_id == merge.id, MergeMove.kind == kind)
    return list(session.scalars(mine.order_by(MergeMove.row_id, MergeMove.position)))


def _return(session: Session, kind: Kind, merge: Merge, row_id: int, before: dict[str, Any]) -> bool:
    row = session.get(kind.model, row_id)
    if row is None or getattr(row, kind.owner) != merge.winner_id:
        return False
    setattr(row, kind.owner, merge.loser_id)
    if kind.field:
        row.position = before["position"]
    return True


def _unfold(session: Session, kind: Kind, folded: dict[str, Any]) -> None:
    """Write a row again that said what the winner's did; under its own id where nothing else has taken that."""
    row = _row(kind, folded)
    if kind.name in ("topic", "suggestion") and _is_gone(session, row):
        return
    if session.get(kind.model, row.id) is not None:
        row.id = None
    session.add(row)


def _row(kind: Kind, folded: dict[str, Any]) -> Row:
    return kind.model(**from_json(kind.model, folded))


def _is_gone(session: Session, row: Row) -> bool:
    """Whether the activity that a row is about was withdrawn since."""
    return row.activity_id is not None and session.get(Activity, row.activity_id) is None
