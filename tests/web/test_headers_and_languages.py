"""Security headers, and the choice of the language."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.models import User
from tests.web.conftest import Client, SignIn, token
from web import create_app
from web.formats import day_and_time


def test_pages_allow_nothing_from_elsewhere_and_nothing_inline(visitor: Client) -> None:
    answer = visitor.get("/sign-in")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "Strict-Transport-Security" not in answer.headers
    for inline in ("style=", "onclick=", "<style", "<script>"):
        assert inline not in answer.text


def test_static_files_are_kept_and_named_by_their_content(visitor: Client) -> None:
    assert "terracrm.css?v=" in visitor.get("/sign-in").text
    assert "max-age=31536000" in visitor.get("/static/terracrm.css").headers["Cache-Control"]


@pytest.mark.parametrize(
    ("asked", "language"),
    [("ru", "ru"), ("de, ru;q=0.5", "ru"), ("en-US", "en"), ("ja", "en"), ("", "en"), ("*", "en")],
)
def test_a_visitor_reads_the_browser_s_language_or_the_default(visitor: Client, asked: str, language: str) -> None:
    answer = visitor.get("/sign-in", headers={"Accept-Language": asked})
    assert f'<html lang="{language}">' in answer.text


def test_the_choice_is_kept_in_a_cookie_for_the_sign_in(visitor: Client) -> None:
    answer = visitor.post("/language", data={"csrf_token": token(visitor), "language": "ru", "next": "/sign-in"})
    assert answer.location == "/sign-in"
    assert "Вход" in visitor.get("/sign-in").text


def test_the_choice_of_a_user_follows_to_other_browsers(signed_in: SignIn, rows: Session) -> None:
    anna = signed_in("anna")
    anna.post("/language", data={"csrf_token": token(anna, "/"), "language": "ru", "next": "/companies"})
    assert rows.query(User).filter_by(name="anna").one().language == "ru"
    assert "Компании" in signed_in("anna").get("/companies", headers={"Accept-Language": "en"}).text


def test_the_choice_leads_back_to_the_page_and_nowhere_else(visitor: Client) -> None:
    form = {"csrf_token": token(visitor), "language": "ru"}
    assert visitor.post("/language", data=form | {"next": "/companies?name=a"}).location == "/companies?name=a"
    assert visitor.post("/language", data=form | {"next": "//evil.example"}).location == "/"


def test_russian_has_its_plural_forms_dates_and_numbers(signed_in: SignIn, ids: dict[str, int]) -> None:
    anna = signed_in("anna")
    anna.post("/language", data={"csrf_token": token(anna, "/"), "language": "ru"})
    page = anna.get(f"/companies/{ids['market.example']}").text
    assert "3 письма" in page
    assert "1 встреча" in page
    assert "Сегодня" in page
    assert "47 КБ" in anna.get(f"/messages/{ids['question']}").text


def test_the_time_zone_is_the_office_s(settings: Settings, ids: dict[str, int]) -> None:
    web = settings.web.model_copy(update={"time_zone": "Asia/Yekaterinburg"})
    app = create_app(settings.model_copy(update={"web": web}))
    with app.test_request_context():
        assert day_and_time(datetime(2026, 11, 22, 21, 30, tzinfo=UTC)) == "23 Nov 2026, 02:30"
