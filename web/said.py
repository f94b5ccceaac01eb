"""What fields of clients say and said, as people read it: lists with labels, days and times as they are written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from flask import Flask

from terracrm.domain.contact_merge import LISTS
from terracrm.services import field_history
from web.formats import day, day_and_time
from web.words import word

TIMES = frozenset({"birthday", "archived", "start", "end", "sent_at", "original_start", "changed_at"})
PARTS = ("address", "number", "street", "postal_code", "city", "region", "country")


def init(app: Flask) -> None:
    """Give the templates the filters `value|said(field)` and `value|entered(field, people, teams)`."""
    app.jinja_env.filters["said"] = said
    app.jinja_env.filters["entered"] = entered


def said(value: str, field: str) -> str:
    """A value of the history of changes (`field_changes.ChangeRow`)."""
    if field in LISTS:
        found = field_history.as_entries(value)
        return value if found is None else entries(found)
    if field in TIMES and value:
        return _time(value)
    if field == "participants" and value:
        return _people(value)
    return value


def entered(value: Any, field: str, people: Sequence[tuple[int, str]], teams: Sequence[tuple[int, str]]) -> str:
    """A value of a form, tidy as edits have it."""
    if field in LISTS:
        return entries(value)
    if field in ("owner", "team"):
        names = {str(id_): name for id_, name in (people if field == "owner" else teams)}
        return names.get(value, value)
    if not isinstance(value, str):
        return ", ".join(value)
    return said(value, field)


def entries(found: Iterable[Mapping[str, str]]) -> str:
    """The entries of a list field in one line."""
    lines = []
    for entry in found:
        text = ", ".join(entry[part] for part in PARTS if entry.get(part))
        label = entry.get("label", "")
        lines.append(f"{text} ({word(label, 'label')})" if label and not label.isdecimal() else text)
    return "; ".join(lines)


def _people(value: str) -> str:
    """Who takes part in a meeting, by name."""
    try:
        return ", ".join(str(each.get("name") or each["address"]) for each in json.loads(value))
    except (ValueError, TypeError, KeyError, AttributeError):
        return value


def _time(value: str) -> str:
    try:
        return day_and_time(datetime.fromisoformat(value)) if "T" in value else day(date.fromisoformat(value))
    except ValueError:
        return value
