"""Words of names made comparable across alphabets and spellings: Щербаков, Shcherbakov, Scherbakov (M1)."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import iuliia
from rapidfuzz import fuzz

# Passports, road signs and GOST, Wikipedia, banks, messengers, French passports: they differ where people do.
_SCHEMAS = (iuliia.ICAO_DOC_9303, iuliia.WIKIPEDIA, iuliia.GOST_779_ALT, iuliia.TELEGRAM, iuliia.MVD_310_FR)
_CYRILLIC = re.compile("[а-яё]")
_NOT_LATIN = re.compile("[^a-z]")
_WORD = re.compile(r"[^\W\d_]+")
# Letters that spellings differ in, made one; and whole sounds, for what is left of a word, in this order.
_LETTERS = (("x", "ks"), ("w", "v"), ("y", "i"), ("j", "i"), ("kh", "h"))
_SOUNDS = (("ph", "f"), ("tch", "s"), ("ts", "s"), ("tz", "s"), ("tc", "s"), ("ck", "k"), ("c", "s"), ("z", "s"))
_VOWELS = re.compile("[aeiou]+")
_TWICE = re.compile(r"(.)\1+")
SKELETON = 6


def words(name: str) -> list[str]:
    """The words of a name in lower case, without digits; initials are words of one letter."""
    return _WORD.findall(name.casefold())


@lru_cache(maxsize=100_000)
def spellings(word: str) -> tuple[str, ...]:
    """How a word of a name is written in Latin letters, in any of the usual ways; () for what has none."""
    if not _CYRILLIC.search(word):
        written = {word}
    else:
        written = {schema.translate(form) for schema in _SCHEMAS for form in {word, word.replace("ё", "е")}}
    return tuple(sorted({plain for found in written if (plain := _plain(found))}))


@lru_cache(maxsize=100_000)
def skeletons(word: str) -> frozenset[str]:
    """What is left of a word when its spelling is put aside: the beginning and the consonants.

    Words that sound alike share one, so that it can be looked up; not all that share one sound alike.
    """
    return frozenset(_skeleton(spelling) for spelling in spellings(word))


@lru_cache(maxsize=200_000)
def sounds(name: str) -> frozenset[str]:
    """The skeletons of the words of a name, initials aside."""
    return frozenset(sound for word in words(name) if len(word) > 1 for sound in skeletons(word))


@lru_cache(maxsize=200_000)
def likeness(one: str, other: str) -> float:
    """How alike two words of names are, from 0 to 1, whatever their alphabets; the same either way round."""
    pairs = ((a, b) for a in spellings(one) for b in spellings(other))
    return max((fuzz.ratio(a, b) for a, b in pairs), default=0.0) / 100


def is_initial_of(letter: str, word: str) -> bool:
    """Whether a word of a letter or two can stand for a longer one: "и", "i", "yu", "iv" for Иван, Юлия."""
    if not len(letter) <= 2 < len(word):
        return False
    return any(b.startswith(a) for a in spellings(letter) for b in spellings(word))


def _plain(word: str) -> str:
    """Without diacritics, doubled letters and all else that is no Latin letter."""
    plain = _NOT_LATIN.sub("", unicodedata.normalize("NFKD", word.casefold()))
    for written, letter in _LETTERS:
        plain = plain.replace(written, letter)
    return _TWICE.sub(r"\1", plain)


def _skeleton(spelling: str) -> str:
    for sound, letter in _SOUNDS:
        spelling = spelling.replace(sound, letter)
    spelling = re.sub("^h", "k", spelling).replace("h", "")
    first = "a" if _VOWELS.match(spelling) else ""
    return _TWICE.sub(r"\1", first + _VOWELS.sub("", spelling))[:SKELETON]
