"""`terracrm company`: look at the customer organisations, and change them by hand."""

from __future__ import annotations

import typer

from terracrm.cli import clients
from terracrm.cli.clients import As, AsJson, InTeam, Number, Owner, Settings, WithChanges
from terracrm.cli.invocation import current
from terracrm.services import companies, company_edits, edits

app = typer.Typer(help="Look at the customer organisations, and change them by hand.", no_args_is_help=True)


@app.command()
def show(number: Number, user: As = None, changes: WithChanges = False, as_json: AsJson = False) -> None:
    """Show all that is known of a company.

    Example: terracrm company show 3 --changes --json
    """
    with current().transaction() as session:
        viewer = clients.viewer(session, user)
        company = companies.profile(session, viewer, number).company
        found = clients.described(session, viewer, company, company_edits.values(company), changes)
    clients.show(found, as_json)


@app.command()
def add(settings: Settings = None, user: As = None, as_json: AsJson = False) -> None:
    """Add a company. The fields are written as `terracrm company set --help` says.

    Example: terracrm company add "name=Lavka Ltd" city=Tula domains=lavka.example
    """
    with current().transaction() as session:
        viewer = clients.viewer(session, user)
        wanted = clients.parse(settings or (), company_edits.blank())
        company = company_edits.add(session, clients.policy(), viewer, wanted)
        found = clients.described(session, viewer, company, company_edits.values(company), changes=False)
    clients.show(found, as_json)


@app.command(name="set")
def change(number: Number, settings: Settings = None, user: As = None, as_json: AsJson = False) -> None:
    """Change fields of a company; nothing after the = empties a field.

    Texts: name, city, phone, website, notes. A list: domains=DOMAIN; DOMAIN. += adds to the list, -= removes from it.

    Example: terracrm company set 3 city=Tula domains+=lavka.example
    """
    with current().transaction() as session:
        viewer = clients.viewer(session, user)
        company = edits.company(session, viewer, number)
        wanted = clients.parse(settings or (), company_edits.values(company))
        fields = company_edits.edit(session, clients.policy(), viewer, number, wanted)
        found = clients.described(session, viewer, company, company_edits.values(company), changes=False)
    if as_json:
        clients.show(found, as_json)
    else:
        typer.echo(f"Changed: {', '.join(fields)}." if fields else "Nothing was changed: it says so already.")


@app.command()
def archive(number: Number, user: As = None) -> None:
    """Put a company away: it leaves the lists; its people and its history stay.

    Example: terracrm company archive 3
    """
    with current().transaction() as session:
        done = company_edits.archive(session, clients.viewer(session, user), number)
    typer.echo("The company is archived." if done else "The company was archived before.")


@app.command()
def restore(number: Number, user: As = None) -> None:
    """Take an archived company out again.

    Example: terracrm company restore 3
    """
    with current().transaction() as session:
        done = company_edits.restore(session, clients.viewer(session, user), number)
    typer.echo("The company is back." if done else "The company was not archived.")


@app.command()
def assign(number: Number, owner: Owner = None, team: InTeam = None, user: As = None) -> None:
    """Say who looks after a company.

    Example: terracrm company assign 3 --owner anna --team North
    """
    with current().transaction() as session:
        clients.assign(company_edits.assign, session, clients.viewer(session, user), number, owner, team)
    typer.echo("Done.")
