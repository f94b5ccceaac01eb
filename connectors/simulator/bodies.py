"""Bodies in the form that was asked for: HTML made from text, text made from HTML, the new part only."""

from __future__ import annotations

import html
import re

import nh3
from inscriptis import get_text
from inscriptis.model.config import ParserConfig
from lxml import etree

from connectors.simulator.schema import Element, t

_CONFIG = ParserConfig(display_links=False)
_PREVIEW = 255


def to_text(markup: str) -> str:
    """HTML as readable plain text with CRLF line ends."""
    if not markup.strip():
        return ""
    try:
        plain = get_text(markup, _CONFIG)
    except (ValueError, etree.LxmlError):
        plain = html.unescape(re.sub(r"<[^>]*>", " ", markup))
    return "\r\n".join(line.rstrip() for line in plain.strip().splitlines())


def to_html(plain: str) -> str:
    """Plain text as the HTML that Exchange makes of it."""
    lines = "<br>\r\n".join(html.escape(plain, quote=False).splitlines())
    return (
        '<html>\r\n<head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\r\n'
        '<meta name="Generator" content="Microsoft Exchange Server">\r\n</head>\r\n<body>\r\n'
        f'<font size="2"><span style="font-size:10pt;"><div class="PlainText">{lines}</div></span></font>\r\n'
        "</body>\r\n</html>\r\n"
    )


def _document(markup: str) -> str:
    """The inside of a body as the document that Exchange's filter puts around it."""
    return (
        '<html>\r\n<head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\r\n</head>\r\n'
        f"<body>\r\n{markup} \r\n</body>\r\n</html>\r\n"
    )


def converted(body: Element, wanted: str, *, filtered: bool = False) -> tuple[str, str]:
    """The text of a Body and its type ("HTML" or "Text"), in the wanted form; `Best` keeps its own."""
    kind, content = body.get("BodyType", "Text"), body.text or ""
    if wanted == "Text" and kind == "HTML":
        found = to_text(content)
        return (f"{found}\r\n" if found else ""), "Text"
    if wanted == "HTML" and kind == "Text":
        return to_html(content), "HTML"
    if filtered and kind == "HTML":
        return _document(nh3.clean(content)), "HTML"
    return content, kind


def plain(element: Element) -> str:
    """The whole body of an item as plain text."""
    body = element.find(t("Body"))
    return "" if body is None else converted(body, "Text")[0]


def preview(element: Element) -> str:
    """The first line or two of the body, as message lists show them."""
    return " ".join(plain(element).split())[:_PREVIEW]
