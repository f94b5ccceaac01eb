"""Tasks: who may see and change them, where they stand, and what a change owes to Outlook (W3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.domain.topics import COMPANY, CONTACT
from terracrm.errors import Forbidden, InvalidInput, NotFound
from terracrm.models import Activity, AuditEntry, Link, MirrorFolder, OutboxItem, Stream, Task, utcnow
from terracrm.services import access, history, merges, search, task_list, tasks, timeline, why
from terracrm.services.access import Viewer
from terracrm.services.task_list import Filters
from terracrm.services.tasks import Draft
from tests.office import Office

SQLITE_FIRST = True

Viewers = Callable[[str], Viewer]
MARIA, PETER = "maria@market.example", "peter@vesna.example"
CALL = Draft("Call back about the contract", "Ask for the signed copy.", date(2026, 11, 27))


@pytest.fixture
def task(session: Session, office: Office, viewer: Viewers) -> Task:
    """A task of Anna's, about Мария Иванова."""
    return tasks.add(session, viewer("anna"), CALL, contact_id=office.contacts[MARIA].id)


def with_outlook(office: Office, name: str, direction: str = "both") -> int:
    """Let the tasks of a person be written into their mailbox."""
    stream = Stream(kind="tasks", direction=direction, folders=[MirrorFolder(remote_id=f"tasks-{name}", path="Tasks")])
    office.mailboxes[name].streams.append(stream)
    office.session.flush()
    return office.mailboxes[name].id


def link(office: Office, name: str, task: Task, **values: Any) -> Link:
    """The item of a task in a person's mailbox."""
    box = office.mailboxes[name]
    folder = next(stream for stream in box.streams if stream.kind == "tasks").folders[0]
    row = Link(mailbox_id=box.id, folder_id=folder.id, entity="task", local_id=task.activity_id, **values)
    row.remote_id = f"task-{name}-{task.activity_id}"
    office.add(row)
    return row


def owed(session: Session) -> list[tuple[int, str, int]]:
    rows = session.execute(select(OutboxItem.mailbox_id, OutboxItem.entity, OutboxItem.local_id))
    return sorted((mailbox_id, entity, local_id) for mailbox_id, entity, local_id in rows)


def test_a_task_stands_in_the_history_of_its_contact_and_of_their_company(
    session: Session, office: Office, viewer: Viewers, task: Task
) -> None:
    maria = office.contacts[MARIA]
    of_contact = timeline.of_client(session, viewer("anna"), "contact", maria.id, timeline.Filters(frozenset(["task"])))
    of_company = timeline.of_client(session, viewer("anna"), "company", maria.company_id or 0, timeline.Filters())

    (entry,) = of_contact.entries
    assert (entry.id, entry.kind, entry.subject) == (task.activity_id, "task", CALL.subject)
    assert entry.task
    assert (entry.task.due_on, entry.task.responsible) == (CALL.due_on, "Anna Sokolova")
    assert task.activity_id in [entry.id for entry in of_company.entries]


def test_a_task_outlives_timelines_that_are_written_anew(
    session: Session, office: Office, viewer: Viewers, task: Task
) -> None:
    history.refresh(session, [task.activity_id])

    assert task_list.of_client(session, viewer("anna"), CONTACT, office.contacts[MARIA].id)


def test_a_task_may_be_about_a_company_or_nobody(session: Session, office: Office, viewer: Viewers) -> None:
    company = office.companies["market.example"]
    of_company = tasks.add(session, viewer("anna"), CALL, company_id=company.id)
    of_nobody = tasks.add(session, viewer("anna"), Draft("Order paper"))

    assert [row.id for row in task_list.of_client(session, viewer("anna"), COMPANY, company.id)] == [
        of_company.activity_id
    ]
    assert task_list.one(session, viewer("anna"), of_nobody.activity_id).clients == ()


def test_a_task_is_found_by_its_subject_and_text(session: Session, viewer: Viewers, task: Task) -> None:
    for words in ("contract", "signed"):
        found = search.find(session, viewer("anna"), words).history.entries
        assert [entry.id for entry in found if entry.kind == "task"] == [task.activity_id]

    tasks.change(session, viewer("anna"), task.activity_id, {"text": "Nothing any more"})
    assert not [e for e in search.find(session, viewer("anna"), "signed").history.entries if e.kind == "task"]


