"""`terracrm user`: the people who sign in to the portal."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from terracrm.cli.invocation import current
from terracrm.cli.passwords import PasswordFile, read_password
from terracrm.errors import InvalidInput
from terracrm.models import User
from terracrm.services import users

app = typer.Typer(help="The people who sign in to the portal.", no_args_is_help=True)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    role: Annotated[str, typer.Option(help="manager, controller or admin.")],
    password_file: PasswordFile,
    full_name: Annotated[str, typer.Option(help="The name that others see.")] = "",
    email: Annotated[str, typer.Option(help="Their address; the mailbox of this address becomes theirs.")] = "",
    team: Annotated[str | None, typer.Option(help="Their team, made when there is none of this name.")] = None,
    language: Annotated[str, typer.Option(help="en or ru; without it their browser decides.")] = "",
) -> None:
    """Add a person.

    Example: terracrm user add anna --role manager --team Sales --email anna@romashka.example --password-file anna.txt
    """
    password = read_password(password_file)
    with current().transaction() as session:
        users.add(session, name, role, password, full_name=full_name, email=email, team=team, language=language)
    typer.echo(f"{name} can sign in as {role}.")


@app.command(name="list")
def show(as_json: Annotated[bool, typer.Option("--json", help="One JSON object on each line.")] = False) -> None:
    """List the people who may sign in.

    Example: terracrm user list
    """
    with current().transaction() as session:
        rows = [_row(user) for user in users.every(session)]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    for row in rows:
        details = ", ".join(str(row[key]) for key in ("role", "team", "full_name", "email") if row[key])
        typer.echo(f"{row['name']}: {details}{'' if row['active'] else ' (not active)'}")


@app.command(name="set")
def change(
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    role: Annotated[str | None, typer.Option(help="manager, controller or admin.")] = None,
    team: Annotated[str | None, typer.Option(help="Their team, made when there is none; '' for none.")] = None,
    language: Annotated[str | None, typer.Option(help="en or ru; '' lets their browser decide.")] = None,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Whether they may sign in, and Outlook is written to.")
    ] = None,
) -> None:
    """Change what is known of a person.

    Example: terracrm user set anna --team Service --language ru
    """
    if role is None and team is None and language is None and active is None:
        raise InvalidInput("say what to change: --role, --team, --language, --active or --inactive")
    with current().transaction() as session:
        users.change(session, users.get(session, name), role=role, team=team, language=language, is_active=active)
    typer.echo(f"{name} is changed.")


@app.command()
def password(
    name: Annotated[str, typer.Argument(help="The name to sign in with.")], password_file: PasswordFile
) -> None:
    """Set a new password. Open sessions of the person end, and a lockout is lifted.

    Example: terracrm user password anna --password-file anna.txt
    """
    new = read_password(password_file)
    with current().transaction() as session:
        users.set_password(session, users.get(session, name), new)
    typer.echo(f"{name} has a new password.")


def _row(user: User) -> dict[str, object]:
    return {
        "name": user.name,
        "role": user.role_code,
        "team": user.team.name if user.team else "",
        "full_name": user.full_name,
        "email": user.email,
        "active": user.is_active,
    }
