"""A mailbox that was moved to another server: every folder and item has another id there (S13).

What it was before is told by what its folders are called, and then by what its items say: mail by its Message-ID,
meetings by their UID, contacts by their content, and what we wrote ourselves by our key. The folders keep their rows,
with their role and what was chosen for them, and are read anew from the start.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from connectors.base import Connector
from sync.run import Run
from terracrm.domain.records import Folder, StreamKind
from terracrm.models import Link, MirrorFolder, Stream, utcnow
from terracrm.services import outbox
from terracrm.services.mirror_folders import read_anew

log = structlog.get_logger(__name__)

BATCH: Final = 100
MOVED: Final = "moved"
"""The cursor of a folder of posts until these are found again; there is no other in such a folder."""

Found = dict[str, tuple[int, str, str]]
"""Our number of the folder, the id and the version of an item, by its key."""


def follow(session: Session, stream: Stream, found: Collection[Folder]) -> None:
    """Find the folders of a stream again where all of them have other ids; nothing is done where one has not.

    A person may delete any folder, but never all that a mailbox has of a kind. The folders of posts come along with
    those of mail, among which they lie: they must not be taken for such. What is in them is for `look_up_posts`.

    That it has moved is kept with the stream until a run got through: the one that finds it may break off.
    """
    pairs = _pairs(stream, found)
    if not pairs:
        return
    others = [other for other in stream.mailbox.streams if other is not stream and other.kind == StreamKind.POSTS]
    for row, folder in [*pairs, *(pair for other in others for pair in _pairs(other, found))]:
        log.warning("the folder has another id: the mailbox was moved", folder=row.path)
        row.remote_id, row.stream.moved_at = folder.remote_id, utcnow()
        if row.stream.kind == StreamKind.POSTS:
            row.cursor = MOVED
        else:
            read_anew(session, row)
    session.flush()


def look_up_posts(run: Run, connector: Connector) -> None:
    """Find the posts of folders that were moved by their keys: nobody reads such folders otherwise."""
    with run.sessions() as session:
        rows = [row for row in session.get_one(Stream, run.stream_id).folders if row.cursor == MOVED]
        folders = {row.id: Folder(row.remote_id, row.path, StreamKind.POSTS) for row in rows if row.gone_at is None}
    if not folders:
        return
    known = {key: item for row_id, folder in folders.items() for key, item in _keys(run, connector, row_id, folder)}
    with run.transaction() as session:
        _link_posts(session, folders.keys(), known)
        for row_id in folders:
            session.get_one(MirrorFolder, row_id).cursor = None


def _pairs(stream: Stream, found: Collection[Folder]) -> list[tuple[MirrorFolder, Folder]]:
    """What each folder of a stream is now, as far as that can be told; nothing while one of them has its old id."""
    kind = StreamKind.MAIL if stream.kind == StreamKind.POSTS else stream.kind
    there = [folder for folder in found if folder.kind == kind]
    rows = sorted((row for row in stream.folders if row.gone_at is None), key=lambda row: row.path.count("/"))
    taken = {row.remote_id for row in stream.folders}
    if any(folder.remote_id in taken for folder in there):
        return []
    by_path = {folder.path.casefold(): folder for folder in there}
    tops = {folder.well_known: folder for folder in there if folder.well_known and "/" not in folder.path}
    pairs: list[tuple[MirrorFolder, Folder]] = []
    now: dict[str, str] = {}  # what the folders above are called there: a server may speak another language
    for row in rows:
        above, slash, name = row.path.rpartition("/")
        is_top = not slash and row.well_known
        folder = tops.get(row.well_known) if is_top else by_path.get(f"{now.get(above, above)}{slash}{name}".casefold())
        if folder is not None:
            now[row.path] = folder.path
            pairs.append((row, folder))
    return pairs


def _keys(run: Run, connector: Connector, row_id: int, folder: Folder) -> Iterable[tuple[str, tuple[int, str, str]]]:
    listed = (each.remote_id for each in connector.listing(folder) if not each.is_other)
    while ids := list(islice(listed, BATCH)):
        run.keep()
        for change in connector.get(folder, ids):
            if change.key:
                yield change.key, (row_id, change.remote_id, change.version)


def _link_posts(session: Session, folder_ids: Collection[int], known: Found) -> None:
    """Lead the links of posts to their items; what is not there was deleted, as far as anybody can tell."""
    posts = select(Link).where(Link.folder_id.in_(folder_ids), Link.entity == outbox.POST)
    for link in session.scalars(posts.order_by(Link.id)).all():
        item = known.pop(link.key, None)
        if item is None:
            link.gone_at = link.gone_at or utcnow()
        else:
            link.folder_id, link.remote_id, link.version = item
            link.gone_at = None
    session.flush()
