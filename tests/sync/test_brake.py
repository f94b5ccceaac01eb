"""The brake inbound: what a run may remove and change before a person is asked (Y2, invariant 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from connectors.base import Account, Connector
from connectors.memory import MemoryConnector
from sync import asking
from sync.run import Summary
from sync.schedule import chosen_streams, due_streams
from terracrm.domain.records import Change, ChangeKind, ContactRecord, Folder, Page, StreamKind
from terracrm.errors import ItemGone, Temporary
from terracrm.models import Contact, Link, Plan, PlanStep, QuarantinedItem, Stream, SyncRun
from terracrm.services import access, mailboxes, plans
from tests.sync.clients_office import stream_of
from tests.sync.conftest import Office
from tests.sync.items import contact, mail, meeting
from tests.sync.test_moved import moved

SQLITE_FIRST = True

ITEMS = 12


class Blind(MemoryConnector):
    """A server that shows one folder as empty, though its items are there; `short`: but for the first so many."""

    hidden: str = "Contacts"
    short = 0

    def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Iterator[Page]:
        if folder.path != self.hidden:
            yield from super().changes(folder, cursor, page_size)
            return
        position = self._server.position(folder, cursor)  # raises CursorExpired
        there = self._server._box(folder).present()
        gone = [Change(ChangeKind.DELETED, item.remote_id) for item in there[self.short :] if item.created <= position]
        shown = [next(iter(self.get(folder, [item.remote_id]))) for item in there[: self.short]] if not cursor else []
        yield Page((*shown, *gone), self._server.cursor(folder, position + 1))


@dataclass
class World:
    """Anna's contacts, and how a run over them went."""

    office: Office

    def __post_init__(self) -> None:
        self.ids: list[str] = []
        self.server = self.office.server
        sync = self.office.settings.sync
        sync.brake_items, sync.brake_percent = 3, 10

    def fill(self, count: int = ITEMS, path: str = "Contacts") -> World:
        for number in range(len(self.ids), len(self.ids) + count):
            record = contact(f"Клиент {number}", f"k{number}@lavka.example")
            self.ids.append(self.server.put(self.office.folder("anna", path), record))
        assert self.run().state == "ok"
        return self

    def run(self, connect: Callable[[Account], Connector] | None = None, kind: str = "contacts") -> Summary:
        return self.office.run("anna", kind, connect)

    def blind(self, account: Account) -> Connector:
        return Blind(account, self.server)

    def delete(self, count: int) -> None:
        for remote_id in self.ids[:count]:
            self.server.delete(remote_id)
        self.ids = self.ids[count:]

    def edit(self, count: int, **fields: Any) -> None:
        for remote_id in self.ids[:count]:
            record = self.server._item(remote_id).record
            assert isinstance(record, ContactRecord)
            self.server.change(remote_id, replace(record, **fields))

    def live(self, entity: str = "contact") -> int:
        with self.office.sessions() as session:
            mine = Link.entity == entity, Link.gone_at.is_(None)
            return session.scalar(select(func.count()).select_from(Link).where(*mine)) or 0

    def changed(self, **fields: Any) -> int:
        with self.office.sessions() as session:
            mine = [getattr(Contact, name) == value for name, value in fields.items()]
            return session.scalar(select(func.count()).select_from(Contact).where(*mine)) or 0

    def plan(self) -> Plan:
        """The plan that waits."""
        with self.office.sessions() as session:
            return session.scalars(select(Plan).where(Plan.state == "open")).one()

    def decide(self, decide: Callable[..., Any]) -> None:
        with self.office.sessions.begin() as session:
            decide(session, access.operator(), session.scalars(select(Plan.id).where(Plan.state == "open")).one())

    def enable(self) -> None:
        with self.office.sessions.begin() as session:
            mailboxes.enable(session, mailboxes.get(session, "anna@office.test"))

    def states(self) -> list[str]:
        with self.office.sessions() as session:
            return list(session.scalars(select(Plan.state).order_by(Plan.id)))

    def is_run(self) -> bool:
        """Whether the daemon or the command line would run the stream."""
        with self.office.sessions() as session:
            stream_id = stream_of(session).id
            by_name = chosen_streams(session, "anna@office.test", "contacts")
            return stream_id in {*due_streams(session, self.office.settings), *by_name}


@pytest.fixture
def world(office: Office) -> World:
    return World(office)


