"""Who an unknown correspondent may be: contacts and companies ranked, with the reasons, for a person to confirm (M1).

Nothing here decides. Scores go from 0 to 100; the same question always gets the same answer in the same order.
Empty values are like nothing.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from terracrm.domain.addresses import domain_of
from terracrm.domain.names import company_key
from terracrm.domain.transliteration import is_initial_of, likeness, skeletons, sounds, spellings, words

SHOWN = 5
LEAST = 40  # a candidate of less is a guess that wastes the reader's time
MAX_WORDS = 5
LONG_WORD = 6
ALIKE, ALIKE_IF_SHORT, INITIAL = 0.8, 0.86, 0.5
LONGEST_INITIALS = 2
LONGEST_GLUED = 20
SHORTEST_NAME = 4
SHORTEST_LOCAL = 5
# Domains of one provider under which one account is reached, by the one that stands for all.
_ALIASES = {
    "gmail.com": ("googlemail.com",),
    "yandex.ru": ("ya.ru", "yandex.com", "yandex.by", "yandex.kz", "yandex.ua", "yandex.uz", "narod.ru"),
}
_STANDS_FOR = {alias: main for main, aliases in _ALIASES.items() for alias in aliases}
_SIGNS = ".-"  # what some providers do not count, or take for each other
_PATRONYMIC = re.compile(r"(вич|вна|ична|инична|v[iy]ch|vna|chna)$")
_BEFORE_DOMAIN = re.compile(r"^(https?://)?(www\.)?")
# Desks, not people.
_ROLES = frozenset(
    (
        "info", "mail", "office", "sales", "sale", "order", "orders", "zakaz", "zakazy", "buh", "buhgalter",
        "accounting", "account", "accounts", "admin", "support", "help", "contact", "contacts", "hello", "team",
        "hr", "job", "jobs", "pr", "press", "marketing", "manager", "opt", "post", "reception", "secretary",
        "service", "shop",
    )
)  # fmt: skip


class Reason(StrEnum):
    """Why somebody is a candidate, the strongest first."""

    SAME_ADDRESS = "same_address"
    SAME_ACCOUNT = "same_account"
    SAME_PHONE = "same_phone"
    SAME_WEBSITE = "same_website"
    SAME_DOMAIN = "same_domain"
    SIMILAR_NAME = "similar_name"
    SIMILAR_ADDRESS = "similar_address"
    SAME_COMPANY = "same_company"


# What each reason is worth at most; several together count as independent hints.
_WEIGHT = {
    Reason.SAME_ADDRESS: 1.0,
    Reason.SAME_ACCOUNT: 0.92,
    Reason.SAME_PHONE: 0.8,
    Reason.SAME_WEBSITE: 0.85,
    Reason.SAME_DOMAIN: 0.75,
    Reason.SIMILAR_NAME: 0.9,
    Reason.SIMILAR_ADDRESS: 0.75,
    Reason.SAME_COMPANY: 0.3,
}


@dataclass(frozen=True, slots=True)
class Stranger:
    """What is known of an unknown correspondent. `domain` is the one that tells the company, or ""; phones in E.164."""

    address: str
    names: tuple[str, ...] = ()
    phones: frozenset[str] = frozenset()
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """A contact who may be the one. `domains` are those of the addresses that tell a company; phones in E.164."""

    id: int
    name: str
    addresses: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Organisation:
    """A company that the stranger may belong to. `domains` are those its people write from."""

    id: int
    name: str
    website: str = ""
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer: the id of the Person or Organisation, from 0 to 100, and why."""

    id: int
    score: int
    reasons: tuple[Reason, ...]


def people(stranger: Stranger, known: Iterable[Person], shown: int = SHOWN) -> list[Candidate]:
    """The likeliest of these contacts, the best first."""
    return _best(((person.id, person.name, _hints(stranger, person)) for person in known), shown)


def organisations(stranger: Stranger, known: Iterable[Organisation], shown: int = SHOWN) -> list[Candidate]:
    """The likeliest of these companies, the best first; none where the domain is anybody's and no name tells."""
    return _best(((company.id, company.name, _company_hints(stranger, company)) for company in known), shown)


def account(address: str) -> str:
    """The mailbox that an address reaches at its provider: without its tag, dots and alias domain as far as these
    do not count there. Two addresses of one account may still be two people's: it is a hint, not a match.
    """
    local, _, domain = address.rpartition("@")
    domain = _STANDS_FOR.get(domain, domain)
    local = local.partition("+")[0] or local
    if domain == "gmail.com":
        local = local.replace(".", "")
    elif domain == "yandex.ru":
        local = local.replace(".", "-")
    return f"{local}@{domain}" if local and domain else ""


