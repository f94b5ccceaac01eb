"""What holds of a two-way sync of clients: of each run, and of everything once it has settled (W1, W2, S4, S9)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from terracrm.domain import history_block
from terracrm.domain.contact_merge import LISTS, SCALARS, identity
from terracrm.domain.records import ContactRecord
from terracrm.domain.texts import html_to_text
from terracrm.models import Conflict, Contact, FieldChange, Link, OutboxItem, Stream
from terracrm.services import contact_data
from tests.sync.two_way_edits import entries_of
from tests.sync.two_way_ledger import Ledger, anywhere, kept, words, words_of
from tests.sync.two_way_outlook import Entry
from tests.sync.two_way_world import NAMES, World


@dataclass
class Doings:
    """What people did that the rules make exceptions for. Items are named by their remote id, kept through moves."""

    copied: set[str] = field(default_factory=set)
    """The keys of items that a person copied."""
    theirs: set[str] = field(default_factory=set)
    """Items that a person made: where they lie among the cards they are adopted."""
    declined: set[tuple[str, int]] = field(default_factory=set)
    """Mailbox and contact whose card a person deleted."""
    unblocked: set[str] = field(default_factory=set)
    """The cards whose block their owner took out."""
    was_private: set[int] = field(default_factory=set)
    """Contacts of whom an item was private at any time."""
    folder_gone: set[str] = field(default_factory=set)
    """Mailboxes whose folder of cards was deleted."""

    def moved(self, old: str, new: str) -> None:
        for items in (self.theirs, self.unblocked):
            if old in items:
                items.discard(old)
                items.add(new)


@dataclass
class Before:
    """The mailboxes and what the links say of them before a run."""

    entries: list[Entry]
    cards: dict[str, str]
    """The cards by remote id: what their block said."""
    ids: dict[str, int]


def look(world: World, name: str) -> Before:
    """One mailbox as it is now."""
    with world.sessions() as session:
        links = world.links(session, name)
    cards = {link.remote_id: link.written for link in links}
    return Before(world.outlook.entries(name), cards, {link.remote_id: link.local_id for link in links})


def holds_of_run(world: World, name: str, before: Before, after: Before, doings: Doings) -> None:
    """What was not ours is as it was; what was the user's in the notes of a card is so byte for byte."""
    now = {entry.remote_id: entry for entry in after.entries}
    folder = world.clients_folder(name)
    with world.sessions() as session:
        for entry in before.entries:
            found = now.get(entry.remote_id)
            is_card = entry.remote_id in before.cards or entry.remote_id in after.cards
            may_be_adopted = folder is not None and entry.folder.remote_id == folder.remote_id and not entry.key
            may_be_forgotten = entry.key and entry.key not in doings.copied
            if entry.record.is_private or not (is_card or may_be_adopted or may_be_forgotten):
                assert found == entry, ("an item that is not ours was written to", name, entry, found)
            if found is None:
                continue
            holds_of_directions(session, world, name, entry, found)
            if is_card:
                holds_of_notes(session, before, after, entry, found)
            if entry.remote_id in doings.unblocked:
                assert "[TerraCRM:" not in found.body.content, ("a removed block is back", name, found)


def holds_of_directions(session: Session, world: World, name: str, entry: Entry, found: Entry) -> None:
    """A field that only comes in is never written."""
    stream = session.get_one(Stream, world.people[name].stream_id)
    for field_name, direction in stream.field_directions.items():
        if direction in ("in", "off") and field_name != "notes":
            old, new = getattr(entry.record, field_name), getattr(found.record, field_name)
            assert old == new, ("a field that comes in only was written", name, field_name, old, new)


def holds_of_notes(session: Session, before: Before, after: Before, entry: Entry, found: Entry) -> None:
    contact_id = after.ids.get(entry.remote_id)
    contact = session.get(Contact, contact_id, populate_existing=True) if contact_id else None
    written = before.cards.get(entry.remote_id, "")
    mine = history_block.strip(entry.body, written)
    now = history_block.strip(found.body, after.cards.get(entry.remote_id, written))
    if contact is not None and plain(mine) == reading(contact.notes):
        assert now == mine, ("the user's own text was changed", entry.body, found.body)


