"""The lines that a reader of an HTML mail sees, each with the places in the page that it is made of (S11).

Mail programs mark what they quote, and signatures, with elements: these marks are read here, words are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
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
_LINE_ENDS = _BLOCKS | {"br", "hr"}
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
_SIGNATURE_DATA = frozenset(("data-signatureblock", "data-signature-widget", "data-smartmail", "data-signature"))
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
_LONG_MARKS = 300  # characters: longer ones hardly come again, and are not remembered


class Inside(NamedTuple):
    """What holds for all that stands inside of an element, by its own marks or those of an element around it.

    `row` and `cell` are the innermost row and cell of a table.
    """

    quoted: bool = False
    indented: bool = False
    signature: bool = False
    row: etree._Element | None = None
    cell: etree._Element | None = None


class _Marks(NamedTuple):
    """What the tag and the attributes of an element say. `boundary` is what must be true of one that may be one."""

    silent: bool = False
    quoted: bool = False
    indented: bool = False
    signature: bool = False
    boundary: Callable[[etree._Element], bool] | None = None
    gap: bool = False


@dataclass(slots=True)
class Shown:
    """One visible line: the places in the page that it is made of, in their order, and what is read on it.

    A place is an element, which of its texts it is ("text" inside of it, "tail" after it), and that text; or an
    element that shows something itself (VOID), and no text; `voids` are the tags of these. `inside` is what holds for
    the line; `gap` when a paragraph's space is above it. A rule across the page reads as a line of underscores.
    """

    inside: Inside
    boundary: bool = False
    gap: bool = False
    places: list[tuple[etree._Element, str, str]] = field(default_factory=list)
    voids: tuple[str, ...] = ()
    text: str = ""

    def begin(self, inside: Inside) -> None:
        """A mark on an element within the line holds for all of the line, when the line begins with it."""
        if not any(text.strip() for _, _, text in self.places):
            quoted, signature = self.inside.quoted or inside.quoted, self.inside.signature or inside.signature
            self.inside = self.inside._replace(quoted=quoted, signature=signature)

    def end(self) -> None:
        """Nothing is added to the line any more."""
        words = "".join([text for _, _, text in self.places]).split()
        self.text = "_" * 8 if "hr" in self.voids else " ".join(words)

    @property
    def is_blank(self) -> bool:
        """Whether it is a line of its own although nothing is on it: a line break, or a paragraph of a hard space."""
        return not self.text and ("br" in self.voids or any("\xa0" in text for _, _, text in self.places))

    @property
    def is_seen(self) -> bool:
        """Whether there is more than space on it."""
        return bool(self.text) or any(tag != "br" for tag in self.voids)

    @property
    def has_picture(self) -> bool:
        """Whether there is an image on it, other than the clear dot that tells that a mail was read."""
        return "img" in self.voids and any(
            slot == VOID_SLOT and each.tag == "img" and not ({each.get("width"), each.get("height")} & {"0", "1"})
            for each, slot, _ in self.places
        )


@dataclass(frozen=True, slots=True)
class Page:
    """The body of an HTML mail and its visible lines in order."""

    body: etree._Element
    shown: list[Shown]

    def lines(self) -> list[Line]:
        """The lines as the rules about quotations read them."""
        marks = quote_marks([line.text for line in self.shown])
        return [_line(line, mark) for line, mark in zip(self.shown, marks, strict=True)]


def read(content: str) -> Page | None:
    """The page of an HTML body; None where there is nothing in it or nobody can read it."""
    parser = etree.HTMLParser(huge_tree=True)  # that of lxml.html finds a class for each element
    try:
        page = etree.fromstring(_XML.sub("", content).replace("\x00", ""), parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return None
    body = next(page.iterchildren("body"), None) if page is not None else None
    if body is None:
        return None
    if "<pre" in content or "white-space" in content:
        _break_lines(body)
    return Page(body, _shown(body))


def _shown(body: etree._Element) -> list[Shown]:
    """Walk a page once, in the order of its text, without recursion: mail may be nested deeply."""
    inside, outer, silent, is_cut = Inside(), list[Inside](), None, False
    line = Shown(inside)
    shown = [line]
    walk = etree.iterwalk(body, events=("start", "end", "comment", "pi"))
    for event, element in walk:
        tag = element.tag
        if event == "start":
            marks = _marks_of(element, names) if (names := element.keys()) else _remembered_marks(tag)
            if marks.silent:
                walk.skip_subtree()
                silent = element
                continue
            outer.append(inside)
            inside = _inside(inside, marks, element)
            # After the first one it makes no difference.
            boundary = not is_cut and marks.boundary is not None and marks.boundary(element)
            is_cut |= boundary
            if tag in _BLOCKS or boundary:
                line = Shown(inside, boundary, marks.gap)
                shown.append(line)
            if tag in VOID:
                line.places.append((element, VOID_SLOT, ""))
                line.voids += (tag,)
            elif text := element.text:
                if inside.quoted or inside.signature:
                    line.begin(inside)
                line.places.append((element, "text", text))
            continue
        if event == "end" and element is not silent:
            inside = outer.pop()
            if tag in _LINE_ENDS:
                line = Shown(inside)
                shown.append(line)
        if element is not body and (tail := element.tail):
            line.places.append((element, "tail", tail))
    for line in shown:
        if line.places:
            line.end()
    return shown


def _line(line: Shown, is_marked: bool) -> Line:
    """The line as the rules about quotations read it."""
    quoted, indented, signature, _, _ = line.inside
    text = visible(line.text) if line.text else PICTURE * line.has_picture
    return Line(text, quoted or is_marked, line.boundary, indented, signature)


def _inside(around: Inside, marks: _Marks, element: etree._Element) -> Inside:
    """What holds inside of an element."""
    if marks.quoted or marks.indented or marks.signature:
        around = around._replace(
            quoted=around.quoted or marks.quoted,
            indented=around.indented or marks.indented,
            signature=around.signature or marks.signature,
        )
    if element.tag == "tr":
        return around._replace(row=element)
    return around._replace(cell=element) if element.tag in _CELLS else around


def _marks_of(element: etree._Element, names: list[str]) -> _Marks:
    """What an element with attributes of these names says. Mail programs write the same few again and again."""
    tag, name, id_, style = element.tag, element.get("class", ""), element.get("id", ""), element.get("style", "")
    is_short = len(name) + len(id_) + len(style) < _LONG_MARKS
    marks = (_remembered_marks if is_short else _read_marks)(tag, name, id_, style)
    if tag == "blockquote" and (element.get("type") == "cite" or element.get("cite") is not None):
        marks = marks._replace(quoted=True, indented=False)
    is_bookmark = tag == "a" and element.get("name", "").lower() == _OUTLOOK_BOOKMARK
    # lxml reads attributes by names that it cannot be asked for.
    if is_bookmark or any(map(element.get, _SIGNATURE_DATA.intersection(names))):
        marks = marks._replace(signature=True)
    return marks


def _read_marks(tag: str, name: str = "", id_: str = "", style: str = "") -> _Marks:
    """What is told by the tag, class, id and style of an element."""
    is_quotation = tag == "blockquote"
    quoted = bool(name and _ATTRIBUTION_CLASSES.search(name))
    if is_quotation:  # for certain, or it is perhaps a mere indentation
        quoted = "quote" in name.lower() or _QUOTE_BORDER.search(style) is not None
    return _Marks(
        silent=tag in _SILENT or _HIDDEN.search(style) is not None,
        quoted=quoted,
        indented=is_quotation and not quoted,
        signature=bool(_SIGNATURE.search(f"{name} {id_}")) or _OUTLOOK_BOOKMARK in style.lower(),
        boundary=_boundary(tag, name, id_, style),
        gap=tag == "p" and "Mso" not in name,
    )


_remembered_marks = lru_cache(maxsize=1000)(_read_marks)


def _boundary(tag: str, name: str, id_: str, style: str) -> Callable[[etree._Element], bool] | None:
    """Where mail programs mark the beginning of what they quote with an element rather than with words."""
    if _QUOTE_IDS.search(id_):
        return _always
    if tag != "blockquote" and _QUOTE_CLASSES.search(name):
        return _holds_no_quotation
    return _holds_headers if _HEADER_FRAME.search(style) else None


def _always(_: etree._Element) -> bool:
    return True


def _holds_no_quotation(element: etree._Element) -> bool:
    # With a quotation of its own inside, the answers may stand between: only that is quoted then.
    return element.find(".//blockquote") is None


def _holds_headers(element: etree._Element) -> bool:
    text = "".join(map(str, islice(element.itertext(), _LONGEST_FRAME)))
    return text.count(":") >= _HEADERS_IN_FRAME


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
