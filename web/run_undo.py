"""Undoing a run: what it would do is shown first, exactly; then it is done, and what stayed is told (Y3)."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, redirect, render_template, url_for
from flask_babel import LazyString, lazy_gettext
from werkzeug.wrappers import Response

from terracrm.models import utcnow
from terracrm.services import kept_out, run_list, undo
from terracrm.services.undo import UndoRefused
from web import queries
from web.configured import settings
from web.database import give_up, session
from web.signed_in import viewer

pages = Blueprint("run_undo", __name__, url_prefix="/runs/<int(max=2147483647):run_id>/undo")
SHOWN: Final = 200
NOTICES = ("", "done", "again")
REFUSALS: dict[str, LazyString] = {
    "undone": lazy_gettext("This run was undone already."),
    "running": lazy_gettext("This run is still at work. Wait until it is over."),
    "aged": lazy_gettext("What this run did in detail is no longer kept, so it cannot be undone any more."),
    "nothing": lazy_gettext("There is nothing to undo: the run changed nothing in the CRM that can be taken back."),
    "not_undone": lazy_gettext("This run was not undone, so nothing of it is left out."),
    "large": lazy_gettext("This run changed very much: a command is better for that than a page. Nothing was changed."),
}


@pages.get("")
def show(run_id: int) -> str | tuple[str, int]:
    """What undoing a run would do; of one that was undone, what it did."""
    run = undo.get(session(), viewer(), run_id)
    box, undone = run.stream.mailbox, run.undone_at is not None
    row = run_list.row(session(), settings(), run, utcnow())
    page = {"run": row, "box_id": box.id, "notice": queries.choice("notice", NOTICES), "shown": SHOWN}
    if undone:
        return render_template(
            "mailboxes/undone.html",
            **page,
            did=undo.done(session(), run_id) or {},
            kept=run_list.kept(session(), viewer(), run_id, SHOWN),
            left_out=kept_out.count(session(), box.id, run_id),
        )
    reason = row.why_not or ("large" if run_list.is_large(run) else "")
    if reason:
        return _refused(row, reason)
    try:
        effect = undo.preview(session(), settings(), viewer(), run_id)
    except UndoRefused as refused:
        return _refused(row, refused.reason)
    return render_template("mailboxes/undo.html", **page, effect=effect, counts=undo.counts(effect))


@pages.post("")
def do(run_id: int) -> Response | tuple[str, int]:
    """Undo the run."""
    run = undo.get(session(), viewer(), run_id)
    row = run_list.row(session(), settings(), run, utcnow())
    if run_list.is_large(run):
        return _refused(row, "large")
    try:
        undo.undo(session(), settings(), viewer(), run_id)
    except UndoRefused as refused:
        return _refused(row, refused.reason)
    return redirect(url_for("run_undo.show", run_id=run_id, notice="done"))


@pages.post("/again")
def again(run_id: int) -> Response | tuple[str, int]:
    """Have what the run had brought taken in again."""
    run = undo.get(session(), viewer(), run_id)
    try:
        undo.take_again(session(), viewer(), run_id)
    except UndoRefused as refused:
        return _refused(run_list.row(session(), settings(), run, utcnow()), refused.reason)
    return redirect(url_for("run_undo.show", run_id=run_id, notice="again"))


def _refused(row: run_list.RunRow, reason: str) -> tuple[str, int]:
    give_up()
    return render_template("mailboxes/undo_refused.html", run=row, reason=reason, why=REFUSALS[reason]), 409
