"""Which clients have a card in a mailbox's Outlook, and what it is to say: what `sync.clients` writes (W1, S9)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, or_, select
from sqlalchemy.orm import Session, aliased, selectinload

from terracrm.config import Settings
from terracrm.domain.contact_merge import LISTS, Snapshot
from terracrm.languages import language_of
from terracrm.models import Contact, Link, OutboxItem, Stream
from terracrm.services import access, client_history, contact_data, links, outbox, role_folders, scopes
from terracrm.services.outbox import CLIENTS, CONTACT

IN_SCOPE: Final = "in_scope"
"""The rule by which there is a card; the others say why there is none."""
LEFT_SCOPE, NOT_IN_SCOPE, ADOPTED, HIDDEN = "left_scope", "not_in_scope", "adopted", "hidden"
ARCHIVED, MERGED, FORGOTTEN = "archived", "merged", "forgotten"
DECLINED, PRIVATE, PAUSED = "declined", "private", "paused"

# Aliases, because these conditions stand beside queries of the same tables.
_Card = aliased(Link, name="card")
_Owed = aliased(OutboxItem, name="owed")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of a client's card, and the rule that says so; neither flag: it is left as it is."""

    why: str
    is_wanted: bool = False
    is_removed: bool = False


def verdict(session: Session, settings: Settings, stream: Stream, contact_id: int, link: Link | None) -> Verdict:
    """Whether the mailbox is to have the card of a contact; `link` is the card that it has."""
    return verdicts(session, settings, stream, {contact_id: link})[contact_id]


def verdicts(
    session: Session, settings: Settings, stream: Stream, cards: Mapping[int, Link | None]
) -> dict[int, Verdict]:
    """The same for some contacts at once, each with the card that the mailbox has."""
    if not outbox.may_write(stream):
        return dict.fromkeys(cards, Verdict(PAUSED))
    found = {id_: Verdict(PRIVATE) for id_, link in cards.items() if link is not None and link.untracked_at is not None}
    out = _out(session, cards.keys() - found.keys())
    found |= {id_: Verdict(why, is_removed=cards[id_] is not None) for id_, why in out.items() if why}
    asked = cards.keys() - found.keys()
    in_scope = _in_scope(session, settings, stream, asked)
    declined = _declined(session, stream, [id_ for id_ in in_scope if cards[id_] is None])
    found |= {id_: Verdict(DECLINED) if id_ in declined else Verdict(IN_SCOPE, is_wanted=True) for id_ in in_scope}
    left = {id_: cards[id_] for id_ in asked - in_scope}
    seen = _seen(session, stream, [id_ for id_, link in left.items() if link is not None])
    return found | {id_: _out_of_scope(link, id_ in seen) for id_, link in left.items()}


def _out_of_scope(link: Link | None, is_seen: bool) -> Verdict:
    """The verdict on a contact that may have a card, but not by the scope. A card of a person's own making stays.

    Nothing more is told on it of a client whom the mailbox's owner does not see any more.
    """
    if link is None:
        return Verdict(NOT_IN_SCOPE)
    if link.match_method == links.WRITTEN:
        return Verdict(LEFT_SCOPE, is_removed=True)
    return Verdict(ADOPTED, is_wanted=True) if is_seen else Verdict(HIDDEN)


def settle(session: Session, settings: Settings, stream: Stream) -> None:
    """Owe the mailbox the cards that it lacks or should no longer have, where they are not on the list already.

    And all that it has when the settings make them say something else.
    """
    if not outbox.may_write(stream) or role_folders.is_deleted(stream, CLIENTS):
        return
    mailbox_id = stream.mailbox_id
    lacking = _lacking(mailbox_id, scopes.condition(session, settings, stream))
    owed = session.scalars(lacking.where(~_is_owed(mailbox_id, Contact.id))).all()
    outbox.owe(session, mailbox_id, CONTACT, owed, IN_SCOPE)
    withdraw(session, settings, stream)
    if not client_history.is_current(session, settings, stream):
        owe_all(session, stream)


def withdraw(session: Session, settings: Settings, stream: Stream) -> None:
    """Owe the mailbox the cards alone that it should no longer have, where they are not on the list already."""
    mailbox_id = stream.mailbox_id
    superfluous = _superfluous(stream, scopes.condition(session, settings, stream))
    owed = session.scalars(superfluous.where(~_is_owed(mailbox_id, Link.local_id))).all()
    outbox.owe(session, mailbox_id, CONTACT, owed, LEFT_SCOPE)


def to_come(session: Session, settings: Settings, stream: Stream) -> tuple[int, int]:
    """How many cards the mailbox is still to get, and how many are to leave it, as its rules are now (Y1)."""
    if not outbox.may_write(stream) or role_folders.is_deleted(stream, CLIENTS):
        return 0, 0
    in_scope = scopes.condition(session, settings, stream)
    both = _lacking(stream.mailbox_id, in_scope), _superfluous(stream, in_scope)
    made, removed = (session.scalar(select(func.count()).select_from(ids.subquery())) or 0 for ids in both)
    return made, removed


def owe_all(session: Session, stream: Stream) -> None:
    """Owe a mailbox all the cards that it has: for when what is written to it was changed or switched on again."""
    mine = links.in_stream(stream), Link.entity == CONTACT, Link.rule == CLIENTS
    outbox.owe(session, stream.mailbox_id, CONTACT, session.scalars(select(Link.local_id).where(*mine)).all(), "rules")


