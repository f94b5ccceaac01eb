"""Entries of the relationship history as single lines for a phone, in a person's language (W2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from terracrm.domain.capture import snippet
from terracrm.languages import Language
from terracrm.models import ActivityKind
from terracrm.services.people import SPEAKERS

SAID_CHARS = 140
NAME_CHARS = 40
NAMED = 2
ARROW = "→"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is told of an activity. `day` of an all-day meeting or a task is told instead of the moment `at`.

    `people` are its participants as (role, name), without blind copies; `own` is the name of whom the card is about,
    who need not be named on each line of it; `responsible` is who is to do a task.
    """

    kind: str
    at: datetime | None
    day: date | None = None
    direction: str = ""
    subject: str = ""
    snippet: str = ""
    is_cancelled: bool = False
    is_done: bool = False
    people: tuple[tuple[str, str], ...] = ()
    own: str = ""
    responsible: str = ""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes in a language, by the clocks of the office."""

    language: Language
    zone: tzinfo

    def day_of(self, when: datetime) -> date:
        """The office's day of a moment."""
        return when.astimezone(self.zone).date()

    def day(self, when: datetime) -> str:
        """23 Nov 2026, the office's day of a moment."""
        return self.language.day(self.day_of(when))

    def line(self, entry: Entry) -> str:
        """23 Nov 2026, mail received, Maria Ivanova → Anna Sokolova: Contract — Good day, please send us…

        On the card of Maria Ivanova herself: 23 Nov 2026, mail received → Anna Sokolova: Contract — Good day, …
        """
        said = (entry.subject, "" if entry.kind == ActivityKind.MEETING else entry.snippet)
        text = snippet(" — ".join(part for part in said if part.strip()), SAID_CHARS)
        who = _who(entry)
        kind = (
            f"{self._kind(entry)} {who}" if who.startswith(ARROW) else f"{self._kind(entry)}, {who}".removesuffix(", ")
        )
        head = ", ".join(part for part in (self._when(entry), kind) if part)
        return f"{head}: {text}" if text else head

    def _when(self, entry: Entry) -> str:
        if entry.day is not None:
            return self.language.day(entry.day)
        if entry.at is None:
            return ""
        if entry.kind == ActivityKind.MEETING:
            return self.language.day_and_time(entry.at, self.zone)
        return self.day(entry.at)

    def _kind(self, entry: Entry) -> str:
        pgettext = self.language.pgettext
        if entry.kind == ActivityKind.MAIL:
            received, sent = pgettext("history", "mail received"), pgettext("history", "mail sent")
            return {"in": received, "out": sent}.get(entry.direction, pgettext("history", "mail"))
        if entry.kind == ActivityKind.MEETING:
            return pgettext("history", "cancelled meeting") if entry.is_cancelled else pgettext("history", "meeting")
        if entry.kind == ActivityKind.TASK:
            return pgettext("history", "task done") if entry.is_done else pgettext("history", "task")
        return pgettext("history", "note")


def _who(entry: Entry) -> str:
    """Who to whom, or who together. Left out is whose card it is: as who wrote, as the only one who was written to, and
    among those who met.
    """
    if entry.responsible:
        return entry.responsible
    speaker = [name for role, name in entry.people if role in SPEAKERS][:1]
    others = [name for role, name in entry.people if role not in SPEAKERS]
    if entry.kind != ActivityKind.MAIL:
        return ", ".join([*_short(_without(entry.own, speaker)), *_counted(_without(entry.own, others))])
    if speaker == [entry.own]:
        others = _without(entry.own, others)
        return f"{ARROW} {', '.join(_counted(others))}" if others else ""
    if others == [entry.own] and speaker:
        others = []
    to_whom = ", ".join(_counted(others))
    return f"{_short(speaker)[0]} {ARROW} {to_whom}" if speaker and others else ", ".join(_short(speaker)) or to_whom


def _without(own: str, names: list[str]) -> list[str]:
    return [name for name in names if name != own] if own else names


def _short(names: list[str]) -> list[str]:
    return [snippet(name, NAME_CHARS) for name in names]


def _counted(names: list[str]) -> list[str]:
    """The first names, and how many more there are."""
    shown = names if len(names) <= NAMED else names[: NAMED - 1]
    return [*_short(shown), *([f"+{len(names) - len(shown)}"] if len(shown) < len(names) else [])]
