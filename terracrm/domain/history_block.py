"""The relationship history in the notes of an Outlook contact: a marked block among the user's own words (W2).

    [TerraCRM:history] Relationship history
    Owner: R. Borisov
    12 Mar 2026, call: will send the order on Monday
    https://crm.example.com/contacts/7
    [TerraCRM:end:3f9a2c1b]

The markers are the same in every language and hold no space, no angle bracket and no letter outside ASCII, so they
outlive Outlook's rich text, Exchange's conversions and phones. Their words may even be translated: their form is
what counts. The end carries a checksum of what stands between, which does not look at white space and markup.

What is the user's stays byte for byte: all that is outside the block, in a plain body and in an HTML one. What of
the block is the user's is decided so that nothing anybody wrote is lost:

- A line typed or changed inside the block moves out, to right below it, when the block is next written.
- A copy of the block is taken out; so is a marker without its other half, with the lines next to it that we wrote.
- Without `written`, the text of the block as it was last written, every line of a changed block counts as typed.
- A block that is gone altogether was deleted: the contact has opted out, and nothing puts it back.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from dataclasses import replace as changed
from enum import StrEnum
from typing import Final

from terracrm.domain.records import Body
from terracrm.domain.visible_text import VisibleText, balanced

LONGEST_LINE: Final = 300

_MARKER = re.compile(
    r"\[\s*TerraCRM\s*:\s*[^\W\d_]{1,30}\s*(?::\s*(?P<checksum>[0-9a-f]{8})\s*)?\]",
    re.IGNORECASE,
)
_LIKE_A_MARKER = re.compile(r"\[(?=\s*TerraCRM\s*:)", re.IGNORECASE)
_OURS_IN_HTML = re.compile(
    r"<div>\[TerraCRM:history\](?P<inside>[^<]*(?:<br>\r\n[^<]*)*)\[TerraCRM:end:(?P<checksum>[0-9a-f]{8})\]</div>"
)
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
_LINE = re.compile(r"[^\r\n]+")
_BLANK_LINE = re.compile(r"(?:\r\n|\r|\n){1,2}\Z")
_UNKEPT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_FIELD_CODE = re.compile(r'HYPERLINK\s+"[^"\r\n]*"\s*')
_TARGET = re.compile(r"(?<!\s)\s*<(?:mailto:|tel:)?(?P<target>[^<>\s]{1,2000})>")
_INVISIBLE = re.compile("[\\s\u200b-\u200d\u2060\ufeff\u00ad]+")


class State(StrEnum):
    """What became of the block in a contact's notes."""

    PRESENT = "present"
    ABSENT = "absent"
    REMOVED = "removed"
    EDITED = "edited"


@dataclass(frozen=True, slots=True)
class Block:
    """What the block says, in the language of the mailbox's owner: facts are labels with their values."""

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    entries: tuple[str, ...] = ()
    link: str = ""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A block, or what is left of one, in a text: `kept` are the user's lines in it.

    `checksum` is that of a block as it was written, "" for a damaged one. `closes` and `opens` are tags that stay.
    """

    start: int
    end: int
    kept: tuple[str, ...] = ()
    checksum: str = ""
    closes: str = ""
    opens: str = ""


def render(block: Block) -> str:
    """The block as plain text with LF line ends, markers included; it stands in no more than one line per entry."""
    lines = _lines(block)
    return "\n".join((f"[TerraCRM:history] {lines[0]}", *lines[1:], f"[TerraCRM:end:{_checksum(lines)}]"))


def read(body: Body, was_there: bool) -> State:
    """What became of the block; `was_there`: it had been written into these notes before."""
    pieces = _pieces(body, frozenset())
    if not pieces:
        return State.REMOVED if was_there else State.ABSENT
    return State.PRESENT if len(pieces) == 1 and pieces[0].checksum else State.EDITED


def replace(body: Body, block: Block, written: str = "") -> Body:
    """The notes with this block in place of the old one, or below the user's text where there was none.

    The same body comes back when it already holds the block. `written` is what `render` gave for the last block.
    """
    pieces = _pieces(body, _keys(written))
    if [piece.checksum for piece in pieces] == [_checksum(_lines(block))]:
        return body
    new = _in_html(block) if body.is_html else _in_text(block, body.content)
    if not pieces:
        return changed(body, content=_inserted(body, new))
    kept = _below(body, (line for piece in pieces for line in piece.kept))
    return changed(body, content=_without(body.content, pieces, new + kept))


def strip(body: Body, written: str = "") -> Body:
    """The user's own text, with what was typed inside the block; strip(replace(x, block)) is strip(x), byte for byte.

    `written` is what `render` gave for the last block.
    """
    pieces = _pieces(body, _keys(written))
    if not pieces:
        return body
    kept = _below(body, (line for piece in pieces for line in piece.kept))
    if not body.is_html:
        blank = _BLANK_LINE.search(body.content, 0, pieces[0].start)
        pieces[0] = changed(pieces[0], start=blank.start() if blank else pieces[0].start)
    return changed(body, content=_without(body.content, pieces, kept))


def _lines(block: Block) -> list[str]:
    facts = (f"{label}: {value}" for label, value in block.facts if value)
    texts = (block.title, *facts, *block.entries, block.link)
    lines = [line for text in texts if (line := _one_line(text))]
    return lines or [""]


def _one_line(text: str) -> str:
    """A text that cannot be taken for a marker nor break its line; a link is never cut."""
    line = _LIKE_A_MARKER.sub("(", _UNKEPT.sub("", " ".join(text.split())))
    return line if len(line) <= LONGEST_LINE or "://" in line else f"{line[: LONGEST_LINE - 1]}…"


def _in_text(block: Block, content: str) -> str:
    return render(block).replace("\n", _line_end(content))


def _in_html(block: Block) -> str:
    return f"<div>{'<br>'.join(html.escape(line, quote=False) for line in render(block).splitlines())}</div>".replace(
        "<br>", "<br>\r\n"
    )


def _line_end(content: str) -> str:
    """The line end that the notes have already."""
    return "\n" if "\n" in content and "\r" not in content else "\r\n"


def _inserted(body: Body, new: str) -> str:
    """The notes with a first block: below the user's text, after a blank line in plain text."""
    content = body.content
    if not body.is_html:
        return f"{content}{_line_end(content) * 2 if content else ''}{new}"
    ends = [match.start() for match in _BODY_END.finditer(content)]
    end = ends[-1] if ends else len(content)
    return content[:end] + new + content[end:]


