"""Contacts changed by hand, in the portal or by command: made, edited, archived, restored, assigned (P7, P2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.contact_merge import LISTS, SCALARS
from terracrm.models import Contact
from terracrm.services import contact_data, edits, history
from terracrm.services.access import Viewer
from terracrm.services.edits import Values
from terracrm.services.field_history import of_viewer, recording
from terracrm.services.sources import lock_directory

BY_HAND: Final = "by_hand"
NAMING: Final = ("display_name", "given_name", "middle_name", "surname", "company_name", "emails", "phones")


def values(contact: Contact) -> dict[str, Any]:
    """All that an edit can change, as it is now: texts, and lists of entries with their labels."""
    said: dict[str, Any] = dict(contact_data.texts(contact)) | {"stage": contact.stage}
    return said | {field: contact_data.entries(contact, field) for field in LISTS}


def blank() -> dict[str, Any]:
    """The values of a contact that is not there yet."""
    return dict.fromkeys((*SCALARS, "stage"), "") | {field: [] for field in LISTS}


def add(session: Session, policy: DomainPolicy, viewer: Viewer, wanted: Values) -> Contact:
    """A new contact of the viewer's, in the company that it names or that its addresses tell.

    Raises Forbidden, or BadValues.
    """
    edits.require_right(viewer)
    lock_directory(session, for_writing=True)
    found = edits.changed(wanted, blank(), None)
    if not any(found.get(field) for field in NAMING):
        raise edits.refuse("display_name", "nameless")
    made = Contact(
        display_name="",
        name_key="",
        owner_id=viewer.signs_as,
        team_id=viewer.team_id,
        stage=found.pop("stage", ""),
        created_by_rule=BY_HAND,
    )
    session.add(made)
    session.flush()
    contact_data.change(session, of_viewer(viewer), policy, made, found)
    edits.note(session, viewer, made, "add")
    return made


def edit(
    session: Session,
    policy: DomainPolicy,
    viewer: Viewer,
    contact_id: int,
    wanted: Values,
    seen: Mapping[str, str] | None = None,
) -> list[str]:
    """Change what is wanted otherwise, all that follows included; the fields that changed.

    `seen` are the seals (`edits.seals`) of what the form was filled with. Raises Forbidden, NotFound, BadValues, or
    ChangedMeanwhile.
    """
    contact = edits.contact(session, viewer, contact_id)
    now = values(contact)
    found = edits.changed(wanted, now, seen)
    fields = sorted(found)
    if not any((now | found)[field] for field in NAMING):
        raise edits.refuse("display_name", "nameless")
    if found:
        with recording(session, of_viewer(viewer), contact):
            contact.stage = found.pop("stage", contact.stage)
            contact_data.change(session, of_viewer(viewer), policy, contact, found)
        edits.note(session, viewer, contact, "edit", fields)
    return fields


def archive(session: Session, viewer: Viewer, contact_id: int) -> bool:
    """Put a contact away: it leaves lists, Outlook and the matching of mail; its history stays. Whether it was not."""
    contact = edits.contact(session, viewer, contact_id)
    done = edits.set_archived(session, viewer, contact, True)
    history.unlink_addresses(session, [entry.address for entry in contact.addresses])
    return done


def restore(session: Session, viewer: Viewer, contact_id: int) -> bool:
    """Take an archived contact out again: its addresses find it as before. Whether it was archived."""
    contact = edits.contact(session, viewer, contact_id)
    done = edits.set_archived(session, viewer, contact, False)
    history.link_addresses(session, [entry.address for entry in contact.addresses])
    return done


def assign(
    session: Session,
    viewer: Viewer,
    contact_id: int,
    owner_id: int | None = edits.UNCHANGED,
    team_id: int | None = edits.UNCHANGED,
) -> None:
    """Say who looks after a contact; see `edits.assign`. Raises Forbidden, NotFound or InvalidInput."""
    edits.assign(session, viewer, edits.contact(session, viewer, contact_id), owner_id, team_id)
