"""Words for full-text search: folded and stemmed, alike for what is indexed and what is asked (P5)."""

from __future__ import annotations

import re
import threading
from functools import cached_property, lru_cache

import Stemmer

_WORD = re.compile(r"[^\W_]+")
_CYRILLIC = re.compile(r"[а-яё]")
MAX_TEXT = 200_000  # characters; PostgreSQL takes a megabyte of words
_MAX_WORD = 40
_LONG = 60
_MOST = 30_000
_local = threading.local()


def stem(text: str) -> str:
    """The words of a text, each stemmed by its alphabet's rules, joined by spaces: «Договоры» and «договор» agree.

    They are in lower case with ё folded to е; overlong ones are cut.
    """
    return " ".join(filter(None, map(_PIECES.__getitem__, text.split())))


class Words:
    """The words that a text is found by. `stems`, as `stem` makes them, are made when they are first asked for."""

    def __init__(self, text: str) -> None:
        self.text = text[:MAX_TEXT]

    @cached_property
    def stems(self) -> str:
        """The words, stemmed."""
        return stem(self.text)


def is_beginning(word: str) -> bool:
    """Whether a stem that is asked for last stands for all words that begin with it: a letter would for too many."""
    return len(word) > 1


class _Pieces(dict[str, str]):
    """The stemmed words of what stands between two spaces: "word," is one, "a.b" two, "--" none.

    They are remembered, for a look at them is all that most of a text takes; up to so many.
    """

    def __missing__(self, piece: str) -> str:
        folded = piece.casefold().replace("ё", "е")
        words = [folded] if folded.isalnum() else _WORD.findall(folded)
        stems = " ".join([_stem_word(word[:_MAX_WORD]) for word in words])
        if len(piece) <= _LONG:  # what is longer, as addresses of the web are, hardly comes again
            if len(self) >= _MOST:
                self.clear()
            self[piece] = stems
        return stems


_PIECES = _Pieces()


@lru_cache(maxsize=_MOST)
def _stem_word(word: str) -> str:
    # The stemmers keep state while they work, so each thread has its own; they need remember no words themselves.
    if not hasattr(_local, "russian"):
        _local.russian, _local.english = Stemmer.Stemmer("russian", 0), Stemmer.Stemmer("english", 0)
    stemmer = _local.russian if _CYRILLIC.search(word) else _local.english
    return str(stemmer.stemWord(word))
