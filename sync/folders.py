"""The folders of a stream: which there are, which are mirrored, and each one's cursor behind its fence."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable

from sqlalchemy import update
from sqlalchemy.orm import Session

from sync import moved
from terracrm.domain import folders as domain
from terracrm.domain.records import Folder, StreamKind
from terracrm.errors import Temporary
from terracrm.models import MirrorFolder, Stream, utcnow
from terracrm.services import posts
from terracrm.services.mirror_folders import forget

DELETED = "deleteditems"


def refresh(session: Session, stream: Stream, found: Collection[Folder], excluded_names: Iterable[str]) -> None:
    """Bring the stream's folders in line with the mailbox. One that is gone keeps its history (S9).

    `excluded_names` are those of the settings; the stream has its own choice of folders besides (S1). A folder that we
    write into is never excluded, and it is gone when it lies in Deleted Items.

    Raises Temporary when none of the known ones is shown: an empty answer never means deletion (invariant 4).
    """
    moved.follow(session, stream, found)
    known = {folder.remote_id: folder for folder in stream.folders}
    remote = {folder.remote_id: folder for folder in found if _belongs(folder, stream, known)}
    excluded = domain.excluded(remote.values(), stream.include_folders, [*excluded_names, *stream.exclude_folders])
    is_empty = not remote and (stream.kind != StreamKind.POSTS or not found)
    if is_empty and any(row.gone_at is None for row in known.values()):
        raise Temporary(f"the server shows no folder of {stream.kind} although there were some")
    for remote_id, folder in remote.items():
        row = known.get(remote_id)
        if row is None:
            row = MirrorFolder(remote_id=remote_id)
            stream.folders.append(row)
        row.path, row.well_known = folder.path, folder.well_known
        if row.role and folder.well_known == DELETED:
            mark_gone(session, row)
            continue
        if stream.kind == StreamKind.POSTS:
            posts.returned(session, row)
        row.gone_at = None
        is_excluded = remote_id in excluded and not row.role
        if remote_id in known and is_excluded and not row.is_excluded:
            forget(session, row)
        row.is_excluded = is_excluded
    for remote_id in known.keys() - remote.keys():
        mark_gone(session, known[remote_id])
    session.flush()


def _belongs(folder: Folder, stream: Stream, known: Container[str]) -> bool:
    """Whether a folder is one of the stream's. Posts lie in folders of mail, which no other stream is to mirror."""
    if stream.kind == StreamKind.POSTS:
        return folder.remote_id in known
    elsewhere = (row for other in stream.mailbox.streams if other is not stream for row in other.folders if row.role)
    return folder.kind == stream.kind and all(row.remote_id != folder.remote_id for row in elsewhere)


def mark_gone(session: Session, folder: MirrorFolder) -> None:
    """The folder was deleted in Outlook: its items left, what they told stays; it starts anew if it returns."""
    if folder.gone_at is None:
        folder.gone_at = utcnow()
        forget(session, folder)


def advance(session: Session, folder: MirrorFolder, cursor: str) -> bool:
    """Move the cursor in the transaction of its data; False when another worker has moved it (invariant 1)."""
    moved = session.connection().execute(
        update(MirrorFolder)
        .where(MirrorFolder.id == folder.id, MirrorFolder.revision == folder.revision)
        .values(cursor=cursor, revision=folder.revision + 1)
    )
    return moved.rowcount == 1
