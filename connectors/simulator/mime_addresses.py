"""The addresses of a mail header, as mailers really write them.

The standard library refuses or loses what real mail holds: `k..allen@enron.com`, names without quotes around
a comma, semicolons between recipients, Exchange's `</O=ENRON/OU=NA/CN=PALLEN>`. Here nothing is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from connectors.simulator.mime_headers import decoded

_ANGLE = re.compile(r"<([^<>]*)>?")
_COMMENT = re.compile(r"\(([^()]*)\)")
_X_ENTRY = re.compile(r"\s*([^<>]*?)\s*<[^<>]*>\s*(?:,|$)")


@dataclass(frozen=True)
class Address:
    """One recipient or sender; either part may be empty, not both."""

    name: str
    address: str


def read_addresses(value: str, names: str = "") -> list[Address]:
    """Every address of a header field that still has its encoded words.

    `names` is the matching X-From / X-To field of an Outlook export, which holds the display names. They are
    used only where their number fits, since a comma may be inside a name as well.
    """
    found = [address for part in _split(value) if (address := _read(part))]
    if names and found and not any(address.name for address in found):
        display = _display_names(decoded(names), len(found))
        return [Address(name, each.address) for name, each in zip(display, found, strict=True)]
    return found


def _split(value: str) -> list[str]:
    """The field cut at its commas and semicolons, outside quotes, comments and angle brackets."""
    parts, start, quoted, angle, depth = [], 0, False, False, 0
    position = 0
    while position < len(value):
        char = value[position]
        if char == "\\":
            position += 1
        elif char == '"' and not depth:
            quoted = not quoted
        elif quoted:
            pass
        elif char == "(" and not angle:
            depth += 1
        elif char == ")":
            depth = max(0, depth - 1)
        elif char in "<>":
            angle = char == "<"
        elif depth or angle:
            pass
        elif char in ",;":
            parts.append(value[start:position])
            start = position + 1
        elif char == ":" and "@" not in value[start:position]:
            start = position + 1  # the name of a group
        position += 1
    parts.append(value[start:])
    if quoted or angle or depth:
        return re.split(r"[,;]", value)
    return parts


def _read(part: str) -> Address | None:
    brackets = list(_ANGLE.finditer(part))
    if brackets:
        angle = brackets[-1]
        name, address = part[: angle.start()].strip() or part[angle.end() :].strip(), angle[1]
    else:
        bare = _COMMENT.sub(" ", part)
        comment = _COMMENT.search(part)
        words = bare.split()
        at = next((word for word in words if "@" in word), None)
        if at is not None:
            address, name = at, " ".join(word for word in words if word is not at)
        elif len(words) == 1:
            address, name = words[0], ""
        else:
            address, name = "", bare
        name = name.strip() or (comment[1] if comment else "")
    found = Address(_name(name), _address(address))
    return found if found.name or found.address else None


def _address(text: str) -> str:
    bare = decoded(text).strip().strip("\"'")
    return re.sub(r"^mailto:", "", re.sub(r"\s+", " " if bare.upper().startswith("/O=") else "", bare), flags=re.I)


def _name(text: str) -> str:
    bare = re.sub(r'\\(.)|"', r"\1", text)
    name = re.sub(r"\s+", " ", decoded(bare)).strip()
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] == "'" else name


def _display_names(names: str, count: int) -> list[str]:
    entries = _X_ENTRY.findall(names) if "<" in names else [name for name in names.split(",") if name.strip()]
    if len(entries) != count:
        entries = [names.partition("<")[0]] if count == 1 else [""] * count
    return [entry.strip().strip("\"'") for entry in entries]
