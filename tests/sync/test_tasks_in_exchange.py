"""Tasks over EWS: the CRM writes them, and a person works on them in an Outlook of their own (W3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import exchangelib
import pytest
from exchangelib import items as ews
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from connectors.base import Account
from connectors.exchange_ews import ExchangeEWS
from connectors.exchange_ews.connect import connect
from connectors.simulator.simulator import Simulator
from sync.engine import run_stream
from sync.run import Summary
from terracrm.config import Settings
from terracrm.models import Activity, Company, Conflict, Contact, Stream, Task, User
from terracrm.services import access, mailboxes, tasks
from terracrm.services.tasks import Draft

SQLITE_FIRST = True

ANNA = "anna@example.test"
SUBJECT = "Позвонить: «Сыры & Ко» (Мария Иванова, Маркет)"
CALL = Draft(
    "Позвонить: «Сыры & Ко»",
    "Спросить о договоре.\n\nСтрока <два>",
    date(2026, 12, 1),
    datetime(2026, 12, 1, 6, 30, tzinfo=UTC),
    "high",
)


class Desk:
    """Anna in the CRM, and Anna in Outlook."""

    def __init__(self, settings: Settings, sessions: sessionmaker[Session], simulator: Simulator, file: Path) -> None:
        self.settings, self.sessions, self.simulator = settings, sessions, simulator
        simulator.add_mailbox(ANNA, "Anna")
        self.outlook = connect(Account(ANNA, simulator.url, ANNA, "secret"))
        with sessions.begin() as session:
            user = User(name="anna", full_name="Anna", email=ANNA, role_code="manager")
            company = Company(name="Маркет", name_key="маркет")
            session.add_all([user, company])
            session.flush()
            session.add(Contact(display_name="Мария Иванова", name_key="иванова мария", company_id=company.id))
            mailbox = mailboxes.add(session, ANNA, simulator.url, ANNA, password_file=file)
            mailbox.streams = [Stream(kind="tasks", direction="both")]
            mailboxes.enable(session, mailbox)
            self.task_id = tasks.add(session, self.anna(session), CALL, contact_id=1).activity_id
        self.run()

    def anna(self, session: Session) -> access.Viewer:
        return access.viewer_of(session, session.scalars(select(User)).one())

    def run(self) -> Summary:
        with self.sessions() as session:
            stream_id = session.scalars(select(Stream.id)).one()
        summary = run_stream(self.settings, self.sessions, stream_id, ExchangeEWS)
        assert summary is not None
        assert summary.error == ""
        return summary

    def quiet(self) -> None:
        """Another run changes nothing, here or there."""
        before = [(item.id, item.changekey) for item in self.items()]
        summary = self.run()
        assert (summary.counts.written, summary.counts.updated) == (0, 0)
        assert [(item.id, item.changekey) for item in self.items()] == before

    def items(self) -> list[Any]:
        return list(self.outlook.tasks.all())

    def item(self) -> Any:
        (found,) = self.items()
        return found

    def edit(self, **values: object) -> None:
        item = self.item()
        for name, value in values.items():
            setattr(item, name, value)
        item.save(update_fields=list(values))

    def act(self, what: Any, *more: Any) -> None:
        with self.sessions.begin() as session:
            what(session, self.anna(session), self.task_id, *more)

    def task(self) -> Task:
        with self.sessions() as session:
            found = session.get_one(Task, self.task_id)
            assert found.activity
            session.expunge_all()
            return found


@pytest.fixture
def desk(sessions: sessionmaker[Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A task of Anna's about Мария Иванова, written into her mailbox; nobody is mailed by anything that follows."""
    monkeypatch.setenv("TERRACRM_PATHS__DATA_DIR", str(tmp_path / "data"))
    password_file = tmp_path / "password"
    password_file.write_text("secret\n")
    with Simulator() as simulator:
        made = Desk(Settings(), sessions, simulator, password_file)
        yield made
        made.outlook.protocol.close()
        assert simulator.store.items.where("kind LIKE 'Me%'") == []


def test_a_task_looks_as_a_task_of_outlook(desk: Desk) -> None:
    item = desk.item()
    assert (item.subject, item.importance, item.status) == (SUBJECT, "High", "NotStarted")
    assert item.due_date == date(2026, 12, 1)
    assert (item.reminder_is_set, item.reminder_due_by) == (True, CALL.remind_at)
    assert item.text_body.replace("\r\n", "\n").strip() == f"{CALL.text}\n\nTerraCRM: http://127.0.0.1:8000/contacts/1"
    desk.quiet()


