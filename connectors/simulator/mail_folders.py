"""The mail of one user on disk: a tree of folders with one file per message, mbox files, or a Maildir."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from connectors.simulator.elements import clean, xml_moment
from connectors.simulator.mime_headers import moment

_log = logging.getLogger(__name__)
_MAILDIR = ("cur", "new", "tmp")
# With its date, so that a sentence that begins with "From" does not begin a message.
_MBOX_LINE = re.compile(rb"^From [^\r\n]*\d:\d\d[^\r\n]*\r?\n", re.MULTILINE)
# mboxrd quotes lines that look like the beginning of a message.
_MBOX_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_MBOX_DATE = re.compile(r"\b(?:\w{3}) +(\w{3}) +(\d{1,2}) +(\d\d:\d\d(?::\d\d)?) +(?:[A-Z]{3,4} +)?(\d{4})")
# What file managers and version control leave lying around.
_NO_MAIL = frozenset(("thumbs.db", "desktop.ini", "license", "readme", "readme.md", "readme.txt"))


@dataclass(frozen=True)
class Found:
    """One message. `folder` is the path of names below the user, () for the user's own folder (his Inbox).

    `key` names the message on disk for good; `arrived` is when it arrived as an mbox tells it.
    """

    folder: tuple[str, ...]
    key: str
    data: bytes
    is_read: bool = True
    arrived: str | None = None


def find_mail(path: Path, unreadable: list[Path]) -> Iterator[Found]:
    """Every message of the user's folder or mbox file, in order of folders and numbers.

    A file or folder that cannot be opened is added to `unreadable`, and the rest goes on.
    """
    if path.is_file():
        yield from _messages(path, (), path.name, _read(path, unreadable))
    else:
        yield from _directory(path, (), path, unreadable)


def _directory(path: Path, folder: tuple[str, ...], base: Path, unreadable: list[Path]) -> Iterator[Found]:
    try:
        entries = sorted(path.iterdir(), key=_in_order)
    except OSError as error:
        _note(path, error, unreadable)
        return
    is_maildir = any(entry.name == "cur" and entry.is_dir() for entry in entries)
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            if is_maildir and entry.name in _MAILDIR:
                if entry.name != "tmp":
                    yield from _maildir(entry, folder, base, unreadable)
            elif is_maildir and entry.name.startswith("."):
                # Maildir++: ".Clients.North" is the folder North in Clients.
                yield from _directory(entry, (*folder, *_names(entry.name[1:].split("."))), base, unreadable)
            elif not entry.name.startswith("."):
                yield from _directory(entry, (*folder, *_names([entry.name])), base, unreadable)
        elif _is_mail_file(entry) and not is_maildir:
            yield from _file(entry, folder, base, unreadable)


def _maildir(path: Path, folder: tuple[str, ...], base: Path, unreadable: list[Path]) -> Iterator[Found]:
    for entry in sorted(path.iterdir(), key=_in_order):
        if _is_mail_file(entry) and (data := _read(entry, unreadable)):
            # The name before the colon stays when flags change and the file moves from new to cur.
            name, _, flags = entry.name.partition(":2,")
            key = os.fsencode(path.parent.relative_to(base) / name).decode("utf-8", "replace")
            yield Found(folder, key, data, is_read="S" in flags)


def _file(path: Path, folder: tuple[str, ...], base: Path, unreadable: list[Path]) -> Iterator[Found]:
    data = _read(path, unreadable)
    key = os.fsencode(path.relative_to(base)).decode("utf-8", "replace")
    if path.suffix.lower() == ".mbox" or len(_split_mbox(data)) > 1:
        # Unix mail keeps a folder in one file of its name.
        folder = (*folder, *_names([path.stem if path.suffix.lower() == ".mbox" else path.name]))
    yield from _messages(path, folder, key, data)


def _messages(path: Path, folder: tuple[str, ...], key: str, data: bytes) -> Iterator[Found]:
    """The message of a file, or all of them where it is an mbox."""
    messages = _split_mbox(data)
    if path.suffix.lower() != ".mbox" and len(messages) < 2:
        if data:
            yield Found(folder, key, data)
        return
    for number, (envelope, message) in enumerate(messages, 1):
        yield Found(folder, f"{key}#{number}", message, arrived=_arrived(envelope))


def _split_mbox(data: bytes) -> list[tuple[str, bytes]]:
    """Envelope line and message of each mail in an mbox; [] when it is none."""
    if not data.startswith(b"From "):
        return []
    starts = [
        match
        for match in _MBOX_LINE.finditer(data)
        if match.start() == 0 or data[max(0, match.start() - 4) : match.start()].endswith((b"\n\n", b"\r\n\r\n"))
    ]
    found = []
    ends = [match.start() for match in starts[1:]] + [len(data)]
    for match, end in zip(starts, ends, strict=False):
        envelope = match[0].decode("latin-1")
        found.append((envelope, _MBOX_QUOTED.sub(rb"\1", data[match.end() : end])))
    return found


def _arrived(envelope: str) -> str | None:
    match = _MBOX_DATE.search(envelope)
    found = moment(f"{match[2]} {match[1]} {match[4]} {match[3]} +0000") if match else None
    return xml_moment(found) if found else None


def _is_mail_file(path: Path) -> bool:
    name = path.name.lower()
    return not name.startswith(".") and not name.endswith(".msf") and name not in _NO_MAIL and path.is_file()


def _read(path: Path, unreadable: list[Path]) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        _note(path, error, unreadable)
        return b""


def _note(path: Path, error: OSError, unreadable: list[Path]) -> None:
    _log.warning("cannot read %s: %s", path, error.strerror)
    unreadable.append(path)


def _names(parts: list[str]) -> list[str]:
    """Names of folders as a client may see them; a name that is not UTF-8 loses what cannot be shown."""
    return [clean(part.encode("utf-8", "replace").decode("utf-8")).strip() or "Unnamed" for part in parts]


def _in_order(path: Path) -> list[tuple[int, str]]:
    """2 before 10, as people number their files."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d{1,18})", path.name)]
