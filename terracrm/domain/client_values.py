"""What people write about a client: brought into the form it is kept in, and refused where it cannot be meant (P7)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final, NamedTuple

from terracrm.domain.addresses import normalise
from terracrm.domain.contact_merge import LISTS, SCALARS, identity
from terracrm.domain.outlook_slots import LABELS
from terracrm.errors import InvalidInput

CONTACT_FIELDS: Final = (*SCALARS, "stage", *LISTS)
COMPANY_FIELDS: Final = ("name", "city", "phone", "website", "domains", "notes")
SAYING: Final[Mapping[str, tuple[str, ...]]] = {
    "emails": ("address",),
    "phones": ("number",),
    "postal_addresses": ("street", "city", "region", "postal_code", "country"),
}
"""The parts of an entry of a list field, its label aside."""
LONG: Final = ("notes",)
OF_LINES: Final = ("notes", "street")
MAX_LINE, MAX_NOTES, MAX_NUMBER, MAX_ENTRIES = 255, 20_000, 60, 50
FIRST_DAY: Final = date(1601, 1, 1)
"""Outlook knows no earlier one."""
SENTENCES: Final[Mapping[str, str]] = {
    "nameless": "{field}: say a name, an address or a number at least",
    "name": "{field}: say what it is called",
    "address": "{field}: {value!r} is no e-mail address",
    "phone": "{field}: {value!r} is no phone number",
    "date": "{field}: {value!r} is not a date; write it like 1985-02-28",
    "too_long": "{field}: {value!r} is longer than what can be kept",
    "too_many": "{field}: these are more than can be kept",
    "control": "{field}: {value!r} has characters that cannot be shown",
    "label": "{field}: {value!r} is not one of the labels",
    "domain": "{field}: {value!r} is no mail domain that tells a company",
    "taken": "{field}: {value!r} belongs to another company",
    "there": "{field}: there is a company called {value!r} already",
}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_NUMBER = re.compile(r"[+\d(][\d\s()+./,;#*x-]*(\s*(ext|доб)\.?\s*\d+)?", re.IGNORECASE)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_SPACES = re.compile("[ \t\r\n]+")
_DOMAIN = re.compile(r"[^\s@/]+\.[^\s@/.]+")


class Problem(NamedTuple):
    """A value that cannot be taken: `code` is a key of SENTENCES, `value` what was written, cut."""

    field: str
    code: str
    value: str = ""


class BadValues(InvalidInput):
    """Some values cannot be taken; `problems` says which and why. Nothing was changed."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(SENTENCES[p.code].format(field=p.field, value=p.value) for p in self.problems))


def tidy(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they are kept: without needless space and empty entries, each entry of a list once."""
    return {field: _tidy(field, value) for field, value in values.items()}


def seal(value: Any) -> str:
    """What tells two tidy values of a field apart; a form carries it instead of the value that it was filled with."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def check(values: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raise BadValues for tidy values that cannot be taken; what is in `known` is there already and may stay."""
    problems: list[Problem] = []
    for field, value in values.items():
        if field in LISTS:
            there = known.get(field, [])
            problems += [found for entry in value if entry not in there for found in _of_entry(field, entry)]
        elif field == "domains":
            problems += [Problem(field, "domain", domain[:80]) for domain in value if not _DOMAIN.fullmatch(domain)]
        else:
            problems += _of_text(field, field, value)
        if not isinstance(value, str) and len(value) > MAX_ENTRIES:
            problems.append(Problem(field, "too_many"))
    if problems:
        raise BadValues(problems)


def _tidy(field: str, value: Any) -> Any:
    if field == "domains":
        return sorted({domain for each in value if (domain := each.strip().casefold().removeprefix("@"))})
    if field not in LISTS:
        return _line(field, value)
    found: dict[str, dict[str, str]] = {}
    for each in value:
        entry = {name: _line(name, each.get(name, "")) for name in ("label", *SAYING[field])}
        if any(entry[name] for name in SAYING[field]):
            # An address that is none has no identity; it is kept here to be refused.
            found.setdefault(identity(field, entry) or json.dumps(entry), entry)
    return list(found.values())


def _line(field: str, value: str) -> str:
    if field in OF_LINES:
        return value.replace("\r\n", "\n").replace("\r", "\n").strip()
    return _SPACES.sub(" ", value).strip(" ")


def _of_text(field: str, part: str, value: str) -> list[Problem]:
    if _CONTROL.search(value):
        return [Problem(field, "control", _CONTROL.sub("\ufffd", value)[:80])]
    if len(value) > (MAX_NOTES if part in LONG else MAX_LINE):
        return [Problem(field, "too_long", f"{value[:40]}…")]
    if part == "birthday" and value and not _is_day(value):
        return [Problem(field, "date", value[:80])]
    if field == "phone" and value and not _is_number(value):
        return [Problem(field, "phone", value[:80])]
    return []


def _of_entry(field: str, entry: Mapping[str, str]) -> list[Problem]:
    problems = [found for part in SAYING[field] for found in _of_text(field, part, entry[part])]
    if entry["label"] and entry["label"] not in (*LABELS[field], "other"):
        problems.append(Problem(field, "label", entry["label"][:80]))
    if field == "emails" and not problems and not normalise(entry["address"]):
        problems.append(Problem(field, "address", entry["address"][:80]))
    if field == "phones" and not problems and not _is_number(entry["number"]):
        problems.append(Problem(field, "phone", entry["number"][:80]))
    return problems


def _is_number(value: str) -> bool:
    return len(value) <= MAX_NUMBER and bool(_NUMBER.fullmatch(value)) and sum(map(str.isdigit, value)) > 1


def _is_day(value: str) -> bool:
    try:
        return bool(_DAY.fullmatch(value)) and date.fromisoformat(value) >= FIRST_DAY
    except ValueError:
        return False
