"""Following what was merged (M4): the one place that leads from a contact or company to the one it became."""

from __future__ import annotations

from typing import Literal, TypeVar

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from terracrm.models import Company, Contact, Merge
from terracrm.services import rows

Entity = Literal["contact", "company"]
Client = TypeVar("Client", Contact, Company)
MODELS: dict[str, type[Contact] | type[Company]] = {"contact": Contact, "company": Company}
_MERGED_INTO = {
    entity: select(model.id).where(model.merged_into_id.in_(bindparam("ids", expanding=True))).order_by(model.id)
    for entity, model in MODELS.items()
}


def survivor(session: Session, client: Client | None) -> Client | None:
    """What this contact or company is now, through any number of merges; None for nothing."""
    seen = set()
    while client is not None and client.merged_into_id is not None and client.id not in seen:
        seen.add(client.id)
        client = session.get(type(client), client.merged_into_id)
    return client


def survivor_id(session: Session, entity: Entity, id_: int | None) -> int | None:
    """The id of what it is now; None for nothing, and for what is no longer there."""
    if id_ is None:
        return None
    if entity == "contact":
        contact = survivor(session, session.get(Contact, id_))
        return contact.id if contact else None
    company = survivor(session, session.get(Company, id_))
    return company.id if company else None


def absorbed(session: Session, entity: Entity, *ids: int) -> list[int]:
    """The ids of all that were merged into these, also through others."""
    found: list[int] = []
    wave = list(ids)
    while wave:
        came = rows.fetch(session, _MERGED_INTO[entity], {"ids": wave})
        wave = [each for (each,) in came if each not in found and each not in ids]
        found += wave
    return found


def others(session: Session, entity: Entity, id_: int) -> list[int]:
    """The ids of all that this one has absorbed, and of those that it was merged into, also where that was undone."""
    into = select(Merge.winner_id).where(Merge.entity == entity, Merge.loser_id == id_)
    return [*absorbed(session, entity, id_), *session.scalars(into)]
