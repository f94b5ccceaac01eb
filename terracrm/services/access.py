"""What each role sees (A1, A2): the one policy that every list, count, search and page goes through (invariant 7).

- A **manager** sees the clients of their own, of their team, and those that belong to nobody. Of the history of
  these clients a manager reads what its sharing allows, and always what their own mailboxes hold.
- A **controller** reads all that is stored and changes nothing.
- An **admin** configures. An admin sees clients, and that something happened and when, but no subject, text or
  participants; the search gives an admin no history.

The conditions are SQL expressions, so that what is hidden is never counted either. A hidden thing is NotFound.
Nobody sees a client that was merged into another one: the other one is that client (M4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Session, aliased

from terracrm.errors import Forbidden
from terracrm.models import (
    Activity,
    ActivityKind,
    ActivityMailbox,
    Company,
    CompanyTimeline,
    Contact,
    ContactTimeline,
    Mailbox,
    Note,
    Participant,
    Sharing,
    Task,
    User,
)
from terracrm.services import bulk, rows

Condition = ColumnElement[bool]
Kept = TypeVar("Kept")

VIEWERS_KEPT = 64
"""For so many viewers at a time their conditions are kept: building one costs more than the database needs for it."""

# Aliases, because the conditions also stand inside queries of these tables; made once, because making them is slow.
_Employer = aliased(Company, name="employer")
# Asked on each page.
_TEAM = select(User.id).where(User.team_id == bindparam("team_id"))
_MAILBOXES = select(Mailbox.id, Mailbox.user_id, Mailbox.team_id).where(
    or_(Mailbox.team_id == bindparam("team_id"), Mailbox.user_id.in_(bindparam("users", expanding=True)))
)


class RoleCode(StrEnum):
    """The roles of requirement A1 that there are."""

    MANAGER = "manager"
    CONTROLLER = "controller"
    ADMIN = "admin"


# Who works at the machine itself, with the commands: no user has this role.
OPERATOR = "operator"
# Who left: sees nothing.
NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is looking. `mailbox_ids` are the mailboxes that are theirs: their own, and the shared ones of their team.

    `colleague_ids` are the users of their team, `team_mailbox_ids` the mailboxes of the team and of those users: said
    here, so that the conditions ask for them once and not for each row.
    """

    user_id: int
    role: str
    team_id: int | None = None
    mailbox_ids: frozenset[int] = frozenset()
    colleague_ids: frozenset[int] = frozenset()
    team_mailbox_ids: frozenset[int] = frozenset()

    @property
    def reads_content(self) -> bool:
        """Whether subjects, texts and participants of the history are shown to this role at all."""
        return self.role in (RoleCode.MANAGER, RoleCode.CONTROLLER, OPERATOR)

    @property
    def decides(self) -> bool:
        """Whether this role changes clients; which ones, says what it sees."""
        return self.role in (RoleCode.MANAGER, OPERATOR)

    @property
    def signs_as(self) -> int | None:
        """The user whom a change is noted for; None for the command line."""
        return self.user_id or None

    @property
    def configures(self) -> bool:
        """Whether this role sees all mailboxes with their settings and runs."""
        return self.role == RoleCode.ADMIN

    @property
    def sees_all(self) -> bool:
        """Whether no client is hidden from this role."""
        return self.role in (RoleCode.CONTROLLER, RoleCode.ADMIN, OPERATOR)


def kept(build: Callable[[Viewer], Kept]) -> Callable[[Viewer], Kept]:
    """A condition or statement that is built once for a viewer: of nothing else, and of no time."""
    return lru_cache(VIEWERS_KEPT)(build)


def viewer_of(session: Session, user: User) -> Viewer:
    """The viewer that a user is now."""
    return _member(session, user.id, user.role_code, user.team_id)


def viewer_of_mailbox(session: Session, mailbox: Mailbox) -> Viewer:
    """Who reads what is written into a mailbox: its owner as they are now, of a shared one any manager of its team.

    Of a mailbox that is nobody's, a manager without team and mailboxes; an owner who may not sign in sees nothing.
    """
    if mailbox.user is not None:
        return viewer_of(session, mailbox.user) if mailbox.user.is_active else Viewer(mailbox.user.id, NOBODY)
    if mailbox.team_id is None:
        return Viewer(0, RoleCode.MANAGER)
    return _member(session, 0, RoleCode.MANAGER, mailbox.team_id)


