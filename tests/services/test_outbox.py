"""What is owed to Outlook is written down with the change that makes it owed, and by several at a time (W5)."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from terracrm.db import begin_write
from terracrm.models import Link, MirrorFolder, OutboxItem, Stream, utcnow
from terracrm.services import outbox
from tests.office import Office, make_office

CARDS = range(1, 31)


@pytest.fixture
def cards(sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    """The mailboxes of three managers, each with a card of the same thirty clients."""
    with sessions.begin() as session:
        office: Office = make_office(session)
        for name in ("anna", "boris", "vera"):
            if name not in office.mailboxes:
                office.user(name, "manager")
            mailbox = office.mailboxes[name]
            stream = Stream(kind="contacts", direction="both", mailbox=mailbox)
            folder = MirrorFolder(remote_id=f"{name}-clients", role=outbox.CLIENTS, stream=stream)
            office.add(stream, folder)
            office.add(*(card(mailbox.id, folder.id, number) for number in CARDS))
    return sessions


def card(mailbox_id: int, folder_id: int, contact_id: int) -> Link:
    return Link(
        mailbox_id=mailbox_id,
        folder_id=folder_id,
        entity="contact",
        local_id=contact_id,
        remote_id=f"{mailbox_id}/{contact_id}",
        rule=outbox.CLIENTS,
    )


def owed(sessions: sessionmaker[Session]) -> list[OutboxItem]:
    with sessions() as session:
        return list(session.scalars(select(OutboxItem).order_by(OutboxItem.mailbox_id, OutboxItem.local_id)))


def test_a_change_is_owed_to_every_mailbox_that_has_the_card(cards: sessionmaker[Session]) -> None:
    with cards.begin() as session:
        outbox.touch_contacts(session, [5, 7, 999], "changed")
    assert [(item.local_id, item.revision) for item in owed(cards)] == [(5, 1), (7, 1)] * 3


def test_nothing_is_owed_where_nothing_goes_out(cards: sessionmaker[Session]) -> None:
    with cards.begin() as session:
        session.execute(update(Stream).where(Stream.kind == "contacts").values(direction="in"))
        outbox.touch_contacts(session, [5], "changed")
    assert owed(cards) == []


def test_changes_that_wait_are_one_write_and_the_first_one_says_since_when(cards: sessionmaker[Session]) -> None:
    with cards.begin() as session:
        outbox.touch_contacts(session, [5], "changed")
    before = owed(cards)
    with cards.begin() as session:
        outbox.touch_contacts(session, [5, 5], "history")
    after = owed(cards)
    assert [item.revision for item in after] == [2, 2, 2]
    assert [(item.owed_since, item.next_try_at) for item in after] == [(b.owed_since, b.next_try_at) for b in before]
    assert {item.reason for item in after} == {"history"}


def test_what_was_given_up_is_owed_again_when_it_changes_and_at_once(cards: sessionmaker[Session]) -> None:
    with cards.begin() as session:
        outbox.touch_contacts(session, [5], "changed")
        for item in session.scalars(select(OutboxItem)):
            outbox.failed(session, item.id, "busy", utcnow() + timedelta(days=1), 3)
            outbox.give_up(session, item.id, item.revision, "refused")
    with cards.begin() as session:
        outbox.touch_contacts(session, [5], "changed")
    assert {(item.state, item.attempts, item.error) for item in owed(cards)} == {("owed", 0, "")}


def test_what_has_changed_since_it_was_planned_stays_owed(cards: sessionmaker[Session]) -> None:
    with cards.begin() as session:
        outbox.touch_contacts(session, [5], "changed")
        item = session.scalars(select(OutboxItem)).first()
        assert item is not None
        mailbox_id, item_id, revision = item.mailbox_id, item.id, item.revision
    with cards.begin() as session:
        outbox.owe(session, mailbox_id, "contact", [5], "changed")
    with cards.begin() as session:
        assert not outbox.written(session, {item_id: revision})
        assert outbox.written(session, {item_id: revision + 1}) == {item_id}


def test_time_does_not_put_off_what_is_owed_already(cards: sessionmaker[Session]) -> None:
    with cards.begin() as session:
        mailbox_id = session.scalars(select(Stream.mailbox_id).where(Stream.kind == "contacts")).first()
        assert mailbox_id is not None
        outbox.owe(session, mailbox_id, "contact", [5], "changed")
        outbox.owe(session, mailbox_id, "contact", [5], outbox.TIME, at=utcnow() + timedelta(days=7))
        assert len(outbox.due(session, mailbox_id, "contact")) == 1


def test_several_at_a_time_wait_for_each_other_and_nobody_dies(cards: sessionmaker[Session]) -> None:
    """Two people change clients, each in an order of their own, while two mailboxes note what they have written."""
    errors: list[DBAPIError] = []
    start = Barrier(4)

    def together(work: object) -> None:
        start.wait(timeout=30)
        try:
            for turn in range(15):
                with cards.begin() as session:
                    begin_write(session)
                    work(session, turn)  # type: ignore[operator]
        except DBAPIError as error:
            errors.append(error)

    def touch(session: Session, _: int) -> None:
        outbox.touch_contacts(session, list(CARDS), "changed")

    def touch_backwards(session: Session, _: int) -> None:
        outbox.touch_contacts(session, list(reversed(CARDS)), "changed")

    def note(mailbox: int) -> object:
        def noted(session: Session, turn: int) -> None:
            mailbox_id = sorted(set(session.scalars(select(Link.mailbox_id).where(Link.rule == outbox.CLIENTS))))[
                mailbox
            ]
            items = outbox.items(session, outbox.due(session, mailbox_id, "contact"))
            outbox.written(session, {item.id: item.revision - turn % 2 for item in items})

        return noted

    threads = [Thread(target=together, args=(work,)) for work in (touch, touch_backwards, note(0), note(2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not errors
