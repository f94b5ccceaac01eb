"""New text, quoted text and signature told apart (S11)."""

from __future__ import annotations

import email
import email.policy
import time
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terracrm.domain.records import MessageRecord, Participant, Role
from terracrm.domain.replies import Kind, Reply, of_message, says_quoted, split_html, split_text

REAL = "mail-samples/replies"
KINDS = {"N": "new", "Q": "quoted", "S": "signature"}


class Case(NamedTuple):
    """A mail of mails.txt: its name, who wrote it, and its parts, which make the mail."""

    name: str
    sender: str
    parts: list[tuple[str, str]]

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.parts)


def read_case(written: str) -> Case:
    title, *lines = written.strip("\n").split("\n")
    name, _, sender = title.partition(" [")
    told = [(KINDS[line[0]], line[2:].replace("␠", " ") + "\n") for line in lines]
    parts = [(kind, "".join(text for _, text in group)) for kind, group in groupby(told, lambda line: line[0])]
    return Case(name, sender.rstrip("]") or "Иван Петров", parts)


CASES = [read_case(written) for written in Path(__file__).with_name("mails.txt").read_text("utf-8").split("\n=== ")[1:]]


def parts(reply: Reply) -> list[tuple[str, str]]:
    return [(str(part.kind), part.text) for part in reply.parts]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_a_plain_mail_is_told_apart(case: Case) -> None:
    assert parts(split_text(case.text, [case.sender])) == case.parts


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_the_line_ends_of_mail_make_no_difference(case: Case) -> None:
    text = case.text.replace("\n", "\r\n")
    found = [(kind, text.replace("\r\n", "\n")) for kind, text in parts(split_text(text, [case.sender]))]
    assert found == case.parts


@pytest.mark.parametrize(
    "name",
    ["gmail", "hotmail", "mail_ru", "ms_outlook_2003", "ms_outlook_2007", "ms_outlook_2010", "thunderbird",
     "windows_mail", "yandex_ru"],
)  # fmt: skip
def test_real_html_replies(name: str, shared: Path) -> None:
    reply = split_html((shared / REAL / "html_replies" / f"{name}.html").read_text("utf-8"))
    assert reply.new.split() == ["Hi.", "I", "am", "fine.", "Thanks,", "Alex"]
    assert "How are you?" in reply.quoted


def test_real_plain_replies(shared: Path) -> None:
    for path in sorted((shared / REAL / "standard_replies").glob("*.eml")):
        mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for kind, split in (("plain", split_text), ("html", split_html)):
            body = mail.get_body((kind,))
            if body is not None:
                reply = split(body.get_content())
                assert reply.new.split()[0] in ("Hello", "Allo!"), path
                assert len(reply.new.split()) <= 4, path
                assert reply.quoted.strip(), path


def test_real_mail_loses_nothing(shared: Path) -> None:
    for path in sorted((shared / "mail-samples" / "enron").rglob("*")):
        if path.is_file() and path.name != "LICENSE":
            text = path.read_text("utf-8", "replace").partition("\n\n")[2]
            assert split_text(text).text == text, path


LINES = [
    "Да.",
    "> Сколько?",
    ">> x",
    "",
    "  ",
    "-- ",
    "--",
    "С уважением,",
    "Иван Петров",
    "тел. +7 495 123-45-67",
    "P.S. и",
    "From: a",
    "Sent: b",
    "To: c",
    "Subject: d",
    "От: а",
    "Отправлено: б",
    "-----Original Message-----",
    "_______",
    "On Mon, Mar 2, 2026 at 10:15 AM Anna <a@x.example> wrote:",
    "02.03.2026, 10:15, a@x.example:",
    "АС> да",
    "Thanks,",
    "Sent from my iPhone",
    "This e-mail is confidential and intended for you",
    "03/02/2026 10:15 AM",
    "\u200e",
    "x" * 500,
]


@given(st.lists(st.sampled_from(LINES), max_size=25), st.sampled_from(["\n", "\r\n", "\r", "\u2028"]))
def test_nothing_of_a_text_is_lost_and_something_is_always_new(lines: list[str], end: str) -> None:
    text = end.join(lines)
    reply = split_text(text, ["Иван Петров", "ivan@lavka.example"])
    assert reply.text == text
    assert not text.strip("\u200e \r\n\u2028") or reply.new.strip("\u200e")


