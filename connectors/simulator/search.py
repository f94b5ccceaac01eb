"""Restrictions, sort orders and query strings, evaluated on the values of an item's or folder's properties."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cmp_to_key

from connectors.simulator import fields
from connectors.simulator.errors import EwsError, SchemaViolation
from connectors.simulator.fields import Path
from connectors.simulator.schema import Element, elements, local, t, words

# Gives the values of a property as text; [] where there is none.
Values = Callable[[Path], list[str]]
Predicate = Callable[[Values], bool]

UNSEARCHABLE = words(
    "MimeContent MimeContentUTF8 Culture ToRecipients CcRecipients BccRecipients ReplyTo"
    " Photo UserSMIMECertificate MSExchangeCertificate UID RequiredAttendees OptionalAttendees"
    " Resources Recurrence MeetingTimeZone StartTimeZone EndTimeZone Attachments UniqueBody NormalizedBody"
    " EffectiveRights ResponseObjects FirstOccurrence LastOccurrence ModifiedOccurrences DeletedOccurrences"
    " PermissionSet SearchParameters"
)
_UNSEARCHABLE_THERE = frozenset({"contacts:Companies", "calendar:IsResponseRequested", "task:Status"})
_COMPARISONS: dict[str, Callable[[int], bool]] = {
    "IsEqualTo": lambda order: order == 0,
    "IsNotEqualTo": lambda order: order != 0,
    "IsGreaterThan": lambda order: order > 0,
    "IsGreaterThanOrEqualTo": lambda order: order >= 0,
    "IsLessThan": lambda order: order < 0,
    "IsLessThanOrEqualTo": lambda order: order <= 0,
}
_TRUTH = {"true": "1", "false": "0"}
_RANKED = {"Low": "0", "High": "2"}
_WORDS = re.compile(r"\w+")
_MODES = ("FullString", "Prefixed", "Substring", "PrefixOnWords", "ExactPhrase")
_AQS = re.compile(r'(?P<not>-|NOT\s+)?(?:(?P<field>[a-zA-Z]+):)?(?P<value>"[^"]*"|\([^)]*\)|\S+)')
_AQS_FIELDS = {
    "subject": ("Subject",),
    "body": ("Body",),
    "from": ("From", "Sender"),
    "to": ("DisplayTo",),
    "cc": ("DisplayCc",),
    "category": ("Categories",),
    "participants": ("From", "Sender", "DisplayTo", "DisplayCc"),
    "kind": ("ItemClass",),
    "importance": ("Importance",),
    "hasattachment": ("HasAttachments",),
    "hasattachments": ("HasAttachments",),
    "isread": ("IsRead",),
    "read": ("IsRead",),
}
_EVERYWHERE = (
    "Subject",
    "Body",
    "From",
    "Sender",
    "DisplayTo",
    "DisplayCc",
    "Location",
    "DisplayName",
    "CompanyName",
    "EmailAddresses",
    "Categories",
)


def comparable(text: str) -> tuple[int, object]:
    """A value that sorts as what it is: a moment, a number, or text without regard to case."""
    text = _TRUTH.get(text, text)
    number = _number(text)
    if number is not None:
        return (0, number)
    moment = _moment(text)
    if moment is not None:
        return (1, moment)
    return (2, text.casefold())


def _number(text: str) -> float | None:
    try:
        return float(text) if text[:1] in "-+.0123456789" and text else None
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    if len(text) < 19 or text[4:5] != "-" or text[10:11] != "T":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def compare_as(kind: str, one: str, other: str) -> int:
    """As `compare`, but what is a text by its MAPI type is compared as text, whatever it looks like."""
    if kind.startswith("String"):
        return (one.casefold() > other.casefold()) - (one.casefold() < other.casefold())
    return compare(one, other)


def compare(one: str, other: str) -> int:
    """-1, 0 or 1, comparing moments and numbers as such and text without regard to case."""
    left, right = comparable(one), comparable(other)
    if left[0] != right[0]:
        left, right = (2, one.casefold()), (2, other.casefold())
    return (left > right) - (left < right)  # type: ignore[operator]


def restriction(element: Element | None) -> Predicate | None:
    """The condition that a Restriction element describes, or None for none."""
    children = elements(element)
    return _expression(children[0]) if children else None


def _expression(element: Element) -> Predicate:
    kind, children = local(element), elements(element)
    if kind in ("And", "Or"):
        parts = [_expression(child) for child in children]
        if len(parts) < 2:
            raise SchemaViolation(f"The element '{kind}' has incomplete content.")
        joined = all if kind == "And" else any
        return lambda values: joined(part(values) for part in parts)
    if kind == "Not":
        inner = _expression(children[0])
        return lambda values: not inner(values)
    if not children:
        raise SchemaViolation(f"The element '{kind}' has incomplete content.")
    path = _searchable(children[0])
    if kind == "Exists":
        return lambda values: bool(values(path))
    if kind == "Excludes":
        mask = int(children[1].get("Value", "0"), 0)
        return lambda values: all(not int(text) & mask for text in values(path) if text.lstrip("-").isdigit())
    if kind == "Contains":
        return _contains(element, path)
    if kind in _COMPARISONS:
        return _comparison(kind, path, children[1])
    raise SchemaViolation(f"The element 'Restriction' has invalid child element '{kind}'.")


def _searchable(element: Element) -> Path:
    path = fields.parse(element)
    if path.name in UNSEARCHABLE or path.uri in _UNSEARCHABLE_THERE:
        raise EwsError("ErrorUnsupportedPathForQuery")
    return path


def _comparison(kind: str, path: Path, against: Element) -> Predicate:
    accepts = _COMPARISONS[kind]
    operand = elements(against)
    if not operand:
        raise SchemaViolation(f"The element '{kind}' has incomplete content.")
    if local(operand[0]) == "Constant":
        constant = operand[0].get("Value", "")
        ranks = path.name in ("Importance",)

        def meets(values: Values) -> bool:
            found = values(path)
            if not found:
                return kind == "IsNotEqualTo"
            type_ = path.key[-1] if path.key else ""
            orders = [compare_as(type_, _rank(text, ranks), _rank(constant, ranks)) for text in found]
            return all(map(accepts, orders)) if kind == "IsNotEqualTo" else any(map(accepts, orders))

        return meets
    other = _searchable(operand[0])

    def both(values: Values) -> bool:
        left, right = values(path), values(other)
        return bool(left and right) and accepts(compare(left[0], right[0]))

    return both


def _rank(text: str, ranks: bool) -> str:
    return _RANKED.get(text, "1") if ranks and not text.isdigit() else text


def _contains(element: Element, path: Path) -> Predicate:
    constant = element.find(t("Constant"))
    if constant is None:
        raise SchemaViolation("The element 'Contains' has incomplete content.")
    mode = element.get("ContainmentMode", "FullString")
    if mode not in _MODES:
        raise SchemaViolation(f"The 'ContainmentMode' attribute is invalid - The value '{mode}' is invalid.")
    fold = _folding(element.get("ContainmentComparison", "Exact"))
    wanted = fold(constant.get("Value", ""))
    return lambda values: any(_held(fold(text), wanted, mode) for text in values(path))


def _folding(comparison: str) -> Callable[[str], str]:
    caseless, loose = "IgnoreCase" in comparison, "Loose" in comparison or "NonSpac" in comparison

    def fold(text: str) -> str:
        if loose:
            split = unicodedata.normalize("NFKD", text)
            text = "".join(char for char in split if not unicodedata.combining(char))
        return text.casefold() if caseless else text

    return fold


def _held(text: str, wanted: str, mode: str) -> bool:
    if mode == "FullString":
        return text == wanted
    if mode == "Prefixed":
        return text.startswith(wanted)
    if mode == "PrefixOnWords":
        return any(text.startswith(wanted, match.start()) for match in _WORDS.finditer(text))
    if mode == "ExactPhrase":
        return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", text) is not None
    return wanted in text


def orders(element: Element | None) -> list[tuple[Path, bool]]:
    """The properties of a SortOrder, each with whether it sorts descending."""
    found = []
    for order in elements(element):
        children = elements(order)
        if not children or order.get("Order") not in ("Ascending", "Descending"):
            raise SchemaViolation("The element 'FieldOrder' has incomplete content.")
        path = fields.parse(children[0])
        if path.name in UNSEARCHABLE or path.name == "Body":
            raise EwsError("ErrorUnsupportedPathForSortGroup")
        found.append((path, order.get("Order") == "Descending"))
    return found


def sort(found: list, by: list[tuple[Path, bool]], values: Callable[[object], Values]) -> list:
    """The entries in order (stable); those without a value come first, as in Exchange."""
    for path, descending in reversed(by):
        found = sorted(
            found,
            key=lambda entry: _SORT_KEY(next(iter(values(entry)(path)), None)),
            reverse=descending,
        )
    return found


def _order(one: str | None, other: str | None) -> int:
    if one is None or other is None:
        return (one is not None) - (other is not None)
    return compare(one, other)


_SORT_KEY = cmp_to_key(_order)


def query(text: str) -> Predicate:
    """A condition of Advanced Query Syntax: words, "phrases", field:value, NOT; AND is understood, OR joins."""
    branches = [_terms(branch) for branch in re.split(r"\s+OR\s+", text.strip())]
    return lambda values: any(all(term(values) for term in branch) for branch in branches)


def _terms(text: str) -> list[Predicate]:
    found = []
    for match in _AQS.finditer(text):
        value = match["value"].strip('"()')
        if not value or (value == "AND" and not match["field"]):
            continue
        names = _AQS_FIELDS.get((match["field"] or "").lower(), _EVERYWHERE)
        found.append(_term(names, value, bool(match["not"])))
    return found


def _term(names: Iterable[str], value: str, negated: bool) -> Predicate:
    wanted = {"yes": "true", "no": "false", "email": "ipm.note"}.get(value.casefold(), value.casefold())
    paths = [Path("", name) for name in names]

    def meets(values: Values) -> bool:
        hit = any(wanted.rstrip("*") in text.casefold() for path in paths for text in values(path))
        return hit is not negated

    return meets


def query_string(element: Element | None) -> Predicate | None:
    """The condition of a QueryString element, or None for none."""
    text = (element.text or "").strip() if element is not None else ""
    return query(text) if text else None
