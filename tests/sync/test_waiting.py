"""While a stream waits for approval, what became private is withdrawn, and nothing else is done (S4, Y2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from connectors.base import Account, Connector
from connectors.memory import MemoryConnector
from sync import wakes
from sync.run import Summary
from sync.schedule import due_streams
from terracrm.domain.records import ContactRecord, Folder, MeetingRecord, MessageRecord, StreamKind
from terracrm.errors import ItemGone, Temporary
from terracrm.models import (
    Contact,
    Link,
    Meeting,
    Message,
    MirrorFolder,
    OutboxItem,
    Plan,
    QuarantinedItem,
    Stream,
    SyncRun,
    utcnow,
)
from terracrm.services import access, mailboxes, plans
from tests.sync.clients_office import ClientsOffice, stream_of
from tests.sync.conftest import Office
from tests.sync.items import contact, mail, meeting

SQLITE_FIRST = True

ITEMS, DELETED = 8, 5

Record = ContactRecord | MessageRecord | MeetingRecord
KINDS: dict[str, tuple[str, Callable[[int], Record], type[Any]]] = {
    "contacts": ("Contacts", lambda n: contact(f"Клиент {n}", f"k{n}@lavka.example"), Contact),
    "mail": ("Inbox", lambda n: mail(f"Письмо {n}"), Message),
    "calendar": ("Calendar", lambda n: meeting(f"Встреча {n}"), Meeting),
}


@dataclass
class Waiting:
    """A stream of Anna's with eight items, of which somebody deleted five: the run over them waits for approval."""

    office: Office
    kind: str = "contacts"
    ids: list[str] = field(default_factory=list)

    def begin(self) -> Waiting:
        settings = self.office.settings
        settings.sync.brake_items, settings.sync.brake_percent, settings.mirror.page_size = 3, 10, 2
        path, make, _ = KINDS[self.kind]
        self.ids = [self.office.server.put(self.office.folder("anna", path), make(number)) for number in range(ITEMS)]
        assert self.run().state == "ok"
        settings.mirror.page_size = 100
        for remote_id in self.ids[:DELETED]:
            self.office.server.delete(remote_id)
        self.ids = self.ids[DELETED:]
        assert self.run().state == "approval"
        return self

    def run(self, connect: Callable[[Account], Connector] | None = None) -> Summary:
        return self.office.run("anna", self.kind, connect)

    def stream(self) -> Stream:
        with self.office.sessions() as session:
            return stream_of(session, "anna", self.kind)

    def make_private(self, remote_id: str) -> None:
        record = self.office.server._item(remote_id).record
        assert isinstance(record, Record)
        self.office.server.change(remote_id, replace(record, is_private=True))

    def count(self, table: type[Any]) -> int:
        with self.office.sessions() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0

    def told(self) -> int:
        """How many people, mails or meetings are known here."""
        return self.count(KINDS[self.kind][2])

    def decide(self, decide: Callable[..., Any]) -> None:
        with self.office.sessions.begin() as session:
            plan_id = session.scalars(select(Plan.id).where(Plan.state == "open")).one()
            decide(session, access.operator(), plan_id)

    def plans(self) -> list[tuple[str, int]]:
        """Each plan's state, and how many steps it has."""
        with self.office.sessions() as session:
            found = session.scalars(select(Plan).order_by(Plan.id)).all()
            return [(plan.state, len(plans.steps(session, plan.id))) for plan in found]

    def cursors(self) -> list[str | None]:
        with self.office.sessions() as session:
            return list(session.scalars(select(MirrorFolder.cursor).order_by(MirrorFolder.id)))

    def is_due(self) -> bool:
        with self.office.sessions() as session:
            return stream_of(session, "anna", self.kind).id in due_streams(session, self.office.settings)

    def wait(self) -> None:
        """The time of the next run has come."""
        with self.office.sessions.begin() as session:
            session.execute(update(Stream).values(due_at=utcnow()))


@pytest.fixture(params=list(KINDS))
def each(request: pytest.FixtureRequest, office: Office) -> Waiting:
    return Waiting(office, request.param).begin()


@pytest.fixture
def anna(office: Office) -> Waiting:
    return Waiting(office).begin()


# What became private


def test_what_is_marked_private_is_withdrawn_while_the_rest_waits(each: Waiting) -> None:
    before, cursors, error = each.told(), each.cursors(), each.stream().last_error
    each.make_private(each.ids[0])
    each.wait()
    assert each.is_due()
    summary = each.run()
    assert (summary.state, summary.counts.deleted, each.told()) == ("approval", 1, before - 1)
    stream = each.stream()
    assert (stream.last_error, stream.failures, stream.due_at > utcnow()) == (error, 0, True)
    assert (each.plans(), each.cursors()) == ([("open", DELETED)], cursors)