def test_a_task_done_stands_where_it_was_done(session: Session, viewer: Viewers, task: Task) -> None:
    task.activity.created_at = task.activity.occurred_at = utcnow() - timedelta(days=9)
    tasks.done(session, viewer("anna"), task.activity_id)
    session.refresh(task.activity)
    assert utcnow() - task.activity.occurred_at < timedelta(minutes=1)

    tasks.reopen(session, viewer("anna"), task.activity_id)
    session.refresh(task.activity)
    assert task.activity.occurred_at == task.activity.created_at


def test_what_is_done_says_by_whom(session: Session, office: Office, viewer: Viewers, task: Task) -> None:
    tasks.done(session, viewer("galina"), task.activity_id)
    tasks.done(session, viewer("anna"), task.activity_id)  # a second time changes nothing

    row = task_list.one(session, viewer("anna"), task.activity_id)
    assert (row.state, row.done_by) == ("done", "Galina Smirnova")
    only_tasks = timeline.Filters(frozenset(["task"]))
    (entry,) = timeline.of_client(session, viewer("anna"), "contact", office.contacts[MARIA].id, only_tasks).entries
    assert entry.task
    assert entry.task.done_by == "Galina Smirnova"


SEES = [
    ("anna", "responsible and author", True),
    ("galina", "of the same team as the client", True),
    ("boris", "of another team", False),
    ("viktor", "a controller", True),
]


@pytest.mark.parametrize(("name", "who", "sees"), SEES, ids=[row[1] for row in SEES])
def test_who_sees_a_task_of_a_client(
    session: Session, viewer: Viewers, task: Task, name: str, who: str, sees: bool
) -> None:
    found = task_list.listing(session, viewer(name), Filters()).rows
    assert [row.id for row in found] == ([task.activity_id] if sees else []), who
    if not sees:
        with pytest.raises(NotFound):
            task_list.one(session, viewer(name), task.activity_id)


def test_who_is_to_do_a_task_sees_it_without_seeing_its_client(
    session: Session, office: Office, viewer: Viewers, task: Task
) -> None:
    tasks.assign(session, viewer("anna"), task.activity_id, office.users["boris"].id)

    row = task_list.one(session, viewer("boris"), task.activity_id)
    assert (row.subject, row.clients) == (CALL.subject, ())
    assert tasks.done(session, viewer("boris"), task.activity_id).done_at
    assert task_list.one(session, viewer("anna"), task.activity_id).done_by == "Boris Orlov"


def test_an_admin_sees_that_there_is_a_task_and_nothing_of_it(
    session: Session, office: Office, viewer: Viewers, task: Task
) -> None:
    page = timeline.of_client(session, viewer("admin"), "contact", office.contacts[MARIA].id, timeline.Filters())
    (entry,) = [entry for entry in page.entries if entry.kind == "task"]

    assert (entry.is_readable, entry.subject, entry.task) == (False, "", None)
    assert task_list.listing(session, viewer("admin"), Filters()).total == 0
    with pytest.raises(NotFound):
        task_list.one(session, viewer("admin"), task.activity_id)


@pytest.mark.parametrize("name", ["viktor", "admin"])
def test_who_changes_nothing_changes_no_task(session: Session, viewer: Viewers, task: Task, name: str) -> None:
    with pytest.raises(Forbidden):
        tasks.add(session, viewer(name), CALL)
    with pytest.raises(Forbidden):
        tasks.change(session, viewer(name), task.activity_id, {"subject": "Mine"})
    for act in (tasks.done, tasks.reopen, tasks.cancel):
        with pytest.raises(Forbidden):
            act(session, viewer(name), task.activity_id)


def test_a_stranger_to_a_task_cannot_change_it(session: Session, office: Office, viewer: Viewers, task: Task) -> None:
    with pytest.raises(NotFound):
        tasks.done(session, viewer("boris"), task.activity_id)
    with pytest.raises(NotFound):
        tasks.add(session, viewer("boris"), CALL, contact_id=office.contacts[MARIA].id)


BAD = [
    ({"subject": "  "}, "needs a subject"),
    ({"subject": "x" * 201}, "longer than 200"),
    ({"text": "x" * 100_001}, "longer than 100000"),
    ({"importance": "huge"}, "low, normal, high"),
    ({"due_on": date(1066, 10, 14)}, "between 1990 and 2199"),
    ({"remind_at": datetime(9999, 1, 1, tzinfo=UTC)}, "between 1990 and 2199"),
    ({"colour": "red"}, "has no colour"),
]