def braked(world: World, summary: Summary, *, removals: int = 0, changes: int = 0) -> None:
    """The run stopped with this plan, and did nothing of it."""
    assert (summary.state, summary.counts.deleted, summary.counts.updated) == ("approval", 0, 0)
    found = world.plan()
    assert (found.removals, found.changes, found.cause) == (removals, changes, "brake")
    assert f"terracrm plan approve {found.id}" in summary.error
    with world.office.sessions() as session:
        run = session.get_one(SyncRun, found.run_id)
        assert (run.outcome, run.error, stream_of(session).last_error) == ("braked", summary.error, summary.error)


# What trips, and what does not


def test_more_removals_than_the_limit_wait_for_a_person_and_then_are_done_exactly(world: World) -> None:
    world.fill().delete(5)
    braked(world, world.run(), removals=5)
    assert (world.live(), world.is_run()) == (ITEMS, False)
    world.decide(plans.approve)
    assert world.is_run()
    summary = world.run()
    assert (summary.state, summary.counts.deleted, world.live(), world.states()) == ("ok", 5, ITEMS - 5, ["done"])
    assert world.run().counts.deleted == 0


@pytest.mark.parametrize(
    ("items", "most", "percent", "count", "trips"),
    [
        pytest.param(12, 3, 10, 3, False, id="as many as the limit"),
        pytest.param(12, 3, 10, 4, True, id="one more"),
        pytest.param(12, 3, 40, 4, False, id="more than the number, but not than the share"),
        pytest.param(12, 3, 33, 4, True, id="just more than the share, too"),
        pytest.param(12, 0, 0, 12, False, id="no brake"),
        pytest.param(12, 3, 0, 4, True, id="no share"),
        pytest.param(12, 11, 10, 12, True, id="all"),
    ],
)
def test_the_limit_is_a_number_and_a_share(
    world: World, items: int, most: int, percent: int, count: int, trips: bool
) -> None:
    sync = world.office.settings.sync
    sync.brake_items, sync.brake_percent = most, percent
    world.fill(items).delete(count)
    summary = world.run()
    assert (summary.state, world.live()) == (("approval", items) if trips else ("ok", items - count))


def test_thirty_of_a_hundred_contacts_deleted_at_once_wait_under_the_settings_as_they_come(office: Office) -> None:
    world = World(office)
    office.settings.sync.brake_items, office.settings.sync.brake_percent = 25, 10
    world.fill(100).delete(25)
    assert world.run().state == "ok"
    world.delete(30)
    braked(world, world.run(), removals=30)


def test_what_was_moved_to_another_folder_is_no_removal(world: World) -> None:
    other = world.server.add_folder("anna@office.test", "Contacts/Zulu", StreamKind.CONTACTS)
    world.fill()
    for remote_id in world.ids[:8]:
        world.server.move(remote_id, other)
    summary = world.run()
    assert (summary.state, world.live(), summary.counts.deleted, world.states()) == ("ok", ITEMS, 8, [])
    assert world.changed() == ITEMS


def test_two_folders_that_change_places_are_no_removal(world: World) -> None:
    other = world.server.add_folder("anna@office.test", "Contacts/Zulu", StreamKind.CONTACTS)
    world.fill(6).fill(6, "Contacts/Zulu")
    first, here = world.ids[:6], world.office.folder("anna", "Contacts")
    for remote_id in first:
        world.server.move(remote_id, other)
    for remote_id in world.ids[6:]:
        world.server.move(remote_id, here)
    assert (world.run().state, world.live(), world.states()) == ("ok", 12, [])


def test_what_left_to_where_nothing_is_mirrored_is_a_removal(world: World) -> None:
    trash = world.server.add_folder("anna@office.test", "Deleted Items/Old", StreamKind.CONTACTS, "deleteditems")
    world.fill()
    for remote_id in world.ids[:5]:
        world.server.move(remote_id, trash)
    braked(world, world.run(), removals=5)


def test_a_mass_edit_waits_with_each_field(world: World) -> None:
    world.fill().edit(5, job_title="Директор")
    braked(world, world.run(), changes=5)
    assert world.changed(job_title="Директор") == 0
    with world.office.sessions() as session:
        steps = plans.steps(session, world.plan().id)
    assert {(s.act, s.entity, s.direction) for s in steps} == {("change", "contact", "in")}
    assert {(f.field, f.old, f.new) for step in steps for f in step.fields} == {("job_title", "", "Директор")}
    world.decide(plans.approve)
    assert (world.run().counts.updated, world.changed(job_title="Директор"), world.states()) == (5, 5, ["done"])


