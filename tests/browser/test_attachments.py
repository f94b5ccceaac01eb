"""Attachments as a person meets them: asked for, awaited, and warned of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm import db
from terracrm.config import Settings
from terracrm.models import Message, MessageAttachment
from terracrm.services import mirror_attachments
from terracrm.services.mirror_attachments import Waiting
from tests.browser.conftest import OpenPage
from tests.browser.test_portal import is_too_wide, violations

MESSAGE = "long-3"


@pytest.fixture
def rows(settings: Settings) -> Iterator[Session]:
    """The portal's database, behind its back."""
    engine = db.make_engine(settings.database.url)
    with db.session_factory(engine)() as session:
        yield session
    engine.dispose()


@pytest.fixture
def path(rows: Session) -> str:
    """A message with a file that is not here, and one that is flagged; its page."""
    message_id = rows.scalars(select(Message.activity_id).where(Message.message_key == MESSAGE)).one()
    for old in rows.query(MessageAttachment).filter_by(activity_id=message_id):
        rows.delete(old)
    rows.flush()
    rows.add(MessageAttachment(activity_id=message_id, position=0, name="договор.pdf", size=17))
    name = "счёт" + "-очень-длинное-имя" * 6 + ".pdf.exe"
    rows.add(MessageAttachment(activity_id=message_id, position=1, name=name, size=17))
    rows.flush()
    arrive(rows, message_id, 1, name, b"MZ" + b"\x00" * 80)
    return f"/messages/{message_id}"


def arrive(rows: Session, message_id: int, position: int, name: str, content: bytes) -> None:
    """What the daemon does when it has fetched a file."""
    waiting = Waiting(message_id, position, name, "", 17)
    mirror_attachments.store(rows, waiting, mirror_attachments.examined(waiting, content))
    rows.commit()


def test_a_file_that_was_asked_for_appears_by_itself(open_page: OpenPage, path: str, rows: Session) -> None:
    page = open_page(path)
    file = page.locator(".file", has_text="договор.pdf")
    file.get_by_role("button", name="Fetch").click()
    expect(file).to_contain_text("It is being fetched from the mailbox")
    assert violations(page) == []
    arrive(rows, int(path.rpartition("/")[2]), 0, "договор.pdf", b"%PDF-1.7 contract")
    with page.expect_download() as downloading:
        file.get_by_role("link", name="Download").click(timeout=10_000)
    assert downloading.value.suggested_filename == "договор.pdf"


def test_without_scripts_a_file_is_asked_for_and_looked_for_again(
    open_page: OpenPage, path: str, rows: Session
) -> None:
    page = open_page(path, scripts=False)
    file = page.locator(".file", has_text="договор.pdf")
    file.get_by_role("button", name="Fetch").click()
    expect(file).to_contain_text("It is being fetched from the mailbox")
    arrive(rows, int(path.rpartition("/")[2]), 0, "договор.pdf", b"%PDF-1.7 contract")
    file.get_by_role("link", name="Look again").click()
    expect(file.get_by_role("link", name="Download")).to_be_visible()


def test_a_flagged_file_is_warned_of_on_a_phone(open_page: OpenPage, path: str) -> None:
    page = open_page(path, phone=True)
    assert violations(page) == []
    assert not is_too_wide(page)
    page.locator(".file", has_text="счёт").get_by_role("link", name="Download").click()
    expect(page.get_by_role("heading", name="Be careful with this file")).to_be_visible()
    assert violations(page) == []
    assert not is_too_wide(page)
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download it all the same").click()
    assert downloading.value.suggested_filename.endswith(".pdf.exe")
