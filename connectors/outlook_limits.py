"""What a contact of Outlook can keep: the rest is trimmed or refused before anything is sent, whatever the system."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass, replace
from datetime import UTC, date
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
_SAYING = ("address", "number", "street", "city", "region", "postal_code", "country")
_TEXTS = ("display_name", "given_name", "middle_name", "surname", "company_name", "department", "job_title", "website")


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


def trimmed(record: ContactRecord) -> ContactRecord:
    """The record as it reads after it was written: no space around values, no empty entries, times to the second."""
    last = record.card.last_contact
    return replace(
        record,
        **{name: getattr(record, name).strip() for name in _TEXTS},
        **{name: _entries(getattr(record, name), allowed) for name, allowed in _LABELS},
        categories=tuple(dict.fromkeys(name for category in record.categories if (name := category.strip()))),
        card=replace(
            _stripped(record.card), last_contact=last.astimezone(UTC).replace(microsecond=0) if last else None
        ),
    )


def reads_the_same(one: str, other: str) -> bool:
    """Whether two plain texts differ at most in their line ends, which Exchange changes, and the space around them."""
    return one.replace("\r\n", "\n").strip() == other.replace("\r\n", "\n").strip()


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


def _entries(entries: tuple[Any, ...], labels: tuple[str, ...]) -> tuple[Any, ...]:
    """The entries of a list that say anything, in the order of their labels."""
    stripped = [_stripped(entry) for entry in entries]
    said = [entry for entry in stripped if any(getattr(entry, name, "") for name in _SAYING)]
    return tuple(sorted(said, key=lambda entry: labels.index(entry.label) if entry.label in labels else len(labels)))


def _stripped(entry: Any) -> Any:
    """The same data without space around its texts."""
    values = {field.name: getattr(entry, field.name) for field in dataclass_fields(entry)}
    return replace(entry, **{name: text.strip() for name, text in values.items() if isinstance(text, str)})


def _check_labels(name: str, labels: list[str], allowed: Iterable[str]) -> None:
    what = name.replace("_", " ")
    for label, count in Counter(labels).items():
        if label not in allowed:
            raise ItemRejected(f"Outlook has no place {label!r} for {what}: choose one of {', '.join(allowed)}.")
        if count > 1:
            raise ItemRejected(f"Outlook keeps one of the {what} labelled {label!r}, not {count}: choose other labels.")
