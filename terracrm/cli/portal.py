"""`terracrm web`: the portal."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Annotated, Any

import typer

from terracrm.cli.invocation import current
from terracrm.cli.packages import require_own_packages
from terracrm.errors import TerraCRMError


def web(
    host: Annotated[str | None, typer.Option(help="Instead of the setting web.host.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Instead of the setting web.port.")] = None,
) -> None:
    """Serve the portal until Ctrl-C. Prints one line, `ready URL`, when it serves.

    Example: terracrm web --port 8000
    """
    import waitress.server

    from web import create_app

    require_own_packages()
    invocation = current()
    settings = invocation.settings
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings.web = settings.web.model_copy(update=given)
    invocation.start_log(service=True)
    invocation.require_database()
    try:
        server = waitress.server.create_server(
            create_app(settings),
            host=settings.web.host,
            port=settings.web.port,
            threads=settings.web.threads,
            ident="",
            # The portal counts the proxies and believes as many X-Forwarded values; without any none comes in.
            clear_untrusted_proxy_headers=not settings.web.trusted_proxies,
        )
    except OSError as error:
        place = f"{settings.web.host}:{settings.web.port}"
        raise TerraCRMError(f"cannot listen on {place}: {error.strerror}; choose another --port") from None
    signal.signal(signal.SIGTERM, _stop)
    typer.echo(f"ready {settings.web.address}")
    _until_stopped(server.run)


def _until_stopped(run: Callable[[], Any]) -> None:
    try:
        run()
    except KeyboardInterrupt:
        return


def _stop(*_: object) -> None:
    raise KeyboardInterrupt
