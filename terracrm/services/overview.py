"""What the home page tells a viewer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from terracrm.models import Activity
from terracrm.services import access, companies, conflicts, contacts, mailbox_health, plan_list, timeline, tray
from terracrm.services.access import Viewer

RECENT_DAYS = 7
LATEST_SHOWN = 12
UPCOMING_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts, the latest of the history, the next meetings, and the mailboxes of who sees them.

    `conflicts` and `plans` wait for the viewer, who may decide them.
    """

    companies: int
    contacts: int
    recent_activities: int
    unknown_senders: int
    conflicts: int
    plans: list[plan_list.PlanRow]
    latest: list[timeline.Entry]
    upcoming: list[timeline.Entry]
    mailboxes: list[mailbox_health.MailboxHealth]


def overview(session: Session, viewer: Viewer, now: datetime, unknown_since: datetime | None) -> Overview:
    """All of it as this viewer sees it; `unknown_since` is what the tray shows, see `tray.oldest_arrival`."""
    recent = [Activity.occurred_at > now - timedelta(days=RECENT_DAYS), Activity.occurred_at <= now]
    past = timeline.Filters(until=now)
    matched = Activity.is_matched.is_not(False)  # said this way, SQLite walks the times, not the index of the flag
    return Overview(
        companies=companies.count(session, viewer),
        contacts=contacts.count(session, viewer),
        recent_activities=session.scalar(
            select(func.count()).select_from(Activity).where(access.activities(viewer), *recent)
        )
        or 0,
        unknown_senders=tray.count(session, viewer, unknown_since),
        conflicts=conflicts.count(session, viewer),
        plans=plan_list.waiting(session, viewer),
        latest=timeline.everywhere(session, viewer, past, only=[matched], limit=LATEST_SHOWN).entries,
        upcoming=timeline.upcoming_meetings(session, viewer, now, UPCOMING_SHOWN),
        mailboxes=mailbox_health.all_mailboxes(session, viewer, now),
    )
