"""Merging two contacts or two companies, and undoing it (M4).

The winner gets all history, addresses and links of the loser, and the fields that were chosen. The loser's row stays,
marked, so that its address leads to the winner and the merge can be undone. Who merges sees both clients.

Undoing gives back what the merge took, as far as it still is as the merge left it: a field that was changed since
stays as it is and is named, and what came since is matched anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import CursorResult, delete, exists, or_, select, update
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.names import company_key
from terracrm.errors import Forbidden, InvalidInput, NotFound
from terracrm.models import (
    Company,
    CompanyDomain,
    Contact,
    Merge,
    MergeMove,
    utcnow,
)
from terracrm.services import (
    access,
    company_records,
    contact_data,
    field_history,
    merge_cards,
    merge_fields,
    merge_history,
    merge_log,
    merge_rows,
    merged,
    outbox,
    search,
)
from terracrm.services.access import Viewer
from terracrm.services.field_history import Change
from terracrm.services.merge_fields import Client
from terracrm.services.merged import Entity
from terracrm.services.sources import lock_directory

REFUSALS = {
    "same": "This is one and the same: choose two to merge.",
    "merged": "One of the two was merged with another meanwhile. Open their pages and look again.",
    "undone": "This merge was undone already.",
    "later": "The client was merged with another one later: undo that merge first.",
    "forgotten": "This merge can no longer be undone: an entry that was part of it was made private.",
}


class MergeRefused(InvalidInput):
    """This merge, or its undoing, cannot be: `reason` is a key of REFUSALS. Nothing was changed."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(REFUSALS[reason])


@dataclass(frozen=True, slots=True)
class Undone:
    """An undone merge, and the fields that stay as they are because somebody changed them since."""

    merge: Merge
    kept: list[str]


def merge(
    session: Session,
    viewer: Viewer,
    entity: Entity,
    winner_id: int,
    loser_id: int,
    choices: Mapping[str, str] | None = None,
) -> Merge:
    """Make the loser part of the winner. `choices` are "winner" or "loser" by field; the winner's value stays where
    nothing is chosen, unless it is empty.

    Raises NotFound, Forbidden, or MergeRefused; the caller then rolls back.
    """
    lock_directory(session, for_writing=True)
    winner, loser = pair(session, viewer, entity, winner_id, loser_id)
    merge_fields.check(entity, choices or {})
    people = _people(session, loser)
    with field_history.recording(session, merge_log.origin(viewer.signs_as), winner, loser) as changes:
        made = _take(session, viewer, winner, loser, choices or {})
    changes += field_history.record(session, merge_log.origin(viewer.signs_as), _moved(people, loser))
    made.before = made.before | {"changes": [change.id for change in changes]}
    merge_log.record(session, made, "merge", made.user_id)
    _owe_cards(session, made)
    session.refresh(made)
    return made


def _take(session: Session, viewer: Viewer, winner: Client, loser: Client, choices: Mapping[str, str]) -> Merge:
    _claim(session, winner, loser)
    sides = merge_fields.decide(winner, loser, choices)
    entity = merge_fields.entity_of(winner)
    made = Merge(entity=entity, winner_id=winner.id, loser_id=loser.id, user_id=viewer.signs_as)
    after = merge_fields.taken(winner, loser, sides)
    made.before = {
        "winner": merge_fields.snapshot(winner),
        "after": after,
        **_belongings(session, winner, loser),
    }
    session.add(made)
    session.flush()
    merge_fields.write(winner, after)
    about = merge_history.forget_inherited(session, made)
    merge_rows.give(session, made)
    _move_domains(session, made)
    merge_history.give(session, made, about, company_changed="company_id" in after)
    _reload(session, winner, loser)
    search.remove(session, "contact_search" if entity == "contact" else "company_search", [loser.id])
    _index(session, winner)
    return made


def undo(session: Session, settings: Settings, viewer: Viewer, merge_id: int) -> Undone:
    """Take a merge back. Raises NotFound, Forbidden, or MergeRefused; the caller then rolls back."""
    require_right(viewer)
    lock_directory(session, for_writing=True)
    made = _claim_undo(session, viewer, merge_id)
    model = merged.MODELS[made.entity]
    winner = cast(Client, session.get_one(model, made.winner_id, populate_existing=True))
    loser = cast(Client, session.get_one(model, made.loser_id, populate_existing=True))
    before = merge_log.unlogged(session, made, winner)
    with field_history.unrecorded(session, winner, reason=field_history.MERGE):
        kept = _give_back(session, settings, made, winner, loser)
    merge_log.unnote(session, made, winner, loser, before)
    made.before = {"kept": sorted(kept)}
    session.flush()
    session.execute(delete(MergeMove).where(MergeMove.merge_id == made.id))
    _owe_cards(session, made)
    return Undone(made, sorted(kept))


