"""One database transaction for each request (invariant 9).

It opens when first used. A POST that ends without an error commits, and a GET that has to be kept (`keep`);
everything else is rolled back.
"""

from __future__ import annotations

from flask import Flask, Response, current_app, g, request
from sqlalchemy.orm import Session, sessionmaker

from terracrm.config import Settings
from terracrm.db import make_engine, session_factory

KEY = "terracrm_sessions"


def init(app: Flask, settings: Settings) -> None:
    """Give the app its sessions. Nothing is opened yet."""
    app.extensions[KEY] = session_factory(make_engine(settings.database.url))
    app.after_request(_commit)
    app.teardown_request(_close)


def session() -> Session:
    """The session of this request."""
    if "session" not in g:
        sessions: sessionmaker[Session] = current_app.extensions[KEY]
        g.session = sessions()
    found: Session = g.session
    return found


def give_up() -> None:
    """Undo what this request did so far."""
    if "session" in g:
        g.session.rollback()


def keep() -> None:
    """Commit what this GET has noted: who downloaded what goes into the audit log (A4)."""
    g.is_kept = True


def _commit(response: Response) -> Response:
    is_kept = request.method == "POST" or g.get("is_kept", False)
    if "session" in g and is_kept and not g.get("failed", False):
        g.session.commit()
    return response


def _close(_: BaseException | None) -> None:
    if opened := g.pop("session", None):
        opened.close()
