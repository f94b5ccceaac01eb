"""The tray: correspondents whom nobody knows, or whose address several people have, for a person to decide (M2).

An entry is an address with all its mail and meetings that the viewer may read; what the viewer may not read is never
counted. Entries expire; the mail itself stays, is found, and joins the history as soon as its sender becomes known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy, is_no_reply, normalise
from terracrm.domain.names import name_key
from terracrm.errors import NotFound
from terracrm.models import Activity, Message, Participant, SenderDecision
from terracrm.models.activities import UNKNOWN
from terracrm.services import access, correspondents, sender_decisions, timeline
from terracrm.services.access import Viewer
from terracrm.services.correspondents import Item
from terracrm.services.listing import PAGE_SIZE, Listing
from terracrm.services.matching import AMBIGUOUS, BY_DOMAIN, IGNORE, match
from terracrm.services.matching import UNKNOWN as UNMATCHED
from terracrm.services.people import SPEAKERS
from terracrm.services.sender_decisions import Decided
from terracrm.services.tray_candidates import Suggestion, suggest

Kind = Literal["people", "bulk"]
ITEMS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Sender:
    """An address of the tray: how many mails and meetings, since when, and whether it writes to many only."""

    address: str
    domain: str
    items: int
    first_at: datetime
    last_at: datetime
    is_ambiguous: bool
    is_bulk: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A sender with the names that it used, its newest items, and who it may be, the likeliest first."""

    sender: Sender
    names: list[str]
    newest: list[Item]
    suggestions: list[Suggestion]

    @property
    def name(self) -> str:
        """What to call the sender: the name that it uses most, or the address."""
        return self.names[0] if self.names else self.sender.address


@dataclass(frozen=True, slots=True)
class SenderPage:
    """One sender with its mail. `entry` is None where nothing is left to decide; `decided` is what a person decided.

    `free_domain` is the domain that a company could be given: it tells a company and is nobody's yet; else "".
    """

    address: str
    entry: Entry | None
    decided: Decided | None
    free_domain: str
    history: timeline.Page


def oldest_arrival(days: int, now: datetime) -> datetime | None:
    """Since when mail must have arrived to keep its sender in the tray; None when none expires (`days` is 0)."""
    return now - timedelta(days=days) if days else None


def listing(
    session: Session, viewer: Viewer, since: datetime | None, kind: Kind = "people", text: str = "", page: int = 1
) -> Listing[Entry]:
    """One page of the senders that wait for a decision, those with the newest mail first.

    `since` is as `oldest_arrival` says; `text` is looked for in addresses and names. Raises Forbidden for a role that
    reads no mail.
    """
    access.require_content(viewer)
    found = [sender for sender in _senders(session, viewer, since) if sender.is_bulk == (kind == "bulk")]
    if text:
        found = _with_text(session, viewer, found, text)
    shown = found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    return Listing(_entries(session, viewer, shown), len(found), page)


def count(session: Session, viewer: Viewer, since: datetime | None) -> int:
    """How many senders wait for a decision of this viewer, those that write to many aside."""
    if not viewer.reads_content:
        return 0
    return sum(not sender.is_bulk for sender in _senders(session, viewer, since))


def show(
    session: Session, policy: DomainPolicy, viewer: Viewer, address: str, after: timeline.Cursor | None = None
) -> SenderPage:
    """One sender with its mail, waiting or decided, expired or not; NotFound where the viewer may read none of it."""
    access.require_content(viewer)
    address = normalise(address)
    decided = sender_decisions.of_address(session, viewer, address)
    if decided is None and not correspondents.is_known_to(session, viewer, address):
        raise NotFound("There is no such sender.")
    mine = correspondents.activities(viewer, address)
    history = timeline.everywhere(session, viewer, after=after, only=[Activity.id.in_(mine)])
    now = match(session, policy, [address])[address]
    waits = decided is None and now.method in (UNMATCHED, AMBIGUOUS, BY_DOMAIN)
    senders = _senders(session, viewer, None, Participant.address == address) if waits else []
    entries = _entries(session, viewer, senders)
    free_domain = policy.company_domain(address) if waits and now.company_id is None else ""
    return SenderPage(address, entries[0] if entries else None, decided, free_domain, history)


def _senders(session: Session, viewer: Viewer, since: datetime | None, *only: ColumnElement[bool]) -> list[Sender]:
    """The senders without a decision in their order; of all unknown ones, or of `only` these."""
    newest = func.max(Activity.occurred_at)
    speaks = Participant.role.in_(SPEAKERS)
    spoken, to_many = (func.sum(case((said, 1), else_=0)) for said in (speaks, speaks & Message.is_bulk))
    ignored = select(SenderDecision.address).where(SenderDecision.decision == IGNORE)
    rows = (
        select(
            Participant.address,
            func.max(Participant.domain),
            func.count(Activity.id.distinct()),
            func.min(Activity.occurred_at),
            newest,
            func.max(Participant.match_method),
            spoken,
            to_many,
        )
        .join(Activity, Activity.id == Participant.activity_id)
        .outerjoin(Message, Message.activity_id == Activity.id)
        .where(*(only or (UNKNOWN,)), *correspondents.shown(viewer), Participant.address.not_in(ignored))
        .group_by(Participant.address)
        .order_by(newest.desc(), Participant.address)
    )
    if since is not None:
        rows = rows.having(func.max(Activity.created_at) >= since)
    return [
        Sender(
            address=address,
            domain=domain,
            items=items,
            first_at=first_at,
            last_at=last_at,
            is_ambiguous=method == AMBIGUOUS,
            is_bulk=is_no_reply(address) or (bool(spoken) and spoken == to_many),
        )
        for address, domain, items, first_at, last_at, method, spoken, to_many in session.execute(rows)
    ]


def _entries(session: Session, viewer: Viewer, senders: Sequence[Sender]) -> list[Entry]:
    if not senders:
        return []
    addresses = [sender.address for sender in senders]
    names = correspondents.names(session, viewer, addresses)
    newest = correspondents.newest(session, viewer, addresses, ITEMS_SHOWN)
    suggestions = suggest(session, viewer, {s.address: (s.domain, names.get(s.address, [])) for s in senders})
    return [
        Entry(sender, names.get(sender.address, []), newest.get(sender.address, []), suggestions[sender.address])
        for sender in senders
    ]


def _with_text(session: Session, viewer: Viewer, senders: Sequence[Sender], text: str) -> list[Sender]:
    names = correspondents.names(session, viewer, [sender.address for sender in senders])
    wanted, key = text.casefold(), name_key(text)
    return [
        sender
        for sender in senders
        if wanted in sender.address or (key and any(key in name_key(name) for name in names.get(sender.address, ())))
    ]
