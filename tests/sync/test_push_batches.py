"""A batch of writes is planned and noted by few statements, however many it has: nobody waits long for the database."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from sqlalchemy import Engine, event

from sync import push
from terracrm.models import Contact
from terracrm.services import outbox
from tests.sync.clients_office import ClientsOffice
from tests.sync.conftest import Office


@pytest.fixture
def statements(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many statements each batch took, as it is written."""
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *found: asked.append(found[2]))
    counted: list[int] = []
    write_batch = push.Push._write_batch

    def counting(self: push.Push, item_ids: Collection[int], is_last: bool) -> None:
        asked.clear()
        write_batch(self, list(item_ids), is_last)
        counted.append(len(asked))

    monkeypatch.setattr(push.Push, "_write_batch", counting)
    return counted


@pytest.fixture
def crm(office: Office) -> ClientsOffice:
    return ClientsOffice(office)


def test_a_batch_takes_hardly_more_statements_than_one_card(crm: ClientsOffice, statements: list[int]) -> None:
    def told(how_many: int, stage: str) -> int:
        """The statements of a run that writes the cards of so many of the clients, in one batch."""
        with crm.crm() as session:
            chosen = session.query(Contact).order_by(Contact.id).limit(how_many).all()
            for contact in chosen:
                contact.stage = stage
            outbox.touch_contacts(session, [contact.id for contact in chosen], "changed")
        return written(how_many)

    def written(how_many: int) -> int:
        statements.clear()
        assert crm.run().counts.written == how_many
        (found,) = statements
        crm.run()  # what was made is read once
        return found

    crm.client("Client0 One")
    made_one = written(1)
    for number in range(1, push.BATCH + 1):
        crm.client(f"Client{number} More")
    made_all = written(push.BATCH)
    # SQLite returns the id of a new link from a statement of its own for each.
    assert made_all <= made_one + push.BATCH + 2
    assert told(push.BATCH, "Won") <= told(1, "Lost") + 2

    with crm.crm() as session:
        for contact in session.query(Contact):
            contact.owner_id = None
    statements.clear()
    crm.run()
    removed_all, removed_one = statements
    assert removed_all <= removed_one + 2
