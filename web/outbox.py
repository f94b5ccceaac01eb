"""What is still to be written into Outlook, and what was given up: to be looked at and tried again (W5)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from terracrm.models import utcnow
from terracrm.services import mailbox_health, outbox_list
from web import queries
from web.database import session
from web.signed_in import viewer

pages = Blueprint("outbox", __name__, url_prefix="/outbox")


@pages.get("")
def index() -> str:
    """What is owed to the mailboxes that the viewer sees, or to one of them."""
    mailbox_id = queries.number("mailbox")
    box = mailbox_health.get(session(), viewer(), mailbox_id) if mailbox_id else None
    return render_template(
        "outbox/index.html",
        listing=outbox_list.listing(session(), viewer(), mailbox_id, queries.page()),
        box=box,
        now=utcnow(),
        may_retry=outbox_list.may_retry(viewer()),
        again=queries.number("again"),
    )


@pages.post("/<int(max=2147483647):item_id>/retry")
def retry(item_id: int) -> Response:
    """Try one write again."""
    outbox_list.retry(session(), viewer(), item_id)
    return redirect(url_for("outbox.index", mailbox=_mailbox(), again=1))


@pages.post("/retry")
def retry_all() -> Response:
    """Try all again that has failed, of one mailbox or of all that the viewer sees."""
    mailbox_id = _mailbox()
    count = outbox_list.retry_all(session(), viewer(), mailbox_id)
    return redirect(url_for("outbox.index", mailbox=mailbox_id, again=count or None))


def _mailbox() -> int | None:
    """The mailbox whose list the form stands on."""
    found = request.form.get("mailbox", "")
    return queries.whole(found) if found else None
