"""Who took part in activities, as a viewer may see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, bindparam, false, select, true
from sqlalchemy.orm import Session

from terracrm.models import Activity, ActivityKind, ActivityMailbox, Contact, Mailbox, Participant
from terracrm.services import access
from terracrm.services.access import Viewer
from terracrm.services.matching import INTERNAL

SPEAKERS = ("from", "organizer")
BLIND_COPY = "bcc"
Participated = Row[*tuple[Any, ...]]
_PARTICIPANTS = (
    select(
        Participant.activity_id,
        Participant.role,
        Participant.name,
        Participant.address,
        Participant.response,
        Participant.contact_id,
        Participant.match_method,
    )
    .where(Participant.activity_id.in_(bindparam("ids", expanding=True)))
    .order_by(Participant.activity_id, Participant.position)
)


@dataclass(frozen=True, slots=True)
class Person:
    """A participant. `contact_id` is set when it is a contact that the viewer sees; `is_ours` for colleagues."""

    role: str
    name: str
    address: str
    response: str
    contact_id: int | None
    is_ours: bool
    match_method: str

    @property
    def label(self) -> str:
        """The name, or the address of who has none."""
        return self.name or self.address


def speaker(people: Iterable[Person]) -> Person | None:
    """Who wrote the mail or called the meeting."""
    return next((person for person in people if person.role in SPEAKERS), None)


def others(people: Iterable[Person]) -> list[Person]:
    """Those whom it was addressed to."""
    return [person for person in people if person.role not in SPEAKERS]


ROLE_ORDER = ("from", "organizer", "to", "required", "cc", "optional", "bcc", "resource")


def by_role(people: list[Person]) -> list[tuple[str, list[Person]]]:
    """The participants by their role, the speaker first."""
    return [(role, found) for role in ROLE_ORDER if (found := [person for person in people if person.role == role])]


def people_of(session: Session, viewer: Viewer, activity_ids: Sequence[int]) -> dict[int, list[Person]]:
    """The participants of each activity in their order; nobody for a role that reads no history.

    A blind copy is shown to the sender, to its receiver and to controllers only, as Outlook does.
    """
    if not activity_ids or not viewer.reads_content:
        return {}
    rows = session.execute(_PARTICIPANTS, {"ids": activity_ids}).all()
    names = _visible_contacts(session, viewer, {row.contact_id for row in rows if row.contact_id})
    by_activity: dict[int, list[Participated]] = defaultdict(list)
    for row in rows:
        by_activity[row.activity_id].append(row)
    own = _own_addresses(session, viewer) if any(row.role == BLIND_COPY for row in rows) else frozenset()
    return {
        activity_id: [_person(row, names) for row in _without_blind_copies(viewer, own, found)]
        for activity_id, found in by_activity.items()
    }


def blind_copies(session: Session, viewer: Viewer, activity_id: int, shown: Iterable[Person]) -> set[str]:
    """The addresses that a viewer who is shown these people must not learn of.

    Those are the blind copies that the item names, and the mailboxes that hold a mail which does not name them: the
    sender's blind copies, or a list's members. None for a role that reads no history: it does not learn who wrote to
    whom at all.
    """
    if not viewer.reads_content:
        return set()
    held = (
        select(Mailbox.address)
        .join(ActivityMailbox, ActivityMailbox.mailbox_id == Mailbox.id)
        .join(Activity, Activity.id == ActivityMailbox.activity_id)
        .where(Activity.id == activity_id, Activity.kind == ActivityKind.MAIL)
        .where(Mailbox.id.not_in(viewer.mailbox_ids), false() if viewer.sees_all else true())
    )
    blind = session.scalars(
        select(Participant.address).where(Participant.activity_id == activity_id, Participant.role == BLIND_COPY)
    )
    return {*blind, *session.scalars(held)} - {person.address for person in shown}


def _person(row: Participated, names: dict[int, str]) -> Person:
    contact_id = row.contact_id if row.contact_id in names else None
    name = names.get(row.contact_id or 0) or row.name
    return Person(row.role, name, row.address, row.response, contact_id, row.match_method == INTERNAL, row.match_method)


def _visible_contacts(session: Session, viewer: Viewer, contact_ids: Iterable[int]) -> dict[int, str]:
    ids = sorted(set(contact_ids))
    if not ids:
        return {}
    return dict(session.execute(_contacts(viewer), {"ids": ids}).all())


@access.kept
def _contacts(viewer: Viewer) -> Select[int, str]:
    these = Contact.id.in_(bindparam("ids", expanding=True))
    return select(Contact.id, Contact.display_name).where(these, access.contacts(viewer))


def _own_addresses(session: Session, viewer: Viewer) -> frozenset[str]:
    addresses = session.scalars(select(Mailbox.address).where(Mailbox.id.in_(viewer.mailbox_ids)))
    return frozenset(address.casefold() for address in addresses)


def _without_blind_copies(viewer: Viewer, own: frozenset[str], found: list[Participated]) -> list[Participated]:
    if viewer.sees_all or any(row.role in SPEAKERS and row.address in own for row in found):
        return found
    return [row for row in found if row.role != BLIND_COPY or row.address in own]
