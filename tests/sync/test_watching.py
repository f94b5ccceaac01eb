"""Mailboxes wake their streams; whatever happens to the connections, schedule and lock-out are as without them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import update

from connectors.base import Account
from connectors.memory_watch import MemoryWatch
from sync import wakes, watch_line, watching
from terracrm.domain.records import StreamKind
from terracrm.errors import AuthFailed, Forgotten, SignInRefused, Temporary, Unsupported
from terracrm.models import Mailbox, Stream, utcnow
from terracrm.services import mailboxes
from tests.sync.clients_office import ClientsOffice
from tests.sync.conftest import DOMAIN, Office
from tests.sync.items import mail
from tests.sync.watching_office import Watching, over_memory

SQLITE_FIRST = True  # test_wakes has what is asked of the database
ANNA, BORIS = f"anna@{DOMAIN}", f"boris@{DOMAIN}"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of a test's length."""
    monkeypatch.setattr(watch_line, "BACKOFF_SECONDS", 0.02)
    monkeypatch.setattr(watch_line, "CATCH_UP_SECONDS", 0.0)
    monkeypatch.setattr(watching, "REST_SECONDS", 0.02)
    monkeypatch.setattr(wakes, "SPACING_SECONDS", 0.1)


@pytest.fixture
def listening(office: Office, quick: None) -> Iterator[Watching]:
    """A watcher of the office; all its mailboxes have been read."""
    for name in ("anna", "boris"):
        for kind in ("contacts", "calendar", "mail"):
            office.run(name, kind)
    made = over_memory(office.settings, office.sessions, office.server)
    made.start()
    yield made
    made.stop()


def put_mail(office: Office, name: str = "anna", path: str = "Inbox") -> str:
    return office.server.put(office.folder(name, path), mail(f"Letter {time.monotonic_ns()}"))


def test_a_change_makes_the_stream_of_its_folder_due_and_no_other(office: Office, listening: Watching) -> None:
    listening.settled(ANNA, BORIS)
    item = put_mail(office)
    listening.until(lambda: listening.due() == {("anna", "mail")})
    listening.rest()
    office.server.move(item, office.folder("anna", "Sent Items"))
    listening.until(lambda: listening.due() == {("anna", "mail")})
    listening.rest()
    office.server.add_folder(BORIS, "Projects", StreamKind.MAIL)  # nobody knows whose business it is
    listening.until(lambda: listening.due() == {("boris", kind) for kind in ("contacts", "calendar", "mail")})
    listening.rest()
    put_mail(office, path="Drafts")  # is not mirrored
    put_mail(office, "boris")
    listening.until(lambda: ("boris", "mail") in listening.due())
    assert listening.due() == {("boris", "mail")}


def test_what_we_write_ourselves_comes_to_rest(office: Office, listening: Watching) -> None:
    clients = ClientsOffice(office)
    for name in ("Olga Orlova", "Pavel Petrov", "Rita Rudina"):
        clients.client(name)
    listening.settled(ANNA, BORIS)
    with office.sessions.begin() as session:
        session.execute(update(Stream).values(due_at=utcnow()))
    runs, quiet_since = 0, time.monotonic()
    while time.monotonic() - quiet_since < 0.5:
        for watcher in listening.watchers:
            watcher.tick()
        for name, kind in listening.due():
            office.run(name, kind)
            runs, quiet_since = runs + 1, time.monotonic()
        assert runs < 30, "it wakes itself without end"
        time.sleep(0.02)
    assert len(clients.cards()) == 3
    assert runs > 6  # each stream once, and the contacts again for what was written


@pytest.mark.parametrize("error", [Temporary("It broke off."), Forgotten("Restarted.", frozenset([ANNA, BORIS]))])
def test_after_a_break_everything_is_read_once(office: Office, listening: Watching, error: Exception) -> None:
    office.add("vera")  # not read yet: it has no folders
    listening.settled(ANNA, BORIS)
    for watch in listening.opened:
        watch.fail(error)  # type: ignore[arg-type]
    kinds = ("contacts", "calendar", "mail")
    listening.until(lambda: listening.due() == {(name, kind) for name in ("anna", "boris") for kind in kinds})
    listening.until(lambda: listening.listens(ANNA, BORIS))
    listening.rest()
    put_mail(office)
    listening.until(lambda: listening.due() == {("anna", "mail")})


def test_many_mailboxes_share_few_connections(office: Office, listening: Watching) -> None:
    office.server.add_service("service")
    names = [f"user{number:02}" for number in range(24)]
    for name in names:
        office.add(name)
        office.run(name, "mail")
    with office.sessions.begin() as session:
        session.execute(update(Mailbox).values(username="service", impersonate=True))
    listening.capacity = 10
    listening.stop()
    listening.watchers.clear()
    listening.opened.clear()
    watcher = listening.start()
    listening.settled(ANNA, BORIS, *(f"{name}@{DOMAIN}" for name in names))
    assert [len(line.targets) for line in watcher.lines] == [10, 10, 6]
    assert len(listening.opened) == 3
    for name in names[::5]:
        put_mail(office, name)
    listening.until(lambda: listening.due() == {(name, "mail") for name in names[::5]})


def test_what_another_server_keeps_gets_a_connection_of_its_own(office: Office, listening: Watching) -> None:
    office.server.add_service("service")
    with office.sessions.begin() as session:
        session.execute(update(Mailbox).values(username="service", impersonate=True))
    listening.open_watch = lambda account: MemoryWatch(account, office.server, elsewhere=[BORIS])
    listening.stop()
    listening.watchers.clear()
    watcher = listening.start()
    listening.settled(ANNA, BORIS)
    assert len(watcher.lines) == 2
    put_mail(office, "boris")
    listening.until(lambda: listening.due() == {("boris", "mail")})


