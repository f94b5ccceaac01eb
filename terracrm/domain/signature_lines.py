"""Where the signature begins and ends among the lines that somebody wrote (S11). In doubt there is none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from terracrm.domain.closings import courtesy, is_by_machine, is_notice, is_postscript, is_thanks
from terracrm.domain.signatures import is_contact_line, is_name

_WINDOW = 40
_DASHES = re.compile(r"^[\s>]*(?:--|—|–)\s*$")
_RULE = re.compile(r"^\s*[-–—_=*~]{3,}\s*$")
_LONG = 15
_LONGEST_LINE = 130
_PROSE_WORDS = 7


def signature(texts: Sequence[str], sender: Sequence[str] = ()) -> tuple[int, int] | None:
    """The first line of the signature and the line after its last; None where there is none for certain.

    `sender` are the words of the sender's names (`signatures.name_words`). What follows a signature as a postscript
    is no part of it.
    """
    seen = [index for index, text in enumerate(texts) if text.strip()][-_WINDOW:]
    lines = [texts[index] for index in seen]
    postscripts = [place for place, text in enumerate(lines) if is_postscript(text)]
    for place, first in enumerate(seen):
        after = next((each for each in postscripts if each > place), len(seen))
        end = seen[after] if after < len(seen) else len(texts)
        if _begins(lines[place], lines[place + 1 : after], sender):
            return first, end
        if is_by_machine(lines[place]):
            return first, first + 1
    return None


def _begins(line: str, below: list[str], sender: Sequence[str]) -> bool:
    """Whether the signature begins with this line, given the lines with text below it."""
    if is_notice(line):
        return True
    if courtesy(line) is not None or is_by_machine(line):
        return _is_block(below)
    if _DASHES.match(line):
        return bool(below) and (_is_block(below) or line.rstrip("\r\n") == "-- ")
    if _RULE.match(line):
        return _gives_contact(below) and _is_block(below) and any(is_name(each, sender) for each in below[:2])
    if is_name(line, sender):
        return _gives_contact(below) and _is_block(below)
    return False


def _is_block(lines: list[str]) -> bool:
    """Whether the lines look like the inside of a signature rather than like something that is said."""
    length = next((index for index, line in enumerate(lines) if is_notice(line)), len(lines))
    return length <= _LONG and not any(_is_prose(line) for line in lines[:length])


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
