"""What the parts of a mail amount to: one body, the attachments, and what kind of mail it is."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from email.policy import compat32
from typing import Any, TypeVar

from connectors.simulator.charsets import decode
from connectors.simulator.content import Attachment, Item
from connectors.simulator.elements import clean
from connectors.simulator.mime_headers import decoded, raw, unfold

_T = TypeVar("_T")
# Deeper nesting is no mail that a person wrote; it is kept as a file instead of followed.
_MAX_DEPTH = 30
# What the standard library raises on headers and payloads that no RFC allows (bpo-27257, gh-80222 and kin).
_BROKEN = (
    AttributeError,
    IndexError,
    KeyError,
    LookupError,
    TypeError,
    ValueError,
    AssertionError,
    RecursionError,
)
_META_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w.:-]+)", re.I)
_SMIME_TYPES = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_SMIME_SIGNATURES = ("application/pkcs7-signature", "application/x-pkcs7-signature")
_REPORTS = {
    ("delivery-status", "failed"): "REPORT.IPM.Note.NDR",
    ("delivery-status", "delivered"): "REPORT.IPM.Note.DR",
    ("delivery-status", "relayed"): "REPORT.IPM.Note.Relayed.DR",
    ("delivery-status", "expanded"): "REPORT.IPM.Note.Expanded.DR",
    ("delivery-status", "delayed"): "REPORT.IPM.Note.Delayed.DR",
    ("disposition-notification", "displayed"): "REPORT.IPM.Note.IPNRN",
    ("disposition-notification", "deleted"): "REPORT.IPM.Note.IPNNRN",
}

ReadMessage = Callable[[Message, bytes], Item]


@dataclass
class Parts:
    """The contents of one mail; `item_class` is set for mail that is more than a note."""

    text: str | None = None
    html: str | None = None
    attachments: list[Attachment] = field(default_factory=list)
    calendars: list[str] = field(default_factory=list)
    item_class: str | None = None


def read_parts(message: Message, read_message: ReadMessage) -> Parts:
    """The contents of `message`; an attached mail is read with `read_message(message, source)`."""
    parts = Parts()
    _walk(message, parts, read_message, _MAX_DEPTH)
    return parts


def source(message: Message) -> bytes:
    """The mail or part as bytes with CRLF line ends; empty when it is too broken to be written again."""
    return attempt(lambda: message.as_bytes(policy=compat32.clone(linesep="\r\n")), b"")


def attempt(action: Callable[[], _T], otherwise: _T) -> _T:
    """What `action` returns, or `otherwise` where the standard library gives up on a malformed mail."""
    try:
        return action()
    except _BROKEN:
        return otherwise


def _walk(part: Message, parts: Parts, read_message: ReadMessage, depth: int) -> None:
    kind = attempt(part.get_content_type, "text/plain")
    if depth == 0:
        parts.attachments.append(_attachment(part, kind, source(part), len(parts.attachments)))
    elif kind.startswith("message/") and part.is_multipart() and kind != "message/delivery-status":
        _add_message(part, parts, read_message)
    elif part.is_multipart():
        _walk_multipart(part, kind, parts, read_message, depth)
    else:
        _add_leaf(part, kind, parts)


def _walk_multipart(part: Message, kind: str, parts: Parts, read_message: ReadMessage, depth: int) -> None:
    children = [child for child in part.get_payload() if isinstance(child, Message)]
    if kind == "multipart/report":
        parts.item_class = _report_class(part, children) or parts.item_class
    if kind == "multipart/signed" and _parameter(part, "protocol").lower() in _SMIME_SIGNATURES:
        # As Exchange does: readable, and the signed whole kept as one attachment so that it can be verified.
        parts.item_class = "IPM.Note.SMIME.MultipartSigned"
        for child in children[:1]:
            _walk(child, parts, read_message, depth - 1)
        parts.attachments.append(Attachment("smime.p7m", "multipart/signed", source(part)))
    elif kind == "multipart/alternative":
        _walk_alternatives(children, parts, read_message, depth)
    else:
        for child in children:
            _walk(child, parts, read_message, depth - 1)


def _walk_alternatives(children: list[Message], parts: Parts, read_message: ReadMessage, depth: int) -> None:
    """Each alternative is read by itself; the bodies are alternatives of one another, the rest adds up."""
    best = Parts()
    for child in children:
        one = Parts()
        _walk(child, one, read_message, depth - 1)
        best.text, best.html = one.text or best.text, one.html or best.html
        best.item_class = one.item_class or best.item_class
        best.calendars += one.calendars
        best.attachments += one.attachments
    _add_body(parts, best.text, best.html)
    parts.item_class = best.item_class or parts.item_class
    parts.calendars += best.calendars
    parts.attachments += best.attachments


def _add_leaf(part: Message, kind: str, parts: Parts) -> None:
    data = _payload(part)
    name = _filename(part)
    attached = _disposition(part) == "attachment" or bool(name and kind != "text/calendar")
    if kind == "text/calendar" and _disposition(part) != "attachment":
        parts.calendars.append(decode(data, _parameter(part, "charset") or "utf-8"))
    elif not attached and kind == "text/html":
        meta = _META_CHARSET.search(data[:2048])
        declared = _parameter(part, "charset") or (meta[1].decode("ascii", "replace") if meta else None)
        _add_body(parts, None, _crlf(clean(decode(data, declared))))
    elif not attached and (kind.startswith(("text/", "multipart/")) or _is_plain(part)):
        _add_body(parts, _plain_text(part, data), None)
    else:
        if kind in _SMIME_TYPES:
            parts.item_class = "IPM.Note.SMIME"
        parts.attachments.append(_attachment(part, kind, data, len(parts.attachments)))


def _add_body(parts: Parts, text: str | None, html: str | None) -> None:
    """A further text part (a mailing list's footer, text around a picture) continues the body before it."""
    if html is not None:
        if parts.html is None and parts.text:
            html = f"<pre>{_escaped(parts.text)}</pre>{html}"
        parts.html = html if parts.html is None else parts.html + html
    if text is not None:
        if html is None and parts.html is not None:
            parts.html += f"<pre>{_escaped(text)}</pre>" if text.strip() else ""
        else:
            parts.text = text if parts.text is None else f"{parts.text.rstrip()}\r\n{text}"


def _add_message(part: Message, parts: Parts, read_message: ReadMessage) -> None:
    inner: Any = part.get_payload(0)
    data = source(inner)
    item = read_message(inner, data)
    subject = item.element.findtext("{*}Subject")
    parts.attachments.append(Attachment(subject or "Untitled", "message/rfc822", data, item=item))


def _attachment(part: Message, kind: str, data: bytes, count: int) -> Attachment:
    content_id = clean(unfold(part.get("Content-ID", ""))).strip().strip("<>") or None
    name = _filename(part)
    if not name:
        extension = ".htm" if kind == "text/html" else mimetypes.guess_extension(kind) or ".bin"
        name = f"ATT{count + 1:05}{'.txt' if kind == 'text/plain' else extension}"
    location = "".join(clean(unfold(part.get("Content-Location", ""))).split()) or None
    is_named = content_id is not None or location is not None
    inline = _disposition(part) == "inline" or (is_named and _disposition(part) == "")
    return Attachment(name, clean(kind), data, content_id, inline and is_named, content_location=location)


def _payload(part: Message) -> bytes:
    data = attempt(lambda: part.get_payload(decode=True), None)
    if isinstance(data, bytes):
        return data
    return attempt(lambda: str(part.get_payload()).encode("utf-8", "surrogateescape"), b"")


def _plain_text(part: Message, data: bytes) -> str:
    text = clean(decode(data, _parameter(part, "charset") or None))
    if _parameter(part, "format").lower() == "flowed":
        text = _unflowed(_crlf(text).replace("\r\n", "\n"), _parameter(part, "delsp").lower() == "yes")
    return _crlf(text)


def _crlf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


def _unflowed(text: str, delete_space: bool) -> str:
    """Paragraphs as single lines (RFC 3676): a line that ends in a space goes on in the next of its depth."""
    lines: list[str] = []
    flowing: str | None = None
    for line in text.split("\n"):
        quote = re.match(r">*", line)
        marks = quote[0] if quote else ""
        content = line[len(marks) :]
        content = content[1:] if content.startswith(" ") else content
        fixed = not content.endswith(" ") or content == "-- "
        body = content[:-1] if delete_space and not fixed else content
        if flowing == marks and content != "-- ":
            lines[-1] += body
        else:
            lines.append(f"{marks} {body}" if marks else body)
        flowing = None if fixed else marks
    return "\n".join(lines)


def _report_class(part: Message, children: list[Message]) -> str | None:
    kind = _parameter(part, "report-type").lower()
    for child in children:
        if attempt(child.get_content_type, "") == f"message/{kind}":
            told = source(child).decode("latin-1").lower()
            for (report, word), item_class in _REPORTS.items():
                if report == kind and re.search(rf"^(action|disposition):.*\b{word}\b", told, re.M):
                    return item_class
    return "REPORT.IPM.Note.NDR" if kind == "delivery-status" else None


def _disposition(part: Message) -> str:
    return attempt(lambda: part.get_content_disposition() or "", "").strip()


def _filename(part: Message) -> str:
    name = attempt(lambda: _named(part).get_filename() or "", "")
    return re.sub(r"\s+", " ", decoded(unfold(name))).strip()[:255]


def _named(part: Message) -> Message:
    """The part, or what its headers say where they name it in bytes beyond ASCII, which no standard allows."""
    headers = {name: raw(part, name) for name in ("Content-Disposition", "Content-Type")}
    if all(value.isascii() for value in headers.values()):
        return part
    readable = Message()
    for name, value in headers.items():
        readable[name] = value
    return readable


def _parameter(part: Message, name: str) -> str:
    return clean(attempt(lambda: _parameter_text(part, name), "")).strip().strip("\"'")


def _parameter_text(part: Message, name: str) -> str:
    value = part.get_param(name, "")
    # RFC 2231 gives (charset, language, value).
    return str(value[2] if isinstance(value, tuple) else value or "")


def _is_plain(part: Message) -> bool:
    """A part that names no type, or one that cannot be a type, is text (RFC 2045, section 5.2)."""
    written = unfold(part.get("Content-Type", "text/plain")).partition(";")[0].strip()
    return not re.fullmatch(r"[\w.+-]+/[\w.+-]+", written)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
