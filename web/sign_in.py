"""Signing in and out."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, redirect, render_template, request, url_for
from flask import session as cookie
from flask_login import current_user, login_user, logout_user
from werkzeug.wrappers import Response

from terracrm.models import utcnow
from terracrm.services import sign_in
from web.configured import settings
from web.database import session
from web.signed_in import SignedIn, public, safe_next

pages = Blueprint("sign_in", __name__)


@pages.get("/sign-in")
@public
def form() -> str | Response:
    """The form; who is signed in already goes on."""
    if current_user.is_authenticated:
        return redirect(safe_next(request.args.get("next")))
    return render_template("sign_in/form.html", next=request.args.get("next", ""), name="")


@pages.post("/sign-in")
@public
def enter() -> Response | tuple[str, int]:
    """Sign in; every failure looks the same."""
    web = settings().web
    name, password = request.form.get("name", ""), request.form.get("password", "")
    lockout = sign_in.Lockout(web.login_attempts, timedelta(minutes=web.lockout_minutes))
    user = sign_in.sign_in(session(), name.replace("\x00", ""), password, lockout, utcnow())
    if user is None:
        refused = render_template(
            "sign_in/form.html", next=request.form.get("next", ""), name=name, minutes=web.lockout_minutes
        )
        return refused, 401
    cookie.clear()  # nothing of before the sign-in stays
    cookie.permanent = True
    login_user(SignedIn(user))
    return redirect(safe_next(request.form.get("next")))


@pages.post("/sign-out")
def leave() -> Response:
    """Sign out here, or everywhere when the form says so."""
    if request.form.get("everywhere"):
        sign_in.end_all_sessions(session(), current_user.user.id)
    logout_user()
    cookie.clear()
    return redirect(url_for("sign_in.form"))
