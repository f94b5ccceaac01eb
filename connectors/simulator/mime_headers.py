"""Header fields of mail as text: unfolded, decoded, however they were broken on their way."""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from datetime import UTC, datetime, timedelta, timezone
from email.header import Header
from email.message import Message
from email.utils import parsedate_tz

from connectors.simulator.charsets import decode
from connectors.simulator.elements import clean

_ENCODED_WORD = re.compile(r"=\?([^?\s]+)\?([bBqQ])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)[ \t]+(?==\?[^?\s]+\?[bBqQ]\?)")
_FOLD = re.compile(r"[ \t]*(?:\r\n|\r|\n)[ \t]*")


def raw(message: Message, name: str) -> str:
    """The first header field of this name, unfolded, encoded words still encoded; "" when there is none."""
    for key, value in message.raw_items():
        if key.lower() == name.lower():
            return unfold(value)
    return ""


def text(message: Message, name: str) -> str:
    """The first header field of this name as a reader would see it; "" when there is none."""
    return decoded(raw(message, name)).strip()


def all_texts(message: Message, name: str) -> list[str]:
    """Every header field of this name, in order."""
    return [decoded(unfold(v)).strip() for key, v in message.raw_items() if key.lower() == name.lower()]


def unfold(value: str | Header) -> str:
    """One line of text; bytes beyond ASCII are decoded, as UTF-8 if they are, else as what they look like."""
    plain = _FOLD.sub(" ", str(value))
    if plain.isascii():
        return plain
    try:
        data = plain.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return plain
    return decode(data)


def decoded(value: str) -> str:
    """`value` with its encoded words (RFC 2047) decoded; a broken one stays as it was written."""
    if "=?" not in value:
        return clean(value)
    joined = _BETWEEN_WORDS.sub(r"\1", value)
    result: list[str] = []
    pending: tuple[str, bytes] | None = None
    position = 0
    for match in _ENCODED_WORD.finditer(joined):
        between = joined[position : match.start()]
        charset = match[1].partition("*")[0].lower()
        data = _word_bytes(match[2], match[3])
        if pending and (between or pending[0] != charset or data is None):
            result.append(decode(pending[1], pending[0]))
            pending = None
        result.append(between)
        if data is None:
            result.append(match[0])
        else:
            # A mailer may cut a word in the middle of a letter, so neighbours are decoded together.
            pending = (charset, (pending[1] if pending else b"") + data)
        position = match.end()
    if pending:
        result.append(decode(pending[1], pending[0]))
    result.append(joined[position:])
    return clean("".join(result))


def moment(value: str) -> datetime | None:
    """A Date field in UTC, or None when no date can be read from it. A date without zone is taken as UTC."""
    try:
        parts = parsedate_tz(value)
        if parts is None:
            found = datetime.fromisoformat(value.strip())
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        zone = timezone(timedelta(seconds=parts[9] or 0))
        second = min(parts[5], 59)
        return datetime(*parts[:5], second, tzinfo=zone).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def received(message: Message) -> datetime | None:
    """When the last server on its way took the mail: the date of the topmost Received field that has one."""
    for key, value in message.raw_items():
        if key.lower() == "received":
            found = moment(unfold(value).rpartition(";")[2])
            if found:
                return found
    return None


def _word_bytes(encoding: str, content: str) -> bytes | None:
    if encoding in "qQ":
        return quopri.decodestring(content.encode("utf-8", "replace"), header=True)
    letters = re.sub(r"[^A-Za-z0-9+/]", "", content)
    try:
        return base64.b64decode(letters[: len(letters) - (len(letters) % 4 == 1)] + "=" * (-len(letters) % 4))
    except (binascii.Error, ValueError):
        return None
