"""`terracrm tray`: who wrote and is not known, and the decision about each."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import typer
from sqlalchemy.orm import Session

from terracrm.cli.invocation import current
from terracrm.cli.lists import every_row
from terracrm.domain.addresses import DomainPolicy
from terracrm.errors import InvalidInput
from terracrm.models import utcnow
from terracrm.services import access, sender_decisions, tray, users
from terracrm.services.access import Viewer
from terracrm.services.sender_decisions import Choice, Decided, Ignore, NewContact, ToCompany, ToContact

app = typer.Typer(help="Who wrote and is not known, and the decision about each.", no_args_is_help=True)

Address = Annotated[str, typer.Argument(help="The address of the sender.")]
As = Annotated[
    str | None,
    typer.Option(
        "--user", metavar="NAME", help="As this person of the portal, who sees and may do no more than there."
    ),
]


@app.command(name="list")
def show(
    user: As = None,
    kind: Annotated[str, typer.Option(help="people, or bulk: those that only write to many.")] = "people",
    text: Annotated[str, typer.Option(help="Only senders with this in their name or address.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on each line.")] = False,
) -> None:
    """List the senders that wait for a decision, with who they may be.

    Example: terracrm tray list --text market --json
    """
    if kind not in ("people", "bulk"):
        raise InvalidInput("--kind is people or bulk")
    with current().transaction() as session:
        since = tray.oldest_arrival(current().settings.mirror.unmatched_days, utcnow())
        viewer = _viewer(session, user)
        which: Literal["people", "bulk"] = "bulk" if kind == "bulk" else "people"
        for entry in every_row(lambda number: tray.listing(session, viewer, since, which, text, number)):
            _print(entry, as_json)


@app.command()
def decide(
    address: Address,
    contact: Annotated[int | None, typer.Option(metavar="ID", help="The sender is this contact.")] = None,
    company: Annotated[int | None, typer.Option(metavar="ID", help="The sender belongs to this company.")] = None,
    takes_domain: Annotated[
        bool, typer.Option("--with-domain", help="With --company: so do all who write from its domain.")
    ] = False,
    new: Annotated[str, typer.Option(metavar="NAME", help="The sender is a new contact of this name.")] = "",
    ignore: Annotated[bool, typer.Option("--ignore", help="The sender is nobody to know.")] = False,
    user: As = None,
) -> None:
    """Decide who a sender is: all its mail follows at once, past and to come.

    Example: terracrm tray decide olga@lavka.example --contact 12
    """
    choice = _choice(contact, company, takes_domain, new, ignore)
    with current().transaction() as session:
        decided = sender_decisions.decide(session, _policy(), _viewer(session, user), address, choice)
    typer.echo(_words(decided))


@app.command()
def undo(address: Address, user: As = None) -> None:
    """Take a decision back: all is as before, and the sender waits again.

    Example: terracrm tray undo olga@lavka.example
    """
    with current().transaction() as session:
        sender_decisions.undo(session, _policy(), _viewer(session, user), address)
    typer.echo(f"What was decided about {address} is taken back.")


def _choice(contact: int | None, company: int | None, takes_domain: bool, new: str, ignore: bool) -> Choice:
    choices: list[Choice] = []
    if contact is not None:
        choices.append(ToContact(contact))
    if new:
        choices.append(NewContact(new, company))
    elif company is not None:
        choices.append(ToCompany(company, takes_domain))
    if ignore:
        choices.append(Ignore())
    if len(choices) != 1:
        raise InvalidInput("say one of --contact ID, --company ID, --new NAME (with its --company ID), or --ignore")
    return choices[0]


def _viewer(session: Session, name: str | None) -> Viewer:
    return access.viewer_of(session, users.get(session, name)) if name else access.operator()


def _policy() -> DomainPolicy:
    mirror = current().settings.mirror
    return DomainPolicy.of(mirror.internal_domains, mirror.free_mail_domains)


def _words(decided: Decided) -> str:
    if decided.contact_id is not None:
        return f"{decided.address} is contact {decided.contact_id}, {decided.name}."
    if decided.company_id is not None:
        return f"{decided.address} belongs to company {decided.company_id}, {decided.name}."
    return f"{decided.address} is ignored."


def _print(entry: tray.Entry, as_json: bool) -> None:
    row = _row(entry)
    if as_json:
        typer.echo(json.dumps(row, ensure_ascii=False))
        return
    names = f" ({', '.join(entry.names[:3])})" if entry.names else ""
    several = ", several have this address" if entry.sender.is_ambiguous else ""
    typer.echo(f"{row['address']}{names}: {row['items']} items, last {row['last']}{several}")
    for found in entry.suggestions:
        typer.echo(f"  {found.score:>3} {found.entity} {found.id}: {found.name} ({', '.join(found.reasons)})")


def _row(entry: tray.Entry) -> dict[str, Any]:
    sender = entry.sender
    return {
        "address": sender.address,
        "names": entry.names,
        "kind": "ambiguous" if sender.is_ambiguous else "unknown",
        "items": sender.items,
        "first": sender.first_at.isoformat(timespec="seconds"),
        "last": sender.last_at.isoformat(timespec="seconds"),
        "newest": [item.subject for item in entry.newest],
        "candidates": [
            {"entity": c.entity, "id": c.id, "name": c.name, "score": c.score, "reasons": list(c.reasons)}
            for c in entry.suggestions
        ],
    }