@given(st.text(max_size=300))
def test_any_text_can_be_told_apart(text: str) -> None:
    assert split_text(text).text == text


@given(st.lists(st.sampled_from(LINES), max_size=25))
def test_what_is_new_stays_new_on_its_own(lines: list[str]) -> None:
    """What was found to be said is not taken for a quotation when it is read again, unless it only passes on."""
    reply = split_text("\n".join(lines))
    if reply.parts and reply.parts[0].kind is Kind.NEW and not reply.quoted:
        assert not split_text(reply.new).quoted


TAGS = [
    "<div>",
    "</div>",
    "<br>",
    "<blockquote>",
    "<blockquote type=cite>",
    "</blockquote>",
    "<p>",
    "</p>",
    "<hr>",
    "<pre>a\nb",
    "<table><tr><td>",
    "<td>",
    "</table>",
    "<!-- c -->",
    "&nbsp;",
    "<div class=gmail_quote>",
    "<div class=gmail_signature>",
    "<span>",
    "</span>",
    "<ul><li>",
    "<div id=divRplyFwdMsg>",
    "<style>x</style>",
    "<p class=MsoNormal>",
    "<font color=red>",
]
WORDS = [line for line in LINES if line.strip() and "\u200e" not in line and "<" not in line]
MARKUP = st.lists(st.sampled_from([*TAGS, *(f" {word} " for word in WORDS)]), max_size=40)


@given(MARKUP)
def test_nothing_of_a_page_is_lost(pieces: list[str]) -> None:
    said = " ".join(piece for piece in pieces if piece not in TAGS)
    reply = split_html("".join(pieces))
    for word in set(said.replace(">", " ").split()) - {"x", "--"}:
        assert word in reply.text, word


BODY = "<html><body><div><p>Согласны.</p>{}</div></body></html>"
QUOTE = "<blockquote>Сколько?</blockquote>"
HEADERS = "<b>От:</b> Анна<br><b>Отправлено:</b> 2 марта<br><b>Кому:</b> Иван<br><b>Тема:</b> Молоко<br>"
UNKNOWN_LANGUAGE = "<p><b>Küldő:</b> Anna<br><b>Küldve:</b> hétfő<br><b>Címzett:</b> Ivan<br><b>Tárgy:</b> Tej</p>"
OUTLOOK_FRAME = 'style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"'


