"""Whether the portal can serve: for load balancers and monitoring."""

from __future__ import annotations

from flask import Blueprint, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from web.database import give_up, session
from web.signed_in import public

pages = Blueprint("health", __name__)


@pages.get("/healthz")
@public
def show() -> Response:
    """200 when the database answers, else 503."""
    try:
        session().execute(text("SELECT 1 FROM roles"))
    except SQLAlchemyError:
        give_up()
        return Response("database unavailable\n", status=503, mimetype="text/plain")
    return Response("ok\n", mimetype="text/plain")
