"""Contacts: the list and the profile."""

from __future__ import annotations

from flask import Blueprint, render_template
from werkzeug.wrappers import Response

from terracrm.errors import NotFound
from terracrm.services import client_outlooks, conflicts, contacts, suggestions, timeline, why
from web import client_forms, merges, queries, tasks
from web.database import session
from web.signed_in import viewer

pages = Blueprint("contacts", __name__, url_prefix="/contacts")
SORTS = ("recent", "name")


@pages.get("")
def index() -> str:
    """All contacts that the viewer sees."""
    sort = queries.choice("sort", SORTS)
    name = queries.text("name")
    listing = contacts.listing(session(), viewer(), name, "name" if sort == "name" else "recent", queries.page())
    may_add = viewer().decides
    return render_template("contacts/index.html", listing=listing, name=name, sort=sort, may_add=may_add)


@pages.get("/<int(max=2147483647):contact_id>")
def show(contact_id: int) -> str | Response:
    """The profile of one, with the history; or the next entries of the history."""
    try:
        profile = contacts.profile(session(), viewer(), contact_id)
    except NotFound:
        return merges.moved("contact", contact_id)
    after = queries.cursor()
    page = timeline.of_client(session(), viewer(), "contact", contact_id, queries.filters(), after)
    if queries.is_fragment():
        return render_template("timeline/more.html", page=page, after=after)
    filtered = queries.is_filtered()
    shown = merges.of_client("contact", contact_id)
    found = suggestions.of_contact(session(), viewer(), contact_id)
    return render_template(
        "contacts/show.html",
        profile=profile,
        page=page,
        after=after,
        is_filtered=filtered,
        suggestions=found,
        conflicts=conflicts.of_contact(session(), viewer(), contact_id),
        outlooks=client_outlooks.of_contact(session(), viewer(), contact_id),
        **client_forms.shown(),
        why=why.of_contact(session(), viewer(), profile.contact),
        **shown,
        **tasks.of_client("contact", contact_id),
    )
