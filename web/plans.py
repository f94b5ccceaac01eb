"""Plans: what a run would do, step by step, and the decision of an admin about what a brake stopped (Y1, Y2)."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, redirect, render_template, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from terracrm.models import Plan
from terracrm.services import mailbox_health, plan_list, plans
from terracrm.services.access import Viewer
from terracrm.services.plans import PlanDecided
from web import queries
from web.database import give_up, session
from web.signed_in import viewer

pages = Blueprint("plans", __name__, url_prefix="/plans")
ACTS = ("all", *plans.ACTS)
NOTICES = ("", "done", "late")
# The pages of what steps are about: endpoint and the name of its id.
PAGES = {
    "contact": ("contacts.show", "contact_id"),
    "company": ("companies.show", "company_id"),
    "message": ("messages.show", "message_id"),
    "meeting": ("meetings.show", "activity_id"),
    "task": ("tasks.show", "task_id"),
}


@pages.get("")
def index() -> str:
    """The plans of the mailboxes that the viewer sees, or of one of them: those that wait first."""
    mailbox_id = queries.number("mailbox")
    box = mailbox_health.get(session(), viewer(), mailbox_id) if mailbox_id else None
    listing = plan_list.listing(session(), viewer(), mailbox_id, queries.page())
    return render_template("plans/index.html", listing=listing, box=box)


@pages.get("/<int(max=2147483647):plan_id>")
def show(plan_id: int) -> str:
    """One plan with its steps, a page of them at a time."""
    act = queries.choice("act", ACTS)
    plan = plan_list.get(session(), viewer(), plan_id)
    wanted = "" if act == "all" else act
    return render_template(
        "plans/show.html",
        plan=plan,
        counts=plan_list.counts(session(), viewer(), plan_id),
        act=act,
        listing=plan_list.steps(session(), viewer(), plan_id, wanted, queries.page()),
        may_decide=plans.may_decide(viewer()),
        notice=queries.choice("notice", NOTICES),
        pages=PAGES,
    )


@pages.post("/<int(max=2147483647):plan_id>/approve")
def approve(plan_id: int) -> Response:
    """Let the next run do it."""
    return _decided(plan_id, plans.approve)


@pages.post("/<int(max=2147483647):plan_id>/reject")
def reject(plan_id: int) -> Response:
    """Do nothing of it."""
    return _decided(plan_id, plans.reject)


def _decided(plan_id: int, decide: Callable[[Session, Viewer, int], Plan]) -> Response:
    """Decide, unless somebody was faster."""
    try:
        decide(session(), viewer(), plan_id)
    except PlanDecided:
        give_up()
        return redirect(url_for("plans.show", plan_id=plan_id, notice="late"))
    return redirect(url_for("plans.show", plan_id=plan_id, notice="done"))
