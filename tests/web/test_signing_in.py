"""Signing in and out at the portal: lockout, sessions, where it leads (A3)."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from flask import Flask
from lxml import html
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.models import User
from tests.office import PASSWORD
from tests.web.conftest import Client, SignIn, token
from web import create_app


def attempt(client: Client, name: str, password: str, next_: str = "") -> tuple[int, str, str]:
    form = {"name": name, "password": password, "next": next_, "csrf_token": token(client)}
    answer = client.post("/sign-in", data=form)
    return answer.status_code, answer.location or "", answer.text


def test_after_the_sign_in_the_wanted_page_opens(visitor: Client) -> None:
    asked = visitor.get("/companies?name=рома")
    assert asked.location.startswith("/sign-in?next=")
    form = html.fromstring(visitor.get(asked.location).text).xpath("//main//form")[0]
    status, location, _ = attempt(visitor, "anna", PASSWORD, form.fields["next"])
    assert (status, unquote(location)) == (302, "/companies?name=рома")
    assert visitor.get(location).status_code == 200


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil", "javascript:alert(1)",
     "/\t/evil.example", "evil", "/%0d%0aX: y\r\nSet-Cookie: a=b", ""],
)  # fmt: skip
def test_the_sign_in_leads_nowhere_else(visitor: Client, target: str) -> None:
    assert attempt(visitor, "anna", PASSWORD, target)[:2] == (302, "/")


def test_every_failure_looks_the_same_and_locks(visitor: Client, rows: Session) -> None:
    answers = [attempt(visitor, "anna", "wrong")[2] for _ in range(3)]
    answers.append(attempt(visitor, "anna", PASSWORD)[2])
    answers.append(attempt(visitor, "nobody", PASSWORD)[2])
    texts = {re.sub(r'(csrf_token" value=")[^"]+|value="(anna|nobody)"', "", text) for text in answers}
    assert len(texts) == 1
    assert "The name or the password is wrong" in answers[0]
    assert rows.query(User).filter_by(name="anna").one().locked_until is not None


def test_signing_out_ends_the_session_here(signed_in: SignIn) -> None:
    anna, other = signed_in("anna"), signed_in("anna")
    assert anna.post("/sign-out", data={"csrf_token": token(anna, "/")}).status_code == 302
    assert anna.get("/").status_code == 302
    assert other.get("/").status_code == 200


def test_signing_out_everywhere_ends_all_sessions(signed_in: SignIn) -> None:
    anna, other = signed_in("anna"), signed_in("anna")
    anna.post("/sign-out", data={"csrf_token": token(anna, "/"), "everywhere": "1"})
    assert anna.get("/").status_code == 302
    assert other.get("/").status_code == 302


def test_a_session_ends_with_the_account_and_with_a_new_password(signed_in: SignIn, rows: Session) -> None:
    anna, boris = signed_in("anna"), signed_in("boris")
    rows.query(User).filter_by(name="anna").one().is_active = False
    rows.query(User).filter_by(name="boris").one().session_epoch += 1
    rows.commit()
    assert anna.get("/").status_code == 302
    assert boris.get("/").status_code == 302


def test_a_change_of_role_counts_at_once(signed_in: SignIn, rows: Session, ids: dict[str, int]) -> None:
    anna = signed_in("anna")
    rows.query(User).filter_by(name="anna").one().role_code = "admin"
    rows.commit()
    assert anna.get(f"/messages/{ids['question']}").status_code == 404


def test_a_forged_session_is_no_session(app: Flask) -> None:
    client = app.test_client()
    client.set_cookie("terracrm_session", "eyJfdXNlcl9pZCI6IjEuMCJ9.aaaa.bbbb")
    assert client.get("/").status_code == 302


@pytest.mark.parametrize("session_id", ["", "1", "1.", ".0", "x.y", "1.0.0", "१.0", "999.0", None, 7])
def test_a_session_of_another_shape_is_no_session(app: Flask, session_id: object) -> None:
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = session_id
    assert client.get("/").status_code == 302


def test_cookies_are_kept_from_scripts_and_other_sites(settings: Settings, visitor: Client) -> None:
    cookie = visitor.get("/sign-in").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    web = settings.web.model_copy(update={"base_url": "https://crm.example"})
    answer = create_app(settings.model_copy(update={"web": web})).test_client().get("/sign-in")
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "max-age=31536000" in answer.headers["Strict-Transport-Security"]


def test_htmx_is_led_to_the_sign_in_as_well(visitor: Client) -> None:
    answer = visitor.get("/companies", headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"].startswith("/sign-in")