def test_edits_that_change_nothing_here_weigh_nothing(world: World) -> None:
    world.fill().edit(8, categories=())
    assert (world.run().state, world.states()) == ("ok", [])


def test_private_marks_are_never_held_back(world: World) -> None:
    world.fill().edit(8, is_private=True)
    assert (world.run().state, world.live(), world.changed()) == ("ok", ITEMS - 8, ITEMS - 8)


def test_private_marks_are_done_while_the_rest_of_their_page_waits(world: World) -> None:
    world.fill().edit(4, is_private=True)
    world.ids = world.ids[4:]
    world.delete(5)
    summary = world.run()
    assert (summary.state, world.plan().removals) == ("approval", 5)
    assert (world.live(), world.changed()) == (ITEMS - 4, ITEMS - 4)


def test_pages_within_the_limit_are_applied_and_the_first_that_passes_it_is_held(world: World) -> None:
    world.fill()
    world.office.settings.mirror.page_size = 2
    world.delete(5)
    summary = world.run()
    assert (summary.state, world.live(), world.plan().removals) == ("approval", ITEMS - 2, 3)
    world.decide(plans.approve)
    assert (world.run().state, world.live()) == ("ok", ITEMS - 5)


def test_new_items_come_in_while_others_wait(world: World) -> None:
    world.fill().delete(5)
    other = world.server.add_folder("anna@office.test", "Contacts/Neu", StreamKind.CONTACTS)
    world.server.put(other, contact("Новый", "new@lavka.example"))
    summary = world.run()
    assert (summary.state, summary.counts.created) == ("approval", 1)


@pytest.mark.parametrize(("kind", "path", "make"), [("mail", "Inbox", mail), ("calendar", "Calendar", meeting)])
def test_mail_and_meetings_are_braked_alike(
    world: World, session: Session, kind: str, path: str, make: Callable[[str], Any]
) -> None:
    ids = [world.server.put(world.office.folder("anna", path), make(f"Предмет {n}")) for n in range(8)]
    world.run(kind=kind)
    for remote_id in ids[:5]:
        world.server.delete(remote_id)
    summary = world.run(kind=kind)
    assert (summary.state, summary.counts.deleted, world.plan().removals) == ("approval", 0, 5)
    world.decide(plans.approve)
    summary = world.run(kind=kind)
    assert (summary.state, summary.counts.deleted) == ("ok", 5)
    words = {"mail": "message", "calendar": "meeting"}
    assert world.live(words[kind]) == 3


def test_mail_that_is_filed_or_read_is_never_held_back(world: World) -> None:
    inbox = world.office.folder("anna", "Inbox")
    ids = [world.server.put(inbox, mail(f"Письмо {n}")) for n in range(8)]
    world.run(kind="mail")
    for remote_id in ids:
        world.server.change(remote_id, replace(world.server._item(remote_id).record, categories=("Дела",)))  # type: ignore[call-arg]
    assert (world.run(kind="mail").state, world.states()) == ("ok", [])
    for remote_id in ids:
        world.server.set_read(remote_id, is_read=False)
    assert (world.run(kind="mail").state, world.states()) == ("ok", [])


def test_a_first_mirror_costs_nothing_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.looking.steps_of", lambda *_: pytest.fail("nothing is to be looked at"))
    requests = world.server.requests
    world.fill()
    first = world.server.requests - requests
    world.delete(2)
    world.edit(1, job_title="Директор")
    requests = world.server.requests
    assert world.run().state == "ok"
    assert world.server.requests - requests <= first


# A server that contradicts itself


def test_a_folder_that_is_shown_as_empty_by_mistake_removes_nothing_and_heals_by_itself(world: World) -> None:
    world.fill()
    for items in (3, ITEMS):  # within the limit, too
        world.office.settings.sync.brake_items = items
        summary = world.run(world.blind)
        assert (summary.state, world.live(), world.states()) == ("backoff", ITEMS, [])
        assert "without items that it has" in summary.error
    world.enable()
    assert (world.run().state, world.live()) == ("ok", ITEMS)


