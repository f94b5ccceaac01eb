"""Conflicts: what was changed here and in Outlook, which value stands, and taking the other one (W1)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from terracrm.services import conflicts
from terracrm.services.conflicts import ConflictChanged, ConflictRow
from web import queries
from web.configured import domain_policy
from web.database import give_up, session
from web.signed_in import viewer

pages = Blueprint("conflicts", __name__, url_prefix="/conflicts")
KINDS = ("open", "decided")


@pages.get("")
def index() -> str:
    """The conflicts about what the viewer sees: those that are open, or those that were decided."""
    kind, done = queries.choice("kind", KINDS), queries.number("done")
    found = conflicts.listing(session(), viewer(), "decided" if kind == "decided" else "open", queries.page())
    return render_template(
        "conflicts/index.html",
        listing=found,
        kind=kind,
        done=conflicts.get(session(), viewer(), done) if done else None,
        late=queries.choice("late", ("no", "yes")) == "yes",
    )


@pages.post("/<int(max=2147483647):conflict_id>/take")
def take(conflict_id: int) -> Response:
    """Take the other value, unless what it would overwrite has changed since it was shown."""
    seal = request.form.get("seal", "")
    try:
        row = conflicts.take(session(), domain_policy(), viewer(), conflict_id, seal)
    except ConflictChanged:
        return _late()
    return _back(row)


@pages.post("/<int(max=2147483647):conflict_id>/keep")
def keep(conflict_id: int) -> Response:
    """Agree with the value that stands."""
    try:
        row = conflicts.keep(session(), viewer(), conflict_id)
    except ConflictChanged:
        return _late()
    return _back(row)


def _late() -> Response:
    give_up()
    return redirect(url_for("conflicts.index", late="yes"))


def _back(row: ConflictRow) -> Response:
    if request.form.get("from") == "contact" and row.entity == conflicts.CONTACT:
        return redirect(url_for("contacts.show", contact_id=row.entity_id))
    return redirect(url_for("conflicts.index", done=row.id))
