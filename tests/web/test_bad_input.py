"""What cannot be meant is answered with a page that says why, in both languages, never with a traceback."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from terracrm.config import Settings
from terracrm.config.settings import Database
from tests.web.conftest import Client, SignIn, token
from web import create_app

QUERIES = [
    "since=31.02.", "since=2026-02-30", "until=yesterday", "since=2026-12-31&until=2026-01-01", "kind=pigeon",
    "person=abc", "person=-1", "person=99999999999999999999", "person=१", "after=abc", "after=1_2_3",
    "after=999999999999999999_1", "after=%00",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_a_filter_that_means_nothing_is_explained(signed_in: SignIn, ids: dict[str, int], query: str) -> None:
    anna = signed_in("anna")
    for path in (f"/companies/{ids['market.example']}", f"/contacts/{ids['maria@market.example']}"):
        answer = anna.get(f"{path}?{query}")
        assert answer.status_code == 400
        assert "This cannot be understood" in answer.text
        assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "query", ["since=0001-01-01", "until=9999-12-31", "since=9999-12-31", "until=0001-01-01", "kind=", "person=&since="]
)
def test_the_ends_of_time_and_empty_fields_are_fine(signed_in: SignIn, ids: dict[str, int], query: str) -> None:
    assert signed_in("anna").get(f"/companies/{ids['market.example']}?{query}").status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [("/companies?page=0", 400), ("/companies?page=x", 400), ("/companies?page=99999999", 400),
     ("/companies?sort=price", 400), ("/companies?name=%00%ff", 200), ("/contacts?name=%25_%5C", 200),
     ("/search?q=%00", 200), ("/search?q=%22%29+OR+%28", 200), ("/search?q=a&after=1", 400),
     ("/companies/99999999999", 404), ("/companies/0", 404), ("/companies/-1", 404), ("/companies/abc", 404),
     ("/static/../web/__init__.py", 404), ("/static/nothing.css", 404), ("/nothing", 404)],
)  # fmt: skip
def test_bad_addresses_are_answered(signed_in: SignIn, path: str, status: int) -> None:
    assert signed_in("anna").get(path).status_code == status


def test_errors_speak_the_reader_s_language(visitor: Client) -> None:
    answer = visitor.get("/nothing", headers={"Accept-Language": "ru"})
    assert answer.status_code == 404
    assert "Такой страницы нет" in answer.text


def test_a_wrong_method_and_a_large_form_are_explained(visitor: Client) -> None:
    assert "This does not work this way" in visitor.delete("/sign-in").text
    answer = visitor.post("/sign-in", data={"name": "x" * 1_100_000})
    assert answer.status_code == 413
    assert "This is too large" in answer.text


def test_a_form_without_its_token_says_what_to_do(visitor: Client) -> None:
    answer = visitor.post("/sign-in", data={"name": "anna"})
    assert answer.status_code == 400
    assert "The form was open for too long" in answer.text


def test_a_failure_inside_shows_a_page_and_no_detail(
    app: Flask, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode() -> str:
        raise OperationalError("SELECT secret", {}, Exception("password=hunter2"))

    monkeypatch.setitem(app.view_functions, "home.show", explode)
    answer = signed_in("anna").get("/")
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.text
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text


def test_a_missing_database_shows_a_page(settings: Settings, signed_in: SignIn, tmp_path: object) -> None:
    anna = signed_in("anna")
    cookie = anna.get_cookie("terracrm_session")
    assert cookie
    empty = settings.model_copy(update={"database": Database(url=f"sqlite:///{tmp_path}/empty.db")})
    broken = create_app(empty).test_client()
    broken.set_cookie("terracrm_session", cookie.value)
    assert broken.get("/").status_code == 500
    assert "Something went wrong on our side" in broken.get("/companies").text


def test_a_post_that_fails_changes_nothing(signed_in: SignIn) -> None:
    anna = signed_in("anna")
    answer = anna.post("/language", data={"csrf_token": token(anna, "/"), "language": "xx"})
    assert answer.status_code == 400
