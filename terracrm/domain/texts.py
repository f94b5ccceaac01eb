"""The text of an HTML body, for snippets and search."""

from __future__ import annotations

from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig
from lxml.etree import ParserError

_PLAIN = ParserConfig(css=CSS_PROFILES["strict"])
MAX_HTML = 500_000


def html_to_text(html: str) -> str:
    """What a reader would see of an HTML body, as plain text; "" where there is nothing. Overlong ones are cut."""
    if not html.strip():
        return ""
    try:
        return str(get_text(html[:MAX_HTML].replace("\x00", ""), _PLAIN)).strip()
    except (ParserError, ValueError):
        return ""
