"""From the words of a command to its exit code: the one place where errors become plain words."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import typer

from terracrm.cli.app import app
from terracrm.cli.invocation import begin, current
from terracrm.errors import ConfigError, TerraCRMError
from terracrm.logs import URL_PASSWORD

ERROR_LOG = "errors.log"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    begin()
    words = hoist_config(list(sys.argv[1:] if arguments is None else arguments))
    try:
        typer.main.get_command(app).main(words, prog_name="terracrm")
    except TerraCRMError as error:
        _say(error)
        sys.exit(error.exit_code)
    except Exception as error:
        if current().debug:
            raise
        typer.echo(f"Error: {_unexpected(error)}", err=True)
        sys.exit(1)
    finally:
        current().close()
    sys.exit(0)


def hoist_config(words: list[str]) -> list[str]:
    """The words with `--config FILE` in front, so that it may stand anywhere on the line."""
    front: list[str] = []
    rest: list[str] = []
    remaining = iter(words)
    for word in remaining:
        if word == "--":
            rest += [word, *remaining]
        elif word == "--config":
            front += [word, *[value for value in [next(remaining, None)] if value is not None]]
        elif word.startswith("--config="):
            front.append(word)
        else:
            rest.append(word)
    return front + rest


def _say(error: TerraCRMError) -> None:
    if isinstance(error, ConfigError) and len(error.problems) > 1:
        typer.echo("Error: the settings have mistakes:", err=True)
        for problem in error.problems:
            typer.echo(f"  {problem}", err=True)
    else:
        typer.echo(f"Error: {error}", err=True)


def _unexpected(error: Exception) -> str:
    """Keep the details where only this user can read them, and say where."""
    details = f"{datetime.now(UTC).isoformat()} {URL_PASSWORD.sub(r'***@', traceback.format_exc())}\n"
    for folder in (_data_dir(), Path(tempfile.gettempdir())):
        if folder is None:
            continue
        path = folder / (ERROR_LOG if folder == _data_dir() else f"terracrm-{os.getuid()}-{ERROR_LOG}")
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600), "a") as file:
                file.write(details)
        except OSError:
            continue
        return f"something unexpected happened ({type(error).__name__}). The details are in {path}"
    return f"something unexpected happened ({type(error).__name__}). Repeat it with --debug to see the details"


def _data_dir() -> Path | None:
    try:
        return current().settings.paths.data_dir
    except TerraCRMError:
        return None
