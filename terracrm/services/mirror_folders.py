"""The folders of a stream: what is known of their content, and forgetting it."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import and_, delete, update
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain import folders
from terracrm.languages import Language
from terracrm.models import Link, MirrorFolder, QuarantinedItem, SkippedItem, Stream, utcnow
from terracrm.services.skipped import UNDONE


def left_out_paths(settings: Settings, exclude: Iterable[str]) -> list[str]:
    """The paths that are not mirrored: those of the settings, that of our posts, and what a stream excludes besides."""
    posts = {posts_folder(settings, Language(code)) for code in settings.web.languages}
    return [*settings.mirror.excluded_folders, *sorted(posts), *exclude]


def posts_folder(settings: Settings, language: Language) -> str:
    """What the folder of all posts is called when it is made: as the settings say, or in a language."""
    return settings.outlook.posts_folder or language.gettext("TerraCRM History")


def excluded_ids(settings: Settings, stream: Stream, include: Iterable[str], exclude: Iterable[str]) -> set[int]:
    """The known folders of a stream that are not mirrored under such a choice; `folders.excluded` on our rows."""
    remote_ids = folders.excluded(stream.folders, include, left_out_paths(settings, exclude))
    return {folder.id for folder in stream.folders if folder.remote_id in remote_ids and not folder.role}


def forget(session: Session, folder: MirrorFolder) -> None:
    """Nothing is known to be in this folder until it is read from the start.

    Each item that is met again is there again.
    """
    live = Link.folder_id == folder.id, Link.gone_at.is_(None)
    session.execute(update(Link).where(*live).values(gone_at=utcnow(), is_unmet=False))
    _read_from_the_start(session, folder)


def read_anew(session: Session, folder: MirrorFolder) -> None:
    """The server has forgotten how far this folder was read (S13): what is linked is there until all was read.

    What was not met by then has left, and is weighed like anything that leaves (Y2): a server that lost its place may
    have lost its items, too.
    """
    session.execute(update(Link).where(Link.folder_id == folder.id, Link.gone_at.is_(None)).values(is_unmet=True))
    _read_from_the_start(session, folder)


def _read_from_the_start(session: Session, folder: MirrorFolder) -> None:
    folder.cursor = folder.private_cursor = None
    folder.revision += 1
    session.execute(delete(QuarantinedItem).where(QuarantinedItem.folder_id == folder.id))
    stays = and_(SkippedItem.rule == UNDONE, SkippedItem.is_due.is_(False))  # a person's decision, and no news of it
    session.execute(delete(SkippedItem).where(SkippedItem.folder_id == folder.id, ~stays))
    session.flush()
