"""What pages are asked for in their address, checked: what cannot be meant is answered with 400 and says why."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import NoReturn

from flask import Flask, abort, request, url_for
from flask_babel import LazyString, lazy_gettext

from terracrm.errors import InvalidInput
from terracrm.models import ActivityKind
from terracrm.services.listing import LAST_PAGE
from terracrm.services.timeline import Cursor, Filters
from web.configured import time_zone

MAX_TEXT = 200
LARGEST_ID = 2**31 - 1


def init(app: Flask) -> None:
    """Give the templates `here(...)`."""
    app.jinja_env.globals["here"] = here


def here(**changes: object) -> str:
    """The address of this page with other values in its query; None leaves one out."""
    values = {**(request.view_args or {}), **request.args.to_dict(), **changes}
    return url_for(str(request.endpoint), **values)  # type: ignore[arg-type]


def text(name: str) -> str:
    """A word or a few, cut to a sane length; without the characters that databases refuse."""
    return request.args.get(name, "").replace("\x00", "").strip()[:MAX_TEXT]


def choice(name: str, choices: tuple[str, ...]) -> str:
    """One of the choices; the first of them when nothing is asked for."""
    found = request.args.get(name) or choices[0]
    if found not in choices:
        refuse(lazy_gettext("“%(value)s” is not one of the choices.", value=found[:MAX_TEXT]))
    return found


def number(name: str, largest: int = LARGEST_ID) -> int | None:
    """A positive number, or None."""
    found = request.args.get(name, "").strip()
    return whole(found, largest) if found else None


def whole(found: str, largest: int = LARGEST_ID) -> int:
    """The positive number that a text is."""
    if not (found.isascii() and found.isdecimal() and len(found) < 12 and 0 < int(found) <= largest):
        refuse(lazy_gettext("“%(value)s” is not a number that can be used here.", value=found[:MAX_TEXT]))
    return int(found)


def page() -> int:
    """The number of a page of a list, from 1."""
    return number("page", LAST_PAGE) or 1


def cursor() -> Cursor | None:
    """Where a history goes on, or None for its newest entries."""
    found = request.args.get("after", "")
    try:
        return Cursor.parse(found) if found else None
    except InvalidInput:
        refuse(lazy_gettext("This position in the history is not valid. Open the page anew."))


def day(name: str) -> date | None:
    """A date as browsers send it (2026-11-23), or None."""
    found = request.args.get(name, "").strip()
    try:
        return date.fromisoformat(found) if found else None
    except ValueError:
        refuse(lazy_gettext("“%(value)s” is not a date. Write it like 2026-11-23.", value=found[:MAX_TEXT]))


def filters() -> Filters:
    """The filters of a history; the days are those of the reader's time zone, both included."""
    kind = choice("kind", ("all", *ActivityKind))
    since, until = day("since"), day("until")
    if since and until and since > until:
        refuse(lazy_gettext("The first day is after the last one."))
    return Filters(
        kinds=frozenset() if kind == "all" else frozenset([kind]),
        contact_id=number("person"),
        since=_start_of(since) if since else None,
        until=_end_of(until) if until else None,
    )


def is_filtered() -> bool:
    """Whether a history is asked for in part only."""
    return any(request.args.get(name, "").strip() not in ("", "all") for name in ("kind", "person", "since", "until"))


def is_fragment() -> bool:
    """Whether htmx asks for the next entries only."""
    return request.headers.get("HX-Request") == "true" and "after" in request.args


def refuse(why: LazyString) -> NoReturn:
    """Answer 400 with the reason."""
    abort(400, description=why)


def _start_of(day: date) -> datetime | None:
    try:
        return datetime.combine(day, time.min, time_zone()).astimezone(UTC)
    except OverflowError:
        return None


def _end_of(day: date) -> datetime | None:
    return _start_of(day + timedelta(days=1)) if day < date.max else None