def test_mailboxes_come_and_go(office: Office, listening: Watching) -> None:
    listening.settled(ANNA, BORIS)
    with office.sessions.begin() as session:
        mailboxes.pause(session, mailboxes.get(session, ANNA))
    listening.until(lambda: listening.listens(BORIS))
    office.add("vera")
    listening.until(lambda: listening.listens(BORIS))
    office.run("vera", "mail")
    listening.until(lambda: listening.listens(BORIS, f"vera@{DOMAIN}"))
    with office.sessions.begin() as session:
        mailboxes.enable(session, mailboxes.get(session, ANNA))
    listening.until(lambda: listening.listens(ANNA, BORIS, f"vera@{DOMAIN}"))
    assert all(len(line.targets) == 1 for watcher in listening.watchers for line in watcher.lines)  # own sign-ins


def test_a_new_folder_is_listened_to_as_soon_as_it_is_known(office: Office, listening: Watching) -> None:
    listening.settled(ANNA, BORIS)
    office.server.add_folder(ANNA, "Projects", StreamKind.MAIL)
    office.run("anna", "mail")
    listening.until(lambda: any("anna" in each for each, _ in listening.due()))
    [line] = [line for watcher in listening.watchers for line in watcher.lines if "anna" in str(line.targets)]
    listening.until(lambda: office.folder("anna", "Projects").remote_id in next(iter(line.targets.values())).folder_ids)


def test_a_wrong_password_is_tried_once_for_all_who_sign_in_with_it(
    office: Office, listening: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.server.add_service("service", "right")
    with office.sessions.begin() as session:
        session.execute(update(Mailbox).values(username="service", impersonate=True))
    tries = office.server.sign_ins
    listening.until(lambda: listening.errors().keys() == {ANNA, BORIS})
    for _ in range(10):
        time.sleep(0.02)
        listening.watchers[0].tick()
    assert office.server.sign_ins == tries + 1
    assert not listening.since()
    office.password_file.write_text("right\n")
    listening.settled(ANNA, BORIS)
    assert not listening.errors()


@pytest.mark.parametrize("error", [SignInRefused("401"), AuthFailed("403")])
def test_who_is_refused_only_here_is_tried_again_after_a_run_that_went_well(
    office: Office, listening: Watching, error: Exception
) -> None:
    listening.settled(ANNA, BORIS)
    next(watch for watch in listening.opened if ANNA in watch.addresses).fail(error)  # type: ignore[arg-type]
    listening.until(lambda: listening.errors() == {ANNA: str(error)})
    tries = len(listening.opened)
    for _ in range(10):
        time.sleep(0.02)
        listening.watchers[0].tick()
    assert len(listening.opened) == tries
    assert listening.listens(BORIS)
    office.run("anna", "mail")
    listening.until(lambda: listening.listens(ANNA, BORIS))
    assert not listening.errors()


class Sick(MemoryWatch):
    """Anna's mailbox cannot be subscribed while there is an `error`."""

    error: Exception | None = Temporary("The mailbox is being moved.")

    def subscribe(self, account: Account, folder_ids: object) -> None:
        if account.address == ANNA and Sick.error:
            raise Sick.error
        super().subscribe(account, ())


@pytest.mark.parametrize("error", [Temporary("It is being moved."), AuthFailed("No right."), Unsupported("Too old.")])
def test_one_sick_mailbox_does_not_silence_the_others(
    office: Office, listening: Watching, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    office.server.add_service("service")
    with office.sessions.begin() as session:
        session.execute(update(Mailbox).values(username="service", impersonate=True))
    monkeypatch.setattr(Sick, "error", error)
    monkeypatch.setattr(watching, "REST_MAX_SECONDS", 0.05)
    listening.open_watch = lambda account: Sick(account, office.server)
    listening.stop()
    listening.watchers.clear()
    listening.start()
    listening.until(lambda: listening.listens(BORIS) and listening.errors() == {ANNA: str(error)})
    put_mail(office, "boris")
    listening.until(lambda: ("boris", "mail") in listening.due())
    Sick.error = None
    office.run("anna", "mail")
    listening.until(lambda: listening.listens(ANNA, BORIS))


def test_of_two_daemons_one_listens_and_the_other_takes_over(office: Office, listening: Watching) -> None:
    first, second = listening.watchers[0], listening.start()
    listening.settled(ANNA, BORIS)
    assert {len(first.lines), len(second.lines)} == {0, 2}
    winner, other = (first, second) if first.lines else (second, first)
    winner.stop()
    listening.watchers = [other]
    listening.settled(ANNA, BORIS)
    assert len(other.lines) == 2


def test_an_unreadable_password_file_is_said_and_stops_nobody_else(office: Office, listening: Watching) -> None:
    with office.sessions.begin() as session:
        mailboxes.get(session, ANNA).password_file = "/nowhere"
    listening.until(lambda: listening.listens(BORIS) and "cannot be read" in listening.errors().get(ANNA, ""))


def test_a_mailbox_of_which_one_stream_was_refused_while_another_runs_keeps_nobody_from_listening(
    office: Office, listening: Watching
) -> None:
    with office.sessions.begin() as session:
        box = mailboxes.get(session, ANNA)
        refused = next(stream for stream in box.streams if stream.kind == "mail")
        refused.state, refused.last_error, refused.is_refused = "credentials", "The password is wrong.", True
    listening.until(lambda: listening.listens(BORIS))
    assert listening.errors() == {ANNA: "The password is wrong."}
