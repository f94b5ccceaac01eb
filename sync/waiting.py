"""What goes on while a stream waits for approval: what became private is taken out all the same (S4, Y2).

Nothing else that is new in the mailbox is done, and nothing is forgotten: the cursors stand until somebody decides. How
far a folder was read for this is kept beside its cursor, so that each item is read once, however long that takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from connectors.base import Connector
from sync import reading
from sync.run import Progress, Run
from terracrm.domain.records import Folder
from terracrm.errors import CursorExpired, ItemGone
from terracrm.models import MirrorFolder


def withdraw(run: Run, connector: Connector, mirrored: Sequence[tuple[int, Folder]], progress: Progress | None) -> None:
    """Take out what became private in these folders, given by their ids, since they were read last."""
    for folder_id, folder in mirrored:
        with run.sessions() as session:
            row, sick = session.get_one(MirrorFolder, folder_id), reading.sick(session, folder_id)
            cursor = row.private_cursor or row.cursor
        try:
            if sick:
                run.summary.counts.add(reading.withdraw(run, folder_id, connector.get(folder, sick)))
            try:
                _read(run, connector, folder_id, folder, cursor, progress)
            except CursorExpired:
                _read(run, connector, folder_id, folder, None, progress)
        except ItemGone:
            continue  # it was deleted just now: what becomes of it, the run after the decision tells


def _read(
    run: Run, connector: Connector, folder_id: int, folder: Folder, cursor: str | None, progress: Progress | None
) -> None:
    with closing(reading.pages(run.settings, connector, folder, cursor, progress)) as pages:
        for page in pages:
            if page.changes or page.cursor != cursor:
                run.summary.counts.add(reading.withdraw(run, folder_id, page.changes, page.cursor))
            cursor = page.cursor
