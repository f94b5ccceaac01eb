"""Who took part in activities, as a viewer may see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Select, bindparam, false, select, true
from sqlalchemy.orm import Session

from terracrm.models import Activity, ActivityKind, ActivityMailbox, Contact, Mailbox, Participant
from terracrm.services import access, bulk, rows
from terracrm.services.access import Viewer
from terracrm.services.matching import INTERNAL

SPEAKERS = ("from", "organizer")
BLIND_COPY = "bcc"
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
    .where(bulk.one_of(Participant.activity_id, bindparam("ids")))
    .order_by(Participant.activity_id, Participant.position)
)


class Person(NamedTuple):
    """A participant. `contact_id` is set when it is a contact that the viewer sees; `is_ours` for colleagues.

    A tuple, because there are a hundred on a page, and frozen dataclasses take five times as long to make.
    """

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
    found = rows.fetch(session, _PARTICIPANTS, {"ids": activity_ids})
    names = _visible_contacts(session, viewer, {contact_id for *_, contact_id, _ in found if contact_id})
    people: dict[int, list[Person]] = defaultdict(list)
    has_blind_copies = False
    for activity_id, role, name, address, response, contact_id, method in found:
        seen_id = contact_id if contact_id in names else None
        shown = names.get(contact_id) or name
        people[activity_id].append(Person(role, shown, address, response, seen_id, method == INTERNAL, method))
        has_blind_copies = has_blind_copies or role == BLIND_COPY
    if has_blind_copies and not viewer.sees_all:
        own = _own_addresses(session, viewer)
        return {activity_id: _without_blind_copies(own, each) for activity_id, each in people.items()}
    return dict(people)


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


def _visible_contacts(session: Session, viewer: Viewer, contact_ids: Iterable[int]) -> dict[int | None, str]:
    ids = sorted(set(contact_ids))
    if not ids:
        return {}
    return dict(rows.fetch(session, _contacts(viewer), {"ids": ids}))


@access.kept
def _contacts(viewer: Viewer) -> Select[int, str]:
    these = bulk.one_of(Contact.id, bindparam("ids"))
    return select(Contact.id, Contact.display_name).where(these, access.contacts(viewer))


def _own_addresses(session: Session, viewer: Viewer) -> frozenset[str]:
    addresses = session.scalars(select(Mailbox.address).where(Mailbox.id.in_(viewer.mailbox_ids)))
    return frozenset(address.casefold() for address in addresses)


def _without_blind_copies(own: frozenset[str], people: list[Person]) -> list[Person]:
    if any(person.role in SPEAKERS and person.address in own for person in people):
        return people
    return [person for person in people if person.role != BLIND_COPY or person.address in own]
