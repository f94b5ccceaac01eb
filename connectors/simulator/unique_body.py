"""The new text of a reply, as Exchange's UniqueBody: what its writer wrote, without the mail that it quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lxml import etree
from lxml import html as lxml_html

from connectors.simulator.quotations import Line, written

_QUOTE_CLASSES = re.compile(
    r"gmail_(?:quote|attr)|yahoo_quoted|moz-cite-prefix|zmail_extra|protonmail_quote|AppleOriginalContents"
    r"|OutlookMessageHeader|mail-quote|tutanota_quote",
    re.IGNORECASE,
)
_QUOTE_IDS = ("divRplyFwdMsg", "appendonsend", "stopSpelling", "OLK_SRC_BODY_SECTION", "mail-editor-reference")
_BLOCKS = frozenset(
    "address article blockquote body center dd div dl dt fieldset footer form h1 h2 h3 h4 h5 h6 header li main ol p"  # noqa: SIM905
    " pre section table tbody td tfoot th thead tr ul".split()
)
_VOID = frozenset(("br", "hr", "img", "input", "wbr"))
_SILENT = frozenset(("script", "style", "head", "title", "meta", "link", "base"))
_QUOTE_MARK = re.compile(r"^\s{0,3}>")
_DEEPEST = 200


def unique_body(content: str, kind: str) -> str:
    """The part of a body that was written anew; `kind` is "HTML" or "Text". Without quotation: the body itself."""
    return _unique_html(content) if kind == "HTML" else _unique_text(content)


def _unique_text(content: str) -> str:
    lines = content.splitlines()
    keep = written([Line(line, bool(_QUOTE_MARK.match(line))) for line in lines])
    if all(keep):
        return content
    kept = "\r\n".join(line for line, stays in zip(lines, keep, strict=True) if stays)
    return f"{kept.rstrip()}\r\n" if kept.strip() else ""


@dataclass
class _Shown:
    """One visible line of a page: where its text is, and what it shows besides text."""

    quoted: bool
    boundary: bool = False
    pieces: list[tuple[etree._Element, str, str]] = field(default_factory=list)
    voids: list[etree._Element] = field(default_factory=list)

    @property
    def text(self) -> str:
        if any(void.tag == "hr" for void in self.voids):
            return "_" * 8
        return re.sub(r"\s+", " ", "".join(text for _, _, text in self.pieces)).strip()

    @property
    def is_quoted(self) -> bool:
        return self.quoted or bool(_QUOTE_MARK.match(self.text))


def _unique_html(content: str) -> str:
    try:
        page = lxml_html.document_fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", content))
    except (etree.LxmlError, ValueError):
        return content
    body = page.find("body")
    if body is None:
        return content
    lines = [_Shown(False)]
    _read(body, lines, quoted=False, depth=_DEEPEST)
    keep = written([Line(line.text, line.is_quoted, line.boundary) for line in lines])
    if all(keep):
        return content
    while any(keep) and not _is_seen(lines[_last(keep)]):
        keep[_last(keep)] = False
    _drop([line for line, stays in zip(lines, keep, strict=True) if not stays], body)
    inner = etree.tostring(body, encoding="unicode", method="html")
    return f"<html>{inner}</html>"


def _last(keep: list[bool]) -> int:
    return len(keep) - 1 - keep[::-1].index(True)


def _is_seen(line: _Shown) -> bool:
    return bool(line.text) or any(void.tag != "br" for void in line.voids)


def _read(element: etree._Element, lines: list[_Shown], *, quoted: bool, depth: int) -> None:
    """Append the visible lines of an element, without the text that follows it."""
    tag = element.tag if isinstance(element.tag, str) else ""
    if not tag or tag in _SILENT or depth == 0:
        return
    quoted = quoted or tag == "blockquote"
    boundary = _is_boundary(element)
    block = tag in _BLOCKS
    if block or boundary:
        lines.append(_Shown(quoted, boundary))
    if tag in _VOID:
        lines[-1].voids.append(element)
        if tag in ("br", "hr"):
            lines.append(_Shown(quoted))
        return
    if element.text:
        lines[-1].pieces.append((element, "text", element.text))
    for child in element:
        _read(child, lines, quoted=quoted, depth=depth - 1)
        if child.tail:
            lines[-1].pieces.append((child, "tail", child.tail))
    if block:
        lines.append(_Shown(quoted and tag != "blockquote"))


def _is_boundary(element: etree._Element) -> bool:
    """Where mail programs mark the beginning of what they quote with an element rather than with words."""
    if _QUOTE_CLASSES.search(element.get("class") or ""):
        return True
    name = element.get("id") or ""
    if any(known in name for known in _QUOTE_IDS):
        return True
    return element.tag == "blockquote" and element.get("type") == "cite" and element.getprevious() is None


def _drop(dropped: list[_Shown], body: etree._Element) -> None:
    for line in dropped:
        for element, slot, _ in line.pieces:
            setattr(element, slot, None)
    for line in dropped:
        for void in line.voids:
            _remove(void)
    for element in reversed(list(body.iterdescendants())):
        empty = not len(element) and not (element.text or "").strip()
        if empty and element.tag not in _VOID and isinstance(element.tag, str):
            _remove(element)


def _remove(element: etree._Element) -> None:
    """Take an element away, but leave the text that follows it."""
    parent = element.getparent()
    if parent is None:
        return
    before = element.getprevious()
    if element.tail:
        if before is not None:
            before.tail = (before.tail or "") + element.tail
        else:
            parent.text = (parent.text or "") + element.tail
    parent.remove(element)
