"""Bytes to text, whatever the mail says about its charset."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

import charset_normalizer

# What mailers write where no codec has that name; the rest as in the WHATWG Encoding Standard, where the
# name of a small charset means its superset.
_ALIASES = {
    "ansix341968": "ascii",
    "xunknown": "",
    "unknown": "",
    "unknown8bit": "",
    "8bit": "",
    "binary": "",
    "xuserdefined": "",
    "default": "",
    "none": "",
    "iso88591": "cp1252",
    "latin1": "cp1252",
    "iso88598i": "iso8859-8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ksc56011987": "cp949",
    "euckr": "cp949",
    "xsjis": "cp932",
    "shiftjis": "cp932",
    "unicode11utf7": "utf-7",
    "unicode": "utf-16",
    "xmaccyrillic": "mac_cyrillic",
    "macintosh": "mac_roman",
    "xmacroman": "mac_roman",
    "win1251": "cp1251",
    "xcp1251": "cp1251",
    "cp1251": "cp1251",
    "koi8": "koi8-r",
    "xkoi8r": "koi8-r",
    "cp20866": "koi8-r",
    "iso88595": "iso8859-5",
    "utf8mb4": "utf-8",
    "xutf8": "utf-8",
}
# Codecs of Python that are no charsets of mail: they would run other transformations on foreign bytes.
_NOT_CHARSETS = {
    "idna",
    "punycode",
    "unicode_escape",
    "raw_unicode_escape",
    "undefined",
    "mbcs",
    "oem",
    "palmos",
    "unicode-escape",
    "raw-unicode-escape",
}
_CANDIDATES = [
    "utf_8",
    "cp1251",
    "koi8_r",
    "cp1252",
    "cp866",
    "gb18030",
    "big5",
    "shift_jis",
    "euc_jp",
    "euc_kr",
]
_SINGLE_BYTE = {"ascii", "cp1252", "iso8859-1", "iso8859-15", "cp1251", "koi8-r", "cp1250"}
_SAMPLE = 16_384
_SHORT = 48


@lru_cache(maxsize=512)
def codec(name: str | None) -> str | None:
    """The Python codec of a charset name as mail writes it, or None when there is no such charset."""
    plain = re.sub(r"[^a-z0-9]", "", (name or "").lower())
    wanted = _ALIASES.get(plain, (name or "").strip().strip("'\""))
    if not wanted or not wanted.isascii():
        return None
    try:
        info = codecs.lookup(wanted)
    except (LookupError, ValueError):
        return None
    is_text: bool = getattr(info, "_is_text_encoding", True)
    return info.name if is_text and info.name not in _NOT_CHARSETS else None


def decode(data: bytes, declared: str | None = None) -> str:
    """The text of `data`. The declared charset is believed when it fits; otherwise the bytes are looked at.

    Never fails: what fits nothing at all is read in the declared charset, or as Western text, with U+FFFD for
    what is not in it.
    """
    if data.isascii() and (declared is None or codec(declared) not in ("utf-7", "iso2022_jp", "hz", "utf-16")):
        return data.decode("ascii")
    known = codec(declared)
    # Many mailers declare their default and send UTF-8; no other text is valid UTF-8 by accident.
    for name in ("utf-8", known) if known in _SINGLE_BYTE else (known, "utf-8"):
        text = _strict(data, name) if name else None
        if text is not None:
            return text
    if known in (None, "ascii", "utf-8"):
        guessed = _guess(data)
        text = _strict(data, guessed)
        return text if text is not None else data.decode(guessed, "replace")
    return _replacing(data, known)


def _strict(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeError, ValueError, LookupError):
        return None


def _replacing(data: bytes, name: str | None) -> str:
    try:
        return data.decode(name or "cp1252", "replace")
    except (UnicodeError, ValueError, LookupError):
        # utf-16 and others raise on odd lengths even when told to replace.
        return data.decode("latin-1")


def _guess(data: bytes) -> str:
    """The likeliest charset of undeclared bytes that are not UTF-8."""
    if len(data) >= _SHORT:
        sample = data[:_SAMPLE]
        best = charset_normalizer.from_bytes(sample, cp_isolation=_CANDIDATES, threshold=0.5).best()
        if best is not None:
            return best.encoding
    return _guess_short(data)


def _guess_short(data: bytes) -> str:
    """Cyrillic or Western: a subject line is too short for statistics, but Cyrillic letters come in runs.

    In KOI8-R the small letters are where Windows-1251 has the capitals, and text is mostly small letters.
    """
    runs = re.findall(rb"[\x80-\xff]+", data)
    high = sum(len(run) for run in runs)
    if high < 2 * len(runs):
        return "cp1252"
    small_in_koi8 = len(re.findall(rb"[\xc0-\xdf]", data))
    small_in_1251 = len(re.findall(rb"[\xe0-\xff]", data))
    return "koi8-r" if small_in_koi8 > small_in_1251 else "cp1251"
