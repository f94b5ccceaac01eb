"""What no contact of Outlook can keep, refused before anything is sent; the same whatever system is written to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from datetime import date
from typing import Any, Final

from terracrm.domain.records import ContactRecord
from terracrm.errors import ItemRejected

FIELDS: Final = frozenset(field.name for field in dataclass_fields(ContactRecord)) - {"body"}
"""What `Connector.update` may be asked to write."""
EMAIL_LABELS: Final = ("1", "2", "3")
PHONE_LABELS: Final = (
    "assistant", "business_fax", "business", "business_2", "callback", "car", "company_main", "home_fax", "home",
    "home_2", "isdn", "mobile", "other_fax", "other", "pager", "primary", "radio", "telex", "tty_tdd",
)  # fmt: skip
ADDRESS_LABELS: Final = ("business", "home", "other")
FIRST_DAY: Final = date(1601, 1, 1)
"""Where the calendar of Windows begins."""

_UNSENDABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 has no form for, and no Exchange would take."""
_LABELS = (("emails", EMAIL_LABELS), ("phones", PHONE_LABELS), ("postal_addresses", ADDRESS_LABELS))


def check(record: ContactRecord, fields: Collection[str] = FIELDS) -> None:
    """Raise ItemRejected, in words for the user, when one of these fields of the record cannot be written.

    Raises ValueError for a name that is no field.
    """
    unknown = set(fields) - FIELDS
    if unknown:
        raise ValueError(f"no fields of a contact: {', '.join(sorted(unknown))}")
    for name in sorted(fields):
        for text in _texts(getattr(record, name)):
            check_text(name.replace("_", " "), text)
    if "notes" in fields and record.body is not None:
        check_text("notes", record.body.content)
    for name, allowed in _LABELS:
        if name in fields:
            _check_labels(name, [entry.label for entry in getattr(record, name)], allowed)
    if "birthday" in fields and record.birthday is not None and record.birthday < FIRST_DAY:
        raise ItemRejected(f"Outlook knows no birthday before {FIRST_DAY.year}: correct it or take it out.")


def check_text(name: str, text: str) -> None:
    """Raise ItemRejected when a text has a character that cannot be sent; `name` says where, for the user."""
    found = _UNSENDABLE.search(text)
    if found:
        raise ItemRejected(
            f"Outlook cannot keep the control character U+{ord(found[0]):04X} in the {name}: take it out and try again."
        )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _texts(part)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in dataclass_fields(value):
            yield from _texts(getattr(value, field.name))


def _check_labels(name: str, labels: list[str], allowed: Iterable[str]) -> None:
    what = name.replace("_", " ")
    for label, count in Counter(labels).items():
        if label not in allowed:
            raise ItemRejected(f"Outlook has no place {label!r} for {what}: choose one of {', '.join(allowed)}.")
        if count > 1:
            raise ItemRejected(f"Outlook keeps one of the {what} labelled {label!r}, not {count}: choose other labels.")
