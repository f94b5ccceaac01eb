"""The portal over a small office, and people who are signed in to it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, MutableMapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from terracrm import db
from terracrm.config import Settings
from tests.conftest import redirect
from tests.office import make_office
from web import create_app

Client = FlaskClient
SignIn = Callable[[str], Client]


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, object]]]:
    """What is logged, kept for the test instead of printed."""
    with capture_logs() as events:
        yield events


@pytest.fixture(scope="session")
def office_file(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the office in it, made once and copied for each test."""
    path = tmp_path_factory.mktemp("office") / "office.db"
    shutil.copy(migrated_sqlite, path)
    engine = db.make_engine(f"sqlite:///{path}")
    with db.session_factory(engine)() as session:
        make_office(session)
        session.commit()
        session.connection().exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def portal(office_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The portal, made once for all tests: compiling its templates is what takes time."""
    folder = tmp_path_factory.mktemp("portal")
    settings = Settings(
        database={"url": f"sqlite:///{folder / 'office.db'}"},
        paths={"data_dir": folder},
        security={"secret_key": "k" * 40},
        web={"login_attempts": 3, "time_zone": noon()},
    )
    app = create_app(settings)
    redirect(app.extensions["terracrm_sessions"].kw["bind"], lambda: settings.database.url)
    return app


@pytest.fixture
def in_moscow(portal: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The office is in Moscow."""
    monkeypatch.setattr(portal.extensions["terracrm_settings"].web, "time_zone", "Europe/Moscow")
    monkeypatch.setattr(portal.extensions["babel"], "default_timezone", "Europe/Moscow")


def noon() -> str:
    """A time zone where it is about noon: what is some hours ago was today, whenever the tests are run."""
    ahead = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/UTC"


@pytest.fixture
def settings(portal: Flask, office_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The portal's settings; its database is another copy of the office."""
    found: Settings = portal.extensions["terracrm_settings"]
    portal.extensions["terracrm_sessions"].kw["bind"].dispose()
    path = tmp_path_factory.mktemp("copy") / "office.db"
    shutil.copy(office_file, path)
    found.database.url = f"sqlite:///{path}"
    return found


@pytest.fixture
def app(portal: Flask, settings: Settings) -> Flask:
    """The portal over the untouched office."""
    return portal


@pytest.fixture
def rows(settings: Settings) -> Iterator[Session]:
    """The portal's database, to look and to change behind its back."""
    engine = db.make_engine(settings.database.url)
    with db.session_factory(engine)() as session:
        yield session
    engine.dispose()


@pytest.fixture(scope="session")
def ids(office_file: Path) -> dict[str, int]:
    """The ids of the office's rows by name: "maria@market.example", "market.example", "question", "anna"..."""
    engine = db.make_engine(f"sqlite:///{office_file}")
    with db.session_factory(engine)() as session:
        found = _ids(session)
    engine.dispose()
    return found


@pytest.fixture
def visitor(app: Flask) -> Client:
    """Somebody who is not signed in."""
    return app.test_client()


@pytest.fixture
def signed_in(app: Flask, ids: dict[str, int]) -> SignIn:
    """`signed_in("anna")`: a browser with that user's session."""

    def enter(name: str) -> Client:
        client = app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"] = f"{ids[name]}.0"
        return client

    return enter


def token(client: Client, path: str = "/sign-in") -> str:
    """The CSRF token of a page's form."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found, f"no form on {path}"
    return found[1]


def _ids(session: Session) -> dict[str, int]:
    from terracrm.models import Activity, CompanyDomain, ContactAddress, Mailbox, Message, User

    found = dict(session.query(Message.message_key, Message.activity_id).all())
    found |= dict(session.query(CompanyDomain.domain, CompanyDomain.company_id).all())
    found |= dict(session.query(ContactAddress.address, ContactAddress.contact_id).all())
    found |= dict(session.query(Mailbox.address, Mailbox.id).all())
    found |= dict(session.query(User.name, User.id).all())
    found |= {"tasting": session.query(Activity.id).filter(Activity.kind == "meeting").scalar() or 0}
    return found
