"""Signs of life of what works in the background, and whose turn it is to do what only one should do."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from terracrm.models import Heartbeat

DAEMON, ALERTS, BROKER = "daemon", "alerts", "broker"
MISSED = timedelta(minutes=5)
"""After this long without a sign of life there is no daemon."""
BROKER_MISSED = timedelta(minutes=1)
"""After this long the daemon that is at work cannot reach the message broker."""


def last(session: Session, name: str) -> datetime | None:
    """When it was last seen."""
    return session.scalar(select(Heartbeat.at).where(Heartbeat.name == name))


def beat(session: Session, name: str, now: datetime) -> None:
    """It is alive now."""
    session.execute(_insert(session, name, now).on_conflict_do_update(index_elements=["name"], set_={"at": now}))


def take_turn(session: Session, name: str, now: datetime, every: timedelta) -> bool:
    """Whether nobody has done it for `every`; then the next turn is only after that. The caller commits."""
    long_ago = now - every
    # The row is made as one of whom nothing was seen for long; who then moves it has the turn.
    row = _insert(session, name, long_ago).on_conflict_do_nothing(index_elements=["name"])
    session.execute(row)
    free = Heartbeat.name == name, Heartbeat.at <= long_ago
    return session.connection().execute(update(Heartbeat).where(*free).values(at=now)).rowcount == 1


def _insert(session: Session, name: str, at: datetime) -> Any:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(Heartbeat).values(name=name, at=at)
