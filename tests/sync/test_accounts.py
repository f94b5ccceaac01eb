"""A wrong password is tried once, however many streams and mailboxes it opens; mended, it lets all of them go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from connectors.base import Account, Connector
from connectors.memory import MemoryConnector
from connectors.memory_items import Box
from sync.engine import account_of, run_stream
from sync.schedule import chosen_streams, due_streams
from terracrm.domain.records import Folder, Page
from terracrm.errors import SignInRefused
from terracrm.models import Mailbox, Stream, utcnow
from terracrm.services import mailboxes
from tests.sync.conftest import DOMAIN, Office

SQLITE_FIRST = True

SERVICE = "service"


@pytest.fixture
def shared(office: Office) -> Office:
    """Three mailboxes that a service account opens, beside Anna's and Boris's own."""
    office.server.add_service(SERVICE)
    with office.sessions.begin() as session:
        for name in ("one", "two", "three"):
            address = f"{name}@{DOMAIN}"
            office.server.add_mailbox(address)
            box = mailboxes.add(
                session, address, "https://mail.test", SERVICE, password_file=office.password_file, impersonate=True
            )
            mailboxes.enable(session, box)
    enter = office.server.enter
    refused: list[str] = []

    def counted(account: Account) -> dict[str, Box]:
        try:
            return enter(account)
        except SignInRefused:
            refused.append(account.username)
            raise

    office.server.enter = counted  # type: ignore[method-assign]
    office.server.refused = refused  # type: ignore[attr-defined]
    return office


def refusals(office: Office) -> int:
    """How many sign-ins the server has refused."""
    return len(office.server.refused)  # type: ignore[attr-defined]


def run_due(office: Office, connect: Callable[[Account], Connector] | None = None) -> None:
    """All that is due, as the daemon has it done."""
    with office.sessions() as session:
        due = due_streams(session, office.settings)
    for stream_id in due:
        run_stream(office.settings, office.sessions, stream_id, connect or office.connect)


def states(office: Office, *names: str) -> set[tuple[str, str]]:
    """State and reason of all streams of these mailboxes."""
    addresses = [f"{name}@{DOMAIN}" for name in names]
    with office.sessions() as session:
        query = select(Stream.state, Stream.last_error).join(Mailbox).where(Mailbox.address.in_(addresses))
        return {tuple(row) for row in session.execute(query)}


REFUSED = {("credentials", "The server refused the user name or the password.")}


def change_password(office: Office, username: str, password: str) -> None:
    office.server._passwords[username] = password


def make_due(office: Office) -> None:
    with office.sessions.begin() as session:
        session.execute(update(Stream).values(due_at=utcnow()))


class TestOneTry:
    def test_one_stream_tries_and_all_streams_of_the_account_wait(self, shared: Office) -> None:
        change_password(shared, SERVICE, "another")
        for _ in range(3):
            run_due(shared)
            make_due(shared)
        assert refusals(shared) == 1
        assert states(shared, "one", "two", "three") == REFUSED
        assert states(shared, "anna", "boris") == {("ok", "")}

    def test_also_when_it_was_right_before(self, shared: Office) -> None:
        run_due(shared)
        assert states(shared, "one", "two", "three") == {("ok", "")}
        change_password(shared, SERVICE, "another")
        make_due(shared)
        run_due(shared)
        assert refusals(shared) == 1
        assert states(shared, "one", "two", "three") == REFUSED

    def test_streams_that_a_command_has_chosen_before_are_not_tried_either(self, shared: Office) -> None:
        change_password(shared, SERVICE, "another")
        with shared.sessions() as session:
            chosen = chosen_streams(session, None, "contacts")
        found = [run_stream(shared.settings, shared.sessions, each, shared.connect) for each in chosen]
        assert refusals(shared) == 1
        assert sum(bool(summary and summary.error) for summary in found) == 3

    def test_nobody_else_signs_in_while_one_is_finding_out(self, shared: Office) -> None:
        change_password(shared, SERVICE, "another")
        with shared.sessions() as session:
            query = select(Stream.id).join(Mailbox).where(Mailbox.username == SERVICE)
            first, *others = session.scalars(query.order_by(Stream.id))

        def connect(account: Account) -> Connector:
            for each in others:
                assert run_stream(shared.settings, shared.sessions, each, shared.connect) is None
            return MemoryConnector(account, shared.server)

        run_stream(shared.settings, shared.sessions, first, connect)
        assert refusals(shared) == 1
        assert states(shared, "one", "two", "three") == REFUSED

    def test_once_it_is_known_to_be_right_streams_run_side_by_side(self, shared: Office) -> None:
        run_due(shared)
        with shared.sessions() as session:
            query = select(Stream.id).join(Mailbox).where(Mailbox.username == SERVICE)
            first, *others = session.scalars(query.order_by(Stream.id))

        def connect(account: Account) -> Connector:
            for each in others:
                assert run_stream(shared.settings, shared.sessions, each, shared.connect) is not None
            return MemoryConnector(account, shared.server)

        assert run_stream(shared.settings, shared.sessions, first, connect) is not None

    def test_nobody_waits_for_a_long_run_that_was_let_in_when_it_began(self, shared: Office) -> None:
        with shared.sessions() as session:
            query = select(Stream.id).join(Mailbox).where(Mailbox.username == SERVICE)
            first, second, *_ = session.scalars(query.order_by(Stream.id))
        ran = []

        class Long(MemoryConnector):
            def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Iterator[Page]:
                with shared.sessions.begin() as session:
                    for row in session.scalars(select(Mailbox).where(Mailbox.let_in_at.is_not(None))):
                        row.let_in_at = row.let_in_at and row.let_in_at - timedelta(hours=2)
                    for stream in session.scalars(select(Stream).where(Stream.last_run_at.is_not(None))):
                        stream.last_run_at = stream.last_run_at and stream.last_run_at - timedelta(hours=2)
                ran.append(run_stream(shared.settings, shared.sessions, second, shared.connect))
                yield from super().changes(folder, cursor, page_size)

        run_stream(shared.settings, shared.sessions, first, lambda account: Long(account, shared.server))
        assert ran[0] is not None

    def test_what_asks_without_a_run_does_not_ask_again(self, shared: Office) -> None:
        change_password(shared, SERVICE, "another")
        run_due(shared)
        with shared.sessions() as session:
            box = mailboxes.get(session, f"three@{DOMAIN}")
            with pytest.raises(SignInRefused):
                account_of(shared.settings, box)
            assert account_of(shared.settings, box, by_hand=True).username == SERVICE


class TestWhoIsNotMeant:
    def test_another_password_of_the_same_user_is_tried_for_itself(self, shared: Office) -> None:
        newer = shared.password_file.with_name("newer")
        newer.write_text("another")
        with shared.sessions.begin() as session:
            mailboxes.get(session, f"three@{DOMAIN}").password_file = str(newer)
        change_password(shared, SERVICE, "another")
        run_due(shared)
        make_due(shared)
        run_due(shared)
        assert refusals(shared) == 1
        assert states(shared, "one", "two") == REFUSED
        assert states(shared, "three") == {("ok", "")}

    def test_a_mailbox_that_the_account_may_not_open_stops_alone(self, shared: Office) -> None:
        del shared.server._folders[f"two@{DOMAIN}"]
        run_due(shared)
        make_due(shared)
        run_due(shared)
        assert {state for state, _ in states(shared, "two")} == {"credentials"}
        assert states(shared, "one", "three") == {("ok", "")}


class TestMended:
    def test_one_mailbox_that_is_enabled_again_lets_all_go_on(self, shared: Office) -> None:
        change_password(shared, SERVICE, "another")
        run_due(shared)
        shared.password_file.write_text("another\n")
        for name in ("anna", "boris"):
            change_password(shared, f"{name}@{DOMAIN}", "another")
        with shared.sessions.begin() as session:
            mailboxes.enable(session, mailboxes.get(session, f"two@{DOMAIN}"))
        run_due(shared)
        run_due(shared)
        assert states(shared, "one", "two", "three") == {("ok", "")}
        assert refusals(shared) == 1

    def test_still_wrong_it_is_one_more_try_for_all(self, shared: Office) -> None:
        change_password(shared, SERVICE, "another")
        run_due(shared)
        with shared.sessions.begin() as session:
            mailboxes.enable(session, mailboxes.get(session, f"two@{DOMAIN}"))
        run_due(shared)
        run_due(shared)
        assert refusals(shared) == 2
        assert states(shared, "one", "two", "three") == REFUSED
