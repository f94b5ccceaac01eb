"""Tasks of the CRM in the Outlook of who is to do them, and what comes back from there (W3, S9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from connectors.base import Account
from connectors.memory import MemoryConnector
from sync.run import Summary
from terracrm.domain.records import Change, Folder, StreamKind, TaskRecord
from terracrm.errors import Temporary
from terracrm.models import (
    Activity,
    AuditEntry,
    Company,
    Conflict,
    Contact,
    Link,
    Mailbox,
    OutboxItem,
    SkippedItem,
    Stream,
    Task,
    User,
    utcnow,
)
from terracrm.services import access, tasks
from terracrm.services.tasks import Draft
from tests.sync.conftest import DOMAIN, Office

SQLITE_FIRST = True

URL = "http://127.0.0.1:8000/contacts/1"
LINK = f"TerraCRM: {URL}"
SOON = datetime(2026, 11, 26, 9, tzinfo=UTC)
CALL = Draft("Call back", "Ask for the copy.", date(2026, 11, 27), datetime(2026, 11, 27, 6, 0, tzinfo=UTC), "high")


@pytest.fixture
def desk(office: Office) -> Desk:
    """Anna and Boris, whose tasks are written into their mailboxes, and Maria, whom both see."""
    with office.sessions.begin() as session:
        company = Company(name="Market", name_key="market")
        session.add(company)
        session.flush()
        session.add(Contact(display_name="Maria Ivanova", name_key="ivanova maria", company_id=company.id))
        for name in ("anna", "boris"):
            user = User(name=name, full_name=name.capitalize(), email=f"{name}@{DOMAIN}", role_code="manager")
            session.add(user)
            mailbox = session.scalars(select(Mailbox).where(Mailbox.address == f"{name}@{DOMAIN}")).one()
            mailbox.user = user
            mailbox.streams.append(Stream(kind="tasks", direction="both"))
    return Desk(office)


class Desk:
    """What people do here and in Outlook."""

    def __init__(self, office: Office) -> None:
        self.office, self.server = office, office.server

    def do(self, act: Callable[[Session], Any]) -> Any:
        """Something in one transaction."""
        with self.office.sessions.begin() as session:
            return act(session)

    def user(self, name: str) -> int:
        return int(self.do(lambda session: session.scalars(select(User.id).where(User.name == name)).one()))

    def add(self, draft: Draft = CALL, responsible: str = "anna", **about: Any) -> int:
        """A task that Anna sets."""
        about = about or {"contact_id": 1}
        who = self.user(responsible)
        return int(
            self.do(
                lambda session: tasks.add(session, self.viewer(session), draft, responsible_id=who, **about).activity_id
            )
        )

    def viewer(self, session: Session, name: str = "anna") -> access.Viewer:
        return access.viewer_of(session, session.scalars(select(User).where(User.name == name)).one())

    def change(self, task_id: int, **changes: Any) -> None:
        self.do(lambda session: tasks.change(session, self.viewer(session), task_id, changes))

    def act(self, what: Callable[..., Any], task_id: int, *more: Any) -> None:
        self.do(lambda session: what(session, self.viewer(session), task_id, *more))

    def run(self, name: str = "anna") -> Summary:
        summary = self.office.run(name, "tasks")
        assert summary.error == ""
        return summary

    def quiet(self, *names: str) -> None:
        """Nothing is left to be done on any side."""
        before = self.server.writes
        for name in names or ("anna", "boris"):
            self.run(name)
        assert self.server.writes == before
        owed = select(OutboxItem).where(OutboxItem.next_try_at <= utcnow())
        assert self.do(lambda session: session.scalars(owed).all()) == []

    def folder(self, name: str = "anna", path: str = "Tasks") -> Folder:
        return self.office.folder(name, path)

    def items(self, name: str = "anna", path: str = "Tasks") -> list[Change]:
        """The items of a person's folder as Outlook shows them."""
        account = Account(f"{name}@{DOMAIN}", "", f"{name}@{DOMAIN}", "secret")
        (page,) = MemoryConnector(account, self.server).changes(self.folder(name, path), None, 100)
        return list(page.changes)

    def item(self, name: str = "anna", path: str = "Tasks") -> Change:
        (found,) = self.items(name, path)
        return found

    def record(self, name: str = "anna", path: str = "Tasks") -> TaskRecord:
        record = self.item(name, path).record
        assert isinstance(record, TaskRecord)
        return record

    def edit(self, name: str = "anna", path: str = "Tasks", **changes: Any) -> None:
        """Somebody changes the one item in Outlook."""
        self.server.change(self.item(name, path).remote_id, replace(self.record(name, path), **changes))

    def task(self, task_id: int) -> Task:
        def read(session: Session) -> Task:
            row = session.get_one(Task, task_id)
            assert row.activity
            session.expunge_all()
            return row

        return self.do(read)  # type: ignore[no-any-return]

    def conflicts(self) -> list[tuple[str, object, object, str, str]]:
        columns = (Conflict.field, Conflict.crm_value, Conflict.outlook_value, Conflict.winner, Conflict.rule)
        where = Conflict.entity == "task"
        rows = self.do(lambda session: session.execute(select(*columns).where(where).order_by(Conflict.id)).all())
        return [tuple(row) for row in rows]

    def streams(self, **values: Any) -> None:
        """How all mailboxes are set up."""
        self.do(lambda session: session.execute(update(Stream).values(values)))

    def audit(self) -> list[tuple[int | None, str, str]]:
        columns = (AuditEntry.user_id, AuditEntry.action, AuditEntry.detail)
        rows = self.do(lambda session: session.execute(select(*columns).order_by(AuditEntry.id)).all())
        return [tuple(row) for row in rows]

    def changed(self, task_id: int, when: datetime = datetime(2020, 1, 1, tzinfo=UTC)) -> None:
        """It was changed here then: long ago, if nothing else is said."""
        self.do(
            lambda session: session.execute(update(Task).where(Task.activity_id == task_id).values(changed_at=when))
        )


