"""Which lines of a mail its writer wrote, and which belong to the mail that is answered or forwarded.

The rules follow how mail programs mark what they quote: Outlook's header blocks and separators, attribution lines
("On ... wrote:"), quote marks and blockquotes, Lotus Notes' names and dates; in the languages in which they come.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_LABELS = {
    "from": "From|От|От кого|Von|De|Da|Van|Od|Från|Від",
    "sent": "Sent|Отправлено|Gesendet|Envoyé|Enviado|Enviado el|Inviato|Verzonden|Надіслано|Wysłano",
    "date": "Date|Дата|Datum|Data|Fecha",
    "to": "To|Кому|An|À|Para|A|Aan|Do|Till",
    "cc": "Cc|Копия|Копія|Kopie|DW",
    "subject": "Subject|Тема|Betreff|Objet|Asunto|Oggetto|Onderwerp|Temat|Ämne",
}
_LABEL = re.compile(
    r"^[\s*_]*(?:" + "|".join(f"(?P<{kind}>{words})" for kind, words in _LABELS.items()) + r")\s*\*?:",
    re.IGNORECASE,
)
_HEADER_BLOCKS: list[set[str]] = [
    {"from", "sent"},
    {"from", "date", "subject"},
    {"from", "to", "subject"},
    {"to", "cc", "subject"},  # Lotus Notes, the name of the writer above
]
# Recipients of a whole department make headers this long.
_HEADER_LINES = 16
_SEPARATOR = re.compile(
    r"^\s*-{2,}\s*(?:Original (?:Message|Appointment)|Forwarded (?:message|by\b.*)|Reply Message"
    r"|Исходное сообщение|Пересылаемое сообщение|Пересланное сообщение|Конец пересылаемого сообщения"
    r"|Ursprüngliche Nachricht|Weitergeleitete Nachricht|Message d'origine|Mensaje original"
    r"|Messaggio originale|Oorspronkelijk bericht|Wiadomość oryginalna)\s*-*\s*$",
    re.IGNORECASE,
)
_FORWARD_START = re.compile(r"^\s*-{5,}\s*(?:Forwarded by|Переслано|Направлено)\b", re.IGNORECASE)
_BEGIN_FORWARDED = re.compile(r"^\s*(?:Begin forwarded message|Начало переадресованного сообщения)\s*:\s*$", re.I)
_RULE = re.compile(r"^\s*[_=-]{5,}\s*$")
_WROTE = re.compile(
    r"^\s*(?:On|Am|Le|El|Il|Op|W dniu|Dne)\s.{4,250}\b"
    r"(?:wrote|schrieb|a écrit|escribió|ha scritto|schreef|napisał\w*|napsal\w*)\b[^:]{0,80}:\s*$",
    re.IGNORECASE | re.DOTALL,
)
_WROTE_FIRST = re.compile(r"^(?:On|Am|Le|El|Il|Op|W dniu|Dne)\s", re.IGNORECASE)
_WROTE_LAST = re.compile(
    r"\b(?:wrote|writes|пишет|писал(?:\(а\)|а)?|написал(?:\(а\)|а)?|сообщил(?:\(а\)|а)?)\s*:\s*$", re.IGNORECASE
)
# "Thu, 26 Jun 2014 14:00:51 +0400 от Ivan <ivan@x>:" (mail.ru), "26.06.2014, 14:41, "Ivan" <ivan@x>:" (Yandex)
_DATED = re.compile(r"^(?=.*(?:\d{1,2}[./]\d{1,2}[./]\d{2,4}|\b(?:19|20)\d\d\b|\d:\d\d)).*@[^\s]+>?\s*:\s*$", re.S)
_HAS_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\b(?:19|20)\d\d\b|\d:\d\d|@")
_NOTES_DATE = re.compile(r"^\s*\d{1,2}/\d{1,2}/\d{2,4}\s+\d{1,2}:\d\d(?::\d\d)?(?:\s*[AP]M)?\s*$", re.IGNORECASE)
_NOTES_TO = re.compile(r"^\s*(?:To|cc|Кому):", re.IGNORECASE)
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
# Without one of these on it or just below it no line begins a quotation: most lines are done with at a glance.
_MARK = re.compile(r":|--|/")
_NEAR = 4
_LONGEST = 400


@dataclass(frozen=True)
class Line:
    """One line as a reader sees it. `quoted` is set inside a quotation; `boundary` where a quoted mail begins."""

    text: str
    quoted: bool = False
    boundary: bool = False


def written(lines: Sequence[Line]) -> list[bool]:
    """For each line, whether the writer of the mail wrote it.

    A mail that adds nothing of its own (a bare forward) is kept whole: what it carries is its news.
    """
    keep = _written(lines)
    return (
        keep
        if any(stays and line.text.strip() for stays, line in zip(keep, lines, strict=True))
        else [True] * len(keep)
    )


def _written(lines: Sequence[Line]) -> list[bool]:
    plain = [_INVISIBLE.sub("", line.text).replace("\xa0", " ") if len(line.text) < _LONGEST else "x" for line in lines]
    keep = [not line.quoted for line in lines]
    marks = [line.boundary or _MARK.search(text) is not None for line, text in zip(lines, plain, strict=True)]
    anything = False
    for index in range(len(lines)):
        if not keep[index]:
            continue
        if not any(marks[index : index + _NEAR]):
            anything = anything or bool(plain[index].strip())
            continue
        cut = _cut_at(lines, plain, index)
        if cut is not None:
            keep[cut:] = [False] * (len(lines) - cut)
            break
        length = _attribution(plain, index)
        if length:
            keep[index : index + length] = [False] * length
            # Above what is not marked as quoted there must be an answer; else the answer is below it.
            if anything and not _quotation_follows(lines, plain, index + length):
                keep[index:] = [False] * (len(lines) - index)
                break
        anything = anything or (keep[index] and bool(plain[index].strip()))
    return keep


def _cut_at(lines: Sequence[Line], plain: list[str], index: int) -> int | None:
    """Where the quoted mail begins, if `index` shows that it begins here; everything after it is quoted."""
    begins = (
        lines[index].boundary
        or _SEPARATOR.match(plain[index])
        or _FORWARD_START.match(plain[index])
        or _BEGIN_FORWARDED.match(plain[index])
        or _is_header_block(plain, index)
    )
    if begins:
        return _with_rule_before(plain, index)
    if _NOTES_DATE.match(plain[index]) and _notes_header(plain, index):
        before = index - 1
        return before if before >= 0 and plain[before].strip() else index
    return None


def _is_header_block(plain: list[str], index: int) -> bool:
    first = _LABEL.match(plain[index])
    if first is None:
        return False
    found = {first.lastgroup}
    for line in plain[index + 1 : index + _HEADER_LINES]:
        label = _LABEL.match(line)
        if label is not None:
            found.add(label.lastgroup)
    return any(block <= found for block in _HEADER_BLOCKS)


def _with_rule_before(plain: list[str], index: int) -> int:
    """The line of underscores that Outlook draws above the headers belongs to them."""
    before = index - 1
    while before >= 0 and not plain[before].strip():
        before -= 1
    return before if before >= 0 and _RULE.match(plain[before]) else index


def _notes_header(plain: list[str], index: int) -> bool:
    return any(_NOTES_TO.match(line) for line in plain[index + 1 : index + 3])


def _attribution(plain: list[str], index: int) -> int:
    """How many lines from `index` say who wrote what follows; 0 when they do not."""
    if not plain[index].strip():
        return 0
    joined = ""
    for length, line in enumerate(plain[index : index + _NEAR], 1):
        if not line.strip():
            return 0
        joined = f"{joined} {line.strip()}".strip()
        if length == 1 and not _HAS_DATE.search(joined) and not _WROTE_FIRST.match(joined):
            return 0
        if joined.endswith(":"):
            dated = _WROTE_LAST.search(joined) and _HAS_DATE.search(joined)
            return length if _WROTE.match(joined) or dated or _DATED.match(joined) else 0
    return 0


def _quotation_follows(lines: Sequence[Line], plain: list[str], index: int) -> bool:
    """Whether the next line with text is marked as quoted, so that answers may stand between such lines."""
    for line, text in zip(lines[index:], plain[index:], strict=True):
        if line.quoted:
            return True
        if text.strip():
            return False
    return False
