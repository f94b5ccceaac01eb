"""What becomes of a page that tells of removals: the server is asked for the items themselves (invariant 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import structlog

from connectors.base import Connector
from sync.brake import Contradicted
from sync.run import Run
from terracrm.domain.records import Change, ChangeKind, Folder

log = structlog.get_logger(__name__)

PATIENCE: Final = 5
"""After so many failed runs in a row a contradiction is no error that passes by itself."""
BATCH: Final = 100
STILL_GONE: Final = "The server says in turn that this item is there and that it is gone."


def confirmed(
    run: Run, connector: Connector, folder: Folder, changes: Sequence[Change], remote_ids: Sequence[str]
) -> Sequence[Change]:
    """These changes of a folder, in which `remote_ids` are told as gone, as far as the server stands by them.

    Raises Contradicted where it still has some of them. Once it has done so for long, the rest of the folder is not
    kept waiting: in place of each such removal stands what the server says of the item itself.
    """
    try:
        run.brake.ask(connector, folder, remote_ids)
        return changes
    except Contradicted as error:
        there = error.there
        said = [each for batch in one_by_one(run, connector, folder, error) for each in batch]
    others = [each for each in changes if each.kind is not ChangeKind.DELETED or each.remote_id not in there]
    return [*others, *said]


def one_by_one(run: Run, connector: Connector, folder: Folder, error: Contradicted) -> Iterator[list[Change]]:
    """What the server says of the items about which it contradicts itself, when it is asked for each alone; in batches.

    Where it then says again that one is gone, that goes to quarantine, and is asked for later. Raises the error itself
    while it may still pass: before so many runs have failed, the last one by this.
    """
    if run.failures < PATIENCE or run.last_error != str(error):
        raise error
    there = sorted(error.there)
    log.warning("the server goes on contradicting itself: asked item by item", folder=folder.path, items=len(there))
    for start in range(0, len(there), BATCH):
        yield [_doubted(change) for change in connector.get(folder, there[start : start + BATCH])]


def _doubted(change: Change) -> Change:
    is_gone = change.kind is ChangeKind.DELETED
    return replace(change, kind=ChangeKind.UPDATED, error=STILL_GONE) if is_gone else change
