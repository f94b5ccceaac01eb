"""The cards of clients in Outlook: their contact data, the properties, and the history in the notes (W1, W2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from connectors.base import Connector, Version
from sync.outbound import Create, Difference, Nothing, Place, Remove, Step, Target, Write, Written
from terracrm.domain import client_merge, history_block
from terracrm.domain.client_merge import BOTH, OFF, OUT
from terracrm.domain.contact_merge import LISTS, SCALARS, Snapshot, identity
from terracrm.domain.history_block import Block
from terracrm.domain.records import Body, Change, ClientCard, ContactRecord, StreamKind
from terracrm.errors import VersionConflict
from terracrm.models import Link, utcnow
from terracrm.services import client_cards, client_history, client_writes, outbox, role_folders
from terracrm.services.client_history import Facts

FIELDS = (*SCALARS, *LISTS)


@dataclass(frozen=True, slots=True)
class Memo:
    """What is to be noted once a card is written, and how its notes come about.

    `fields` are those of the contact that are written; `written` is the text of the block that stands there, `block`
    the one to be. Without `touches_notes` the notes are left alone; with `takes_text` they say what the record does.
    """

    projection: Snapshot
    fields: frozenset[str]
    card: dict[str, Any]
    block: Block | None
    written: str
    touches_notes: bool
    takes_text: bool


class Clients:
    """The Outbound of client cards."""

    entity = outbox.CONTACT
    kind = StreamKind.CONTACTS
    rule = outbox.CLIENTS

    def places(self, session: Session, target: Target) -> Sequence[Place]:
        """The clients' folder, unless a person has deleted it."""
        return [] if role_folders.is_deleted(target.stream, outbox.CLIENTS) else [_place(target)]

    def settle(self, session: Session, target: Target) -> None:
        """Owe the cards that are missing or superfluous."""
        client_writes.settle(session, target.settings, target.stream)

    def withdraw(self, session: Session, target: Target) -> None:
        """Owe the cards that are superfluous."""
        client_writes.withdraw(session, target.settings, target.stream)

    def plan(self, session: Session, target: Target, wanted: Mapping[int, Link | None]) -> dict[int, Step]:
        """Create, change or take away the cards of clients, or nothing."""
        verdicts = client_writes.verdicts(session, target.settings, target.stream, wanted)
        kept = [id_ for id_, verdict in verdicts.items() if verdict.is_wanted]
        contacts = client_writes.contacts(session, kept)
        facts = client_history.facts(session, target.settings, target.stream, kept)
        directions = client_cards.directions_of(target.stream)
        steps: dict[int, Step] = {}
        for id_, verdict in verdicts.items():
            link = wanted[id_]
            if not verdict.is_wanted:
                steps[id_] = Remove(verdict.why) if verdict.is_removed else Nothing(verdict.why)
                continue
            local = client_writes.local(contacts[id_])
            if link is None:
                steps[id_] = _create(target, local, directions, facts[id_], verdict.why)
            else:
                steps[id_] = _write(link, local, directions, facts[id_], verdict.why)
        return steps

    def write(self, connector: Connector, step: Write, remote_id: str, version: str, key: str) -> Written:
        """Fields, properties and notes in one request; none at all where nothing differs."""
        memo: Memo = step.memo
        record, fields, learned = step.record, set(step.fields), {}
        assert isinstance(record, ContactRecord)
        if memo.touches_notes:
            body, now = connector.read_body(remote_id)
            if now.change_key != version:
                raise VersionConflict("The item was changed in Outlook meanwhile.")
            text, is_removed = _notes(memo, body, record.notes)
            learned = {"is_removed": is_removed}
            fields.discard("notes")
            if text != body:
                record, fields = replace(record, body=text), fields | {"notes"}
        if not fields:
            return Written(Version(remote_id, version), memo=learned)
        return Written(connector.update(remote_id, record, fields, version, key), memo=learned)

    def is_same(self, link: Link, now: Change) -> bool:
        """Whether the card says what it said, but for the history."""
        if not isinstance(now.record, ContactRecord) or now.record.is_private or link.base is None:
            return False
        return not client_merge.differing(client_merge.card_of(now.record, link.written), link.base)

    def done(
        self, session: Session, target: Target, local_id: int, link: Link, step: Create | Write, written: Written
    ) -> None:
        """What both sides agree on: the fields that were written, as the server keeps them; others are as before."""
        memo: Memo = step.memo
        if written.found:
            # What it was made with is known, and what has become of it since is for the next try to find out.
            link.base = link.sent = step.sent if isinstance(step, Create) else link.sent
            return
        base = link.base or client_merge.outward(memo.projection, dict.fromkeys(FIELDS, OFF))
        sent = link.sent or base
        now = written.read_back
        is_ours = now is not None and now.version == written.version.change_key
        text = history_block.render(memo.block) if memo.block else ""
        kept = memo.projection
        if is_ours and now and isinstance(now.record, ContactRecord):
            kept = client_merge.card_of(now.record, text)
        link.base = base | {field: kept[field] for field in memo.fields}
        link.sent = sent | {field: memo.projection[field] for field in memo.fields}
        link.card = memo.card
        if written.memo.get("is_removed"):
            link.block_removed_at, link.written = utcnow(), ""
        elif memo.touches_notes:
            link.written = text


