"""The mail of a made-up office: the same letters for the same seed, as RFC 822 messages.

Conversations of one to six letters with people of some two hundred companies, in Russian and English, with five people
each, 2 to 10 KB of text, half of it HTML. Answers quote what they answer, as Outlook and others do; most are signed,
and one in eight has a file.
"""

from __future__ import annotations

import hashlib
import html
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import accumulate
from random import Random

OWNER = "vera@example.test"
COMPANIES = 200
PEOPLE = 5  # of each company that write; there is one more, who is only ever in copy
BEGINNING = datetime(2023, 1, 9, 8, 0, tzinfo=UTC)


def _list(words: str) -> list[str]:
    return words.split()


_RUSSIAN = _list(
    "договор постав оплат склад товар отгруз клиент завтр прос срок цен скид остат заяв наклад подпис встреч звон "
    "письм отдел образ парти соглас транспорт документ прилож вопрос реш коллег сообщ подтверд направл получ готов "
    "обсуд услов рассмотр возмож необход уточн количеств адрес достав машин водител пропуск акт свер возврат брак "
    "замен гарант"
)
_ENGLISH = _list(
    "order price stock deliver invoice contract meet confirm client warehouse pay schedule term sample batch approv "
    "transport document attach question decid department sign discount return warrant address custom carrier contain "
    "pack list quote propos deadline updat review agree"
)
_LITTLE = (_list("и в на по с для от до не мы вы что как"), _list("the of to for and in with is are be on by we you"))
_BEFORE = ("", "по", "пере", "за", "вы", "от", "недо", "про"), ("", "re", "over", "pre", "un", "out", "sub", "mis")
_BEHIND = (_list("а у ом ы ами ить ил ить ение ный ного ному"), _list("ed ing s er ment ly able ion al ive est ness"))
_NAMES = _list("Анна Пётр Ольга Иван Мария Сергей Елена Павел John Mary Peter Kate Helen Paul Nick Laura")
_FAMILIES = _list("Иванова Петров Смирнова Кузнецов Попова Соколов Brown Miller Wilson Taylor Moore Clark")
_FILES = ("Счёт № {}.pdf", "Спецификация {}.xlsx", "invoice-{}.pdf", "Price list {}.xlsx", "Акт сверки {}.docx")
_MARKUP = (
    '<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><meta http-equiv="Content-Type" content="text/html; '
    'charset=utf-8"><style><!--\np.MsoNormal, li.MsoNormal, div.MsoNormal {margin:0cm; font-size:11.0pt; '
    'font-family:"Calibri",sans-serif;}\na:link, span.MsoHyperlink {color:#0563C1; text-decoration:underline;}\n'
    "div.WordSection1 {page:WordSection1;}\n--></style></head>"
    '<body lang="RU" link="#0563C1"><div class="WordSection1">\n'
)


_FILE = "JVBERi0xLjQK" * 20  # in base64


class _Language:
    """Its words, a few of them in every sentence and thousands of them seldom, as it is in letters."""

    def __init__(self, roots: list[str], number: int) -> None:
        made = [before + root + behind for behind in _BEHIND[number] for before in _BEFORE[number] for root in roots]
        Random(number).shuffle(made)
        self._words = _LITTLE[number] + made
        self._weights = list(accumulate(1 / (place + 3) for place in range(len(self._words))))

    def words(self, random: Random, count: int) -> list[str]:
        return random.choices(self._words, cum_weights=self._weights, k=count)


_LANGUAGES = (_Language(_RUSSIAN, 0), _Language(_ENGLISH, 1))


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an address."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>"


@dataclass(frozen=True, slots=True)
class _Letter:
    message_id: str
    sender: Person
    sent_at: datetime
    subject: str
    said: str


def company_domain(number: int) -> str:
    """The domain of one of the COMPANIES."""
    return f"client{number}.example"


def in_copy(number: int) -> Person:
    """The person of a company who is in copy now and then and writes nothing."""
    return Person(f"{_NAMES[number % len(_NAMES)]} Копия", f"office@{company_domain(number)}")


def mark_of(core: bytes) -> bytes:
    """What subjects carry, so that mailboxes with the same letters have no conversation in common."""
    return b"#" + hashlib.sha256(core).hexdigest()[:12].encode()


def letters(count: int, core: str, seed: int = 1) -> Iterator[bytes]:
    """So many letters to OWNER, oldest first; `core` stands in each Message-ID, and its mark in each subject."""
    mark = mark_of(core.encode()).decode()
    random = Random(seed)
    owner = Person("Вера Орлова", OWNER)
    written = 0
    while written < count:
        company = random.randrange(COMPANIES)
        language = _LANGUAGES[random.random() < 0.4]
        subject = " ".join(language.words(random, 5)).capitalize()
        copied = [in_copy(company), *(_person(random.randrange(COMPANIES), each) for each in range(3))]
        before: list[_Letter] = []
        for place in range(min(random.choice((1, 1, 2, 3, 4, 6)), count - written)):
            sender = _person(company, random.randrange(PEOPLE))
            letter = _Letter(
                message_id=f"<{written:07}.{core}@{company_domain(company)}>",
                sender=sender,
                sent_at=BEGINNING + timedelta(minutes=written * 20 + random.randrange(20)),
                subject=f"{'RE: ' if place else ''}{subject} {mark} {written - place}",
                said=_text(random, language, random.randint(300, 2200)),
            )
            yield _message(random, letter, owner, copied, before)
            before.insert(0, letter)
            written += 1