def _below(body: Body, lines: Iterable[str]) -> str:
    """The user's lines as they follow the block."""
    if body.is_html:
        return "".join(f"<div>{html.escape(line, quote=False)}</div>" for line in lines)
    return "".join(_line_end(body.content) + line for line in lines)


def _without(content: str, pieces: list[_Piece], instead: str) -> str:
    """The text without the pieces, and something else in place of the first."""
    parts, position = [], 0
    for piece in pieces:
        parts += [content[position : piece.start], piece.closes, instead, piece.opens]
        position, instead = piece.end, ""
    return "".join((*parts, content[position:]))


def _pieces(body: Body, ours: frozenset[str]) -> list[_Piece]:
    """Every block and every half of one in their order; `ours` are the keys of the lines that we wrote."""
    if not body.is_html:
        return list(_text_pieces(body.content, ours))
    content = body.content
    exact = [
        _Piece(*match.span(), checksum=match["checksum"])
        for match in _OURS_IN_HTML.finditer(content)
        if _checksum([html.unescape(match["inside"].replace("<br>", ""))]) == match["checksum"]
    ]
    for piece in exact:
        content = content[: piece.start] + " " * (piece.end - piece.start) + content[piece.end :]
    seen = VisibleText(content)
    rewritten = [_in_source(piece, content, seen) for piece in _text_pieces(seen.text, ours)]
    return sorted(exact + rewritten, key=lambda piece: piece.start)


def _in_source(piece: _Piece, content: str, seen: VisibleText) -> _Piece:
    cut = balanced(content, *seen.source(piece.start, piece.end))
    return changed(piece, start=cut.start, end=cut.end, closes=cut.closes, opens=cut.opens)


def _text_pieces(text: str, ours: frozenset[str]) -> Iterator[_Piece]:
    opened: re.Match[str] | None = None
    done = 0
    for marker in _MARKER.finditer(text):
        if not marker["checksum"]:
            if opened:
                yield _opened_only(text, opened, marker.start(), ours)
            opened = marker
            continue
        yield _whole(text, opened, marker, ours) if opened else _closed_only(text, done, marker, ours)
        opened, done = None, marker.end()
    if opened:
        yield _opened_only(text, opened, len(text), ours)


def _whole(text: str, opened: re.Match[str], closed: re.Match[str], ours: frozenset[str]) -> _Piece:
    inside = text[opened.end() : closed.start()]
    checksum = closed["checksum"].lower()
    if _checksum([inside]) == checksum:
        return _Piece(opened.start(), closed.end(), checksum=checksum)
    lines = (line.strip(" ") for line in _LINE.findall(inside))
    kept = tuple(line for line in lines if (key := _key(line)) and key not in ours)
    return _Piece(opened.start(), closed.end(), kept)


def _opened_only(text: str, opened: re.Match[str], limit: int, ours: frozenset[str]) -> _Piece:
    """A beginning without an end: with it goes what follows, as far as we wrote it."""
    end = opened.end()
    for line in _LINE.finditer(text, end, limit):
        key = _key(line[0])
        if key and key not in ours:
            break
        end = line.end() if key else end
    return _Piece(opened.start(), end)


def _closed_only(text: str, done: int, closed: re.Match[str], ours: frozenset[str]) -> _Piece:
    """An end without a beginning: with it goes what stands above, as far as we wrote it."""
    start = closed.start()
    for line in reversed(list(_LINE.finditer(text, done, start))):
        key = _key(line[0])
        if key and key not in ours:
            break
        start = line.start() if key else start
    return _Piece(start, closed.end())


def _keys(written: str) -> frozenset[str]:
    return frozenset(key for line in _MARKER.sub("", written).splitlines() if (key := _key(line)))


def _key(text: str) -> str:
    """A text as it is compared: without white space, and without what Outlook adds where it makes a link."""
    text = _FIELD_CODE.sub("", text)
    parts, position = [], 0
    for match in _TARGET.finditer(text):
        parts.append(text[position : match.start()])
        if not "".join(parts[-1:]).rstrip("/").endswith(match["target"].rstrip("/")):
            parts.append(match[0])
        position = match.end()
    return _INVISIBLE.sub("", "".join((*parts, text[position:])))


def _checksum(lines: Iterable[str]) -> str:
    return hashlib.blake2s(_key("".join(lines)).encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
