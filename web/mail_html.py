"""The HTML of a mail made safe to show: only known tags, harmless styles, no remote image unless asked for (S11)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import nh3
from markupsafe import Markup, escape

from terracrm.domain.attachments import reference
from terracrm.domain.texts import bare_words

TAGS = nh3.ALLOWED_TAGS | {"font", "center", "u", "s", "big", "tt", "address", "section", "article", "header", "footer"}
CELL = {"align", "valign", "bgcolor", "width", "height"}
ATTRIBUTES = {
    "*": {"style", "dir", "lang", "title"},
    "a": {"href", "name"},
    "img": {"src", "alt", "width", "height"},
    "font": {"color", "face", "size"},
    "table": {"border", "cellpadding", "cellspacing", "align", "bgcolor", "width"},
    "tr": CELL,
    "td": CELL | {"colspan", "rowspan", "nowrap"},
    "th": CELL | {"colspan", "rowspan", "nowrap"},
    "col": {"span", "width"},
    "colgroup": {"span", "width"},
    "div": {"align"},
    "p": {"align"},
    "ol": {"start", "type"},
    "li": {"value"},
    "blockquote": {"type"},
    "details": {"open"},
    "hr": {"size", "width", "color"},
}
# No position, z-index, float or url(): a mail stays inside its lines and fetches nothing.
STYLES = {
    "color", "background-color", "font", "font-family", "font-size", "font-style", "font-weight", "font-variant",
    "text-align", "text-decoration", "text-indent", "text-transform", "line-height", "letter-spacing",
    "vertical-align", "white-space", "margin", "margin-top", "margin-right", "margin-bottom", "margin-left",
    "padding", "padding-top", "padding-right", "padding-bottom", "padding-left", "border", "border-top",
    "border-right", "border-bottom", "border-left", "border-collapse", "border-color", "border-style",
    "border-width", "border-spacing", "width", "max-width", "min-width", "height", "list-style-type", "display",
}  # fmt: skip
SCHEMES = {"http", "https", "mailto", "tel", "data", "cid"}
INLINE_IMAGES = ("data:image/png;", "data:image/jpeg;", "data:image/jpg;", "data:image/gif;", "data:image/webp;")
REMOTE = ("http:", "https:", "//")
# Deeper than anybody writes; making a page safe takes the square of its depth.
DEEPEST = 3000
_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)", re.IGNORECASE)
# Elements that never hold another of their kind: they are void, or end where the next one begins.
_FLAT = {
    "area", "base", "br", "col", "colgroup", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta", "option",
    "p", "param", "source", "tbody", "td", "tfoot", "th", "thead", "tr", "track", "wbr",
}  # fmt: skip
BLOCKED = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="  # one clear pixel


@dataclass(frozen=True, slots=True)
class CleanMail:
    """Safe HTML, and how many remote images are in it, shown or not."""

    html: Markup
    remote_images: int


def clean(html: str, remote_images: bool = False, inline: Mapping[str, str] | None = None) -> CleanMail:
    """The mail without anything that runs, sends or phones home; remote images stay only when wanted.

    `inline` has the addresses of the images that came with the mail, by what it calls them (`reference`). One that
    it lacks keeps its place and its description. Of a page nested deeper than `DEEPEST` only the words are shown.
    """
    if _is_too_deep(html):
        return CleanMail(escape(bare_words(html)), 0)
    remote = 0
    attached = inline or {}

    def attribute(tag: str, name: str, value: str) -> str | None:
        nonlocal remote
        if tag == "img" and name == "src":
            source = value.strip().lower()
            if address := attached.get(reference(value)):
                return address
            if source.startswith("cid:"):
                return None
            if source.startswith(REMOTE):
                remote += 1
                return value if remote_images else BLOCKED
            return value if source.startswith(INLINE_IMAGES) else BLOCKED
        if name == "href" and value.strip().lower().startswith(("data:", "cid:")):
            return None
        return value

    safe = nh3.clean(
        html,
        tags=TAGS,
        clean_content_tags={"script", "style", "title", "template", "noscript", "svg", "math"},
        attributes=ATTRIBUTES,
        attribute_filter=attribute,
        filter_style_properties=STYLES,
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return CleanMail(Markup(safe), remote)  # noqa: S704  (nh3 made it safe)


def _is_too_deep(html: str) -> bool:
    """Whether more elements are open at once than `DEEPEST`, counted in one pass without regard to what closes what."""
    if html.count("<") <= DEEPEST:
        return False
    depth = 0
    for tag in _TAG.finditer(html):
        if tag[2].lower() not in _FLAT:
            depth = max(depth - 1, 0) if tag[1] else depth + 1
            if depth > DEEPEST:
                return True
    return False
