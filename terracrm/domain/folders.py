"""Which folders of a mailbox are mirrored, by the paths that the settings and the stream name (S1). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

# Rules name Outlook's own folders in English; the mailbox may name them in any language.
WELL_KNOWN = {
    "inbox": "inbox",
    "sent items": "sentitems",
    "drafts": "drafts",
    "outbox": "outbox",
    "junk email": "junkemail",
    "deleted items": "deleteditems",
    "archive": "archive",
    "sync issues": "syncissues",
    "contacts": "contacts",
    "calendar": "calendar",
}


class AnyFolder(Protocol):
    """What tells a folder: its id, its path from the mailbox root, and Exchange's own name for it, or ""."""

    @property
    def remote_id(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def well_known(self) -> str: ...


def excluded(folders: Collection[AnyFolder], include: Iterable[str], exclude: Iterable[str]) -> set[str]:
    """The ids of the folders that are not mirrored: those not below `include` (empty: all), and those below `exclude`.

    Exclusion wins. Paths are compared without regard to case.
    """
    included = list(include)
    left_out = {folder.remote_id for folder in folders} - below(folders, included) if included else set()
    return left_out | below(folders, exclude)


def below(folders: Collection[AnyFolder], paths: Iterable[str]) -> set[str]:
    """The ids of the folders that the paths name, and of all that is in them."""
    roots = tuple(f"{root}/" for path in paths if (wanted := comparable(path)) for root in _roots(folders, wanted))
    return {folder.remote_id for folder in folders if f"{comparable(folder.path)}/".startswith(roots)}


def comparable(path: str) -> str:
    """A path as it is compared: lower case, no slash around it and no space around its names."""
    names = (" ".join(name.split()) for name in path.casefold().split("/"))
    return "/".join(name for name in names if name)


def _roots(folders: Iterable[AnyFolder], path: str) -> set[str]:
    """The path itself, and the same one with its first name as this mailbox has it."""
    first, slash, rest = path.partition("/")
    own = WELL_KNOWN.get(first)
    return {path} | {f"{comparable(f.path)}{slash}{rest}" for f in folders if own and f.well_known == own}
