"""`terracrm simulator`: an Exchange server to try things with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from terracrm.cli.invocation import current
from terracrm.cli.passwords import PasswordFile, read_password
from terracrm.errors import InvalidInput, TerraCRMError

if TYPE_CHECKING:
    from connectors.simulator.simulator import Simulator

app = typer.Typer(help="A stand-in for Exchange, for trials and tests.", no_args_is_help=True)


@app.command()
def serve(
    password_file: PasswordFile,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8580,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    domain: Annotated[str, typer.Option(help="The domain of the mailboxes.")] = "example.test",
    mail: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Mail to load: DIR/anna/inbox/1.eml is in the inbox of anna@DOMAIN."),
    ] = None,
    vcards: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Contacts to load: DIR/anna/*.vcf are contacts of anna.")
    ] = None,
    calendars: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Calendars to load: DIR/anna/*.ics are in the calendar of anna.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep everything here; a restart goes on where it stopped.")
    ] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Serve HTTPS with a certificate made on the spot.")] = False,
) -> None:
    """Serve EWS until Ctrl-C. Prints one line, `ready URL`, when it serves.

    Every mailbox has the password of the file; service@DOMAIN may impersonate all of them.

    Example: terracrm simulator serve --port 8580 --password-file secret.txt --mail samples/enron
    """
    # Only this command and the demo need the simulator: other commands start faster without it.
    from connectors.simulator.simulator import serve as run

    current().start_log(service=True)
    for option, folder in (("--mail", mail), ("--vcards", vcards), ("--calendars", calendars)):
        if folder is not None and not folder.is_dir():
            raise InvalidInput(f"{option}: there is no folder {folder}")
    try:
        run(
            host=host,
            port=port,
            domain=domain,
            password=read_password(password_file),
            data=data,
            tls=tls,
            load=lambda simulator: _load(simulator, mail, vcards, calendars),
            announce=typer.echo,
        )
    except OSError as error:
        raise TerraCRMError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from None


def _load(simulator: Simulator, mail: Path | None, vcards: Path | None, calendars: Path | None) -> None:
    from connectors.simulator.loader import load

    for path in load(simulator, mail=mail, vcards=vcards, calendars=calendars).unreadable:
        typer.echo(f"Left out, it cannot be opened: {path}", err=True)