def _member(session: Session, user_id: int, role: str, team_id: int | None) -> Viewer:
    """Who reads the mailboxes of a user and the shared ones of a team."""
    colleagues: frozenset[int] = frozenset()
    if team_id is not None:
        colleagues = frozenset(id_ for (id_,) in rows.fetch(session, _TEAM, {"team_id": team_id}))
    own, of_team = set(), set()
    users = [user_id, *colleagues]
    for mailbox_id, owner, team in rows.fetch(session, _MAILBOXES, {"team_id": team_id, "users": users}):
        is_of_team = team_id is not None and team == team_id
        if owner == user_id or (owner is None and is_of_team):
            own.add(mailbox_id)
        if is_of_team or owner in colleagues:
            of_team.add(mailbox_id)
    return Viewer(user_id, role, team_id, frozenset(own), colleagues, frozenset(of_team))


def operator() -> Viewer:
    """Who uses the command line without saying for whom: sees all that is stored, and may decide."""
    return Viewer(0, OPERATOR)


def require_content(viewer: Viewer) -> None:
    """Raise Forbidden for a role that reads no history."""
    if not viewer.reads_content:
        raise Forbidden("This role does not read the mail.")


@kept
def companies(viewer: Viewer) -> Condition:
    """The companies this viewer sees."""
    if viewer.sees_all:
        return is_live(Company)
    if viewer.role != RoleCode.MANAGER:
        return false()
    return and_(is_live(Company), or_(_assigned(viewer, Company), _unassigned(Company)))


@kept
def contacts(viewer: Viewer) -> Condition:
    """The contacts this viewer sees: their own clients, and the people of companies that they see."""
    if viewer.sees_all:
        return is_live(Contact)
    if viewer.role != RoleCode.MANAGER:
        return false()
    is_free = _unassigned(Contact)
    employer = select(_Employer.id).where(_Employer.id == Contact.company_id).correlate(Contact)
    of_seen_company = employer.where(or_(_assigned(viewer, _Employer), and_(is_free, _unassigned(_Employer)))).exists()
    seen = or_(_assigned(viewer, Contact), and_(is_free, Contact.company_id.is_(None)), of_seen_company)
    return and_(is_live(Contact), seen)


@kept
def activities(viewer: Viewer) -> Condition:
    """The activities this viewer sees anywhere in the history."""
    if viewer.sees_all:
        return true()
    if viewer.role != RoleCode.MANAGER:
        return false()
    return or_(and_(_shared(viewer), _of_visible_client(viewer)), _held(viewer))


@kept
def activities_of_client(viewer: Viewer) -> Condition:
    """The activities this viewer sees on the profile of a client that they see: cheaper, and the same."""
    if viewer.sees_all:
        return true()
    if viewer.role != RoleCode.MANAGER:
        return false()
    of_team = and_(Activity.sharing == Sharing.TEAM, _in_one_of(viewer.team_mailbox_ids))
    in_reach = _has_copy(or_(_in_one_of(viewer.mailbox_ids), of_team))
    return or_(Activity.sharing == Sharing.EVERYONE, in_reach, _signed(viewer))


def readable_activities(viewer: Viewer) -> Condition:
    """The activities whose content this viewer may read."""
    return activities(viewer) if viewer.reads_content else false()


def changeable_tasks(viewer: Viewer) -> Condition:
    """The tasks that this viewer may change: those that they set or are to do, and those of clients that they see."""
    return activities(viewer) if viewer.decides else false()


def foreign_to(viewer: Viewer) -> Condition:
    """The history of known clients none of whom this viewer sees, and that the viewer's mailboxes do not hold."""
    known = select(Participant.activity_id).where(Participant.activity_id == Activity.id)
    company = known.join(Company, Company.id == Participant.company_id)
    contact = known.join(Contact, Contact.id == Participant.contact_id)
    return and_(
        or_(company.correlate(Activity).exists(), contact.correlate(Activity).exists()),
        not_(company.where(companies(viewer)).correlate(Activity).exists()),
        not_(contact.where(contacts(viewer)).correlate(Activity).exists()),
        not_(_held(viewer)),
    )


