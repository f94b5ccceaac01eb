"""What a signature suggests for a contact: accepted or dismissed with a button on its profile (S11)."""

from __future__ import annotations

from flask import Blueprint, redirect, url_for
from werkzeug.wrappers import Response

from terracrm.services import suggestions
from web.configured import settings
from web.database import session
from web.signed_in import viewer

pages = Blueprint("suggestions", __name__, url_prefix="/suggestions")


@pages.post("/<int(max=2147483647):suggestion_id>/accept")
def accept(suggestion_id: int) -> Response:
    """Put it into the contact."""
    return _profile(suggestions.accept(session(), settings(), viewer(), suggestion_id))


@pages.post("/<int(max=2147483647):suggestion_id>/dismiss")
def dismiss(suggestion_id: int) -> Response:
    """Say that it is not so."""
    return _profile(suggestions.dismiss(session(), viewer(), suggestion_id))


def _profile(contact_id: int) -> Response:
    return redirect(url_for("contacts.show", contact_id=contact_id))
