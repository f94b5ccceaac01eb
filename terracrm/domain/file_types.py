"""What a file is: by the ending of its name, and by its first bytes, whatever its sender says of it. Pure."""

from __future__ import annotations

import re
import unicodedata

PNG, JPEG, GIF, WEBP, BMP = "image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"
SHOWN_IMAGES = frozenset({PNG, JPEG, GIF, WEBP, BMP})
"""The images that a page may show: none of them can run anything."""

PDF, ZIP, OLE, RTF = "application/pdf", "application/zip", "application/x-ole-storage", "application/rtf"
HTML, SVG = "text/html", "image/svg+xml"
VCARD, CALENDAR, MAIL = "text/vcard", "text/calendar", "message/rfc822"
CLOSED_ARCHIVES = frozenset({"application/vnd.rar", "application/x-7z-compressed"})
PROGRAMS = frozenset(
    {
        "application/x-msdownload", "application/x-elf", "application/x-mach-binary", "application/x-ms-shortcut",
        "application/vnd.ms-htmlhelp", "application/vnd.ms-cab-compressed", "application/vnd.android.dex",
        "text/x-shellscript",
    }
)  # fmt: skip

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),  # an empty one
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x1f\x8b", "application/gzip"),
    (b"{\\rtf", RTF),
    (b"\x7fELF", "application/x-elf"),
    (b"\xfe\xed\xfa\xce", "application/x-mach-binary"),
    (b"\xfe\xed\xfa\xcf", "application/x-mach-binary"),
    (b"\xce\xfa\xed\xfe", "application/x-mach-binary"),
    (b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (b"L\x00\x00\x00\x01\x14\x02\x00", "application/x-ms-shortcut"),
    (b"ITSF", "application/vnd.ms-htmlhelp"),
    (b"MSCF", "application/vnd.ms-cab-compressed"),
    (b"dex\n", "application/vnd.android.dex"),
    (b"#!", "text/x-shellscript"),
    (b"BEGIN:VCARD", VCARD),
    (b"BEGIN:VCALENDAR", CALENDAR),
)
_HEAD = 4096
_MARKUP = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*"
    r"<(?:(?P<svg>svg\b|!doctype\s+svg)|(?:!doctype\s+html|html|head|body|script|iframe|meta|title)\b)",
    re.IGNORECASE | re.DOTALL,
)
_KINDS = {
    "image": "png jpg jpeg jpe jfif gif webp bmp tif tiff heic heif ico svg",
    "pdf": "pdf",
    "text document": "doc docx docm dot dotx dotm odt rtf pages",
    "sheet": "xls xlsx xlsm xlsb xlt xltx xltm ods csv tsv numbers",
    "slides": "ppt pptx pptm pps ppsx ppsm odp key",
    "archive": "zip rar 7z gz tgz tar bz2 xz ace arj lzh lha zipx cab iso img",
    "text": "txt log md ini cfg",
    "page": "html htm xhtml mht mhtml xml json",
    "sound": "mp3 wav ogg m4a wma flac amr",
    "video": "mp4 avi mov mkv wmv webm 3gp",
    "mail": "eml msg",
    "calendar": "ics vcs",
    "card": "vcf",
}
_KIND_OF_ENDING = {ending: kind for kind, endings in _KINDS.items() for ending in endings.split()}
_KIND_OF_TYPE = {PDF: "pdf", ZIP: "archive", MAIL: "mail", CALENDAR: "calendar", VCARD: "card", HTML: "page"}
_KIND_OF_FAMILY = {"image": "image", "audio": "sound", "video": "video", "text": "text"}


def ending(name: str) -> str:
    """The ending that decides what opens a file, in lower case and without its dot; "" where there is none.

    Windows drops spaces and dots at the end of a name, and nobody sees format characters, so neither counts.
    """
    seen = "".join(char for char in name if unicodedata.category(char) not in ("Cc", "Cf"))
    stem, dot, last = seen.rstrip(" .\u00a0\u3000").rpartition(".")
    return last.strip().lower() if dot and stem else ""


def sniff(data: bytes) -> str:
    """The media type that the bytes show, or "" where they show none that is known."""
    for magic, media_type in _MAGIC:
        if data.startswith(magic):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    if data[:2] == b"BM" and len(data) > 26 and data[6:10] == b"\x00\x00\x00\x00":
        return BMP
    if data[:2] == b"MZ" and b"\x00" in data[2:64]:
        return "application/x-msdownload"
    if b"%PDF-" in data[:1024]:
        return PDF
    return _markup(data[:_HEAD])


def kind(name: str, content_type: str) -> str:
    """What sort of file it is, in a word that pages have a symbol for; "file" where nothing says."""
    found = _KIND_OF_ENDING.get(ending(name)) or _KIND_OF_TYPE.get(content_type)
    return found or _KIND_OF_FAMILY.get(content_type.partition("/")[0], "file")


def is_image(name: str, content_type: str) -> bool:
    """Whether its sender calls it an image; some clients send theirs as application/octet-stream."""
    return content_type.lower().startswith("image/") or _KIND_OF_ENDING.get(ending(name)) == "image"


def _markup(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = head.decode("utf-16", "replace")
    else:
        text = head.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    found = _MARKUP.match(text)
    if found is None:
        return ""
    return SVG if found["svg"] else HTML
