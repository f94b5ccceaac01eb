"""The mail of the invented office: readable by any mail library, connected, dated, of every kind."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import getaddresses

import pytest

from connectors.simulator.office.arrivals import Arrivals, next_mail
from connectors.simulator.office.facts import Facts
from connectors.simulator.office.mail import Delivery, make_mail, written
from connectors.simulator.office.office import Office, make_office
from connectors.simulator.office.phrases import say
from connectors.simulator.office.scenario import Fork, Turn
from connectors.simulator.office.scenarios import INSIDE, WITH_CLIENTS

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DAYS = 14


@pytest.fixture(scope="module")
def office() -> Office:
    return make_office(7)


@pytest.fixture(scope="module")
def deliveries(office: Office) -> list[Delivery]:
    return list(make_mail(office, NOW, DAYS))


@pytest.fixture(scope="module")
def messages(deliveries: list[Delivery]) -> list[EmailMessage]:
    """Each mail once, in the order of delivery."""
    return [_read(source) for source in dict.fromkeys(delivery.mime for delivery in deliveries)]


def _read(source: bytes) -> EmailMessage:
    message = BytesParser(policy=policy.default).parsebytes(source)
    assert isinstance(message, EmailMessage)
    return message


def _text(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    assert part is not None
    return str(part.get_content())


def _addresses(message: EmailMessage) -> list[str]:
    fields = [str(value) for name in ("From", "To", "Cc") for value in message.get_all(name, [])]
    return [address for _, address in getaddresses(fields)]


def test_the_same_seed_and_moment_give_the_same_bytes(office: Office, deliveries: list[Delivery]) -> None:
    assert list(make_mail(make_office(7), NOW, DAYS)) == deliveries


def test_another_seed_gives_other_people() -> None:
    names = {person.name_ru for person in make_office(1).people}
    assert names != {person.name_ru for person in make_office(2).people}


def test_an_office_has_eight_people_and_sixty_clients(office: Office) -> None:
    assert len({person.address for person in office.people}) == 8
    assert {person.role for person in office.people} == {"manager", "controller", "admin"}
    assert len(office.clients) == 60
    addresses = [person.address for client in office.clients for person in client.people]
    assert len(set(addresses)) == len(addresses)
    assert sum(client.domain is None for client in office.clients) >= 5


def test_ninety_days_hold_about_three_thousand_messages(office: Office) -> None:
    count = sum(letter.at <= NOW for letter in written(office, NOW, 90))
    assert 2500 <= count <= 3600


def test_every_domain_is_reserved_for_examples(messages: list[EmailMessage]) -> None:
    for message in messages:
        for address in [*_addresses(message), *re.findall(r"[\w.+-]+@[\w.-]+\w", _text(message))]:
            assert address.endswith((".example", ".test")), address


def test_every_mail_has_what_a_mail_needs(messages: list[EmailMessage]) -> None:
    for message in messages:
        assert not message.defects
        assert message["Message-ID"]
        assert message["Subject"]
        assert message["Date"].datetime.utcoffset() is not None
        assert _text(message).strip()


def test_no_phrase_is_left_unfilled(messages: list[EmailMessage]) -> None:
    for message in messages:
        assert not re.search(r"[\[\]{}|]|\{\w|~", f"{message['Subject']} {_text(message)}"), _text(message)


def test_message_ids_belong_to_one_mail_each(messages: list[EmailMessage]) -> None:
    counts = Counter(message["Message-ID"] for message in messages)
    assert max(counts.values()) == 1


def test_mail_comes_in_the_order_of_its_dates_and_not_from_the_future(messages: list[EmailMessage]) -> None:
    dates = [message["Date"].datetime for message in messages]
    assert dates == sorted(dates)
    assert dates[-1] <= NOW
    assert dates[0] >= NOW - timedelta(days=DAYS, minutes=1)


def test_replies_answer_mail_that_came_before(messages: list[EmailMessage]) -> None:
    seen: set[str] = set()
    known = replies = 0
    for message in messages:
        if parent := message["In-Reply-To"]:
            replies += 1
            known += parent in seen
        seen.add(message["Message-ID"])
    assert replies > len(messages) / 2
    assert known / replies > 0.94  # the first days answer what was written before them


def test_replies_quote_as_outlook_and_as_others_do(messages: list[EmailMessage]) -> None:
    texts = [_text(message) for message in messages if message["In-Reply-To"]]
    assert any("Отправлено: " in text and "Кому: " in text for text in texts)
    assert any("Sent: " in text and "Subject: " in text for text in texts)
    assert any("\n> " in text for text in texts)


def test_one_mail_reaches_several_mailboxes(deliveries: list[Delivery]) -> None:
    copies = Counter(delivery.mime for delivery in deliveries)
    assert sum(count > 1 for count in copies.values()) > 50


def test_sent_mail_is_in_the_sent_items_of_its_writer(office: Office, deliveries: list[Delivery]) -> None:
    ours = {person.address for person in office.people}
    for delivery in deliveries:
        writer = getaddresses([str(_read(delivery.mime)["From"])])[0][1]
        assert (delivery.folder == "sentitems") == (writer == delivery.mailbox)
        assert delivery.mailbox in ours


def test_internal_private_bulk_and_automatic_mail_are_there(office: Office, messages: list[EmailMessage]) -> None:
    assert any(all(a.endswith(f"@{office.domain}") for a in _addresses(m)) for m in messages)
    assert any(m["Sensitivity"] == "Private" for m in messages)
    assert any(m["List-Unsubscribe"] and m["Precedence"] == "bulk" for m in messages)
    assert any(m["Auto-Submitted"] for m in messages)
    assert any(m["Subject"].startswith("FW: ") for m in messages)
    assert any(m["Importance"] == "high" for m in messages)


def test_attachments_of_several_kinds_are_there(messages: list[EmailMessage]) -> None:
    kinds = {part.get_content_type() for message in messages for part in message.iter_attachments()}
    assert {"application/pdf", "image/png"} <= kinds
    assert any("spreadsheet" in kind for kind in kinds)


def test_mail_is_mostly_russian_and_partly_english(messages: list[EmailMessage]) -> None:
    russian = sum(bool(re.search("[а-я]{4}", _text(message))) for message in messages)
    assert len(messages) * 0.7 < russian < len(messages)


def _turns() -> Iterator[tuple[str, Turn]]:
    for scenario in (*WITH_CLIENTS, *INSIDE):
        for step in scenario.turns:
            for turn in (turn for way in step.ways for turn in way) if isinstance(step, Fork) else (step,):
                yield scenario.name, turn


def test_there_are_many_kinds_of_conversations() -> None:
    languages = Counter(scenario.language for scenario in WITH_CLIENTS)
    assert languages["ru"] >= 25
    assert languages["en"] >= 6


def test_every_phrase_can_be_filled(office: Office) -> None:
    client = office.clients[0]
    parts = ("client", "store", "accountant")
    people = dict.fromkeys(parts, client.people[0])
    people |= dict.fromkeys(("seller", "seller2", "service", "office", "head", "director"), office.people[1])
    rng = random.Random(1)
    facts = Facts(rng, office, client, people, NOW.date(), me=office.people[0], you=office.people[1])
    for name, turn in _turns():
        for _ in range(12):
            assert not re.search(r"[\[\]{}|]", say(turn.text, rng, facts)), name


def test_new_mail_is_fresh_each_time(office: Office, messages: list[EmailMessage]) -> None:
    rng = random.Random(3)
    ids = {message["Message-ID"] for message in messages}
    for minute in range(30):
        now = NOW + timedelta(minutes=minute)
        fresh = _read(next_mail(office, rng, now)[0].mime)
        assert fresh["Message-ID"] not in ids
        assert fresh["Date"].datetime == now
        ids.add(fresh["Message-ID"])


def test_arrivals_answer_what_was_left_open(office: Office, messages: list[EmailMessage]) -> None:
    ids = {message["Message-ID"] for message in messages}
    arrivals = Arrivals(office, random.Random(3), NOW, DAYS)
    answers = 0
    for minute in range(40):
        copies = arrivals.next_mail(NOW + timedelta(minutes=minute))
        message = _read(copies[0].mime)
        assert message["Message-ID"] not in ids
        if parent := message["In-Reply-To"]:
            assert parent in ids
            answers += 1
        ids.add(message["Message-ID"])
    assert answers > 10
