"""`terracrm config`: check the settings, write an example, make keys."""

from __future__ import annotations

import typer

from terracrm.cli.invocation import current
from terracrm.config.example import example_toml, reference
from terracrm.config.files import find_config
from terracrm.secrets import new_key

app = typer.Typer(help="The settings.", no_args_is_help=True)


@app.command()
def check() -> None:
    """Check the settings, and report every mistake at once.

    Exit code 78 when there are any.

    Example: terracrm --config /etc/terracrm/config.toml config check
    """
    invocation = current()
    settings = invocation.settings
    file = find_config(invocation.config)
    typer.echo(f"The settings are right: {file or 'the defaults and the environment, there is no file'}")
    typer.echo(f"Data folder: {settings.paths.data_dir}")


@app.command()
def example(
    markdown: bool = typer.Option(False, "--markdown", help="The page docs/configuration.md instead."),
) -> None:
    """Print every setting with its description, its default and an example.

    Example: terracrm config example > config.toml
    """
    typer.echo(reference() if markdown else example_toml(), nl=False)


@app.command()
def key() -> None:
    """Make a key for security.secret_key or security.encryption_keys.

    Example: terracrm config key > /etc/terracrm/encryption_keys
    """
    typer.echo(new_key())
