"""Subjects and headers as threads read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terracrm.domain.records import MessageRecord
from terracrm.domain.threads import named_messages, read_subject

REPLIES = [
    "Re: Цены на сыр",
    "RE: Цены на сыр",
    "re :  Цены   на сыр ",
    "Re[2]: Цены на сыр",
    "Re(3): Цены на сыр",
    "Re^2: Цены на сыр",
    "Re2: Цены на сыр",
    "Re: Re: RE: Цены на сыр",
    "HA: Цены на сыр",
    "НА: Цены на сыр",
    "Нa: Цены на сыр",
    "Отв: Цены на сыр",
    "Ответ: Цены на сыр",
    "AW: Цены на сыр",
    "SV: Цены на сыр",
    "VS: Цены на сыр",
    "RIF: Цены на сыр",
    "Antw.: Цены на сыр",
    "回复：Цены на сыр",
    "Re: Fwd: FW: Пересл: Цены на сыр",
    "[External] Re: Цены на сыр",
    "Re: [EXT] Цены на сыр",
    "[sales] [ВНЕШНЕЕ] HA: Цены на сыр",
    "EXTERNAL: Re: Цены на сыр",
    "***SPAM*** Re: Цены на сыр",
    "Re: Цены на сыр (fwd)",
    "\u200eRe:\u00a0Цены на\tсыр",
    "RE: ЦЕНЫ НА СЫР",
    "Automatic reply: RE: Цены на сыр",
    "Автоответ: Цены на сыр",
]
FORWARDS = [
    "Fwd: Цены на сыр",
    "FW: Re: Цены на сыр",
    "WG: Цены на сыр",
    "TR: Цены на сыр",
    "Пересл: Цены на сыр",
    "[Fwd: Цены на сыр]",
]
FRESH = ["Цены на сыр", "[External] Цены на сыр", " Цены  на сыр"]


@pytest.mark.parametrize("subject", REPLIES)
def test_a_reply_has_the_subject_of_what_it_answers(subject: str) -> None:
    found = read_subject(subject)
    assert (found.base, found.is_reply) == ("цены на сыр", True)


@pytest.mark.parametrize("subject", FORWARDS + FRESH)
def test_a_forward_and_a_fresh_mail_are_no_replies(subject: str) -> None:
    found = read_subject(subject)
    assert (found.base, found.is_reply) == ("цены на сыр", False)


@pytest.mark.parametrize("subject", ["", " ", "Re:", "Re: Re: Fwd:", "[External] Re: ", "RE: ...", "—", "Re: ?!"])
def test_a_subject_that_says_nothing_has_no_base(subject: str) -> None:
    assert read_subject(subject).base == ""


@pytest.mark.parametrize(
    ("subject", "base"),
    [
        ("Республика: договор", "республика: договор"),
        ("Fresh: new cheese", "fresh: new cheese"),
        ("Нам: отвечайте", "нам: отвечайте"),
        ("Return: 15 boxes", "return: 15 boxes"),
        ("12:30 встреча", "12:30 встреча"),
        ("[#C-12] Re: Цены", "[#c-12] цены"),
        ("Re: [Заявка 7] Цены", "[заявка 7] цены"),
        ("[Заказ]", "[заказ]"),
        ("Ёлка", "елка"),
    ],
)
def test_what_only_looks_like_a_prefix_stays(subject: str, base: str) -> None:
    assert read_subject(subject).base == base


@given(st.text(max_size=60), st.sampled_from(["Re: ", "HA: ", "Re[3]: ", "[EXTERNAL] ", "Fwd: Re: "]))
def test_any_subject_can_be_answered(subject: str, prefix: str) -> None:
    base = read_subject(subject).base
    if base:
        assert read_subject(prefix + subject).base == base


@given(st.lists(st.text(max_size=30), max_size=5), st.text(max_size=30))
def test_any_headers_can_be_read(references: list[str], in_reply_to: str) -> None:
    record = MessageRecord(message_id="<1@x>", references=tuple(references), in_reply_to=in_reply_to)
    assert "1@x" not in named_messages(record)


def test_what_a_mail_answers_comes_first() -> None:
    record = MessageRecord(message_id="<4@x>", in_reply_to="<3@x>", references=("<1@x>", "<2@x>", "<3@x>"))
    assert named_messages(record) == ["3@x", "2@x", "1@x"]
    assert named_messages(MessageRecord(references=("<1@x>", "<2@x>"))) == ["2@x", "1@x"]


def test_an_endless_subject_is_read_by_its_beginning() -> None:
    assert read_subject("Re: " * 250_000 + "договор").base == ""
