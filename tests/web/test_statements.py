"""How many SQL statements a page takes: each costs more than what it asks for, and they come one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from sqlalchemy import event

from tests.web.conftest import SignIn


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """Those that the portal sends meanwhile."""
    sent: list[str] = []
    engine = app.extensions["terracrm_sessions"].kw["bind"]

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize(
    ("path", "client", "most"), [("contacts", "maria@market.example", 23), ("companies", "market.example", 24)]
)
def test_a_profile_takes_few_statements_however_long_its_history_is(
    app: Flask, signed_in: SignIn, ids: dict[str, int], path: str, client: str, most: int
) -> None:
    browser = signed_in("anna")
    with statements(app) as sent:
        assert browser.get(f"/{path}/{ids[client]}").status_code == 200
    assert 5 < len(sent) <= most, "\n\n".join(sent)
