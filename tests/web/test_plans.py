"""Plans in the portal: who reads them, and the decision of an admin about what a brake stopped (Y1, Y2)."""

from __future__ import annotations

import re

import pytest
from flask import Flask, g
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.models import AuditEntry, Plan, Stream
from terracrm.services import access, plans
from terracrm.services.plans import Field, Step
from tests.web.conftest import Client, SignIn, token

ANNA, BORIS, PETER = "anna@romashka.example", "boris@romashka.example", "peter@vesna.example"


@pytest.fixture
def stopped(rows: Session, ids: dict[str, int]) -> int:
    """A run of Anna's mail was stopped: 60 mails are gone, one card is to be changed, one contact is new."""
    stream = rows.scalars(select(Stream).where(Stream.mailbox_id == ids[ANNA], Stream.kind == "mail")).one()
    folder_id = stream.folders[0].id
    gone = [
        Step(stream.id, "in", "remove", "message", ids["question"], folder_id, f"mail-{number}", "v", "left_folder")
        for number in range(60)
    ]
    card = Step(
        stream.id, "out", "change", "contact", ids[PETER], folder_id, "card", "v", "in_scope",
        (Field("job_title", "Buyer", "<b>Director</b>"), Field("history", "secret before", "secret now")),
    )  # fmt: skip
    new = Step(
        stream.id, "in", "create", "contact", None, folder_id, "new", "v", "contacts_folder",
        (Field("display_name", "", "Nina"),),
    )  # fmt: skip
    plan = plans.store(rows, ids[ANNA], stream.id, plans.BRAKE, [*gone, card, new], items=1000)
    stream.state, stream.last_error = "approval", "too much"
    rows.commit()
    return plan.id


