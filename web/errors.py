"""Pages for what goes wrong, in the reader's language and without a traceback."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from flask import Flask, g, render_template, request
from flask_babel import LazyString, lazy_gettext
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from terracrm.errors import Forbidden, InvalidInput, NotFound
from web.database import give_up

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an error page says: what happened, and what to do."""

    title: LazyString
    advice: LazyString


EXPLANATIONS = {
    400: Explanation(
        lazy_gettext("This cannot be understood"), lazy_gettext("Check what was entered, or go back and try again.")
    ),
    403: Explanation(
        lazy_gettext("Your role may not do this"),
        lazy_gettext("An administrator can say who may, or change your role."),
    ),
    404: Explanation(
        lazy_gettext("There is no such page"),
        lazy_gettext("It may have been removed, or it is not for your eyes. Check the address, or use the search."),
    ),
    405: Explanation(
        lazy_gettext("This does not work this way"), lazy_gettext("Go back to the page before and use its buttons.")
    ),
    413: Explanation(lazy_gettext("This is too large"), lazy_gettext("Send less at a time.")),
    429: Explanation(lazy_gettext("Too many requests"), lazy_gettext("Wait a minute and try again.")),
    500: Explanation(
        lazy_gettext("Something went wrong on our side"),
        lazy_gettext("Nothing was changed. Try again; if it stays so, tell the administrator the time it happened."),
    ),
}
FORM_TOO_OLD = lazy_gettext("The form was open for too long. Load the page anew and send it again.")


def init(app: Flask) -> None:
    """Answer every error with its page."""
    app.register_error_handler(HTTPException, _known)
    app.register_error_handler(CSRFError, lambda _: _page(400, FORM_TOO_OLD))
    app.register_error_handler(NotFound, lambda _: _page(404))
    app.register_error_handler(Forbidden, lambda _: _page(403))
    app.register_error_handler(InvalidInput, lambda _: _page(400))
    app.register_error_handler(Exception, _unexpected)


def _known(error: HTTPException) -> tuple[str, int] | HTTPException:
    code = error.code or 500
    if code < 400:
        return error
    advice = error.description if isinstance(error.description, LazyString) else None
    return _page(code if code in EXPLANATIONS else (400 if code < 500 else 500), advice, status=code)


def _unexpected(error: Exception) -> tuple[str, int]:
    g.failed = True
    log.error("a page failed", path=request.path, method=request.method, exc_info=error)
    return _page(500)


def _page(code: int, advice: LazyString | None = None, status: int | None = None) -> tuple[str, int]:
    give_up()
    explanation = EXPLANATIONS[code]
    template = "errors/fragment.html" if request.headers.get("HX-Request") else "errors/show.html"
    page = render_template(template, code=status or code, title=explanation.title, advice=advice or explanation.advice)
    return page, status or code
