"""The fields of two clients in a merge: which value stays, and how the values return when it is undone (M4)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final, Literal

from sqlalchemy.orm import Session

from terracrm.domain.names import company_key, name_key
from terracrm.errors import InvalidInput
from terracrm.models import Base, Company, Contact
from terracrm.services import merged
from terracrm.services.company_records import is_named_by_domain
from terracrm.services.merged import Entity

Side = Literal["winner", "loser"]
Values = dict[str, Any]
Client = Contact | Company

# The fields that a person chooses between, each with the columns that go together.
FIELDS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "contact": {
        "display_name": ("display_name",),
        "given_name": ("given_name",),
        "middle_name": ("middle_name",),
        "surname": ("surname",),
        "company_name": ("company_name", "company_id"),
        "department": ("department",),
        "job_title": ("job_title",),
        "website": ("website",),
        "birthday": ("birthday",),
        "notes": ("notes",),
        "owner": ("owner_id", "team_id"),
    },
    "company": {
        "name": ("name",),
        "city": ("city",),
        "phone": ("phone",),
        "website": ("website",),
        "notes": ("notes",),
        "owner": ("owner_id", "team_id"),
    },
}


def entity_of(client: Client) -> Entity:
    """The word for what a client is."""
    return "contact" if isinstance(client, Contact) else "company"


def name(client: Client) -> str:
    """What a client is called."""
    return client.display_name if isinstance(client, Contact) else client.name


def text(client: Client, field: str) -> str:
    """A field as people read it."""
    if field == "owner":
        owner = (client.owner.full_name or client.owner.name) if client.owner else ""
        return ", ".join(part for part in (owner, client.team.name if client.team else "") if part)
    if field == "company_name" and isinstance(client, Contact):
        return client.company.name if client.company else client.company_name
    value = getattr(client, field)
    return value.isoformat() if isinstance(value, date) else str(value or "")


def default(winner: Client, loser: Client, field: str) -> Side:
    """Whose value stays unless somebody chooses: the winner's, where it has one."""
    columns = FIELDS[entity_of(winner)][field]
    if _is_empty(winner, loser, field) and any(getattr(loser, column) for column in columns):
        return "loser"
    return "winner"


def check(entity: Entity, choices: Mapping[str, str]) -> None:
    """Raise InvalidInput for a field or a choice that there is not."""
    for field, side in choices.items():
        if field not in FIELDS[entity] or side not in ("winner", "loser"):
            raise InvalidInput(f"{field}={side} cannot be chosen; the fields are {', '.join(FIELDS[entity])}")


def decide(winner: Client, loser: Client, choices: Mapping[str, str]) -> dict[str, Side]:
    """Whose value each field takes."""
    return {
        field: "loser" if choices.get(field, default(winner, loser, field)) == "loser" else "winner"
        for field in FIELDS[entity_of(winner)]
    }


def snapshot(client: Client) -> Values:
    """The values of all columns that a merge can change, in JSON terms."""
    columns = [column for columns in FIELDS[entity_of(client)].values() for column in columns]
    return as_json(client, [*columns, "archived_at"])


def taken(winner: Client, loser: Client, sides: Mapping[str, Side]) -> Values:
    """The columns that the winner takes from the loser, where they differ. What one of them is in use for is in use."""
    columns = [
        column
        for field, columns in FIELDS[entity_of(winner)].items()
        if sides[field] == "loser"
        for column in columns
        if getattr(winner, column) != getattr(loser, column)
    ]
    found = as_json(loser, columns)
    return found | {"archived_at": None} if winner.archived_at and not loser.archived_at else found


def write(client: Client, values: Values) -> None:
    """Set these columns, and what follows from a name."""
    for column, value in from_json(type(client), values).items():
        setattr(client, column, value)
    if isinstance(client, Contact):
        client.name_key = name_key(client.display_name)
    else:
        client.name_key = company_key(client.name)


def restore(
    session: Session, winner: Client, before: Values, after: Values, theirs: Collection[str], own: Collection[str]
) -> list[str]:
    """Give the winner back what the merge replaced; the fields that were changed since, which stay as they are.

    What the loser's own entries changed since (`theirs`) goes with the loser, so that it is the winner's no more; what
    the winner's own entries came to say (`own`) stays.
    """
    kept = []
    groups = [*FIELDS[entity_of(winner)].items(), ("archived_at", ("archived_at",))]
    for field, columns in groups:
        mine = {column: after[column] for column in columns if column in after}
        if field in theirs:
            write(winner, _current(session, {column: before[column] for column in columns}))
        elif not mine:
            continue
        elif field not in own and _current(session, mine) == _current(session, as_json(winner, mine)):
            write(winner, _current(session, {column: before[column] for column in mine}))
        else:
            kept.append(field)
    return kept


def as_json(row: Base, columns: Iterable[str]) -> Values:
    """Columns of a row in JSON terms: days and times in ISO form."""
    values = {column: getattr(row, column) for column in columns}
    return {column: v.isoformat() if isinstance(v, (date, datetime)) else v for column, v in values.items()}


def from_json(model: type[Base], values: Values) -> Values:
    """What `as_json` wrote, as the columns take it."""
    types = {column: model.__table__.c[column].type.python_type for column in values}
    return {
        column: types[column].fromisoformat(value) if value and issubclass(types[column], date) else value
        for column, value in values.items()
    }


def _current(session: Session, values: Values) -> Values:
    """The values, with the company that is now meant by an id: companies are merged, too."""
    if not values.get("company_id"):
        return values
    return values | {"company_id": merged.survivor_id(session, "company", values["company_id"])}


def _is_empty(winner: Client, loser: Client, field: str) -> bool:
    """Whether the winner says nothing in a field. An address is no name, and a mail domain no company's name."""
    if isinstance(winner, Contact) and isinstance(loser, Contact):
        if field == "display_name":
            return "@" in winner.display_name and "@" not in loser.display_name
        if field == "company_name":
            return not winner.company_name and winner.company_id in (None, loser.company_id)
    if isinstance(winner, Company) and isinstance(loser, Company) and field == "name":
        return is_named_by_domain(winner) and not is_named_by_domain(loser)
    return not any(getattr(winner, column) for column in FIELDS[entity_of(winner)][field])
