"""What is kept no longer: on both databases, through the same tidying that the daemon does each day."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from sync import daemon, tidying
from terracrm.config import Settings
from terracrm.db import empty_log, make_engine, session_factory
from terracrm.models import (
    Activity,
    AuditEntry,
    Conflict,
    Contact,
    FieldChange,
    Link,
    SenderDecision,
    SkippedItem,
    SyncRun,
    SyncRunItem,
)
from terracrm.services import retention, search, search_sqlite, why
from terracrm.services.access import viewer_of
from tests.office import NOW, Office, make_office

SQLITE_FIRST = True

DAY = timedelta(days=1)
FOREVER = {f"{name}_days": 0 for name in ("idle_runs", "runs", "moved_mail", "conflicts", "audit")}


def settings(**days: int) -> Settings:
    """The defaults but for these."""
    return Settings(retention=days)


@pytest.fixture
def office(session: Session) -> Office:
    """The office, in the session of the test."""
    return make_office(session)


def run_of(office: Office, days: int, **values: object) -> SyncRun:
    """A run of Anna's mail so many days ago: it found nothing to do unless `values` say so."""
    stream = office.mailboxes["anna"].streams[0]
    began = NOW - days * DAY
    run = SyncRun(stream_id=stream.id, started_at=began, **{"finished_at": began, "outcome": "ok"} | values)
    office.add(run)
    office.add(SyncRun(stream_id=stream.id, finished_at=NOW, outcome="ok", created=1))  # the last one of its stream
    return run


def tidied(office: Office, sessions: sessionmaker[Session], **days: int) -> dict[str, int]:
    """What went, by kind, without what nothing went of; it is also what was said before that it would."""
    office.session.commit()
    counted = {each.kind: retention.count(office.session, each) for each in retention.aged(settings(**days), NOW)}
    office.session.commit()
    removed = tidying.tidy(settings(**days), sessions)
    assert removed == counted
    office.session.expire_all()
    return {kind: number for kind, number in removed.items() if number}


@pytest.mark.parametrize(
    ("days", "values", "goes"),
    [
        pytest.param(6, {}, "", id="found nothing this week"),
        pytest.param(8, {}, "idle_runs", id="found nothing last week"),
        pytest.param(8, {"created": 1}, "", id="did something last week"),
        pytest.param(8, {"skipped": 1}, "", id="left something out last week"),
        pytest.param(8, {"outcome": "failed"}, "", id="failed last week"),
        pytest.param(91, {"written": 1}, "runs", id="did something long ago"),
        pytest.param(91, {"outcome": "broken_off"}, "runs", id="was broken off long ago"),
        pytest.param(91, {"finished_at": None, "outcome": "running"}, "", id="has not ended"),
    ],
)
def test_how_long_a_run_is_kept(
    office: Office, sessions: sessionmaker[Session], days: int, values: dict[str, object], goes: str
) -> None:
    run_id = run_of(office, days, **values).id
    assert tidied(office, sessions) == ({goes: 1} if goes else {})
    assert (office.session.get(SyncRun, run_id) is None) == bool(goes)


def _link(office: Office, run_id: int) -> None:
    office.session.execute(update(Link).where(Link.id == 1).values(run_id=run_id))


def _contact(office: Office, run_id: int) -> None:
    office.contacts["maria@market.example"].created_by_run_id = run_id


def _change(office: Office, run_id: int) -> None:
    office.add(FieldChange(entity="contact", entity_id=1, field="notes", run_id=run_id))


def _skip(office: Office, run_id: int) -> None:
    folder = office.mailboxes["anna"].streams[0].folders[0]
    office.add(SkippedItem(folder_id=folder.id, remote_id="x", rule="unknown", run_id=run_id))


@pytest.mark.parametrize("name", [_link, _contact, _change, _skip])
@pytest.mark.parametrize("values", [{}, {"created": 1}])
def test_a_run_that_something_here_names_stays_however_old(
    office: Office, sessions: sessionmaker[Session], name: Callable[[Office, int], None], values: dict[str, int]
) -> None:
    run = run_of(office, 5000, **values)
    name(office, run.id)
    assert tidied(office, sessions) == {}


def test_why_still_tells_run_and_day_of_what_is_here(office: Office, sessions: sessionmaker[Session]) -> None:
    old, lost = run_of(office, 5000, created=1).id, run_of(office, 5000, created=1).id
    question = office.activities["question"].id
    office.session.execute(update(Activity).where(Activity.id == question).values(run_id=old))
    anna = viewer_of(office.session, office.users["anna"])
    before = why.activity(office.session, anna, question)
    assert before.origin.run_at == NOW - 5000 * DAY
    assert tidied(office, sessions) == {"runs": 1}
    assert office.session.get(SyncRun, lost) is None
    assert why.activity(office.session, anna, question) == before


