"""Which lines of a mail its writer wrote, and which belong to the mail that is answered or forwarded (S11).

The rules follow how mail programs mark what they quote: Outlook's header blocks and separators, attribution lines
("On ... wrote:"), quote marks and blockquotes, Lotus Notes' names and dates; in the languages in which they come.
Each rule looks at a handful of lines, so that the time grows with the length of the mail and no faster.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

_LABELS = {
    "from": "From|От|От кого|Отправитель|Von|De|Da|Van|Od|Från|Від|Від кого|发件人|差出人",
    "sent": "Sent|Отправлено|Отправленные?|Gesendet|Envoyé|Enviado|Enviado el|Inviato|Verzonden|Надіслано|Wysłano"
    "|Odesláno|Skickat|发送时间|送信日時",
    "date": "Date|Дата|Datum|Data|Fecha|日期",
    "to": "To|Кому|Получатель|An|À|Para|A|Aan|Do|Komu|Till|收件人|宛先",
    "cc": "Cc|Копия|Копія|Kopie|DW",
    "subject": "Subject|Тема|Betreff|Objet|Asunto|Assunto|Oggetto|Onderwerp|Temat|Předmět|Ämne|主题|件名",
}
_LABEL = re.compile(
    r"^[\s*_>]*(?:" + "|".join(f"(?P<{kind}>{words})" for kind, words in _LABELS.items()) + r")\s*\*?[:：]",
    re.IGNORECASE,
)
_HEADER_BLOCKS: list[set[str | None]] = [
    {"from", "sent"},
    {"from", "date", "subject"},
    {"from", "to", "subject"},
    {"to", "cc", "subject"},  # Lotus Notes, the name of the writer above
]
# Recipients of a whole department make headers this long.
_HEADER_LINES = 16
_LONGEST_HEADING = 40
_ORIGINAL = (
    "Original (?:Message|Appointment|E-?Mail)|Forwarded (?:message|by\\b.*)|Reply Message|Forwarded Mail"
    "|(?:Исходное|Оригинальное|Первоначальное|Пересылаемое|Пересланное|Перенаправленное|Переадресованное) "
    "(?:сообщение|письмо)|(?:Конец|Завершение) (?:исходного|пересылаемого|пересланного) (?:сообщения|письма)"
    "|Вихідне повідомлення|Переслане повідомлення|Ursprüngliche Nachricht|Weitergeleitete Nachricht"
    "|Message d'origine|Message transféré|Mensaje original|Mensaje reenviado|Mensagem original|Messaggio originale"
    "|Messaggio inoltrato|Oorspronkelijk bericht|Wiadomość oryginalna|Původní zpráva"
)
_SEPARATOR = re.compile(rf"^\s*-{{2,}}\s*(?:{_ORIGINAL})\s*-*\s*$", re.IGNORECASE)
_FORWARD_END = re.compile(r"^.{0,40}-{5,}\s*$")
_FORWARD_START = re.compile(r"^\s*-{5,}\s*(?:Forwarded by|Переслано|Направлено|Переадресовано)\b", re.IGNORECASE)
# Lotus iNotes: "-----Ivan Petrov <ivan@x> wrote: -----"
_NOTES_WROTE = re.compile(r"^\s*-{4,}.{2,200}\b(?:wrote|написал(?:\(а\)|а)?|написано)\s*:\s*-{4,}\s*$", re.IGNORECASE)
_BEGIN_FORWARDED = re.compile(
    r"^\s*(?:Begin forwarded message|Начало (?:переадресованного|пересылаемого|пересланного) (?:сообщения|письма)"
    r"|Anfang der weitergeleiteten Nachricht|Début du message (?:réexpédié|transféré))\s*:\s*$",
    re.IGNORECASE,
)
_RULE = re.compile(r"^\s*[_=-]{5,}\s*$")

_WROTE_WORDS = (
    r"(?:wrote|writes|пишет|пише|(?:на)?писал(?:\(а\)|а)?|(?:на)?писав(?:\(ла\))?|сообщил(?:\(а\)|а)?|schrieb"
    r"|a écrit|escribió|escreveu|ha scritto|schreef|napisał(?:\(a\)|a)?|napsal(?:\(a\)|a)?|skrev)"
)
_WROTE_FIRST = re.compile(r"^(?:On|Am|Le|El|Il|Op|Em|W dniu|Dne|Den)\s", re.IGNORECASE)
_WROTE_LAST = re.compile(rf"\b{_WROTE_WORDS}\s*[:：]\s*$", re.IGNORECASE)
# "On 26 June Ivan wrote as follows:", Roundcube's "Ivan писал 2014-06-26 14:00:"
_WROTE_NEAR_END = re.compile(rf"\b{_WROTE_WORDS}\b[^:]{{0,80}}(?:\d:\d\d(?::\d\d)?)?\s*:\s*$", re.IGNORECASE)
# The Bat!: "Вы писали 26 июня 2014 г., 14:00:51:", "On Thursday, June 26, 2014, you wrote:"
_YOU_WROTE = re.compile(r"^\s*(?:Вы (?:на)?писали|You wrote)\b.{0,80}:\s*$", re.IGNORECASE)
_WRITES_CHINESE = re.compile(r"写道\s*[:：]\s*$")
# "Thu, 26 Jun 2014 14:00:51 +0400 от Ivan <ivan@x>:" (mail.ru), "26.06.2014, 14:41, "Ivan" <ivan@x>:" (Yandex)
_DATED = re.compile(r"^(?=.*(?:\d{1,2}[./]\d{1,2}[./]\d{2,4}|\b(?:19|20)\d\d\b|\d:\d\d)).*@[^\s@]+\s*:\s*$", re.S)
_HAS_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\b(?:19|20)\d\d\b|\d:\d\d|@")
# What follows such a line is taken for a quotation even where nothing marks it as one.
_CERTAIN = re.compile(
    r"^(?:\d|In a message\s|On\s|Am\s|Le\s|El\s|Il\s|Op\s|Em\s|W dniu\s|Dne\s|В\s|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*\b"
    r"|(?:пн|вт|ср|чт|пт|сб|вс|нд)\b|понедельник|вторник|сред[ау]|четверг|пятниц[ау]|суббот[ау]|воскресенье"
    r"|Вы\s|You\s)|<[^<>\s@]+@[^<>\s@]+>",
    re.IGNORECASE,
)

_DATE_AND_TIME = r"\d{1,2}[/.]\d{1,2}[/.]\d{2,4}\s+\d{1,2}:\d\d(?::\d\d)?(?:\s*[AP]M)?\s*$"
_NOTES_DATE = re.compile(r"^\s*" + _DATE_AND_TIME, re.IGNORECASE)
# "Ivan Petrov <ivan@x> on 02/03/2026 10:15:35 AM"
_NOTES_ON = re.compile(r"^\s*\S.{1,120}\son\s+" + _DATE_AND_TIME, re.IGNORECASE)
_NOTES_SENT_BY = re.compile(r"^\s*Sent by:", re.IGNORECASE)
_NOTES_TO = re.compile(r"^\s*(?:To|cc|Кому|Копия):", re.IGNORECASE)
PICTURE = "\ufffc"
"""What stands for an image on a line without text."""
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
_POINT_AND_DIGIT = re.compile(r"\.\d")
_NEAR = 4
_LONGEST = 400

_QUOTE_MARK = re.compile(r"^\s{0,3}>")
_MARKED_WITHIN = 7  # characters: both marks end there
# Lines that a mail program broke anew without a mark: once may be an answer, thrice is none.
_BROKEN_ABOVE, _BROKEN_OFF, _OFTEN = 60, 25, 3
_LONE_FIGURE = re.compile(r"^\s*>\s*\d")
# The Bat! quotes with the initials of whom it quotes: "IP> Добрый день"
_INITIALS_MARK = re.compile(r"^\s{0,3}([A-ZА-ЯЁ]{1,3})>{1,9}(?:\s|$)")


class Line(NamedTuple):
    """One line as a reader sees it (`visible`).

    `quoted` is set inside a quotation, `indented` inside what may be one or a mere indentation; `boundary` where
    something other than its words says that a quoted mail begins; `signature` where it says so of a signature.
    """

    text: str
    quoted: bool = False
    boundary: bool = False
    indented: bool = False
    signature: bool = False


def text_lines(texts: Sequence[str]) -> list[Line]:
    """The lines of a plain text, with those that carry a quote mark told apart."""
    return [Line(visible(text), quoted) for text, quoted in zip(texts, quote_marks(texts), strict=True)]


def quote_marks(texts: Sequence[str]) -> list[bool]:
    """For each line of a plain text, whether it carries a quote mark."""
    may_be = [at for at, text in enumerate(texts) if ">" in text and ">" in text[:_MARKED_WITHIN]]
    marked = [False] * len(texts)
    if not may_be:
        return marked
    initials = Counter(found[1] for at in may_be if (found := _INITIALS_MARK.match(texts[at])))
    for at in may_be:
        by = _INITIALS_MARK.match(texts[at])
        marked[at] = bool(_QUOTE_MARK.match(texts[at])) or (
            by is not None and (initials[by[1]] > 1 or _is_introduced(texts, at))
        )
    if sum(marked) == 1 and _LONE_FIGURE.match(texts[marked.index(True)]):  # "> 100 pieces: 5 % off"
        marked = [False] * len(marked)
    broken = [at for at in range(1, len(texts) - 1) if marked[at - 1] and marked[at + 1] and _is_broken(texts, at)]
    for at in broken if len(broken) >= _OFTEN else ():
        marked[at] = True
    return marked


def _is_introduced(texts: Sequence[str], at: int) -> bool:
    """Whether the line above, blank ones aside, says who wrote what follows."""
    above = next((text for text in reversed(texts[max(at - _NEAR, 0) : at]) if text.strip()), "")
    return len(above) < _LONGEST and _says_who_wrote(visible(above).strip())


def _is_broken(texts: Sequence[str], at: int) -> bool:
    """Whether a line looks like the end of the quoted line above, which was broken once more on its way."""
    above, text = texts[at - 1].rstrip(), texts[at].strip()
    return len(above) >= _BROKEN_ABOVE and above[-1] not in ".?!:;" and 0 < len(text) <= _BROKEN_OFF


def written(lines: Sequence[Line]) -> list[bool]:
    """For each line, whether the writer of the mail wrote it.

    A mail that adds nothing of its own (a bare forward) is kept whole: what it carries is its news.
    """
    keep = own(lines)
    something = any(mine and line.text.strip() for mine, line in zip(keep, lines, strict=True))
    return keep if something else [True] * len(keep)


def own(lines: Sequence[Line]) -> list[bool]:
    """For each line, whether it stands outside of what is quoted or forwarded."""
    plain = [line.text if len(line.text) < _LONGEST else "x" for line in lines]
    keep = [not line.quoted for line in lines]
    told = [at for at, text in enumerate(plain) if lines[at].boundary or (text and _may_begin(text))]
    looked_at = {at - above for at in told for above in range(_NEAR)}
    anything, quoting = False, not all(keep)
    for index in range(len(lines)):
        if keep[index] and lines[index].indented and quoting:
            keep[index] = False
        if not keep[index]:
            continue
        if index in looked_at:
            cut = _cut_at(lines, plain, index)
            if cut is not None:
                keep[cut:] = [False] * (len(lines) - cut)
                break
            length = _attribution(plain, index)
            marked = length > 0 and _is_marked_below(lines, plain, index + length)
            if length and (marked or _CERTAIN.search(" ".join(plain[index : index + length]).strip())):
                quoting = True
                keep[index : index + length] = [False] * length
                # Above what is not marked as quoted there must be an answer; else the answer is below it.
                if anything and not marked:
                    keep[index:] = [False] * (len(lines) - index)
                    break
        anything = anything or (keep[index] and bool(plain[index].strip()))
    return keep


def heading_end(lines: Sequence[Line], index: int) -> int:
    """The line after the separator and the headers of a quoted mail that begins at `index`; `index` without them."""
    plain = [line.text for line in lines[index : index + _LONGEST_HEADING]]
    if not (_begins_mail(plain[0]) or _RULE.match(plain[0]) or _LABEL.match(plain[0]) or _NOTES_ON.match(plain[0])):
        return index + _attribution(plain, 0)
    last = max((at for at in range(len(plain)) if _is_heading(plain, at)), default=0)
    while last + 1 < len(plain) and plain[last + 1][:1].isspace() and plain[last + 1].strip():
        last += 1  # a header goes on
    return index + last + 1


def _is_heading(plain: list[str], at: int) -> bool:
    """Whether the line is a header of the mail that begins at the first one: no paragraph of text is above it."""
    if not (_LABEL.match(plain[at]) or (at < _NEAR and (_begins_mail(plain[at]) or _FORWARD_END.match(plain[at])))):
        return False
    first = next((place for place in range(at) if _LABEL.match(plain[place])), at)
    return not any(
        plain[place].strip() and not plain[place - 1].strip() and not _LABEL.match(plain[place])
        for place in range(first + 1, at)
    )


def visible(text: str) -> str:
    """The text without the marks of direction and width that mail programs put around names and dates."""
    if text.isascii() or text.rstrip("\r\n").isprintable():  # told at a glance, and nearly always so
        return text
    return _INVISIBLE.sub("", text).replace("\xa0", " ").replace("\u202f", " ")


def _may_begin(text: str) -> bool:
    """Whether there is what no line can do without that begins a quotation here or a few lines above."""
    if ":" in text or "/" in text or "--" in text or "：" in text:
        return True
    return "." in text and _POINT_AND_DIGIT.search(text) is not None


def _cut_at(lines: Sequence[Line], plain: list[str], index: int) -> int | None:
    """Where the quoted mail begins, if `index` shows that it begins here; everything after it is quoted."""
    text = plain[index]
    if lines[index].boundary or _begins_mail(text) or _is_header_block(plain, index):
        return _with_rule_before(plain, index)
    if ":" not in text:
        return None
    if _NOTES_ON.match(text) and _notes_header(plain, index):
        return index
    if _NOTES_DATE.match(text) and _notes_header(plain, index):
        return _with_name_before(plain, index)
    return None


def _begins_mail(text: str) -> bool:
    if "--" in text:
        return any(rule.match(text) for rule in (_SEPARATOR, _FORWARD_START, _NOTES_WROTE))
    return ":" in text and _BEGIN_FORWARDED.match(text) is not None


def _is_header_block(plain: list[str], index: int) -> bool:
    first = _label(plain[index])
    if first is None:
        return False
    found = {first, *(_label(line) for line in plain[index + 1 : index + _HEADER_LINES])}
    return any(block <= found for block in _HEADER_BLOCKS)


def _label(text: str) -> str | None:
    """Which header the line says, if any."""
    found = _LABEL.match(text) if ":" in text or "：" in text else None
    return found.lastgroup if found else None


def _with_rule_before(plain: list[str], index: int) -> int:
    """The line of underscores that Outlook draws above the headers belongs to them."""
    before = index - 1
    while before >= 0 and not plain[before].strip():
        before -= 1
    return before if before >= 0 and _RULE.match(plain[before]) else index


def _with_name_before(plain: list[str], index: int) -> int:
    """Lotus Notes writes the name above the date, and between them perhaps who sent it in that name."""
    before = index - 1
    if before >= 1 and _NOTES_SENT_BY.match(plain[before]):
        before -= 1
    return before if before >= 0 and plain[before].strip() else index


def _notes_header(plain: list[str], index: int) -> bool:
    return any(_NOTES_TO.match(line) for line in plain[index + 1 : index + 4])


def _attribution(plain: list[str], index: int) -> int:
    """How many lines from `index` say who wrote what follows; 0 when they do not."""
    told: list[str] = []
    for line in plain[index : index + _NEAR]:
        told.append(line.strip())
        if not told[-1]:
            return 0
        if told[-1][-1] in ":：":
            break
    else:
        return 0
    if not (_HAS_DATE.search(told[0]) or _WROTE_FIRST.match(told[0]) or _YOU_WROTE.match(told[0])):
        return 0
    return len(told) if _says_who_wrote(" ".join(told)) else 0


def _says_who_wrote(joined: str) -> bool:
    if _DATED.match(joined) or _YOU_WROTE.match(joined) or _WRITES_CHINESE.search(joined):
        return True
    if _WROTE_FIRST.match(joined):
        return _WROTE_NEAR_END.search(joined) is not None
    return bool(_HAS_DATE.search(joined) and (_WROTE_LAST.search(joined) or _WROTE_NEAR_END.search(joined)))


def _is_marked_below(lines: Sequence[Line], plain: list[str], index: int) -> bool:
    """Whether the next line with text is marked as quoted, so that answers may stand between such lines."""
    for at in range(index, len(lines)):
        if lines[at].quoted or lines[at].indented:
            return True
        if plain[at].strip():
            return False
    return False
