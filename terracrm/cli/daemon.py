"""`terracrm daemon`: the mirror at work."""

from __future__ import annotations

from terracrm.cli.invocation import current
from terracrm.cli.packages import require_own_packages


def daemon() -> None:
    """Mirror all enabled mailboxes on their schedule until Ctrl-C or SIGTERM; each stream finishes its page first.

    Example: terracrm --config /etc/terracrm/config.toml daemon
    """
    # The client library of Exchange takes long to import, and only these commands need it.
    from sync.daemon import run

    require_own_packages()
    invocation = current()
    invocation.start_log(service=True)
    invocation.require_database()
    run(invocation.settings, invocation.config)
