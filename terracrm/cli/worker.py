"""`terracrm worker`: runs streams, on this machine among others."""

from __future__ import annotations

from typing import Annotated

import typer

from terracrm.cli.invocation import current
from terracrm.cli.packages import require_own_packages
from terracrm.errors import ConfigError


def worker(
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Streams at a time, each in a process; without it sync.workers."),
    ] = None,
) -> None:
    """Run what the daemon puts on the queue, until Ctrl-C or SIGTERM; each stream finishes its page first.

    For engine celery (sync.engine), on any number of machines.

    Example: terracrm --config /etc/terracrm/config.toml worker --concurrency 4
    """
    require_own_packages()
    invocation = current()
    settings = invocation.settings
    if settings.sync.engine != "celery":
        raise ConfigError(["sync.engine: is local: terracrm daemon runs the streams itself; workers need celery"])
    from sync import queue

    invocation.start_log(service=True)
    invocation.require_database()
    if code := queue.work(settings, concurrency or settings.sync.workers):
        raise typer.Exit(code)
