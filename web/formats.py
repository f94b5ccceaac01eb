"""How times, sizes, names and links are written on pages, in the reader's language and time zone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, takewhile
from urllib.parse import quote, urlsplit
from zlib import crc32

from flask import Flask
from flask_babel import format_date, format_datetime, format_decimal, format_time, get_timezone, gettext

from terracrm.domain.names import company_key
from terracrm.services.timeline import Cursor, Entry

HUES = 8
SHOWN_AHEAD = 2
KILO = 1024


def init(app: Flask) -> None:
    """Give the templates these filters."""
    filters = (
        ahead, company_initials, day, day_and_time, day_heading, days, file_size, hue, initials, local_day, moment,
        number, site_url, span, tel_url, time_of_day,
    )  # fmt: skip
    for function in filters:
        app.jinja_env.filters[function.__name__] = function


def local_day(when: datetime) -> date:
    """The reader's day of a moment."""
    return when.astimezone(get_timezone()).date()


def _today() -> date:
    return local_day(datetime.now(UTC))


def day(when: datetime | date) -> str:
    """23 Nov 2026."""
    return format_date(local_day(when) if isinstance(when, datetime) else when, "d MMM y")


def day_and_time(when: datetime) -> str:
    """23 Nov 2026, 14:05."""
    return format_datetime(when, "d MMM y, HH:mm")


def time_of_day(when: datetime) -> str:
    """14:05."""
    return format_time(when, "HH:mm")


def day_heading(when: date) -> str:
    """What stands above the entries of a day: Today, Yesterday, Monday 23 November."""
    today = _today()
    near = {today: gettext("Today"), today - timedelta(days=1): gettext("Yesterday")}
    near[today + timedelta(days=1)] = gettext("Tomorrow")
    text = near.get(when) or format_date(when, "EEEE, d MMMM" if when.year == today.year else "EEEE, d MMMM y")
    return text[:1].upper() + text[1:]  # Russian writes the names of days small


def moment(when: datetime | None) -> str:
    """A short time for lists: 14:05 today, else Yesterday, else 3 Nov, else 3 Nov 2024; "—" for never."""
    if when is None:
        return "—"
    today, that_day = _today(), local_day(when)
    if that_day == today:
        return time_of_day(when)
    if that_day == today - timedelta(days=1):
        return gettext("Yesterday")
    return format_date(that_day, "d MMM" if that_day.year == today.year else "d MMM y")


def span(start: datetime, end: datetime | None) -> str:
    """The times of a meeting: 14:05–15:00, with the day of the end where it is another one."""
    if end is None or end == start:
        return time_of_day(start)
    if local_day(start) == local_day(end):
        return f"{time_of_day(start)}–{time_of_day(end)}"
    return f"{time_of_day(start)} – {day_and_time(end)}"


def days(entries: Iterable[Entry], after: Cursor | None = None) -> list[tuple[date | None, list[Entry]]]:
    """Entries by the reader's day; the day is None where the page before has shown its heading."""
    shown = local_day(after.occurred_at) if after else None
    grouped = groupby(entries, key=lambda entry: local_day(entry.occurred_at))
    return [(None if that_day == shown else that_day, list(found)) for that_day, found in grouped]


def ahead(entries: Sequence[Entry]) -> list[Entry]:
    """The entries of days to come at the beginning of a page; none where they are so few that they hide nothing."""
    today = _today()
    found = list(takewhile(lambda entry: local_day(entry.occurred_at) > today, entries))
    return found if len(found) > SHOWN_AHEAD else []


def number(value: int) -> str:
    """1,234 or 1 234."""
    return str(format_decimal(value))


def file_size(size: int) -> str:
    """A size in bytes as people read it."""
    if size < KILO:
        return gettext("%(size)s B", size=number(size))
    if size < KILO * KILO:
        return gettext("%(size)s KB", size=number(round(size / KILO)))
    return gettext("%(size)s MB", size=format_decimal(round(size / KILO / KILO, 1)))


def initials(name: str) -> str:
    """One or two letters that stand for a name."""
    words = re.findall(r"\w+", name)
    letters = [word[0] for word in words if word[0].isalpha()] or [word[0] for word in words]
    return "".join(letters[:2]).upper() or "?"


def company_initials(name: str) -> str:
    """The same for a company; its legal form does not count."""
    return initials(company_key(name))


def hue(name: str) -> int:
    """The number of the colour of a name: always the same for the same name."""
    return crc32(name.encode()) % HUES


def tel_url(number: str) -> str:
    """A link that dials a number."""
    return "tel:" + re.sub(r"[^\d+]", "", number)


def site_url(address: str) -> str:
    """A safe link to a web address as people write it; "" where it is none."""
    address = address.strip()
    if not re.match(r"[a-z][a-z\d+.-]*:", address, re.IGNORECASE):
        address = f"https://{address}"
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    is_site = parts.scheme in ("http", "https") and parts.hostname and "." in parts.hostname
    return quote(address, safe=":/?#[]@!$&'()*+,;=%~-._") if is_site else ""
