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
from terracrm.domain.client_slots import BLANK
from terracrm.domain.contact_merge import LISTS, SCALARS, Snapshot, identity
from terracrm.models import Contact, FieldChange, Link, Mailbox, Merge, MirrorFolder
from terracrm.services import contact_data, links, merge_rows, mirror_contacts
from terracrm.services.field_history import forget_changes as forget
from terracrm.services.merge_privacy import KNOWN_OTHERWISE
from terracrm.services.mirror_contacts import ENTITY
from terracrm.services.outbox import CLIENTS
from terracrm.services.sources import Source, source_of


@dataclass(frozen=True, slots=True)
class Card:
    """An entry of one of the two: its link, and what it said when they were merged, None for nothing yet."""

    link: Link
    then: Snapshot | None

    @property
    def now(self) -> Snapshot | None:
        """What it says now."""
        return told(self.link)


def before(session: Session, winner: Contact, loser: Contact) -> dict[str, Any]:
    """What a merge has to remember: what the winner had, what its entries say, and addresses that no entry told."""
    return {
        "had": {
            kind.field: sorted(map(str, merge_rows.keys_of(kind, merge_rows.rows_of(session, kind, winner.id))))
            for kind in merge_rows.LISTS
        },
        "cards": {str(link.id): told(link) for link in links.of(session, ENTITY, winner.id)},
        KNOWN_OTHERWISE: sorted(
            mirror_contacts.known_otherwise(session, loser) | mirror_contacts.known_otherwise(session, winner)
        ),
    }


def told(link: Link) -> Snapshot | None:
    """What is known from an entry; of a card that we write, what its people said: the rest are our own words."""
    return _told(link.rule, link.base, link.told)


def returning(session: Session, made: Merge) -> list[Card]:
    """The entries that go to the loser when the merge is undone: its own, and those that came since and name it."""
    moves = [(session.get(Link, move.row_id), move.before or {}) for move in merge_rows.moves_of(session, made, "link")]
    own = [
        Card(link, _told(link.rule, before.get("base"), before.get("told")))
        for link, before in moves
        if link is not None and link.local_id == made.winner_id
    ]
    known = {card.link.id for card in (*own, *staying(session, made))}
    theirs, others = _addresses(session, made)
    newcomers = [link for link in links.of(session, ENTITY, made.winner_id) if link.id not in known]
    named = [(link, _said([told(link)])["emails"]) for link in newcomers]
    return own + [Card(link, None) for link, emails in named if emails & theirs and not emails & others]


def staying(session: Session, made: Merge) -> list[Card]:
    """The entries that were the winner's before the merge."""
    known = cast("dict[str, Snapshot | None]", made.before["cards"])
    mine = links.of(session, ENTITY, made.winner_id)
    return [Card(link, known[str(link.id)]) for link in mine if str(link.id) in known]


def removed(cards: Iterable[Card]) -> dict[str, set[str]]:
    """What entries have stopped saying in each list field."""
    found = list(cards)
    then, now = _said([card.then for card in found]), _said([card.now for card in found])
    return {field: then[field] - now[field] for field in LISTS}


def came_with(winner: Contact, theirs: Sequence[Card], own: Sequence[Card]) -> tuple[set[str], set[str]]:
    """The single-valued fields of the winner that say what the loser's entries came to say since the merge, and those
    that say what the winner's own did."""
    local = contact_data.texts(winner)
    told_by_them, told_by_own = (
        {field for card in cards for field in _changed(card, SCALARS) if card.now and card.now[field] == local[field]}
        for cards in (theirs, own)
    )
    return told_by_them - told_by_own, told_by_own


def forget_changes(session: Session, made: Merge, cards: Sequence[Card]) -> None:
    """The winner's history of changes loses what these entries changed since the merge: the loser's history has it."""
    for card in cards:
        forget(
            session,
            ENTITY,
            [made.winner_id],
            FieldChange.mailbox_id == card.link.mailbox_id,
            FieldChange.changed_at >= made.merged_at,
            FieldChange.field.in_(_changed(card, (*SCALARS, *LISTS))),
        )


def follow(
    session: Session, settings: Settings, made: Merge, winner: Contact, loser: Contact, cards: Sequence[Card]
) -> set[str]:
    """What the loser's entries came to say since becomes the loser's; the addresses that they added."""
    own = staying(session, made)
    added = _leave(session, made, winner, cards)
    for card in cards:
        card.link.local_id = loser.id
        if card.now is not None and card.now != card.then:
            mirror_contacts.apply(session, _source(session, settings, card.link), loser, card.then, card.now)
    for card in own:
        if card.now is not None and card.now != card.then:
            _say_again(session, _source(session, settings, card.link), winner, card.now)
    session.flush()
    return added


def _leave(session: Session, made: Merge, winner: Contact, cards: Sequence[Card]) -> set[str]:
    """Take off the winner the list entries that only the returning entries added; the addresses among them."""
    had = cast("dict[str, list[str]]", made.before["had"])
    then, now = _said([card.then for card in cards]), _said([card.now for card in cards])
    mine = {card.link.id for card in cards}
    others = [told(link) for link in links.of(session, ENTITY, winner.id) if link.id not in mine]
    also = _said(others)
    found = {field: now[field] - then[field] - also[field] - set(had[field]) for field in LISTS}
    for kind in merge_rows.LISTS:
        for row in merge_rows.rows_of(session, kind, winner.id):
            if kind.key and kind.key(row) in found[kind.field]:
                session.delete(row)
    session.flush()
    session.expire(winner)
    return found["emails"]


def _say_again(session: Session, source: Source, winner: Contact, now: Snapshot) -> None:
    """Give the winner the list entries of its own entry that left it with the loser's rows."""
    there = {
        kind.field: merge_rows.keys_of(kind, merge_rows.rows_of(session, kind, winner.id)) for kind in merge_rows.LISTS
    }
    kept = {field: [entry for entry in now[field] if identity(field, entry) in there[field]] for field in LISTS}
    mirror_contacts.apply(session, source, winner, now | kept, now)


def _told(rule: str, base: Any, told: Any) -> Snapshot | None:
    return BLANK | (told or {}) if rule == CLIENTS else cast("Snapshot | None", base)


def _addresses(session: Session, made: Merge) -> tuple[set[str], set[str]]:
    """The addresses that return to the loser, and those that stay with the winner."""
    moves = merge_rows.moves_of(session, made, "address")
    folded = {str(move.before["row"]["address"]) for move in moves if move.before and "row" in move.before}  # type: ignore[index]
    moved = {move.row_id for move in moves}
    kind = merge_rows.LISTS[0]
    rows = merge_rows.rows_of(session, kind, made.winner_id)
    returning = folded | {row.address for row in rows if row.id in moved}
    return returning, {row.address for row in rows if row.id not in moved}


def _changed(card: Card, fields: Iterable[str]) -> list[str]:
    """The fields of which an entry says something else since it went over."""
    return [field for field in fields if (card.now or {}).get(field) != (card.then or {}).get(field)]


def _said(snapshots: Iterable[Snapshot | None]) -> dict[str, set[str]]:
    known = [snapshot for snapshot in snapshots if snapshot]
    return {field: {identity(field, entry) for said in known for entry in said[field]} for field in LISTS}


def _source(session: Session, settings: Settings, link: Link) -> Source:
    """Where an entry came from: its mailbox and folder, and the run that brought it."""
    mailbox = session.get_one(Mailbox, link.mailbox_id)
    return source_of(settings, mailbox, session.get_one(MirrorFolder, link.folder_id), link.run_id or 0)
