"""How one client stands in one mailbox's Outlook, and bringing back what its owner took out there (W2, S9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain.records import StreamKind
from terracrm.errors import InvalidInput, NotFound
from terracrm.models import Contact, Link, Mailbox, OutboxItem, Stream
from terracrm.services import audit, client_writes, links, outbox

THERE, WITHOUT_HISTORY, PRIVATE = "there", "without_history", "private"
DELETED, OWED, NOWHERE = "deleted", "owed", "nowhere"
SHOWN_AGAIN: Final = "history_again"


@dataclass(frozen=True, slots=True)
class CardState:
    """What a client is called, and which of the words above says how it stands."""

    name: str
    word: str


def state(session: Session, mailbox: Mailbox, contact_id: int) -> CardState:
    """How the client stands in the mailbox; raises NotFound where there is no such contact."""
    contact = _contact(session, contact_id)
    there = links.live(session, mailbox.id, outbox.CONTACT, [contact_id], outbox.CLIENTS).get(contact_id, [])
    if there:
        link = there[0]
        if link.untracked_at is not None:
            return CardState(contact.display_name, PRIVATE)
        return CardState(contact.display_name, WITHOUT_HISTORY if link.block_removed_at else THERE)
    if _is_owed(session, mailbox, contact_id):
        return CardState(contact.display_name, OWED)
    gone = _cards(session, mailbox, contact_id)
    return CardState(contact.display_name, DELETED if gone else NOWHERE)


def put_back(session: Session, settings: Settings, mailbox: Mailbox, contact_id: int, user_id: int | None) -> None:
    """Bring a client back that was deleted in Outlook. Raises InvalidInput where it was not, or has no place there."""
    if state(session, mailbox, contact_id).word != DELETED:
        raise InvalidInput(f"contact {contact_id} was not deleted in the Outlook of {mailbox.address}")
    stream = _stream(mailbox)
    client_writes.put_back(session, stream, [contact_id])
    verdict = client_writes.verdict(session, settings, stream, contact_id, None)
    if not verdict.is_wanted:
        raise InvalidInput(f"contact {contact_id} has no place in {mailbox.address}: {verdict.why.replace('_', ' ')}")
    _record(session, mailbox, contact_id, user_id, "card.put_back")


def show_history(session: Session, mailbox: Mailbox, contact_id: int, user_id: int | None) -> None:
    """Put the history into the notes again, from which it was taken out. Raises InvalidInput, NotFound."""
    if state(session, mailbox, contact_id).word != WITHOUT_HISTORY:
        raise InvalidInput(f"nobody took the history of contact {contact_id} out of its notes in {mailbox.address}")
    _stream(mailbox)
    for link in links.live(session, mailbox.id, outbox.CONTACT, [contact_id], outbox.CLIENTS).get(contact_id, []):
        link.block_removed_at, link.written = None, ""
    session.flush()
    outbox.owe(session, mailbox.id, outbox.CONTACT, [contact_id], SHOWN_AGAIN)
    _record(session, mailbox, contact_id, user_id, "card.show_history")


def _contact(session: Session, contact_id: int) -> Contact:
    contact = session.get(Contact, contact_id)
    if contact is None:
        raise NotFound(f"there is no contact {contact_id}")
    return contact


def _stream(mailbox: Mailbox) -> Stream:
    """The stream that writes clients into this mailbox; raises InvalidInput where nothing is written."""
    found = next((stream for stream in mailbox.streams if stream.kind == StreamKind.CONTACTS), None)
    if found is None or found.direction not in outbox.OUT:
        raise InvalidInput(f"no clients are kept in {mailbox.address}: terracrm mailbox outlook {mailbox.address}")
    return found


def _is_owed(session: Session, mailbox: Mailbox, contact_id: int) -> bool:
    mine = OutboxItem.mailbox_id == mailbox.id, OutboxItem.entity == outbox.CONTACT, OutboxItem.local_id == contact_id
    return session.scalar(select(OutboxItem.id).where(*mine, ~outbox.waits_for_its_time())) is not None


def _cards(session: Session, mailbox: Mailbox, contact_id: int) -> list[Link]:
    found = links.of(session, outbox.CONTACT, contact_id, mailbox.id)
    return [link for link in found if link.rule == outbox.CLIENTS]


def _record(session: Session, mailbox: Mailbox, contact_id: int, user_id: int | None, action: str) -> None:
    audit.record(session, user_id, action, "contact", contact_id, mailbox.address)
