"""A letter before it becomes RFC 822 bytes, and how each person's mail program writes it."""

from __future__ import annotations

import html
import itertools
import random
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from connectors.simulator.office import workdays
from connectors.simulator.office.attachments import File
from connectors.simulator.office.office import Employee, Language, Person


@dataclass(eq=False)
class Letter:
    """One mail. `at` is in UTC; `text` is what was newly written, without signature and quotation."""

    at: datetime
    author: Person
    to: list[Person]
    subject: str
    text: str
    language: Language
    message_id: str
    cc: list[Person] = field(default_factory=list)
    parent: Letter | None = None
    forward: bool = False
    files: list[File] = field(default_factory=list)
    signature: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    reads_html: bool = True

    @property
    def internal(self) -> bool:
        """Whether only our own people are on it."""
        return all(isinstance(person, Employee) for person in (self.author, *self.to, *self.cc))


def signature(author: Person, company: str, language: Language, *, first: bool) -> str:
    """The lines under a letter: in full under somebody's first letter of a conversation, short under replies."""
    habit = random.Random(author.address)  # noqa: S311 - a person's habit, repeatable by design
    english = language == "en"
    name = author.name.full_latin if english else author.name.full
    if isinstance(author, Employee):
        return _our_signature(author, company, english, name, first=first)
    if author.mailer == "gmail" and not english and habit.random() < 0.6:
        return author.name.first
    style = habit.random()
    if english:
        closing = habit.choice(("Kind regards", "Best regards", "Best", "Regards"))
        return (
            f"{closing},\n{author.name.first}"
            if not first
            else f"{closing},\n{name}\n{author.title}\n{company}\n{author.phone}"
        )
    closing = habit.choice(("С уважением,", "С уважением,", "Спасибо!", "--", "Хорошего дня!"))
    if not first or style < 0.15:
        return f"{closing}\n{author.name.first}"
    if style < 0.3:
        return f"{closing}\n{name}, {company}\n{author.mobile}"
    if style < 0.4 and author.mailer != "outlook":
        return f"{author.name.first}\n\nОтправлено с iPhone"
    whole = f"{author.name.io()} {author.name.last}" if author.formal else name
    return f"{closing}\n{whole}\n{author.title}\n{company}\nтел. {author.phone}\nмоб. {author.mobile}"


def _our_signature(author: Employee, company: str, english: bool, name: str, *, first: bool) -> str:
    if english:
        short = f"Best regards,\n{name}"
        phone = author.phone.replace("доб.", "ext.")
        return f"{short}\n{author.title_en}\n{company}\nPhone {phone}\nMobile {author.mobile}" if first else short
    short = f"С уважением,\n{name}"
    if not first:
        return short
    return f"{short}\n{author.title}\n{company}\nтел. {author.phone}\nмоб. {author.mobile}"


def plain_body(letter: Letter) -> str:
    """The whole text: what is new, the signature, what is quoted."""
    new = _plain_tables(letter.text) + (f"\n\n{letter.signature}" if letter.signature else "")
    if letter.parent is None:
        return new
    quoted = plain_body(letter.parent)
    if _quotes_like_outlook(letter):
        rule = "" if letter.reads_html else "-----Исходное сообщение-----\n"
        return f"{new}\n\n{rule}" + "\n".join(_outlook_header(letter)) + f"\n\n{quoted}"
    marked = "\n".join(f"> {line}".rstrip() for line in quoted.splitlines())
    return f"{new}\n\n{_attribution(letter)}\n{marked}"


def html_body(letter: Letter) -> str:
    """The same as a page, in the manner of the author's mail program."""
    return f'<html><head><meta charset="utf-8"></head><body>{_html_part(letter)}</body></html>'


