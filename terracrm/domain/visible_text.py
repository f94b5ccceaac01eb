"""The text that a reader sees of HTML, with the place of every character in the source.

So a piece of a page can be found by what it says and cut out of the source, while the rest stays byte for byte.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from dataclasses import dataclass

_TOKEN = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(?P<hidden>style|script|title)\b[^<>]*>.*?(?:</(?P=hidden)\s*>|\Z)"
    r"|<(?P<close>/?)(?P<name>[a-z][^\s/<>]*)[^<>]*>"
    r"|<[!?][^<>]*>"
    r"|(?P<entity>&#?\w{1,31};)",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(r"<(?P<close>/?)(?P<name>[a-z][^\s/<>]*)[^<>]*>", re.IGNORECASE)
_OPENED_BEFORE = re.compile(r"<(?P<name>[a-z][^\s/<>]*)[^<>]*>\s*\Z", re.IGNORECASE)
_CLOSED_AFTER = re.compile(
    r"(?:\s|<o:p>(?:\s|&nbsp;)*</o:p>)*</(?P<name>[a-z][^\s<>]*)\s*>",  # Outlook ends paragraphs with <o:p></o:p>
    re.IGNORECASE,
)
_LONGEST_TAG = 2000
_VOID = frozenset(["br", "hr", "img", "input", "meta", "link", "wbr", "col", "area", "base"])
_NEW_LINE = frozenset(
    ["br", "p", "div", "li", "ul", "ol", "tr", "table", "body", "blockquote", "pre", "hr"]
    + [f"h{level}" for level in range(1, 7)]
)
_SPACES = str.maketrans("\r\n\t", "   ")


@dataclass(frozen=True, slots=True)
class _Run:
    """A stretch of visible text: character by character the same in the source, or one entity."""

    shown_at: int
    start: int
    end: int
    is_entity: bool = False


class VisibleText:
    """What HTML shows: `text` has a line break for each tag that begins a new line; those of the source are spaces.

    Every character of it can be found in the source with `source`. Comments, styles and scripts show nothing.
    """

    def __init__(self, source: str) -> None:
        self._runs: list[_Run] = []
        self._shown: list[str] = []
        self._length = 0
        position = 0
        for token in _TOKEN.finditer(source):
            self._show(source[position : token.start()].translate(_SPACES), position, token.start())
            position = token.end()
            if token["entity"]:
                self._show(html.unescape(token["entity"]), *token.span(), is_entity=True)
            elif token["name"] and token["name"].lower() in _NEW_LINE:
                self._show("\n", *token.span(), is_entity=True)
        self._show(source[position:].translate(_SPACES), position, len(source))
        self.text = "".join(self._shown)

    def _show(self, text: str, start: int, end: int, is_entity: bool = False) -> None:
        if text:
            self._runs.append(_Run(self._length, start, end, is_entity))
            self._shown.append(text)
            self._length += len(text)

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Where in the source the visible characters from `start` to before `end` are; there is at least one."""
        first, last = self._run(start), self._run(end - 1)
        begin = first.start if first.is_entity else first.start + start - first.shown_at
        return begin, last.end if last.is_entity else last.start + end - last.shown_at

    def _run(self, position: int) -> _Run:
        return self._runs[bisect_right(self._runs, position, key=lambda run: run.shown_at) - 1]


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece of HTML to take out: `closes` and `opens` are tags inside it that the markup around needs."""

    start: int
    end: int
    closes: str = ""
    opens: str = ""


def balanced(source: str, start: int, end: int) -> Cut:
    """The cut that takes out source[start:end] and leaves the markup around whole.

    Paragraphs and the like that hold nothing but the piece go with it, a <div> around all of it as well.
    """
    closes, opens = _unmatched(source[start:end])
    while True:
        before = _OPENED_BEFORE.search(source, max(0, start - _LONGEST_TAG), start)
        after = _CLOSED_AFTER.match(source, end)
        opened, closed = _name(before), _name(after)
        if before and closes and opened == _name(_TAG.match(closes[0])):
            start, closes = before.start(), closes[1:]
        elif after and opens and closed == _name(_TAG.match(opens[-1])):
            end, opens = after.end(), opens[:-1]
        else:
            break
    if before and after and not closes and not opens and opened == closed == "div":
        start, end = before.start(), after.end()
    return Cut(start, end, "".join(closes), "".join(opens))


def _unmatched(piece: str) -> tuple[list[str], list[str]]:
    """The closing and the opening tags of a piece whose counterparts lie outside it."""
    closes: list[str] = []
    opens: list[tuple[str, str]] = []
    for tag in _TAG.finditer(piece):
        name = _name(tag)
        if name in _VOID or tag[0].endswith("/>"):
            continue
        if not tag["close"]:
            opens.append((name, tag[0]))
        elif name in (one for one, _ in opens):
            opens.pop(max(index for index, (one, _) in enumerate(opens) if one == name))
        else:
            closes.append(tag[0])
    return closes, [tag for _, tag in opens]


def _name(tag: re.Match[str] | None) -> str:
    return tag["name"].lower() if tag else ""
