"""What exactly one process of all machines does at a time, such as reading the schedule: it holds a lease.

A lease is a row with its holder and the time until which it holds. The time is the database's own, so the clocks of
the machines may differ as they like. Whoever is killed on this machine holds nothing any more, as with a claim.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from sync import claims
from terracrm.models import Lease
from terracrm.models.base import UTCDateTime


def take(session: Session, name: str, holder: str, seconds: float) -> bool:
    """Whether `holder` (a claim, see `sync.claims`) has the lease: taken where it is free, renewed when half is over.

    The caller commits.
    """
    now = _now(session)
    until = now + timedelta(seconds=seconds)
    # The row is made as one that nobody holds; who then changes it has the lease.
    session.execute(_insert(session).values(name=name, holder="", until=now).on_conflict_do_nothing())
    row = session.execute(select(Lease.holder, Lease.until).where(Lease.name == name)).one()
    if row.holder == holder and row.until > now + timedelta(seconds=seconds / 2):
        return True
    if row.holder not in ("", holder) and row.until > now and not claims.is_dead(row.holder):
        return False
    same = Lease.name == name, Lease.holder == row.holder, Lease.until == row.until
    taken = update(Lease).where(*same).values(holder=holder, until=until)
    return session.connection().execute(taken).rowcount == 1


def give_back(session: Session, name: str, holder: str) -> None:
    """Let somebody else take it at once. The caller commits."""
    session.execute(update(Lease).where(Lease.name == name, Lease.holder == holder).values(holder=""))


def _now(session: Session) -> datetime:
    now: datetime = session.execute(select(func.current_timestamp(type_=UTCDateTime))).scalar_one()
    return now


def _insert(session: Session) -> Any:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(Lease)
