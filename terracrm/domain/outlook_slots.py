"""The places that a contact of Outlook has for addresses and numbers, and how values read once they are there (W1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from datetime import UTC
from typing import Any, Final

from terracrm.domain.records import ContactRecord

EMAIL_LABELS: Final = ("1", "2", "3")
PHONE_LABELS: Final = (
    "assistant", "business_fax", "business", "business_2", "callback", "car", "company_main", "home_fax", "home",
    "home_2", "isdn", "mobile", "other_fax", "other", "pager", "primary", "radio", "telex", "tty_tdd",
)  # fmt: skip
ADDRESS_LABELS: Final = ("business", "home", "other")
LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    "emails": EMAIL_LABELS,
    "phones": PHONE_LABELS,
    "postal_addresses": ADDRESS_LABELS,
}
"""The places of each list field, each for one entry."""

_KIN: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "emails": {"1": ("2", "3"), "2": ("3", "1"), "3": ("2", "1")},
    "phones": {
        "assistant": ("callback", "other"),
        "business": ("business_2", "primary", "other"),
        "business_2": ("business", "primary", "other"),
        "business_fax": ("other_fax", "home_fax"),
        "callback": ("other", "primary"),
        "car": ("other", "primary"),
        "company_main": ("business_2", "other", "primary"),
        "home": ("home_2", "other", "primary"),
        "home_2": ("home", "other", "primary"),
        "home_fax": ("other_fax", "business_fax"),
        "mobile": ("other", "primary", "car"),
        "other": ("primary", "callback"),
        "other_fax": ("business_fax", "home_fax"),
        "primary": ("other", "business_2"),
    },
    "postal_addresses": {"business": ("other",), "home": ("other",), "other": ("business", "home")},
}
"""Where an entry goes whose own place is taken: what Outlook shows beside it, and never a fax for a voice."""
_USUAL: Final = {"emails": "1", "phones": "business", "postal_addresses": "business"}
"""The place of an entry whose label Outlook does not know."""
_SAYING: Final = ("address", "number", "street", "city", "region", "postal_code", "country")
_TEXTS: Final = (
    "display_name", "given_name", "middle_name", "surname", "company_name", "department", "job_title", "website",
)  # fmt: skip


def places(field: str, label: str) -> tuple[str, ...]:
    """Where an entry of a list field with this label may stand, the best place first."""
    wanted = label if label in LABELS[field] else _USUAL[field]
    return (wanted, *_KIN[field].get(wanted, ()))


def trimmed(record: ContactRecord) -> ContactRecord:
    """The record as it reads after it was written: no space around values, no empty entries, times to the second."""
    last = record.card.last_contact
    lists: dict[str, Any] = {name: _entries(getattr(record, name), allowed) for name, allowed in LABELS.items()}
    texts: dict[str, Any] = {name: getattr(record, name).strip() for name in _TEXTS}
    return replace(
        record,
        **texts,
        **lists,
        categories=tuple(dict.fromkeys(name for category in record.categories if (name := category.strip()))),
        card=replace(
            _stripped(record.card), last_contact=last.astimezone(UTC).replace(microsecond=0) if last else None
        ),
    )


def reads_the_same(one: str, other: str) -> bool:
    """Whether two plain texts differ at most in their line ends, which Exchange changes, and the space around them."""
    return one.replace("\r\n", "\n").strip() == other.replace("\r\n", "\n").strip()


def _entries(entries: tuple[Any, ...], labels: tuple[str, ...]) -> tuple[Any, ...]:
    """The entries of a list that say anything, in the order of their labels."""
    stripped = [_stripped(entry) for entry in entries]
    said = [entry for entry in stripped if any(getattr(entry, name, "") for name in _SAYING)]
    return tuple(sorted(said, key=lambda entry: labels.index(entry.label) if entry.label in labels else len(labels)))


def _stripped(entry: Any) -> Any:
    """The same data without space around its texts."""
    values = {field.name: getattr(entry, field.name) for field in dataclass_fields(entry)}
    return replace(entry, **{name: text.strip() for name, text in values.items() if isinstance(text, str)})