def _place(target: Target) -> Place:
    name = client_writes.folder_name(target.settings, target.stream)
    return Place(outbox.CLIENTS, StreamKind.CONTACTS, "contacts", (name,))


def _create(target: Target, local: Snapshot, directions: Mapping[str, str], facts: Facts, why: str) -> Step:
    projection = client_merge.outward(client_merge.project(local, None), directions)
    notes = Body(projection["notes"])
    record = replace(
        client_merge.record_of(projection),
        card=facts.card,
        body=history_block.replace(notes, facts.block) if facts.block else notes,
    )
    fields = frozenset(_going_out(directions))
    memo = Memo(projection, fields, _as_json(facts.card), facts.block, "", touches_notes=True, takes_text=True)
    empty = client_merge.outward(projection, dict.fromkeys(FIELDS, OFF))
    differences = _differences(fields, empty, projection)
    return Create(_place(target), record, projection, why, differences, facts.until, memo)


def _write(link: Link, local: Snapshot, directions: Mapping[str, str], facts: Facts, why: str) -> Step:
    projection = client_merge.project(local, link.base)
    fields = client_merge.outgoing(link.sent, projection, directions)
    card = _as_json(facts.card)
    block = None if link.block_removed_at else facts.block
    text = history_block.render(block) if block else ""
    is_block_new = text != link.written and not link.block_removed_at
    if not fields and card == link.card and not is_block_new:
        return Nothing("unchanged", facts.until)
    record = replace(client_merge.record_of(projection, link.base), card=facts.card)
    written = {*fields, "card"} if card != link.card else fields
    memo = Memo(
        projection,
        frozenset(fields),
        card,
        block,
        link.written,
        touches_notes=is_block_new or "notes" in fields,
        takes_text="notes" in fields,
    )
    differences = _differences(fields, link.sent or {}, projection)
    if is_block_new:
        differences += (Difference("history", link.written, text),)
    sent = {field: projection[field] for field in fields}
    return Write(record, written, why, differences, facts.until, memo, sent=sent)


def _notes(memo: Memo, body: Body, text: str) -> tuple[Body, bool]:
    """The notes as they are to be, and whether the owner of the mailbox has taken the history out of them (W2)."""
    is_removed = history_block.read(body, bool(memo.written)) is history_block.State.REMOVED
    theirs = Body(text) if memo.takes_text else body
    if memo.block is None:
        return history_block.strip(theirs, memo.written), False
    return (theirs, True) if is_removed else (history_block.replace(theirs, memo.block, memo.written), False)


def _going_out(directions: Mapping[str, str]) -> list[str]:
    return [field for field in FIELDS if directions.get(field, BOTH) in (BOTH, OUT)]


def _as_json(card: ClientCard) -> dict[str, Any]:
    found = asdict(card)
    return found | {"last_contact": card.last_contact.isoformat() if card.last_contact else ""}


def _differences(fields: Collection[str], old: Snapshot, new: Snapshot) -> tuple[Difference, ...]:
    return tuple(Difference(f, _line(f, old.get(f, "")), _line(f, new[f])) for f in FIELDS if f in fields)


def _line(field: str, value: Any) -> str:
    """A value of a snapshot as a person reads it."""
    return value if field in SCALARS else "; ".join(identity(field, entry) for entry in value)
