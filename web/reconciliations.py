"""What the last count of a stream found: how much is here and there, and each item that is not the same (S14)."""

from __future__ import annotations

from flask import Blueprint, render_template

from terracrm.services import reconciliations
from web.database import session
from web.signed_in import viewer

pages = Blueprint("reconciliations", __name__, url_prefix="/mailboxes")
# The pages of what gaps are about: endpoint and the name of its id.
PAGES = {
    "contact": ("contacts.show", "contact_id"),
    "message": ("messages.show", "message_id"),
    "meeting": ("meetings.show", "activity_id"),
    "task": ("tasks.show", "task_id"),
}


@pages.get("/<int(max=2147483647):mailbox_id>/count/<kind>")
def show(mailbox_id: int, kind: str) -> str:
    """The newest count of one stream of a mailbox."""
    found = reconciliations.page(session(), viewer(), mailbox_id, kind)
    return render_template("reconciliations/show.html", page=found, pages=PAGES)
