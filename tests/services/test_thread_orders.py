"""Any mail in any order, on any pages, from any mailbox first: the same threads, and those that the mails say."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session, sessionmaker

from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.capture import message_key
from terracrm.domain.groups import Groups
from terracrm.domain.records import MessageRecord, Participant, Role
from terracrm.domain.threads import Mail, answered_by_subject, named_messages, outside_people, read_subject, subject_key
from tests.services.postbox import OURS, START, Postbox, letter

POLICY = DomainPolicy.of([OURS], [])
MAILBOXES = ("anna", "boris")
# More of what makes threads by subject than of anything else: that takes several mails which agree in much.
SUBJECTS = ("Счет", "Re: Счет", "RE: Fwd: Счет", "Re: Счет", "Отв: Прайс", "Re:")
OLGA, PETR = "olga@lavka.example", "petr@other.example"
PEOPLE = ((OLGA,), (OLGA,), (OLGA,), (PETR,), (PETR, OLGA), ())
NAMES = [f"{number}@x" for number in range(8)]


@dataclass(frozen=True)
class Delivery:
    """One copy of a mail in a mailbox."""

    mailbox: str
    record: MessageRecord


@st.composite
def deliveries(draw: st.DrawFn) -> list[Delivery]:
    """Copies of up to eight mails in two mailboxes, each with its own idea of the conversation."""
    found = []
    for name in NAMES[: draw(st.integers(2, len(NAMES)))]:
        people = draw(st.sampled_from(PEOPLE))
        named = draw(st.lists(st.sampled_from([*NAMES, "lost@x", "junk"]), max_size=2)) if draw(st.booleans()) else []
        record = MessageRecord(
            message_id=f"<{name}>",
            subject=draw(st.sampled_from(SUBJECTS)),
            sent_at=START + timedelta(days=draw(st.sampled_from([0, 0, 1, 2, 20, 31, 55]))),
            received_at=START,
            participants=(Participant(Role.FROM, f"anna@{OURS}"), *(Participant(Role.TO, each) for each in people)),
            references=tuple(f"<{each}>" for each in named),
        )
        for mailbox in draw(st.lists(st.sampled_from(MAILBOXES), min_size=1, max_size=3)):
            hidden = (Participant(Role.BCC, f"{mailbox}@secret.example"),) if draw(st.booleans()) else ()
            conversation = draw(st.sampled_from(["", "", "", "", "a", "b"]))
            copy = replace(record, participants=record.participants + hidden, conversation_id=conversation)
            found.append(Delivery(mailbox, copy))
    return found


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Delivery], list[list[Delivery]]]:
    """Deliveries, and pages of one mailbox each in which they come."""
    made = draw(deliveries())
    pages: list[list[Delivery]] = []
    for one in draw(st.permutations(made)):
        if pages and pages[-1][0].mailbox == one.mailbox and draw(st.booleans()):
            pages[-1].append(one)
        else:
            pages.append([one])
    return made, pages


def expected(made: list[Delivery]) -> set[frozenset[str]]:
    """The threads that the mails say, worked out over all of them at once."""
    groups: Groups[str] = Groups()
    mails = {}
    for one in made:
        record, key = one.record, message_key(one.record)
        conversation = f"{one.mailbox} {record.conversation_id} {sorted(outside_people(record, POLICY))}"
        groups.join([key, *named_messages(record), *([conversation] if record.conversation_id else [])])
        is_loose = read_subject(record.subject).is_reply and not named_messages(record)
        mails[key] = Mail(key, 0, subject_key(record, POLICY), record.sent_at, is_loose)
    for reply, answered in answered_by_subject(mails.values()).items():
        groups.join([reply, answered])
    found = (frozenset(name.removesuffix("@x") for name in group if name in mails) for group in groups.all())
    return {names for names in found if names}


def test_threads_do_not_depend_on_the_order_of_arrival(session: Session) -> None:
    is_sqlite = session.get_bind().dialect.name == "sqlite"

    @settings(max_examples=60 if is_sqlite else 15)
    @given(arrivals())
    def holds(case: tuple[list[Delivery], list[list[Delivery]]]) -> None:
        made, pages = case
        postbox = Postbox(session)
        for page in pages:
            postbox.arrive(*(one.record for one in page), mailbox=page[0].mailbox)
        try:
            assert postbox.threads() == expected(made)
        finally:
            session.rollback()

    holds()


def test_threads_do_not_depend_on_what_was_there_and_went(session: Session) -> None:
    """A mail that was withdrawn leaves the others as if it had never been there."""

    @settings(max_examples=40)
    @given(arrivals(), st.sampled_from(NAMES))
    def holds(case: tuple[list[Delivery], list[list[Delivery]]], name: str) -> None:
        made, pages = case
        records = {message_key(one.record): one.record for one in made}
        if name not in records:
            return
        # What a withdrawn mail bridged by its headers stays joined: so let it name and be named by nothing.
        loose = [one for one in made if name not in {message_key(one.record), *named_messages(one.record)}]
        postbox = Postbox(session)
        lone = replace(records[name], references=(), conversation_id="")
        postbox.arrive(lone)
        for page in pages:
            if kept := [one.record for one in page if one in loose]:
                postbox.arrive(*kept, mailbox=page[0].mailbox)
        try:
            postbox.withdraw(name.removesuffix("@x"))
            assert postbox.threads() == expected(loose)
        finally:
            session.rollback()

    if session.get_bind().dialect.name == "sqlite":
        holds()


@pytest.mark.postgres
def test_a_reply_by_subject_waits_for_the_mail_that_another_worker_brings(sessions: sessionmaker[Session]) -> None:
    if sessions.kw["bind"].dialect.name == "sqlite":
        pytest.skip("SQLite has one writer")
    with sessions.begin() as session:
        postbox = Postbox(session)
        sources = {"anna/": postbox.source("anna"), "boris/": postbox.source("boris")}

    def bring_the_reply() -> None:
        with sessions.begin() as other:
            reply = letter("2", "Re: Договор поставки", to=f"boris@{OURS}", day=1)
            Postbox(other, dict(sources), items=100).arrive(reply, mailbox="boris")

    worker = threading.Thread(target=bring_the_reply)
    with sessions.begin() as session:
        Postbox(session, dict(sources)).arrive(letter("1", sender=f"anna@{OURS}", to=OLGA))
        worker.start()
        worker.join(0.5)
        assert worker.is_alive()
    worker.join(30)
    with sessions() as session:
        assert Postbox(session).threads() == {frozenset({"1", "2"})}
