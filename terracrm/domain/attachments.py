"""Attachments of mail: what they are called, which of them the text shows, which are fetched (S12). Pure."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from typing import Literal
from urllib.parse import unquote, urlsplit

from terracrm.domain.file_types import CALENDAR, GIF, JPEG, MAIL, PDF, PNG, VCARD, ending, is_image
from terracrm.domain.records import AttachmentInfo, MessageRecord
from terracrm.domain.texts import storable

AttachmentPolicy = Literal["on_demand", "all", "none"]
"""Which contents are fetched by themselves: the small images that a text may show, all up to a size, or none; with
"none" nobody can ask for one either."""

INLINE_IMAGE_BYTES = 2 * 1024 * 1024
MAX_NAME = 150
NO_NAME = "attachment"
_ENDINGS = {MAIL: "eml", VCARD: "vcf", CALENDAR: "ics", PDF: "pdf", PNG: "png", JPEG: "jpg", GIF: "gif"}
_UNUSABLE = re.compile(r'[/\\:*?"<>|]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
_SOURCE = re.compile(r"""\b(?:src|background)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_STYLE_URL = re.compile(r"""url\(\s*["']?\s*(cid:[^"')\s]+)""", re.IGNORECASE)


def shown_name(name: str) -> str:
    """The name without characters that nobody sees or that turn the order of the others round."""
    visible = "".join(
        " " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char
        for char in name
        if unicodedata.category(char) != "Cf"
    )
    return " ".join(visible.split())


def file_name(name: str, content_type: str = "") -> str:
    """The name under which a download is saved: none that leads elsewhere, means a device or is too long.

    A mail inside the mail has its subject for a name: it gets an ending whatever that looks like.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    clean = _UNUSABLE.sub("_", shown_name(name)).strip(" .") or NO_NAME
    last = ending(clean)
    if media_type in _ENDINGS and (not last or (media_type == MAIL and last not in ("eml", "msg"))):
        clean = f"{clean}.{_ENDINGS[media_type]}"
    if _DEVICES.match(clean):
        clean = f"_{clean}"
    return clean if len(clean) <= MAX_NAME else _shortened(clean)


def item_name(subject: str, found_type: str) -> str:
    """The name of an item inside the item: its subject, with the ending of what the server made of it."""
    if found_type in (VCARD, CALENDAR):
        return file_name(f"{subject}.{_ENDINGS[found_type]}")
    return file_name(subject, MAIL)


def references(body_html: str) -> frozenset[str]:
    """What the images of an HTML body refer to, each as `reference` makes them comparable."""
    found = ["".join(match) for match in _SOURCE.findall(body_html)]
    return frozenset(reference(html.unescape(each)) for each in found + _STYLE_URL.findall(body_html)) - {""}


def reference(text: str) -> str:
    """A cid: URL, a Content-ID with or without its brackets, or a Content-Location, so that equal ones are equal."""
    text = text.strip()
    if text[:4].lower() == "cid:":
        text = unquote(text[4:])
    return text.strip().strip("<>").strip().lower()


def names_in_text(content_id: str, location: str) -> str:
    """Both ways in which a text can refer to an attachment, a line each, as they are kept."""
    return "\n".join(" ".join(part.split()) for part in (content_id, location) if part.strip())


def is_in_text(name: str, content_type: str, names: str, found: frozenset[str]) -> bool:
    """Whether it is an image that the text shows: `names` as `names_in_text` made them, `found` the references.

    What the sender says of it is not asked: some clients call every attachment an inline one.
    """
    return is_image(name, content_type) and any(reference(each) in found for each in names.splitlines())


def has_files(record: MessageRecord) -> bool:
    """Whether a mail has attachments besides the images that its text shows."""
    found = references(record.body_html) if record.attachments else frozenset()
    return any(
        not is_in_text(each.name, each.content_type, names_in_text(each.content_id, each.location), found)
        for each in record.attachments
    )


def is_small_image(name: str, content_type: str, size: int, max_bytes: int) -> bool:
    """Whether an attachment that a text may refer to is fetched with its mail, so that it reads as it was written."""
    return is_image(name, content_type) and size <= min(INLINE_IMAGE_BYTES, max_bytes)


def find_same(name: str, size: int, position: int, found: Sequence[AttachmentInfo]) -> AttachmentInfo | None:
    """The attachment that was listed at `position` with this name and size, or None where it was removed since.

    Exchange gives attachments other ids whenever their item changes, and a removed one moves those after it up.
    """
    files = {index: each for index, each in enumerate(found) if not each.is_link}
    named = {index: each for index, each in files.items() if storable(each.name) == name}
    same = {index: each for index, each in named.items() if each.size == size}
    for choice in (same, named):
        if position in choice:
            return choice[position]
        if choice:
            return next(iter(choice.values())) if len(choice) == 1 or choice is same else None
    return None


def is_safe_link(url: str) -> bool:
    """Whether a link to a file in the cloud may be offered to click."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    return parts.scheme.lower() in ("http", "https") and bool(parts.hostname)


def _shortened(name: str) -> str:
    stem, dot, last = name.rpartition(".")
    if not dot or len(last) > 20:
        return name[:MAX_NAME].rstrip(" .")
    return f"{stem[: MAX_NAME - len(last) - 1].rstrip(' .')}.{last}"