def bare(address: str) -> str:
    """An address without the signs that may not count, to look up what may be of the same account."""
    for sign in _SIGNS:
        address = address.replace(sign, "")
    return address


def bare_addresses(account: str) -> set[str]:
    """What `bare` makes of the addresses of an account, those with a tag aside."""
    local, _, domain = account.rpartition("@")
    return {bare(f"{local}@{name}") for name in (domain, *_ALIASES.get(domain, ()))}


def likeness_of_names(one: str, other: str) -> float:
    """How surely two names are one person's, from 0 to 1, the same either way round.

    Order, alphabet, spelling and initials do not matter; a word of the name that the other one contradicts does.
    """
    return _likeness_of_words(tuple(words(one)[:MAX_WORDS]), tuple(words(other)[:MAX_WORDS]))


class NameIndex:
    """Names looked up by how their words sound, so that only few are compared closely."""

    def __init__(self, names: Iterable[tuple[int, str]]) -> None:
        self._by_sound: dict[str, list[int]] = defaultdict(list)
        for id_, name in names:
            for sound in sounds(name):
                self._by_sound[sound].append(id_)

    def near(self, stranger: Stranger, limit: int) -> list[int]:
        """Whose names may be alike: those that share two words, or one that came with an initial; in order."""
        local = _local_words(stranger.address)
        tokens = {tuple(words(name)[:MAX_WORDS]) for name in stranger.names} | {local}
        if len(local) == 1:  # ipetrov, ivanpetrov: written together
            [word] = local
            tokens |= {(word[:end], word[end:]) for end in range(1, min(len(word), LONGEST_GLUED))}
        return sorted({id_ for some in tokens for id_ in self._near(some)})[:limit]

    def sounding(self, tokens: Iterable[str]) -> set[int]:
        """The names with a word that sounds like one of these words."""
        return {id_ for word in tokens for id_ in self._of(word)}

    def _near(self, tokens: Sequence[str]) -> set[int]:
        whole = [word for word in tokens if len(word) > LONGEST_INITIALS]
        shared = Counter(id_ for word in whole for id_ in self._of(word))
        least = 1 if len(whole) < len(tokens) else 2
        return {id_ for id_, count in shared.items() if count >= least}

    def _of(self, word: str) -> set[int]:
        return {id_ for sound in skeletons(word) for id_ in self._by_sound.get(sound, ())}


def labels_of(domain: str) -> list[str]:
    """The words of what an organisation registered, and last all of it in one word: "romashka-market.ru"."""
    name = domain.partition(".")[0]
    return [*name.split("-"), name.replace("-", "")]


def website_domain(website: str) -> str:
    """The domain of a website as it is written on cards: with or without https:// and www."""
    return _BEFORE_DOMAIN.sub("", website.casefold().strip()).partition("/")[0]


def _best(hints: Iterable[tuple[int, str, dict[Reason, float]]], shown: int) -> list[Candidate]:
    scored = [(_score(found), name, id_, found) for id_, name, found in hints]
    scored = [entry for entry in scored if entry[0] >= LEAST]
    scored.sort(key=lambda entry: (-entry[0], entry[1], entry[2]))
    return [
        Candidate(id_, score, tuple(reason for reason in Reason if found.get(reason)))
        for score, _, id_, found in scored[:shown]
    ]


def _score(hints: dict[Reason, float]) -> int:
    doubt = math.prod(1 - _WEIGHT[reason] * strength for reason, strength in sorted(hints.items()))
    return round(100 * (1 - doubt))


def _hints(stranger: Stranger, person: Person) -> dict[Reason, float]:
    """How strongly each reason speaks for a contact, from 0 to 1."""
    name = max((likeness_of_names(name, person.name) for name in stranger.names), default=0.0)
    reached = account(stranger.address)
    hints = {
        Reason.SAME_ADDRESS: float(stranger.address in person.addresses - {""}),
        Reason.SAME_ACCOUNT: float(bool(reached) and reached in map(account, person.addresses - {stranger.address})),
        Reason.SAME_PHONE: float(bool(stranger.phones & person.phones - {""})),
        Reason.SIMILAR_NAME: name,
        Reason.SIMILAR_ADDRESS: _likeness_of_address(stranger.address, person),
        Reason.SAME_COMPANY: float(bool(stranger.domain) and stranger.domain in person.domains),
    }
    return {reason: strength for reason, strength in hints.items() if strength}


def _company_hints(stranger: Stranger, company: Organisation) -> dict[Reason, float]:
    hints = {
        Reason.SAME_WEBSITE: float(bool(stranger.domain) and website_domain(company.website) == stranger.domain),
        Reason.SIMILAR_NAME: _likeness_of_company(stranger, company.name),
        Reason.SAME_DOMAIN: float(bool(stranger.domain) and stranger.domain in company.domains),
    }
    return {reason: strength for reason, strength in hints.items() if strength}


