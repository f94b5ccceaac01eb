"""A page of mail is written by few statements, however many messages it holds."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, event

from sync import preparing, reading
from sync.run import Run
from sync.writer import Counts
from tests.sync.conftest import Office
from tests.sync.items import mail


@pytest.fixture
def statements(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many statements each page took, as it is written."""
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *found: asked.append(found[2]))
    counted: list[int] = []
    write_ready = reading.write_ready

    def counting(run: Run, *page: object, **how: object) -> Counts:
        asked.clear()
        done = write_ready(run, *page, **how)  # type: ignore[arg-type]
        counted.append(len(asked))
        return done

    monkeypatch.setattr(reading, "write_ready", counting)
    return counted


def test_a_full_page_takes_hardly_more_statements_than_a_small_one(office: Office, statements: list[int]) -> None:
    inbox = office.folder("anna", "Inbox")

    def page(first: int, count: int) -> int:
        """The statements for so many new messages, each with people, a conversation and a subject of its own."""
        for number in range(first, first + count):
            people = f"anna@office.test,b{number}@more{number}.example"
            answers = {"in_reply_to": f"<Вопрос {number}@elsewhere>", "conversation_id": f"c{number}"}
            office.server.put(inbox, mail(f"Ответ {number}", f"a{number}@client{number}.example", people, **answers))
        statements.clear()
        assert office.run("anna", "mail").counts.created == count
        return max(statements)

    few = page(0, preparing.FEW + 1)
    assert page(preparing.FEW + 1, office.settings.mirror.page_size) <= few + 2
