"""The tray: who wrote and is not known, and the decision about each, which can be taken back (M2)."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import lazy_gettext
from werkzeug.wrappers import Response

from terracrm.models import utcnow
from terracrm.services import search, sender_decisions, tray
from terracrm.services.sender_decisions import AlreadyDecided, Choice, Ignore, NewContact, ToCompany, ToContact
from web import queries
from web.configured import domain_policy, settings
from web.database import give_up, session
from web.signed_in import viewer

pages = Blueprint("tray", __name__, url_prefix="/tray")
KINDS = ("people", "bulk", "decided")


@pages.get("")
def index() -> str:
    """Who waits for a decision, or what was decided. After a decision `done` names its sender."""
    kind, text, done = queries.choice("kind", KINDS), queries.text("text"), queries.text("done")
    decided = sender_decisions.of_address(session(), viewer(), done) if done and viewer().reads_content else None
    if kind == "decided":
        decisions = sender_decisions.newest(session(), viewer())
        return render_template("tray/decided.html", decisions=decisions, kind=kind, text=text)
    listing = tray.listing(session(), viewer(), since(), "bulk" if kind == "bulk" else "people", text, queries.page())
    return render_template("tray/index.html", listing=listing, kind=kind, text=text, decided=decided)


@pages.get("/senders/<path:address>")
def show(address: str) -> str:
    """One sender: its mail, who it may be, and the forms to decide. `q` looks for others."""
    after, looked_for = queries.cursor(), queries.text("q")
    found = tray.show(session(), domain_policy(), viewer(), address, after)
    if queries.is_fragment():
        return render_template("timeline/more.html", page=found.history, after=after)
    others = search.clients(session(), viewer(), looked_for) if looked_for else None
    late = queries.choice("late", ("no", "yes")) == "yes"
    return render_template("tray/show.html", sender=found, after=after, looked_for=looked_for, others=others, late=late)


@pages.post("/senders/<path:address>")
def decide(address: str) -> Response:
    """Decide who it is; who comes too late sees what was decided."""
    sender_decisions.require_right(viewer())
    choice = _choice()
    try:
        decided = sender_decisions.decide(session(), domain_policy(), viewer(), address, choice)
    except AlreadyDecided:
        give_up()
        return redirect(url_for("tray.show", address=address, late="yes"))
    return redirect(url_for("tray.index", done=decided.address))


@pages.post("/undo/<path:address>")
def undo(address: str) -> Response:
    """Take the decision back: the sender waits again."""
    sender_decisions.undo(session(), domain_policy(), viewer(), address)
    return redirect(url_for("tray.show", address=address))


def since() -> datetime | None:
    """Since when mail must have arrived to keep its sender in the tray."""
    return tray.oldest_arrival(settings().mirror.unmatched_days, utcnow())


def _choice() -> Choice:
    """What the form says: `who` is "contact:7", "company:7", "new" or "ignore"."""
    entity, _, id_ = request.form.get("who", "").partition(":")
    if entity == "contact":
        return ToContact(queries.whole(id_))
    if entity == "company":
        return ToCompany(queries.whole(id_), takes_domain=bool(request.form.get("takes_domain")))
    if entity == "new":
        company = request.form.get("company_id", "")
        name = request.form.get("name", "").replace("\x00", "")
        return NewContact(name, queries.whole(company) if company else None)
    if entity != "ignore":
        queries.refuse(lazy_gettext("Choose who the sender is first."))
    return Ignore()
