"""What a conversation or meeting is about: chosen by hand, and taken away again (M3)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from terracrm.models import Activity, ActivityKind
from terracrm.services import search, topics
from web import queries
from web.database import session
from web.signed_in import viewer

pages = Blueprint("topics", __name__)
ACTIVITY = "/activities/<int(max=2147483647):activity_id>/about"


@pages.get(ACTIVITY)
def choose(activity_id: int) -> str:
    """Choose a company or contact that the search finds."""
    activity = topics.to_be_linked(session(), viewer(), activity_id)
    is_mail = activity.kind == ActivityKind.MAIL
    query = queries.text("q")
    return render_template(
        "topics/choose.html",
        activity=activity,
        rows=(topics.of_conversation if is_mail else topics.of_activity)(session(), viewer(), activity_id),
        found=search.clients(session(), viewer(), query),
        query=query,
        back=_page(activity),
    )


@pages.post(ACTIVITY)
def set_topic(activity_id: int) -> Response:
    """It is about this client."""
    topics.to_be_linked(session(), viewer(), activity_id)
    entity, id_ = request.form.get("entity", ""), queries.whole(request.form.get("id", ""))
    return redirect(_page(topics.set_topic(session(), viewer(), activity_id, entity, id_)))


@pages.post("/topics/<int(max=2147483647):topic_id>/remove")
def remove(topic_id: int) -> Response:
    """It is not about that client after all."""
    return redirect(_page(topics.remove(session(), viewer(), topic_id)))


def _page(activity: Activity) -> str:
    """Where one sees what it is about: the conversation, the meeting, or the task."""
    if activity.kind == ActivityKind.MAIL:
        return url_for("conversations.show", message_id=activity.id)
    if activity.kind == ActivityKind.TASK:
        return url_for("tasks.show", task_id=activity.id)
    return url_for("meetings.show", activity_id=activity.id)
