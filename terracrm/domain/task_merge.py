"""A task here and its item in Outlook: what each says in the terms of the other, and what changed since (W3). Pure.

Both sides are compared as `Values`, a task in JSON terms, each with its own past: the item with what the mailbox said
when both last agreed (`Link.base`), the task with what we said then (`Link.sent`). So what a server makes of our words
is no change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, cast

from terracrm.domain.records import TaskRecord

Values = dict[str, str]
FIELDS: Final = ("subject", "text", "due_on", "remind_at", "importance", "done_on")
MAX_SUBJECT: Final = 200
MAX_TEXT: Final = 100_000
LABEL: Final = "TerraCRM"
_LONGEST_IN_OUTLOOK = 255
_FIELD_OF_RECORD = {"subject": "subject", "text": "body", "due_on": "due_on", "remind_at": "remind_at",
                    "importance": "importance", "done_on": "completed_on"}  # fmt: skip
_LINE_ENDS = re.compile(r"\r\n?")


@dataclass(frozen=True, slots=True)
class Frame:
    """What we write around a task: whom it is about, behind the subject, and where it is found, below the text."""

    client: str = ""
    link: str = ""

    @classmethod
    def of(cls, sent: Mapping[str, Any]) -> Frame:
        """The frame that was written with these values."""
        return cls(str(sent.get("client", "")), str(sent.get("link", "")))


@dataclass(frozen=True, slots=True)
class Clash:
    """A field that both sides changed, or that does not come in: what each says, and who won by which rule."""

    field: str
    crm: str
    outlook: str
    winner: str
    rule: str


@dataclass(frozen=True, slots=True)
class Merged:
    """What the item changes here, what both sides know of each other from now on, and where they disagreed."""

    changes: Values
    sent: Values
    clashes: tuple[Clash, ...]


def values(
    subject: str, text: str, due_on: date | None, remind_at: datetime | None, importance: str, done_on: date | None
) -> Values:
    """A task in JSON terms. Nobody is reminded of what is done: Outlook forgets the reminder, so we do not tell it."""
    return {
        "subject": subject,
        "text": text,
        "due_on": due_on.isoformat() if due_on else "",
        "remind_at": _minute(remind_at) if remind_at and not done_on else "",
        "importance": importance,
        "done_on": done_on.isoformat() if done_on else "",
    }


def day_of(value: str) -> date | None:
    """A day of `Values`."""
    return date.fromisoformat(value) if value else None


def moment_of(value: str) -> datetime | None:
    """A moment of `Values`."""
    return datetime.fromisoformat(value) if value else None


def record(mine: Mapping[str, str], frame: Frame) -> TaskRecord:
    """The item that a task is to be in Outlook."""
    below = f"{LABEL}: {frame.link}" if frame.link else ""
    return TaskRecord(
        subject=mine["subject"] + _behind(mine["subject"], frame),
        body="\n\n".join(part for part in (mine["text"], below) if part),
        due_on=day_of(mine["due_on"]),
        remind_at=moment_of(mine["remind_at"]),
        completed_on=day_of(mine["done_on"]),
        importance=mine["importance"],
    )


def told(item: TaskRecord, frame: Frame) -> Values:
    """What an item says of its task, without the frame, wherever its owner put that."""
    subject = _without_client(" ".join(item.subject.split()), frame.client)
    text = _without_link(_LINE_ENDS.sub("\n", item.body), frame.link)
    importance = item.importance if item.importance in ("low", "high") else "normal"
    return values(subject[:MAX_SUBJECT], text[:MAX_TEXT], item.due_on, item.remind_at, importance, item.completed_on)


def to_write(mine: Mapping[str, str], frame: Frame, sent: Mapping[str, Any]) -> frozenset[str]:
    """The fields of the item that are to be written: those of which we now say something else than we did."""
    found = {_FIELD_OF_RECORD[name] for name in FIELDS if not _same(name, mine[name], str(sent.get(name, "")))}
    before = Frame.of(sent)
    if frame.client != before.client:
        found.add("subject")
    if frame.link != before.link:
        found.add("body")
    return frozenset(found)


def is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two say the same of a task."""
    return all(_same(name, str(one.get(name, "")), str(other.get(name, ""))) for name in FIELDS)


def said(mine: Mapping[str, str], frame: Frame) -> Values:
    """What we say of a task and around it, as `Link.sent` keeps it."""
    return {**mine, "client": frame.client, "link": frame.link}


