"""What monitoring asks the portal: whether it lives, whether it can serve, and the numbers for Prometheus."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from terracrm.config import Settings
from terracrm.config.settings import Database
from terracrm.models import utcnow
from tests.web.conftest import Client, SignIn
from web import create_app

TOKEN = "t" * 40
LABELS = ("mailbox", "stream", "entity", "state", "outcome", "action")


def over(settings: Settings, url: str) -> Client:
    """A portal over another database."""
    return create_app(settings.model_copy(update={"database": Database(url=url)})).test_client()


@pytest.fixture
def watched(app: Flask, settings: Settings) -> Client:
    """A portal that shows its numbers to whoever has the token."""
    web = settings.web.model_copy(update={"metrics_token": SecretStr(TOKEN)})
    return create_app(settings.model_copy(update={"web": web})).test_client()


def show(client: Client, token: str = TOKEN) -> dict[tuple[str, ...], float]:
    """The samples by their names and labels."""
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    return {
        (sample.name.removeprefix("terracrm_"), *(sample.labels[name] for name in LABELS if name in sample.labels)): (
            sample.value
        )
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_it_is_ready_over_a_database_of_its_version(visitor: Client) -> None:
    for path in ("/healthz", "/readyz"):
        answer = visitor.get(path)
        assert (answer.status_code, answer.text) == (200, "ok\n")


def test_it_is_ready_without_the_message_broker_and_says_so(settings: Settings) -> None:
    with sqlite3.connect(settings.database.url.removeprefix("sqlite:///")) as connection:
        now = f"{utcnow():%Y-%m-%d %H:%M:%S.%f}"
        connection.execute("INSERT INTO heartbeats (name, at) VALUES ('daemon', ?)", (now,))
    sync = settings.sync.model_copy(update={"engine": "celery", "broker_url": SecretStr("redis://mq.test")})
    answer = create_app(settings.model_copy(update={"sync": sync})).test_client().get("/readyz")
    assert (answer.status_code, answer.text) == (
        200, "ok, but the message broker cannot be reached: no mailbox is read\n"
    )  # fmt: skip


def test_it_lives_but_is_not_ready_while_migrations_are_missing(settings: Settings, tmp_path: Path) -> None:
    portal = over(settings, f"sqlite:///{tmp_path}/empty.db")
    assert portal.get("/healthz").status_code == 200
    answer = portal.get("/readyz")
    assert (answer.status_code, answer.mimetype) == (503, "text/plain")
    assert answer.text == "the database lacks migrations of this version: run terracrm db upgrade\n"


def test_a_database_that_is_away_is_told_without_where_it_is(settings: Settings) -> None:
    portal = over(settings, "postgresql+psycopg://crm:s3cret@127.0.0.1:1/crm")
    assert portal.get("/healthz").status_code == 200
    answer = portal.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "the database cannot be reached\n")


def test_a_file_that_is_no_database_is_not_ready(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "letter.db").write_text("this is a letter, not a database" * 100)
    answer = over(settings, f"sqlite:///{tmp_path}/letter.db").get("/readyz")
    assert (answer.status_code, answer.text) == (503, "the database cannot be reached\n")


def test_a_database_of_a_newer_version_is_not_ready(settings: Settings, office_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    path.write_bytes(office_file.read_bytes())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    answer = over(settings, f"sqlite:///{path}").get("/readyz")
    assert (answer.status_code, answer.text) == (503, "the database was made by a newer version\n")


def test_without_a_token_in_the_settings_there_are_no_numbers(signed_in: SignIn) -> None:
    answer = signed_in("admin").get("/metrics", headers={"Authorization": "Bearer "})
    assert answer.status_code == 404
    assert "anna@" not in answer.text


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", f"Bearer {TOKEN}t", f"Basic {TOKEN}", TOKEN, "Bearer é"])
def test_who_does_not_show_the_token_learns_nothing(watched: Client, header: str) -> None:
    answer = watched.get("/metrics", headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "terracrm" not in answer.text


def test_the_token_shows_what_prometheus_can_read(watched: Client) -> None:
    found = show(watched)
    anna = ("anna@romashka.example", "mail")
    assert found["stream_state", *anna, "ok"] == 1
    assert found["stream_state", *anna, "backoff"] == 0
    assert 240 <= found["stream_last_success_age_seconds", *anna] < 4000  # the file is made once a run
    assert found["runs_last_hour", *anna, "ok"] == 1
    assert found["items_last_hour", *anna, "created"] == 12
    assert found["stream_enabled", *anna] == 1
    assert found["database_size_bytes",] > 100_000


def test_two_processes_tell_the_same(watched: Client) -> None:
    other = create_app(watched.application.extensions["terracrm_settings"]).test_client()
    passing = {"stream_last_success_age_seconds", "stream_lag_seconds"}
    one, two = ({key: n for key, n in show(each).items() if key[0] not in passing} for each in (watched, other))
    assert one == two
