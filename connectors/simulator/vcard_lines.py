"""The content lines of vCard files, versions 2.1, 3.0 and 4.0, read as far as they can be."""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from connectors.simulator.charsets import decode
from connectors.simulator.elements import clean

_NAME = re.compile(r"^(?:([\w-]+)\.)?([\w-]+)(.*)$", re.S)
_PARAMETER = re.compile(r';\s*([\w-]+)(?:\s*=\s*((?:"[^"]*"|[^;:"])*))?')
_ESCAPE = re.compile(r"\\(.)", re.S)
_UNESCAPED = {"n": "\n", "N": "\n"}


@dataclass(frozen=True)
class Property:
    """One line of a card; `types` are the TYPE values in upper case, also those of 2.1 without "TYPE="."""

    name: str
    value: str
    group: str = ""
    types: frozenset[str] = frozenset()
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The whole value, unescaped."""
        return unescape(self.value).strip()

    @property
    def fields(self) -> list[str]:
        """The parts of a value that semicolons cut, as of N, ADR and ORG."""
        return [unescape(part).strip() for part in re.split(r"(?<!\\);", self.value)]

    @property
    def preference(self) -> int:
        """1 is the most preferred (PREF=1..100 of 4.0, TYPE=pref of 2.1 and 3.0), 101 is not preferred."""
        if "PREF" in self.types:
            return 1
        written = self.parameters.get("PREF", "")
        return int(written) if written.isdigit() and 0 < int(written) <= 100 else 101

    @property
    def data(self) -> bytes | None:
        """The bytes of an embedded photo or key; None for a link or what cannot be decoded."""
        written = self.value.strip()
        if written.lower().startswith("data:"):
            written = written.partition(",")[2]
        elif self.parameters.get("ENCODING", "").upper() not in ("B", "BASE64"):
            return None
        try:
            return base64.b64decode(re.sub(r"\s+", "", written), validate=True) or None
        except (binascii.Error, ValueError):
            return None


def read_cards(data: bytes) -> Iterator[list[Property]]:
    """The properties of each card of a file; a card that is not closed ends where the next begins."""
    card: list[Property] | None = None
    for line in _lines(clean(decode(data, "utf-8")).lstrip("\ufeff")):
        read = _property(line)
        if read is None:
            continue
        if read.name == "BEGIN" and read.value.strip().upper() == "VCARD":
            if card:
                yield card
            card = []
        elif read.name == "END" and card is not None:
            yield card
            card = None
        elif card is not None:
            card.append(read)
    if card:
        yield card


def unescape(value: str) -> str:
    """A value without its backslashes."""
    return _ESCAPE.sub(lambda match: _UNESCAPED.get(match[1], match[1]), value)


def _lines(text: str) -> Iterator[str]:
    """Whole lines: folded ones joined, and those that quoted-printable (2.1) continues."""
    pending = ""
    for line in re.split(r"\r\n|\r|\n", text):
        quoted = "QUOTED-PRINTABLE" in pending.partition(":")[0].upper()
        if pending and quoted and pending.endswith("="):
            pending = pending[:-1] + line.lstrip(" \t")
        elif pending and line[:1] in (" ", "\t") and line.strip():
            pending += line[1:]
        else:
            if pending:
                yield pending
            pending = line
    if pending:
        yield pending


def _property(line: str) -> Property | None:
    match = _NAME.match(line.strip())
    if match is None:
        return None
    parameters: dict[str, str] = {}
    types: set[str] = set()
    rest, position = match[3], 0
    while found := _PARAMETER.match(rest, position):
        key, value = found[1].upper(), (found[2] or "").strip().strip('"')
        if found[2] is None:
            types.add(key)  # 2.1: "TEL;WORK;VOICE:"
        elif key == "TYPE":
            types.update(word.strip().upper() for word in value.replace('"', "").split(","))
        else:
            parameters.setdefault(key, value)
        position = found.end()
    if rest[position : position + 1] != ":":
        return None
    value = rest[position + 1 :]
    if parameters.get("ENCODING", "").upper() == "QUOTED-PRINTABLE" or "QUOTED-PRINTABLE" in types:
        raw = quopri.decodestring(value.encode("utf-8"))
        value = clean(decode(raw, parameters.get("CHARSET", "utf-8")))
    if "BASE64" in types:
        parameters["ENCODING"] = "BASE64"
    return Property(match[2].upper(), value, match[1] or "", frozenset(types), parameters)
