"""Streams are counted item by item, here and there (S14)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from connectors.base import Account, Connector, Listed
from connectors.memory import MemoryConnector
from sync.engine import run_stream
from sync.run import Order, Summary
from terracrm.domain.records import ContactRecord, Folder, TaskRecord
from terracrm.errors import Temporary, Unsupported
from terracrm.models import (
    Activity,
    Contact,
    Link,
    Mailbox,
    MessageCopy,
    MirrorFolder,
    QuarantinedItem,
    Reconciliation,
    SkippedItem,
    Stream,
    utcnow,
)
from terracrm.services import reconciliations
from tests.sync.clients_office import ClientsOffice
from tests.sync.conftest import DOMAIN, Office
from tests.sync.items import contact, mail, meeting
from tests.sync.test_posts import History
from tests.sync.test_tasks import Desk, desk  # noqa: F401 - a fixture

SQLITE_FIRST = True


class Counting:
    """Runs with a count, and what came of it."""

    def __init__(self, office: Office) -> None:
        self.office = office

    def count(self, kind: str = "mail", name: str = "anna", connect: Any = None, **order: bool) -> Reconciliation:
        """Count one stream as a person asks for it."""
        self.order = Order(**order)
        with self.office.sessions() as session:
            stream_id = session.scalars(
                select(Stream.id).join(Mailbox).where(Mailbox.address == f"{name}@{DOMAIN}", Stream.kind == kind)
            ).one()
        summary = run_stream(
            self.office.settings, self.office.sessions, stream_id, connect or self.office.connect, order=self.order
        )
        assert summary is not None
        self.summary: Summary = summary
        assert summary.error == ""
        with self.office.sessions() as session:
            found = session.get_one(Reconciliation, self.order.count_id)
            session.expunge(found)
        assert found.there == found.here + found.missing + found.quarantined + sum(found.skipped.values())
        return found

    def stream(self, kind: str = "mail") -> Stream:
        """Anna's stream as it is now."""
        with self.office.sessions() as session:
            mine = Mailbox.address == f"anna@{DOMAIN}", Stream.kind == kind
            return session.scalars(select(Stream).join(Mailbox).where(*mine)).one()


@pytest.fixture
def counting(office: Office) -> Counting:
    return Counting(office)


def told(row: Reconciliation) -> tuple[int, int, int, int, int]:
    """Here, there, missing, extra and stale."""
    return row.here, row.there, row.missing, row.extra, row.stale


def drop(session: Session, *which: Any) -> None:
    """Let links be lost here, as no run would."""
    session.execute(delete(Link).where(*which))
    session.commit()


def test_a_mailbox_in_order_has_no_gaps_whatever_is_in_it(office: Office, counting: Counting) -> None:
    inbox = office.folder("anna", "Inbox")
    for number in range(3):
        office.server.put(inbox, mail(f"Письмо {number}"))
        office.server.put(office.folder("anna", "Calendar"), meeting(f"Встреча {number}"))
    office.server.put(inbox, mail("Личное", is_private=True))
    office.server.put(inbox, mail("Свои", "boris@office.test"))
    office.server.put(inbox, contact())  # dragged there
    sick = office.server.put(inbox, mail("Больное"))
    office.server.put(office.folder("anna", "Drafts"), mail("Черновик"))
    office.server.break_item(sick)
    office.server.put(office.folder("anna", "Contacts"), contact())
    office.server.put(office.folder("anna", "Contacts"), mail("Список рассылки"))
    row = counting.count()
    assert told(row) == (3, 8, 0, 0, 0)
    assert (row.quarantined, row.skipped) == (
        1,
        {"folder_left_out": 1, "internal_only": 1, "other_kind": 1, "private": 1},
    )
    assert told(counting.count("contacts")) == (1, 2, 0, 0, 0)
    assert told(counting.count("calendar")) == (3, 3, 0, 0, 0)
    assert counting.stream("contacts").state == "ok"