def text(client: Client, path: str, code: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == code
    return " ".join(answer.get_data(as_text=True).split())


def test_each_role_reads_what_it_may(signed_in: SignIn, stopped: int) -> None:
    path = f"/plans/{stopped}"
    assert signed_in("boris").get(path).status_code == 404
    assert f'"{path}"' not in text(signed_in("boris"), "/plans")
    pages = {who: text(signed_in(who), f"{path}?page=2") for who in ("anna", "viktor", "admin")}
    # Anna does not see Peter, an admin reads no mail, and nobody reads here what stands in the notes of a card.
    assert [("Peter Volkov" in pages[who], "Nina" in pages[who]) for who in pages] == [
        (False, True), (True, True), (True, True)
    ]  # fmt: skip
    assert [("Договор поставки" in pages[who]) for who in pages] == [True, True, False]
    assert not any("secret" in page or "<b>Director" in page for page in pages.values())
    assert "&lt;b&gt;Director&lt;/b&gt;" in pages["admin"]
    for who, decides in (("anna", False), ("viktor", False), ("admin", True)):
        assert (f'action="{path}/approve"' in pages[who]) == decides
        assert ("An administrator decides." in pages[who]) != decides
        assert f'"{path}"' in text(signed_in(who), "/plans")


def test_a_plan_says_what_would_happen_step_by_step(signed_in: SignIn, stopped: int) -> None:
    admin, path = signed_in("admin"), f"/plans/{stopped}"
    page = text(admin, path)
    assert "Of 1,000 items this run would remove 60 and change 1." in page
    assert [int(found) for found in re.findall(r"<b>(\d+)</b><span>", page)] == [60, 1, 1]
    assert (page.count("gone from Outlook"), "Page 1 of 2" in page) == (52, True)  # with the figure and the sentence
    changes = text(admin, f"{path}?act=change")
    assert ("to be changed in Outlook</td>" in changes, "gone from Outlook</td>" in changes) == (True, False)
    assert "it is no longer in its folder" in page
    assert "There is no such page of the list" in text(admin, f"{path}?page=9")
    for wrong in ("act=x", "page=0", "notice=x"):
        text(admin, f"{path}?{wrong}", 400)
    text(admin, "/plans?mailbox=x", 400)
    text(admin, "/plans?mailbox=4711", 404)


def test_a_stream_that_waits_leads_to_its_plan(signed_in: SignIn, stopped: int, ids: dict[str, int]) -> None:
    link = f'href="/plans/{stopped}"'
    for who in ("anna", "admin"):
        page = text(signed_in(who), f"/mailboxes/{ids[ANNA]}")
        assert (link in page, "needs approval" in page) == (True, True)
        assert f'href="/plans?mailbox={ids[ANNA]}"' in page
    assert link not in text(signed_in("admin"), f"/mailboxes/{ids[BORIS]}")
    assert [link in text(signed_in(who), "/") for who in ("anna", "viktor", "admin")] == [False, False, True]
    assert link in text(signed_in("anna"), f"/plans?mailbox={ids[ANNA]}")


def decide(client: Client, plan_id: int, what: str, page: str | None = None) -> tuple[int, str]:
    answer = client.post(
        f"/plans/{plan_id}/{what}", data={"csrf_token": token(client, page or "/")}, follow_redirects=True
    )
    return answer.status_code, " ".join(answer.get_data(as_text=True).split())


def test_an_admin_approves_and_the_stream_is_due(signed_in: SignIn, rows: Session, stopped: int) -> None:
    code, page = decide(signed_in("admin"), stopped, "approve", f"/plans/{stopped}")
    assert (code, "the next run does it" in page, "decided by Olga Administrator" in page) == (200, True, True)
    assert "/approve" not in page
    plan = rows.get_one(Plan, stopped, populate_existing=True)
    assert plan.stream
    assert (plan.state, plan.stream.state, plan.stream.last_error) == ("approved", "ok", "")
    assert rows.scalars(select(AuditEntry.action).where(AuditEntry.entity == "plan")).all() == ["plan.approved"]
    assert "Look at the plan" not in text(signed_in("admin"), "/")


def test_an_admin_rejects_and_the_stream_rests(signed_in: SignIn, rows: Session, stopped: int) -> None:
    code, page = decide(signed_in("admin"), stopped, "reject")
    assert (code, f"terracrm mailbox enable {ANNA}" in page) == (200, True)
    plan = rows.get_one(Plan, stopped, populate_existing=True)
    assert plan.stream
    assert (plan.state, plan.stream.state) == ("rejected", "paused")


@pytest.mark.parametrize(("who", "code"), [("anna", 403), ("viktor", 403), ("boris", 404)])
def test_nobody_else_decides(signed_in: SignIn, rows: Session, stopped: int, who: str, code: int) -> None:
    for what in ("approve", "reject"):
        assert decide(signed_in(who), stopped, what)[0] == code
    assert rows.get_one(Plan, stopped, populate_existing=True).state == "open"


def test_a_form_without_its_token_decides_nothing(signed_in: SignIn, rows: Session, stopped: int) -> None:
    for what in ("approve", "reject"):
        assert signed_in("admin").post(f"/plans/{stopped}/{what}").status_code == 400
        assert signed_in("admin").get(f"/plans/{stopped}/{what}").status_code == 405
    assert rows.get_one(Plan, stopped, populate_existing=True).state == "open"


def test_who_comes_later_is_told_so(signed_in: SignIn, rows: Session, stopped: int) -> None:
    decide(signed_in("admin"), stopped, "approve")
    code, page = decide(signed_in("admin"), stopped, "reject")
    assert (code, "somebody has decided about this plan meanwhile" in page) == (200, True)
    plan = rows.get_one(Plan, stopped, populate_existing=True)
    assert plan.stream
    assert (plan.state, plan.stream.state) == ("approved", "ok")


def test_each_state_says_what_comes_next(signed_in: SignIn, rows: Session, stopped: int, ids: dict[str, int]) -> None:
    admin = signed_in("admin")
    made = plans.store(rows, ids[BORIS], None, plans.COMMAND, [])
    plans.store(rows, ids[ANNA], rows.get_one(Plan, stopped).stream_id, plans.BRAKE, [])
    rows.commit()
    assert "A later look at the mailbox has taken its place." in text(admin, f"/plans/{stopped}")
    page = text(admin, f"/plans/{made.id}")
    assert (f"terracrm sync run --plan {made.id}" in page, "Both sides agree" in page) == (True, True)
    assert decide(admin, made.id, "approve")[0] == 400
    plans.finish(rows, access.operator(), made.id)
    rows.commit()
    assert "It was done." in text(admin, f"/plans/{made.id}")
    assert "decided by a command" in text(admin, f"/plans/{made.id}")


def test_the_state_is_told_in_the_language_of_each_reader(app: Flask) -> None:
    words = app.jinja_env.from_string('{{ "waits"|word("plan_state") }}')
    found = []
    for language in ("en", "ru"):
        with app.test_request_context():
            g.language = language
            found.append(words.render())
    assert found == ["waits for a decision", "ждёт решения"]