@pytest.mark.parametrize("is_new", [False, True])
def test_what_is_moved_and_marked_private_is_withdrawn(each: Waiting, is_new: bool) -> None:
    before, server = each.told(), each.office.server
    path, _, _ = KINDS[each.kind]
    if is_new:
        target = server.add_folder("anna@office.test", f"{path}/Личное", each.office.folder("anna", path).kind)
    else:
        target = server.add_folder("anna@office.test", f"{path}/Архив", each.office.folder("anna", path).kind)
        each.run()
    each.make_private(server.move(each.ids[0], target))
    assert (each.run().state, each.told()) == ("approval", before - 1)
    each.decide(plans.approve)
    assert (each.run().state, each.run().state) == ("ok", "ok")
    with each.office.sessions() as session:
        live = session.scalar(select(func.count()).select_from(Link).where(Link.gone_at.is_(None)))
    assert (each.told(), live) == (before - 1, ITEMS - DELETED - 1)


def test_what_the_plan_would_remove_leaves_it_when_it_comes_back_as_private(anna: Waiting) -> None:
    record = replace(contact("Клиент 0", "k0@lavka.example"), is_private=True)
    folder = anna.office.server.add_folder(
        "anna@office.test", "Contacts/Личное", anna.office.folder("anna", "Contacts").kind
    )
    anna.office.server.put(folder, record)
    before = anna.told()
    anna.run()
    assert (anna.told(), anna.plans()) == (before - 1, [("open", DELETED - 1)])


def test_a_server_that_forgot_its_place_is_read_from_the_start(each: Waiting) -> None:
    before = each.told()
    each.office.server.expire_cursors()
    each.make_private(each.ids[0])
    assert (each.run().state, each.told(), each.plans()) == ("approval", before - 1, [("open", DELETED)])
    each.decide(plans.approve)
    summary = each.run()
    assert (summary.state, summary.counts.deleted, each.plans()[-1][0]) == ("ok", DELETED, "done")


def test_an_item_that_cannot_be_read_is_tried_again_and_withdrawn_then(anna: Waiting) -> None:
    before = anna.told()
    anna.make_private(anna.ids[0])
    anna.office.server.break_item(anna.ids[0])
    anna.run()
    assert (anna.told(), anna.count(QuarantinedItem)) == (before, 1)
    anna.office.server.mend_item(anna.ids[0])
    with anna.office.sessions.begin() as session:
        session.execute(update(QuarantinedItem).values(next_try_at=utcnow()))
    anna.run()
    assert (anna.told(), anna.count(QuarantinedItem)) == (before - 1, 0)


def test_a_folder_that_is_deleted_just_now_keeps_nothing_else_waiting(anna: Waiting) -> None:
    before = anna.told()
    anna.office.server.add_folder("anna@office.test", "Contacts/Архив", StreamKind.CONTACTS)
    anna.run()
    anna.make_private(anna.ids[0])

    class Late(MemoryConnector):
        def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Any:
            if folder.path == "Contacts/Архив":
                raise ItemGone("The folder is no longer there.")
            return super().changes(folder, cursor, page_size)

    assert anna.run(lambda account: Late(account, anna.office.server)).error == ""
    assert anna.told() == before - 1


# What is left


def test_nothing_else_is_done_until_somebody_decides(each: Waiting) -> None:
    server, (path, make, _) = each.office.server, KINDS[each.kind]
    before, links = each.told(), each.count(Link)
    server.put(each.office.folder("anna", path), make(100))
    for remote_id in each.ids:
        server.delete(remote_id)
    each.run()
    assert (each.told(), each.count(Link), each.plans()) == (before, links, [("open", DELETED)])
    each.decide(plans.approve)
    assert each.run().counts.created == 1


def test_each_item_is_read_once_however_long_nobody_decides(anna: Waiting) -> None:
    read: list[str] = []

    class Watched(MemoryConnector):
        def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Any:
            for page in super().changes(folder, cursor, page_size):
                read.extend(change.remote_id for change in page.changes)
                yield page

    for _ in range(3):
        anna.run(lambda account: Watched(account, anna.office.server))
    assert len(read) == DELETED
    anna.decide(plans.approve)
    assert anna.run().counts.deleted == DELETED


def test_what_is_looked_at_begins_anew_with_each_plan(anna: Waiting) -> None:
    anna.run()
    anna.decide(plans.reject)
    with anna.office.sessions.begin() as session:
        mailboxes.enable(session, mailboxes.get(session, "anna@office.test"))
    assert anna.run().state == "approval"
    with anna.office.sessions() as session:
        assert set(session.scalars(select(MirrorFolder.private_cursor))) == {None}


def test_nothing_is_written_into_outlook(office: Office) -> None:
    clients = ClientsOffice(office)
    anna = Waiting(office).begin()
    clients.change(clients.client("Vera Client"))
    with office.sessions.begin() as session:
        session.execute(update(OutboxItem).values(next_try_at=utcnow() - timedelta(days=1)))
    writes, owed = office.server.writes, anna.count(OutboxItem)
    assert not anna.is_due()  # though something is owed for long
    anna.run()
    assert (office.server.writes, anna.count(OutboxItem)) == (writes, owed)


