"""The home page."""

from __future__ import annotations

from flask import Blueprint, render_template

from terracrm.models import utcnow
from terracrm.services import alerts, task_list, tray
from terracrm.services.overview import overview
from web.alerts import shown
from web.configured import settings
from web.database import session
from web.formats import local_day
from web.signed_in import viewer

ALERTS_SHOWN = 5

pages = Blueprint("home", __name__)


@pages.get("/")
def show() -> str:
    """Counts, what is new, what comes next."""
    now = utcnow()
    found = overview(session(), viewer(), now, tray.oldest_arrival(settings().mirror.unmatched_days, now))
    due = task_list.count_due(session(), viewer(), local_day(now))
    told = alerts.current(session(), viewer())
    seen, is_daemon_missing = alerts.daemon(session(), now) if viewer().configures else (None, False)
    return render_template(
        "home/show.html",
        overview=found,
        tasks_due=due,
        alerts=shown(told[:ALERTS_SHOWN]),
        alerts_total=len(told),
        daemon_seen=seen,
        is_daemon_missing=is_daemon_missing,
    )