def _owe_cards(session: Session, made: Merge) -> None:
    """Cards in Outlook have changed hands: of two in a mailbox one goes, and each says what its contact does now."""
    if made.entity == "contact":
        outbox.touch_contacts(session, [made.winner_id, made.loser_id], field_history.MERGE)


def _give_back(session: Session, settings: Settings, made: Merge, winner: Client, loser: Client) -> set[str]:
    """All that the merge took goes back; the fields that stay because they were changed since."""
    before, after = _values(made.before["winner"]), _values(made.before["after"])
    loser.merged_into_id = None
    cards = merge_cards.returning(session, made) if isinstance(winner, Contact) else []
    theirs, own = _told_since(session, made, winner, cards)
    kept = set(merge_fields.restore(session, winner, before, after, theirs, own))
    about = merge_history.forget_inherited(session, made)
    kept |= merge_rows.take_back(session, made, merge_cards.removed(cards))
    _move_domains(session, made, back=True)
    _reload(session, winner, loser)
    policy = DomainPolicy.of(settings.mirror.internal_domains, settings.mirror.free_mail_domains)
    given_since: set[str] = set()
    if isinstance(winner, Contact) and isinstance(loser, Contact):
        loser.company_id = merged.survivor_id(session, "company", loser.company_id)
        given_since = merge_cards.follow(session, settings, made, winner, loser, cards)
    elif isinstance(winner, Company) and isinstance(loser, Company):
        _move_newcomers(session, made, winner, loser)
    merge_history.take_back(session, policy, made, about, given_since)
    _reload(session, winner, loser)
    for client in (winner, loser):
        _index(session, client)
    return kept


def pair(session: Session, viewer: Viewer, entity: Entity, winner_id: int, loser_id: int) -> tuple[Client, Client]:
    """The two that are to be merged; raises what `merge` raises."""
    require_right(viewer)
    if winner_id == loser_id:
        raise MergeRefused("same")
    return client(session, viewer, entity, winner_id), client(session, viewer, entity, loser_id)


def client(session: Session, viewer: Viewer, entity: Entity, client_id: int) -> Client:
    """A contact or company that the viewer sees; NotFound for any other, and for one that was merged."""
    found: Client | None
    if entity == "contact":
        seen = access.contacts(viewer)
        found = session.scalar(_fresh(select(Contact).where(Contact.id == client_id, seen)))
    else:
        seen = access.companies(viewer)
        found = session.scalar(_fresh(select(Company).where(Company.id == client_id, seen)))
    if found is None:
        raise NotFound(f"There is no such {entity}: {client_id}.")
    return found


def survivor_of(session: Session, viewer: Viewer, entity: Entity, client_id: int) -> int | None:
    """The id of what a merged contact or company is now; None where it was not merged or the viewer may not see it."""
    now = merged.survivor_id(session, entity, client_id)
    if now is None or now == client_id:
        return None
    model, seen = (Contact, access.contacts(viewer)) if entity == "contact" else (Company, access.companies(viewer))
    return session.scalar(select(model.id).where(model.id == now, seen))


def require_right(viewer: Viewer) -> None:
    """Raise Forbidden for a role that merges no clients."""
    if not viewer.decides:
        raise Forbidden("Only client managers merge clients.")


def _people(session: Session, client: Client) -> list[Contact]:
    """Who works at a company."""
    if isinstance(client, Contact):
        return []
    return list(session.scalars(select(Contact).where(Contact.company_id == client.id).order_by(Contact.id)))


def _moved(people: list[Contact], loser: Client) -> list[Change]:
    """That these went over to another company."""
    return [Change(each, "company", str(loser.id), str(each.company_id or "")) for each in people]


def _fresh(query: Any) -> Any:
    return query.execution_options(populate_existing=True)


def _claim(session: Session, winner: Client, loser: Client) -> None:
    """Mark the loser; of two who do it at once only one can. From then on the winner stays one, too."""
    model = type(loser)
    mark = update(model).where(model.id == loser.id, model.merged_into_id.is_(None)).values(merged_into_id=winner.id)
    if cast("CursorResult[Any]", session.execute(mark)).rowcount == 0:
        raise MergeRefused("merged")
    for row in (winner, loser):
        session.refresh(row)
    if winner.merged_into_id is not None:
        raise MergeRefused("merged")


