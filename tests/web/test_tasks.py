"""The pages of tasks: my own, one, the forms, and what profiles and histories show of them (P4, P7)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from terracrm.models import Task, User
from terracrm.services import access, task_list, tasks
from terracrm.services.task_list import TaskRow
from terracrm.services.tasks import Draft
from tests.web.conftest import Client, SignIn, token

MARIA = "maria@market.example"
Add = Callable[..., int]


@pytest.fixture
def add(rows: Session, ids: dict[str, int]) -> Add:
    """`add("Call back", due=-2)`: a task of Anna's about Мария Иванова, due in so many days."""

    def made(subject: str, due: int | None = None, responsible: str = "anna", **more: object) -> int:
        anna = access.viewer_of(rows, rows.get_one(User, ids["anna"]))
        due_on = datetime.now(UTC).date() + timedelta(days=due) if due is not None else None
        draft = Draft(subject, due_on=due_on, **more)  # type: ignore[arg-type]
        task = tasks.add(rows, anna, draft, contact_id=ids[MARIA], responsible_id=ids[responsible])
        rows.commit()
        return task.activity_id

    return made


def read(rows: Session, ids: dict[str, int], task_id: int) -> TaskRow:
    rows.rollback()
    return task_list.one(rows, access.viewer_of(rows, rows.get_one(User, ids["anna"])), task_id)


def post(client: Client, path: str, **form: object) -> TestResponse:
    return client.post(path, data={"csrf_token": token(client, "/"), **form})


def test_my_tasks_say_what_is_overdue_in_words(signed_in: SignIn, add: Add) -> None:
    add("Late one", due=-2)
    add("Due today", due=0)
    add("Next week", due=7)
    add("For Boris", responsible="boris")
    page = signed_in("anna").get("/tasks").text

    assert page.index("Late one") < page.index("Due today") < page.index("Next week")
    assert page.count("overdue since") == 1
    assert "due today" in page
    assert "For Boris" not in page
    assert "For Boris" in signed_in("anna").get("/tasks?show=given").text


def test_a_task_is_added_on_the_profile_of_a_client(signed_in: SignIn, ids: dict[str, int], rows: Session) -> None:
    anna, profile = signed_in("anna"), f"/contacts/{ids[MARIA]}"
    assert "Add a task" in anna.get(profile).text
    answer = post(
        anna, "/tasks", subject=" Send  the price list ", due_on="2026-12-01", text="In Russian\r\nand English",
        responsible_id=ids["galina"], contact_id=ids[MARIA], next=profile,
    )  # fmt: skip
    assert (answer.status_code, answer.location) == (302, profile)

    (made,) = rows.scalars(select(Task))
    row = read(rows, ids, made.activity_id)
    assert (row.subject, row.due_on, row.text) == ("Send the price list", date(2026, 12, 1), "In Russian\nand English")
    assert (row.responsible, row.author) == ("Galina Smirnova", "Anna Sokolova")
    shown = anna.get(profile).text
    assert shown.count("Send the price list") >= 2  # among the next tasks, and in the history
    assert "1 task" in shown


def test_a_task_is_added_on_the_profile_of_a_company(signed_in: SignIn, ids: dict[str, int], rows: Session) -> None:
    anna, profile = signed_in("anna"), f"/companies/{ids['market.example']}"
    post(anna, "/tasks", subject="Visit", responsible_id=ids["anna"], company_id=ids["market.example"], next=profile)
    assert "Visit" in anna.get(f"{profile}?kind=task").text


def test_a_button_does_it_and_undoes_it(signed_in: SignIn, ids: dict[str, int], rows: Session, add: Add) -> None:
    task_id, anna = add("Call back"), signed_in("anna")
    answer = post(anna, f"/tasks/{task_id}/done", next="/tasks")
    assert answer.location == "/tasks"
    assert read(rows, ids, task_id).done_by == "Anna Sokolova"
    assert "Call back" in anna.get("/tasks?show=done").text
    assert "done" in anna.get(f"/tasks/{task_id}").text

    post(anna, f"/tasks/{task_id}/reopen")
    assert read(rows, ids, task_id).is_open
    post(anna, f"/tasks/{task_id}/cancel")
    assert read(rows, ids, task_id).state == "cancelled"
    assert post(anna, f"/tasks/{task_id}/done").status_code == 400


def test_the_way_back_never_leads_elsewhere(signed_in: SignIn, add: Add) -> None:
    task_id = add("Call back")
    answer = post(signed_in("anna"), f"/tasks/{task_id}/done", next="https://evil.example/")
    assert answer.location == "/"


