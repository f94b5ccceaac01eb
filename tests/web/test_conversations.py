"""The page of a conversation, and what it is about (M3)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from terracrm.models import (
    Activity,
    ActivityMailbox,
    ActivityTopic,
    CompanyTimeline,
    Message,
    MessageBody,
    Participant,
)
from tests.office import NOW
from tests.web.conftest import SignIn, token


@pytest.fixture
def long_thread(rows: Session, ids: dict[str, int]) -> list[int]:
    """The conversation of "question" with 120 answers; the ids of all its messages, oldest first."""
    first = rows.get_one(Message, ids["question"])
    source = rows.get_one(Activity, ids["question"])
    found = list(rows.scalars(select(Message.activity_id).where(Message.thread_id == first.thread_id)))
    for number in range(120):
        activity = Activity(
            kind="mail",
            occurred_at=NOW + timedelta(minutes=number),
            subject=f"RE: {source.subject}" if number != 5 else "Совсем другое",
            mailbox_id=source.mailbox_id,
            direction="in",
        )
        rows.add(activity)
        rows.flush()
        rows.add(Message(activity_id=activity.id, message_key=f"long-{number}", thread_id=first.thread_id))
        rows.flush()
        rows.add_all(
            [
                MessageBody(activity_id=activity.id, unique_text=f"Ответ номер {number}"),
                Participant(activity_id=activity.id, position=0, role="from", address="maria@market.example"),
                ActivityMailbox(activity_id=activity.id, mailbox_id=ids["anna@romashka.example"]),
            ]
        )
        found.append(activity.id)
    rows.commit()
    return sorted(found, key=lambda id_: (rows.get_one(Activity, id_).occurred_at, id_))


def test_all_messages_stand_on_one_page_oldest_first(signed_in: SignIn, ids: dict[str, int]) -> None:
    page = signed_in("anna").get(f"/messages/{ids['question']}/conversation", follow_redirects=True)
    assert page.status_code == 200
    places = [page.text.index(f'id="message-{ids[name]}"') for name in ("question", "answer") if name in ids]
    assert places == sorted(places)


def test_any_message_leads_to_its_place_in_the_conversation(signed_in: SignIn, long_thread: list[int]) -> None:
    client = signed_in("anna")
    answer = client.get(f"/messages/{long_thread[-1]}/conversation")
    assert answer.status_code == 302
    assert answer.location.endswith(f"/messages/{long_thread[0]}/conversation?page=3#message-{long_thread[-1]}")
    assert client.get(f"/messages/{long_thread[1]}/conversation").location.endswith(f"n#message-{long_thread[1]}")


def test_a_long_conversation_has_pages(signed_in: SignIn, long_thread: list[int]) -> None:
    client = signed_in("anna")
    first = client.get(f"/messages/{long_thread[0]}/conversation")
    last = client.get(f"/messages/{long_thread[0]}/conversation?page=3")
    assert first.text.count('<li id="message-') == 50
    assert last.text.count('<li id="message-') == len(long_thread) - 100
    assert "Ответ номер 119" in last.text
    assert f"{len(long_thread)} messages" in first.text
    assert "Совсем другое" in first.text
    assert client.get(f"/messages/{long_thread[0]}/conversation?page=4").status_code == 404


def test_what_may_not_be_read_is_not_counted(
    signed_in: SignIn, long_thread: list[int], rows: Session, ids: dict[str, int]
) -> None:
    hidden = long_thread[-100:]
    rows.execute(delete(ActivityMailbox).where(ActivityMailbox.activity_id.in_(hidden)))
    rows.execute(delete(CompanyTimeline).where(CompanyTimeline.activity_id.in_(hidden)))
    rows.commit()
    page = signed_in("anna").get(f"/messages/{long_thread[0]}/conversation")
    assert f"{len(long_thread) - 100} messages" in page.text
    assert "Ответ номер 119" not in page.text
    assert signed_in("anna").get(f"/messages/{hidden[0]}/conversation").status_code == 404


def test_only_headers_say_so(signed_in: SignIn, rows: Session, ids: dict[str, int]) -> None:
    rows.get_one(Message, ids["question"]).detail = "headers"
    rows.commit()
    page = signed_in("anna").get(f"/messages/{ids['question']}/conversation", follow_redirects=True)
    assert "Only the headers of this mail are kept." in page.text


@pytest.mark.parametrize("name", ["admin", "boris"])
def test_who_may_not_read_a_message_sees_no_conversation(signed_in: SignIn, ids: dict[str, int], name: str) -> None:
    client = signed_in(name)
    if client.get(f"/messages/{ids['question']}").status_code == 404:
        assert client.get(f"/messages/{ids['question']}/conversation").status_code == 404


def test_a_manager_says_what_a_conversation_is_about_and_takes_it_back(
    signed_in: SignIn, rows: Session, ids: dict[str, int]
) -> None:
    client = signed_in("anna")
    company = ids["market.example"]
    message = ids["stranger"]
    path = f"/activities/{message}/about"
    assert "Choose" in client.get(f"{path}?q=market").text
    data = {"csrf_token": token(client, f"{path}?q=market"), "entity": "company", "id": str(company)}
    answer = client.post(path, data=data)
    assert answer.status_code == 302, answer.text
    page = client.get(answer.location, follow_redirects=True)
    assert "What it is about" in page.text
    assert "set by Anna Sokolova" in page.text
    topic = rows.scalars(select(ActivityTopic).where(ActivityTopic.method == "manual")).one()
    assert (topic.activity_id, topic.entity, topic.entity_id) == (message, "company", company)
    gone = client.post(f"/topics/{topic.id}/remove", data={"csrf_token": data["csrf_token"]})
    assert gone.status_code == 302
    rows.expire_all()
    assert rows.scalars(select(ActivityTopic)).all() == []


def test_a_meeting_is_about_somebody_too(signed_in: SignIn, ids: dict[str, int]) -> None:
    client = signed_in("anna")
    path = f"/activities/{ids['tasting']}/about"
    data = {"csrf_token": token(client, f"{path}?q=market"), "entity": "company", "id": str(ids["market.example"])}
    page = client.post(path, data=data, follow_redirects=True)
    assert page.request.path == f"/meetings/{ids['tasting']}"
    assert "set by Anna Sokolova" in page.text


@pytest.mark.parametrize(
    ("entity", "id_", "status"), [("user", "1", 404), ("company", "x", 400), ("company", "99999", 404), ("", "", 400)]
)
def test_a_forged_choice_is_refused(signed_in: SignIn, ids: dict[str, int], entity: str, id_: str, status: int) -> None:
    client = signed_in("anna")
    path = f"/activities/{ids['question']}/about"
    data = {"csrf_token": token(client, f"{path}?q=market"), "entity": entity, "id": id_}
    assert client.post(path, data=data).status_code == status


@pytest.mark.parametrize("name", ["viktor", "admin"])
def test_who_changes_nothing_is_not_asked_what_it_is_about(signed_in: SignIn, ids: dict[str, int], name: str) -> None:
    client = signed_in(name)
    assert client.get(f"/activities/{ids['question']}/about").status_code == 403
    if name == "viktor":
        assert "Say what it is about" not in client.get(f"/messages/{ids['question']}").text
