"""The new text of replies, from mail programs of many kinds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.simulator.bodies import to_text
from connectors.simulator.mime import read_mime
from connectors.simulator.unique_body import unique_body
from tests.connectors.simulator.item_schema import shared

NEW = "Hello Bob,\r\nwe agree.\r\n"
OLD = "Do you agree?\r\nBob\r\n"


@pytest.mark.parametrize(
    "quoted",
    [
        "-----Original Message-----\nFrom: Bob\nSent: Monday\n",
        " -----Original Message-----\nFrom: \tBob\n",
        "________________________________\nFrom: Bob <bob@x>\nSent: Monday, 1 January 2024\nTo: Ann\nSubject: Milk\n\n",
        "From: Bob\nSent: Monday\nTo: Ann\nSubject: Milk\n\n",
        "*From:* Bob\n*Sent:* Monday\n",
        "От: Боб <bob@x>\nОтправлено: 1 января 2024 г. 10:00\nКому: Анна\nТема: Молоко\n\n",
        "-------- Исходное сообщение --------\nОт: Боб\n",
        "Von: Bob\nGesendet: Montag\nAn: Ann\nBetreff: Milch\n\n",
        "---------------------- Forwarded by Bob/HOU/ECT on 01/18/2000 \n06:03 PM ---------------\n",
        "\tBob Smith@ECT\n\t01/18/2000 06:03 PM\n\tTo: Ann/HOU/ECT@ECT\n\tcc: \n\tSubject: Milk\n",
        "On Mon, Jan 1, 2024 at 10:00 AM Bob <bob@x> wrote:\n> ",
        "On Mon, Jan 1, 2024 at 10:00 AM Bob Smith\n<bob@example.test> wrote:\n\n",
        "On 1 Jan 2024, at 10:00, Bob wrote:\n\n> > ",
        "1 января 2024 г., 10:00 пользователь Bob <bob@x> написал:\n",
        "01.01.2024 10:00, Боб Смит пишет:\n> ",
        "Thu, 26 Jun 2014 14:00:51 +0400 от Bob <bob@x>:\n",
        'Понедельник, 1 января 2024, 10:00 +03:00 от Боб "Смит" <bob@x>:\n\n',
        '26.06.2014, 14:41, "Bob" <bob@x>:\n',
        "Am 01.01.2024 um 10:00 schrieb Bob <bob@x>:\n> ",
        "> From: bob@x\n> ",
        "Begin forwarded message:\n\n",
    ],
)
def test_the_quoted_mail_is_cut_off(quoted: str) -> None:
    content = NEW + "\r\n" + (quoted + OLD).replace("\r\n", "\n").replace("\n", "\r\n")
    if quoted.endswith("> "):
        content = content.replace("\r\nBob\r\n", "\r\n> Bob\r\n")
    assert unique_body(content, "Text") == NEW


@pytest.mark.parametrize(
    "content",
    [
        NEW,
        "",
        "Itinerary\r\nFrom: Houston\r\nTo: Austin\r\nDate: 5 May\r\n",
        "He said on Monday:\r\nit works.\r\n",
        "Prices:\r\n- milk 5\r\n- cheese 7\r\n-----\r\ntotal 12\r\n",
        "The address is bob@x:\r\nwrite to it.\r\n",
    ],
)
def test_what_quotes_nothing_stays_as_it_is(content: str) -> None:
    assert unique_body(content, "Text") == content


def test_answers_between_quoted_lines_stay() -> None:
    content = "Hi,\r\nOn 1 Jan 2024, Bob wrote:\r\n> One?\r\nYes.\r\n> Two?\r\nNo.\r\n"
    assert unique_body(content, "Text") == "Hi,\r\nYes.\r\nNo.\r\n"


def test_an_answer_below_the_quotation_stays() -> None:
    assert unique_body("On 1 Jan 2024, Bob wrote:\r\n> One?\r\n\r\nYes.\r\n", "Text").strip() == "Yes."


def test_a_bare_forward_is_news_as_a_whole() -> None:
    content = "\r\n-----Original Message-----\r\nFrom: Bob\r\nSent: Monday\r\n\r\nRead this.\r\n"
    assert unique_body(content, "Text") == content


HEADERS = "<b>От:</b> Боб<br><b>Отправлено:</b> 1 января<br><b>Кому:</b> Анна<br><b>Тема:</b> Молоко<br>"


@pytest.mark.parametrize(
    "quoted",
    [
        f'<div style="border:none;border-top:solid #E1E1E1 1.0pt"><p>{HEADERS}</p></div><p>old</p>',
        f'<hr><div id="divRplyFwdMsg">{HEADERS}</div><div>old</div>',
        '<div class="gmail_quote"><div class="gmail_attr">On 1 Jan Bob wrote:<br></div><p>old</p></div>',
        '<blockquote type="cite">old</blockquote>',
        '<div class="moz-cite-prefix">Bob wrote:</div><blockquote type="cite"><p>old</p></blockquote>',
        '26.06.2014, 14:41, "Bob" &lt;<a href="mailto:b@x">b@x</a>&gt;:<blockquote>old</blockquote>',
        '<div class="yahoo_quoted"><div>On Monday, Bob wrote:</div><div>old</div></div>',
        "<p>-----Original Message-----<br>From: Bob<br>Sent: Monday</p><p>old</p>",
    ],
)
def test_quoted_html_is_cut_off(quoted: str) -> None:
    content = f"<html><body><div><p>Согласны.</p><p>Анна <img src='cid:logo'></p>{quoted}</div></body></html>"
    shown = unique_body(content, "HTML")
    assert "old" not in shown
    assert "cid:logo" in shown
    assert to_text(shown).split() == ["Согласны.", "Анна"]


def test_html_without_quotation_stays_as_it_is() -> None:
    content = "<html><head><style>p {}</style></head><body><p>Hello</p></body></html>"
    assert unique_body(content, "HTML") == content


@pytest.mark.parametrize(
    "name",
    [
        "gmail",
        "hotmail",
        "mail_ru",
        "ms_outlook_2003",
        "ms_outlook_2007",
        "ms_outlook_2010",
        "thunderbird",
        "windows_mail",
        "yandex_ru",
    ],
)
def test_real_html_replies(name: str) -> None:
    path = shared("mail-samples", "replies", "html_replies", f"{name}.html")
    words = to_text(unique_body(path.read_text("utf-8"), "HTML")).split()
    assert words == ["Hi.", "I", "am", "fine.", "Thanks,", "Alex"]


@pytest.mark.parametrize(
    "name",
    [
        "android",
        "aol",
        "apple_mail",
        "apple_mail_2",
        "comcast",
        "gmail",
        "hotmail",
        "iphone",
        "outlook",
        "sparrow",
        "thunderbird",
        "yahoo",
    ],
)
def test_real_replies(name: str) -> None:
    item = read_mime(shared("mail-samples", "replies", "standard_replies", f"{name}.eml").read_bytes())
    body = item.element.find("{*}Body")
    assert body is not None
    shown = unique_body(body.text or "", body.get("BodyType", ""))
    text = to_text(shown) if body.get("BodyType") == "HTML" else shown
    assert text.split()[0] in ("Hello", "Allo!")
    assert len(text.split()) <= 8


def test_real_mail_loses_no_new_text() -> None:
    """Every line that is kept is in the mail, in the same order."""
    folder = shared("mail-samples", "enron")
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "LICENSE":
            content = read_mime(path.read_bytes()).element.findtext("{*}Body") or ""
            remaining = (line.rstrip() for line in content.splitlines())
            assert all(line.rstrip() in remaining for line in unique_body(content, "Text").splitlines()), path


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400), st.sampled_from(["Text", "HTML"]))
def test_any_text_has_a_unique_body(content: str, kind: str) -> None:
    assert isinstance(unique_body(content, kind), str)


TAGS = ["<div>", "</div>", "<br>", "<blockquote>", "</blockquote>", "<p>", "On 1/1/2024 b@x wrote:", "From: x", "<hr>"]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*TAGS, "Sent: y", "text", "<table><tr><td>", "<!--", "-->", "&nbsp;"]), max_size=30))
def test_any_markup_has_a_unique_body(parts: list[str]) -> None:
    assert isinstance(unique_body("".join(parts), "HTML"), str)