@pytest.mark.usefixtures("in_moscow")
def test_the_form_changes_what_was_changed_in_it_and_nothing_else(
    signed_in: SignIn, ids: dict[str, int], rows: Session, add: Add
) -> None:
    task_id, anna = add("Call back", importance="high"), signed_in("anna")
    page = anna.get(f"/tasks/{task_id}/edit").text
    assert 'name="was_subject" value="Call back"' in page
    shown = {"subject": "Call back", "text": "", "due_on": "", "remind_at": "", "importance": "high"}
    shown["responsible_id"] = str(ids["anna"])
    was = {f"was_{name}": value for name, value in shown.items()}
    rows.get_one(Task, task_id).text = "Somebody else wrote this meanwhile"
    rows.commit()

    said = shown | {"subject": "Write", "remind_at": "2026-12-01T09:00", "responsible_id": str(ids["galina"])}
    answer = post(anna, f"/tasks/{task_id}/edit", **was, **said)
    assert answer.status_code == 302
    row = read(rows, ids, task_id)
    assert (row.subject, row.responsible) == ("Write", "Galina Smirnova")
    assert row.text == "Somebody else wrote this meanwhile"
    assert row.remind_at == datetime(2026, 12, 1, 6, tzinfo=UTC)  # nine by the clocks of the office
    assert "2026-12-01T09:00" in anna.get(f"/tasks/{task_id}/edit").text


REFUSED = [
    ({"subject": " "}, "A task needs a subject"),
    ({"subject": "x" * 300}, "too long"),
    ({"due_on": "tomorrow"}, "is not a date"),
    ({"due_on": "0001-01-01"}, "too far away"),
    ({"remind_at": "soon"}, "is not a time"),
    ({"remind_at": "0001-01-01T00:00"}, "is not a time"),
    ({"importance": "huge"}, "from the list"),
    ({"responsible_id": "999999"}, "Only a client manager"),
    ({"responsible_id": "x"}, "is not a number"),
]


@pytest.mark.usefixtures("in_moscow")
@pytest.mark.parametrize(("said", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_cannot_be_is_said_above_the_form(
    signed_in: SignIn, ids: dict[str, int], rows: Session, said: dict[str, str], words: str
) -> None:
    form = {"subject": "Call back", "responsible_id": str(ids["anna"]), "contact_id": str(ids[MARIA])} | said
    answer = post(signed_in("anna"), "/tasks", **form)

    assert answer.status_code == 400
    assert words in answer.text
    assert rows.scalars(select(Task)).all() == []


def test_half_a_change_is_no_change(signed_in: SignIn, ids: dict[str, int], rows: Session, add: Add) -> None:
    task_id = add("Call back")
    answer = post(signed_in("anna"), f"/tasks/{task_id}/edit", subject="Write", responsible_id=str(ids["viktor"]))
    assert answer.status_code == 400
    assert read(rows, ids, task_id).subject == "Call back"


def test_who_may_not_change_a_task_sees_no_buttons(signed_in: SignIn, ids: dict[str, int], add: Add) -> None:
    task_id = add("Call back")
    viktor = signed_in("viktor")
    for path in (f"/tasks/{task_id}", f"/contacts/{ids[MARIA]}"):
        page = viktor.get(path).text
        assert "Call back" in page
        assert f"/tasks/{task_id}/done" not in page
        assert "Add a task" not in page
    assert signed_in("boris").get(f"/tasks/{task_id}").status_code == 404
    assert "Call back" not in signed_in("admin").get(f"/contacts/{ids[MARIA]}").text


def test_a_task_is_about_whom_somebody_says(signed_in: SignIn, ids: dict[str, int], add: Add) -> None:
    task_id, anna = add("Call back"), signed_in("anna")
    answer = post(anna, f"/activities/{task_id}/about", entity="company", id=str(ids["harbour.example"]))
    assert answer.location == f"/tasks/{task_id}"
    assert "Call back" in anna.get(f"/companies/{ids['harbour.example']}").text


def test_what_people_write_is_never_markup(signed_in: SignIn, ids: dict[str, int], add: Add) -> None:
    task_id = add("<script>alert(1)</script>", text="<img src=x onerror=alert(1)>")
    anna = signed_in("anna")
    for path in ("/tasks", f"/tasks/{task_id}", f"/tasks/{task_id}/edit", f"/contacts/{ids[MARIA]}"):
        page = anna.get(path).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page


def test_the_history_has_a_filter_for_tasks(signed_in: SignIn, ids: dict[str, int], add: Add) -> None:
    add("Call back", due=3)
    page = signed_in("anna").get(f"/contacts/{ids[MARIA]}?kind=task").text
    history = page[page.index('id="timeline"') :]
    assert "Call back" in history
    assert "Anna Sokolova, due" in history
    assert "Фото полки" not in history


def test_pages_are_in_russian_too(signed_in: SignIn, ids: dict[str, int], add: Add) -> None:
    task_id, anna = add("Позвонить", due=3), signed_in("anna")
    anna.post("/language", data={"csrf_token": token(anna, "/"), "language": "ru"})
    for path in ("/tasks", f"/tasks/{task_id}", f"/tasks/{task_id}/edit", "/tasks/new"):
        assert anna.get(path).status_code == 200


def test_home_says_how_many_tasks_are_due(signed_in: SignIn, add: Add) -> None:
    add("Late", due=-1)
    add("Today", due=0)
    add("Tomorrow", due=1)
    add("For Boris", due=0, responsible="boris")
    assert "<b>2</b><span>tasks of mine due</span>" in signed_in("anna").get("/").text
    assert "tasks of mine" not in signed_in("admin").get("/").text