def _person(company: int, number: int) -> Person:
    name = f"{_NAMES[(company + number) % len(_NAMES)]} {_FAMILIES[company * 7 % len(_FAMILIES)]}"
    return Person(name, f"person{number}@{company_domain(company)}")


def _text(random: Random, language: _Language, length: int) -> str:
    """Paragraphs of this many characters or a little more."""
    paragraphs: list[str] = []
    while length > 0:
        words = language.words(random, random.randint(8, 60))
        for end in range(random.randint(5, 14), len(words), 12):
            words[end - 1] += "."
            words[end] = words[end].capitalize()
        number = f" {random.randrange(10**6)}" if random.random() < 0.2 else ""
        paragraphs.append(" ".join(words).capitalize() + number + random.choice("..!?"))
        length -= len(paragraphs[-1]) + 2
    return "\n\n".join(paragraphs)


def _message(random: Random, letter: _Letter, owner: Person, copied: list[Person], before: list[_Letter]) -> bytes:
    head = [
        f"From: {letter.sender}",
        f"To: {owner}",
        f"Cc: {', '.join(map(str, copied))}",
        f"Subject: {letter.subject}",
        f"Date: {format_datetime(letter.sent_at)}",
        f"Message-ID: {letter.message_id}",
        "MIME-Version: 1.0",
    ]
    if before:
        head.append(f"In-Reply-To: {before[0].message_id}")
        head.append(f"References: {' '.join(each.message_id for each in reversed(before))}")
    signature = _signature(random, letter.sender) if random.random() < 0.7 else ""
    if random.random() < 0.5:
        body = _part("text/html", _as_html(letter, signature, before))
    else:
        body = _part("text/plain", _as_text(random, letter, signature, before))
    if random.random() < 0.125:
        name = random.choice(_FILES).format(random.randrange(1000))
        head.append('Content-Type: multipart/mixed; boundary="=_="')
        body = (
            f"\n--=_=\n{body}\n--=_=\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n"
            f'Content-Disposition: attachment; filename="{name}"\n\n{_FILE}\n--=_=--\n'
        )
    return "\n".join([*head, body]).replace("\n", "\r\n").encode()


def _part(kind: str, text: str) -> str:
    """A text with the headers that say what it is."""
    return f"Content-Type: {kind}; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}\n"


def _signature(random: Random, person: Person) -> str:
    return random.choice(
        (
            f"С уважением,\n{person.name}\nменеджер отдела продаж\nООО «Клиент»\nтел. +7 495 123-45-67",
            f"Best regards,\n{person.name}\nSales manager\nClient Ltd\nTel. +7 812 765-43-21\nwww.client.example",
        )
    )


def _quoted(before: list[_Letter]) -> list[_Letter]:
    """The last two letters: longer tails are cut in the mail that is measured, so that it stays below 10 KB."""
    return before[:2]


def _as_text(random: Random, letter: _Letter, signature: str, before: list[_Letter]) -> str:
    parts = [letter.said]
    if signature:
        parts.append(signature if random.random() < 0.5 else f"-- \n{signature}")
    quoted = _quoted(before)
    if quoted and random.random() < 0.5:
        last = quoted[0]
        lines = "\n".join(f"> {line}" for line in last.said[:2000].splitlines())
        parts.append(f"On {last.sent_at:%d.%m.%Y %H:%M}, {last.sender} wrote:\n{lines}")
    else:
        parts += [
            f"-----Original Message-----\nFrom: {each.sender}\nSent: {each.sent_at:%A, %d %B %Y %H:%M}\n"
            f"To: {OWNER}\nSubject: {each.subject}\n\n{each.said[:1500]}"
            for each in quoted
        ]
    return "\n\n".join(parts)


def _as_html(letter: _Letter, signature: str, before: list[_Letter]) -> str:
    parts = [_MARKUP, _paragraphs(letter.said)]
    if signature:
        lines = "<br>\n".join(html.escape(line) for line in signature.splitlines())
        parts.append(f'<p class="MsoNormal"><span style="color:#1F497D">{lines}</span></p>\n')
    for each in _quoted(before):
        sender = html.escape(str(each.sender))
        parts.append(
            '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p class="MsoNormal">'
            f"<b>От:</b> {sender}<br>\n<b>Отправлено:</b> {each.sent_at:%d.%m.%Y %H:%M}<br>\n<b>Кому:</b> {OWNER}"
            f"<br>\n<b>Тема:</b> {html.escape(each.subject)}</p></div>\n{_paragraphs(each.said[:1200])}"
        )
    return "".join([*parts, "</div></body></html>\n"])


def _paragraphs(text: str) -> str:
    return "".join(f'<p class="MsoNormal">{html.escape(each)}<o:p></o:p></p>\n' for each in text.split("\n\n"))