@pytest.mark.parametrize("false", [1, 3])
def test_items_that_are_told_as_deleted_by_mistake_stay_and_the_rest_waits_for_them(world: World, false: int) -> None:
    world.fill()
    lies = world.ids[:false]
    world.ids = world.ids[false:]
    world.delete(1)

    class Lying(MemoryConnector):
        def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Iterator[Page]:
            for page in super().changes(folder, cursor, page_size):
                gone = [Change(ChangeKind.DELETED, each) for each in lies if folder.path == "Contacts"]
                yield replace(page, changes=(*gone, *page.changes))

    summary = world.run(lambda account: Lying(account, world.server))
    assert (summary.state, world.live(), world.states()) == ("backoff", ITEMS, [])
    assert "without items that it has" in summary.error
    world.enable()
    assert (world.run().state, world.live()) == ("ok", ITEMS - 1)


def test_what_became_private_goes_while_the_server_contradicts_itself(world: World) -> None:
    world.fill().edit(1, is_private=True)

    class Lying(MemoryConnector):
        def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Iterator[Page]:
            for page in super().changes(folder, cursor, page_size):
                gone = [Change(ChangeKind.DELETED, each) for each in world.ids[1:2] if folder.path == "Contacts"]
                yield replace(page, changes=(*gone, *page.changes))

    for _ in range(2):
        world.enable()
        summary = world.run(lambda account: Lying(account, world.server))
        assert (summary.state, world.live(), world.changed()) == ("backoff", ITEMS - 1, ITEMS - 1)


def test_other_folders_go_on_while_the_server_contradicts_itself_about_one(world: World) -> None:
    other = world.server.add_folder("anna@office.test", "Contacts/Zulu", StreamKind.CONTACTS, "contacts")
    world.fill()
    lies = world.ids[:1]

    class Lying(MemoryConnector):
        def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Iterator[Page]:
            for page in super().changes(folder, cursor, page_size):
                gone = [Change(ChangeKind.DELETED, each) for each in lies if folder.path == "Contacts"]
                yield replace(page, changes=(*gone, *page.changes))

    moved, new = world.ids[1], contact("Новый клиент", "new@lavka.example")
    for _ in range(2):
        world.server.put(other, new)
        world.enable()
        assert world.run(lambda account: Lying(account, world.server)).state == "backoff"
    assert world.live() == ITEMS + 2
    world.server.move(moved, other)
    world.enable()
    assert (world.run().state, world.live(), world.states()) == ("ok", ITEMS + 2, [])


@pytest.mark.parametrize("path", ["Contacts/Zulu", "Deleted Items/Old"])
def test_what_left_is_asked_for_once_a_page_wherever_it_went(world: World, path: str) -> None:
    target = world.server.add_folder("anna@office.test", path, StreamKind.CONTACTS, path.partition("/")[0])
    world.fill()
    world.office.settings.mirror.page_size = 2
    asked: list[int] = []

    class Asked(MemoryConnector):
        def present(self, folder: Folder, remote_ids: Sequence[str]) -> set[str]:
            asked.append(len(remote_ids))
            return super().present(folder, remote_ids)

    def run() -> Summary:
        return world.run(lambda account: Asked(account, world.server))

    world.server.move(world.ids[0], target)
    for remote_id in world.ids[1:3]:
        world.server.delete(remote_id)
    assert (run().state, asked) == ("ok", [2, 1])
    assert (run().state, asked) == ("ok", [2, 1])


def test_a_folder_that_is_really_emptied_is_believed(world: World) -> None:
    world.fill(3).delete(3)
    assert (world.run().state, world.live()) == ("ok", 0)


class Stubborn(MemoryConnector):
    """A server that tells each time, on a page of its own, that an item is gone which it has; `denies` it, too."""

    def __init__(self, world: World, account: Account, lie: str, *, denies: bool = False) -> None:
        super().__init__(account, world.server)
        self.lie, self.denies = lie, denies

    def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Iterator[Page]:
        if folder.path == "Contacts" and cursor:
            yield Page((Change(ChangeKind.DELETED, self.lie),), cursor)
        yield from super().changes(folder, cursor, page_size)

    def get(self, folder: Folder, remote_ids: Sequence[str]) -> Sequence[Change]:
        found = super().get(folder, remote_ids)
        is_denied = [self.denies and each.remote_id == self.lie for each in found]
        return [
            Change(ChangeKind.DELETED, each.remote_id) if no else each
            for each, no in zip(found, is_denied, strict=True)
        ]


