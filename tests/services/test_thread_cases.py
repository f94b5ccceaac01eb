"""Named cases of mail threads: which mails are one conversation, in whatever order they come (M3).

Each case says which mails there are and which of them are together; it runs in the order that is written, in the
opposite one, and split over two mailboxes.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from terracrm.domain.records import MessageRecord, Participant, Role
from terracrm.models import Activity, Message, MessageCopy, Thread, ThreadKey
from tests.services.postbox import Postbox, letter, pages

OLGA, PETR, ANNA, BORIS = "olga@lavka.example", "petr@other.example", "anna@office.test", "boris@office.test"
FORTY_DAYS = 40

CASES: dict[str, tuple[list[MessageRecord], str]] = {
    "a reply names what it answers": (
        [letter("1"), letter("2", answers="1")],
        "1 2",
    ),
    "references alone are enough": (
        [letter("1"), letter("2", "Другая тема", names="1")],
        "1 2",
    ),
    "a middle mail that nobody mirrors is bridged by references": (
        [letter("1"), letter("3", names="1 2")],
        "1 3",
    ),
    "two answers to a mail that is not here belong together": (
        [letter("2", "Ответ", answers="1"), letter("3", "Другой ответ", answers="1")],
        "2 3",
    ),
    "the subject of a conversation changes": (
        [letter("1", "Договор"), letter("2", "Склад (было: Договор)", answers="1")],
        "1 2",
    ),
    "the same subject alone ties nothing": (
        [letter("1"), letter("2", day=1)],
        "1/2",
    ),
    "a reply from a phone names nothing and joins by subject": (
        [letter("1", sender=ANNA, to=OLGA), letter("2", "Re: Договор поставки", day=1)],
        "1 2",
    ),
    "a reply by subject joins the latest mail before it": (
        [letter("1", "Счет"), letter("2", "Счет", day=7), letter("3", "RE: Счет", day=8), letter("4", "Счет", day=14)],
        "1/2 3/4",
    ),
    "replies by subject make a chain however long it lasts": (
        [letter("1"), *(letter(f"{n}", "Re: Договор поставки", day=20 * (n - 1)) for n in (2, 3, 4))],
        "1 2 3 4",
    ),
    "a reply by subject comes too late": (
        [letter("1"), letter("2", "Re: Договор поставки", day=FORTY_DAYS)],
        "1/2",
    ),
    "a reply by subject answers nothing that came later": (
        [letter("1", "Re: Договор поставки"), letter("2", day=1)],
        "1/2",
    ),
    "two clients write of the same": (
        [letter("1"), letter("2", sender=PETR), letter("3", "Re: Договор поставки", day=1)],
        "1 3/2",
    ),
    "a reply by subject to one of two people is another matter": (
        [letter("1", sender=ANNA, to=f"{OLGA},{PETR}"), letter("2", "Re: Договор поставки", day=1)],
        "1/2",
    ),
    "colleagues in the copy do not matter": (
        [letter("1", sender=ANNA, to=OLGA), letter("2", "Re: Договор поставки", to=f"{ANNA},{BORIS}", day=1)],
        "1 2",
    ),
    "an empty subject joins nothing": (
        [letter("1", ""), letter("2", "Re:", day=1), letter("3", "Re: ", day=2), letter("4", "RE: ...", day=3)],
        "1/2/3/4",
    ),
    "a reply that names a mail is not joined by subject": (
        [letter("1"), letter("2", "Re: Договор поставки", answers="lost", day=1)],
        "1/2",
    ),
    "a nameless reply joins one that names a mail": (
        [
            letter("1", "Re: Договор поставки", answers="lost"),
            letter("2", "Re: Договор поставки", sender=ANNA, to=OLGA, day=1),
        ],
        "1 2",
    ),
    "a forward by subject is no reply": (
        [letter("1"), letter("2", "Fwd: Договор поставки", day=1)],
        "1/2",
    ),
    "prefixes of all languages in any number": (
        [
            letter("1", "Прайс"),
            letter("2", "НА: RE[2]: Re: AW: Прайс", day=1),
            letter("3", "Ответ: Отв: HA: прайс", day=2),
            letter("4", "SV: Re(3): ПРАЙС (fwd)", day=3),
        ],
        "1 2 3 4",
    ),
    "a gateway marks mail from outside": (
        [letter("1", "Прайс"), letter("2", "[EXTERNAL] Re: Прайс", day=1), letter("3", "RE: [EXT] Прайс", day=2)],
        "1 2 3",
    ),
    "numbers in brackets tell tickets apart": (
        [letter("1", "[#12] Возврат"), letter("2", "[#13] Возврат", day=1), letter("3", "Re: [#12] Возврат", day=2)],
        "1 3/2",
    ),
    "one conversation of the server in one mailbox": (
        [letter("1", "Раз", conversation_id="c"), letter("2", "Два", conversation_id="c")],
        "1 2",
    ),
    "one conversation of the server, two clients": (
        [letter("1", conversation_id="c"), letter("2", sender=PETR, conversation_id="c")],
        "1/2",
    ),
    "two conversations of the server that references make one": (
        [
            letter("1", conversation_id="a"),
            letter("2", conversation_id="b"),
            letter("3", names="1 2"),
            letter("4", conversation_id="b"),
        ],
        "1 2 3 4",
    ),
    "a mail names itself": (
        [letter("1", answers="1", names="1"), letter("2")],
        "1/2",
    ),
    "mails name each other in a circle": (
        [letter("1", answers="3"), letter("2", answers="1"), letter("3", answers="2")],
        "1 2 3",
    ),
    "junk in the references ties nothing": (
        [
            letter("1", in_reply_to="Your", references=("none", "<0>", "<>", "")),
            letter("2", "Прочее", in_reply_to="Your", references=("none", "<0>", "<>", "")),
        ],
        "1/2",
    ),
    "a reply whose headers are junk names no message": (
        [letter("1"), letter("2", "Re: Договор поставки", day=1, in_reply_to="<0>", references=("none",))],
        "1 2",
    ),
    "very long references keep the first and the last": (
        [
            letter("1"),
            letter("2", names=" ".join(["1", *(f"between{n}" for n in range(3000)), "last"])),
            letter("last"),
        ],
        "1 2 last",
    ),
    "a Message-ID that is too long for an index": (
        [letter("a" * 3000), letter("2", answers="a" * 3000)],
        "sha 2",
    ),
    "references that were cut in the middle": (
        [letter("1"), letter("2", names="1", in_reply_to="<2-cut-of"), letter("3", answers="2")],
        "1 2 3",
    ),
    "spaces and case inside the headers": (
        [letter("1"), letter("2", in_reply_to="  < 1@x > "), letter("3", in_reply_to="<1@X>")],
        "1 2/3",
    ),
    "a reply from a clock in the past": (
        [letter("1"), letter("2", "Re: Договор поставки", day=-9000)],
        "1/2",
    ),
    "a mail without a date is not joined by subject": (
        [letter("1"), letter("2", "Re: Договор поставки", sent_at=None)],
        "1/2",
    ),
    "nobody from outside is named": (
        [letter("1", sender="", to=""), letter("2", "Re: Договор поставки", sender="", to="", day=1)],
        "1/2",
    ),
    "a blind copy is no reason to be another matter": (
        [
            letter("1", sender=ANNA, to=OLGA),
            replace(
                letter("2", "Re: Договор поставки", sender=ANNA, to=OLGA, day=1),
                participants=(Participant(Role.FROM, ANNA), Participant(Role.TO, OLGA), Participant(Role.BCC, PETR)),
            ),
        ],
        "1 2",
    ),
}


def together(text: str) -> set[frozenset[str]]:
    """The threads of a case."""
    return {frozenset(part.split()) for part in text.split("/")}


def found(postbox: Postbox) -> set[frozenset[str]]:
    """The threads as the cases write them: a hash is just "sha"."""
    return {frozenset("sha" if len(name) == 64 else name for name in names) for names in postbox.threads()}


@pytest.mark.parametrize("name", CASES)
def test_threads(name: str, session: Session) -> None:
    records, expected = CASES[name]
    for order, size in ((records, 1), (records[::-1], 2)):
        with session.begin_nested() as tried:
            postbox = Postbox(session)
            for page in pages(order, size):
                postbox.arrive(*page)
            assert found(postbox) == together(expected), f"pages of {size}"
            tried.rollback()
    postbox = Postbox(session)
    postbox.arrive(*records[::2], mailbox="anna")
    postbox.arrive(*records, mailbox="boris")
    if "server" not in name:
        assert found(postbox) == together(expected), "mailbox by mailbox"


def test_a_mail_of_two_mailboxes_ties_the_conversations_of_both(session: Session) -> None:
    postbox = Postbox(session)
    postbox.arrive(letter("1", "Раз", conversation_id="a"), letter("2", "Два", conversation_id="b"))
    postbox.arrive(letter("2", "Два", conversation_id="z"), letter("3", "Три", conversation_id="z"), mailbox="boris")
    postbox.arrive(letter("4", "Четыре", conversation_id="a"), mailbox="boris")
    assert postbox.threads() == together("1/2 3/4")
    postbox.arrive(letter("5", names="1 3"))
    assert postbox.threads() == together("1 2 3 5/4")


def test_a_message_id_of_two_different_mails_loses_neither_and_they_are_one_thread(session: Session) -> None:
    first = letter("1", "Заказ принят")
    second = letter("1", "Заказ отправлен", day=3)
    answer = letter("2", "Вопрос", answers="1", day=4)
    for order in permutations((first, second, answer)):
        with session.begin_nested() as tried:
            postbox = Postbox(session)
            postbox.arrive(*order)
            postbox.arrive(replace(second, subject="[EXTERNAL] Заказ отправлен"), first, mailbox="boris")
            rows = session.execute(
                select(Activity.subject, func.count(MessageCopy.link_id))
                .join(MessageCopy, MessageCopy.message_id == Activity.id)
                .group_by(Activity.id)
            )
            assert sorted(map(tuple, rows)) == [("Вопрос", 1), ("Заказ отправлен", 2), ("Заказ принят", 2)]
            assert len(postbox.threads()) == 1
            tried.rollback()


def test_a_gateway_that_shifts_the_date_makes_no_second_mail(session: Session) -> None:
    postbox = Postbox(session)
    postbox.arrive(letter("1"), letter("2", "Re: Другое"))
    postbox.arrive(letter("1", day=2), letter("2", "[EXT] RE: другое", sender="x500", day=1), mailbox="boris")
    assert postbox.threads() == together("1/2")


def test_two_copies_on_one_page_both_count(session: Session) -> None:
    postbox = Postbox(session)
    postbox.arrive(letter("1", conversation_id="a"), letter("1", conversation_id="b"))
    postbox.arrive(letter("2", "Раз", conversation_id="a"), letter("3", "Два", conversation_id="b"))
    assert postbox.threads() == together("1 2 3")


def test_a_later_mail_takes_a_reply_over_and_gives_it_back_when_it_is_withdrawn(session: Session) -> None:
    postbox = Postbox(session)
    postbox.arrive(letter("1", "Счет"), letter("3", "Re: Счет", day=8))
    assert postbox.threads() == together("1 3")
    postbox.arrive(letter("2", "Счет", day=7))
    assert postbox.threads() == together("1/2 3")
    postbox.withdraw("2")
    assert postbox.threads() == together("1 3")
    assert set(session.scalars(select(ThreadKey.key))) == {"1@x", "3@x"}


def test_a_withdrawn_mail_leaves_no_trace_in_a_thread_of_its_own(session: Session) -> None:
    postbox = Postbox(session)
    postbox.arrive(letter("1", names="secret other", conversation_id="c"), letter("2", "Иное"))
    postbox.withdraw("1")
    assert session.scalars(select(ThreadKey.key)).all() == ["2@x"]
    assert len(session.scalars(select(Thread)).all()) == len(session.scalars(select(Message)).all()) == 1