def mailboxes(viewer: Viewer) -> Condition:
    """The mailboxes whose state this viewer sees."""
    return true() if viewer.sees_all else Mailbox.id.in_(viewer.mailbox_ids)


def is_live(client: type[Company] | type[Contact]) -> Condition:
    """Clients that were not merged into another one.

    Said this way, neither database walks the index of merges, which is there for the few that were.
    """
    return func.coalesce(client.merged_into_id, 0) < 1


def sees_inside(viewer: Viewer, mailbox_id: int) -> bool:
    """Whether the viewer learns in which folder, and with which categories, a mailbox keeps an item."""
    return viewer.sees_all or mailbox_id in viewer.mailbox_ids


def _assigned(viewer: Viewer, client: type[Company] | type[Contact]) -> Condition:
    """Clients of the viewer or of the viewer's team."""
    if viewer.team_id is None:
        return client.owner_id == viewer.user_id
    owners = viewer.colleague_ids | {viewer.user_id}
    return or_(_among(client.owner_id, owners), client.team_id == viewer.team_id)


def _unassigned(client: type[Company] | type[Contact]) -> Condition:
    return and_(client.owner_id.is_(None), client.team_id.is_(None))


def _held(viewer: Viewer) -> Condition:
    """What the viewer's own mailboxes hold, the viewer's own notes, and the tasks that are theirs or that they set."""
    return or_(_has_copy(_in_one_of(viewer.mailbox_ids)), _signed(viewer))


def _signed(viewer: Viewer) -> Condition:
    by_author = select(Note.activity_id).where(Note.activity_id == Activity.id, Note.author_id == viewer.user_id)
    is_party = or_(Task.author_id == viewer.user_id, Task.responsible_id == viewer.user_id)
    by_task = select(Task.activity_id).where(Task.activity_id == Activity.id, is_party)
    return or_(
        and_(Activity.kind == ActivityKind.NOTE, _looked_up(by_author)),
        and_(Activity.kind == ActivityKind.TASK, _looked_up(by_task)),
    )


def _shared(viewer: Viewer) -> Condition:
    """What the sharing level lets others than the holders read."""
    of_team = and_(Activity.sharing == Sharing.TEAM, _has_copy(_in_one_of(viewer.team_mailbox_ids)))
    return or_(Activity.sharing == Sharing.EVERYONE, of_team)


def _has_copy(condition: Condition) -> Condition:
    """Whether a mailbox for which this holds has a copy of the activity."""
    copies = select(ActivityMailbox.activity_id).where(ActivityMailbox.activity_id == Activity.id)
    return _looked_up(copies.where(condition))


def _in_one_of(mailbox_ids: frozenset[int]) -> Condition:
    """Whether a copy is in one of these. The sum has the few copies of an activity looked through: both databases
    would look into an index once for each of the mailboxes.
    """
    return _among(ActivityMailbox.mailbox_id + literal_column("0"), mailbox_ids)


def _among(column: bulk.Column, ids: frozenset[int]) -> Condition:
    return bulk.one_of(column, sorted(ids)) if ids else false()


def _of_visible_client(viewer: Viewer) -> Condition:
    of_company = (
        select(CompanyTimeline.activity_id)
        .join(Company, Company.id == CompanyTimeline.company_id)
        .where(CompanyTimeline.activity_id == Activity.id, companies(viewer))
    )
    of_contact = (
        select(ContactTimeline.activity_id)
        .join(Contact, Contact.id == ContactTimeline.contact_id)
        .where(ContactTimeline.activity_id == Activity.id, contacts(viewer))
    )
    return or_(_looked_up(of_company), _looked_up(of_contact))


def _looked_up(rows: Select[int]) -> Condition:
    """Whether there are such rows of an activity, looked up for each activity by itself.

    Pages are short and tables long. PostgreSQL would gather the table of all activities that have any, unless it is
    told that it matters which rows they are.
    """
    return rows.correlate(Activity).offset(literal_column("0")).exists()