def _html_part(letter: Letter) -> str:
    outlook = _quotes_like_outlook(letter)
    new = _paragraphs(letter.text, outlook)
    if letter.signature:
        lines = "<br>".join(html.escape(line) for line in letter.signature.splitlines())
        if outlook:
            new += f'<p class="MsoNormal">&nbsp;</p><p class="MsoNormal"><span style="color:#44546A">{lines}</span></p>'
        else:
            new += f"<div><br>{lines}</div>"
    new += "".join(f'<p><img src="cid:{file.content_id}" width="160"></p>' for file in letter.files if file.content_id)
    if letter.parent is None:
        return new
    quoted = _html_part(letter.parent)
    if outlook:
        header = "<br>".join(
            f"<b>{field}:</b> {html.escape(value.strip())}"
            for field, _, value in (line.partition(":") for line in _outlook_header(letter))
        )
        rule = "border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"
        return f'{new}<div><div style="{rule}"><p class="MsoNormal">{header}</p></div></div>{quoted}'
    kind = "gmail_quote" if letter.author.mailer == "gmail" else "quote"
    attribution = html.escape(_attribution(letter))
    return f'{new}<div class="{kind}"><div>{attribution}</div><blockquote type="cite">{quoted}</blockquote></div>'


def _quotes_like_outlook(letter: Letter) -> bool:
    return letter.forward or letter.author.mailer == "outlook"


def _paragraphs(text: str, outlook: bool) -> str:
    mark = '<p class="MsoNormal">' if outlook else "<p>"
    parts = []
    for is_table, lines in itertools.groupby(text.splitlines(), key=lambda line: "\t" in line):
        if is_table:
            rows = "".join(
                "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line.split("\t")) + "</tr>"
                for line in lines
            )
            parts.append(f'<table border="1" cellspacing="0" cellpadding="3">{rows}</table>')
        else:
            for block in "\n".join(lines).strip("\n").split("\n\n"):
                parts.append(f"{mark}{html.escape(block).replace(chr(10), '<br>')}</p>")
    return "\n".join(parts)


def _plain_tables(text: str) -> str:
    return "\n".join("- " + " — ".join(line.split("\t")) if "\t" in line else line for line in text.splitlines())


def shown(person: Person, language: Language) -> str:
    """Display name as it stands in letters of this language."""
    return person.name.full_latin if language == "en" else person.name.full


def _outlook_header(letter: Letter) -> list[str]:
    parent = letter.parent
    assert parent is not None
    english = letter.author.language == "en" or (letter.language == "en" and not isinstance(letter.author, Employee))
    local = parent.at.astimezone(ZoneInfo(letter.author.zone))
    if english:
        fields = ("From", "Sent", "To", "Cc", "Subject")
        sent = f"{workdays.day_english(local)} {local:%Y %H:%M}"
    else:
        fields = ("От", "Отправлено", "Кому", "Копия", "Тема")
        sent = (
            f"{workdays.WEEKDAYS[local.weekday()]}, {workdays.day_month(local)} {local.year} г. {local.hour}:{local:%M}"
        )
    lines = [
        f"{fields[0]}: {shown(parent.author, parent.language)} <{parent.author.address}>",
        f"{fields[1]}: {sent}",
        f"{fields[2]}: " + "; ".join(f"{shown(p, parent.language)} <{p.address}>" for p in parent.to),
    ]
    if parent.cc:
        lines.append(f"{fields[3]}: " + "; ".join(f"{shown(p, parent.language)} <{p.address}>" for p in parent.cc))
    return [*lines, f"{fields[4]}: {parent.subject}"]


def _attribution(letter: Letter) -> str:
    parent = letter.parent
    assert parent is not None
    local = parent.at.astimezone(ZoneInfo(letter.author.zone))
    who = f"{shown(parent.author, parent.language)} <{parent.author.address}>"
    if letter.author.language == "en":
        return f"On {local:%a}, {local:%b} {local.day}, {local:%Y} at {local:%H:%M} {who} wrote:"
    day = workdays.day_month(local)
    match letter.author.mailer:
        case "gmail":
            return f"{workdays.WEEKDAYS_SHORT[local.weekday()]}, {day} {local.year} г. в {local:%H:%M}, {who}:"
        case "mailru":
            weekday = workdays.WEEKDAYS[local.weekday()].capitalize()
            return f"{weekday}, {day} {local.year}, {local:%H:%M} {local:%z} от {who}:"
        case "yandex":
            return f"{local:%d.%m.%Y}, {local:%H:%M}, {who}:"
        case _:
            return f"Вы писали {day} {local.year} г., {local:%H:%M}:"
