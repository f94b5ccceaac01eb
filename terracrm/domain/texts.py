"""Texts of remote items: what a database can store of them, and what a reader sees of HTML."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from html import unescape
from typing import Any, TypeVar, cast

from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig
from lxml.etree import ParserError

_PLAIN = ParserConfig(css=CSS_PROFILES["strict"])
MAX_HTML = 500_000
_UNSEEN = {"<!--": "-->", "<script": "</script>", "<style": "</style>", "<title": "</title>"}
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
T = TypeVar("T")


def html_to_text(html: str) -> str:
    """What a reader would see of an HTML body, as plain text; "" where there is nothing. Overlong ones are cut."""
    if not html.strip():
        return ""
    try:
        return str(get_text(html[:MAX_HTML].replace("\x00", ""), _PLAIN)).strip()
    except (ParserError, ValueError):
        return ""


def bare_words(html: str) -> str:
    """What stands between the tags, in one line, for a body that no parser lays out (nested thousands deep).

    It takes one pass, whatever the mail is made of.
    """
    words, lower, position = [], html.lower(), 0
    while (start := html.find("<", position)) >= 0:
        words.append(html[position:start])
        opening = next((tag for tag in _UNSEEN if lower.startswith(tag, start)), "")
        closing = _UNSEEN.get(opening, ">")
        end = lower.find(closing, start)
        if end < 0:
            break
        position = end + len(closing)
    else:
        words.append(html[position:])
    return " ".join(unescape(" ".join(words)).split())


def storable(value: T) -> T:
    """The same record, change, tuple or text, with U+FFFD for what no database stores: NUL and lone surrogates."""
    return cast(T, _storable(value))


def _storable(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return value if _is_storable(value) else _UNSTORABLE.sub("\ufffd", value)
    if kind is tuple:
        return tuple(map(_storable, value))
    changed = {}
    for name in _names(cast(Hashable, kind)):
        part = getattr(value, name)
        new = _storable(part)
        if new is not part and new != part:
            changed[name] = new
    return replace(value, **changed) if changed else value


def _is_storable(text: str) -> bool:
    """What `_UNSTORABLE` tells; to encode a text is much faster than to search it for what cannot be encoded."""
    if text.isascii() or "\0" in text:
        return "\0" not in text
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=100)
def _names(kind: Hashable) -> tuple[str, ...]:
    """The fields of a dataclass; none of any other type."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
