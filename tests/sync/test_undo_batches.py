"""Undoing a large run: as many statements as for a small one, and the same whatever goes together (Y3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, select

from terracrm.models import ActivityTopic, Link, Mailbox, Message
from terracrm.services import mirror_mail, undo_clients
from tests.sync.conftest import Office
from tests.sync.items import contact, mail
from tests.sync.undoing import compare, dump, undone

SQLITE_FIRST = True


def put_mails(office: Office, first: int, count: int) -> None:
    for number in range(first, first + count):
        letter = mail(f"Письмо {number}", f"olga{number}@lavka.example", message_id=f"<{number}@x>")
        office.server.put(office.folder("anna", "Inbox"), letter)


def put_cards(office: Office, first: int, count: int) -> None:
    for number in range(first, first + count):
        card = contact(f"Имя {number}", f"c{number}@firm{number}.example", company_name=f"Фирма {number}")
        office.server.put(office.folder("anna", "Contacts"), card)


@contextmanager
def counted(office: Office) -> Iterator[list[str]]:
    told: list[str] = []
    bind = office.sessions.kw["bind"]

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        told.append(statement)

    event.listen(bind, "before_cursor_execute", note)
    try:
        yield told
    finally:
        event.remove(bind, "before_cursor_execute", note)


@pytest.mark.parametrize(("kind", "put"), [("mail", put_mails), ("contacts", put_cards)])
def test_many_go_by_as_many_statements_as_a_few(
    office: Office, kind: str, put: Callable[[Office, int, int], None]
) -> None:
    taken = []
    for first, count in ((0, 4), (100, 40)):
        put(office, first, count)
        office.run("anna", kind)
        with counted(office) as told:
            effect = undone(office)
        assert len([thing for thing in effect.gone if thing.entity != "company"]) == count
        taken.append(len(told))
    assert taken[1] <= taken[0]


@pytest.mark.parametrize("at_once", [1, 3, 200])
def test_it_is_the_same_whatever_goes_together(office: Office, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(mirror_mail, "AT_ONCE", at_once)
    monkeypatch.setattr(undo_clients, "AT_ONCE", at_once)
    for kind, put in (("mail", put_mails), ("contacts", put_cards)):
        put(office, 0, 5)
        office.run("anna", kind)
        before = dump(office)
        put(office, 5, 7)
        office.run("anna", kind)
        undone(office)
        compare(before, dump(office))


def test_what_a_mail_inherits_then_is_of_the_mailbox_that_holds_it(office: Office) -> None:
    office.server.put(office.folder("boris", "Contacts"), contact("Ольга", "olga@lavka.example"))
    office.server.put(office.folder("boris", "Contacts"), contact("Пётр", "petr@opt.example", company_name="Опт"))
    office.run("boris", "contacts")
    office.server.put(office.folder("anna", "Inbox"), mail("Цены", "olga@lavka.example", message_id="<1@x>"))
    office.run("anna", "mail")
    answer = mail("Re: Цены", "nobody@mail.ru", message_id="<2@x>", in_reply_to="<1@x>")
    other = mail("Re: Цены", "petr@opt.example", message_id="<3@x>", in_reply_to="<1@x>")
    for letter in (answer, other):
        office.server.put(office.folder("anna", "Inbox"), letter)
    office.run("anna", "mail")
    with office.sessions() as session:
        run_id = session.scalar(select(Link.run_id).order_by(Link.id.desc()).limit(1))
        assert not session.scalars(select(ActivityTopic)).all()  # of two clients it is about nobody
    office.server.put(office.folder("boris", "Inbox"), answer)
    office.run("boris", "mail")
    undone(office, run_id)
    with office.sessions() as session:
        topic = session.scalars(select(ActivityTopic)).one()
        assert session.get_one(Message, topic.activity_id).message_key == "2@x"
        assert session.get_one(Mailbox, topic.mailbox_id).address == office.address("boris")
