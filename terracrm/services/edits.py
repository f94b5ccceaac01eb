"""What edits of contacts and companies share: who may, and what of a form is somebody's own change (P7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from terracrm.domain.client_values import BadValues, Problem, check, seal, tidy
from terracrm.errors import Forbidden, InvalidInput, NotFound
from terracrm.models import Company, Contact, Team, User, utcnow
from terracrm.services import access, audit, field_history
from terracrm.services.access import Viewer
from terracrm.services.field_history import entity_of
from terracrm.services.sources import lock_directory

Client = Contact | Company
Values = Mapping[str, Any]
UNCHANGED = -1
"""For `assign`: leave this one as it is."""


class ChangedMeanwhile(InvalidInput):
    """Somebody else has changed fields that this edit changes, too. Nothing was changed.

    `theirs` and `mine` are the values of these fields, tidy.
    """

    def __init__(self, theirs: Values, mine: Values) -> None:
        self.theirs, self.mine = dict(theirs), dict(mine)
        fields = ", ".join(theirs)
        super().__init__(f"Somebody has changed these meanwhile: {fields}. Look at them again.")


def seals(values: Values) -> dict[str, str]:
    """What a form carries along to say which values it was filled with."""
    return {field: seal(value) for field, value in tidy(values).items()}


def changed(wanted: Values, now: Values, seen: Mapping[str, str] | None) -> dict[str, Any]:
    """The tidy values of the fields that this edit changes, all checked.

    `seen` are the seals of what the form was filled with: what a person left as it was shown is no change of theirs.
    Raises BadValues, or ChangedMeanwhile.
    """
    present, asked = tidy(now), tidy(wanted)
    unknown = asked.keys() - present.keys()
    if unknown:
        raise InvalidInput(f"there are no fields {', '.join(sorted(unknown))}; there are {', '.join(present)}")
    seen = seen or {}
    found = {
        field: value
        for field, value in asked.items()
        if value != present[field] and (field not in seen or seal(value) != seen[field])
    }
    stale = [field for field in found if field in seen and seal(present[field]) != seen[field]]
    check(found, present)
    if stale:
        raise ChangedMeanwhile({f: present[f] for f in stale}, {f: found[f] for f in stale})
    return found


def require_right(viewer: Viewer) -> None:
    """Raise Forbidden for a role that changes no clients."""
    if not viewer.decides:
        raise Forbidden("This role changes no clients: ask the client's manager.")


def contact(session: Session, viewer: Viewer, contact_id: int) -> Contact:
    """A contact that the viewer may change, for writing; raises Forbidden or NotFound."""
    require_right(viewer)
    lock_directory(session, for_writing=True)
    mine = select(Contact).where(Contact.id == contact_id, access.contacts(viewer))
    found = session.scalar(mine.execution_options(populate_existing=True))
    if found is None:
        raise NotFound(f"There is no such contact: {contact_id}.")
    return found


def company(session: Session, viewer: Viewer, company_id: int) -> Company:
    """A company that the viewer may change, for writing; raises Forbidden or NotFound."""
    require_right(viewer)
    lock_directory(session, for_writing=True)
    mine = select(Company).where(Company.id == company_id, access.companies(viewer))
    found = session.scalar(mine.execution_options(populate_existing=True))
    if found is None:
        raise NotFound(f"There is no such company: {company_id}.")
    return found


def set_archived(session: Session, viewer: Viewer, client: Client, archived: bool) -> bool:
    """Put a client away or take it out again; whether that changed anything."""
    if (client.archived_at is not None) == archived:
        return False
    with field_history.recording(session, field_history.of_viewer(viewer), client):
        client.archived_at = utcnow() if archived else None
    note(session, viewer, client, "archive" if archived else "restore")
    return True


def assign(session: Session, viewer: Viewer, client: Client, owner_id: int | None, team_id: int | None) -> None:
    """Say who looks after a client: a person, a team, both or, with None, nobody. UNCHANGED leaves one as it is.

    Raises InvalidInput for people and teams that there are not, and for people who no longer work here.
    """
    owner_id = client.owner_id if owner_id == UNCHANGED else owner_id
    team_id = client.team_id if team_id == UNCHANGED else team_id
    if owner_id is not None and owner_id != client.owner_id:
        owner = session.get(User, owner_id)
        if owner is None or not owner.is_active:
            raise InvalidInput("This person does not look after clients: choose another one.")
    if team_id is not None and session.get(Team, team_id) is None:
        raise InvalidInput("There is no such team.")
    with field_history.recording(session, field_history.of_viewer(viewer), client) as rows:
        client.owner_id, client.team_id = owner_id, team_id
    session.expire(client, ["owner", "team"])
    if rows:
        note(session, viewer, client, "assign", [row.field for row in rows])


def note(session: Session, viewer: Viewer, client: Client, act: str, fields: list[str] | None = None) -> None:
    """A line of the audit log: what was done to which fields, without what they say."""
    entity = entity_of(client)
    audit.record(session, viewer.signs_as, f"{entity}.{act}", entity, client.id, ", ".join(fields or []))


def people(session: Session) -> list[tuple[int, str]]:
    """Who can look after clients, by name."""
    name = func.coalesce(func.nullif(User.full_name, ""), User.name)
    looks_after = select(User.id, name).where(User.is_active, User.role_code == access.RoleCode.MANAGER)
    return [(id_, called) for id_, called in session.execute(looks_after.order_by(name, User.id))]


def teams(session: Session) -> list[tuple[int, str]]:
    """The teams, by name."""
    return [(id_, name) for id_, name in session.execute(select(Team.id, Team.name).order_by(Team.name))]


def refuse(field: str, code: str, value: str = "") -> BadValues:
    """One value that cannot be taken."""
    return BadValues([Problem(field, code, value)])
