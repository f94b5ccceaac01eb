"""After a run that read much, the full-text index catches up."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from sync import engine, tidying
from tests.sync.conftest import Office
from tests.sync.items import mail


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[Session]:
    called: list[Session] = []
    monkeypatch.setattr(engine.search, "follow", called.append)
    monkeypatch.setattr(engine, "MUCH", 2)
    return called


def put(office: Office, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        message = mail(f"Ответ {number}", f"a{number}@client.example", "anna@office.test")
        office.server.put(office.folder("anna", "Inbox"), message)


def test_the_index_follows_a_run_that_read_much(office: Office, followed: list[Session]) -> None:
    put(office, 1)
    office.run("anna", "mail")
    assert not followed
    put(office, 2, 1)
    office.run("anna", "mail")
    assert len(followed) == 1


def test_a_run_went_well_also_if_the_index_cannot_follow(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Session) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    monkeypatch.setattr(engine.search, "follow", fail)
    monkeypatch.setattr(engine, "MUCH", 1)
    put(office, 1)
    assert office.run("anna", "mail").state == "ok"


def test_the_index_follows_once_a_day(office: Office, followed: list[Session]) -> None:
    tidying.tidy(office.settings, office.sessions)
    assert len(followed) == 1
