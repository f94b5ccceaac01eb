"""Passwords come from files or standard input: never from the command line, where others can read them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from terracrm.errors import InvalidInput

STDIN = Path("-")

PasswordFile = Annotated[
    Path,
    typer.Option(
        metavar="FILE",
        help="The file whose first line is the password; - reads it from standard input.",
    ),
]


def read_password(path: Path) -> str:
    """The first line of the file, or of standard input for `-`; InvalidInput when there is none."""
    try:
        text = sys.stdin.read() if path == STDIN else path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InvalidInput(f"--password-file: there is no file {path}") from None
    except (OSError, UnicodeDecodeError):
        raise InvalidInput(f"--password-file: {path} cannot be read: check its owner, mode and encoding") from None
    password = text.partition("\n")[0].rstrip("\r")
    if not password:
        raise InvalidInput(f"--password-file: the first line of {'standard input' if path == STDIN else path} is empty")
    return password