def test_a_task_stands_in_the_outlook_of_who_is_to_do_it(desk: Desk) -> None:
    desk.add()
    summary = desk.run()

    assert desk.record() == TaskRecord(
        subject="Call back (Maria Ivanova, Market)",
        body=f"Ask for the copy.\n\n{LINK}",
        due_on=CALL.due_on,
        remind_at=CALL.remind_at,
        importance="high",
    )
    assert summary.counts.written == 1
    assert desk.items("boris") == []
    desk.quiet()


def test_a_task_about_nobody_leads_to_itself(desk: Desk) -> None:
    task_id = desk.add(Draft("Order paper"), contact_id=None)
    desk.run()
    assert (desk.record().subject, desk.record().body) == (
        "Order paper",
        f"TerraCRM: http://127.0.0.1:8000/tasks/{task_id}",
    )


def test_who_does_not_see_the_client_learns_no_name(desk: Desk) -> None:
    def hide(session: Session) -> None:
        maria = session.get_one(Contact, 1)
        maria.owner_id = session.scalars(select(User.id).where(User.name == "anna")).one()
        session.get_one(Company, 1).owner_id = maria.owner_id

    desk.do(hide)
    task_id = desk.add(responsible="boris")
    desk.run("boris")
    assert desk.record("boris").subject == "Call back"
    assert desk.record("boris").body.endswith(f"/tasks/{task_id}")


def test_nothing_is_read_of_what_is_not_ours(desk: Desk) -> None:
    desk.server.put(desk.folder(), TaskRecord("Buy a present for my wife", "secret"))
    desk.add()
    desk.run()
    desk.quiet()

    told = desk.do(
        lambda s: [
            *s.scalars(select(Activity.subject)),
            *(str(link.base) for link in s.scalars(select(Link))),
            *s.scalars(select(SkippedItem.rule)),
        ]
    )
    assert "present" not in str(told)
    assert len(told) == 2


