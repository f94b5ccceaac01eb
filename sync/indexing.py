"""Let the full-text index follow what was read: on PostgreSQL the words of many new mails are made behind their pages.

What a run that was killed left waiting, the next run of any stream makes findable, and the daily tidying.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from sqlalchemy.exc import DBAPIError

from sync.run import Run, Sessions
from terracrm.services import search

log = structlog.get_logger(__name__)

MOST_WAITING = 5000  # activities that one run may leave waiting between two of its pages
MUCH = 100  # new items; fewer wait in the list of the index, which each search reads besides


def after_page(run: Run, created: int) -> None:
    """Make findable what waits when the run has brought so much since it did so last."""
    run.unfollowed += created
    if run.unfollowed >= MOST_WAITING:
        follow(run.sessions)
        run.unfollowed = 0


def after_run(run: Run) -> None:
    """Make findable all that waits, whoever left it."""
    follow(run.sessions, is_much=run.summary.counts.created >= MUCH)


def follow(sessions: Sessions, is_over: Callable[[], bool] = lambda: False, *, is_much: bool = False) -> None:
    """Make findable what waits, in short transactions, until `is_over`; after much, let the index put it in its place.

    Where the database fails, another run does it.
    """
    is_more = True
    try:
        while is_more and not is_over():
            with sessions() as session, session.begin():
                is_more = search.follow(session)
        if is_much and not is_over():
            with sessions() as session, session.begin():
                search.settle(session)
    except DBAPIError:
        log.warning("the full-text index could not catch up", exc_info=True)
