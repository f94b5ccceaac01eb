"""The folders that are written into: told by their role, or else found by their names, or made (W1, W3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from sqlalchemy.orm import Session

from connectors.base import Connector
from sync.outbound import Place
from terracrm.domain.records import Folder, StreamKind
from terracrm.errors import ItemGone
from terracrm.models import MirrorFolder, Stream
from terracrm.services import role_folders

T = TypeVar("T")


class Transact(Protocol):
    """Do something in a transaction under the stream's claim, and once more where another one got in the way."""

    def __call__(self, work: Callable[[Session], T], /) -> T: ...


@dataclass
class Places:
    """The folders of one stream, each looked for once in a run."""

    connector: Connector
    stream_id: int
    read: Callable[[], AbstractContextManager[Session]]
    transact: Transact
    _found: dict[Place, tuple[int, Folder]] = field(default_factory=dict)

    def folder(self, place: Place) -> tuple[int, Folder]:
        """The folder of a place, with our number for it.

        Raises ItemRejected when something of another kind has its name, ItemGone without the folder that it is in.
        """
        if place not in self._found:
            self._found[place] = self._known(place) or self._made(place)
        return self._found[place]

    def _known(self, place: Place) -> tuple[int, Folder] | None:
        with self.read() as session:
            row = role_folders.of(session.get_one(Stream, self.stream_id), place.role)
            return (row.id, remote(row, place.kind)) if row else None

    def _made(self, place: Place) -> tuple[int, Folder]:
        above: Folder | str = place.above
        for name in place.names:
            above = self.connector.ensure_folder(above, name, place.kind)
        folder = above if isinstance(above, Folder) else self._well_known(above, place.kind)

        def give_role(session: Session) -> int:
            return role_folders.give(session, session.get_one(Stream, self.stream_id), folder, place.role).id

        return self.transact(give_role), folder

    def _well_known(self, name: str, kind: StreamKind) -> Folder:
        found = (folder for folder in self.connector.folders() if (folder.well_known, folder.kind) == (name, kind))
        folder = min(found, key=lambda folder: folder.path.count("/"), default=None)
        if folder is None:
            raise ItemGone(f"The mailbox has no folder {name!r}.")
        return folder


def to_make(stream: Stream, wanted: Iterable[Place], found: Sequence[Folder]) -> list[Place]:
    """Those of these places that are neither known nor among the folders of the mailbox: they would be made."""
    return [place for place in wanted if role_folders.of(stream, place.role) is None and not _is_there(place, found)]


def _is_there(place: Place, found: Sequence[Folder]) -> bool:
    above = [folder for folder in found if place.above in (folder, folder.well_known)]
    top = min((folder.path for folder in above), key=lambda path: path.count("/"), default="")  # "" of the mailbox
    path = "/".join((top, *place.names)).strip("/").casefold()
    return not place.names or any(folder.path.casefold() == path for folder in found)


def remote(row: MirrorFolder, kind: StreamKind) -> Folder:
    """The remote folder that we know."""
    return Folder(row.remote_id, row.path, kind, row.well_known)