OUTLOOK_CHANGES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("subject", {"subject": "Call them (Maria Ivanova, Market)"}, {"subject": "Call them"}),
    ("subject without the client", {"subject": "Call them"}, {"subject": "Call them"}),
    ("only the client removed", {"subject": "Call back"}, {"subject": "Call back"}),
    ("subject emptied", {"subject": ""}, {"subject": "Call back"}),
    ("text above", {"body": f"Urgent!\n\nAsk for the copy.\n\n{LINK}"}, {"text": "Urgent!\n\nAsk for the copy."}),
    ("text below", {"body": f"Ask.\n\n{LINK}\n\nShe is away."}, {"text": "Ask.\n\nShe is away."}),
    ("text replaced", {"body": "Other"}, {"text": "Other"}),
    ("link as rich text says it", {"body": f"Other\r\n{LINK} <{URL}>\r\n"}, {"text": "Other"}),
    ("due date", {"due_on": date(2026, 12, 1)}, {"due_on": date(2026, 12, 1)}),
    ("no due date", {"due_on": None}, {"due_on": None}),
    ("reminder", {"remind_at": SOON}, {"remind_at": SOON}),
    ("reminder dismissed", {"remind_at": None}, {"remind_at": None}),
    ("importance", {"importance": "low"}, {"importance": "low"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "there", "here"), OUTLOOK_CHANGES, ids=[row[0] for row in OUTLOOK_CHANGES])
def test_what_is_changed_in_outlook_comes_back(
    desk: Desk, name: str, there: dict[str, Any], here: dict[str, Any]
) -> None:
    task_id = desk.add()
    desk.run()
    desk.edit(**there)
    desk.run()

    assert tasks.draft_of(desk.task(task_id)) == replace(CALL, **here)
    assert desk.conflicts() == []
    desk.quiet()


CRM_CHANGES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("subject", {"subject": "Write"}, {"subject": "Write (Maria Ivanova, Market)"}),
    ("text", {"text": "Other"}, {"body": f"Other\n\n{LINK}"}),
    ("due date", {"due_on": None}, {"due_on": None}),
    ("reminder", {"remind_at": None}, {"remind_at": None}),
    ("importance", {"importance": "low"}, {"importance": "low"}),
]


@pytest.mark.parametrize(("name", "here", "there"), CRM_CHANGES, ids=[row[0] for row in CRM_CHANGES])
def test_what_is_changed_here_goes_to_outlook(
    desk: Desk, name: str, here: dict[str, Any], there: dict[str, Any]
) -> None:
    task_id = desk.add()
    desk.run()
    before = desk.record()
    desk.change(task_id, **here)
    desk.run()

    assert desk.record() == replace(before, **there)
    desk.quiet()


def test_another_name_of_the_client_goes_to_outlook(desk: Desk) -> None:
    desk.add()
    desk.run()
    desk.do(lambda session: setattr(session.get_one(Contact, 1), "display_name", "Maria Petrova"))
    desk.run()
    assert desk.record().subject == "Call back (Maria Petrova, Market)"
    desk.quiet()


def test_done_in_outlook_is_done_here(desk: Desk) -> None:
    task_id = desk.add()
    desk.run()
    today = datetime.now(UTC).date()
    desk.edit(completed_on=today - timedelta(days=3), remind_at=None)
    desk.run()

    task = desk.task(task_id)
    assert task.done_at
    assert task.done_at.date() == today - timedelta(days=3)
    assert task.done_by_id == desk.user("anna")
    assert task.remind_at == CALL.remind_at
    desk.quiet()

    desk.edit(completed_on=None)
    desk.run()
    assert desk.task(task_id).done_at is None
    assert desk.record().remind_at == CALL.remind_at
    desk.quiet()