def acknowledged(
    base: Mapping[str, Any], sent: Mapping[str, Any], item: TaskRecord, unfinished: Mapping[str, Any]
) -> tuple[Values, Values]:
    """`base` and `sent` once it is known what of a write whose answer was lost got through: what the item now says.

    What we said ourselves is no change of its owner, also when we say something else by now.
    """
    known, mine = cast(Values, dict(base)), cast(Values, dict(sent))
    if not unfinished:
        return known, mine
    frame = Frame.of(unfinished)
    theirs = told(item, frame)
    for name in FIELDS:
        is_new = not _same(name, theirs[name], known.get(name, ""))
        if is_new and _same(name, theirs[name], str(unfinished[name])):
            known[name] = mine[name] = theirs[name]
    if theirs["subject"] != " ".join(item.subject.split()):
        mine["client"] = frame.client
    if frame.link and frame.link in item.body:
        mine["link"] = frame.link
    return known, mine


def merge(
    base: Mapping[str, Any],
    sent: Mapping[str, Any],
    mine: Mapping[str, str],
    theirs: Mapping[str, str],
    *,
    comes_in: bool,
    rule: str,
    is_theirs_later: bool,
) -> Merged:
    """Field by field: who alone changed it says it; where both did, `rule` decides ("crm", "outlook", "latest").

    Nothing comes in where the stream only goes out: what was changed there is set back.
    """
    changes: Values = {}
    agreed = cast(Values, dict(sent))
    clashes: list[Clash] = []
    for name in FIELDS:
        new, here = theirs[name], mine[name]
        if not _is_news(name, base, mine, theirs):
            continue
        if _same(name, new, here):
            agreed[name] = here
            continue
        is_mine_changed = not _same(name, here, str(sent.get(name, "")))
        if comes_in and not is_mine_changed:
            changes[name] = agreed[name] = new
            continue
        by_rule = rule if comes_in else "direction"
        wins = comes_in and (rule == "outlook" or (rule == "latest" and is_theirs_later))
        clashes.append(Clash(name, here, new, "outlook" if wins else "crm", by_rule))
        agreed[name] = new
        if wins:
            changes[name] = new
    return Merged(changes, agreed, tuple(clashes))


def _is_news(name: str, base: Mapping[str, Any], mine: Mapping[str, str], theirs: Mapping[str, str]) -> bool:
    """Whether the owner of the item changed a field. A task is called something; what is done reminds of nothing."""
    if name == "subject" and not theirs["subject"]:
        return False
    if name == "remind_at" and (theirs["done_on"] or mine["done_on"]):
        return False
    return not _same(name, theirs[name], str(base.get(name, "")))


def _same(name: str, one: str, other: str) -> bool:
    """Whether a field says the same. On which day something was done is told once, not argued about."""
    return bool(one) == bool(other) if name == "done_on" else one == other


def _behind(subject: str, frame: Frame) -> str:
    """What is written behind a subject, cut to what Outlook takes."""
    room = _LONGEST_IN_OUTLOOK - len(subject) - len(" ()")
    if not frame.client or room < 1:
        return ""
    client = frame.client if len(frame.client) <= room else frame.client[: room - 1] + "…"
    return f" ({client})"


def _without_client(subject: str, client: str) -> str:
    """A subject without the client behind it, whose name may have been cut for want of room."""
    if not client:
        return subject
    spaced = f" {subject}"
    for found in re.finditer(r" \(", spaced):
        said = spaced[found.end() :]
        is_cut = said.endswith("…)") and len(said) > len("…)") and client.startswith(said[:-2])
        if said == f"{client})" or is_cut:
            return spaced[: found.start()].strip()
    return subject


def _without_link(body: str, link: str) -> str:
    """A text without the lines that lead to the task; what stands above and below stays apart."""
    parts: list[list[str]] = [[]]
    for line in body.split("\n"):
        if _is_link(line, link):
            parts.append([])
        else:
            parts[-1].append(line)
    texts = ("\n".join(part).strip("\n") for part in parts)
    return "\n\n".join(text for text in texts if text.strip()).strip()


def _is_link(line: str, link: str) -> bool:
    """Whether a line is ours. Rich text says a link twice: as its text, and as where it leads."""
    if not link or link not in line:
        return False
    rest = line.replace(link, "").replace(LABEL, "")
    return not re.sub(r"HYPERLINK|[\s:<>\"()\[\]]", "", rest)


def _minute(when: datetime) -> str:
    return when.astimezone(UTC).replace(second=0, microsecond=0).isoformat(timespec="minutes")