def test_a_task_that_is_completed_in_outlook_is_done_here(desk: Desk) -> None:
    desk.item().complete()
    desk.run()
    done = desk.task()
    assert done.done_by_id == 1
    assert done.done_at
    assert abs(done.done_at - datetime.now(UTC)) < timedelta(days=1)
    desk.quiet()

    desk.edit(status="NotStarted")
    desk.run()
    assert desk.task().done_at is None
    desk.quiet()


def test_a_task_that_is_done_here_is_completed_in_outlook(desk: Desk) -> None:
    desk.act(tasks.done)
    desk.run()
    item = desk.item()
    assert (item.status, item.reminder_is_set) == ("Completed", False)
    desk.quiet()
    desk.act(tasks.reopen)
    desk.run()
    item = desk.item()
    assert (item.status, item.reminder_due_by) == ("NotStarted", CALL.remind_at)
    desk.quiet()


def test_what_is_edited_in_outlook_comes_back(desk: Desk) -> None:
    desk.edit(
        subject=SUBJECT.replace("Позвонить", "Написать"),
        due_date=date(2026, 12, 24),
        importance="Low",
        body=exchangelib.HTMLBody(
            "<html><body><p>Спросить о ценах.</p><p>TerraCRM: "
            '<a href="http://127.0.0.1:8000/contacts/1">http://127.0.0.1:8000/contacts/1</a></p></body></html>'
        ),
    )
    desk.act(tasks.change, {"remind_at": None})
    desk.run()
    task = desk.task()
    assert tasks.draft_of(task) == Draft("Написать: «Сыры & Ко»", "Спросить о ценах.", date(2026, 12, 24), None, "low")
    item = desk.item()
    assert (item.subject, item.reminder_is_set) == (SUBJECT.replace("Позвонить", "Написать"), False)
    assert "<a href" in item.body  # what the owner wrote there stays in the form that it has
    desk.quiet()


def test_both_sides_changed_the_day(desk: Desk) -> None:
    desk.act(tasks.change, {"due_on": date(2027, 1, 1)})
    desk.edit(due_date=date(2027, 2, 2))
    desk.run()
    with desk.sessions() as session:
        (found,) = session.scalars(select(Conflict))
    assert (found.crm_value, found.outlook_value, found.winner) == ("2027-01-01", "2027-02-02", "outlook")
    assert desk.task().due_on == desk.item().due_date == date(2027, 2, 2)
    desk.quiet()


def test_moved_copied_and_deleted(desk: Desk) -> None:
    folder = exchangelib.folders.Tasks(parent=desk.outlook.tasks, name="Later")
    folder.save()
    desk.item().copy(folder)
    desk.run()
    (copy,) = folder.all()
    copy.complete()
    desk.run()
    assert desk.task().done_at is None

    desk.item().move(folder)
    desk.run()
    moved = next(item for item in folder.all() if item.status != "Completed")
    moved.importance = "Low"
    moved.save(update_fields=["importance"])
    desk.run()
    assert desk.task().importance == "low"

    for item in folder.all():
        item.move_to_trash()
    desk.run()
    desk.quiet()
    assert desk.items() == []
    assert desk.task().done_at is None


def test_cancelled_here_lies_in_deleted_items(desk: Desk) -> None:
    desk.act(tasks.cancel)
    desk.run()
    assert desk.items() == []
    assert [item.subject for item in desk.outlook.trash.all()] == [SUBJECT]
    desk.quiet()


def test_a_private_item_is_left_alone(desk: Desk) -> None:
    desk.edit(sensitivity="Private", subject="My own business")
    desk.run()
    desk.act(tasks.change, {"importance": "low"})
    desk.run()
    assert desk.task().activity.subject == CALL.subject
    assert desk.item().importance == "High"
    desk.quiet()


def test_a_persons_own_tasks_are_nobodys_business(desk: Desk) -> None:
    ews.Task(account=desk.outlook, folder=desk.outlook.tasks, subject="A present for my wife").save()
    desk.run()
    with desk.sessions() as session:
        assert session.scalars(select(Activity.subject)).all() == [CALL.subject]
        assert session.scalars(select(Task.activity_id)).all() == [desk.task_id]


def test_a_second_change_by_the_server_is_no_echo(desk: Desk) -> None:
    desk.simulator.fault("second_change")
    desk.act(tasks.change, {"text": "Other words"})
    desk.run()
    for fault in desk.simulator.faults.all():
        desk.simulator.faults.remove(fault.number)
    desk.run()
    desk.quiet()
    assert desk.task().text == "Other words"


def test_a_repeated_task_moves_on_and_is_not_done(desk: Desk) -> None:
    from exchangelib.recurrence import DailyRegeneration, TaskRecurrence

    recurrence = TaskRecurrence(pattern=DailyRegeneration(interval=2), start=date(2026, 12, 1))
    desk.edit(recurrence=recurrence)
    desk.run()
    desk.quiet()
    assert desk.task().done_at is None
