"""What is made of the words of a page of mail is made before its transaction, and only where it will be kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from sync import preparing, reading
from sync.run import Run
from sync.writer import Counts
from terracrm.domain.capture import Detail, Mode
from terracrm.domain.records import Change, MessageRecord
from terracrm.domain.replies import Reply
from terracrm.errors import Temporary
from terracrm.models import MessageBody, QuarantinedItem
from terracrm.services import mail_text
from tests.sync.conftest import Office
from tests.sync.items import mail

MAILS = preparing.FEW + 2


@pytest.fixture
def split(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """The subjects of the mails that were split into their parts, and whether that was inside a transaction."""
    found: list[tuple[str, bool]] = []
    inside = [False]
    transaction, of_message = Run.transaction, mail_text.replies.of_message

    @contextmanager
    def entered(run: Run) -> Iterator[Session]:
        with transaction(run) as session:
            inside[0] = True
            try:
                yield session
            finally:
                inside[0] = False

    def splitting(record: MessageRecord) -> Reply:
        found.append((record.subject, inside[0]))
        return of_message(record)

    monkeypatch.setattr(Run, "transaction", entered)
    monkeypatch.setattr(mail_text.replies, "of_message", splitting)
    return found


def fill(office: Office, *more: MessageRecord, name: str = "anna", count: int = MAILS) -> None:
    """Mails of the office's client, the same in each mailbox, and others behind them."""
    for record in (*(mail(f"Письмо {number}", message_id=f"<{number}@x>") for number in range(count)), *more):
        office.server.put(office.folder(name, "Inbox"), record)


def test_the_texts_of_a_page_are_made_before_its_transaction(office: Office, split: list[tuple[str, bool]]) -> None:
    fill(office)
    assert office.run("anna", "mail").counts.created == MAILS
    assert sorted(split) == sorted((f"Письмо {number}", False) for number in range(MAILS))
    with office.sessions() as session:
        assert all(session.scalars(select(MessageBody.unique_text)))


def test_a_few_mails_are_worth_no_look_at_what_is_there(office: Office, split: list[tuple[str, bool]]) -> None:
    fill(office, count=preparing.FEW)
    assert office.run("anna", "mail").counts.created == preparing.FEW
    assert [is_inside for _, is_inside in split] == [True] * preparing.FEW


def test_no_text_is_made_of_what_is_left_out(office: Office, split: list[tuple[str, bool]]) -> None:
    fill(
        office,
        mail("Тайное", is_private=True),
        mail("Набросок", is_draft=True),
        mail("Между нами", "anna@office.test", "boris@office.test"),
    )
    counts = office.run("anna", "mail").counts
    assert (counts.created, counts.skipped) == (MAILS, 3)
    assert len(split) == MAILS


@pytest.mark.parametrize("setting", [("detail", Detail.HEADERS), ("capture", Mode.KNOWN)])
def test_no_text_is_made_where_the_rules_keep_none(
    office: Office, split: list[tuple[str, bool]], setting: tuple[str, str]
) -> None:
    setattr(office.settings.mirror, *setting)
    fill(office)
    office.run("anna", "mail")
    assert split == []


def test_no_text_is_made_of_what_is_here_already(office: Office, split: list[tuple[str, bool]]) -> None:
    for name in ("anna", "boris"):
        fill(office, name=name)
        office.run(name, "mail")
    assert len(split) == MAILS
    office.server.expire_cursors()
    office.run("anna", "mail")
    assert len(split) == MAILS
    assert office.stats()["copies"] == 2 * MAILS


def test_a_mail_whose_text_cannot_be_made_is_quarantined_alone(
    office: Office, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(office, mail("Яд"))
    of_message: Callable[[MessageRecord], Reply] = mail_text.replies.of_message

    def choke(record: MessageRecord) -> Reply:
        if record.subject == "Яд":
            raise ValueError("indigestible")
        return of_message(record)

    monkeypatch.setattr(mail_text.replies, "of_message", choke)
    summary = office.run("anna", "mail")
    assert (summary.counts.created, summary.counts.quarantined, summary.state) == (MAILS, 1, "degraded")
    assert "ValueError" in session.scalars(select(QuarantinedItem.error)).one()


def test_the_next_page_is_made_ready_beside_a_server_that_writes(
    office: Office, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_server = database_url.startswith("postgresql")
    made, is_ahead = [threading.Event() for _ in range(3)], list[bool]()
    ready, write_ready, pages = preparing.ready, reading.write_ready, iter(made)

    def making(run: Run, folder_id: int, changes: Sequence[Change]) -> preparing.Ready:
        page = ready(run, folder_id, changes)
        if changes:
            next(pages).set()
        return page

    def writing(run: Run, folder_id: int, page: preparing.Ready, cursor: str | None) -> Counts:
        if page.changes and (following := made[len(is_ahead) + 1 :]):
            is_ahead.append(following[0].wait(30 if is_server else 0))
        return write_ready(run, folder_id, page, cursor)

    monkeypatch.setattr(preparing, "ready", making)
    monkeypatch.setattr(reading, "write_ready", writing)
    office.settings.mirror.page_size = MAILS
    fill(office, count=len(made) * MAILS)
    assert office.run("anna", "mail").counts.created == len(made) * MAILS
    assert is_ahead == [is_server] * 2


def test_a_page_that_cannot_be_had_stops_none_before_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = preparing.ready

    def making(run: Run, folder_id: int, changes: Sequence[Change]) -> preparing.Ready:
        subjects = [change.record.subject for change in changes if isinstance(change.record, MessageRecord)]
        if f"Письмо {2 * MAILS}" in subjects:
            raise Temporary("the connection broke")
        return ready(run, folder_id, changes)

    office.settings.mirror.page_size = MAILS
    fill(office, count=3 * MAILS)
    with monkeypatch.context() as broken:
        broken.setattr(preparing, "ready", making)
        summary = office.run("anna", "mail")
    assert (summary.state, summary.counts.created) == ("backoff", 2 * MAILS)
    assert office.run("anna", "mail").counts.created == MAILS
