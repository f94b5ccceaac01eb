"""A mailbox's own choice of what is captured of it, as people write it (S1, S6-S8). Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from terracrm.domain.capture import Detail, Mode
from terracrm.domain.folders import comparable
from terracrm.errors import InvalidInput

MODES = tuple(Mode)
DETAILS = tuple(Detail)
CREATE_CONTACTS = ("off", "sent", "all")
MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class StreamRules:
    """Of which folders and with which category a stream takes items; empty: of all, with any (S1)."""

    include_folders: tuple[str, ...] = ()
    exclude_folders: tuple[str, ...] = ()
    only_category: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """A mailbox's own choice; "" is the setting of the same name. `streams` by their kind."""

    capture: str = ""
    detail: str = ""
    tracking_category: str = ""
    create_contacts: str = ""
    streams: Mapping[str, StreamRules] = field(default_factory=dict)

    @property
    def choice(self) -> tuple[object, ...]:
        """What decides whether an item is taken in, folders aside."""
        return self.capture, self.tracking_category, {kind: own.only_category for kind, own in self.streams.items()}


def checked(rules: Rules, kinds: Collection[str]) -> Rules:
    """The rules as they are stored, for a mailbox with streams of these kinds; raises InvalidInput in plain words."""
    for name, value, allowed in (
        ("capture", rules.capture, MODES),
        ("detail", rules.detail, DETAILS),
        ("create-contacts", rules.create_contacts, CREATE_CONTACTS),
    ):
        if value and value not in allowed:
            raise InvalidInput(f"{name} is one of {', '.join(allowed)}; not {value}")
    if unknown := sorted(rules.streams.keys() - set(kinds)):
        raise InvalidInput(f"this mailbox has no stream {unknown[0]}; it has {', '.join(sorted(kinds))}")
    streams = {kind: _checked_stream(rules.streams.get(kind, StreamRules())) for kind in sorted(kinds)}
    return replace(rules, tracking_category=category_name(rules.tracking_category), streams=streams)


def _checked_stream(own: StreamRules) -> StreamRules:
    return StreamRules(_paths(own.include_folders), _paths(own.exclude_folders), category_name(own.only_category))


def category_name(name: str) -> str:
    """A category as Outlook would have it; raises InvalidInput."""
    found = " ".join(name.split())
    if len(found) > MAX_NAME or "," in found or ";" in found:
        raise InvalidInput(f"a category is one name of at most {MAX_NAME} characters, without comma and semicolon")
    return found


def _paths(paths: Collection[str]) -> tuple[str, ...]:
    """Each path once, as it was written first."""
    found: dict[str, str] = {}
    for path in paths:
        names = (" ".join(name.split()) for name in path.split("/"))
        found.setdefault(comparable(path), "/".join(name for name in names if name))
    return tuple(path for path in found.values() if path)
