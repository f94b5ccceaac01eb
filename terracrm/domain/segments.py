"""Saved conditions over clients, as people write them: "city is Kazan", "stage in active, new" (K1). Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from terracrm.errors import InvalidInput

MAX_NAME = 100
MAX_VALUE = 255
MAX_DAYS = 3650


class Operator(StrEnum):
    """How a field is compared; texts without regard to case, and ё is е."""

    IS = "is"
    IS_NOT = "is not"
    CONTAINS = "contains"
    IN = "in"
    SINCE = "since"
    NOT_SINCE = "not since"


OF_TEXT: Final = (Operator.IS, Operator.IS_NOT, Operator.CONTAINS, Operator.IN)
OF_CHOICE: Final = (Operator.IS, Operator.IS_NOT, Operator.IN)
OF_TIME: Final = (Operator.SINCE, Operator.NOT_SINCE)
FIELDS: Final[Mapping[str, Collection[Operator]]] = {
    "stage": OF_TEXT,
    "city": OF_TEXT,
    "company": OF_TEXT,
    "department": OF_TEXT,
    "job_title": OF_TEXT,
    "mail_domain": OF_TEXT,
    "owner": OF_CHOICE,
    "team": OF_CHOICE,
    "region": OF_CHOICE,
    "source": OF_CHOICE,
    "mail": OF_TIME,
}
"""What may be asked of a client, and how. `owner` is the name of a user; `source` what made the contact; `mail` was
exchanged in so many days."""
SOURCES: Final = ("contacts_folder", "sent_mail", "tray", "portal")
SIGNS: Final = {"=": Operator.IS, "!=": Operator.IS_NOT}
_WRITTEN = re.compile(
    r"(?P<field>.+?)(?:\s*(?P<sign>!=|=)\s*|\s+(?P<word>is\s+not|is|contains|in|not\s+since|since)(?:\s+|$))(?P<value>.*)",
    re.IGNORECASE | re.DOTALL,
)
_DAYS = re.compile(r"(\d{1,5})(?:\s*days?)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. The value of "in" is its values joined by ", ", that of a time a number of days, "" is empty."""

    field: str
    operator: Operator
    value: str

    def __str__(self) -> str:
        unit = " days" if self.operator in OF_TIME else ""
        return f"{self.field} {self.operator} {self.value}{unit}".rstrip()

    @property
    def values(self) -> tuple[str, ...]:
        """What the field may be."""
        if self.operator is not Operator.IN:
            return (self.value,)
        return tuple(value.strip() for value in self.value.split(",") if value.strip())

    @property
    def days(self) -> int:
        """How many days back a condition of time reaches."""
        return int(self.value)

    def stored(self) -> dict[str, str]:
        """As the database keeps it."""
        return asdict(self) | {"operator": self.operator.value}


def read(text: str) -> Condition:
    """A condition from what a person wrote; raises InvalidInput in plain words.

    Example: read("city = Kazan"), read("job title contains buyer"), read("mail since 90 days")
    """
    found = _WRITTEN.fullmatch(" ".join(text.split()))
    if found is None:
        raise InvalidInput(
            f'{text!r} is no condition; examples: "city is Kazan", "stage in active, new", "mail since 90 days"'
        )
    operator = found["sign"] or " ".join(found["word"].lower().split())
    return checked(found["field"], SIGNS.get(operator) or Operator(operator), found["value"])


def of(stored: Mapping[str, str]) -> Condition:
    """A condition from the database."""
    return checked(stored["field"], stored["operator"], stored["value"])


def checked(field: str, operator: str, value: str) -> Condition:
    """The condition as it is stored; raises InvalidInput in plain words."""
    name = "_".join(field.strip().lower().replace("_", " ").replace("-", " ").split())
    allowed = FIELDS.get(name)
    if allowed is None:
        raise InvalidInput(f"{field.strip()!r} is no field of a condition; there are {', '.join(FIELDS)}")
    if operator not in allowed:
        raise InvalidInput(f"{name} is asked with {_listed(allowed)}; not with '{operator}'")
    found = Condition(name, Operator(operator), " ".join(value.split()))
    if len(found.value) > MAX_VALUE:
        raise InvalidInput(f"the value of {name} has more than {MAX_VALUE} characters")
    if found.operator in OF_TIME:
        return Condition(name, found.operator, _days(found.value))
    if found.operator is Operator.IN:
        found = Condition(name, found.operator, ", ".join(found.values))
    if not found.value and found.operator in (Operator.IN, Operator.CONTAINS):
        raise InvalidInput(f"say which value {name} {found.operator}")
    if name == "source" and (unknown := [value for value in found.values if value not in SOURCES]):
        raise InvalidInput(f"source is one of {', '.join(SOURCES)}; not {unknown[0]!r}")
    return found


def name_of(name: str) -> str:
    """The name of a segment as it is stored; raises InvalidInput."""
    found = " ".join(name.split())
    if not 0 < len(found) <= MAX_NAME:
        raise InvalidInput(f"the name of a segment has 1 to {MAX_NAME} characters")
    return found


def text_of(conditions: Sequence[Condition]) -> str:
    """All conditions in one line."""
    return " and ".join(map(str, conditions))


def _days(value: str) -> str:
    found = _DAYS.fullmatch(value)
    if found is None or not 1 <= int(found[1]) <= MAX_DAYS:
        raise InvalidInput(f'{value!r} is no number of days from 1 to {MAX_DAYS}; an example: "mail since 90 days"')
    return str(int(found[1]))


def _listed(operators: Collection[Operator]) -> str:
    return ", ".join(f"'{operator}'" for operator in operators)
