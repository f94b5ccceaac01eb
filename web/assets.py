"""Addresses of static files that change with their content, so that browsers may keep them for a year."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from flask import Flask, url_for

VERSION_CHARS = 10


def init(app: Flask) -> None:
    """Give the templates `asset(name)`."""
    folder = Path(str(app.static_folder))
    app.jinja_env.globals["asset"] = lambda name: url_for("static", filename=name, v=_version(folder / name))


@cache
def _version(path: Path) -> str | None:
    """A digest of the file; None when it is missing: the page must still come out."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:VERSION_CHARS]
    except OSError:
        return None
