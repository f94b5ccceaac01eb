"""Whether the portal lives, and whether it can serve: for load balancers and monitoring, without a sign-in (G4)."""

from __future__ import annotations

from flask import Blueprint, Response
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from terracrm import db
from terracrm.models import utcnow
from terracrm.services import alerts
from web.configured import settings
from web.database import session
from web.signed_in import public

pages = Blueprint("health", __name__)


@pages.get("/healthz")
@public
def alive() -> Response:
    """200 as long as this process answers, whatever the database does: restarting the portal would not mend that."""
    return _plain("ok")


@pages.get("/readyz")
@public
def ready() -> Response:
    """200 when the database answers and is of this version; else 503 and what is missing, and nothing else.

    The portal can do without the message broker: that is only told.
    """
    if missing := _missing():
        return _plain(missing, 503)
    if alerts.is_broker_missing(session(), settings(), utcnow()):
        return _plain("ok, but the message broker cannot be reached: no mailbox is read")
    return _plain("ok")


def _missing() -> str:
    engine = session().get_bind()
    assert isinstance(engine, Engine)
    try:
        waiting = db.pending(engine)
    except db.MadeByNewer:
        return "the database was made by a newer version"
    except (db.DatabaseUnusable, SQLAlchemyError):
        return "the database cannot be reached"
    return "the database lacks migrations of this version: run terracrm db upgrade" if waiting else ""


def _plain(text: str, status: int = 200) -> Response:
    return Response(f"{text}\n", status=status, mimetype="text/plain")