@pytest.mark.parametrize(
    "quoted",
    [
        pytest.param(f"<div {OUTLOOK_FRAME}><p>{HEADERS}</p></div><p>Сколько?</p>", id="outlook 2016"),
        pytest.param(
            f"<div {OUTLOOK_FRAME}>{UNKNOWN_LANGUAGE}</div><p>Сколько?</p>", id="outlook in a language unknown"
        ),
        pytest.param(f'<hr><div id="divRplyFwdMsg">{HEADERS}</div><div>Сколько?</div>', id="outlook on the web"),
        pytest.param('<div id="appendonsend"></div><hr><div>x</div><div>Сколько?</div>', id="outlook 365"),
        pytest.param('<div id="mail-editor-reference-message-container">Сколько?</div>', id="outlook for ios"),
        pytest.param(
            f'<span id="OLK_SRC_BODY_SECTION"><div>{HEADERS}</div><p>Сколько?</p></span>', id="outlook for mac"
        ),
        pytest.param('<hr id="stopSpelling">Date: Thu<br>Сколько?', id="hotmail"),
        pytest.param(
            '<div class="gmail_quote"><div class="gmail_attr">пн, 2 мар. 2026 г. в 10:15, A &lt;a@x.io&gt;:<br></div>'
            '<blockquote class="gmail_quote">Сколько?</blockquote></div>',
            id="gmail",
        ),
        pytest.param(
            '<div class="gmail_quote">---------- Forwarded message ---------<br>Сколько?</div>', id="gmail forward"
        ),
        pytest.param(
            f'<div class="yahoo_quoted"><div>On Monday, Anna wrote:</div><div>Сколько?</div></div>{""}', id="yahoo"
        ),
        pytest.param(f"Понедельник, 2 марта 2026, 10:15 +03:00 от A &lt;a@x.example&gt;:<br>{QUOTE}", id="mail.ru"),
        pytest.param(f'<div>02.03.2026, 10:15, "A" &lt;a@x.example&gt;:</div>{QUOTE}', id="yandex"),
        pytest.param('<blockquote type="cite"><div>2 марта 2026, A пишет:</div>Сколько?</blockquote>', id="apple mail"),
        pytest.param(
            '<div class="moz-cite-prefix">02.03.2026, A пишет:<br></div><blockquote type="cite">Сколько?</blockquote>',
            id="thunderbird",
        ),
        pytest.param(
            '<blockquote style="border-left:2px solid #000;padding-left:5px">Сколько?</blockquote>', id="a bar"
        ),
        pytest.param("<pre>-----Original Message-----\nFrom: A\n\nСколько?</pre>", id="preformatted"),
        pytest.param(
            "<p>-----Исходное сообщение-----<br>От: A<br>Отправлено: 2 марта</p><p>Сколько?</p>", id="the words"
        ),
    ],
)
def test_an_html_reply_is_told_apart(quoted: str) -> None:
    reply = split_html(BODY.format(quoted))
    assert reply.new == "Согласны."
    assert "Сколько?" in reply.quoted


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            '<div class="gmail_quote"><div class="gmail_attr">On 2 Mar 2026 A &lt;a@x.example&gt; wrote:</div>'
            '<blockquote class="gmail_quote">Сколько?</blockquote><div>Десять.</div>'
            '<blockquote class="gmail_quote">Когда?</blockquote><div>Завтра.</div></div>',
            id="gmail",
        ),
        pytest.param(
            '<blockquote type="cite">Сколько?</blockquote><div>Десять.</div><blockquote type="cite">Когда?</blockquote>'
            "Завтра.",
            id="apple mail",
        ),
        pytest.param(
            "<div>02.03.2026, 10:15, A &lt;a@x.example&gt;:</div><blockquote>Сколько?</blockquote>Десять."
            "<blockquote>Когда?</blockquote>Завтра.",
            id="yandex",
        ),
    ],
)
def test_answers_between_quoted_html_are_new(body: str) -> None:
    reply = split_html(body)
    assert reply.new.split() == ["Десять.", "Завтра."]
    assert "Сколько?" in reply.quoted
    assert "Когда?" in reply.quoted


def test_an_indentation_is_no_quotation() -> None:
    body = '<p>Условия:</p><blockquote style="margin:0 0 0 40px;border:none">Десять ящиков.</blockquote>'
    assert split_html(body).new.split() == ["Условия:", "Десять", "ящиков."]


@pytest.mark.parametrize(
    "signature",
    [
        '<div class="gmail_signature" data-smartmail="gmail_signature">Иван<br>Лавка</div>',
        '<div>-- <br></div><div class="moz-signature">Иван<br>Лавка</div>',
        '<pre class="moz-signature" cols="72">-- \nИван\nЛавка</pre>',
        '<div id="ms-outlook-mobile-signature">Иван<br>Лавка</div>',
        '<div id="AppleMailSignature">Иван<br>Лавка</div>',
        '<div id="Signature"><p>Иван</p><p>Лавка</p></div>',
        '<div data-signature-widget="container"><div data-signature-widget="content">--<br>Иван<br>Лавка</div></div>',
        "<p><a name='_MailAutoSig'></a><span style='mso-bookmark:_MailAutoSig'>Иван<br>Лавка</span></p>",
        "<div>С уважением,</div><div>Иван</div><div>Лавка</div>",
        "<table><tr><td>С уважением,<br>Иван</td><td>Лавка</td></tr></table>",
    ],
)
@pytest.mark.parametrize("after", ["", f"<div {OUTLOOK_FRAME}><p>{HEADERS}</p></div><p>Сколько?</p>"])
def test_the_signature_of_an_html_mail_is_told_apart(signature: str, after: str) -> None:
    reply = split_html(BODY.format(signature + after))
    assert reply.new == "Согласны."
    assert {"Иван", "Лавка"} <= set(reply.signature.split())


def test_the_cells_of_a_row_are_read_on_one_line() -> None:
    table = "<table><tr><td>Молоко</td><td>10</td></tr><tr><td>Сыр</td><td>5</td></tr></table>"
    assert split_html(table).new == "Молоко\t10\nСыр\t5"


def test_attributes_of_no_possible_name_are_read_over() -> None:
    reply = split_html('<div {color="red">Ten.</div><div {="1" data-smartmail="gmail_signature">Ivan</div>')
    assert parts(reply) == [("new", "Ten.\n"), ("signature", "Ivan\n")]


