"""Where the signature begins and ends among the lines that somebody wrote (S11). In doubt there is none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from terracrm.domain.closings import courtesy, is_by_machine, is_notice, is_postscript, is_thanks
from terracrm.domain.signatures import is_contact_line, is_name

_WINDOW = 40
_DASHES = re.compile(r"^[\s>]*(?:--|—|–)\s*$")
_RULE = re.compile(r"^\s*[-–—_=*~]{3,}\s*$")
_LONG = 20
_LONGEST_LINE = 130
_PROSE_WORDS = 7


def signature(texts: Sequence[str], sender: Sequence[str] = ()) -> tuple[int, int] | None:
    """The first line of the signature and the line after its last; None where there is none for certain.

    `sender` are the words of the sender's names (`signatures.name_words`). What follows a signature as a postscript
    is no part of it.
    """
    seen = [index for index, text in enumerate(texts) if text and not text.isspace()][-_WINDOW:]
    lines = [texts[index] for index in seen]
    postscripts = [place for place, text in enumerate(lines) if is_postscript(text)]
    for place, first in enumerate(seen):
        after = next((each for each in postscripts if each > place), len(seen)) if postscripts else len(seen)
        end = seen[after] if after < len(seen) else len(texts)
        below = lines[place + 1 : after]
        length = _length(lines[place], below, sender)
        if length is not None:
            return first, seen[place + 1 + length] if length < len(below) else end
        if is_by_machine(lines[place]):
            return first, first + 1
    return None


def _length(line: str, below: list[str], sender: Sequence[str]) -> int | None:
    """How many of the lines below belong to the signature that begins with this line; None where none begins."""
    if is_notice(line):
        return len(below)
    if courtesy(line) is not None:  # what is said further below, and what is advertised there, is no part of it
        block = _block(below)
        return len(block) if len(block) == len(below) or _gives_contact(block) else None
    if is_by_machine(line):
        return len(below) if _is_whole(below) else None
    if _DASHES.match(line):
        return len(below) if below and (line.rstrip("\r\n") == "-- " or _is_whole(below)) else None
    if not below:
        return None
    is_named = is_name(line, sender) or (_RULE.match(line) and any(is_name(each, sender) for each in below[:2]))
    return len(below) if is_named and _is_whole(below) and _gives_contact(below) else None


def _is_whole(lines: list[str]) -> bool:
    return len(_block(lines)) == len(lines)


def _block(lines: list[str]) -> list[str]:
    """The lines, as far as they look like the inside of a signature rather than like something that is said."""
    for index, line in enumerate(lines):
        if is_notice(line):
            break
        if index >= _LONG or _is_prose(line):
            return lines[:index]
    return lines


def _gives_contact(lines: list[str]) -> bool:
    return any(is_contact_line(line) for line in lines[:_LONG])


def _is_prose(line: str) -> bool:
    text = line.strip()
    if is_by_machine(text) or courtesy(text) is not None:
        return False
    if len(text) > _LONGEST_LINE or text.endswith("?") or is_thanks(text):
        return True
    is_long = len(text.split()) >= _PROSE_WORDS
    return is_long and not is_contact_line(text) and (text[-1:] in ".!…" or text[:1].islower())
