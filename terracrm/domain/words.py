"""Words for full-text search: folded and stemmed, alike for what is indexed and what is asked (P5)."""

from __future__ import annotations

import re
import threading
from functools import lru_cache

import snowballstemmer

_WORD = re.compile(r"[^\W_]+")
_CYRILLIC = re.compile(r"[а-яё]")
_MAX_WORD = 40
_LONG = 60
_local = threading.local()


def stem(text: str) -> str:
    """The words of a text, each stemmed by its alphabet's rules, joined by spaces: «Договоры» and «договор» agree.

    They are in lower case with ё folded to е; overlong ones are cut.
    """
    # What is long, as addresses of the web are, hardly comes again, and is not remembered.
    found = [_remembered(piece) if len(piece) <= _LONG else _stems(piece) for piece in text.split()]
    return " ".join(filter(None, found))


def is_beginning(word: str) -> bool:
    """Whether a stem that is asked for last stands for all words that begin with it: a letter would for too many."""
    return len(word) > 1


def _stems(piece: str) -> str:
    """The stemmed words of what stands between two spaces: "word," is one, "a.b" two, "--" none."""
    return " ".join([_stem_word(word[:_MAX_WORD]) for word in _WORD.findall(piece.casefold().replace("ё", "е"))])


_remembered = lru_cache(maxsize=30_000)(_stems)


@lru_cache(maxsize=30_000)
def _stem_word(word: str) -> str:
    # The stemmers keep state while they work, so each thread has its own.
    if not hasattr(_local, "russian"):
        _local.russian = snowballstemmer.stemmer("russian")
        _local.english = snowballstemmer.stemmer("english")
    stemmer = _local.russian if _CYRILLIC.search(word) else _local.english
    return str(stemmer.stemWord(word))
