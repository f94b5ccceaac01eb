"""The folders of a mailbox that we write into: known by their role, whatever they are called (W1, W3)."""

from __future__ import annotations

from sqlalchemy.orm import Session

from terracrm.domain.records import Folder
from terracrm.models import MirrorFolder, Stream
from terracrm.services.mirror_folders import forget


def of(stream: Stream, role: str) -> MirrorFolder | None:
    """The folder of a stream that has this role, if there is one."""
    return next((row for row in stream.folders if row.role == role and row.gone_at is None), None)


def is_deleted(stream: Stream, role: str) -> bool:
    """Whether a person deleted the folder: it is not made again until an admin says so (`make_again`)."""
    return of(stream, role) is None and any(row.role == role for row in stream.folders)


def give(session: Session, stream: Stream, folder: Folder, role: str) -> MirrorFolder:
    """Let a folder of the mailbox have a role; one that was mirrored so far is read anew under the rules of that."""
    row = next((row for row in stream.folders if row.remote_id == folder.remote_id), None)
    if row is None:
        row = MirrorFolder(remote_id=folder.remote_id)
        stream.folders.append(row)
    elif row.role != role:
        forget(session, row)
    row.path, row.well_known, row.role = folder.path, folder.well_known, role
    row.gone_at, row.is_excluded = None, False
    session.flush()
    return row


def make_again(session: Session, stream: Stream, role: str) -> bool:
    """Let the next run make a folder again that a person deleted; whether one was."""
    if not is_deleted(stream, role):
        return False
    for row in stream.folders:
        if row.role == role:
            row.role = ""
    session.flush()
    return True
