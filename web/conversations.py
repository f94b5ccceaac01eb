"""Conversations: all messages of a thread on one page."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from terracrm.services import conversations
from web import queries
from web.database import session
from web.signed_in import viewer

pages = Blueprint("conversations", __name__, url_prefix="/messages")


@pages.get("/<int(max=2147483647):message_id>/conversation")
def show(message_id: int) -> str | Response:
    """The conversation that a message is part of. It goes by its oldest message: others lead to their place in it."""
    first, page = conversations.place(session(), viewer(), message_id)
    if first != message_id:
        number = page if page > 1 else None
        return redirect(url_for(".show", message_id=first, page=number, _anchor=f"message-{message_id}"))
    found = conversations.of_message(session(), viewer(), message_id, queries.page())
    return render_template("conversations/show.html", talk=found, may_set=viewer().decides)