@pytest.mark.parametrize(("changes", "says"), BAD, ids=[says for _, says in BAD])
def test_what_cannot_be_is_refused_in_plain_words(
    session: Session, viewer: Viewers, task: Task, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidInput, match=says):
        tasks.change(session, viewer("anna"), task.activity_id, changes)


def test_what_outlook_cannot_hold_is_no_part_of_a_task(session: Session, viewer: Viewers) -> None:
    """Else the first such task would keep the card of its client from being written, by its next step."""
    made = tasks.add(session, viewer("anna"), Draft("Call\x07 back\x0bnow \ud83d", "From Word:\x0bone\r\ntwo\x1f\x00"))
    assert (made.activity.subject, made.text) == ("Call back now", "From Word:\none\ntwo")


@pytest.mark.parametrize("name", ["viktor", "admin", "left"])
def test_only_who_works_with_clients_is_given_a_task(
    session: Session, office: Office, viewer: Viewers, task: Task, name: str
) -> None:
    if name == "left":
        office.user("left", "manager", "North").is_active = False
        session.flush()
    with pytest.raises(InvalidInput, match="Only a client manager"):
        tasks.assign(session, viewer("anna"), task.activity_id, office.users[name].id)
    assert name not in [user.name for user in tasks.assignees(session)]


def test_the_command_line_names_who_is_to_do_a_task(session: Session, office: Office) -> None:
    with pytest.raises(InvalidInput, match="who is to do"):
        tasks.add(session, access.operator(), CALL)
    made = tasks.add(session, access.operator(), CALL, responsible_id=office.users["anna"].id)
    assert (made.author_id, made.responsible_id) == (None, office.users["anna"].id)


def test_done_and_cancelled_are_told_apart(session: Session, viewer: Viewers, task: Task) -> None:
    anna = viewer("anna")
    tasks.cancel(session, anna, task.activity_id)
    with pytest.raises(InvalidInput, match="cancelled"):
        tasks.done(session, anna, task.activity_id)
    tasks.reopen(session, anna, task.activity_id)
    tasks.done(session, anna, task.activity_id)
    with pytest.raises(InvalidInput, match="done already"):
        tasks.cancel(session, anna, task.activity_id)


def test_a_change_owes_the_task_to_the_mailbox_of_who_is_to_do_it(
    session: Session, office: Office, viewer: Viewers
) -> None:
    box = with_outlook(office, "anna")
    made = tasks.add(session, viewer("anna"), CALL, contact_id=office.contacts[MARIA].id)
    assert owed(session) == [(box, "task", made.activity_id)]

    before = session.scalars(select(OutboxItem.revision)).one()
    tasks.change(session, viewer("anna"), made.activity_id, {"subject": "Write to them"})
    assert session.scalars(select(OutboxItem.revision)).one() == before + 1
    tasks.change(session, viewer("anna"), made.activity_id, {"subject": "Write to them"})
    assert session.scalars(select(OutboxItem.revision)).one() == before + 1


@pytest.mark.parametrize("direction", ["in", "off", None])
def test_nothing_is_owed_to_a_mailbox_that_takes_no_tasks(
    session: Session, office: Office, viewer: Viewers, direction: str | None
) -> None:
    if direction:
        with_outlook(office, "anna", direction)
    tasks.add(session, viewer("anna"), CALL)
    assert owed(session) == []


def test_a_task_that_is_handed_on_is_owed_to_both(
    session: Session, office: Office, viewer: Viewers, task: Task
) -> None:
    anna, boris = with_outlook(office, "anna"), with_outlook(office, "boris")
    link(office, "anna", task)
    tasks.assign(session, viewer("anna"), task.activity_id, office.users["boris"].id)

    assert owed(session) == sorted([(anna, "task", task.activity_id), (boris, "task", task.activity_id)])


@pytest.mark.parametrize("act", ["handed back", "reopened"])
def test_a_task_deleted_in_outlook_comes_back_when_somebody_says_so(
    session: Session, office: Office, viewer: Viewers, task: Task, act: str
) -> None:
    with_outlook(office, "anna")
    link(office, "anna", task, gone_at=utcnow())
    tasks.change(session, viewer("anna"), task.activity_id, {"subject": "Other words"})
    assert session.scalars(select(Link).where(Link.entity == "task")).one()

    if act == "reopened":
        tasks.done(session, viewer("anna"), task.activity_id)
        tasks.reopen(session, viewer("anna"), task.activity_id)
    else:
        tasks.assign(session, viewer("anna"), task.activity_id, office.users["galina"].id)
    assert session.scalars(select(Link).where(Link.entity == "task")).all() == []


