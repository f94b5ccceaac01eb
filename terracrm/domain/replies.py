"""A mail in its parts: what was said, what it quotes, and the signature (S11).

Nothing is lost: the parts of a plain text, one after the other, are the text. What cannot be told for certain
counts as said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from terracrm.domain import html_lines
from terracrm.domain.html_lines import Inside, Page
from terracrm.domain.quotations import PICTURE, Line, heading_end, own, text_lines, visible
from terracrm.domain.records import MessageRecord, Role
from terracrm.domain.signature_lines import signature
from terracrm.domain.signatures import name_words
from terracrm.domain.texts import bare_words

_FORWARD = re.compile(
    r"^\s*(?:\[[^\]]{1,30}\]\s*)?(?:fwd?|пер|пересл|wg|tr|rv|enc|i|vs|doorst)\s*(?:\[\d+\])?\s*:", re.I
)

_SHORT = 500
_END = 100
_ANSWERS_WITHIN = re.compile(
    r"\b(?:см|смотри\w*|ответ\w*|коммент\w*|правк\w*|поправ\w*|отмет\w*|выдел\w*|пометил\w*)\b.{0,40}"
    r"\b(?:ниже|внутри|в\s+(?:самом\s+)?(?:тексте|письме)|по\s+тексту|красным|синим|зел[её]ным|ж[её]лтым|цветом)\b"
    r"|\b(?:see|answer\w*|comment\w*|repl(?:y|ies)|respon\w+|notes?|remarks?)\b.{0,40}"
    r"\b(?:below|inline|in-line|inside|in\s+(?:the\s+)?(?:text|body|red|blue|green|yellow|colou?r))\b",
    re.IGNORECASE,
)


class Kind(StrEnum):
    """What a part of a mail is. `NEW` is what its writer says with it, between quoted lines too."""

    NEW = "new"
    QUOTED = "quoted"
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of one kind that follow each other."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The parts of a mail in their order. Of a mail that only passes another on, that other is what is new."""

    parts: tuple[Part, ...] = ()

    @property
    def new(self) -> str:
        """What was said, without quotations and signature."""
        return self._all(Kind.NEW)

    @property
    def quoted(self) -> str:
        """What was quoted or forwarded below words of one's own."""
        return self._all(Kind.QUOTED)

    @property
    def signature(self) -> str:
        """The signature, with the courtesy above it and the notices below it."""
        return self._all(Kind.SIGNATURE)

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(part.text for part in self.parts)

    def _all(self, kind: Kind) -> str:
        return "".join(part.text for part in self.parts if part.kind is kind).strip("\r\n").rstrip()


def split_text(text: str, sender: Iterable[str] = ()) -> Reply:
    """The parts of a plain text. `sender`: names and addresses of the writer, which help to find the signature."""
    lines = text.splitlines(keepends=True)
    return _reply(lines, kinds(text_lines(lines), sender))


def split_html(html: str, sender: Iterable[str] = ()) -> Reply:
    """The parts of an HTML body, as the text that a reader sees of it."""
    page = html_lines.read(html)
    if page is None or not any(line.text or line.has_picture for line in page.shown):
        return split_text(bare_words(html), sender)
    return _reply(_as_text(page), kinds(page.lines(), sender))


def of_message(record: MessageRecord) -> Reply:
    """The parts of a mail as the mirror keeps them: what is new by the server where it knows, else by our own rules.

    What Exchange calls the unique body may be empty, or all of the body, and always has the signature in it.
    """
    sender = [name for p in record.participants if p.role is Role.FROM for name in (p.name, p.address)]
    whole = split(record.body_text, record.body_html, sender)
    unique = record.unique_text
    if not unique.strip() or _is_same(unique, whole.text):
        return whole
    lines = unique.splitlines(keepends=True)
    marked = _signed(text_lines(lines), whole.signature)
    return _reply(lines, kinds(marked, sender))


def _is_same(one: str, other: str) -> bool:
    """Whether two texts differ in nothing but spaces. Most that differ do so at their ends."""
    end, other_end = _without_spaces(one[-_END:]), _without_spaces(other[-_END:])
    return (end.endswith(other_end) or other_end.endswith(end)) and _without_spaces(one) == _without_spaces(other)


def _without_spaces(text: str) -> str:
    # Most are of these two kinds, and gone by the faster means.
    return "".join(text.replace(" ", "").replace("\n", "").split())


