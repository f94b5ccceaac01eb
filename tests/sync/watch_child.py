"""A process in place of the one that listens: it tells of one wake-up, and lives until the daemon ends."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path


def run(config: Path | None, pipe: Connection) -> None:
    """Tell, and wait for the end of the pipe."""
    pipe.send_bytes(b"w")
    pipe.poll(60)
