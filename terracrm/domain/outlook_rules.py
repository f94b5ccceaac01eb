"""What is written into a mailbox, as people say it: clients, which, where, in which direction (W1-W3, S9). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from terracrm.domain.contact_merge import LISTS, SCALARS
from terracrm.errors import InvalidInput

SETTING: Final = "setting"
ON, OFF, REMOVE = "on", "off", "remove"
CLIENTS: Final = (ON, OFF, REMOVE)
SWITCH: Final = (ON, OFF)
MINE, TEAM, REGION, SEGMENT = "mine", "team", "region", "segment"
SCOPES: Final = (MINE, TEAM, REGION)
BOTH: Final = "both"
DIRECTIONS: Final = (BOTH, "in", "out", "off")
FIELDS: Final = (*SCALARS, *LISTS)
CONFLICTS: Final = ("crm", "outlook", "latest")
DELETIONS: Final = ("unlink", "archive")
MAX_ENTRIES: Final = 50
MAX_NAME: Final = 255


@dataclass(frozen=True, slots=True)
class OutlookRules:
    """What is written into one mailbox; "" and None are the setting in `[outlook]`.

    `clients` is on, off (nothing more is written, what is there stays) or remove (the cards leave Outlook). `scope` is
    "mine", "team", "region" or "segment", whose number is `segment_id`. `directions` holds the fields that do not go
    both ways.
    """

    clients: str = OFF
    scope: str = ""
    segment_id: int | None = None
    folder: str = ""
    directions: Mapping[str, str] = field(default_factory=dict)
    conflict: str = ""
    on_delete: str = ""
    history: int | None = None
    tasks: str = OFF
    posts: str = OFF


def checked(rules: OutlookRules) -> OutlookRules:
    """The rules as they are stored; raises InvalidInput in plain words."""
    _check("clients", rules.clients, CLIENTS)
    _check("scope", rules.scope, ("", *SCOPES, SEGMENT))
    _check("conflict", rules.conflict, ("", *CONFLICTS))
    _check("on-delete", rules.on_delete, ("", *DELETIONS))
    _check("tasks", rules.tasks, SWITCH)
    _check("posts", rules.posts, SWITCH)
    if (rules.scope == SEGMENT) != (rules.segment_id is not None):
        raise InvalidInput("the scope segment needs the name of a segment: segment:NAME")
    if rules.history is not None and not 0 <= rules.history <= MAX_ENTRIES:
        raise InvalidInput(f"history is a number from 0 to {MAX_ENTRIES}, or {SETTING}")
    for name, direction in rules.directions.items():
        _check_direction(name, direction)
    directions = {name: rules.directions[name] for name in FIELDS if rules.directions.get(name, BOTH) != BOTH}
    return replace(rules, folder=folder_name(rules.folder), directions=directions)


def directions(asked: Iterable[str], former: Mapping[str, str]) -> dict[str, str]:
    """The directions after FIELD=DIRECTION was said of some fields; raises InvalidInput.

    Example: directions(["notes=in", "job-title=off"], {"phones": "out"})
    """
    found = dict(former)
    for one in asked:
        name, sign, direction = one.partition("=")
        name, direction = name.strip().lower().replace("-", "_").replace(" ", "_"), direction.strip().lower()
        if not sign:
            raise InvalidInput(f"{one!r} is no direction of a field; an example: notes=in")
        _check_direction(name, direction)
        found[name] = direction
    return found


def entries(asked: str) -> int | None:
    """How many entries of the history: a number, or None for the setting; raises InvalidInput."""
    text = asked.strip().lower()
    if text == SETTING:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 4):
        raise InvalidInput(f"history is a number from 0 to {MAX_ENTRIES}, or {SETTING}; not {asked.strip()}")
    return int(text)


def folder_name(name: str) -> str:
    """The name of a folder in Outlook, "" for the setting; raises InvalidInput."""
    found = " ".join(name.split())
    if len(found) > MAX_NAME or any(sign in found for sign in "/\\") or not found.isprintable():
        raise InvalidInput(f"a folder has one name of at most {MAX_NAME} characters, without slashes")
    return found


def _check(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidInput(f"{what} is one of {', '.join(filter(None, allowed))}; not {value}")


def _check_direction(name: str, direction: str) -> None:
    if name not in FIELDS:
        raise InvalidInput(f"{name} is no field of a client in Outlook; there are {', '.join(FIELDS)}")
    _check(f"the direction of {name}", direction, DIRECTIONS)
