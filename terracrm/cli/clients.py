"""What `terracrm contact` and `terracrm company` share: how values are written, and as whom one acts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.cli.invocation import current
from terracrm.domain.addresses import DomainPolicy, normalise
from terracrm.domain.client_values import SAYING
from terracrm.domain.contact_merge import identity
from terracrm.errors import InvalidInput
from terracrm.models import Company, Contact, ContactAddress
from terracrm.services import access, edits, field_changes, field_history, teams, users
from terracrm.services.access import Viewer
from terracrm.services.field_changes import ChangeRow

As = Annotated[
    str | None,
    typer.Option(
        "--user", metavar="NAME", help="As this person of the portal, who sees and may do no more than there."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="As one JSON object.")]
Number = Annotated[int, typer.Argument(metavar="ID", help="The number, as in the address of its page.")]
Settings = Annotated[
    list[str] | None,
    typer.Argument(metavar="FIELD=VALUE...", help="What it is to say; the fields and their forms stand above."),
]
Owner = Annotated[
    str | None, typer.Option(metavar="NAME", help="The sign-in name of who looks after it; '' for nobody.")
]
InTeam = Annotated[str | None, typer.Option("--team", metavar="NAME", help="The team; '' for none.")]
WithChanges = Annotated[bool, typer.Option("--changes", help="With all changes of its data, the newest first.")]
ADD, REMOVE, SET = "+=", "-=", "="
DOMAINS: Final = "domains"


def viewer(session: Session, name: str | None) -> Viewer:
    """Who acts: a person of the portal, or whoever works at this machine."""
    return access.viewer_of(session, users.get(session, name)) if name else access.operator()


def policy() -> DomainPolicy:
    """Which domains are our own, and which are anybody's."""
    mirror = current().settings.mirror
    return DomainPolicy.of(mirror.internal_domains, mirror.free_mail_domains)


def contact_id(session: Session, who: Viewer, text: str) -> int:
    """The number that a text is, or that of the one contact with this address."""
    if text.isascii() and text.isdecimal():
        return int(text)
    mine = select(Contact.id).join(ContactAddress).where(ContactAddress.address == normalise(text))
    ids = session.scalars(mine.where(access.contacts(who)).order_by(Contact.id)).all()
    if len(ids) != 1:
        raise InvalidInput(f"{'several contacts have' if ids else 'no contact has'} the address {text}: say the ID")
    return ids[0]


def parse(settings: Iterable[str], now: Mapping[str, Any]) -> dict[str, Any]:
    """The values that `FIELD=VALUE`, `FIELD+=VALUE` and `FIELD-=VALUE` ask for, starting from what it says now."""
    wanted: dict[str, Any] = {}
    for setting in settings:
        name, found, value = setting.partition("=")
        if not found:
            raise InvalidInput(f"{setting!r}: write FIELD=VALUE, for example job_title=Buyer")
        how = f"{name[-1:]}=" if name[-1:] in ("+", "-") else SET
        field = name.removesuffix("+").removesuffix("-").strip()
        if field not in now:
            raise InvalidInput(f"there is no field {field!r}; there are {', '.join(now)}")
        wanted[field] = _value(field, how, value, wanted.get(field, now[field]))
    return wanted


def assign(
    act: Callable[..., None], session: Session, who: Viewer, client_id: int, owner: str | None, team: str | None
) -> None:
    """Give a client to a person or a team by their names; None leaves one as it is, "" is nobody."""
    if owner is None and team is None:
        raise InvalidInput("say --owner NAME, --team NAME, or both")
    owner_id = edits.UNCHANGED if owner is None else users.get(session, owner).id if owner else None
    team_id = edits.UNCHANGED if team is None else teams.get(session, team).id if team else None
    act(session, who, client_id, owner_id, team_id)