def plain(body: history_block.Body) -> str:
    """The user's text as it reads."""
    return reading(html_to_text(body.content) if body.is_html else body.content)


def reading(value: str) -> str:
    return "\n".join(line.rstrip() for line in value.replace("\r\n", "\n").strip().split("\n"))


def holds_when_settled(world: World, ledger: Ledger, doings: Doings) -> None:
    """Both sides say the same; nothing is lost, doubled or told. That a further run does nothing, `settle` has seen."""
    everybodys = world.everybodys()
    with world.sessions() as session:
        for name in NAMES:
            holds_cards(session, world, name, everybodys[name], doings)
        holds_words(session, ledger, everybodys, doings)
        holds_secrets(session, world, ledger, everybodys)
        holds_conflicts(session, world, ledger)
        holds_no_dangling_rows(session)
        holds_outbox(session)


def in_scope(session: Session, world: World, name: str) -> set[int]:
    """The contacts whose cards a mailbox is to have."""
    person = world.people[name]
    stream = session.get_one(Stream, person.stream_id)
    whose = Contact.owner_id == person.user_id if stream.client_scope == "mine" else Contact.team_id == person.team_id
    active = Contact.archived_at.is_(None), Contact.merged_into_id.is_(None)
    return set(session.scalars(select(Contact.id).where(whose, *active)))


def holds_cards(session: Session, world: World, name: str, entries: list[Entry], doings: Doings) -> None:
    there = {entry.remote_id: entry for entry in entries}
    links = world.links(session, name)
    assert all(link.remote_id in there for link in links), ("a link leads nowhere", name, links)
    cards = Counter(link.local_id for link in links)
    followed = Counter(link.local_id for link in links if link.untracked_at is None)
    assert not [found for found, count in followed.items() if count > 1], ("two cards of one contact", name, cards)
    wanted = in_scope(session, world, name)
    gone = {link.local_id for link in world.links(session, name, is_live=False)}
    for contact_id in wanted - cards.keys():
        is_declined = contact_id in gone and (name, contact_id) in doings.declined
        is_excused = name in doings.folder_gone or contact_id in doings.was_private
        assert is_declined or is_excused, ("a card is missing", name, contact_id)
    # A private item is left alone, and so is its link; of items with the same key none is ours to remove.
    adopted = {
        link.local_id
        for link in links
        if link.remote_id in doings.theirs or link.key in doings.copied or there[link.remote_id].record.is_private
    }
    assert not cards.keys() - wanted - adopted, ("a card of whom it is not for", name, cards.keys() - wanted)
    keys = Counter(entry.key for entry in entries if entry.key and entry.key not in doings.copied)
    assert not [key for key, count in keys.items() if count > 1], ("an item was made twice", name, keys)
    live = {link.remote_id for link in links}
    for entry in entries:
        # What was taken out of the trash has the key of a card that may have been made again.
        is_theirs = entry.remote_id in doings.theirs or entry.key in doings.copied
        if entry.key and not is_theirs and not entry.record.is_private:
            assert entry.remote_id in live, ("an item of ours that nobody knows", name, entry)
    for link in links:
        if not there[link.remote_id].record.is_private:
            holds_fields(session, world, name, link, there[link.remote_id])


def holds_fields(session: Session, world: World, name: str, link: Link, entry: Entry) -> None:
    """The card says what the CRM says, where it is to be written."""
    contact = session.get_one(Contact, link.local_id)
    stream = session.get_one(Stream, world.people[name].stream_id)
    own = history_block.strip(entry.body, link.written)
    record = replace(entry.record, notes=plain(own))
    told = contact_data.texts(contact)
    for field_name in SCALARS:
        if stream.field_directions.get(field_name, "both") in ("both", "out"):
            here, there = reading(told[field_name]), reading(scalar(record, field_name))
            if own.is_html:  # the empty paragraph above the block is part of the page, and not of the text
                here, there = (text.replace("\n\n", "\n") for text in (here, there))
            assert here == there, ("the sides differ", name, contact.id, field_name, here, there)
    for field_name in LISTS:
        if stream.field_directions.get(field_name, "both") in ("both", "out"):
            holds_list(contact, field_name, record, name)


