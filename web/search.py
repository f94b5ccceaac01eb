"""The search."""

from __future__ import annotations

from flask import Blueprint, render_template

from terracrm.services import search
from web import queries
from web.database import session
from web.signed_in import viewer

pages = Blueprint("search", __name__)


@pages.get("/search")
def show() -> str:
    """Clients and history that have all the words."""
    query = queries.text("q")
    after = queries.cursor()
    found = search.find(session(), viewer(), query, after)
    if queries.is_fragment():
        return render_template("timeline/more.html", page=found.history, after=after)
    return render_template("search/show.html", query=query, found=found, after=after)
