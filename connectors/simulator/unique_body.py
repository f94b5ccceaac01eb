"""The new text of a reply, as Exchange's UniqueBody: what its writer wrote, without the mail that it quotes."""

from __future__ import annotations

from lxml import etree

from terracrm.domain import html_lines
from terracrm.domain.html_lines import VOID, VOID_SLOT, Shown
from terracrm.domain.quotations import text_lines, written


def unique_body(content: str, kind: str) -> str:
    """The part of a body that was written anew; `kind` is "HTML" or "Text". Without quotation: the body itself."""
    return _unique_html(content) if kind == "HTML" else _unique_text(content)


def _unique_text(content: str) -> str:
    lines = content.splitlines()
    keep = written(text_lines(lines))
    if all(keep):
        return content
    kept = "\r\n".join(line for line, stays in zip(lines, keep, strict=True) if stays)
    return f"{kept.rstrip()}\r\n" if kept.strip() else ""


def _unique_html(content: str) -> str:
    page = html_lines.read(content)
    if page is None:
        return content
    keep = written(page.lines())
    if all(keep):
        return content
    while any(keep) and not page.shown[_last(keep)].is_seen:
        keep[_last(keep)] = False
    _drop([line for line, stays in zip(page.shown, keep, strict=True) if not stays], page.body)
    inner = etree.tostring(page.body, encoding="unicode", method="html")
    return f"<html>{inner}</html>"


def _last(keep: list[bool]) -> int:
    return len(keep) - 1 - keep[::-1].index(True)


def _drop(dropped: list[Shown], body: etree._Element) -> None:
    places = [place for line in dropped for place in line.places]
    for element, slot, _ in places:
        if slot != VOID_SLOT:
            setattr(element, slot, None)
    for element, slot, _ in places:
        if slot == VOID_SLOT:
            _remove(element)
    for element in reversed(list(body.iterdescendants())):
        empty = not len(element) and not (element.text or "").strip()
        if empty and element.tag not in VOID and isinstance(element.tag, str):
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