@pytest.mark.parametrize("denies", [False, True])
def test_who_contradicts_himself_for_good_is_not_believed_and_keeps_nothing_waiting(world: World, denies: bool) -> None:
    world.fill()
    world.delete(1)
    lie = world.ids.pop()
    world.edit(1, is_private=True)

    def run() -> Summary:
        return world.run(lambda account: Stubborn(world, account, lie, denies=denies))

    for _ in range(asking.PATIENCE):
        assert (run().state, world.live()) == ("backoff", ITEMS)
    assert (run().state, world.live()) == ("degraded" if denies else "ok", ITEMS - 2)
    with world.office.sessions() as session:
        assert session.scalars(select(QuarantinedItem.remote_id)).all() == [lie] * denies
        assert session.scalars(select(Link).where(Link.remote_id == lie)).one().gone_at is None


def test_what_is_private_among_what_the_server_tells_as_gone_for_good_is_withdrawn(world: World) -> None:
    world.fill()
    world.edit(1, is_private=True)
    for _ in range(asking.PATIENCE + 1):
        summary = world.run(lambda account: Stubborn(world, account, world.ids[0]))
    assert (summary.state, world.live()) == ("ok", ITEMS - 1)


def test_an_outage_says_nothing_about_a_contradiction(world: World) -> None:
    def away(_: Account) -> Connector:
        raise Temporary("the server is away")

    world.fill()
    for _ in range(asking.PATIENCE):
        assert world.run(away).state == "backoff"
    assert world.run(lambda account: Stubborn(world, account, world.ids[0])).state == "backoff"
    assert world.run(lambda account: Stubborn(world, account, world.ids[0])).state == "ok"


# Cursor loss


def test_what_a_server_never_shows_again_but_has_is_taken_as_it_is_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[int] = set()

    def note(connector: Blind, folder: Folder, remote_ids: Sequence[str]) -> Sequence[Change]:
        asked.add(len(remote_ids))
        return MemoryConnector.get(connector, folder, remote_ids)

    monkeypatch.setattr(Blind, "get", note)
    monkeypatch.setattr(asking, "BATCH", 3)
    world.fill()
    world.edit(ITEMS, job_title="Директор")
    world.office.settings.sync.brake_items = 0
    world.server.expire_cursors()
    Blind.short = 4
    try:
        for _ in range(asking.PATIENCE):
            assert world.run(world.blind).state == "backoff"
        assert (world.changed(job_title="Директор"), world.live()) == (4, ITEMS)
        assert world.run(world.blind).state == "ok"
    finally:
        Blind.short = 0
    assert (world.changed(job_title="Директор"), world.live()) == (ITEMS, ITEMS)
    with world.office.sessions() as session:
        assert not session.scalars(select(Link).where(Link.is_unmet)).all()
    assert max(asked) == 3


@pytest.mark.parametrize("short", [0, 4, ITEMS - 1])
def test_a_server_that_lost_its_place_and_shows_less_than_it_has_removes_nothing(world: World, short: int) -> None:
    world.fill()
    world.server.expire_cursors()
    Blind.short = short
    try:
        summary = world.run(world.blind)
    finally:
        Blind.short = 0
    assert (summary.state, world.live(), world.states()) == ("backoff", ITEMS, [])
    world.enable()
    assert (world.run().state, world.live()) == ("ok", ITEMS)


@pytest.mark.parametrize(("lost", "trips"), [(2, False), (5, True), (ITEMS, True)])
def test_what_is_gone_after_a_lost_cursor_is_weighed(world: World, lost: int, trips: bool) -> None:
    world.fill()
    for remote_id in world.ids[:lost]:
        world.server.lose(remote_id)
    world.server.expire_cursors()
    summary = world.run()
    if not trips:
        assert (summary.state, world.live()) == ("ok", ITEMS - lost)
        return
    braked(world, summary, removals=lost)
    assert world.live() == ITEMS
    world.decide(plans.approve)
    assert (world.run().state, world.live(), world.states()) == ("ok", ITEMS - lost, ["done"])


def test_a_worker_that_dies_while_a_folder_is_read_anew_forgets_nothing(world: World) -> None:
    world.fill()
    for remote_id in world.ids[:5]:
        world.server.lose(remote_id)
    world.server.expire_cursors()
    world.office.settings.mirror.page_size = 2

    class Killed(BaseException):
        """Stands for a process that ends at once."""

    class Dying(MemoryConnector):
        def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Iterator[Page]:
            for number, page in enumerate(super().changes(folder, cursor, page_size)):
                if number == 1:
                    raise Killed
                yield page

    for _ in range(2):
        with pytest.raises(Killed):
            world.run(lambda account: Dying(account, world.server))
        with world.office.sessions.begin() as session:
            stream_of(session).claim = ""
    assert world.live() == ITEMS
    braked(world, world.run(), removals=5)