def _signed(lines: list[Line], known: str) -> list[Line]:
    """The lines, with the signature at their end marked that is known from the whole mail."""
    signature_lines = {visible(text).strip() for text in known.splitlines()}
    for index in range(len(lines) - 1, -1, -1):
        text = lines[index].text.strip()
        if text and text not in signature_lines:
            break
        lines[index] = lines[index]._replace(signature=bool(text))
    return lines


def split(text: str, html: str, sender: Iterable[str] = ()) -> Reply:
    """The parts of a body, whichever form it has."""
    return split_html(html, sender) if html else split_text(text, sender)


def kinds(lines: Sequence[Line], sender: Iterable[str] = ()) -> list[Kind]:
    """The kind of each line."""
    found = [Kind.NEW if mine else Kind.QUOTED for mine in own(lines)]
    names = name_words(sender)
    for kind, run in groupby(range(len(lines)), found.__getitem__):
        if kind is Kind.NEW:
            _tell_signature(lines, list(run), names, found)
    if not _has_text(lines, found, Kind.NEW):
        _take_as_new(lines, found)
    return _with_blank_lines(lines, found)


def says_quoted(subject: str, new: str) -> bool:
    """Whether what is quoted is a part of what is said: the mail passes it on, or has its answers within it."""
    return _FORWARD.match(subject) is not None or (len(new) <= _SHORT and _ANSWERS_WITHIN.search(new) is not None)


def _tell_signature(lines: Sequence[Line], run: list[int], names: Sequence[str], found: list[Kind]) -> None:
    """Mark the signature within lines of one's own: what the page marks as one, and what reads as one."""
    for index in run:
        if lines[index].signature:
            found[index] = Kind.SIGNATURE
    if (bounds := signature([lines[index].text for index in run], names)) is not None:
        for index in run[slice(*bounds)]:
            found[index] = Kind.SIGNATURE


def _take_as_new(lines: Sequence[Line], found: list[Kind]) -> None:
    """Nothing of one's own is in the mail: it says what it passes on (without that mail's headers), or signs."""
    carried = Kind.QUOTED if _has_text(lines, found, Kind.QUOTED) else Kind.SIGNATURE
    first = next((i for i, line in enumerate(lines) if found[i] is carried and line.text.strip()), 0)
    after = heading_end(lines, first) if carried is Kind.QUOTED else first
    if not any(line.text.strip() for line in lines[after:]):
        after = first
    found[after:] = [Kind.NEW if kind is carried else kind for kind in found[after:]]


def _has_text(lines: Sequence[Line], found: list[Kind], kind: Kind) -> bool:
    return any(is_of is kind and line.text.strip().strip(PICTURE) for is_of, line in zip(found, lines, strict=True))


def _with_blank_lines(lines: Sequence[Line], found: list[Kind]) -> list[Kind]:
    """Blank lines belong to what stands above them, so that no part is only a gap."""
    seen = [bool(line.text) and not line.text.isspace() for line in lines]
    kind = next((kind for kind, is_seen in zip(found, seen, strict=True) if is_seen), Kind.NEW)
    result = []
    for own_kind, is_seen in zip(found, seen, strict=True):
        kind = own_kind if is_seen else kind
        result.append(kind)
    return result


def _reply(texts: list[str], of: list[Kind]) -> Reply:
    parts, start = [], 0
    for kind, group in groupby(of):
        end = start + len(list(group))
        parts.append(Part(kind, "".join(texts[start:end])))
        start = end
    return Reply(tuple(parts))


def _as_text(page: Page) -> list[str]:
    """The text of each visible line, with its end; blank ones as the reader sees them, a row's cells on one line."""
    texts: list[str] = []
    above: Inside | None = None
    last = 0
    for line in page.shown:
        if line.text:
            if above is not None and _is_next_cell(above, line.inside):
                texts[last] = texts[last].rstrip("\n") + "\t"
            texts.append(("\n" if line.gap and above is not None else "") + line.text + "\n")
            above, last = line.inside, len(texts) - 1
        else:
            texts.append("\n" if above is not None and line.is_blank else "")
    return texts


def _is_next_cell(one: Inside, other: Inside) -> bool:
    return one.row is not None and one.row is other.row and one.cell is not other.cell
