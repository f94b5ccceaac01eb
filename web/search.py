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
    """Clients and history that have all the words, the history newest first or the most relevant first."""
    query, order = queries.text("q"), queries.choice("sort", tuple(search.Order))
    if order == search.Order.RELEVANT:
        page = queries.page()
        clients = search.clients(session(), viewer(), query) if page == 1 else search.NOTHING
        ranked = search.ranked(session(), viewer(), query, page)
        return render_template("search/show.html", query=query, order=order, found=clients, ranked=ranked)
    after = queries.cursor()
    found = search.find(session(), viewer(), query, after)
    if queries.is_fragment():
        return render_template("timeline/more.html", page=found.history, after=after)
    return render_template("search/show.html", query=query, order=order, found=found, ranked=None)
