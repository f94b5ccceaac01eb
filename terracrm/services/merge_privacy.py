"""What merges remember, forgotten where it must leave no trace (S4, M4)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from terracrm.domain.names import company_key
from terracrm.models import Company, Contact, FieldChange, Merge, MergeMove
from terracrm.services import merged
from terracrm.services.field_history import forget_changes
from terracrm.services.merged import Entity

KNOWN_OTHERWISE = "known_otherwise"
_BLANK_CONTACT: dict[str, Any] = {
    "display_name": "",
    "name_key": "",
    "given_name": "",
    "middle_name": "",
    "surname": "",
    "company_name": "",
    "company_id": None,
    "department": "",
    "job_title": "",
    "website": "",
    "birthday": None,
    "notes": "",
}
_BLANK_COMPANY: dict[str, Any] = {
    "name": "",
    "name_key": "",
    "phone": "",
    "website": "",
    "city": "",
    "notes": "",
}


def forget_contact(session: Session, contact: Contact) -> list[Company]:
    """An entry of a contact became private: what was merged into the contact is forgotten but that it was.

    These merges can no longer be undone; the contact keeps what its other sources say. The companies that the
    forgotten contacts belonged to.
    """
    ids = merged.absorbed(session, "contact", contact.id)
    employers = select(Company).join(Contact, Contact.company_id == Company.id).where(Contact.id.in_(ids)).distinct()
    companies = list(session.scalars(employers))
    _forget(session, "contact", contact.id, ids)
    session.execute(update(Contact).where(Contact.id.in_(ids)).values(_BLANK_CONTACT))
    return companies


def forget_shared(session: Session, contact_id: int, fields: Collection[str]) -> None:
    """These fields of an entry became private: while the contact was one with another, the other's changes said them.

    Those since the merge go, whether it was undone or not.
    """
    either = or_(Merge.winner_id == contact_id, Merge.loser_id == contact_id)
    for made in session.scalars(select(Merge).where(Merge.entity == "contact", either)).all():
        other = made.loser_id if made.winner_id == contact_id else made.winner_id
        since = FieldChange.field.in_(fields), FieldChange.changed_at >= made.merged_at
        forget_changes(session, "contact", [other], *since)


def known_otherwise(session: Session, contact: Contact) -> set[str]:
    """The addresses by which mail or a person's decision made known what was merged into a contact."""
    told: set[str] = set()
    for made in _merges(session, "contact", [contact.id]):
        addresses = made.before.get(KNOWN_OTHERWISE)
        told |= {str(address) for address in addresses} if isinstance(addresses, list) else set()
    return told


def forget_company(session: Session, company: Company, names: set[str]) -> None:
    """These names (as `company_key`) must leave no trace: merges of the company that remember one forget all."""
    ids = merged.absorbed(session, "company", company.id)
    remembered = set(session.scalars(select(Company.name_key).where(Company.id.in_(ids))))
    for made in _merges(session, "company", [company.id, *ids]):
        winner = made.before.get("winner")
        remembered.add(company_key(str(winner["name"])) if isinstance(winner, dict) else "")
    if remembered & names:
        _forget(session, "company", company.id, ids)
        session.execute(update(Company).where(Company.id.in_(ids)).values(_BLANK_COMPANY))


def drop(session: Session, entity: Entity, client_ids: Sequence[int]) -> None:
    """Clients go: what was merged into them goes along."""
    ids = merged.absorbed(session, entity, *client_ids)
    for made in _merges(session, entity, [*client_ids, *ids]):
        session.delete(made)
    forget_changes(session, entity, ids)
    for id_ in ids:
        if gone := session.get(merged.MODELS[entity], id_):
            session.delete(gone)
    session.flush()


def forget_activities(session: Session, activity_ids: Sequence[int]) -> None:
    """These activities were withdrawn: no merge remembers who took part in them or what they said of people."""
    took_part = MergeMove.kind == "participant", MergeMove.row_id.in_(activity_ids)
    session.execute(delete(MergeMove).where(MergeMove.merge_id.in_(select(Merge.id)), *took_part))
    forget_said(session, activity_ids)


def forget_said(session: Session, activity_ids: Sequence[int]) -> None:
    """What these activities said of people is not kept any more: merges do not remember it either."""
    brought = MergeMove.before["row"]["activity_id"].as_integer().in_(activity_ids)
    of_merges = MergeMove.merge_id.in_(select(Merge.id)), MergeMove.kind == "suggestion"
    session.execute(delete(MergeMove).where(*of_merges, brought).execution_options(synchronize_session=False))


def hand_over(session: Session, entity: Entity, client_id: int, new_id: int) -> None:
    """One client was found to be another: what was merged into the one was merged into the other."""
    model = merged.MODELS[entity]
    session.execute(update(model).where(model.merged_into_id == client_id).values(merged_into_id=new_id))
    mine = (Merge.entity == entity, Merge.winner_id == client_id)
    session.execute(update(Merge).where(*mine).values(winner_id=new_id))


def _forget(session: Session, entity: Entity, client_id: int, absorbed: list[int]) -> None:
    for made in _merges(session, entity, [client_id, *absorbed]):
        made.before = {KNOWN_OTHERWISE: made.before.get(KNOWN_OTHERWISE, [])}
        session.execute(delete(MergeMove).where(MergeMove.merge_id == made.id))
    forget_changes(session, entity, absorbed)
    forget_changes(session, entity, [client_id], FieldChange.source == "merge")
    session.flush()


def _merges(session: Session, entity: Entity, winner_ids: list[int]) -> list[Merge]:
    mine = select(Merge).where(Merge.entity == entity, Merge.winner_id.in_(winner_ids), Merge.undone_at.is_(None))
    return list(session.scalars(mine.order_by(Merge.id)))