def put_back(session: Session, stream: Stream, contact_ids: Collection[int]) -> None:
    """A person wants these clients in Outlook again that were deleted there (S9)."""
    mine = Link.mailbox_id == stream.mailbox_id, Link.entity == CONTACT, Link.rule == CLIENTS
    session.execute(delete(Link).where(*mine, Link.local_id.in_(contact_ids), Link.gone_at.is_not(None)))
    outbox.owe(session, stream.mailbox_id, CONTACT, contact_ids, "put_back")


def make_folder_again(session: Session, stream: Stream) -> bool:
    """Let the next run make the clients' folder again that a person deleted, with all cards that went with it.

    Whether it was deleted. A client that was taken out of the folder before stays out.
    """
    gone = [row for row in stream.folders if row.role == CLIENTS and row.gone_at is not None]
    if not role_folders.make_again(session, stream, CLIENTS):
        return False
    for folder in gone:
        session.execute(delete(Link).where(Link.folder_id == folder.id, Link.gone_at >= folder.gone_at))
    session.flush()
    return True


def contacts(session: Session, contact_ids: Collection[int]) -> dict[int, Contact]:
    """These contacts with all that `local` asks for, by their ids."""
    lists = [selectinload(rows) for rows in (Contact.addresses, Contact.phones, Contact.postal_addresses)]
    query = select(Contact).where(Contact.id.in_(contact_ids)).options(*lists)
    return {contact.id: contact for contact in session.scalars(query)}


def local(contact: Contact) -> Snapshot:
    """What we say of a contact, as a snapshot; its categories are nobody's business here."""
    said: dict[str, Any] = dict(contact_data.texts(contact))
    return said | {field: contact_data.entries(contact, field) for field in LISTS} | {"categories": []}


def folder_name(settings: Settings, stream: Stream) -> str:
    """What the clients' folder is called when it is made: as the mailbox or the settings say, or in its language."""
    default = language_of(settings, stream.mailbox.user).gettext("TerraCRM Clients")
    return stream.clients_folder or settings.outlook.clients_folder or default


def _out(session: Session, contact_ids: Collection[int]) -> dict[int, str]:
    """Why these contacts have no card in any mailbox; "" for one that may."""
    columns = select(Contact.id, Contact.merged_into_id, Contact.archived_at).where(Contact.id.in_(contact_ids))
    out = dict.fromkeys(contact_ids, FORGOTTEN)
    for id_, merged_into_id, archived_at in session.execute(columns) if contact_ids else ():
        out[id_] = MERGED if merged_into_id is not None else ARCHIVED if archived_at is not None else ""
    return out


def _in_scope(session: Session, settings: Settings, stream: Stream, contact_ids: Collection[int]) -> set[int]:
    if not contact_ids:
        return set()  # of those that are out anyhow nobody has to know the scope
    belongs = scopes.condition(session, settings, stream)
    return set(session.scalars(select(Contact.id).where(Contact.id.in_(contact_ids), belongs)))


def _declined(session: Session, stream: Stream, contact_ids: Collection[int]) -> set[int]:
    """The clients whose card was deleted in Outlook: only a person puts it back."""
    mine = Link.entity == CONTACT, Link.local_id.in_(contact_ids), Link.mailbox_id == stream.mailbox_id
    return set(session.scalars(select(Link.local_id).where(*mine, Link.rule == CLIENTS))) if contact_ids else set()


def _seen(session: Session, stream: Stream, contact_ids: Collection[int]) -> set[int]:
    """Those of these clients whom the owner of the mailbox sees."""
    if not contact_ids:
        return set()
    seen = access.contacts(access.viewer_of_mailbox(session, stream.mailbox))
    return set(session.scalars(select(Contact.id).where(Contact.id.in_(contact_ids), seen)))


def _any_card(mailbox_id: int) -> ColumnElement[bool]:
    """Whether a contact has a card in the mailbox, or had one that was deleted there."""
    mine = _Card.mailbox_id == mailbox_id, _Card.entity == CONTACT, _Card.rule == CLIENTS
    return exists().where(_Card.local_id == Contact.id, *mine)


def _is_owed(mailbox_id: int, local_id: Any) -> ColumnElement[bool]:
    mine = _Owed.mailbox_id == mailbox_id, _Owed.entity == CONTACT
    return exists().where(_Owed.local_id == local_id, *mine, ~outbox.waits_for_its_time(_Owed))


def _lacking(mailbox_id: int, in_scope: ColumnElement[bool]) -> Select[int]:
    """The contacts in scope that have no card, and had none that was deleted in Outlook."""
    return select(Contact.id).where(in_scope, ~_any_card(mailbox_id))


def _superfluous(stream: Stream, in_scope: ColumnElement[bool]) -> Select[int]:
    """The contacts of the cards that go: of no client any more, ours out of scope, or one of two of the same."""
    mailbox_id = stream.mailbox_id
    card = links.in_stream(stream), Link.entity == CONTACT, Link.rule == CLIENTS, Link.gone_at.is_(None)
    is_active = exists().where(Contact.id == Link.local_id, scopes.is_active())
    belongs = exists().where(Contact.id == Link.local_id, in_scope)
    other = _Card.mailbox_id == mailbox_id, _Card.entity == CONTACT, _Card.rule == CLIENTS, _Card.gone_at.is_(None)
    is_double = exists().where(_Card.local_id == Link.local_id, *other, _Card.id != Link.id)
    left = and_(Link.match_method == links.WRITTEN, ~belongs)
    goes = and_(Link.untracked_at.is_(None), or_(~is_active, left, is_double))
    return select(Link.local_id).where(*card, goes).distinct()
