"""Merges as lists and pages show them (M4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from terracrm.models import Company, Contact, Merge, User
from terracrm.services import access, merges
from terracrm.services.access import Viewer
from terracrm.services.merged import Entity

MOST = 1000


_OF_CLIENT = (
    select(Merge)
    .where(Merge.entity == bindparam("entity"), Merge.winner_id == bindparam("client_id"), Merge.undone_at.is_(None))
    .order_by(Merge.id.desc())
)


@dataclass(frozen=True, slots=True)
class MergeRow:
    """A merge as a list shows it. `can_be_undone` is false where a later one stands before it."""

    id: int
    entity: Entity
    winner_id: int
    winner: str
    loser_id: int
    loser: str
    who: str
    merged_at: datetime
    undone_at: datetime | None
    can_be_undone: bool
    kept: list[str]


def of_client(session: Session, viewer: Viewer, entity: Entity, client_id: int) -> list[MergeRow]:
    """What was merged into a client that the viewer sees, newest first; what was undone is not among it."""
    found = session.scalars(_OF_CLIENT, {"entity": entity, "client_id": client_id})
    return [_row(session, viewer, made) for made in found]


def page(session: Session, viewer: Viewer, merge_id: int) -> MergeRow:
    """A merge of a client that the viewer sees; NotFound for any other."""
    return _row(session, viewer, merges.visible(session, viewer, merge_id))


def every(session: Session, viewer: Viewer, limit: int = MOST) -> list[MergeRow]:
    """The newest merges of all clients, for the command line."""
    return [
        _row(session, viewer, found) for found in session.scalars(select(Merge).order_by(Merge.id.desc()).limit(limit))
    ]


def _row(session: Session, viewer: Viewer, made: Merge) -> MergeRow:
    names = _names(session, viewer, made)
    user = session.get(User, made.user_id) if made.user_id else None
    return MergeRow(
        id=made.id,
        entity=cast(Entity, made.entity),
        winner_id=made.winner_id,
        winner=names.get(made.winner_id, ""),
        loser_id=made.loser_id,
        loser=names.get(made.loser_id, ""),
        who=(user.full_name or user.name) if user else "",
        merged_at=made.merged_at,
        undone_at=made.undone_at,
        can_be_undone=viewer.decides and merges.can_be_undone(session, made),
        kept=[str(field) for field in cast("list[object]", made.before.get("kept", []))],
    )


def _names(session: Session, viewer: Viewer, made: Merge) -> dict[int, str]:
    """What the two are called now; once they are two again, as far as the viewer sees them."""
    both = [made.winner_id, made.loser_id]
    if made.entity == "contact":
        seen = or_(access.contacts(viewer), Contact.merged_into_id.is_not(None))
        query = select(Contact.id, Contact.display_name).where(Contact.id.in_(both), seen)
        return dict(session.execute(query).all())
    seen = or_(access.companies(viewer), Company.merged_into_id.is_not(None))
    return dict(session.execute(select(Company.id, Company.name).where(Company.id.in_(both), seen)).all())