def test_what_is_left_out_by_choice_is_no_gap(office: Office, counting: Counting, session: Session) -> None:
    office.server.put(office.folder("anna", "Inbox"), mail("Без категории"))
    office.server.put(office.folder("anna", "Inbox"), mail("С ней", categories=("CRM",)))
    office.server.put(office.server.add_folder(f"anna@{DOMAIN}", "Архив"), mail("Старое"))
    mine = Mailbox.address == f"anna@{DOMAIN}", Stream.kind == "mail"
    stream = session.scalars(select(Stream).join(Mailbox).where(*mine)).one()
    stream.only_category, stream.exclude_folders = "CRM", ["Архив"]
    session.commit()
    row = counting.count()
    assert (told(row), row.skipped) == ((1, 3, 0, 0, 0), {"folder_left_out": 1, "other_category": 1})


def test_read_flags_and_changes_are_no_gaps(office: Office, counting: Counting) -> None:
    items = [office.server.put(office.folder("anna", "Inbox"), mail(f"Письмо {n}", is_read=False)) for n in range(3)]
    office.run("anna", "mail")
    office.server.set_read(items[0], True)
    office.run("anna", "mail")
    before = office.server.requests
    assert told(counting.count()) == (3, 3, 0, 0, 0)
    per_folder = office.server.requests - before
    assert per_folder < 16, "nothing is asked for that does not differ"
    office.server.set_read(items[1], True)
    office.server.change(items[2], mail("Письмо 2", categories=("Важно",)))
    office.server.put(office.folder("anna", "Inbox"), mail("Новое"))
    assert told(counting.count()) == (4, 4, 0, 0, 0)


def test_a_mailbox_that_changes_while_it_is_counted_has_no_gaps(office: Office, counting: Counting) -> None:
    inbox = office.folder("anna", "Inbox")
    items = [office.server.put(inbox, mail(f"Письмо {number}")) for number in range(6)]
    office.run("anna", "mail")

    class Living(MemoryConnector):
        def listing(self, folder: Folder) -> Iterator[Listed]:
            if folder.path == "Inbox" and items:
                office.server.put(inbox, mail("Пришло"))
                office.server.change(items[3], mail("Письмо 3", categories=("Важно",)))
            yield from super().listing(folder)
            if folder.path == "Inbox" and items:
                office.server.delete(items[0])
                office.server.move(items[1], office.folder("anna", "Sent Items"))
                office.server.put(inbox, mail("Пришло позже"))
                items.clear()

    row = counting.count(connect=lambda account: Living(account, office.server))
    assert (row.missing, row.extra, row.stale, row.gaps) == (0, 0, 0, [])
    assert counting.stream().state == "ok"


CASES: dict[str, tuple[Callable[[Office, Session, list[str]], None], tuple[int, int, int]]] = {
    "a link was lost": (lambda o, s, ids: drop(s, Link.remote_id == ids[0]), (1, 0, 0)),
    "it was held for gone": (lambda o, s, ids: gone(s, ids[0]), (1, 0, 0)),
    "no reading told that it left": (lambda o, s, ids: o.server.lose(ids[1]), (0, 1, 0)),
    "no reading told that it changed": (lambda o, s, ids: change_unseen(o, s, ids[2]), (0, 0, 1)),
    "all at once": (lambda o, s, ids: everything(o, s, ids), (1, 1, 1)),
}


def gone(session: Session, remote_id: str) -> None:
    session.execute(update(Link).where(Link.remote_id == remote_id).values(gone_at=utcnow()))
    session.commit()


def change_unseen(office: Office, session: Session, remote_id: str) -> None:
    """An item changes, and the cursor passes it."""
    office.server.change(remote_id, mail("Письмо 2", categories=("Важно",)))
    inbox = session.scalars(select(MirrorFolder).where(MirrorFolder.path == "Inbox")).first()
    assert inbox is not None
    folder = office.folder("anna", "Inbox")
    inbox.cursor = office.server.cursor(folder, office.server._item(remote_id).last)
    session.commit()


def everything(office: Office, session: Session, ids: list[str]) -> None:
    drop(session, Link.remote_id == ids[0])
    office.server.lose(ids[1])
    change_unseen(office, session, ids[2])


