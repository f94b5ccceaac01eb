"""The portal on a real port, and a real browser in front of it."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, StorageState, sync_playwright
from werkzeug.serving import make_server

from terracrm import db
from terracrm.config import Settings
from tests.office import PASSWORD, add_long_history, make_office
from web import create_app

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
OpenPage = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here drive a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium of this machine; without one these tests are skipped."""
    found = os.environ.get("TERRACRM_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.skip("needs a browser: install chromium, or name one in TERRACRM_CHROMIUM")
    if not (Path(__file__).parents[2] / "web/static/vendor/htmx.min.js").exists():
        pytest.skip("needs the front-end files: run `make assets`")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="session")
def settings(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a portal over an office with a long history."""
    folder = tmp_path_factory.mktemp("portal")
    path = folder / "office.db"
    shutil.copy(migrated_sqlite, path)
    made = Settings(
        database={"url": f"sqlite:///{path}"}, paths={"data_dir": folder}, security={"secret_key": "k" * 40}
    )
    engine = db.make_engine(made.database.url)
    with db.session_factory(engine)() as session:
        add_long_history(make_office(session), 75)
        session.commit()
    engine.dispose()
    return made


@pytest.fixture(scope="session")
def address(settings: Settings) -> Iterator[str]:
    """The address of that portal."""
    server = make_server("127.0.0.1", 0, create_app(settings), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of: scripts that failed, and what the content policy refused."""
    return []


@pytest.fixture(scope="session")
def cookies(browser: Browser, address: str) -> Callable[[str], StorageState]:
    """The cookies of who has signed in, each of them once."""
    kept: dict[str, StorageState] = {}

    def sign_in(who: str) -> StorageState:
        if who not in kept:
            context = browser.new_context(base_url=address, locale="en-US")
            page = context.new_page()
            page.goto("/sign-in")
            page.get_by_label("Name").fill(who)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"{address}/")
            kept[who] = context.storage_state()
            context.close()
        return kept[who]

    return sign_in


@pytest.fixture
def open_page(
    browser: Browser, address: str, complaints: list[str], cookies: Callable[[str], StorageState]
) -> Iterator[OpenPage]:
    """`open_page("/companies", who="anna", phone=True)`: a page of somebody who is signed in."""
    contexts = []

    def complain(message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def opened(path: str, who: str = "anna", phone: bool = False, scripts: bool = True, locale: str = "en-US") -> Page:
        context = browser.new_context(
            base_url=address,
            viewport=PHONE if phone else DESK,
            java_script_enabled=scripts,
            locale=locale,
            storage_state=cookies(who) if who else None,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(autouse=True)
def nothing_to_complain_of(complaints: list[str]) -> Iterator[None]:
    """After each test: no script failed, and the content policy had nothing to refuse."""
    yield
    assert complaints == []
