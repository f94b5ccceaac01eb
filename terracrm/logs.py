"""Structured logs: one event a line, with the run and the mailbox it belongs to, and without secrets (A5, G4).

Write `log = structlog.get_logger(__name__)` and `log.info("page committed", created=3)`; `about` adds the run and the
mailbox to everything that is logged inside it, in libraries as well.
"""

from __future__ import annotations

import logging
import re
import sys
from contextlib import AbstractContextManager
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from terracrm.config.settings import Log

REDACTED = "***"
SECRET_KEYS = re.compile(r"passw|secret|token|api_?key|encryption_?key|authorization|cookie|credential", re.I)
URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@")

# They tell of every request, with headers and bodies, or warn of what we handle ourselves.
QUIET = {
    "exchangelib": logging.ERROR,
    "urllib3": logging.ERROR,
    "requests_ntlm": logging.ERROR,
    "spnego": logging.ERROR,
    "apscheduler": logging.WARNING,
    "amqp": logging.WARNING,
    "celery": logging.WARNING,
    "kombu": logging.WARNING,
    "multiprocessing": logging.WARNING,
    "waitress": logging.WARNING,
    "alembic": logging.WARNING,
    "werkzeug": logging.WARNING,
    "sqlalchemy": logging.WARNING,
}


def configure(settings: Log, stream: TextIO | None = None) -> None:
    """Send every log of this process to `stream` (standard error when None) as `settings` say. Call it once."""
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                *_renderers(settings, colours=stream.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)


def about(**facts: object) -> AbstractContextManager[None]:
    """Add facts (run=7, mailbox="anna@romashka.example") to every event logged inside the `with` block."""
    return structlog.contextvars.bound_contextvars(**facts)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Blank what is called like a secret, at any depth, and the passwords of URLs in any text."""
    return {key: _clean(key, value) for key, value in event.items()}


def _clean(key: object, value: object) -> object:
    if isinstance(key, str) and SECRET_KEYS.search(key) and value not in (None, ""):
        return REDACTED
    if isinstance(value, dict):
        return {inner: _clean(inner, item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean("", item) for item in value]
    return URL_PASSWORD.sub(rf"\1:{REDACTED}@", value) if isinstance(value, str) else value


def _renderers(settings: Log, *, colours: bool) -> list[Processor]:
    if settings.format == "json":
        return [structlog.processors.JSONRenderer(ensure_ascii=False, default=str)]
    return [structlog.dev.ConsoleRenderer(colors=colours)]