@pytest.mark.parametrize("case", CASES)
def test_a_gap_is_found_told_and_mended(office: Office, counting: Counting, session: Session, case: str) -> None:
    ids = [office.server.put(office.folder("anna", "Inbox"), mail(f"Письмо {n}")) for n in range(5)]
    office.run("anna", "mail")
    harm, expected = CASES[case]
    harm(office, session, ids)
    row = counting.count()
    assert (row.missing, row.extra, row.stale) == expected
    stream = counting.stream()
    assert (stream.state, stream.gaps) == ("degraded", sum(expected))
    kinds = zip(expected, ("missing", "extra", "stale"), strict=True)
    counts = ", ".join(f"{count} {kind}" for count, kind in kinds if count)
    assert f"not the same here and in the mailbox: {counts};" in stream.last_error
    assert "terracrm sync reconcile --mailbox anna@office.test --stream mail" in stream.last_error
    assert {gap["kind"]: gap["remote_id"] for gap in row.gaps} == {
        kind: remote_id
        for kind, remote_id, count in zip(("missing", "extra", "stale"), ids, expected, strict=False)
        if count
    }
    assert office.run("anna", "mail").state == "degraded", "only a count says that it is over"
    row = counting.count(repair=True)
    assert (row.missing, row.extra, row.stale, row.repaired) == (*expected, sum(expected))
    assert (counting.stream().state, counting.stream().gaps, counting.stream().last_error) == ("ok", 0, "")
    row = counting.count()
    assert (row.missing, row.extra, row.stale) == (0, 0, 0)
    session.rollback()
    assert session.scalar(select(func.count()).select_from(Activity)) == 5
    assert session.scalar(select(func.count()).select_from(Link).where(Link.gone_at.is_(None))) == 5 - expected[1]
    if expected[2]:
        assert "Важно" in set(session.scalars(select(MessageCopy.categories)))


def test_what_is_missing_and_left_out_by_a_rule_is_noted_as_that(
    office: Office, counting: Counting, session: Session
) -> None:
    private = office.server.put(office.folder("anna", "Inbox"), mail("Личное", is_private=True))
    sick = office.server.put(office.folder("anna", "Inbox"), mail("Больное"))
    office.run("anna", "mail")
    session.execute(delete(SkippedItem))
    session.execute(delete(Link))
    session.commit()
    office.server.break_item(sick)
    row = counting.count()
    assert (told(row), row.skipped, row.quarantined) == ((0, 2, 0, 0, 0), {"private": 1}, 1)
    session.rollback()
    assert session.scalars(select(SkippedItem.remote_id)).all() == [private]
    assert session.scalars(select(QuarantinedItem.remote_id)).all() == [sick]


def test_an_item_that_became_private_unseen_is_withdrawn_by_a_count(
    office: Office, counting: Counting, session: Session
) -> None:
    item = office.server.put(office.folder("anna", "Inbox"), mail())
    office.run("anna", "mail")
    office.server.change(item, mail(is_private=True))
    inbox = session.scalars(select(MirrorFolder).where(MirrorFolder.path == "Inbox")).first()
    assert inbox is not None
    inbox.cursor = office.server.cursor(office.folder("anna", "Inbox"), office.server._item(item).last)
    session.commit()
    row = counting.count()
    assert (told(row), row.skipped, row.gaps) == ((0, 1, 0, 0, 0), {"private": 1}, [])
    session.rollback()
    assert session.scalar(select(func.count()).select_from(Activity)) == 0


def test_a_list_that_leaves_items_out_is_not_believed(office: Office, counting: Counting) -> None:
    for number in range(30):
        office.server.put(office.folder("anna", "Inbox"), mail(f"Письмо {number}"))
    office.run("anna", "mail")

    class Forgetful(MemoryConnector):
        def listing(self, folder: Folder) -> Iterator[Listed]:
            yield from list(super().listing(folder))[:10]

    row = counting.count(repair=True, connect=lambda account: Forgetful(account, office.server))
    assert told(row) == (30, 30, 0, 0, 0)
    for number in range(100):
        office.server.put(office.folder("anna", "Inbox"), mail(f"Ещё {number}"))
    with pytest.raises(AssertionError, match="cannot be believed"):
        counting.count(repair=True, connect=lambda account: Forgetful(account, office.server))
    assert office.run("anna", "mail").counts.deleted == 0
    assert office.stats()["copies"] == 130


