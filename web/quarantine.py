"""The items of mailboxes that could not be read: to be looked at, and to be tried again (Y4)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from terracrm.services import mailbox_health, quarantine
from web import queries
from web.database import session
from web.signed_in import viewer

pages = Blueprint("quarantine", __name__, url_prefix="/quarantine")


@pages.get("")
def index() -> str:
    """What is set aside in the mailboxes that the viewer sees, or in one of them."""
    mailbox_id = queries.number("mailbox")
    box = mailbox_health.get(session(), viewer(), mailbox_id) if mailbox_id else None
    return render_template(
        "quarantine/index.html",
        listing=quarantine.listing(session(), viewer(), mailbox_id, queries.page()),
        box=box,
        may_retry=quarantine.may_retry(viewer()),
        again=queries.number("again"),
    )


@pages.post("/<int(max=2147483647):item_id>/retry")
def retry(item_id: int) -> Response:
    """Try one item now."""
    quarantine.retry(session(), viewer(), item_id)
    return redirect(url_for("quarantine.index", mailbox=_mailbox(), again=1))


@pages.post("/retry")
def retry_all() -> Response:
    """Try all of them now, of one mailbox or of all that the viewer sees."""
    mailbox_id = _mailbox()
    count = quarantine.retry_all(session(), viewer(), mailbox_id)
    return redirect(url_for("quarantine.index", mailbox=mailbox_id, again=count or None))


def _mailbox() -> int | None:
    """The mailbox whose list the form stands on."""
    found = request.form.get("mailbox", "")
    return queries.whole(found) if found else None
