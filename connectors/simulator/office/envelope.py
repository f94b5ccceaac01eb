"""Letters as RFC 822 bytes."""

from __future__ import annotations

from email import charset, encoders
from email.header import Header
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime
from functools import cache
from zoneinfo import ZoneInfo

from connectors.simulator.office.attachments import File
from connectors.simulator.office.letters import Letter, html_body, plain_body, shown
from connectors.simulator.office.office import Employee, Language, Person

_CYRILLIC = charset.Charset("windows-1251")
_CYRILLIC.body_encoding = charset.QP
_PROGRAMS = {
    "outlook": "Microsoft Outlook 16.0",
    "thebat": "The Bat! (v9.3) Professional",
    "yandex": "Yamail 5.0",
    "mailru": "Mail.Ru Mailer 1.0",
}


def mime(letter: Letter) -> bytes:
    """The letter as it went over the wire."""
    message = _body(letter)
    related = [file for file in letter.files if file.content_id]
    attached = [file for file in letter.files if not file.content_id]
    if related:
        message = _around("related", message, related)
    if attached:
        message = _around("mixed", message, attached)
    for name, value in _headers(letter).items():
        message[name] = value
    return message.as_bytes()


def _body(letter: Letter) -> MIMEBase:
    if not letter.reads_html:
        return _text(plain_body(letter), "plain", letter)
    if letter.author.mailer == "yandex":
        return _text(html_body(letter), "html", letter)
    both = MIMEMultipart("alternative", boundary="=alternative=")
    both.attach(_text(plain_body(letter), "plain", letter))
    both.attach(_text(html_body(letter), "html", letter))
    return both


def _text(text: str, kind: str, letter: Letter) -> MIMEText:
    if letter.author.mailer == "thebat" and kind == "plain":
        try:
            text.encode("windows-1251")
        except UnicodeEncodeError:
            pass
        else:
            return MIMEText(text, kind, _CYRILLIC)  # type: ignore[arg-type]  # typeshed knows names only
    return MIMEText(text, kind, "us-ascii" if text.isascii() else "utf-8")


def _around(kind: str, message: MIMEBase, files: list[File]) -> MIMEMultipart:
    outer = MIMEMultipart(kind, boundary=f"={kind}=")
    outer.attach(message)
    for file in files:
        outer.attach(_file_part(file))
    return outer


def _file_part(file: File) -> MIMEBase:
    part = MIMEBase(*file.content_type.split("/"))
    part.set_payload(file.content)
    encoders.encode_base64(part)
    name = file.name if file.name.isascii() else ("utf-8", "", file.name)
    part.add_header("Content-Disposition", "inline" if file.content_id else "attachment", filename=name)
    if file.content_id:
        part["Content-ID"] = f"<{file.content_id}>"
    return part


def _headers(letter: Letter) -> dict[str, str]:
    headers = {
        "Message-ID": letter.message_id,
        "Date": format_datetime(letter.at.astimezone(ZoneInfo(letter.author.zone))),
        "From": _address(letter.author, letter.language),
        "To": ",\n ".join(_address(person, letter.language) for person in letter.to),
        "Subject": _encoded(letter.subject),
    }
    if letter.cc:
        headers["Cc"] = ",\n ".join(_address(person, letter.language) for person in letter.cc)
    if letter.parent:
        headers["In-Reply-To"] = letter.parent.message_id
        headers["References"] = "\n ".join(_ancestors(letter))
    if program := _PROGRAMS.get(letter.author.mailer):
        headers["X-Mailer"] = program
    if isinstance(letter.author, Employee):
        headers["Content-Language"] = "en-US" if letter.language == "en" else "ru-RU"
    return headers | letter.headers


def _ancestors(letter: Letter) -> list[str]:
    ids: list[str] = []
    while letter.parent:
        letter = letter.parent
        ids.insert(0, letter.message_id)
    return ids


@cache
def _address(person: Person, language: Language) -> str:
    name = shown(person, language)
    return f"{name if name.isascii() else Header(name, 'utf-8').encode()} <{person.address}>"


def _encoded(subject: str) -> str:
    return subject if subject.isascii() else Header(subject, "utf-8", header_name="Subject").encode()