def test_what_is_neither_listed_nor_handed_out_is_told_and_not_marked_gone(office: Office, counting: Counting) -> None:
    item = office.server.put(office.folder("anna", "Inbox"), mail())
    office.run("anna", "mail")
    office.server.break_item(item)

    class Silent(MemoryConnector):
        def listing(self, folder: Folder) -> Iterator[Listed]:
            yield from ()

    row = counting.count(repair=True, connect=lambda account: Silent(account, office.server))
    assert (row.extra, row.repaired, row.quarantined) == (1, 0, 0)
    assert office.stats()["copies"] == 1


def test_many_that_are_not_there_are_marked_gone_only_when_somebody_insists(
    office: Office, counting: Counting, session: Session
) -> None:
    ids = [office.server.put(office.folder("anna", "Inbox"), mail(f"Письмо {number}")) for number in range(60)]
    office.run("anna", "mail")
    for remote_id in ids[:26]:
        office.server.lose(remote_id)
    row = counting.count(repair=True)
    assert (row.extra, row.repaired) == (26, 0)
    assert "26 items are here and not in the mailbox" in counting.order.refused
    assert "--anyway" in counting.order.refused
    assert counting.stream().gaps == 26
    row = counting.count(repair=True, anyway=True)
    assert (row.extra, row.repaired, counting.order.refused) == (26, 26, "")
    assert office.stats()["copies"] == 34
    assert session.scalar(select(func.count()).select_from(Activity)) == 60


def test_cards_of_clients_that_are_not_there_are_settled_as_deleted(office: Office, counting: Counting) -> None:
    crm = ClientsOffice(office)
    kept, lost = (crm.client(f"{name} Last") for name in ("Kept", "Lost"))
    crm.settled()
    item = crm.item("Lost Last")
    office.server.lose(item)
    assert counting.count("contacts").extra == 1
    assert counting.count("contacts", repair=True).repaired == 1
    crm.settled()
    assert list(crm.cards()) == ["Kept Last"]
    row = counting.count("contacts")
    assert told(row) == (1, 1, 0, 0, 0)
    assert {link.local_id: bool(link.untracked_at) for link in crm.links()} == {kept: False, lost: True}


def test_a_copy_of_a_card_is_left_out_by_its_rule(office: Office, counting: Counting) -> None:
    crm = ClientsOffice(office)
    crm.client("Client Last")
    crm.settled()
    office.server.copy(crm.item("Client Last"), crm.folder("Contacts"))
    row = counting.count("contacts")
    assert (told(row), row.skipped) == ((1, 2, 0, 0, 0), {"copy": 1})


def test_of_tasks_only_ours_are_counted(office: Office, desk: Desk, counting: Counting) -> None:  # noqa: F811
    for _ in range(2):
        desk.add()
    office.server.put(office.folder("anna", "Tasks"), TaskRecord(subject="Her own"))
    office.run("anna", "tasks")
    row = counting.count("tasks")
    assert (told(row), row.skipped) == ((2, 2, 0, 0, 0), {})
    ours = next(i for i in office.server._box(office.folder("anna", "Tasks")).present() if i.key)
    office.server.lose(ours.remote_id)
    assert told(counting.count("tasks")) == (1, 1, 0, 1, 0)
    assert counting.count("tasks", repair=True).repaired == 1


def test_posts_that_people_deleted_are_no_gaps(office: Office, counting: Counting, session: Session) -> None:
    crm = History(office)
    for number in range(3):
        crm.mail(f"Письмо {number}")
    crm.settled()
    crm.server.delete(next(iter(crm.posts().values())).remote_id)
    row = counting.count("posts", "history")
    assert told(row) == (2, 2, 0, 0, 0)
    assert (
        session.scalar(select(func.count()).select_from(Link).where(Link.rule == "posts", Link.gone_at.is_(None))) == 2
    )
    crm.settled()
    assert len(crm.posts()) == 2