def test_what_an_old_run_removed_goes_even_where_the_run_stays(office: Office, sessions: sessionmaker[Session]) -> None:
    named, recent = run_of(office, 91, created=1).id, run_of(office, 89).id
    _link(office, named)
    office.add(*(SyncRunItem(run_id=run_id, remote_id="x", outcome="removed") for run_id in (named, recent)))
    assert tidied(office, sessions) == {"run_items": 1}
    assert office.session.scalars(select(SyncRunItem.run_id)).all() == [recent]


def test_the_last_run_of_a_stream_stays(office: Office, sessions: sessionmaker[Session]) -> None:
    calendar = office.mailboxes["anna"].streams[1]
    for days in (300, 200):
        office.add(SyncRun(stream_id=calendar.id, started_at=NOW - days * DAY, finished_at=NOW, outcome="ok"))
    assert tidied(office, sessions) == {"idle_runs": 1}
    assert len(office.session.scalars(select(SyncRun).where(SyncRun.stream_id == calendar.id)).all()) == 1


def _links(office: Office, rows: list[tuple[str, datetime | None]], **values: object) -> None:
    ids = {name: (box.id, box.streams[0].folders[0].id) for name, box in office.mailboxes.items()}
    values = {"entity": "message", "local_id": 4711} | values
    for number, (name, gone_at) in enumerate(rows):
        mailbox_id, folder_id = ids[name]
        where = {"mailbox_id": mailbox_id, "folder_id": folder_id, "remote_id": f"moved-{number}"}
        office.add(Link(**where, gone_at=gone_at, **values))


LONG_AGO, LATELY = NOW - 181 * DAY, NOW - 179 * DAY


@pytest.mark.parametrize(
    ("rows", "values", "goes"),
    [
        pytest.param([("anna", LONG_AGO), ("anna", None)], {}, 1, id="moved long ago"),
        pytest.param([("anna", LATELY), ("anna", None)], {}, 0, id="moved lately"),
        pytest.param([("anna", LONG_AGO)], {}, 0, id="deleted"),
        pytest.param([("anna", LONG_AGO), ("anna", LONG_AGO)], {}, 0, id="moved and deleted"),
        pytest.param([("anna", LONG_AGO), ("boris", None)], {}, 0, id="deleted here, there in another mailbox"),
        pytest.param([("anna", LONG_AGO), ("anna", None)], {"entity": "contact", "rule": "clients"}, 0, id="a card"),
        pytest.param([("anna", LONG_AGO), ("anna", None)], {"entity": "task"}, 0, id="a task"),
    ],
)
def test_only_where_moved_mail_was_is_forgotten(
    office: Office,
    sessions: sessionmaker[Session],
    rows: list[tuple[str, datetime | None]],
    values: dict[str, object],
    goes: int,
) -> None:
    _links(office, rows, **values)
    assert tidied(office, sessions) == ({"moved_mail": goes} if goes else {})


def test_conflicts_go_a_year_after_they_were_decided(office: Office, sessions: sessionmaker[Session]) -> None:
    values = {"entity": "contact", "entity_id": 1, "field": "notes", "crm_value": "a", "outlook_value": "b"}
    values |= {"winner": "crm", "rule": "latest", "found_at": NOW - 900 * DAY}
    for state, days in (("open", None), ("kept", 364), ("kept", 366), ("taken", 366)):
        decided_at = NOW - days * DAY if days else None
        office.add(Conflict(**values, state=state, decided_at=decided_at))
    assert tidied(office, sessions) == {"conflicts": 2}
    assert office.session.scalars(select(Conflict.state).order_by(Conflict.id)).all() == ["open", "kept"]


def test_the_audit_log_stays_unless_told_otherwise_and_then_says_that_it_was_cut(
    office: Office, sessions: sessionmaker[Session]
) -> None:
    decision = SenderDecision(address="who@nowhere.example", decision="ignore")
    office.add(decision)
    for action, entity, entity_id in (
        ("rules.change", "mailbox", 1),
        ("sender.decide", "sender", decision.id),
        ("sender.decide", "sender", decision.id + 1),  # which was taken back
    ):
        office.add(AuditEntry(action=action, entity=entity, entity_id=entity_id, at=NOW - 5000 * DAY))
    assert tidied(office, sessions) == {}
    assert tidied(office, sessions, audit_days=400) == {"audit": 2}
    rows = office.session.execute(select(AuditEntry.action, AuditEntry.detail).order_by(AuditEntry.id)).all()
    assert rows == [("sender.decide", ""), ("audit.cut", "removed by age: 2")]


