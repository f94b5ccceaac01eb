"""Figure 13: what a profile page costs beyond its template."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable
from typing import Any
from unittest import mock

import flask
from flask import Flask, g
from flask_login import current_user
from sqlalchemy import event, func, select

import web.contacts
from benchmarks import seeded
from benchmarks.report import Bench, Figure
from terracrm.config import Settings
from terracrm.models import Contact, ContactTimeline, User
from terracrm.services import access
from web import create_app
from web.signed_in import SignedIn

ROLES = ("manager", "controller")
PROFILES = 20
ENTRIES = 40

Environ = dict[str, Any]


def measure(bench: Bench) -> None:
    """The portal as it is, against the portal that has read before all that its pages show; both without a server."""
    settings = Settings.model_validate(
        {
            "database": {"url": f"sqlite:///{seeded.sqlite(bench)}"},
            "paths": {"data_dir": str(bench.folder)},
            "security": {"secret_key": "k" * 40},
        }
    )
    rounds = 2 if bench.quick else 12
    for role in ROLES:
        portal = create_app(settings)
        asked = [_asked(portal, *each) for each in _profiles(portal, role)]
        statements = _statements(portal, asked)
        ready = _ready(settings, portal, asked)
        full_cost = ready_cost = 0.0
        for number in range(rounds + 1):
            full, prepared = _cost(portal, asked), _cost(ready, asked)
            if number:  # the first time everything is made
                full_cost, ready_cost = full_cost + full, ready_cost + prepared
        share = ready_cost / full_cost
        rate = rounds * len(asked) / full_cost
        told = f"{statements:.0f} SQL statements; the same template with its data ready: {rate / share:,.0f} a second"
        bench.tell(Figure(13, f"profile page of a {role}, a core", rate, "requests/s", share, ">= 60 %", told))


def _profiles(portal: Flask, role: str) -> list[tuple[int, int]]:
    """A user of that role, and contacts with some history that this user sees."""
    with portal.extensions["terracrm_sessions"]() as session:
        user = session.scalars(select(User).where(User.role_code == role).order_by(User.id)).first()
        mine = select(Contact.id).where(access.contacts(access.viewer_of(session, user)))
        counted = select(ContactTimeline.contact_id).where(ContactTimeline.contact_id.in_(mine.limit(2000)))
        busy = counted.group_by(ContactTimeline.contact_id).having(func.count() >= ENTRIES)
        return [(user.id, contact_id) for contact_id in session.scalars(busy.limit(PROFILES))]


def _asked(portal: Flask, user_id: int, contact_id: int) -> Environ:
    """What a WSGI server hands over for the profile."""
    client = portal.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = f"{user_id}.0"
    answer = client.get(f"/contacts/{contact_id}")
    assert answer.status_code == 200, answer.status
    environ: Environ = answer.request.environ
    return {name: value for name, value in environ.items() if name.isupper() or name.startswith("wsgi.")}


def _ready(settings: Settings, portal: Flask, asked: Iterable[Environ]) -> Flask:
    """The same portal, whose profiles are rendered of what they were rendered of before: it reads nothing."""
    kept: dict[str, tuple[str, dict[str, Any]]] = {}
    who: dict[str, Any] = {}
    render = flask.render_template

    def keep(name: str, **context: Any) -> str:
        kept[flask.request.path] = (name, context)
        who.update(viewer=g.viewer, user=current_user.user)
        return render(name, **context)

    with mock.patch.object(web.contacts, "render_template", keep):
        for environ in asked:
            _answer(portal, environ)
    ready = create_app(settings)

    def show(contact_id: int) -> str:
        name, context = kept[flask.request.path]
        return render(name, **context)

    def know_who() -> None:
        g.viewer = who["viewer"]

    signed_in = SignedIn(who["user"])
    ready.view_functions["contacts.show"] = show
    ready.login_manager.user_loader(lambda _: signed_in)  # type: ignore[attr-defined]
    ready.before_request(know_who)
    return ready


def _cost(portal: Flask, asked: Iterable[Environ]) -> float:
    before = time.process_time()
    for environ in asked:
        _answer(portal, environ)
    return time.process_time() - before


def _answer(portal: Flask, environ: Environ) -> bytes:
    statuses: list[str] = []
    parts = portal.wsgi_app(environ | {"wsgi.input": io.BytesIO()}, lambda status, *_: statuses.append(status))
    page = b"".join(parts)
    close: Callable[[], None] = getattr(parts, "close", lambda: None)
    close()
    assert statuses == ["200 OK"], statuses
    return page


def _statements(portal: Flask, asked: list[Environ]) -> float:
    counted = []
    engine = portal.extensions["terracrm_sessions"].kw["bind"]

    def count(*_: object) -> None:
        counted.append(1)

    event.listen(engine, "before_cursor_execute", count)
    _cost(portal, asked)
    event.remove(engine, "before_cursor_execute", count)
    return len(counted) / len(asked)
