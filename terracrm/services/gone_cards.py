"""What became of cards that are no longer where they were: moved, deleted by their people, or by us (S9).

Told once all folders of a mailbox were read, and not before: a move is a deletion here and something new there, and
while a folder is read anew all of its cards are gone. What is settled has no version any more; a card that stays out
of Outlook keeps its link as a tombstone, `untracked_at`, and only a person brings it back.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, exists, or_, select
from sqlalchemy.orm import Session, aliased

from terracrm.config import Settings
from terracrm.domain import client_merge
from terracrm.domain.capture import hashed
from terracrm.models import Contact, Link, MirrorFolder, QuarantinedItem, SkippedItem, Stream, utcnow
from terracrm.services import client_cards, client_writes, field_history, links, merged, outbox, scopes, skipped
from terracrm.services.outbox import CLIENTS, CONTACT
from terracrm.services.sources import Source, lock_directory

ARCHIVE = "archive"
MOST_ARCHIVED = 20
"""Of more cards than these, gone at once, nobody is archived: that is a cleared folder or a lost mailbox, no decision
about each client. They only leave this Outlook, and whatever comes back there is a card again."""
_Card = aliased(Link, name="gone_card")


def look_for_moved(session: Session, stream: Stream) -> bool:
    """Have copies of cards that are gone read again: one of them may be the card itself, moved; whether there are any.

    Of several it is the one that was met last: a copy that was there before the card left is a copy. Which of them is
    ours is not certain then, so that it is not ours to remove: it counts as adopted.
    """
    found = False
    for link in session.scalars(_unsettled(stream).order_by(Link.id)).all():
        copies = session.scalars(select(SkippedItem.id).where(*_copies(link))).all() if link.key else []
        if copies and skipped.make_due(session, SkippedItem.id == max(copies)):
            link.version, found = "", True
            link.match_method = client_cards.BY_KEY if len(copies) > 1 else link.match_method
    session.flush()
    return found


def is_any_to_settle(session: Session, settings: Settings, stream: Stream) -> bool:
    """Whether `settle` has anything to do: mostly it has not, and this holds up nobody."""
    questions = [_unsettled(stream)]
    if stream.direction == "both" and outbox.may_write(stream):
        questions.append(_adoptable(session, settings, stream))
    return any(session.execute(select(*(found.exists() for found in questions))).one())


def settle(session: Session, settings: Settings, stream: Stream, source: Source, may_archive: bool = True) -> int:
    """Say of each card that is gone what that means; how many clients left Outlook or the CRM by it.

    Nobody is archived for what a mailbox lacks that was just moved to another server: it may still be on its way.

    What a person put among the cards becomes a card where its contact has come into the mailbox's scope.
    """
    settled = 0
    if session.scalar(select(_unsettled(stream).exists())):
        lock_directory(session, for_writing=True)
        gone = session.scalars(_unsettled(stream).order_by(Link.id)).all()
        archives = may_archive and _archives(settings, stream) and len(gone) <= MOST_ARCHIVED
        settled = sum(_settle(session, settings, stream, source, link, archives) for link in gone)
        session.flush()
    if stream.direction == "both" and outbox.may_write(stream):
        _adopt(session, settings, stream, source)
    return settled


def _adopt(session: Session, settings: Settings, stream: Stream, source: Source) -> None:
    """Let entries of persons among the cards be cards whose contacts have come into scope."""
    found = _adoptable(session, settings, stream)
    if not session.scalar(select(found.exists())):
        return
    lock_directory(session, for_writing=True)
    for link in session.scalars(found.order_by(Link.id)).all():
        if not client_cards.has_card(session, stream.mailbox_id, link.local_id):
            client_cards.adopt(session, source, stream, link, session.get_one(Contact, link.local_id), None)


def _settle(session: Session, settings: Settings, stream: Stream, source: Source, link: Link, archives: bool) -> bool:
    contact = merged.survivor(session, session.get(Contact, link.local_id))
    if contact is None or contact.archived_at is not None or outbox.is_being_removed(session, link):
        session.delete(link)
        return False
    folder = session.get_one(MirrorFolder, link.folder_id)
    if link.untracked_at is None and not (folder.role and folder.gone_at is not None):
        verdict = client_writes.verdict(session, settings, stream, contact.id, link)
        has_news = client_merge.outgoing(
            link.sent,
            client_merge.project(client_writes.local(contact), link.base),
            client_cards.directions_of(stream),
        )
        if verdict.is_removed or has_news:
            session.delete(link)  # out of scope; or edit beats delete: without the link it is lacking
            return False
        if archives and not _is_elsewhere(session, link):
            with field_history.recording(session, field_history.of_mailbox(source), contact):
                contact.archived_at = utcnow()
            session.delete(link)
            return True
    link.version, link.untracked_at = "", link.untracked_at or utcnow()
    link.written, link.card = "", None  # the history that it told may be withdrawn any day
    return True


def _archives(settings: Settings, stream: Stream) -> bool:
    return (stream.on_delete or settings.outlook.on_delete) == ARCHIVE


def _is_elsewhere(session: Session, link: Link) -> bool:
    """Whether the mailbox still has an entry of the client: then who deletes the card does not archive the client."""
    others = links.of(session, CONTACT, link.local_id, link.mailbox_id)
    return any(other.gone_at is None for other in others)


def _unsettled(stream: Stream) -> Select[Link]:
    """The cards of which it is to be told why they are gone; one that cannot be read now is not gone."""
    is_sick = exists().where(QuarantinedItem.folder_id == Link.folder_id, QuarantinedItem.remote_id == Link.remote_id)
    mine = links.in_stream(stream), Link.entity == CONTACT, Link.rule == CLIENTS
    is_open = or_(Link.untracked_at.is_(None), Link.version != "")
    return select(Link).where(*mine, Link.gone_at.is_not(None), is_open, ~is_sick)


def _copies(link: Link) -> tuple[ColumnElement[bool], ...]:
    of_mailbox = select(MirrorFolder.id).join(Stream).where(Stream.mailbox_id == link.mailbox_id)
    same_key = SkippedItem.message_hash == hashed(link.key)
    return SkippedItem.folder_id.in_(of_mailbox), SkippedItem.rule == client_cards.COPY, same_key


def _adoptable(session: Session, settings: Settings, stream: Stream) -> Select[Link]:
    """Entries of persons among the cards whose contact is in scope and has no card: they were not, when they came."""
    has_card = exists().where(
        _Card.mailbox_id == stream.mailbox_id,
        _Card.entity == CONTACT,
        _Card.local_id == Link.local_id,
        _Card.rule == CLIENTS,
        or_(_Card.gone_at.is_(None), _Card.version != ""),
    )
    among_cards = select(MirrorFolder.id).where(MirrorFolder.stream_id == stream.id, MirrorFolder.role == CLIENTS)
    in_scope = select(Contact.id).where(scopes.condition(session, settings, stream))
    return (
        select(Link)
        .where(Link.folder_id.in_(among_cards), Link.entity == CONTACT, Link.rule != CLIENTS)
        .where(Link.gone_at.is_(None), Link.untracked_at.is_(None), Link.local_id.in_(in_scope), ~has_card)
    )
