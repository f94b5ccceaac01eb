"""Meetings."""

from __future__ import annotations

from flask import Blueprint, render_template

from terracrm.services import meetings, topics, why
from web.database import session
from web.signed_in import viewer

pages = Blueprint("meetings", __name__, url_prefix="/meetings")


@pages.get("/<int(max=2147483647):activity_id>")
def show(activity_id: int) -> str:
    """One meeting with clients."""
    return render_template(
        "meetings/show.html",
        page=meetings.page(session(), viewer(), activity_id),
        topics=topics.of_activity(session(), viewer(), activity_id),
        may_set=viewer().decides,
        why=why.activity(session(), viewer(), activity_id),
    )
