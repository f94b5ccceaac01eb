"""An HTML mail with what it quotes and its signature folded: one click away, in their place (S11).

The page is cut in the order of its text, as a hand would mark it, whatever elements it crosses; nothing of it is
dropped or copied. It is made safe to show after that, never before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import groupby

from lxml import etree

from terracrm.domain import html_lines
from terracrm.domain.html_lines import VOID_SLOT, Shown, writable
from terracrm.domain.replies import Kind, kinds

# Where a fold may stand: the others hold only rows, items or text.
_HOLDERS = frozenset(
    ["article", "blockquote", "body", "center", "dd", "div", "fieldset", "footer", "form", "header", "li", "main",
     "section", "td", "th"]
)  # fmt: skip

_NAME = re.compile(r"[a-z_][a-z0-9_.-]*\Z", re.IGNORECASE)

# No person writes more; folding such a page would keep its reader waiting for seconds.
MOST_TAGS = 60_000


def fold(html: str, sender: Iterable[str], titles: Mapping[Kind, str], says_quoted: bool = False) -> str:
    """The body with each quotation and signature in a <details> under its title; as it is when there are none.

    Also as it is when it has more than `MOST_TAGS` tags.

    What is quoted between two answers stays open, so that these can be understood, and so does what is quoted as a
    part of what is said (`replies.says_quoted`).
    """
    page = html_lines.read(html) if html.count("<") <= MOST_TAGS else None
    if page is None:
        return html
    of = kinds(page.lines(), sender)
    new = [index for index, kind in enumerate(of) if kind is Kind.NEW]
    told = []
    for kind, group in groupby(range(len(of)), of.__getitem__):
        run = list(group)
        if kind is not Kind.NEW and any(page.shown[index].is_seen for index in run):
            between = bool(new) and new[0] < run[0] and run[-1] < new[-1]
            told.append((kind, run, kind is Kind.QUOTED and (between or says_quoted)))
    folded = _Folder(page.shown, page.body)
    for kind, run, is_open in reversed(told):
        folded.put_away(run, titles[kind], is_open)
    return str(etree.tostring(page.body, encoding="unicode", method="html")) if told else html


class _Folder:
    """Puts runs of lines away, the last one first, so that each element moves only a few times."""

    def __init__(self, shown: list[Shown], body: etree._Element) -> None:
        self.shown, self.body = shown, body
        self.starts: dict[int, etree._Element] = {}

    def put_away(self, run: list[int], title: str, is_open: bool) -> None:
        """Move what these lines show into a <details>."""
        lines = [index for index in run if self.shown[index].places]
        first, last = self._start(lines[0]), self._start(lines[-1])
        after = next((index for index in range(run[-1] + 1, len(self.shown)) if self.shown[index].places), None)
        stop = self._start(after) if after is not None else None
        holder = _holder(first, last, self.body)
        end = _cut(holder, stop) if stop is not None and _is_within(stop, holder) else None
        start = _cut(holder, first)
        details = etree.Element("details", {"open": ""} if is_open else {})
        etree.SubElement(details, "summary").text = title
        start.addprevious(details)
        while (sibling := details.getnext()) is not None and sibling is not end:
            details.append(sibling)
        self.starts[lines[0]] = details

    def _start(self, index: int) -> etree._Element:
        """The element that a line begins with; its first text gets one."""
        if index not in self.starts:
            element, slot, _ = self.shown[index].places[0]
            self.starts[index] = element if slot == VOID_SLOT else _wrapped(element, slot)
        return self.starts[index]


def _wrapped(element: etree._Element, slot: str) -> etree._Element:
    span = etree.Element("span")
    if slot == "text":
        span.text, element.text = writable(element.text or ""), None
        element.insert(0, span)
    else:
        span.text, element.tail = writable(element.tail or ""), None
        element.addnext(span)
    return span


def _empty_copy(element: etree._Element) -> etree._Element:
    """Another element of the same kind. Names as "o:p" or "anna@office.test" are read and cannot be made."""
    named = ((str(name), str(value)) for name, value in element.items())
    attributes = {name: writable(value) for name, value in named if _NAME.match(name)}
    return etree.Element(element.tag if _NAME.match(element.tag) else "span", attributes)


def _holder(first: etree._Element, last: etree._Element, body: etree._Element) -> etree._Element:
    """The innermost element around both that can hold a fold."""
    around = set(first.iterancestors())
    return next((each for each in last.iterancestors() if each in around and each.tag in _HOLDERS), body)


def _is_within(element: etree._Element, holder: etree._Element) -> bool:
    return any(each is holder for each in element.iterancestors())


def _cut(holder: etree._Element, element: etree._Element) -> etree._Element:
    """The child of the holder that begins with this element; its parents are cut in two where they do not."""
    parent = element.getparent()
    while parent is not None and parent is not holder:
        if element.getprevious() is None and not (parent.text or "").strip():
            element = parent
        else:
            rest = _empty_copy(parent)
            rest.tail, parent.tail = writable(parent.tail or "") or None, None
            for moved in [element, *element.itersiblings()]:
                rest.append(moved)
            parent.addnext(rest)
            element = rest
        parent = element.getparent()
    return element
