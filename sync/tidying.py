"""Forgetting what was done long ago: a little at a time, so that nobody waits for it."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from sqlalchemy.orm import Session, sessionmaker

from sync import indexing
from terracrm.config import Settings
from terracrm.db import begin_write, empty_log
from terracrm.models import utcnow
from terracrm.services import retention, search

log = structlog.get_logger(__name__)

Sessions = sessionmaker[Session]

FOUND_AT_ONCE = 10_000_000  # 80 MB, where so many run out in a day
BATCH = 500


def tidy(settings: Settings, sessions: Sessions, is_over: Callable[[], bool] = lambda: False) -> dict[str, int]:
    """Remove what the settings keep no longer; how much of each kind went, by `retention.Aged.kind`.

    Each batch is a transaction of its own. It stops between two when `is_over`; the rest goes the next time.
    """
    removed = {}
    for aged in retention.aged(settings, utcnow()):
        removed[aged.kind] = _tidy(aged, sessions, is_over)
    indexing.follow(sessions, is_over, is_much=True)
    _forget(sessions, is_over)
    if any(removed.values()):
        log.info("tidied", **removed)
    return removed


def _forget(sessions: Sessions, is_over: Callable[[], bool]) -> None:
    """Leave no word of mail that was withdrawn in the index, nor in the log of the database."""
    steps, is_more = 0, True
    while is_more and not is_over():
        with sessions() as session:
            begin_write(session)
            is_more = search.forget(session)
            session.commit()
        steps += is_more
    if steps:
        with sessions() as session:
            empty_log(session)


def _tidy(aged: retention.Aged, sessions: Sessions, is_over: Callable[[], bool]) -> int:
    count = 0
    after: int | None = 0
    while after is not None and not is_over():
        with sessions() as session:
            ids, after = retention.find(session, aged, FOUND_AT_ONCE, after)
        for start in range(0, len(ids), BATCH):
            if is_over():
                break
            with sessions() as session:
                begin_write(session)
                count += retention.remove(session, aged, ids[start : start + BATCH])
                session.commit()
    return count
