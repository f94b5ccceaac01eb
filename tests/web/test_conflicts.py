"""Conflicts in the portal: both values, and one click that takes the other (W1)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy.orm import Session

from terracrm.models import Conflict, Contact
from tests.web.conftest import SignIn, token

MARIA = "maria@market.example"


@pytest.fixture
def conflict(rows: Session, ids: dict[str, int]) -> int:
    """Both sides changed the position of Мария; ours stands."""
    row = Conflict(entity="contact", entity_id=ids[MARIA], field="job_title", crm_value="Закупщик", winner="crm")
    row.outlook_value, row.rule, row.mailbox_id = "<b>Директор</b>", "latest", ids["anna@romashka.example"]
    rows.add(row)
    rows.commit()
    return row.id


def form(page: str, button: str) -> tuple[str, dict[str, str]]:
    """Where the form of a button leads, and what it sends."""
    start = page.rindex("<form", 0, page.index(button))
    text = page[start : page.index("</form>", start)]
    action = re.search(r'action="([^"]+)"', text)
    assert action
    return action[1], dict(re.findall(r'name="([^"]+)" value="([^"]*)"', text))


def job_title(rows: Session, ids: dict[str, int]) -> str:
    rows.expire_all()
    return rows.get_one(Contact, ids[MARIA]).job_title


def test_one_click_takes_the_other_value(signed_in: SignIn, rows: Session, ids: dict[str, int], conflict: int) -> None:
    anna = signed_in("anna")
    page = anna.get("/conflicts").get_data(as_text=True)
    assert "&lt;b&gt;Директор&lt;/b&gt;" in page
    assert "the later change wins" in page
    action, values = form(page, "Take the other value")
    answer = anna.post(action, data=values, follow_redirects=True).get_data(as_text=True)
    assert "has the other value now" in answer
    assert job_title(rows, ids) == "<b>Директор</b>"
    decided = anna.get("/conflicts?kind=decided").get_data(as_text=True)
    assert "decided by Anna Sokolova" in decided
    assert rows.get_one(Conflict, conflict).state == "taken"


def test_the_profile_shows_it_and_comes_back_after_a_decision(
    signed_in: SignIn, rows: Session, ids: dict[str, int], conflict: int
) -> None:
    anna, profile = signed_in("anna"), f"/contacts/{ids[MARIA]}"
    action, values = form(anna.get(profile).get_data(as_text=True), "Leave it so")
    answer = anna.post(action, data=values)
    assert (answer.status_code, answer.location) == (302, profile)
    assert "Leave it so" not in anna.get(profile).get_data(as_text=True)
    assert (job_title(rows, ids), rows.get_one(Conflict, conflict).state) == ("Закупщик", "kept")


def test_what_was_changed_since_is_shown_before_it_is_overwritten(
    signed_in: SignIn, rows: Session, ids: dict[str, int], conflict: int
) -> None:
    anna = signed_in("anna")
    action, seen = form(anna.get("/conflicts").get_data(as_text=True), "Take the other value")
    rows.get_one(Contact, ids[MARIA]).job_title = "Владелец"
    rows.commit()
    late = anna.post(action, data=seen, follow_redirects=True).get_data(as_text=True)
    assert "Nothing was changed" in late
    assert "Changed since, now" in late
    assert "Владелец" in late
    assert job_title(rows, ids) == "Владелец"
    action, now = form(late, "Take it all the same")
    anna.post(action, data=now)
    assert job_title(rows, ids) == "<b>Директор</b>"
    again = anna.post(action, data=now, follow_redirects=True).get_data(as_text=True)
    assert "Nothing was changed" in again


@pytest.mark.usefixtures("conflict")
@pytest.mark.parametrize(
    ("who", "sees", "buttons"),
    [("anna", True, True), ("boris", False, False), ("viktor", True, False), ("admin", True, False)],
)
def test_who_sees_it_and_who_decides(signed_in: SignIn, who: str, sees: bool, buttons: bool) -> None:
    page = signed_in(who).get("/conflicts").get_data(as_text=True)
    assert ("Директор" in page, "Take the other value" in page) == (sees, buttons)


def test_values_of_every_kind_are_shown(signed_in: SignIn, rows: Session, ids: dict[str, int]) -> None:
    values: list[tuple[str, Any, Any]] = [
        ("phones", {"label": "mobile", "number": "+7 495 000-00-00"}, None),
        ("notes", "", "line\nline"),
        ("emails", {"label": "1", "address": "m@market.example"}, {"label": "2", "address": "m@market.example"}),
    ]
    for field, crm, outlook in values:
        row = Conflict(entity="contact", entity_id=ids[MARIA], field=field, winner="outlook", rule="direction")
        row.crm_value, row.outlook_value = crm, outlook
        rows.add(row)
    rows.commit()
    page = signed_in("anna").get("/conflicts").get_data(as_text=True)
    for text in ("+7 495 000-00-00", "<small>mobile</small>", "<em>empty</em>", "line\nline", "m@market.example"):
        assert text in page
    assert signed_in("anna").get("/conflicts?page=9").status_code == 200


def test_nothing_to_decide_says_so(signed_in: SignIn) -> None:
    anna = signed_in("anna")
    assert "Nobody changed the same field on both sides" in anna.get("/conflicts").get_data(as_text=True)
    missing = anna.post("/conflicts/4711/take", data={"csrf_token": token(anna, "/")})
    assert missing.status_code == 404
