"""The Outlook entries of two contacts in a merge: whose each is, and what it said meanwhile (M4).

While two contacts are one, an edit of either's entry changes the one. When the merge is undone, each entry leads to
its own contact again, and what it came to say since goes along.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain.contact_merge import LISTS, SCALARS, Snapshot, identity
from terracrm.models import Contact, FieldChange, Link, Mailbox, Merge, MirrorFolder
from terracrm.services import links, merge_rows, mirror_contacts
from terracrm.services.field_history import forget_changes as forget
from terracrm.services.merge_privacy import KNOWN_OTHERWISE
from terracrm.services.mirror_contacts import ENTITY
from terracrm.services.sources import Source, source_of


@dataclass(frozen=True, slots=True)
class Card:
    """An entry that was the loser's: what it said when it went over, None for nothing yet, and its link."""

    link: Link
    then: Snapshot | None

    @property
    def now(self) -> Snapshot | None:
        """What it says now."""
        return cast("Snapshot | None", self.link.base)


def before(session: Session, winner: Contact, loser: Contact) -> dict[str, Any]:
    """What a merge has to remember: the winner's own entries, and the addresses that no entry told of the two."""
    return {
        "links": [link.id for link in links.of(session, ENTITY, winner.id)],
        KNOWN_OTHERWISE: sorted(
            mirror_contacts.known_otherwise(session, loser) | mirror_contacts.known_otherwise(session, winner)
        ),
    }


def returning(session: Session, made: Merge) -> list[Card]:
    """The entries that go back to the loser when the merge is undone."""
    moves = [(move, session.get(Link, move.row_id)) for move in merge_rows.moves_of(session, made, "link")]
    return [
        Card(link, cast("Snapshot | None", (move.before or {}).get("base")))
        for move, link in moves
        if link is not None and link.local_id == made.winner_id
    ]


def said_now(cards: Iterable[Card]) -> dict[str, set[str]]:
    """What entries say now in each list field."""
    return _said([card.now for card in cards])


def came_with(session: Session, winner: Contact, cards: Sequence[Card]) -> set[str]:
    """The single-valued fields of the winner that say what only these entries came to say since the merge."""
    mine = {card.link.id for card in cards}
    others = [link.base or {} for link in links.of(session, ENTITY, winner.id) if link.id not in mine]
    local = mirror_contacts.texts(winner)
    return {
        field
        for card in cards
        for field in _changed(card, SCALARS)
        if card.now and card.now[field] == local[field] and local[field] not in [said.get(field) for said in others]
    }


def forget_changes(session: Session, made: Merge, cards: Sequence[Card]) -> None:
    """The winner's history of changes loses what these entries changed since the merge: the loser's history has it."""
    for card in cards:
        forget(
            session,
            ENTITY,
            made.winner_id,
            FieldChange.mailbox_id == card.link.mailbox_id,
            FieldChange.changed_at >= made.merged_at,
            FieldChange.field.in_(_changed(card, (*SCALARS, *LISTS))),
        )


def follow(
    session: Session, settings: Settings, made: Merge, winner: Contact, loser: Contact, cards: Sequence[Card]
) -> set[str]:
    """What the loser's entries came to say since becomes the loser's; the addresses that they added.

    Entries that came since and know only the loser by an address are the loser's, too.
    """
    added = _leave(session, winner, cards)
    for card in cards:
        if card.now is not None and card.now != card.then:
            mirror_contacts.apply(session, _source(session, settings, card.link), loser, card.then, card.now)
    known = {int(str(id_)) for id_ in cast("list[object]", made.before["links"])}
    for link in links.of(session, ENTITY, winner.id):
        if link.id not in known and _is_of(cast("Snapshot | None", link.base), loser, winner):
            link.local_id = loser.id
            mirror_contacts.apply(session, _source(session, settings, link), loser, None, cast("Snapshot", link.base))
    session.flush()
    return added


def _leave(session: Session, winner: Contact, cards: Sequence[Card]) -> set[str]:
    """Take off the winner the list entries that only the returning entries added; the addresses among them."""
    then, now = _said([card.then for card in cards]), said_now(cards)
    others = _said([cast("Snapshot | None", link.base) for link in links.of(session, ENTITY, winner.id)])
    found = {field: now[field] - then[field] - others[field] for field in LISTS}
    for kind in merge_rows.LISTS:
        for row in merge_rows.rows_of(session, kind, winner.id):
            if kind.key and kind.key(row) in found[kind.field]:
                session.delete(row)
    session.flush()
    session.expire(winner)
    return found["emails"]


def _changed(card: Card, fields: Iterable[str]) -> list[str]:
    """The fields of which an entry says something else since it went over."""
    return [field for field in fields if (card.now or {}).get(field) != (card.then or {}).get(field)]


def _said(snapshots: Iterable[Snapshot | None]) -> dict[str, set[str]]:
    known = [snapshot for snapshot in snapshots if snapshot]
    return {field: {identity(field, entry) for said in known for entry in said[field]} for field in LISTS}


def _is_of(base: Snapshot | None, loser: Contact, winner: Contact) -> bool:
    named = _said([base])["emails"]
    return bool(named & {entry.address for entry in loser.addresses}) and not named & {
        entry.address for entry in winner.addresses
    }


def _source(session: Session, settings: Settings, link: Link) -> Source:
    """Where an entry came from: its mailbox and folder, and the run that brought it."""
    mailbox = session.get_one(Mailbox, link.mailbox_id)
    return source_of(settings, mailbox, session.get_one(MirrorFolder, link.folder_id), link.run_id or 0)
