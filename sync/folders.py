"""The folders of a stream: which there are, which are mirrored, and each one's cursor behind its fence."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from sync import moved
from terracrm.domain import folders as domain
from terracrm.domain.records import Folder, StreamKind
from terracrm.errors import Temporary
from terracrm.models import MirrorFolder, Stream, utcnow
from terracrm.services import posts
from terracrm.services.mirror_folders import forget

DELETED = "deleteditems"


Leaving = dict[int, Folder | None]
"""Our numbers of folders that are not where they were, with where they are now; None: nowhere."""


def refresh(session: Session, stream: Stream, found: Collection[Folder], excluded_names: Iterable[str]) -> Leaving:
    """Bring the stream's folders in line with the mailbox; those that somebody deleted, or moved to where nothing is
    mirrored, are left for `leave`, and returned. What the rules leave out goes at once.

    `excluded_names` are those of the settings; the stream has its own choice of folders besides (S1). A folder that we
    write into is never excluded, and it is gone when it lies in Deleted Items.

    Raises Temporary when none of the known ones is shown: an empty answer never means deletion (invariant 4).
    """
    moved.follow(session, stream, found)
    known = {folder.remote_id: folder for folder in stream.folders}
    ours = known if stream.kind == StreamKind.POSTS else _with_role_elsewhere(session, stream)
    remote = {folder.remote_id: folder for folder in found if _belongs(folder, stream, ours)}
    excluded = domain.excluded(remote.values(), stream.include_folders, [*excluded_names, *stream.exclude_folders])
    is_empty = not remote and (stream.kind != StreamKind.POSTS or not found)
    if is_empty and any(row.gone_at is None for row in known.values()):
        raise Temporary(f"the server shows no folder of {stream.kind} although there were some")
    leaving: Leaving = {}
    for remote_id, folder in remote.items():
        row = known.get(remote_id)
        is_new = row is None
        if row is None:
            row = MirrorFolder(remote_id=remote_id)
            stream.folders.append(row)
        is_excluded = remote_id in excluded and not row.role
        is_leaving = not is_new and row.gone_at is None and is_excluded and not row.is_excluded
        has_moved = (row.path, row.well_known) != (folder.path, folder.well_known)
        if (is_leaving and has_moved) or (row.role and folder.well_known == DELETED):
            leaving |= {row.id: folder} if row.gone_at is None else {}
            continue
        row.path, row.well_known = folder.path, folder.well_known
        if stream.kind == StreamKind.POSTS:
            posts.returned(session, row)
        row.gone_at = None
        if not is_new and is_excluded and not row.is_excluded:
            forget(session, row)
        row.is_excluded = is_excluded
    leaving |= {row.id: None for remote_id, row in known.items() if remote_id not in remote and row.gone_at is None}
    session.flush()
    return leaving


def to_read(stream: Stream, found: Iterable[Folder], left_out: Container[int]) -> list[tuple[int, Folder]]:
    """The folders to read by our numbers, as they are found there, without those `left_out`; none of posts, which tell
    nothing that is not known here.
    """
    if stream.kind == StreamKind.POSTS:
        return []
    remote = {folder.remote_id: folder for folder in found}
    rows = [row for row in stream.folders if row.gone_at is None and not row.is_excluded]
    rows = [row for row in rows if (row.role or stream.direction != "out") and row.id not in left_out]
    # Whom we wrote to first: then what these people wrote finds them, with what its signatures say of them.
    rows.sort(key=lambda row: row.well_known != "sentitems")
    return [(row.id, remote[row.remote_id]) for row in rows if row.remote_id in remote]


def leave(session: Session, folder: MirrorFolder, place: Folder | None) -> None:
    """What `refresh` found to be leaving goes: its items left, what they told stays."""
    if place is None or folder.role:
        mark_gone(session, folder)
    else:
        forget(session, folder)
        folder.is_excluded = True
    if place is not None:
        folder.path, folder.well_known = place.path, place.well_known
    session.flush()


def _belongs(folder: Folder, stream: Stream, ours: Container[str]) -> bool:
    """Whether a folder is one of the stream's. Posts lie in folders of mail, which no other stream is to mirror.

    `ours` are of a stream of posts its folders, of any other those that another stream writes into.
    """
    if stream.kind == StreamKind.POSTS:
        return folder.remote_id in ours
    return folder.kind == stream.kind and folder.remote_id not in ours


def _with_role_elsewhere(session: Session, stream: Stream) -> set[str]:
    """The folders of the mailbox that its other streams write into."""
    others = Stream.mailbox_id == stream.mailbox_id, MirrorFolder.stream_id != stream.id, MirrorFolder.role != ""
    return set(session.scalars(select(MirrorFolder.remote_id).join(MirrorFolder.stream).where(*others)))


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
