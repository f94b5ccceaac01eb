"""Who typed which word where: every value that is typed has a word that nothing else has, so that it can be found."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from terracrm.models import (
    Company,
    Conflict,
    Contact,
    ContactAddress,
    ContactPhone,
    ContactPostalAddress,
    FieldChange,
)
from tests.sync.two_way_outlook import Entry

CRM = "crm"
_WORD = re.compile(r"tok\d+x|7495\d{7}")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[\s().\-\u00a0]+(?=\d)|(?<=\d)[\s().-]+(?=[(\d])")
_KEPT = (Contact, ContactAddress, ContactPhone, ContactPostalAddress, Company, FieldChange, Conflict)


def words(said: object) -> set[str]:
    """The typed words in a text; a phone number in whatever spelling is one."""
    found = str(said).casefold()
    return set(_WORD.findall(_BETWEEN_DIGITS.sub("", found)))


def words_of(entry: Entry) -> set[str]:
    return words(entry.text)


def kept(session: Session) -> set[str]:
    """The words that the CRM keeps where a person finds them: clients, the history of their fields, conflicts."""
    found: set[str] = set()
    for model in _KEPT:
        for row in session.execute(select(model.__table__)):
            found |= words(tuple(row))
    return found


def anywhere(session: Session) -> dict[str, set[str]]:
    """The words in any text of any table, by the table; of the full-text indexes see test_two_way_cases."""
    found: dict[str, set[str]] = {}
    tables = text("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%search_data'")
    for name in session.scalars(tables).all():
        rows = session.execute(text(f"SELECT * FROM {name}")).all()
        found[name] = words([tuple(row) for row in rows])
    return found


@dataclass
class Typed:
    """A word: who typed it, on which item or in the CRM, and about which contact where that was known."""

    authors: set[str]
    about: set[int] = field(default_factory=set)
    items: set[str] = field(default_factory=set)


@dataclass
class Ledger:
    """Every word that somebody typed and that may not be lost."""

    typed: dict[str, Typed] = field(default_factory=dict)
    free: set[str] = field(default_factory=set)
    count: int = 0

    def word(self, field_name: str) -> str:
        """A new word, as this field can hold it."""
        self.count += 1
        return f"7495{self.count:07}" if field_name == "phones" else f"tok{self.count}x"

    def note(self, said: object, author: str, about: int = 0, item: str = "") -> None:
        """These words were typed, or typed again, by somebody."""
        for word in words(said):
            typed = self.typed.setdefault(word, Typed({author}))
            typed.authors.add(author)
            typed.about |= {about} - {0}
            typed.items |= {item} - {""}

    def tell(self, item: str, contact_id: int) -> None:
        """An item turned out to be about a contact."""
        for typed in self.typed.values():
            if item in typed.items:
                typed.about.add(contact_id)

    def let_go(self, gone: set[str]) -> None:
        """Their own author took these words back, or they were never to be kept."""
        self.free |= gone

    def moved(self, old: str, new: str) -> None:
        """An item has another id now."""
        for typed in self.typed.values():
            if old in typed.items:
                typed.items.add(new)

    def typed_on(self, item: str) -> set[str]:
        return {word for word, typed in self.typed.items() if item in typed.items}

    def owed(self) -> set[str]:
        return set(self.typed) - self.free
