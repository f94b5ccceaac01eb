"""Who is signed in. Every page needs a sign-in unless it says `public`; a session ends with the user's epoch (A3)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, redirect, request, url_for
from flask_login import LoginManager, UserMixin, current_user
from werkzeug.wrappers import Response as AnyResponse

from terracrm.models import User
from terracrm.services import access, sign_in
from terracrm.services.access import Viewer
from web.database import session

SESSION_ID = re.compile(r"(\d{1,9})\.(\d{1,9})", re.ASCII)
View = TypeVar("View", bound=Callable[..., object])


class SignedIn(UserMixin):
    """The user of this session. Its id carries the session epoch, so that raising the epoch ends the session."""

    def __init__(self, user: User) -> None:
        self.user = user

    def get_id(self) -> str:
        return f"{self.user.id}.{self.user.session_epoch}"


def init(app: Flask) -> None:
    """Ask for a sign-in before every page that is not public."""
    manager = LoginManager(app, add_context_processor=False)
    manager.user_loader(_load)
    app.before_request(_require_sign_in)
    app.context_processor(_reader)


def public(view: View) -> View:
    """Mark a view as open to everybody."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def viewer() -> Viewer:
    """Who is looking; only for pages that need a sign-in."""
    if "viewer" not in g:
        g.viewer = access.viewer_of(session(), current_user.user)
    found: Viewer = g.viewer
    return found


def safe_next(target: str | None) -> str:
    """Where to go after the sign-in: `target` when it is a path of this portal, else the home page."""
    if target and target.startswith("/") and target.isprintable() and "\\" not in target:
        parts = urlsplit(target)
        if not target.startswith("//") and not parts.scheme and not parts.netloc:
            return target
    return url_for("home.show")


def _load(session_id: str) -> SignedIn | None:
    parts = SESSION_ID.fullmatch(str(session_id))
    if parts is None or g.get("failed", False):  # after a failure nobody is asked for: it could fail again
        return None
    user = sign_in.current_user(session(), int(parts[1]), int(parts[2]))
    return SignedIn(user) if user else None


def _reader() -> dict[str, object]:
    """What the templates know of who is reading; nothing after a failure."""
    if g.get("failed", False) or not current_user.is_authenticated:
        return {"viewer": None, "reader": None}
    return {"viewer": viewer(), "reader": current_user.user}


def _require_sign_in() -> AnyResponse | None:
    if request.endpoint is None or request.endpoint == "static":
        return None
    view = current_app.view_functions[request.endpoint]
    if getattr(view, "is_public", False) or current_user.is_authenticated:
        return None
    wanted = request.full_path.rstrip("?") if request.method == "GET" else None
    form = url_for("sign_in.form", next=wanted)
    if request.headers.get("HX-Request"):
        return Response(status=401, headers={"HX-Redirect": form})
    return redirect(form)
