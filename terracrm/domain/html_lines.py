"""The lines that a reader of an HTML mail sees, each with the places in the page that it is made of (S11).

Mail programs mark what they quote, and signatures, with elements: these marks are read here, words are not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from lxml import etree

from terracrm.domain.quotations import PICTURE, Line, quote_marks, visible

_BLOCKS = frozenset(
    "address article blockquote body center dd div dl dt fieldset footer form h1 h2 h3 h4 h5 h6 header li main ol p"  # noqa: SIM905
    " pre section table tbody td tfoot th thead tr ul".split()
)
VOID = frozenset(("br", "hr", "img", "input", "wbr"))
VOID_SLOT = "void"
_SILENT = frozenset(("script", "style", "head", "title", "meta", "link", "base", "template"))
_CELLS = frozenset(("td", "th"))

_QUOTE_CLASSES = re.compile(
    r"gmail_quote|yahoo_quoted|zmail_extra|protonmail_quote|AppleOriginalContents|OutlookMessageHeader|mail-quote"
    r"|tutanota_quote|mailru-quote|js-quote",
    re.IGNORECASE,
)
_QUOTE_IDS = re.compile(
    r"divRplyFwdMsg|appendonsend|stopSpelling|OLK_SRC_BODY_SECTION|mail-editor-reference|isForwardContent"
    r"|isReplyContent|yahoo_quoted|reply-intro",
    re.IGNORECASE,
)
_ATTRIBUTION_CLASSES = re.compile(r"gmail_attr|moz-cite-prefix|moz-forward-container-prefix|moz-email-headers", re.I)
_SIGNATURE = re.compile(
    r"gmail_signature|moz-signature|ms-outlook-(?:mobile|ios)-signature|AppleMailSignature|mobile-signature"
    r"|k9mail-signature|protonmail_signature_block|composer_signature|evo-signature|MAC_OUTLOOK_SIGNATURE"
    r"|bloop_sign|Zm-_Id_-Sgn|yahoo-signature|tutanota_signature|(?:^|\s|_)signature(?:$|\s|_)",
    re.IGNORECASE,
)
_SIGNATURE_DATA = ("data-signatureblock", "data-signature-widget", "data-smartmail", "data-signature")
_OUTLOOK_BOOKMARK = "_mailautosig"
# Outlook's frame around the headers of the mail that is answered, in whatever language they are.
_HEADER_FRAME = re.compile(
    r"border\s*:\s*none;\s*border-top\s*:\s*solid[^;]*;\s*padding\s*:\s*3\.0pt\s+0", re.IGNORECASE
)
_HEADERS_IN_FRAME = 3
_LONGEST_FRAME = 200  # pieces of text
_QUOTE_BORDER = re.compile(r"border-left\s*:(?![^;]*\b(?:none|0px|0pt)\b)[^;]*\b(?:solid|ridge|double)", re.IGNORECASE)
_PRESERVED = re.compile(r"white-space\s*:\s*(?:pre|break-spaces)", re.IGNORECASE)
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
# lxml reads them, as they are or as "&#11;", and takes them back nowhere.
_NOT_WRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_XML = re.compile(r"^\s*<\?xml[^>]*\?>")


class _Place(NamedTuple):
    """What holds for all that stands inside of an element, by its own marks or those of an element around it."""

    quoted: bool = False
    indented: bool = False
    signature: bool = False
    row: etree._Element | None = None
    cell: etree._Element | None = None


@dataclass(slots=True)
class Shown:
    """One visible line: the places in the page that it is made of, in their order, and what is read on it.

    A place is an element, which of its texts it is ("text" inside of it, "tail" after it), and that text; or an
    element that shows something itself (VOID), and no text. `row` and `cell` are the innermost row and cell of a
    table that the line stands in; `gap` when a paragraph's space is above it. A rule across the page reads as a line
    of underscores.
    """

    quoted: bool = False
    indented: bool = False
    signature: bool = False
    boundary: bool = False
    row: etree._Element | None = None
    cell: etree._Element | None = None
    gap: bool = False
    places: list[tuple[etree._Element, str, str]] = field(default_factory=list)
    text: str = ""

    def end(self) -> None:
        """Nothing is added to the line any more."""
        if self.places:
            words = "".join([text for _, _, text in self.places]).split()
            self.text = "_" * 8 if "hr" in self._voids else " ".join(words)

    @property
    def is_blank(self) -> bool:
        """Whether it is a line of its own although nothing is on it: a line break, or a paragraph of a hard space."""
        return not self.text and ("br" in self._voids or any("\xa0" in text for _, _, text in self.places))

    @property
    def is_seen(self) -> bool:
        """Whether there is more than space on it."""
        return bool(self.text) or any(tag != "br" for tag in self._voids)

    @property
    def has_picture(self) -> bool:
        """Whether there is an image on it, other than the clear dot that tells that a mail was read."""
        return any(
            slot == VOID_SLOT and each.tag == "img" and not ({each.get("width"), each.get("height")} & {"0", "1"})
            for each, slot, _ in self.places
        )

    @property
    def _voids(self) -> list[str]:
        return [element.tag for element, slot, _ in self.places if slot == VOID_SLOT]


@dataclass(frozen=True, slots=True)
class Page:
    """The body of an HTML mail and its visible lines in order."""

    body: etree._Element
    shown: list[Shown]

    def lines(self) -> list[Line]:
        """The lines as the rules about quotations read them."""
        marks = quote_marks([line.text for line in self.shown])
        return [
            Line(
                visible(line.text) if line.text else PICTURE * line.has_picture,
                line.quoted or mark,
                line.boundary,
                line.indented,
                line.signature,
            )
            for line, mark in zip(self.shown, marks, strict=True)
        ]


def read(content: str) -> Page | None:
    """The page of an HTML body; None where there is nothing in it or nobody can read it."""
    parser = etree.HTMLParser(huge_tree=True)  # that of lxml.html finds a class for each element
    try:
        page = etree.fromstring(_XML.sub("", content).replace("\x00", ""), parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return None
    body = page.find("body") if page is not None else None
    if body is None:
        return None
    if "<pre" in content or "white-space" in content:
        _break_lines(body)
    return Page(body, _Reader().read(body))


class _Reader:
    """Walks a page once, in the order of its text, without recursion: mail may be nested deeply."""

    def __init__(self) -> None:
        self.shown = [Shown()]
        self.here = _Place()
        self.outer: list[_Place] = []
        self.is_cut = False

    def read(self, body: etree._Element) -> list[Shown]:
        walk = etree.iterwalk(body, events=("start", "end", "comment", "pi"))
        silent = None
        for event, element in walk:
            if event == "start":
                if _is_silent(element):
                    walk.skip_subtree()
                    silent = element
                else:
                    self._enter(element)
                continue
            if event == "end" and element is not silent:
                self._leave(element.tag)
            if element.tail and element is not body:
                self.shown[-1].places.append((element, "tail", element.tail))
        for line in self.shown:
            line.end()
        return self.shown

    def _enter(self, element: etree._Element) -> None:
        tag, boundary = element.tag, False
        self.outer.append(self.here)
        is_marked = bool(element.keys())  # by any attribute
        if is_marked:
            boundary = not self.is_cut and _is_boundary(element)  # after the first one it makes no difference
            self.is_cut |= boundary
            if _is_signature(element):
                self.here = self.here._replace(signature=True)
        if is_marked or tag == "blockquote":
            quoted, indented = _quoting(element)
            if quoted or indented:
                quoted, indented = self.here.quoted or quoted, self.here.indented or indented
                self.here = self.here._replace(quoted=quoted, indented=indented)
        if tag == "tr":
            self.here = self.here._replace(row=element)
        elif tag in _CELLS:
            self.here = self.here._replace(cell=element)
        if tag in _BLOCKS or boundary:
            self._new_line(boundary, gap=tag == "p" and "Mso" not in (element.get("class") or ""))
        if tag in VOID:
            self.shown[-1].places.append((element, VOID_SLOT, ""))
        elif element.text:
            self._mark()
            self.shown[-1].places.append((element, "text", element.text))

    def _leave(self, tag: str) -> None:
        self.here = self.outer.pop()
        if tag in _BLOCKS or tag in ("br", "hr"):
            self._new_line()

    def _new_line(self, boundary: bool = False, gap: bool = False) -> None:
        quoted, indented, signature, row, cell = self.here
        self.shown.append(Shown(quoted, indented, signature, boundary, row, cell, gap))

    def _mark(self) -> None:
        """A mark on an element within the line holds for all of the line, when the line begins with it."""
        line = self.shown[-1]
        if not any(text.strip() for _, _, text in line.places):
            line.quoted |= self.here.quoted
            line.signature |= self.here.signature


def _is_silent(element: etree._Element) -> bool:
    style = element.get("style")
    return element.tag in _SILENT or (style is not None and _HIDDEN.search(style) is not None)


def _is_boundary(element: etree._Element) -> bool:
    """Where mail programs mark the beginning of what they quote with an element rather than with words."""
    if _QUOTE_IDS.search(element.get("id") or ""):
        return True
    name = element.get("class") or ""
    if name and element.tag != "blockquote" and _QUOTE_CLASSES.search(name):
        # With a quotation of its own inside, the answers may stand between: only that is quoted then.
        return element.find(".//blockquote") is None
    style = element.get("style") or ""
    if "border-top" not in style or not _HEADER_FRAME.search(style):
        return False
    text = "".join(map(str, islice(element.itertext(), _LONGEST_FRAME)))
    return text.count(":") >= _HEADERS_IN_FRAME


def _quoting(element: etree._Element) -> tuple[bool, bool]:
    """Whether the element holds a quotation, for certain or perhaps."""
    name = element.get("class") or ""
    if element.tag != "blockquote":
        return bool(name and _ATTRIBUTION_CLASSES.search(name)), False
    certain = (
        element.get("type") == "cite"
        or element.get("cite") is not None
        or "quote" in name.lower()
        or _QUOTE_BORDER.search(element.get("style") or "") is not None
    )
    return certain, not certain


def _is_signature(element: etree._Element) -> bool:
    if any(element.get(name) for name in _SIGNATURE_DATA):
        return True
    if element.tag == "a" and (element.get("name") or "").lower() == _OUTLOOK_BOOKMARK:
        return True
    marks = f"{element.get('class') or ''} {element.get('id') or ''}"
    return bool(_SIGNATURE.search(marks)) or _OUTLOOK_BOOKMARK in (element.get("style") or "").lower()


def _break_lines(body: etree._Element) -> None:
    """Make the line ends of preformatted text elements, so that each line can be told apart; it looks the same."""
    preserving: set[etree._Element] = set()
    for element in body.iter(etree.Element):
        style = element.get("style") or ""
        inherited = element.getparent() in preserving
        if inherited or element.tag == "pre" or ("white-space" in style and _PRESERVED.search(style)):
            preserving.add(element)
    for element in preserving:
        if element.text and "\n" in element.text and element.tag not in VOID:
            first, *rest = writable(element.text).split("\n")
            element.text = first
            for line in reversed(rest):
                element.insert(0, _break(line))
        if element.tail and "\n" in element.tail and element.getparent() in preserving:
            first, *rest = writable(element.tail).split("\n")
            element.tail = None
            for line in reversed(rest):
                element.addnext(_break(line))
            element.tail = first


def writable(text: str) -> str:
    """A text of a page as it can be put into one: spaces for control characters."""
    return _NOT_WRITABLE.sub(" ", text)


def _break(line: str) -> etree._Element:
    made = etree.Element("br")
    made.tail = line
    return made
