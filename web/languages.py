"""The language of a page: the user's choice, else the cookie, else the browser's, else the settings; its time zone."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Flask, abort, current_app, g, redirect, request
from flask_babel import Babel
from flask_login import current_user
from werkzeug.wrappers import Response

import terracrm
from terracrm.config import Settings
from terracrm.services import sign_in
from web.database import session
from web.signed_in import public, safe_next

COOKIE = "terracrm_language"
COOKIE_SECONDS = 365 * 24 * 3600
NAMES = {"en": "English", "ru": "Русский"}

pages = Blueprint("languages", __name__)


def init(app: Flask, settings: Settings) -> None:
    """Translate pages into the languages of the settings."""
    app.config["TERRACRM_LANGUAGES"] = list(settings.web.languages)
    app.config["TERRACRM_DEFAULT_LANGUAGE"] = settings.web.default_language
    folder = Path(terracrm.__file__).parent / "translations"
    Babel(
        app,
        default_locale=settings.web.default_language,
        default_timezone=settings.web.time_zone,
        default_translation_directories=str(folder),
        locale_selector=language,
    )
    app.context_processor(lambda: {"language": language(), "languages": [(code, NAMES[code]) for code in _offered()]})


def language() -> str:
    """The language of this page."""
    if "language" not in g:
        g.language = _chosen() or request.accept_languages.best_match(_offered()) or _default()
    found: str = g.language
    return found


@pages.post("/language")
@public
def choose() -> Response:
    """Read on in another language: remembered on the user, and in a cookie for the sign-in page."""
    chosen = request.form.get("language", "")
    if chosen not in _offered():
        abort(400)
    if current_user.is_authenticated:
        sign_in.choose_language(session(), current_user.user.id, chosen)
    response = redirect(safe_next(request.form.get("next")))
    secure = bool(current_app.config["SESSION_COOKIE_SECURE"])
    response.set_cookie(COOKIE, chosen, max_age=COOKIE_SECONDS, secure=secure, httponly=True, samesite="Lax")
    return response


def _chosen() -> str | None:
    # After a failure the database is not asked again: the error page must come out in any case.
    asks_user = not g.get("failed", False) and current_user and current_user.is_authenticated
    for code in (current_user.user.language if asks_user else "", request.cookies.get(COOKIE, "")):
        if code in _offered():
            return str(code)
    return None


def _offered() -> list[str]:
    offered: list[str] = current_app.config["TERRACRM_LANGUAGES"]
    return offered


def _default() -> str:
    default: str = current_app.config["TERRACRM_DEFAULT_LANGUAGE"]
    return default