def test_what_changes_touches_the_cards_of_the_client(session: Session, office: Office, viewer: Viewers) -> None:
    maria, box = office.contacts[MARIA], office.mailboxes["anna"]
    stream = Stream(kind="contacts", direction="both", folders=[MirrorFolder(remote_id="clients", role="clients")])
    box.streams.append(stream)
    session.flush()
    office.add(
        Link(mailbox_id=box.id, folder_id=stream.folders[0].id, entity="contact", local_id=maria.id,
             remote_id="card", rule="clients")
    )  # fmt: skip
    tasks.add(session, viewer("anna"), CALL, contact_id=maria.id)

    assert owed(session) == [(box.id, "contact", maria.id)]


def test_a_merge_takes_the_tasks_of_a_client_along(
    session: Session, office: Office, viewer: Viewers, task: Task
) -> None:
    twin = office.contact("Мария И.", "m.ivanova@market.example")
    merges.merge(session, viewer("anna"), "contact", twin.id, office.contacts[MARIA].id)

    assert [row.id for row in task_list.of_client(session, viewer("anna"), CONTACT, twin.id)] == [task.activity_id]


def test_every_act_is_in_the_audit_log(session: Session, office: Office, viewer: Viewers, task: Task) -> None:
    anna, id_ = viewer("anna"), task.activity_id
    tasks.change(session, anna, id_, {"text": "secret words", "importance": "high"})
    tasks.assign(session, anna, id_, office.users["galina"].id)
    tasks.cancel(session, anna, id_)
    tasks.reopen(session, anna, id_)
    tasks.done(session, anna, id_)

    log = session.execute(
        select(AuditEntry.action, AuditEntry.detail).where(AuditEntry.entity == "task").order_by(AuditEntry.id)
    ).all()
    acts = ["task.add", "task.change", "task.assign", "task.cancel", "task.reopen", "task.done"]
    assert [row.action for row in log] == acts
    assert "secret" not in str(log)


def test_lists_are_by_due_date_and_done_ones_by_when_they_were_done(
    session: Session, office: Office, viewer: Viewers
) -> None:
    anna = viewer("anna")
    later = tasks.add(session, anna, Draft("Later", due_on=date(2026, 12, 1)))
    never = tasks.add(session, anna, Draft("Some day"))
    sooner = tasks.add(session, anna, Draft("Sooner", due_on=date(2026, 11, 20)))
    tasks.add(session, anna, Draft("For Boris"), responsible_id=office.users["boris"].id)
    mine = Filters(responsible_id=anna.user_id)

    found = task_list.listing(session, anna, mine).rows
    assert [row.id for row in found] == [sooner.activity_id, later.activity_id, never.activity_id]
    assert [row.is_overdue(date(2026, 11, 23)) for row in found] == [True, False, False]
    assert not found[0].is_overdue(date(2026, 11, 20))
    given = Filters(author_id=anna.user_id, is_given=True)
    assert [row.subject for row in task_list.listing(session, anna, given).rows] == ["For Boris"]
    assert task_list.count_due(session, anna, date(2026, 11, 23)) == 1

    tasks.done(session, anna, never.activity_id)
    tasks.done(session, anna, later.activity_id)
    done = task_list.listing(session, anna, Filters("done", anna.user_id)).rows
    assert [row.subject for row in done] == ["Later", "Some day"]


def test_it_is_told_why_a_task_is_here(session: Session, office: Office, viewer: Viewers, task: Task) -> None:
    with_outlook(office, "anna")
    link(office, "anna", task, rule="tasks")
    found = why.activity(session, viewer("anna"), task.activity_id)

    assert (found.kind, found.origin.rule) == ("task", "task")
    assert [topic.name for topic in found.topics] == ["Мария Иванова"]
    assert [copy.folder for copy in found.copies] == ["Tasks"]


def test_a_task_is_no_unknown_mail(session: Session, viewer: Viewers, office: Office) -> None:
    from terracrm.services import stats

    before = stats.counts(session)
    tasks.add(session, viewer("anna"), Draft("Order paper"))
    after = stats.counts(session)
    assert after["unmatched"] == before["unmatched"]
    assert session.scalars(select(Activity.is_matched).where(Activity.kind == "task")).all() == [False]
    assert after["tasks"] == {"open": 1, "done": 0}
