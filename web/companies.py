"""Companies: the list and the profile."""

from __future__ import annotations

from flask import Blueprint, render_template
from werkzeug.wrappers import Response

from terracrm.errors import NotFound
from terracrm.services import companies, timeline, why
from web import client_forms, merges, queries, tasks
from web.database import session
from web.signed_in import viewer

pages = Blueprint("companies", __name__, url_prefix="/companies")
SORTS = ("recent", "name")


@pages.get("")
def index() -> str:
    """All companies that the viewer sees."""
    sort = queries.choice("sort", SORTS)
    name = queries.text("name")
    listing = companies.listing(session(), viewer(), name, "name" if sort == "name" else "recent", queries.page())
    may_add = viewer().decides
    return render_template("companies/index.html", listing=listing, name=name, sort=sort, may_add=may_add)


@pages.get("/<int(max=2147483647):company_id>")
def show(company_id: int) -> str | Response:
    """The profile of one, with its history; or the next entries of the history."""
    try:
        profile = companies.profile(session(), viewer(), company_id)
    except NotFound:
        return merges.moved("company", company_id)
    after = queries.cursor()
    page = timeline.of_client(session(), viewer(), "company", company_id, queries.filters(), after)
    if queries.is_fragment():
        return render_template("timeline/more.html", page=page, after=after)
    filtered = queries.is_filtered()
    shown = merges.of_client("company", company_id)
    return render_template(
        "companies/show.html",
        profile=profile,
        page=page,
        after=after,
        is_filtered=filtered,
        why=why.of_company(session(), viewer(), profile.company),
        **client_forms.shown(),
        **shown,
        **tasks.of_client("company", company_id),
    )
