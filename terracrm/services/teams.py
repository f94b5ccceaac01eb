"""Teams and the sales regions they work in (A1)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from terracrm.errors import InvalidInput, NotFound
from terracrm.models import Region, Team, User


@dataclass(frozen=True, slots=True)
class TeamRow:
    """A team, its region ("" for none), and how many active people are in it."""

    name: str
    region: str
    people: int


def named(session: Session, name: str) -> Team:
    """The team of this name, made when there is none; raises InvalidInput without a name."""
    wanted = " ".join(name.split())
    if not wanted:
        raise InvalidInput("a team needs a name")
    team = session.scalar(select(Team).where(Team.name == wanted))
    if team is None:
        team = Team(name=wanted)
        session.add(team)
        session.flush()
    return team


def get(session: Session, name: str) -> Team:
    """The team of this name; raises NotFound."""
    team = session.scalar(select(Team).where(Team.name == " ".join(name.split())))
    if team is None:
        raise NotFound(f"there is no team {name}; `terracrm team list` shows them")
    return team


def every(session: Session) -> list[TeamRow]:
    """All teams by name."""
    people = select(func.count()).select_from(User).where(User.team_id == Team.id, User.is_active).scalar_subquery()
    rows = session.execute(select(Team.name, Region.name, people).outerjoin(Team.region).order_by(Team.name))
    return [TeamRow(name, region or "", count) for name, region, count in rows]


def place(session: Session, team: Team, region: str) -> None:
    """Say in which region a team works; the region is made when there is none of this name, "" is no region."""
    wanted = " ".join(region.split())
    found = session.scalar(select(Region).where(Region.name == wanted)) if wanted else None
    if wanted and found is None:
        found = Region(name=wanted)
        session.add(found)
    team.region = found
    session.flush()