def test_a_cursor_that_is_lost_again_and_again_is_read_from_the_start(world: World) -> None:
    world.fill()
    for _ in range(2):
        world.server.expire_cursors()
        assert (world.run().state, world.live()) == ("ok", ITEMS)
    world.delete(2)
    world.server.expire_cursors()
    assert (world.run().state, world.live()) == ("ok", ITEMS - 2)


# Folders


def vanish(world: World, folder: Folder) -> None:
    world.server.remove_folder(folder)


def to_trash(world: World, folder: Folder) -> None:
    box = world.server._folders["anna@office.test"][folder.remote_id]
    box.folder = replace(box.folder, path="Deleted Items/Zulu", well_known="deleteditems")


@pytest.mark.parametrize("leave", [vanish, to_trash])
def test_a_folder_that_is_deleted_with_much_in_it_waits(world: World, leave: Callable[[World, Folder], None]) -> None:
    other = world.server.add_folder("anna@office.test", "Contacts/Zulu", StreamKind.CONTACTS)
    world.fill(6, "Contacts/Zulu").fill(6)
    leave(world, other)
    braked(world, world.run(), removals=6)
    assert world.live() == 12
    world.decide(plans.reject)
    world.enable()
    braked(world, world.run(), removals=6)
    world.decide(plans.approve)
    assert (world.run().state, world.live(), world.states()[-1]) == ("ok", 6, "done")
    assert (world.run().state, world.live()) == ("ok", 6)


def test_a_folder_that_is_deleted_with_little_in_it_goes(world: World) -> None:
    other = world.server.add_folder("anna@office.test", "Contacts/Zulu", StreamKind.CONTACTS)
    world.fill(3, "Contacts/Zulu").fill(6)
    vanish(world, other)
    assert (world.run().state, world.live()) == ("ok", 6)


def test_a_folder_whose_items_were_moved_before_it_was_deleted_goes(world: World) -> None:
    other = world.server.add_folder("anna@office.test", "Contacts/Zulu", StreamKind.CONTACTS)
    world.fill(6, "Contacts/Zulu").fill(6)
    for remote_id in world.ids[:6]:
        world.server.move(remote_id, world.office.folder("anna", "Contacts"))
    vanish(world, other)
    assert (world.run().state, world.live(), world.states()) == ("ok", 12, [])


@pytest.mark.parametrize(("most", "percent"), [(3, 10), (3, 60), (100, 10)])
def test_a_folder_that_is_not_listed_although_its_items_are_there_removes_nothing_and_stops_no_other(
    world: World, most: int, percent: int
) -> None:
    sync = world.office.settings.sync
    sync.brake_items, sync.brake_percent = most, percent
    world.server.add_folder("anna@office.test", "Contacts/Zulu", StreamKind.CONTACTS)
    world.fill(6, "Contacts/Zulu").fill(6)

    class Forgetful(MemoryConnector):
        def folders(self) -> list[Folder]:
            return [folder for folder in super().folders() if folder.path != "Contacts/Zulu"]

    world.server.put(world.office.folder("anna", "Contacts"), contact("Новый клиент", "new@lavka.example"))
    summary = world.run(lambda account: Forgetful(account, world.server))
    assert (summary.state, world.live(), world.states()) == ("backoff", 13, [])


def test_a_folder_that_is_deleted_while_the_mailbox_is_read_waits_too(world: World) -> None:
    world.server.add_folder("anna@office.test", "Contacts/Zulu", StreamKind.CONTACTS)
    world.fill(6, "Contacts/Zulu").fill(6)

    class Late(MemoryConnector):
        def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Iterator[Page]:
            if folder.path == "Contacts/Zulu":
                raise ItemGone("The folder is no longer there.")
            return super().changes(folder, cursor, page_size)

        def present(self, folder: Folder, remote_ids: Sequence[str]) -> set[str]:
            if folder.path == "Contacts/Zulu":
                raise ItemGone("The folder is no longer there.")
            return super().present(folder, remote_ids)

    braked(world, world.run(lambda account: Late(account, world.server)), removals=6)


# Deciding


