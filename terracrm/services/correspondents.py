"""People outside by their addresses: what a viewer may know of each from the mail that this viewer may read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, exists, func, or_, select, true
from sqlalchemy.orm import Session, aliased

from terracrm.models import Activity, Mailbox, MessageBody, Participant, User
from terracrm.services import access
from terracrm.services.access import Viewer
from terracrm.services.matching import INTERNAL, chunks
from terracrm.services.people import BLIND_COPY, SPEAKERS

_Speaker = aliased(Participant, name="speaker")


@dataclass(frozen=True, slots=True)
class Item:
    """A mail or meeting of a correspondent."""

    activity_id: int
    kind: str
    subject: str
    occurred_at: datetime


def shown(viewer: Viewer) -> tuple[ColumnElement[bool], ...]:
    """The participants from outside who can be told by an address, where the viewer may see them; for queries that
    join Participant and Activity.

    Our own mailboxes and users are never among them, nor rooms, nor blind copies that are not for the viewer.
    """
    ours = select(func.lower(Mailbox.address)).union_all(select(func.lower(User.email)))
    return (
        Participant.address.like("%_@_%"),
        Participant.address.not_like("% %"),
        Participant.address.not_in(ours),
        Participant.match_method != INTERNAL,
        Participant.role != "resource",
        or_(Participant.role != BLIND_COPY, _sees_blind_copies(viewer)),
        access.readable_activities(viewer),
    )


def activities(viewer: Viewer, address: str) -> Select[int]:
    """The ids of what an address took part in, as far as the viewer sees it there."""
    joined = select(Activity.id).join(Participant, Participant.activity_id == Activity.id)
    return joined.where(Participant.address == address, *shown(viewer))


def is_known_to(session: Session, viewer: Viewer, address: str) -> bool:
    """Whether this viewer may read anything of an address."""
    return session.scalar(activities(viewer, address).limit(1)) is not None


def names(session: Session, viewer: Viewer, addresses: Sequence[str]) -> dict[str, list[str]]:
    """The names that each of these addresses used, the most used first."""
    often = func.count()
    rows = (
        select(Participant.address, Participant.name)
        .join(Activity, Activity.id == Participant.activity_id)
        .where(Participant.name != "", *shown(viewer))
        .group_by(Participant.address, Participant.name)
        .order_by(Participant.address, often.desc(), Participant.name)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for some in chunks(addresses):
        for address, name in session.execute(rows.where(Participant.address.in_(some))):
            if name.strip().casefold() not in (address, *(known.casefold() for known in found[address])):
                found[address].append(name.strip())
    return found


def newest(session: Session, viewer: Viewer, addresses: Sequence[str], limit: int) -> dict[str, list[Item]]:
    """The newest items of each of these addresses."""
    mine = (
        select(Participant.address, Activity.id, Activity.kind, Activity.subject, Activity.occurred_at)
        .join(Activity, Activity.id == Participant.activity_id)
        .where(Participant.address.in_(addresses), *shown(viewer))
        .distinct()
        .subquery()
    )
    latest_first = mine.c.occurred_at.desc(), mine.c.id.desc()
    place = func.row_number().over(partition_by=mine.c.address, order_by=latest_first).label("place")
    placed = select(mine, place).subquery()
    rows = session.execute(select(placed).where(placed.c.place <= limit).order_by(placed.c.address, placed.c.place))
    found: dict[str, list[Item]] = defaultdict(list)
    for address, activity_id, kind, subject, occurred_at, _ in rows:
        found[address].append(Item(activity_id, kind, subject, occurred_at))
    return found


def newest_texts(session: Session, viewer: Viewer, addresses: Sequence[str]) -> dict[str, str]:
    """The newest text that each of these addresses wrote, without what it quotes as far as that was told apart."""
    newest_id = (
        select(Participant.address, func.max(Activity.id).label("id"))
        .join(Activity, Activity.id == Participant.activity_id)
        .join(MessageBody, MessageBody.activity_id == Activity.id)
        .where(Participant.address.in_(addresses), Participant.role == "from", *shown(viewer))
        .group_by(Participant.address)
        .subquery()
    )
    body = func.coalesce(func.nullif(MessageBody.unique_text, ""), MessageBody.text)
    rows = select(newest_id.c.address, body).join(MessageBody, MessageBody.activity_id == newest_id.c.id)
    return dict(session.execute(rows).all())


def _sees_blind_copies(viewer: Viewer) -> ColumnElement[bool]:
    """Who may see everything does, and who wrote the mail."""
    if viewer.sees_all:
        return true()
    own = select(func.lower(Mailbox.address)).where(Mailbox.id.in_(viewer.mailbox_ids))
    return exists().where(
        _Speaker.activity_id == Participant.activity_id, _Speaker.role.in_(SPEAKERS), _Speaker.address.in_(own)
    )