def holds_list(contact: Contact, field_name: str, record: ContactRecord, name: str) -> None:
    """The card has the contact's entries, as many as it has room for, each in its place where that is free."""
    rows = contact_data.entries(contact, field_name)
    here = {identity(field_name, row): row["label"] for row in rows}
    there = {identity(field_name, entry): entry["label"] for entry in entries_of(record, field_name)}
    assert there.keys() <= here.keys(), ("the sides differ", name, contact.id, field_name, here, there)
    if field_name == "phones":
        room = len(here) if len(set(here.values())) == len(here) else len(set(here.values()))
    else:
        room = min(3, len(here))
    assert len(there) >= room, ("the card lacks entries", name, contact.id, field_name, here, there)
    if field_name != "emails" and len(set(here.values())) == len(here):
        assert here == there, ("the labels differ", name, contact.id, field_name, here, there)


def scalar(record: ContactRecord, field_name: str) -> str:
    value = getattr(record, field_name)
    return value.isoformat() if field_name == "birthday" and value else value or ""


def holds_words(session: Session, ledger: Ledger, everybodys: dict[str, list[Entry]], doings: Doings) -> None:
    """Nothing that anybody typed is lost."""
    found = kept(session)
    for entries in everybodys.values():
        for entry in entries:
            found |= words_of(entry)
    excused = set(doings.was_private)
    for contact_id, into in session.execute(select(Contact.id, Contact.merged_into_id)):
        if into in excused or contact_id in excused:
            excused |= {contact_id, into} - {None}
    lost = {word: ledger.typed[word] for word in ledger.owed() - found if not ledger.typed[word].about & excused}
    assert not lost, ("what was typed is lost", lost)


def holds_secrets(session: Session, world: World, ledger: Ledger, everybodys: dict[str, list[Entry]]) -> None:
    """What only private items of one mailbox say is on nobody's card, and in no text of any table.

    A copy that a colleague made while it was not private is the colleague's: nothing writes to it.
    """
    cards = {link.remote_id for name in NAMES for link in world.links(session, name)}
    for name, entries in everybodys.items():
        private = {word for entry in entries if entry.record.is_private for word in words_of(entry)}
        told = {word for entry in entries if not entry.record.is_private for word in words_of(entry)}
        secret = {word for word in private - told if word in ledger.typed and ledger.typed[word].authors == {name}}
        for table, found in anywhere(session).items():
            assert not secret & found, ("what is private is told", table, secret & found)
        for other in everybodys.keys() - {name}:
            for entry in everybodys[other]:
                if entry.remote_id in cards and not entry.record.is_private:
                    assert not secret & words_of(entry), ("what is private is told", other, entry)


def holds_conflicts(session: Session, world: World, ledger: Ledger) -> None:
    """In a conflict stands what this mailbox's own person typed: our own words coming back are no conflict."""
    owners = {person.mailbox_id: name for name, person in world.people.items()}
    for conflict in session.scalars(select(Conflict)):
        said = words(conflict.outlook_value)
        authors = {author for word in said for author in ledger.typed[word].authors}
        assert not said or owners[conflict.mailbox_id or 0] in authors, ("a conflict that nobody made", row(conflict))


def holds_outbox(session: Session) -> None:
    for item in session.scalars(select(OutboxItem)):
        assert item.state == "given_up", ("something is still owed", row(item))
        assert item.error, ("given up without a reason", row(item))


def holds_no_dangling_rows(session: Session) -> None:
    assert session.execute(text("PRAGMA foreign_key_check")).all() == []
    contacts = set(session.scalars(select(Contact.id)))
    for query in (
        select(Link.local_id).where(Link.entity == "contact"),
        select(FieldChange.entity_id).where(FieldChange.entity == "contact"),
        select(Conflict.entity_id).where(Conflict.entity == "contact"),
        select(OutboxItem.local_id).where(OutboxItem.entity == "contact"),
    ):
        assert set(session.scalars(query)) <= contacts, ("rows of nobody", str(query))


def row(item: Any) -> dict[str, Any]:
    return {column.name: getattr(item, column.name) for column in item.__table__.columns}