class TestTheClock:
    def mend(self, session: Session, **stream: Any) -> None:
        if stream:
            session.execute(update(Stream).values(**stream))
        session.execute(update(Mailbox).values(created_at=utcnow() - timedelta(days=30)))
        session.commit()

    def counted(self, session: Session) -> int:
        session.rollback()
        return session.scalar(select(func.count()).select_from(Reconciliation)) or 0

    def test_a_new_mailbox_is_counted_after_a_while(self, office: Office, session: Session) -> None:
        office.run("anna", "mail")
        assert self.counted(session) == 0
        session.execute(update(Mailbox).values(created_at=utcnow() - timedelta(hours=2)))
        session.commit()
        office.run("anna", "mail")
        assert self.counted(session) == 1
        office.run("anna", "mail")
        assert self.counted(session) == 1

    def test_of_many_that_are_due_one_comes_at_a_time(self, office: Office, session: Session) -> None:
        self.mend(session)
        for kind in ("mail", "contacts", "calendar"):
            for name in ("anna", "boris"):
                office.run(name, kind)
        assert self.counted(session) == 1
        session.execute(
            update(Stream).where(Stream.reconciled_at.is_not(None)).values(reconciled_at=utcnow() - timedelta(hours=3))
        )
        session.commit()
        for name in ("anna", "boris"):
            office.run(name, "contacts")
        assert self.counted(session) == 2

    def test_one_with_gaps_is_counted_sooner(self, office: Office, session: Session) -> None:
        self.mend(session, reconciled_at=utcnow() - timedelta(hours=3))
        office.run("anna", "mail")
        assert self.counted(session) == 0
        self.mend(session, reconciled_at=utcnow() - timedelta(hours=3), gaps=1)
        office.run("anna", "mail")
        assert self.counted(session) == 1

    def test_it_can_be_switched_off(self, office: Office, session: Session) -> None:
        self.mend(session)
        office.settings = replace_sync(office.settings, reconcile_hours=0)
        office.run("anna", "mail")
        assert self.counted(session) == 0

    @pytest.mark.parametrize("error", [Temporary("It has no end."), Unsupported("What is FindItem?")])
    def test_a_server_that_cannot_be_counted_is_read_all_the_same(
        self, office: Office, session: Session, error: Exception
    ) -> None:
        self.mend(session)

        class Endless(MemoryConnector):
            def listing(self, folder: Folder) -> Iterator[Listed]:
                raise error

        def connect(account: Account) -> Connector:
            return Endless(account, office.server)

        office.server.put(office.folder("anna", "Inbox"), mail())
        assert office.run("anna", "mail", connect).state == "ok"
        assert (self.counted(session), office.stats()["messages"]) == (0, 1)

    def test_a_gap_by_the_clock_is_told_and_nothing_is_mended(self, office: Office, session: Session) -> None:
        ids = [office.server.put(office.folder("anna", "Inbox"), mail(f"Письмо {n}")) for n in range(3)]
        office.run("anna", "mail")
        self.mend(session)
        office.server.lose(ids[0])
        assert office.run("anna", "mail").state == "degraded"
        assert office.stats()["copies"] == 3

    def test_the_oldest_counts_are_forgotten(
        self, counting: Counting, session: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reconciliations, "KEPT", 2)
        ids = [counting.count().id for _ in range(4)]
        assert set(session.scalars(select(Reconciliation.id))) == set(ids[2:])


def replace_sync(settings: Any, **values: Any) -> Any:
    return settings.model_copy(update={"sync": settings.sync.model_copy(update=values)})


def test_a_large_folder_takes_few_requests(office: Office, counting: Counting, session: Session) -> None:
    inbox = office.folder("anna", "Inbox")
    for number in range(2500):
        office.server.put(inbox, ContactRecord() if number % 2 else mail(f"Письмо {number}", is_private=True))
    office.run("anna", "mail")
    before = office.server.requests
    row = counting.count()
    assert row.there == 2500
    assert office.server.requests - before < 16
    assert session.scalar(select(func.count()).select_from(Contact)) == 0
