"""The portal: Flask, server-rendered; every page reads through `terracrm.services`, none waits for Exchange."""

from __future__ import annotations

from datetime import timedelta
from importlib import resources
from pathlib import Path

from flask import Flask
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from terracrm import secrets
from terracrm.config import Settings
from web import (
    alerts,
    assets,
    attachments,
    client_forms,
    companies,
    conflicts,
    contacts,
    conversations,
    database,
    errors,
    faults,
    formats,
    health,
    home,
    languages,
    mailbox_rules,
    mailboxes,
    meetings,
    merges,
    messages,
    metrics,
    outbox,
    plans,
    quarantine,
    queries,
    reconciliations,
    recurrences,
    run_undo,
    said,
    search,
    security,
    sign_in,
    signed_in,
    suggestions,
    tasks,
    topics,
    tray,
    words,
)

MAX_REQUEST_BYTES = 1_000_000
BLUEPRINTS = (
    home.pages,
    companies.pages,
    contacts.pages,
    client_forms.pages,
    suggestions.pages,
    messages.pages,
    conversations.pages,
    topics.pages,
    attachments.pages,
    meetings.pages,
    tasks.pages,
    merges.pages,
    tray.pages,
    search.pages,
    mailboxes.pages,
    reconciliations.pages,
    quarantine.pages,
    mailbox_rules.pages,
    alerts.pages,
    run_undo.pages,
    outbox.pages,
    plans.pages,
    conflicts.pages,
    sign_in.pages,
    languages.pages,
    health.pages,
    metrics.pages,
)


def create_app(settings: Settings) -> Flask:
    """The portal over the database that the settings name; raises TerraCRMError when they cannot hold."""
    app = Flask("web", template_folder=str(_folder("web.templates")), static_folder=str(_folder("web") / "static"))
    is_https = settings.web.address.startswith("https:")
    app.config.update(
        SECRET_KEY=secrets.session_key(settings),
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.web.session_hours),
        SESSION_COOKIE_NAME="terracrm_session",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SECURE=is_https,
        SEND_FILE_MAX_AGE_DEFAULT=timedelta(days=365),
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.extensions["terracrm_settings"] = settings
    if proxies := settings.web.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies, x_port=proxies
        )
    CSRFProtect(app)
    database.init(app, settings)
    signed_in.init(app)
    languages.init(app, settings)
    security.init(app, is_https)
    for part in (assets, errors, faults, formats, queries, recurrences, said, words):
        part.init(app)
    for pages in BLUEPRINTS:
        app.register_blueprint(pages)
    return app


def _folder(package: str) -> Path:
    with resources.as_file(resources.files(package)) as folder:
        return folder
