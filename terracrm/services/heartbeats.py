"""Signs of life of what works in the background, and whose turn it is to do what only one should do."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from terracrm.models import Heartbeat

DAEMON, ALERTS = "daemon", "alerts"
MISSED = timedelta(minutes=5)
"""After this long without a sign of life there is no daemon."""


def last(session: Session, name: str) -> datetime | None:
    """When it was last seen."""
    found = session.get(Heartbeat, name)
    return found.at if found else None


def beat(session: Session, name: str, now: datetime) -> None:
    """It is alive now."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    new: Any = dialect.insert(Heartbeat).values(name=name, at=now)
    session.execute(new.on_conflict_do_update(index_elements=["name"], set_={"at": now}))


def take_turn(session: Session, name: str, now: datetime, every: timedelta) -> bool:
    """Whether nobody has done it for `every`; then the next turn is only after that. The caller commits."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    new: Any = dialect.insert(Heartbeat).values(name=name, at=now)
    if session.connection().execute(new.on_conflict_do_nothing(index_elements=["name"])).rowcount:
        return True
    free = Heartbeat.name == name, Heartbeat.at <= now - every
    return session.connection().execute(update(Heartbeat).where(*free).values(at=now)).rowcount == 1
