"""How streams run: cursor with data, fences, one reaction for each error, quarantine (invariants 1, 2, 4, 5)."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from connectors.base import Account, Capabilities, Connector
from connectors.memory import MemoryConnector
from sync import claims, engine, folders, writer
from sync.outcomes import Stopped
from sync.run import Run
from sync.schedule import chosen_streams, due_streams
from terracrm.domain.records import Change, Folder, Page
from terracrm.errors import AuthFailed, ConnectorError, ItemRejected, Temporary, Unsupported
from terracrm.models import MirrorFolder, QuarantinedItem, Stream, SyncRun, utcnow
from terracrm.services import mailboxes
from tests.sync.conftest import Office
from tests.sync.items import contact, mail


class Killed(BaseException):
    """Stands for a process that ends at once: no code of ours may catch it."""


class Watched:
    """A connector that calls `before` before each page after the first."""

    def __init__(self, inner: Connector, before: object) -> None:
        self._inner, self._before = inner, before

    def test(self) -> Capabilities:
        return self._inner.test()

    def folders(self) -> list[Folder]:
        return self._inner.folders()

    def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Iterator[Page]:
        for number, page in enumerate(self._inner.changes(folder, cursor, page_size)):
            if number:
                self._before()  # type: ignore[operator]
            yield page

    def get(self, folder: Folder, remote_ids: Sequence[str]) -> list[Change]:
        return self._inner.get(folder, remote_ids)

    def clock_skew(self) -> timedelta | None:
        return self._inner.clock_skew()

    def close(self) -> None:
        self._inner.close()


def fill(office: Office, count: int) -> None:
    for number in range(count):
        office.server.put(office.folder("anna", "Inbox"), mail(f"Письмо {number}"))


def stream(office: Office, session: Session, name: str = "anna", kind: str = "mail") -> Stream:
    session.expire_all()
    with_mailbox = mailboxes.get(session, f"{name}@office.test")
    return next(s for s in with_mailbox.streams if s.kind == kind)


def test_a_run_that_dies_between_pages_keeps_the_pages_it_wrote_and_goes_on_from_there(office: Office) -> None:
    office.settings.mirror.page_size = 10
    fill(office, 35)

    def die() -> None:
        raise Killed

    with pytest.raises(Killed):
        office.run("anna", "mail", lambda account: Watched(office.connect(account), die))
    assert office.stats()["messages"] == 10
    with office.sessions.begin() as session:
        left = stream(office, session)
        assert left.claim
        left.claim = left.claim.replace(left.claim.split("|")[1], "999999999")  # a process that is no more
    assert office.run("anna", "mail").counts.created == 25
    assert (office.stats()["messages"], office.stats()["copies"]) == (35, 35)


@pytest.mark.parametrize("step", ["link_states", "apply", "advance"])
def test_a_death_inside_a_page_leaves_nothing_of_it(office: Office, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    fill(office, 5)
    module = folders if step == "advance" else writer
    done = getattr(module, step)

    def die(*args: object, **named: object) -> object:
        done(*args, **named)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, step, die)
        with pytest.raises(Killed):
            office.run("anna", "mail")
    found = office.stats()
    assert (found["messages"], found["links"], found["contacts"]) == (0, 0, 0)
    with office.sessions.begin() as session:
        assert all(f.cursor is None for f in stream(office, session).folders)
        stream(office, session).claim = ""
    assert office.run("anna", "mail").counts.created == 5


def test_a_worker_that_lost_its_claim_writes_nothing_more(office: Office, session: Session) -> None:
    office.settings.mirror.page_size = 10
    fill(office, 30)

    def steal() -> None:
        with office.sessions.begin() as other:
            stream(office, other).claim = "another|1|1|x"

    summary = office.run("anna", "mail", lambda account: Watched(office.connect(account), steal))
    assert summary.counts.created == 10
    assert stream(office, session).claim == "another|1|1|x"
    assert session.scalars(select(SyncRun.outcome)).one() == "superseded"


def test_the_cursor_moves_only_from_where_it_was_read(office: Office, session: Session) -> None:
    fill(office, 1)
    office.run("anna", "mail")
    folder = session.scalars(select(MirrorFolder).where(MirrorFolder.cursor.is_not(None))).first()
    assert folder is not None
    assert folders.advance(session, folder, "new")
    assert not folders.advance(session, folder, "stale")


def test_a_stream_that_somebody_runs_is_not_run_twice(office: Office, session: Session) -> None:
    one = stream(office, session)
    assert claims.take(session, one, claims.new_claim(), 300)
    session.commit()
    assert engine.run_stream(office.settings, office.sessions, one.id, office.connect) is None
    assert one.id not in due_streams(session, office.settings)


def test_the_stream_of_a_worker_that_was_killed_is_due_at_once(office: Office, session: Session) -> None:
    one = stream(office, session)
    dead = claims.new_claim().split("|")
    one.claim, one.claimed_until = "|".join([dead[0], "999999999", *dead[2:]]), utcnow() + timedelta(hours=1)
    session.flush()
    assert one.id in due_streams(session, office.settings)
    one.claim = claims.new_claim()
    session.flush()
    assert one.id not in due_streams(session, office.settings)


def test_a_claim_ends_with_its_lease(office: Office, session: Session) -> None:
    one = stream(office, session)
    one.claim, one.claimed_until = "elsewhere|1|1|x", utcnow() - timedelta(seconds=1)
    session.commit()
    assert office.run("anna", "mail").state == "ok"


@pytest.mark.parametrize(
    ("error", "state", "wait"),
    [
        (Temporary("busy", retry_after=600), "backoff", 600),
        (Temporary("busy"), "backoff", 30),
        (AuthFailed("the password is wrong"), "credentials", 30),
        (Unsupported("too old"), "paused", 30),
        (ItemRejected("odd"), "degraded", 30),
        (RuntimeError("secret-token-123"), "degraded", 30),
    ],
)
def test_each_error_has_its_reaction_and_other_streams_go_on(
    office: Office, session: Session, error: Exception, state: str, wait: int
) -> None:
    office.server.fail_next(error)  # type: ignore[arg-type]
    summary = office.run("anna", "mail")
    one = stream(office, session)
    assert (summary.state, one.state, one.failures) == (state, state, 1)
    assert timedelta(seconds=wait - 10) < one.due_at - utcnow() <= timedelta(seconds=wait)
    assert one.last_error
    assert "secret-token" not in one.last_error
    assert office.run("anna", "contacts").state == "ok"
    assert office.run("boris", "mail").state == "ok"


def test_a_wrong_password_is_tried_once_and_then_waits_for_a_person(office: Office, session: Session) -> None:
    office.password_file.write_text("wrong")
    before = office.server.sign_ins
    office.run("anna", "mail")
    assert office.server.sign_ins == before + 1
    one = stream(office, session)
    assert one.id not in chosen_streams(session, "anna@office.test", None)
    one.due_at = utcnow()
    session.flush()
    assert one.id not in due_streams(session, office.settings)
    mailboxes.enable(session, one.mailbox)
    assert one.id in due_streams(session, office.settings)


def test_a_stream_recovers_by_itself_and_waits_longer_the_more_often_it_failed(
    office: Office, session: Session
) -> None:
    fill(office, 1)
    waits = []
    for _ in range(3):
        office.server.fail_next(Temporary("busy"))
        office.run("anna", "mail")
        waits.append(round((stream(office, session).due_at - utcnow()).total_seconds(), -1))
    assert waits == [30, 60, 120]
    assert office.run("anna", "mail").state == "ok"
    assert stream(office, session).failures == 0


def test_one_sick_item_is_quarantined_and_comes_when_it_is_well(office: Office, session: Session) -> None:
    fill(office, 3)
    sick = office.server.put(office.folder("anna", "Inbox"), mail("Больное"))
    office.server.break_item(sick, "cannot be converted")
    summary = office.run("anna", "mail")
    assert (summary.counts.created, summary.counts.quarantined, summary.state) == (3, 1, "degraded")
    item = session.scalars(select(QuarantinedItem)).one()
    assert item.error == "cannot be converted"
    office.run("anna", "mail")
    item.next_try_at = utcnow() - timedelta(seconds=1)
    session.commit()
    office.run("anna", "mail")
    session.refresh(item)
    assert item.attempts == 2
    office.server.mend_item(sick)
    item.next_try_at = utcnow() - timedelta(seconds=1)
    session.commit()
    assert office.run("anna", "mail").state == "ok"
    assert (office.stats()["messages"], office.stats()["quarantined"]) == (4, 0)


def test_an_item_that_we_cannot_store_does_not_stop_its_page(
    office: Office, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(office, 3)
    office.server.put(office.folder("anna", "Inbox"), mail("Яд"))
    store = writer.mirror_mail.store

    def choke(session: Session, source: object, arrivals: Sequence[object]) -> int:
        if any(a.record.subject == "Яд" for a in arrivals):  # type: ignore[attr-defined]
            store(session, source, arrivals)  # type: ignore[arg-type]
            raise ValueError("indigestible")
        return store(session, source, arrivals)  # type: ignore[arg-type]

    monkeypatch.setattr(writer.mirror_mail, "store", choke)
    summary = office.run("anna", "mail")
    assert (summary.counts.created, summary.counts.quarantined) == (3, 1)
    assert "indigestible" not in session.scalars(select(QuarantinedItem.error)).one()
    assert office.stats()["messages"] == 3


def test_a_forgotten_cursor_leads_to_a_full_read_without_duplicates(office: Office) -> None:
    fill(office, 5)
    office.run("anna", "mail")
    before = office.stats()
    office.server.expire_cursors()
    fill_more = mail("Новое")
    office.server.put(office.folder("anna", "Inbox"), fill_more)
    assert office.run("anna", "mail").counts.created == 1
    assert office.stats() == before | {
        "messages": 6,
        "copies": 6,
        "links": 6,
        "activities": {"mail": 6},
        "unmatched": 6,
    }


def test_a_folder_that_is_gone_keeps_its_history_and_starts_anew_if_it_returns(
    office: Office, session: Session
) -> None:
    extra = office.server.add_folder("anna@office.test", "Клиенты")
    office.server.put(extra, mail("Старое"))
    office.run("anna", "mail")
    office.server.remove_folder(extra)
    assert office.run("anna", "mail").state == "ok"
    assert (office.stats()["messages"], office.stats()["copies"]) == (1, 0)
    gone = session.scalars(select(MirrorFolder).where(MirrorFolder.path == "Клиенты")).one()
    assert (gone.gone_at is not None, gone.cursor) == (True, None)


def test_a_lost_database_connection_backs_off(
    office: Office, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(office, 1)

    def lose(*_: object, **__: object) -> None:
        raise OperationalError("INSERT", {}, Exception("server closed the connection"))

    with monkeypatch.context() as patch:
        patch.setattr(writer, "apply", lose)
        assert office.run("anna", "mail").state == "backoff"
    assert "server closed the connection" in stream(office, session).last_error
    assert office.run("anna", "mail").counts.created == 1


def test_a_new_mailbox_is_due_at_once_and_a_paused_one_never(office: Office, session: Session) -> None:
    assert len(due_streams(session, office.settings)) == 6
    mailboxes.pause(session, mailboxes.get(session, "anna@office.test"))
    assert len(due_streams(session, office.settings)) == 3


@pytest.mark.parametrize("is_back_in_time", [True, False])
def test_why_a_run_failed_is_told_once_a_database_that_was_away_is_back(
    office: Office, session: Session, monkeypatch: pytest.MonkeyPatch, is_back_in_time: bool
) -> None:
    one, write = stream(office, session), engine._write_outcome
    clock, tries = [0.0], []

    def away(run: Run, error: Exception | None) -> None:
        tries.append(clock[0])
        if clock[0] < 60 or not is_back_in_time:
            raise OperationalError("UPDATE", {}, Exception("server closed the connection"))
        write(run, error)

    monkeypatch.setattr(engine, "_write_outcome", away)
    monkeypatch.setattr(engine, "monotonic", lambda: clock[0])
    monkeypatch.setattr(engine, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    office.server.fail_next(Temporary("The server is busy."))
    summary = office.run("anna", "mail")
    session.expire_all()
    if is_back_in_time:
        assert (one.state, one.last_error, one.claim) == ("backoff", "The server is busy.", "")
        assert summary.error == "The server is busy."
    else:
        assert one.claim
        assert summary.error == "the database could not be used: server closed the connection"
        assert tries[-1] <= engine.PATIENCE_SECONDS < tries[-1] + engine.LONGEST_PAUSE_SECONDS


def test_progress_tells_the_folder_and_the_items(office: Office, session: Session) -> None:
    fill(office, 2)
    seen: list[tuple[str, int, int | None]] = []
    one = stream(office, session)
    engine.run_stream(office.settings, office.sessions, one.id, office.connect, lambda *told: seen.append(told))
    assert ("Inbox", 2) in {(path, done) for path, done, _ in seen}


def test_runs_of_dead_workers_are_closed(office: Office, session: Session) -> None:
    one = stream(office, session)
    session.add(SyncRun(stream_id=one.id))
    session.commit()
    office.run("anna", "mail")
    outcomes = session.scalars(select(SyncRun.outcome).order_by(SyncRun.id)).all()
    assert outcomes == ["broken_off", "ok"]


def test_a_password_file_that_is_missing_is_said_in_plain_words(office: Office, session: Session) -> None:
    office.password_file.unlink()
    summary = office.run("anna", "contacts")
    assert "password file of anna@office.test cannot be read" in summary.error


def test_contacts_of_a_mailbox_that_fails_stay(office: Office) -> None:
    office.server.put(office.folder("anna", "Contacts"), contact())
    office.run("anna", "contacts")
    office.server.fail_next(ConnectorError("odd answer"), times=3)
    office.run("anna", "contacts")
    assert office.stats()["contacts"] == 1


def test_accounts_do_not_show_their_password() -> None:
    assert "geheim" not in repr(Account("a@b.test", "https://x", "a", "geheim"))


def test_a_run_that_is_told_to_stop_stops_between_pages_and_goes_on_at_once(office: Office, session: Session) -> None:
    office.settings.mirror.page_size = 10
    fill(office, 25)
    one = stream(office, session)

    def stop(_path: str, done: int, _expected: int | None) -> None:
        if done:
            raise Stopped

    summary = engine.run_stream(office.settings, office.sessions, one.id, office.connect, stop)
    assert summary is not None
    assert (summary.counts.created, summary.error) == (10, "")
    one = stream(office, session)
    assert (one.claim, one.failures, one.id in due_streams(session, office.settings)) == ("", 0, True)
    assert office.run("anna", "mail").counts.created == 15


def test_what_a_stopped_run_reads_ahead_ends_before_its_connection(office: Office, session: Session) -> None:
    office.settings.mirror.page_size = 10
    office.settings.sync.requests_in_flight = 5
    fill(office, 25)
    seen: list[object] = []

    class Reading(MemoryConnector):
        def __init__(self, account: Account) -> None:
            super().__init__(account, office.server)
            seen.append(account.requests_in_flight)

        def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Generator[Page, None, None]:
            seen.append(self._pages(super().changes(folder, cursor, page_size)))
            return seen[-1]

        def _pages(self, pages: Iterator[Page]) -> Generator[Page, None, None]:
            try:
                yield from pages
            finally:
                seen.append("ended")

        def close(self) -> None:
            seen.append("closed")

    def stop(_path: str, done: int, _expected: int | None) -> None:
        if done:
            raise Stopped

    engine.run_stream(office.settings, office.sessions, stream(office, session).id, Reading, stop)
    assert seen[0] == 5
    assert seen[-2:] == ["ended", "closed"]
