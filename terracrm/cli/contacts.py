"""`terracrm contact`: look at the people of the clients, and change them by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from terracrm.cli import clients
from terracrm.cli.clients import As, AsJson, InTeam, Owner, Settings, WithChanges
from terracrm.cli.invocation import current
from terracrm.services import contact_edits, contacts, edits

app = typer.Typer(help="Look at the people of the clients, and change them by hand.", no_args_is_help=True)

Who = Annotated[str, typer.Argument(metavar="ID", help="The number, as in the address of its page, or an address.")]


@app.command()
def show(who: Who, user: As = None, changes: WithChanges = False, as_json: AsJson = False) -> None:
    """Show all that is known of a contact.

    Example: terracrm contact show 7 --changes --json
    """
    with current().transaction() as session:
        viewer = clients.viewer(session, user)
        contact = contacts.get(session, viewer, clients.contact_id(session, viewer, who))
        found = clients.described(session, viewer, contact, contact_edits.values(contact), changes)
    clients.show(found, as_json)


@app.command()
def add(settings: Settings = None, user: As = None, as_json: AsJson = False) -> None:
    """Add a contact. The fields are written as `terracrm contact set --help` says.

    Example: terracrm contact add display_name="Olga Orlova" emails=1:olga@lavka.example phones=mobile:+79165550304
    """
    with current().transaction() as session:
        viewer = clients.viewer(session, user)
        wanted = clients.parse(settings or (), contact_edits.blank())
        contact = contact_edits.add(session, clients.policy(), viewer, wanted)
        found = clients.described(session, viewer, contact, contact_edits.values(contact), changes=False)
    clients.show(found, as_json)


@app.command(name="set")
def change(who: Who, settings: Settings = None, user: As = None, as_json: AsJson = False) -> None:
    """Change fields of a contact; nothing after the = empties a field.

    Texts: display_name, given_name, middle_name, surname, company_name, department, job_title, website, stage, notes,
    and birthday (1985-02-28).

    Lists: emails=LABEL:ADDRESS, phones=LABEL:NUMBER and postal_addresses=LABEL:STREET|CITY|REGION|POSTAL_CODE|COUNTRY,
    several entries with ; between them. = gives the whole list, += adds entries or changes those that are there
    already, -= removes them. A list can also be JSON: 'phones=[{"label": "mobile", "number": "+7 916 555-03-04"}]'.

    Labels: 1, 2, 3 of addresses; business, mobile, home, company_main, business_fax, other... of phones; business,
    home, other of postal addresses.

    Example: terracrm contact set 7 job_title=Director "phones+=mobile:+7 916 555-03-04" emails-=old@lavka.example
    """
    with current().transaction() as session:
        viewer = clients.viewer(session, user)
        contact = edits.contact(session, viewer, clients.contact_id(session, viewer, who))
        wanted = clients.parse(settings or (), contact_edits.values(contact))
        fields = contact_edits.edit(session, clients.policy(), viewer, contact.id, wanted)
        found = clients.described(session, viewer, contact, contact_edits.values(contact), changes=False)
    if as_json:
        clients.show(found, as_json)
    else:
        typer.echo(f"Changed: {', '.join(fields)}." if fields else "Nothing was changed: it says so already.")


@app.command()
def archive(who: Who, user: As = None) -> None:
    """Put a contact away: it leaves the lists and all Outlooks; its history stays.

    Example: terracrm contact archive 7
    """
    with current().transaction() as session:
        viewer = clients.viewer(session, user)
        done = contact_edits.archive(session, viewer, clients.contact_id(session, viewer, who))
    typer.echo("The contact is archived." if done else "The contact was archived before.")


@app.command()
def restore(who: Who, user: As = None) -> None:
    """Take an archived contact out again.

    Example: terracrm contact restore 7
    """
    with current().transaction() as session:
        viewer = clients.viewer(session, user)
        done = contact_edits.restore(session, viewer, clients.contact_id(session, viewer, who))
    typer.echo("The contact is back." if done else "The contact was not archived.")


@app.command()
def assign(who: Who, owner: Owner = None, team: InTeam = None, user: As = None) -> None:
    """Say who looks after a contact.

    Example: terracrm contact assign 7 --owner anna --team North
    """
    with current().transaction() as session:
        viewer = clients.viewer(session, user)
        contact_id = clients.contact_id(session, viewer, who)
        clients.assign(contact_edits.assign, session, viewer, contact_id, owner, team)
    typer.echo("Done.")