def test_done_here_is_done_in_outlook(desk: Desk) -> None:
    task_id = desk.add()
    desk.run()
    desk.act(tasks.done, task_id)
    desk.run()
    assert desk.record().completed_on is not None
    assert desk.record().remind_at is None
    desk.quiet()

    desk.act(tasks.reopen, task_id)
    desk.run()
    assert (desk.record().completed_on, desk.record().remind_at) == (None, CALL.remind_at)
    desk.quiet()


def test_done_on_both_sides_is_no_conflict(desk: Desk) -> None:
    task_id = desk.add()
    desk.run()
    desk.act(tasks.done, task_id)
    desk.edit(completed_on=date(2026, 11, 20), remind_at=None)
    desk.run()
    assert desk.conflicts() == []
    assert desk.task(task_id).done_at
    desk.quiet()


def test_both_sides_may_change_different_fields(desk: Desk) -> None:
    task_id = desk.add()
    desk.run()
    desk.change(task_id, subject="Write")
    desk.edit(due_on=date(2026, 12, 24))
    desk.run()

    assert (desk.record().subject, desk.record().due_on) == ("Write (Maria Ivanova, Market)", date(2026, 12, 24))
    assert tasks.draft_of(desk.task(task_id)) == replace(CALL, subject="Write", due_on=date(2026, 12, 24))
    assert desk.conflicts() == []
    desk.quiet()


@pytest.mark.parametrize(
    ("rule", "later", "winner"),
    [
        ("crm", "outlook", "crm"),
        ("outlook", "crm", "outlook"),
        ("latest", "crm", "crm"),
        ("latest", "outlook", "outlook"),
    ],
)
def test_the_rule_decides_when_both_changed_a_field(desk: Desk, rule: str, later: str, winner: str) -> None:
    desk.streams(conflict_rule=rule)
    task_id = desk.add()
    desk.run()
    if later == "crm":
        desk.edit(subject="Theirs (Maria Ivanova, Market)")
        desk.change(task_id, subject="Ours")
        desk.changed(task_id, utcnow() + timedelta(minutes=1))
    else:
        desk.change(task_id, subject="Ours")
        desk.changed(task_id)
        desk.edit(subject="Theirs (Maria Ivanova, Market)")
    desk.run()

    wins = "Ours" if winner == "crm" else "Theirs"
    assert desk.task(task_id).activity.subject == wins
    assert desk.record().subject == f"{wins} (Maria Ivanova, Market)"
    assert desk.conflicts() == [("subject", "Ours", "Theirs", winner, rule)]
    desk.quiet()


def test_of_a_stream_that_only_goes_out_a_change_is_set_back_and_kept(desk: Desk) -> None:
    desk.streams(direction="out")
    task_id = desk.add()
    desk.run()
    desk.edit(importance="low", completed_on=date(2026, 11, 20))
    desk.run()

    assert (desk.record().importance, desk.record().completed_on) == ("high", None)
    assert desk.task(task_id).done_at is None
    assert desk.conflicts() == [
        ("importance", "high", "low", "crm", "direction"),
        ("done_on", "", "2026-11-20", "crm", "direction"),
    ]
    desk.quiet()


def test_a_task_that_is_handed_on_moves_to_the_other_outlook(desk: Desk) -> None:
    task_id = desk.add()
    desk.run()
    desk.act(tasks.assign, task_id, desk.user("boris"))
    desk.run("anna")
    desk.run("boris")
    assert desk.items("anna") == []
    assert desk.record("boris").subject == "Call back (Maria Ivanova, Market)"
    desk.quiet()

    desk.act(tasks.assign, task_id, desk.user("anna"))
    desk.run("anna")
    desk.run("boris")
    assert (len(desk.items("anna")), desk.items("boris")) == (1, [])
    desk.quiet()


def test_cancelled_here_is_removed_there_and_comes_back_when_it_is_reopened(desk: Desk) -> None:
    task_id = desk.add()
    desk.run()
    desk.act(tasks.cancel, task_id)
    desk.run()
    assert desk.items() == []
    desk.quiet()

    desk.act(tasks.reopen, task_id)
    desk.run()
    assert len(desk.items()) == 1
    desk.quiet()


