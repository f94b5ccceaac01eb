"""Names of people and companies and phone numbers, made comparable."""

from __future__ import annotations

import re

import phonenumbers

_LEGAL_FORMS = frozenset(
    [
        "ооо",
        "оао",
        "пао",
        "зао",
        "ао",
        "ип",
        "тоо",
        "чп",
        "гк",
        "тк",
        "тд",
        "нко",
        "ltd",
        "llc",
        "inc",
        "corp",
        "co",
        "gmbh",
        "ag",
        "sa",
        "srl",
        "plc",
        "bv",
        "oy",
        "ab",
        "kg",
        "limited",
        "incorporated",
        "corporation",
        "company",
    ]
)
MAX_KEY = 500
_WORD = re.compile(r"[^\W_]+")


def name_key(name: str) -> str:
    """A name made comparable: lower case, ё as е, punctuation and extra spaces aside; as much as an index takes."""
    return " ".join(_WORD.findall(name.casefold().replace("ё", "е")))[:MAX_KEY]


def folded(text: str) -> str:
    """A text as conditions compare it: lower case, ё as е; nothing else is left out."""
    return text.lower().replace("ё", "е")


def company_key(name: str) -> str:
    """A company's name made comparable; legal forms (ООО, Ltd) do not count unless nothing else is left."""
    words = name_key(name).split()
    return " ".join(w for w in words if w not in _LEGAL_FORMS) or " ".join(words)


def is_same_company(one: str, other: str) -> bool:
    """Whether two names of companies that share a mail domain mean one: all words of one are in the other."""
    ours, theirs = set(company_key(one).split()), set(company_key(other).split())
    return bool(ours and theirs) and (ours <= theirs or theirs <= ours)


def display_name(given: str, middle: str, surname: str, fallback: str) -> str:
    """What to call a person whose display name is empty."""
    return " ".join(part for part in (given, middle, surname) if part) or fallback


def e164(number: str, region: str = "RU") -> str:
    """The international form of a phone number, read as dialled in `region`; "" where it cannot be understood."""
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(parsed):
        return ""
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def phones_in(text: str, region: str = "RU") -> set[str]:
    """The phone numbers in a text, in their international form, read as dialled in `region`."""
    return {
        phonenumbers.format_number(found.number, phonenumbers.PhoneNumberFormat.E164)
        for found in phonenumbers.PhoneNumberMatcher(text, region)
    }
