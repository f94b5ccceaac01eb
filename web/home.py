"""The home page."""

from __future__ import annotations

from flask import Blueprint, render_template

from terracrm.models import utcnow
from terracrm.services import task_list, tray
from terracrm.services.overview import overview
from web.configured import settings
from web.database import session
from web.formats import local_day
from web.signed_in import viewer

pages = Blueprint("home", __name__)


@pages.get("/")
def show() -> str:
    """Counts, what is new, what comes next."""
    now = utcnow()
    found = overview(session(), viewer(), now, tray.oldest_arrival(settings().mirror.unmatched_days, now))
    due = task_list.count_due(session(), viewer(), local_day(now))
    return render_template("home/show.html", overview=found, tasks_due=due)