def test_deleted_in_outlook_it_stays_open_here_and_is_never_put_back_by_itself(desk: Desk) -> None:
    task_id = desk.add()
    desk.run()
    desk.server.delete(desk.item().remote_id)
    desk.run()
    desk.quiet()
    desk.change(task_id, subject="Other words")
    desk.run()

    assert desk.items() == []
    assert desk.task(task_id).done_at is None
    desk.quiet()


def test_edit_beats_delete(desk: Desk) -> None:
    task_id = desk.add()
    desk.run()
    desk.change(task_id, subject="Changed here meanwhile")
    desk.server.delete(desk.item().remote_id)
    desk.run()
    assert desk.record().subject == "Changed here meanwhile (Maria Ivanova, Market)"
    desk.quiet()


def test_an_item_that_went_without_a_word_is_missed_when_it_is_written(desk: Desk) -> None:
    task_id = desk.add()
    desk.run()
    desk.server.lose(desk.item().remote_id)
    desk.change(task_id, subject="Changed here")
    assert desk.office.run("anna", "tasks").error == ""
    desk.do(lambda session: session.execute(update(OutboxItem).values(next_try_at=utcnow())))
    desk.run()
    assert desk.record().subject == "Changed here (Maria Ivanova, Market)"
    desk.quiet()


def test_what_was_changed_in_outlook_is_not_cancelled(desk: Desk) -> None:
    task_id = desk.add()
    desk.run()
    desk.act(tasks.cancel, task_id)
    desk.edit(due_on=date(2027, 1, 11))
    desk.run()
    task = desk.task(task_id)
    assert (task.cancelled_at, task.due_on) == (None, date(2027, 1, 11))
    assert len(desk.items()) == 1
    desk.quiet()


def test_a_move_to_another_folder_is_a_move(desk: Desk) -> None:
    task_id = desk.add()
    desk.run()
    private = desk.server.add_folder(f"anna@{DOMAIN}", "Tasks/Next week", StreamKind.TASKS)
    desk.server.move(desk.item().remote_id, private)
    desk.run()
    desk.quiet()
    desk.edit(path="Tasks/Next week", due_on=date(2026, 12, 2))
    desk.run()
    assert desk.task(task_id).due_on == date(2026, 12, 2)
    desk.act(tasks.done, task_id)
    desk.run()
    assert desk.record(path="Tasks/Next week").completed_on
    assert desk.items() == []
    desk.quiet()


@pytest.mark.parametrize("first", ["Another", "Ztasks"])
def test_a_move_is_a_move_in_whatever_order_folders_are_read(desk: Desk, first: str) -> None:
    task_id = desk.add()
    desk.run()
    other = desk.server.add_folder(f"anna@{DOMAIN}", first, StreamKind.TASKS)
    moved = desk.server.move(desk.item().remote_id, other)
    desk.server.change(moved, replace(desk.record(path=first), importance="low"))
    desk.run()
    assert desk.task(task_id).importance == "low"
    desk.quiet()


def test_a_copy_is_no_second_item(desk: Desk) -> None:
    task_id = desk.add()
    desk.run()
    original = desk.item()
    other = desk.server.add_folder(f"anna@{DOMAIN}", "Copies", StreamKind.TASKS)
    desk.server.copy(original.remote_id, other)
    desk.edit(path="Copies", completed_on=date(2026, 11, 20))
    desk.run()
    assert desk.task(task_id).done_at is None
    desk.quiet()

    desk.server.delete(original.remote_id)
    desk.run()
    assert desk.task(task_id).done_at
    desk.quiet()


def test_a_private_item_is_left_alone_until_it_is_private_no_more(desk: Desk) -> None:
    task_id = desk.add()
    desk.run()
    desk.edit(is_private=True, subject="My own business", completed_on=date(2026, 11, 20))
    desk.run()
    desk.change(task_id, importance="low")
    desk.run()
    assert tasks.draft_of(desk.task(task_id)) == replace(CALL, importance="low")
    assert (desk.record().importance, desk.record().subject) == ("high", "My own business")
    desk.quiet()

    desk.edit(is_private=False)
    desk.run()
    assert desk.task(task_id).activity.subject == "My own business"
    assert desk.record().importance == "low"
    desk.quiet()


