"""What writing tasks and posts may rely on, held against every connector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from exchangelib.recurrence import TaskRecurrence, WeeklyPattern
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.base import Connector, Version
from connectors.outlook_limits import IMPORTANCE, POST_FIELDS, TASK_FIELDS, trimmed
from terracrm.domain.records import Change, ChangeKind, Folder, MessageRecord, PostRecord, StreamKind, TaskRecord
from terracrm.errors import ItemGone, ItemRejected, Temporary, VersionConflict
from tests.connectors.write_offices import ExchangeOffice, Office, folder_of, opened

KEY = "task 7 <&> «ключ»"
CALL = TaskRecord(
    subject="Позвонить в «Сыры & Ко» <срочно>",
    body="Спросить о заказе.\n  Второй абзац: <b>не тег</b> & прочее 🧀",
    due_on=date(2026, 12, 1),
    remind_at=datetime(2026, 12, 1, 6, 30, tzinfo=UTC),
    importance="high",
)
LATER = TaskRecord(subject="Call later", body="Changed", due_on=date(2027, 1, 11), importance="low", is_private=True)
POST = PostRecord("Встреча: «Сыры & Ко»", "Кто: Анна\n\nТекст & <b>не тег</b>")


@pytest.fixture(params=["memory", "exchange_ews"])
def office(request: pytest.FixtureRequest) -> Iterator[Office]:
    """An office whose every answer follows Microsoft's schema, and where nobody was mailed."""
    yield from opened(request.param)


def tasks(connector: Connector) -> Folder:
    return folder_of(connector, "tasks")


def create(connector: Connector, record: TaskRecord = CALL, key: str = KEY) -> Version:
    return connector.create(tasks(connector), record, key)


def read(connector: Connector, remote_id: str) -> Change:
    (change,) = connector.get(tasks(connector), [remote_id])
    return change


def record_of(connector: Connector, version: Version) -> TaskRecord:
    """The task as it is now; it must still be the version that was written."""
    change = read(connector, version.remote_id)
    assert isinstance(change.record, TaskRecord)
    assert change.version == version.change_key
    return change.record