def _likeness_of_company(stranger: Stranger, name: str) -> float:
    """The company's name as the domain spells it, or written out beside the person's name."""
    key = company_key(name)
    if len(key) < SHORTEST_NAME:
        return 0.0
    spelt = key.replace(" ", "")
    *labels, whole_label = labels_of(stranger.domain)
    whole = likeness(spelt, whole_label)
    in_part = 0.8 * max(likeness(spelt, label) for label in labels)
    is_named = any(set(key.split()) <= set(company_key(name).split()) for name in stranger.names)
    return max(
        *(found for found in (whole, in_part, 0.0) if found >= 0.8 * ALIKE_IF_SHORT or not found), 0.8 * is_named
    )


def _likeness_of_address(address: str, person: Person) -> float:
    """The part before the @ against the name, and against that part of the contact's own addresses."""
    local = _local(address)
    if not local or local in _ROLES:
        return 0.0
    same = len(local) >= SHORTEST_LOCAL and any(local == _local(other) for other in person.addresses)
    name = tuple(words(person.name)[:MAX_WORDS])
    spelt = _likeness_of_words(_apart(_local_words(address), name), name)
    return max(0.85 if same else 0.0, spelt)


def _local(address: str) -> str:
    return address.rpartition("@")[0].partition("+")[0]


def _local_words(address: str) -> tuple[str, ...]:
    return tuple(words(_local(address).replace("_", " "))[:MAX_WORDS]) if domain_of(address) else ()


def _apart(tokens: tuple[str, ...], name: tuple[str, ...]) -> tuple[str, ...]:
    """Words that are written together, taken apart where a word of the name ends: ipetrov, ivanpetrov, petroviv."""
    if len(tokens) != 1:
        return tokens
    [token] = (spellings(tokens[0]) or ("",))[:1]
    for part in sorted({s for word in name for s in spellings(word) if len(s) >= SHORTEST_NAME}, key=lambda s: -len(s)):
        if part != token and token.startswith(part):
            return part, token[len(part) :]
        if part != token and token.endswith(part):
            return token[: -len(part)], part
    return tokens


@lru_cache(maxsize=50_000)
def _likeness_of_words(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    pairs = _pairing(one, other) if len(one) <= len(other) else [pair.swapped() for pair in _pairing(other, one)]
    telling = [pair.alike for pair in pairs if not pair.is_initial and not _is_patronymic(pair.one, pair.other)]
    patronymics = sum(1 for pair in pairs if not pair.is_initial) - len(telling)
    is_contradicted = _left(one, {pair.one for pair in pairs}) and _left(other, {pair.other for pair in pairs})
    if len(telling) > 1:
        base = 0.9 if is_contradicted else 0.95 if patronymics else 0.92
    elif not telling or is_contradicted:
        return 0.0
    else:
        base = 0.7 if any(pair.is_initial for pair in pairs) else 0.4
    return base * sum(telling) / len(telling)


class _Pair(NamedTuple):
    """A word of one name and the word of the other one that it is; `alike` is INITIAL where one only begins it."""

    one: str
    other: str
    alike: float

    @property
    def is_initial(self) -> bool:
        return self.alike == INITIAL

    def swapped(self) -> _Pair:
        return _Pair(self.other, self.one, self.alike)


def _pairing(one: Sequence[str], other: Sequence[str]) -> list[_Pair]:
    """Which words of two names are each other's, so that the whole is most alike; `one` is not the longer."""
    if not one:
        return []
    best = _pairing(one[1:], other)
    for position, word in enumerate(other):
        if alike := _alike(one[0], word):
            pairs = [_Pair(one[0], word, alike), *_pairing(one[1:], (*other[:position], *other[position + 1 :]))]
            best = max(best, pairs, key=lambda found: sum(pair.alike for pair in found))
    return best


def _alike(one: str, other: str) -> float:
    """How much two words speak for each other, 0 for not at all."""
    found, shorter = likeness(one, other), min(len(one), len(other))
    if shorter > 1 and found >= (ALIKE if shorter >= LONG_WORD else ALIKE_IF_SHORT):
        return found
    return INITIAL if one == other or is_initial_of(one, other) or is_initial_of(other, one) else 0.0


def _is_patronymic(one: str, other: str) -> bool:
    return bool(_PATRONYMIC.search(one) and _PATRONYMIC.search(other))


def _left(names: Sequence[str], paired: set[str]) -> bool:
    """Whether a word of a name found no partner and would need one: no patronymic and no initial."""
    return any(len(w) > LONGEST_INITIALS and w not in paired and not _PATRONYMIC.search(w) for w in names)