def test_a_second_change_of_the_server_is_no_echo(desk: Desk) -> None:
    desk.server.second_change = True
    task_id = desk.add()
    for _ in range(3):
        desk.run()
    desk.change(task_id, text="Other")
    for _ in range(3):
        desk.run()
    assert desk.server.writes == 2
    assert (
        desk.do(lambda s: s.scalars(select(AuditEntry.detail).where(AuditEntry.detail.contains("Outlook"))).all()) == []
    )


def test_an_item_whose_answer_was_lost_is_not_made_twice(desk: Desk) -> None:
    task_id = desk.add()
    desk.server.lose_answers(1)
    desk.office.run("anna", "tasks")
    desk.change(task_id, text="Changed meanwhile")
    desk.edit(due_on=date(2026, 12, 31))
    for _ in range(2):
        desk.office.run("anna", "tasks")

    assert len(desk.items()) == 1
    assert desk.record().body == f"Changed meanwhile\n\n{LINK}"
    assert desk.task(task_id).due_on == date(2026, 12, 31)
    desk.quiet()


def test_our_own_words_whose_answer_was_lost_win_nothing_over_what_is_said_since(desk: Desk) -> None:
    task_id = desk.add()
    desk.run()
    desk.change(task_id, subject="First change")
    desk.server.lose_answers(1)
    assert desk.office.run("anna", "tasks").error
    assert desk.record().subject.startswith("First change")
    desk.change(task_id, subject="Second change")
    desk.changed(task_id)
    desk.do(lambda session: session.execute(update(OutboxItem).values(next_try_at=utcnow())))
    desk.run()

    assert desk.task(task_id).activity.subject == "Second change"
    assert desk.record().subject == "Second change (Maria Ivanova, Market)"
    assert desk.conflicts() == []
    desk.quiet()


def test_a_folder_that_is_read_anew_changes_nothing(desk: Desk) -> None:
    desk.add()
    desk.add(Draft("Second"))
    desk.run()
    desk.server.expire_cursors()
    desk.run()
    desk.quiet()
    assert len(desk.items()) == 2


def test_a_move_while_a_folder_is_read_anew_is_a_move(desk: Desk) -> None:
    task_id = desk.add()
    desk.run()
    other = desk.server.add_folder(f"anna@{DOMAIN}", "Another", StreamKind.TASKS)
    desk.server.move(desk.item().remote_id, other)
    desk.edit(path="Another", importance="low")
    desk.server.expire_cursors()
    desk.run()
    desk.run()
    assert desk.task(task_id).importance == "low"
    assert desk.items() == []
    desk.quiet()


def test_only_open_tasks_come_to_a_mailbox_that_is_told_to_take_them(desk: Desk) -> None:
    desk.streams(direction="off")
    done, cancelled, _ = desk.add(), desk.add(), desk.add(Draft("Open"))
    desk.act(tasks.done, done)
    desk.act(tasks.cancel, cancelled)
    assert desk.do(lambda session: session.scalars(select(OutboxItem)).all()) == []

    desk.streams(direction="both")
    desk.run()
    assert desk.record().subject == "Open (Maria Ivanova, Market)"


def test_a_server_that_fails_loses_nothing(desk: Desk) -> None:
    desk.add()
    desk.server.fail_next(Temporary("Later."))
    assert desk.office.run("anna", "tasks").error
    desk.run()
    assert len(desk.items()) == 1


def test_what_outlook_changes_is_told_of_its_owner(desk: Desk) -> None:
    desk.add()
    desk.run()
    desk.edit(due_on=None)
    desk.run()
    assert desk.audit()[-1] == (desk.user("anna"), "task.change", "Outlook: due_on")