def _claim_undo(session: Session, viewer: Viewer, merge_id: int) -> Merge:
    found = visible(session, viewer, merge_id)
    _require_undoable(session, found)
    now, who = utcnow(), viewer.signs_as
    mark = update(Merge).where(Merge.id == merge_id, Merge.undone_at.is_(None)).values(undone_at=now, undone_by=who)
    if cast("CursorResult[Any]", session.execute(mark)).rowcount == 0:
        raise MergeRefused("undone")
    _require_undoable(session, found)  # again: now nobody else can merge
    session.refresh(found)
    return found


def _require_undoable(session: Session, made: Merge) -> None:
    if made.undone_at is None and _has_later(session, made):
        raise MergeRefused("later")
    if made.undone_at is None and "after" not in made.before:
        raise MergeRefused("forgotten")


def visible(session: Session, viewer: Viewer, merge_id: int) -> Merge:
    """A merge of a client that the viewer sees; NotFound for any other."""
    found = session.get(Merge, merge_id, populate_existing=True)
    if found is None:
        raise NotFound(f"There is no such merge: {merge_id}.")
    entity = cast(Entity, found.entity)
    now = merged.survivor_id(session, entity, found.winner_id)
    if now is None:
        raise NotFound(f"There is no such merge: {merge_id}.")
    client(session, viewer, entity, now)
    return found


def can_be_undone(session: Session, made: Merge) -> bool:
    """Whether nothing stands before undoing this merge."""
    return made.undone_at is None and "after" in made.before and not _has_later(session, made)


def _has_later(session: Session, made: Merge) -> bool:
    """Whether the winner was part of another merge since, which has to be undone first."""
    later = exists().where(
        Merge.entity == made.entity,
        Merge.id > made.id,
        Merge.undone_at.is_(None),
        or_(Merge.winner_id == made.winner_id, Merge.loser_id == made.winner_id),
    )
    return bool(session.scalar(select(later)))


def _told_since(
    session: Session, made: Merge, winner: Client, cards: list[merge_cards.Card]
) -> tuple[set[str], set[str]]:
    """The fields of the winner that the loser's entries have set since the merge, and those that its own have."""
    if not isinstance(winner, Contact):
        return set(), set()
    told = merge_cards.came_with(winner, cards, merge_cards.staying(session, made))
    merge_cards.forget_changes(session, made, cards)
    return told


def _reload(session: Session, *clients: Client) -> None:
    """Have the clients read again what was written behind their backs."""
    session.flush()
    for client in clients:
        session.refresh(client)
        session.expire(client, client.__mapper__.relationships.keys())


def _values(found: object) -> dict[str, Any]:
    return dict(cast("dict[str, Any]", found))


def _belongings(session: Session, winner: Client, loser: Client) -> dict[str, Any]:
    if isinstance(winner, Contact) and isinstance(loser, Contact):
        return merge_cards.before(session, winner, loser)
    return {"domains": [owned.domain for owned in loser.domains] if isinstance(loser, Company) else []}


def _move_domains(session: Session, made: Merge, *, back: bool = False) -> None:
    if made.entity == "company":
        here, there = (made.winner_id, made.loser_id) if back else (made.loser_id, made.winner_id)
        mine = CompanyDomain.domain.in_(_values(made.before)["domains"])
        session.execute(update(CompanyDomain).where(mine, CompanyDomain.company_id == here).values(company_id=there))


def _move_newcomers(session: Session, made: Merge, winner: Company, loser: Company) -> None:
    """People who became known since and name the loser, or nothing and have an address of it, are the loser's."""
    domains = {owned.domain for owned in loser.domains}
    newcomers = select(Contact).where(Contact.company_id == winner.id, Contact.created_at >= made.merged_at)
    for person in session.scalars(newcomers).all():
        named = company_key(person.company_name)
        by_domain = not named and any(entry.domain in domains for entry in person.addresses)
        if named == loser.name_key or by_domain:
            with field_history.recording(session, merge_log.origin(made.undone_by), person):
                person.company_id = loser.id


def _index(session: Session, client: Client) -> None:
    if isinstance(client, Contact):
        contact_data.index(session, client)
    else:
        company_records.index(session, client)