def described(
    session: Session, who: Viewer, client: Contact | Company, values: Mapping[str, Any], changes: bool
) -> dict[str, Any]:
    """All that is known of a client, in JSON terms."""
    company = client.company if isinstance(client, Contact) else None
    found: dict[str, Any] = {"id": client.id, **values}
    if isinstance(client, Contact):
        found |= {"company_id": client.company_id, "company": company.name if company else ""}
    found |= {
        "owner": client.owner.name if client.owner else "",
        "team": client.team.name if client.team else "",
        "archived_at": _when(client.archived_at),
        "created_at": _when(client.created_at),
        "updated_at": _when(client.updated_at),
    }
    if changes:
        rows = field_changes.every(session, who, field_history.entity_of(client), client.id)
        found["changes"] = [_change(row) for row in rows]
    return found


def show(found: Mapping[str, Any], as_json: bool) -> None:
    """Print what `described` says."""
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    for field, value in found.items():
        if field == "changes":
            for row in value:
                typer.echo(f"{row['at'][:16]}  {row['field']}: {row['old'] or '—'} → {row['new'] or '—'}  {row['who']}")
            continue
        for line in _lines(field, value):
            typer.echo(f"{field:<17} {line}")


def _value(field: str, how: str, value: str, now: Any) -> Any:
    if field not in SAYING and field != DOMAINS:
        if how != SET:
            raise InvalidInput(f"{field} has one value: write {field}=VALUE")
        return value
    entries = _entries(field, value)
    if how == SET:
        return entries
    if field == DOMAINS:
        return sorted({*now, *entries} if how == ADD else {*now} - {*entries})
    if how == REMOVE:
        gone = {_key(field, entry) for entry in entries}
        return [entry for entry in now if _key(field, entry) not in gone]
    return list(({_key(field, e): e for e in now} | {_key(field, e): e for e in entries}).values())


def _entries(field: str, value: str) -> list[Any]:
    """A list as JSON, or written as LABEL:VALUE; LABEL:VALUE."""
    if value.lstrip().startswith("["):
        try:
            found = json.loads(value)
        except ValueError:
            raise InvalidInput(f"{field}: this is no JSON list") from None
        known = {"label", *SAYING.get(field, ())}
        for entry in found:
            if not (isinstance(entry, str) if field == DOMAINS else _is_entry(entry, known)):
                raise InvalidInput(f"{field}: each entry is {_form(field)}")
        return list(found)
    parts = [part.strip() for part in value.split(";") if part.strip()]
    return parts if field == DOMAINS else [_entry(field, part) for part in parts]


def _is_entry(found: Any, known: set[str]) -> bool:
    return isinstance(found, dict) and found.keys() <= known and all(isinstance(each, str) for each in found.values())


def _entry(field: str, text: str) -> dict[str, str]:
    label, found, rest = text.partition(":")
    if not found:
        label, rest = "", text
    names = SAYING[field]
    parts = [part.strip() for part in rest.split("|")] if len(names) > 1 else [rest.strip()]
    if len(parts) > len(names):
        raise InvalidInput(f"{field}: {text!r} is not {_form(field)}")
    return {"label": label.strip(), **dict.fromkeys(names, ""), **dict(zip(names, parts, strict=False))}


def _form(field: str) -> str:
    if field == DOMAINS:
        return "a mail domain"
    return f"LABEL:{'|'.join(name.upper() for name in SAYING[field])}"


def _key(field: str, entry: Mapping[str, str]) -> str:
    whole = dict.fromkeys(SAYING[field], "") | dict(entry)
    return identity(field, whole)


def _lines(field: str, value: Any) -> list[str]:
    if value in ("", None, []):
        return []
    if isinstance(value, list):
        if field == DOMAINS:
            return list(value)
        return [": ".join(x for x in (e["label"], " | ".join(e[name] for name in SAYING[field])) if x) for e in value]
    return str(value).splitlines()


def _change(row: ChangeRow) -> dict[str, Any]:
    return {
        "at": row.changed_at.isoformat(timespec="seconds"),
        "field": row.field,
        "old": row.old,
        "new": row.new,
        "who": row.who,
        "source": row.source,
        "mailbox": row.mailbox,
    }


def _when(value: date | datetime | None) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else ""
