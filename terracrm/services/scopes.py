"""Whose clients belong into a mailbox's Outlook, as one condition in SQL (W1).

The owner of a client decides, or the team; of a client that is nobody's, whose its company is. A mailbox that is
nobody's has no clients. Archived and merged clients belong nowhere.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.orm import Session, aliased

from terracrm.config import Settings
from terracrm.models import Company, Contact, Stream, Team, User
from terracrm.services import access, segments

MINE, TEAM, REGION, SEGMENT, NONE = "mine", "team", "region", "segment", "none"

Condition = ColumnElement[bool]
# Aliases, because the condition also stands inside queries of these tables.
_Employer = aliased(Company, name="scope_employer")
_Member = aliased(User, name="scope_member")
_Colleagues = aliased(Team, name="scope_team")


def condition(session: Session, settings: Settings, stream: Stream) -> Condition:
    """The contacts that are to have a card in the mailbox of a contacts stream.

    Raises NotFound where a segment is no more: then nobody knows, and no card is taken away (invariant 4).
    """
    return and_(is_active(), within(session, stream, stream.client_scope or settings.outlook.scope))


def is_active() -> Condition:
    """The contacts that may have a card anywhere."""
    return and_(access.is_live(Contact), Contact.archived_at.is_(None))


def within(session: Session, stream: Stream, scope: str) -> Condition:
    """The contacts that this scope of a stream takes in, archived and merged ones among them."""
    if scope == NONE:
        return false()
    if scope == SEGMENT:
        return segments.condition(session, stream.segment_id or 0)
    user = stream.mailbox.user
    if scope == MINE and user is not None:
        return _whose(Contact.owner_id == user.id, _Employer.owner_id == user.id)
    team = stream.mailbox.team or (user.team if user else None)
    if team is None:
        return _whose(Contact.owner_id == user.id, _Employer.owner_id == user.id) if user else false()
    teams = select(_Colleagues.id).where(_Colleagues.id == team.id)
    if scope == REGION and team.region_id is not None:
        teams = select(_Colleagues.id).where(_Colleagues.region_id == team.region_id)
    members = select(_Member.id).where(_Member.team_id.in_(teams))
    return _whose(
        or_(Contact.owner_id.in_(members), Contact.team_id.in_(teams)),
        or_(_Employer.owner_id.in_(members), _Employer.team_id.in_(teams)),
    )


def _whose(own: Condition, of_company: Condition) -> Condition:
    """The client's own assignment decides; only a client without any goes with its company."""
    is_nobodys = and_(Contact.owner_id.is_(None), Contact.team_id.is_(None))
    return or_(own, and_(is_nobodys, Contact.company_id.in_(select(_Employer.id).where(of_company))))
