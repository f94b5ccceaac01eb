"""Turns a phrase with choices and blanks into a sentence.

- `[one|two|three]` is a choice, may be nested, and an alternative may be empty.
- `{fact}` and `{fact.part}` are filled from the facts of the conversation; `{Fact}` begins with a capital.
- `{me:прислал/прислала}` follows the gender of who writes, `{you:получил/получила}` of who reads, and
  `{client:...}`, `{service:...}` of that person.
"""

from __future__ import annotations

import random
import re
from typing import Protocol

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_BLANK = re.compile(r"\{([^{}]+)\}")


class FactSource(Protocol):
    """Whatever can fill the blanks of a phrase."""

    def fact(self, name: str) -> str:
        """The text for `{name}`."""
        ...

    def gender(self, who: str) -> str:
        """`m` or `f`, for `{who:he/she}`."""
        ...


def say(phrase: str, rng: random.Random, facts: FactSource) -> str:
    """A sentence made of a phrase."""
    while choice := _CHOICE.search(phrase):
        phrase = phrase[: choice.start()] + rng.choice(choice[1].split("|")) + phrase[choice.end() :]
    text = _BLANK.sub(lambda blank: _fill(blank[1], facts), phrase)
    return _tidy(text)


def _fill(blank: str, facts: FactSource) -> str:
    who, colon, forms = blank.partition(":")
    if colon:
        he, _, she = forms.partition("/")
        return he if facts.gender(who) == "m" else she
    name = blank[0].lower() + blank[1:]
    filled = facts.fact(name)
    return filled[:1].upper() + filled[1:] if name != blank else filled


def _tidy(text: str) -> str:
    """Close the gaps that an empty alternative leaves."""
    text = re.sub(r"[ ]{2,}", " ", text)
    text = re.sub(r" +([,.?!\n])", r"\1", text)
    text = re.sub(r"\n{3,}", "\n\n", text)
    return re.sub(r"\n +", "\n", text).replace("руб..", "руб.").strip()