def test_what_a_page_hides_is_not_said() -> None:
    assert split_html('<div style="display:none">preview</div><p>Да</p><style>p{}</style>').new == "Да"


def mail(**body: Any) -> MessageRecord:
    return MessageRecord(participants=(Participant(Role.FROM, "ivan@lavka.example", "Иван Петров"),), **body)


SIGNED = "Да.\n\nС уважением,\nИван Петров\n"


@pytest.mark.parametrize("unique", ["", SIGNED, SIGNED + "\n" + "> Сколько?\n"])
def test_what_the_server_finds_new_is_used_without_its_signature(unique: str) -> None:
    reply = of_message(mail(body_text=SIGNED + "\n> Сколько?\n", unique_text=unique))
    assert (reply.new, reply.signature) == ("Да.", "С уважением,\nИван Петров")


def test_the_server_may_know_better_what_is_new() -> None:
    """In a language that no rule knows."""
    body = "<p>Igen.</p><p>Anna ezt írta:</p><p>Mennyi?</p>"
    assert of_message(mail(body_html=body, unique_text="Igen.")).new == "Igen."
    assert "Mennyi?" in of_message(mail(body_html=body)).new


def test_a_signature_that_only_the_page_marks_is_taken_from_what_the_server_finds_new() -> None:
    body = '<p>Да.</p><div class="gmail_signature">Иван<br>Лавка</div><blockquote type="cite">Сколько?</blockquote>'
    reply = of_message(mail(body_html=body, unique_text="Да.\r\n\r\nИван\r\nЛавка\r\n"))
    assert (reply.new, reply.signature.split()) == ("Да.", ["Иван", "Лавка"])


def test_a_mail_without_a_body_says_nothing() -> None:
    assert of_message(mail()).new == ""
    assert of_message(mail(body_html="<p> </p>")).new == ""


@pytest.mark.parametrize(
    ("subject", "forward"),
    [
        ("FW: x", True),
        ("Fwd: x", True),
        ("Пер: x", True),
        ("WG: x", True),
        ("[EXT] FW: x", True),
        ("RE: FW: x", False),
        ("x", False),
        ("", False),
        ("Fwd", False),
    ],
)
def test_a_forward_is_known_by_its_subject(subject: str, forward: bool) -> None:
    assert says_quoted(subject, "Да.") is forward


@pytest.mark.parametrize(
    ("new", "within"),
    [
        ("Мои ответы ниже красным.", True),
        ("Анна, см. ниже", True),
        ("Ответил в тексте письма.", True),
        ("Hi, please see my comments below in red.", True),
        ("Answers inline.", True),
        ("Везите десять ящиков.", False),
        ("Цена ниже рынка.", False),
        ("We are below the plan.", False),
        ("см. ниже " + "x" * 600, False),
    ],
)
def test_answers_within_the_quoted_mail_are_announced(new: str, within: bool) -> None:
    assert says_quoted("RE: x", new) is within


@pytest.mark.parametrize(
    "trap",
    [
        pytest.param("a@" * 200 + ":\n", id="at signs"),
        pytest.param("On " + "wrote " * 60 + ":\n", id="attributions"),
        pytest.param("02.03.2026 " + "x@" * 150 + " wrote:\n", id="dated"),
        pytest.param("From: a\n", id="labels"),
        pytest.param("> a\nb\n", id="answers between"),
        pytest.param("С уважением, " + "А " * 40 + "\n", id="courtesies"),
        pytest.param("-- \n", id="delimiters"),
        pytest.param("Sent from " + "a " * 100 + "\n", id="machines"),
        pytest.param("тел +7 495 " * 30 + "\n", id="phones"),
        pytest.param("_" * 300 + "\n\n", id="rules"),
        pytest.param(" " * 300 + "\n", id="spaces"),
        pytest.param("x" * 5000, id="one line"),
    ],
)
def test_the_time_grows_with_the_length_and_no_faster(trap: str) -> None:
    long = trap * (40_000 // len(trap))
    began = time.process_time()
    split_text(long, ["Иван Петров"])
    split_html(long.replace("\n", "<br>"), ["Иван Петров"])
    split_html("<div><blockquote>" * 1000 + "x" + "<b>y</b>" * 1000)
    assert time.process_time() - began < 5  # it takes half a second; quadratic, it would take half a minute
