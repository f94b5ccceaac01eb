"""The full-text index follows what was read: at once on SQLite and of a few mails, behind many on PostgreSQL."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from sync import indexing, tidying
from terracrm.models import Activity, Message
from terracrm.services import search, search_postgres
from tests.sync.conftest import Office
from tests.sync.items import mail

FEW, AT_ONCE = 2, 3


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let many be more than two, three follow at once, and an index be settled after two."""
    monkeypatch.setattr(search_postgres, "FEW", FEW)
    monkeypatch.setattr(search_postgres, "FOLLOW_AT_ONCE", AT_ONCE)
    monkeypatch.setattr(indexing, "MUCH", 2)


@pytest.fixture
def late(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no run make findable what waits, as if it had been killed; SQLite has nothing that waits."""
    if session.get_bind().dialect.name == "sqlite":
        pytest.skip("nothing waits")
    monkeypatch.setattr(indexing, "follow", lambda *_, **__: None)


def put(office: Office, count: int, first: int = 0, path: str = "Inbox") -> list[str]:
    folder = office.folder("anna", path)
    return [
        office.server.put(folder, mail(f"Ответ {number}", f"a{number}@client.example", "anna@office.test"))
        for number in range(first, first + count)
    ]


def findable(session: Session) -> set[str]:
    """The subjects of what is in the index."""
    ids = indexed(session)
    return set(session.scalars(select(Activity.subject).where(Activity.id.in_(ids))))


def indexed(session: Session) -> list[int]:
    """The ids that the index has for them, whether they are there or not."""
    words = search._words("ответ")
    return search._history_index(session).Hits(session, words, None).take(1000)


def waiting(session: Session) -> int:
    """How many activities wait to be made findable."""
    if session.get_bind().dialect.name == "sqlite":
        return 0
    return session.scalar(text("SELECT count(*) FROM activity_search_waiting")) or 0


def all_are_findable(session: Session) -> bool:
    """Whether each message is in the index, and nothing waits."""
    session.rollback()
    there = session.scalar(select(func.count()).select_from(Message))
    return (len(findable(session)), len(indexed(session)), waiting(session)) == (there, there, 0)


def test_a_run_ends_when_all_that_it_read_is_findable(office: Office, session: Session) -> None:
    put(office, 3 * AT_ONCE + 1)
    office.run("anna", "mail")
    assert len(findable(session)) == 3 * AT_ONCE + 1
    assert all_are_findable(session)


def test_a_few_mails_are_findable_at_once(office: Office, session: Session, late: None) -> None:
    put(office, FEW)
    office.run("anna", "mail")
    assert len(findable(session)) == FEW
    assert all_are_findable(session)


def test_what_a_killed_run_left_waiting_the_next_run_of_any_stream_makes_findable(
    office: Office, session: Session, late: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(office, 7)
    office.run("anna", "mail")
    assert (findable(session), waiting(session)) == (set(), 7)
    monkeypatch.undo()
    office.run("boris", "contacts")
    assert all_are_findable(session)


def test_the_daily_tidying_makes_findable_what_waits(
    office: Office, session: Session, late: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(office, 7)
    office.run("anna", "mail")
    monkeypatch.undo()
    tidying.tidy(office.settings, office.sessions)
    assert all_are_findable(session)


def test_no_more_than_so_many_wait_between_two_pages(
    office: Office, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "MOST_WAITING", 6)
    office.settings.mirror.page_size = 3
    put(office, 15)
    put(office, 9, 15, "Sent Items")
    found, follow = list[int](), search.follow

    def noted(session: Session) -> bool:
        found.append(waiting(session))
        return follow(session)

    monkeypatch.setattr(search, "follow", noted)
    office.run("anna", "mail")
    assert max(found) == (0 if session.get_bind().dialect.name == "sqlite" else 6)
    assert all_are_findable(session)


@pytest.mark.parametrize("where", ["waiting", "followed"])
def test_what_becomes_private_is_neither_findable_nor_waits(
    office: Office, session: Session, late: None, where: str
) -> None:
    item, *_ = put(office, 4)
    office.run("anna", "mail")
    if where == "followed":
        _followed(session)
    make_private(office, item, 0)
    office.run("anna", "mail")
    _followed(session)
    assert findable(session) == {"Ответ 1", "Ответ 2", "Ответ 3"}
    assert all_are_findable(session)


def test_who_follows_while_a_mail_becomes_private_brings_none_of_its_words_back(
    office: Office, session: Session, late: None
) -> None:
    item, *_ = put(office, AT_ONCE)
    office.run("anna", "mail")
    assert search.follow(session)  # it holds all three
    make_private(office, item, 0)
    with ThreadPoolExecutor(1) as other:
        withdrawal = other.submit(office.run, "anna", "mail")
        _wait_until_blocked(office, withdrawal)
        session.commit()
        assert withdrawal.result(60).counts.deleted == 1
    assert findable(session) == {"Ответ 1", "Ответ 2"}
    assert all_are_findable(session)


def test_what_is_being_taken_out_is_left_to_who_does_it(office: Office, session: Session, late: None) -> None:
    put(office, AT_ONCE)
    office.run("anna", "mail")
    first = session.scalars(select(func.min(Activity.id))).one()
    with office.sessions() as removing:
        search.remove(removing, "activity_search", [first])
        assert not search.follow(session)  # it waits for nobody
        session.commit()
        removing.commit()
    assert not search.follow(session)
    assert findable(session) == {"Ответ 1", "Ответ 2"}


@pytest.mark.parametrize("count", [1, FEW + 1])
def test_what_changes_while_it_waits_is_found_by_what_it_says_then(
    office: Office, session: Session, late: None, count: int
) -> None:
    put(office, AT_ONCE)
    office.run("anna", "mail")
    rows = session.execute(select(Activity.id, Activity.occurred_at)).all()
    search.index_activities(session, [(id_, at, "Сметана") for id_, at in rows[:count]])
    _followed(session)
    assert len(findable(session)) == AT_ONCE - count
    assert waiting(session) == 0


@pytest.mark.parametrize("count", [1, FEW + 1])
def test_what_changes_while_others_follow_is_found_by_what_it_says_then(
    office: Office, session: Session, late: None, count: int
) -> None:
    put(office, AT_ONCE)
    office.run("anna", "mail")
    rows = list(session.execute(select(Activity.id, Activity.occurred_at)).all())
    search.follow(session)

    def change() -> None:
        with office.sessions.begin() as changing:
            search.index_activities(changing, [(id_, at, "Сметана") for id_, at in rows[:count]])

    with ThreadPoolExecutor(1) as other:
        changed = other.submit(change)
        _wait_until_blocked(office, changed)
        session.commit()
        changed.result(60)
    _followed(session)
    assert len(findable(session)) == AT_ONCE - count
    assert waiting(session) == 0


def test_the_index_is_settled_after_a_run_that_read_much_and_once_a_day(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[Session] = []
    monkeypatch.setattr(search, "settle", settled.append)
    put(office, 1)
    office.run("anna", "mail")
    assert not settled
    put(office, 2, 1)
    office.run("anna", "mail")
    assert len(settled) == 1
    tidying.tidy(office.settings, office.sessions)
    assert len(settled) == 2


@pytest.mark.parametrize("step", ["follow", "settle"])
def test_a_run_went_well_also_if_the_index_cannot_follow(
    office: Office, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(_: Session) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    monkeypatch.setattr(search, step, fail)
    put(office, 2)
    assert office.run("anna", "mail").state == "ok"


def make_private(office: Office, item: str, number: int) -> None:
    told = mail(f"Ответ {number}", f"a{number}@client.example", "anna@office.test")
    office.server.change(item, replace(told, is_private=True))


def _followed(session: Session) -> None:
    while search.follow(session):
        pass
    session.commit()


def _wait_until_blocked(office: Office, work: Future[Any]) -> None:
    """Wait until another transaction waits for a lock that this test holds."""
    asked = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    until = time.monotonic() + 60
    while not work.done():
        with office.sessions() as looking:
            if looking.scalar(asked):
                return
        assert time.monotonic() < until
        time.sleep(0.01)
    raise AssertionError("nobody waited")