def test_more_removals_than_were_approved_wait_again(world: World) -> None:
    world.fill(20).delete(5)
    braked(world, world.run(), removals=5)
    world.decide(plans.approve)
    world.delete(4)
    braked(world, world.run(), removals=9)
    assert (world.live(), world.states()) == (20, ["superseded", "open"])
    world.decide(plans.approve)
    world.delete(2)  # within the limit beside those that were approved
    assert (world.run().state, world.live()) == ("ok", 20 - 11)


def test_what_was_approved_does_not_count_beside_what_has_come_since(world: World) -> None:
    world.fill(20)
    world.office.settings.mirror.page_size = 2
    world.delete(5)
    assert (world.run().state, world.live(), world.plan().removals) == ("approval", 18, 3)
    world.decide(plans.approve)
    world.delete(3)
    assert (world.run().state, world.live(), world.states()) == ("ok", 12, ["done"])


def test_what_was_rejected_rests_until_somebody_enables_it_and_is_looked_at_anew(world: World) -> None:
    world.fill().delete(5)
    braked(world, world.run(), removals=5)
    world.decide(plans.reject)
    with world.office.sessions() as session:
        assert stream_of(session).state == "paused"
    assert not world.is_run()
    world.enable()
    braked(world, world.run(), removals=5)
    assert world.states() == ["rejected", "open"]


def test_enabling_it_without_deciding_looks_anew(world: World) -> None:
    world.fill().delete(5)
    braked(world, world.run(), removals=5)
    world.enable()
    braked(world, world.run(), removals=5)
    assert world.states() == ["superseded", "open"]


def test_a_limit_that_was_raised_lets_it_through_without_a_decision(world: World) -> None:
    world.fill().delete(5)
    braked(world, world.run(), removals=5)
    world.office.settings.sync.brake_items = 5
    world.enable()
    assert (world.run().state, world.live(), world.states()) == ("ok", ITEMS - 5, ["superseded"])


def test_a_worker_that_dies_before_the_plan_is_kept_makes_it_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fill().delete(5)

    class Killed(BaseException):
        """Stands for a process that ends at once."""

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(plans, "store", die)
        with pytest.raises(Killed):
            world.run()
    with world.office.sessions.begin() as session:
        stream_of(session).claim = ""
        assert session.scalars(select(PlanStep)).all() == []
    braked(world, world.run(), removals=5)


def test_a_worker_that_dies_between_the_pages_of_what_was_approved_goes_on(world: World) -> None:
    world.fill(20).delete(8)
    braked(world, world.run(), removals=8)
    world.decide(plans.approve)
    world.office.settings.mirror.page_size = 3

    class Killed(BaseException):
        """Stands for a process that ends at once."""

    class Dying(MemoryConnector):
        def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Iterator[Page]:
            for number, page in enumerate(super().changes(folder, cursor, page_size)):
                if number == 1:
                    raise Killed
                yield page

    with pytest.raises(Killed):
        world.run(lambda account: Dying(account, world.server))
    assert world.live() == 17
    with world.office.sessions.begin() as session:
        stream_of(session).claim = ""
    assert (world.run().state, world.live(), world.states()) == ("ok", 12, ["done"])


def test_another_stream_of_the_mailbox_goes_on(world: World) -> None:
    world.fill().delete(5)
    braked(world, world.run(), removals=5)
    world.server.put(world.office.folder("anna", "Inbox"), mail("Цены"))
    summary = world.run(kind="mail")
    assert (summary.state, summary.counts.created) == ("ok", 1)
    with world.office.sessions() as session:
        assert {s.kind: s.state for s in session.scalars(select(Stream).where(Stream.state == "approval"))} == {
            "contacts": "approval"
        }


@pytest.mark.parametrize(("lost", "trips"), [(0, False), (2, False), (5, True), (ITEMS, True)])
def test_a_mailbox_that_was_moved_and_came_without_much_of_what_it_had_waits(
    world: World, lost: int, trips: bool
) -> None:
    world.fill()
    world.delete(lost)
    world.server = world.office.server = moved(world.server)
    summary = world.run()
    if trips:
        braked(world, summary, removals=lost)
        assert world.live() == ITEMS + ITEMS - lost  # each is there as it was, and as it is there now
        world.decide(plans.approve)
        summary = world.run()
    assert (summary.state, world.live(), world.changed()) == ("ok", ITEMS - lost, ITEMS)