def test_zero_days_keep_everything_for_ever(office: Office, sessions: sessionmaker[Session]) -> None:
    run_of(office, 5000)
    office.session.commit()
    assert tidying.tidy(settings(**FOREVER), sessions) == {}


def test_much_goes_in_batches_and_a_stop_leaves_the_rest(
    office: Office, sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "FOUND_AT_ONCE", 6)
    monkeypatch.setattr(tidying, "BATCH", 2)
    for _ in range(11):
        run_of(office, 30)
    office.session.commit()
    asked = iter([False] * 6)  # once for each kind before, once for looking, and once before each of two batches
    assert tidying.tidy(settings(), sessions, lambda: next(asked, True))["idle_runs"] == 4
    assert tidied(office, sessions) == {"idle_runs": 7}
    assert tidied(office, sessions) == {}


def test_what_is_named_does_not_hide_what_comes_after_it(
    office: Office, sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "FOUND_AT_ONCE", 2)
    for _ in range(4):
        _change(office, run_of(office, 30).id)
    goes = run_of(office, 30).id
    assert tidied(office, sessions) == {"idle_runs": 1}
    assert office.session.get(SyncRun, goes) is None


def test_a_database_that_is_away_stops_no_daemon() -> None:
    away = session_factory(make_engine("postgresql+psycopg://root@127.0.0.1:1/none"))
    daemon.tidy_up(settings(), away, threading.Event())


def test_one_who_writes_meanwhile_is_not_held_up(
    office: Office, sessions: sessionmaker[Session], engine: Engine
) -> None:
    """Nothing is locked between two batches, nor while is looked for what is too old."""
    run_of(office, 30)
    office.session.commit()
    (idle,) = [each for each in retention.aged(settings(), NOW) if each.kind == retention.IDLE_RUNS]
    with sessions() as reading, sessions.begin() as writing:
        assert len(retention.find(reading, idle, 10)[0]) == 1
        writing.execute(update(Contact).values(notes="meanwhile"))


def test_no_word_of_what_was_withdrawn_stays_in_the_file(
    office: Office, sessions: sessionmaker[Session], engine: Engine
) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL's vacuum does it")
    session, secret = office.session, "xqzvkurara"
    ids = [row.id for row in office.activities.values()]
    for id_ in ids:  # each commit is a part of its own in the index
        search.index_activities(session, [(id_, NOW, f"xqzvkurara plain{id_}" if id_ == ids[0] else f"plain{id_}")])
        session.commit()
    search.remove(session, "activity_search", ids[:1])
    session.commit()
    assert secret in bytes_of(engine)
    tidying.tidy(settings(**FOREVER), sessions)
    assert secret not in bytes_of(engine)
    assert f"plain{ids[-1]}" in bytes_of(engine)
    session.execute(text("INSERT INTO activity_search (activity_search, rank) VALUES ('integrity-check', 1)"))


def test_words_are_forgotten_in_short_steps_also_when_more_is_removed_meanwhile(
    office: Office, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL's vacuum does it")
    session = office.session
    monkeypatch.setattr(search_sqlite, "MERGED_AT_ONCE", 1)
    first, second, *others = (row.id for row in office.activities.values())
    for id_ in (first, second, *others):
        words = " ".join(f"word{id_}x{number}" for number in range(900))
        search.index_activities(session, [(id_, NOW, words)])
        session.commit()
    assert not search.forget(session)  # nothing was removed
    search.remove(session, "activity_search", [first])
    session.commit()
    assert search.forget(session)
    search.remove(session, "activity_search", [second])
    session.commit()
    steps = 1
    while search.forget(session):
        steps += 1
        session.commit()
    assert steps > 3
    assert search.forget(session)  # for what was removed meanwhile
    while search.forget(session):
        session.commit()
    assert not search.forget(session)
    words_left = session.scalars(text("SELECT term FROM activity_search_terms WHERE term LIKE 'word%'")).all()
    assert {word.partition("x")[0] for word in words_left} == {f"word{id_}" for id_ in others}
    session.commit()
    with sessionmaker(engine)() as other:
        empty_log(other)
    assert f"word{first}x" not in bytes_of(engine)
    assert f"word{second}x" not in bytes_of(engine)


def bytes_of(engine: Engine) -> str:
    """What stands in the file of the database and in its log."""
    path = Path(str(engine.url.database))
    return "".join(file.read_bytes().decode("latin-1") for file in path.parent.glob(f"{path.name}*"))
