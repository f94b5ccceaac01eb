"""The folders of a stream: what is known of their content, and forgetting it."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain import folders
from terracrm.models import Link, MirrorFolder, QuarantinedItem, SkippedItem, Stream, utcnow


def left_out_paths(settings: Settings, exclude: Iterable[str]) -> list[str]:
    """The paths that are not mirrored: those of the settings, that of our posts, and what a stream excludes besides."""
    return [*settings.mirror.excluded_folders, settings.outlook.posts_folder, *exclude]


def excluded_ids(settings: Settings, stream: Stream, include: Iterable[str], exclude: Iterable[str]) -> set[int]:
    """The known folders of a stream that are not mirrored under such a choice; `folders.excluded` on our rows."""
    remote_ids = folders.excluded(stream.folders, include, left_out_paths(settings, exclude))
    return {folder.id for folder in stream.folders if folder.remote_id in remote_ids and not folder.role}


def forget(session: Session, folder: MirrorFolder) -> None:
    """Nothing is known to be in this folder until it is read from the start.

    So what left meanwhile is told from what is still there, whenever the reading is done (S13): each item that is
    met again is there again.
    """
    folder.cursor = None
    folder.revision += 1
    session.execute(update(Link).where(Link.folder_id == folder.id, Link.gone_at.is_(None)).values(gone_at=utcnow()))
    session.execute(delete(QuarantinedItem).where(QuarantinedItem.folder_id == folder.id))
    session.execute(delete(SkippedItem).where(SkippedItem.folder_id == folder.id))
    session.flush()