class TestTasks:
    def test_every_field_comes_back_as_it_was_written(self, office: Office) -> None:
        connector = office.connector()
        before = datetime.now(UTC) - timedelta(seconds=2)
        version = create(connector)
        (page,) = connector.changes(tasks(connector), None, 10)
        (change,) = page.changes
        written = Change(ChangeKind.CREATED, version.remote_id, version.change_key, CALL, key=KEY)
        assert replace(change, changed_at=None) == written
        assert change.changed_at is not None
        assert before < change.changed_at < datetime.now(UTC) + timedelta(seconds=2)

    def test_a_task_of_nothing_but_a_subject_is_one(self, office: Office) -> None:
        connector = office.connector()
        assert record_of(connector, create(connector, TaskRecord("Call"))) == TaskRecord("Call")

    def test_each_field_is_written_on_its_own(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        record = CALL
        for name in sorted(TASK_FIELDS - {"completed_on"}):
            version = connector.update(version.remote_id, LATER, {name}, version.change_key)
            record = replace(record, **{name: getattr(LATER, name)})
            assert record_of(connector, version) == record
            assert connector.update(version.remote_id, LATER, {name}, version.change_key) == version

    def test_what_is_not_said_any_more_is_taken_off(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        version = connector.update(version.remote_id, TaskRecord("Call"), TASK_FIELDS, version.change_key)
        assert record_of(connector, version) == TaskRecord("Call")

    @pytest.mark.parametrize("days_ago", [0, 1, 40])
    def test_a_task_that_is_done_here_is_done_there_and_can_be_taken_up_again(
        self, office: Office, days_ago: int
    ) -> None:
        connector = office.connector()
        version = create(connector)
        day = datetime.now(UTC).date() - timedelta(days=days_ago)
        done = replace(CALL, completed_on=day)
        version = connector.update(version.remote_id, done, {"completed_on"}, version.change_key)
        assert record_of(connector, version) == replace(done, remind_at=None)
        another_day = replace(done, completed_on=day - timedelta(days=3))
        assert connector.update(version.remote_id, another_day, {"completed_on"}, version.change_key) == version
        version = connector.update(version.remote_id, CALL, {"completed_on", "remind_at"}, version.change_key)
        assert record_of(connector, version) == CALL

    def test_a_task_may_be_done_when_it_is_made(self, office: Office) -> None:
        connector = office.connector()
        done = replace(CALL, completed_on=date(2026, 11, 2), remind_at=None)
        assert record_of(connector, create(connector, done)) == done

    def test_a_day_that_is_yet_to_come_is_told_as_today(self, office: Office) -> None:
        connector = office.connector()
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        found = record_of(connector, create(connector, replace(CALL, completed_on=tomorrow)))
        assert found.completed_on in (tomorrow, tomorrow - timedelta(days=1))

    def test_what_its_owner_does_is_read(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        cursor = last_cursor(connector)
        office.retitle(version.remote_id, "Another word")
        office.finish(version.remote_id)
        (page,) = connector.changes(tasks(connector), cursor, 10)
        (change,) = page.changes
        assert (change.kind, change.key) == (ChangeKind.UPDATED, KEY)
        assert isinstance(change.record, TaskRecord)
        assert change.record.subject == "Another word"
        assert change.record.completed_on == datetime.now(UTC).date()

    def test_a_foreign_change_is_never_overwritten(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        office.finish(version.remote_id)
        with pytest.raises(VersionConflict):
            connector.update(version.remote_id, LATER, {"subject"}, version.change_key)
        with pytest.raises(VersionConflict):
            connector.delete(version.remote_id, version.change_key)

    def test_the_server_may_change_a_task_once_more(self, office: Office) -> None:
        connector = office.connector()
        office.change_once_more()
        version = create(connector)
        now = read(connector, version.remote_id)
        assert now.version != version.change_key
        assert now.record == CALL

    def test_a_task_whose_answer_got_lost_is_found_by_its_key(self, office: Office) -> None:
        connector = office.connector()
        office.lose_the_answer("CreateItem")
        with pytest.raises(Temporary):
            create(connector)
        found = connector.find_by_key(tasks(connector), KEY)
        assert found is not None
        assert record_of(connector, found) == CALL
        office.copy(found.remote_id, tasks(connector))
        (page,) = connector.changes(tasks(connector), None, 10)
        assert [change.key for change in page.changes] == [KEY, KEY]

    def test_nothing_is_read_of_a_task_without_a_key(self, office: Office) -> None:
        connector = office.connector()
        strange, ours = create(connector, key=""), create(connector)
        (page,) = connector.changes(tasks(connector), None, 10)
        records = {change.remote_id: (change.key, change.record) for change in page.changes}
        assert records == {strange.remote_id: ("", TaskRecord()), ours.remote_id: (KEY, CALL)}

    def test_a_deleted_task_lies_in_deleted_items(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        connector.delete(version.remote_id, version.change_key)
        assert read(connector, version.remote_id).kind is ChangeKind.DELETED
        assert folder_of(connector, "deleteditems").item_count == 1
        with pytest.raises(ItemGone):
            connector.delete(version.remote_id, version.change_key)

    @pytest.mark.parametrize(
        ("record", "words"),
        [
            (replace(CALL, importance="urgent"), "no importance 'urgent'"),
            (replace(CALL, due_on=date(1600, 1, 1)), "before 1601"),
            (replace(CALL, body="a\x00b"), r"U\+0000 in the body"),
        ],
    )
    def test_what_outlook_cannot_keep_is_refused_in_plain_words(
        self, office: Office, record: TaskRecord, words: str
    ) -> None:
        connector = office.connector()
        with pytest.raises(ItemRejected, match=words):
            create(connector, record)
        assert tasks(connector).item_count == 0

    def test_a_task_is_no_contact(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        with pytest.raises(ItemRejected):
            connector.update(version.remote_id, POST, {"subject"}, version.change_key)
        with pytest.raises(ValueError, match="no fields of a task: notes"):
            connector.update(version.remote_id, CALL, {"notes"}, version.change_key)


def last_cursor(connector: Connector) -> str:
    *_, page = connector.changes(tasks(connector), None, 100)
    return page.cursor


class TestKeys:
    def test_a_key_is_kept_on_what_a_person_made(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector, key="mine")
        assert connector.update(version.remote_id, CALL, set(), version.change_key, "mine") == version
        version = connector.update(version.remote_id, CALL, set(), version.change_key, "ours")
        assert read(connector, version.remote_id).key == "ours"
        assert record_of(connector, version) == CALL
        assert connector.find_by_key(tasks(connector), "ours") == version
        version = connector.update(version.remote_id, LATER, {"subject"}, version.change_key)
        assert read(connector, version.remote_id).key == "ours"


class TestPosts:
    def folder(self, connector: Connector) -> Folder:
        top = connector.ensure_folder("msgfolderroot", "TerraCRM", StreamKind.POSTS)
        return connector.ensure_folder(top, "ООО «Сыры» & <Ко>", StreamKind.POSTS)

    def test_a_post_is_made_changed_and_taken_away(self, office: Office) -> None:
        connector = office.connector()
        folder = self.folder(connector)
        version = connector.create(folder, POST, KEY)
        assert connector.find_by_key(folder, KEY) == version
        assert mail(connector, folder) == [(POST.subject, POST.body)]
        assert connector.update(version.remote_id, POST, POST_FIELDS, version.change_key) == version
        changed = replace(POST, body="Перенесли")
        version = connector.update(version.remote_id, changed, POST_FIELDS, version.change_key)
        assert mail(connector, folder) == [(POST.subject, "Перенесли")]
        connector.delete(version.remote_id, version.change_key)
        assert mail(connector, folder) == []
        assert folder_of(connector, "deleteditems").item_count == 1

    def test_a_post_is_read_by_who_knows_that_it_is_one(self, office: Office) -> None:
        connector = office.connector()
        folder = self.folder(connector)
        version = connector.create(folder, POST, KEY)
        (change,) = connector.get(folder, [version.remote_id])
        assert change == Change(ChangeKind.UPDATED, version.remote_id, version.change_key, POST, key=KEY)

    def test_a_foreign_change_of_a_post_is_never_overwritten(self, office: Office) -> None:
        connector = office.connector()
        version = connector.create(self.folder(connector), POST, KEY)
        office.retitle(version.remote_id, "Mine")
        with pytest.raises(VersionConflict):
            connector.update(version.remote_id, POST, POST_FIELDS, version.change_key)
        with pytest.raises(VersionConflict):
            connector.delete(version.remote_id, version.change_key)


def mail(connector: Connector, folder: Folder) -> list[tuple[str, str]]:
    """Subject and text of what lies in a folder, as who reads it for mail is told."""
    (page,) = connector.changes(replace(folder, kind=StreamKind.MAIL), None, 100)
    records = [change.record for change in page.changes]
    assert all(isinstance(record, MessageRecord) and record.item_class == "IPM.Post" for record in records)
    return [(record.subject, record.body_text.strip()) for record in records if isinstance(record, MessageRecord)]


class TestFolders:
    def test_a_folder_lies_in_any_folder_and_is_made_once(self, office: Office) -> None:
        connector = office.connector()
        top = connector.ensure_folder("msgfolderroot", "TerraCRM & Co", StreamKind.POSTS)
        assert (top.path, top.kind) == ("TerraCRM & Co", StreamKind.POSTS)
        inner = connector.ensure_folder(top, "Сыры", StreamKind.POSTS)
        assert inner.path == "TerraCRM & Co/Сыры"
        assert connector.ensure_folder(top, "сыры", StreamKind.POSTS) == inner
        listed = {folder.path: folder for folder in connector.folders()}
        assert listed[inner.path] == replace(inner, kind=StreamKind.MAIL)

    def test_a_folder_of_tasks_is_one(self, office: Office) -> None:
        connector = office.connector()
        made = connector.ensure_folder(tasks(connector), "Clients", StreamKind.TASKS)
        assert made in connector.folders()
        version = connector.create(made, CALL, KEY)
        (change,) = connector.get(made, [version.remote_id])
        assert change.record == CALL
        with pytest.raises(ItemRejected, match="not for posts"):
            connector.ensure_folder(tasks(connector), "Clients", StreamKind.POSTS)

    def test_a_folder_in_one_that_is_gone_is_item_gone(self, office: Office) -> None:
        connector = office.connector()
        gone = connector.ensure_folder("contacts", "Gone", StreamKind.CONTACTS)
        office.remove(gone)
        with pytest.raises(ItemGone):
            connector.ensure_folder(gone, "Inner", StreamKind.CONTACTS)


def test_every_field_of_a_task_and_a_post_can_be_written() -> None:
    assert {field.name for field in fields(TaskRecord)} == TASK_FIELDS
    assert {field.name for field in fields(PostRecord)} == POST_FIELDS


class TestInOutlook:
    """What Exchange alone does, and what its owner may do to a task there."""

    @pytest.fixture
    def exchange(self) -> Iterator[ExchangeOffice]:
        for made in opened("exchange_ews"):
            assert isinstance(made, ExchangeOffice)
            yield made

    def test_a_task_that_begins_after_it_is_due_begins_when_it_is(self, exchange: ExchangeOffice) -> None:
        connector = exchange.connector()
        version = create(connector, LATER)
        item = exchange._item(version.remote_id)
        item.start_date = date(2027, 1, 8)
        item.save(update_fields=["start_date"])
        now = read(connector, version.remote_id)
        connector.update(version.remote_id, CALL, {"due_on"}, now.version)
        assert exchange._item(version.remote_id).start_date == CALL.due_on
        now = read(connector, version.remote_id)
        connector.update(version.remote_id, TaskRecord(), {"due_on"}, now.version)
        assert exchange._item(version.remote_id).start_date is None

    def test_progress_that_its_owner_told_is_left_alone(self, exchange: ExchangeOffice) -> None:
        connector = exchange.connector()
        version = create(connector)
        item = exchange._item(version.remote_id)
        item.status, item.percent_complete = "InProgress", Decimal(40)
        item.save(update_fields=["status", "percent_complete"])
        now = read(connector, version.remote_id)
        connector.update(version.remote_id, LATER, TASK_FIELDS, now.version)
        assert exchange._item(version.remote_id).percent_complete == 40

    def test_a_recurring_task_goes_on_and_leaves_a_copy_that_is_done(self, exchange: ExchangeOffice) -> None:
        connector = exchange.connector()
        version = create(connector)
        item = exchange._item(version.remote_id)
        item.recurrence = TaskRecurrence(
            pattern=WeeklyPattern(interval=1, weekdays=["Tuesday"]), start=date(2026, 12, 1)
        )
        item.save(update_fields=["recurrence"])
        now = read(connector, version.remote_id)
        done = replace(CALL, completed_on=date(2026, 11, 20))
        connector.update(version.remote_id, done, {"completed_on"}, now.version)
        (page,) = connector.changes(tasks(connector), None, 10)
        found = {change.record.due_on: change for change in page.changes if isinstance(change.record, TaskRecord)}
        assert found[date(2026, 12, 8)].remote_id == version.remote_id
        assert is_done(found) == {date(2026, 12, 1): True, date(2026, 12, 8): False}
        assert {change.key for change in page.changes} == {KEY}

    @pytest.mark.parametrize(
        ("stored", "day"),
        [
            ("2026-11-19T21:00:00Z", date(2026, 11, 20)),
            ("2026-11-20T00:00:00Z", date(2026, 11, 20)),
            ("2026-11-20T08:00:00Z", date(2026, 11, 20)),
            ("2026-11-20T22:48:31Z", date(2026, 11, 20)),
        ],
        ids=["midnight in Moscow", "midnight", "midnight in Los Angeles", "the moment it was told"],
    )
    def test_the_day_it_was_done_is_that_of_who_did_it(self, exchange: ExchangeOffice, stored: str, day: date) -> None:
        connector = exchange.connector()
        version = create(connector, replace(CALL, completed_on=date(2026, 11, 1)))
        store(exchange, version.remote_id, "CompleteDate", stored)
        record = read(connector, version.remote_id).record
        assert isinstance(record, TaskRecord)
        assert record.completed_on == day


def is_done(found: dict[Any, Change]) -> dict[Any, bool]:
    return {
        due: change.record.completed_on is not None
        for due, change in found.items()
        if isinstance(change.record, TaskRecord)
    }


def store(exchange: ExchangeOffice, remote_id: str, name: str, text: str) -> None:
    """Put a property into an item as Outlook would through MAPI."""
    items = exchange.simulator.store.items
    (row,) = [row for row in items.where("1 = 1") if row.ews_id == remote_id]
    element = items.element(row)
    element.find(f"{{*}}{name}").text = text
    items.rewrite(row, element)


LINE = st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), max_size=12)
RECORDS = st.builds(
    TaskRecord,
    subject=LINE,
    body=st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)) | st.sampled_from("\r\n\t "), max_size=40),
    due_on=st.none() | st.dates(date(1601, 1, 1), date(9000, 1, 1)),
    remind_at=st.none() | st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 1700 < moment.year < 3000),
    importance=st.sampled_from(IMPORTANCE),
    is_private=st.booleans(),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RECORDS, RECORDS, st.sets(st.sampled_from(sorted(TASK_FIELDS))))
def test_whatever_is_written_reads_so_and_is_not_written_again(
    office: Office, first: TaskRecord, second: TaskRecord, names: set[str]
) -> None:
    connector = office.connector()
    version = create(connector, first)
    version = connector.update(version.remote_id, second, names, version.change_key)
    found = record_of(connector, version)
    wanted = trimmed(replace(first, **{name: getattr(second, name) for name in names}))
    assert found == replace(wanted, body=found.body)
    assert found.body.split() == wanted.body.split()
    assert connector.update(version.remote_id, second, names, version.change_key) == version
    assert connector.update(version.remote_id, found, TASK_FIELDS, version.change_key) == version