def test_a_run_that_found_nothing_leaves_no_trace(anna: Waiting) -> None:
    with anna.office.sessions() as session:
        runs = [(run.id, run.outcome) for run in session.scalars(select(SyncRun).order_by(SyncRun.id))]
    assert anna.run().error == ""
    with anna.office.sessions() as session:
        found = [(run.id, run.outcome) for run in session.scalars(select(SyncRun).order_by(SyncRun.id))]
    assert found == runs
    assert runs[-1][1] == "braked"


# When it is run


def test_a_wake_up_makes_it_due(anna: Waiting) -> None:
    assert not anna.is_due()
    with anna.office.sessions.begin() as session:
        assert wakes.wake(session, [stream_of(session).id], utcnow())
    assert anna.is_due()
    anna.run()
    assert not anna.is_due()


@pytest.mark.parametrize("state", ["credentials", "paused"])
def test_a_stream_that_was_stopped_meanwhile_is_not_run(anna: Waiting, state: str) -> None:
    anna.make_private(anna.ids[0])
    with anna.office.sessions.begin() as session:
        stream_of(session).state = state
    requests, before = anna.office.server.requests, anna.told()
    assert anna.run().state == state
    assert (anna.office.server.requests, anna.told()) == (requests, before)


# Deciding, and what goes wrong


def during(anna: Waiting, act: Callable[[], None]) -> Callable[[Account], Connector]:
    """A connector during whose work somebody does something."""

    class Meanwhile(MemoryConnector):
        def folders(self) -> list[Folder]:
            act()
            return super().folders()

    return lambda account: Meanwhile(account, anna.office.server)


def test_who_approves_during_such_a_run_is_heard(anna: Waiting) -> None:
    anna.make_private(anna.ids[0])
    before = anna.told()
    summary = anna.run(during(anna, lambda: anna.decide(plans.approve)))
    assert (summary.counts.deleted, anna.told(), anna.plans()[0][0]) == (1, before - 1, "approved")
    assert (anna.stream().state, anna.stream().last_error, anna.is_due()) == ("ok", "", True)
    summary = anna.run()
    assert (summary.state, summary.counts.deleted, anna.plans()[0][0]) == ("ok", DELETED, "done")


def test_who_rejects_during_such_a_run_is_heard(anna: Waiting) -> None:
    anna.run(during(anna, lambda: anna.decide(plans.reject)))
    stream = anna.stream()
    assert (stream.state, "was rejected" in stream.last_error, anna.is_due()) == ("paused", True, False)


def test_a_server_that_is_away_is_tried_again_and_the_stream_waits_on(anna: Waiting) -> None:
    error = anna.stream().last_error
    for failures in (1, 2):
        anna.office.server.fail_next(Temporary("The server is busy.", retry_after=7200))
        anna.run()
        stream = anna.stream()
        assert (stream.state, stream.last_error, stream.failures) == ("approval", error, failures)
        assert stream.due_at > utcnow() + timedelta(seconds=7000)
    with anna.office.sessions.begin() as session:
        last = session.scalars(select(SyncRun).order_by(SyncRun.id.desc()).limit(1)).one()
        assert (last.outcome, last.error) == ("failed", "The server is busy.")
        assert not wakes.wake(session, [stream_of(session).id], utcnow())
    assert anna.plans() == [("open", DELETED)]
    anna.run()
    assert (anna.stream().failures, anna.stream().state) == (0, "approval")


def test_a_password_that_is_refused_meanwhile_is_tried_once(anna: Waiting) -> None:
    anna.office.server._passwords["anna@office.test"] = "another"
    assert anna.run().state == "credentials"
    sign_ins = anna.office.server.sign_ins
    assert (anna.run().state, anna.office.server.sign_ins) == ("credentials", sign_ins)
    anna.office.server._passwords["anna@office.test"] = "secret"
    anna.decide(plans.approve)
    with anna.office.sessions.begin() as session:
        mailboxes.enable(session, mailboxes.get(session, "anna@office.test"))
    summary = anna.run()
    assert (summary.state, summary.counts.deleted) == ("ok", DELETED)


def test_a_worker_that_dies_meanwhile_forgets_nothing(anna: Waiting) -> None:
    anna.office.settings.mirror.page_size = 2
    anna.make_private(anna.ids[0])
    before = anna.told()

    class Killed(BaseException):
        """Stands for a process that ends at once."""

    class Dying(MemoryConnector):
        def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Any:
            for number, page in enumerate(super().changes(folder, cursor, page_size)):
                if number == 1:
                    raise Killed
                yield page

    with pytest.raises(Killed):
        anna.run(lambda account: Dying(account, anna.office.server))
    with anna.office.sessions.begin() as session:
        stream_of(session).claim = ""
    assert (anna.run().state, anna.told(), anna.plans()) == ("approval", before - 1, [("open", DELETED)])
