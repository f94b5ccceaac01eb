"""A small office on SQLite and PostgreSQL, and the viewers in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from terracrm.services.access import Viewer, viewer_of
from tests.office import Office, make_office

Viewers = Callable[[str], Viewer]


@pytest.fixture
def office(session: Session) -> Office:
    """The office, in the session of the test."""
    return make_office(session)


@pytest.fixture
def viewer(office: Office) -> Viewers:
    """`viewer("anna")`: who is looking."""
    return lambda name: viewer_of(office.session, office.users[name])
