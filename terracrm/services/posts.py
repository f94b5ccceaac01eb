"""Which entries of the history are in a shared folder as posts, one folder for each company (W3).

What everybody may read, of a company, since the day from which the stream writes; and no more than the mailbox's own
people read in the portal. A post that was deleted or changed in Outlook is its people's business from then on, but one
that may not be told any more goes in any case.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, exists, false, func, select, update
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain.records import PostRecord, Role
from terracrm.languages import language_of
from terracrm.models import (
    Activity,
    ActivityKind,
    Company,
    CompanyTimeline,
    Link,
    Mailbox,
    MirrorFolder,
    OutboxItem,
    Participant,
    Sharing,
    Stream,
    Task,
    utcnow,
)
from terracrm.services import access, merged, mirror_folders, outbox, post_texts, role_folders
from terracrm.services.history_lines import Writer

RULE: Final = "posts"
"""The rule of links to posts, and the role of the folder that those of the companies lie in."""
MOST: Final = 500
"""As many posts are owed by one run; what is left, by the next."""
KINDS: Final = (ActivityKind.MAIL, ActivityKind.MEETING, ActivityKind.NOTE, ActivityKind.TASK)

_COMPANY_ROLE = re.compile(r"p(\d+)")
_UNFIT = re.compile(r"[\x00-\x1f\x7f/\\]+")
_LONGEST_NAME = 100


def settle(session: Session, settings: Settings, stream: Stream) -> None:
    """Owe the mailbox the posts that it lacks, newest first, and those that it should no longer have."""
    if not outbox.may_write(stream):
        return
    mailbox = stream.mailbox
    is_told = _is_told(session, mailbox)
    lacking = select(Activity.id).where(
        is_told, _is_new(stream, utcnow()), _of_company(_deleted(stream)), ~_linked(mailbox), ~_owed(mailbox)
    )
    if not role_folders.is_deleted(stream, RULE):
        newest = session.scalars(lacking.order_by(Activity.occurred_at.desc(), Activity.id.desc()).limit(MOST))
        outbox.owe(session, mailbox.id, outbox.POST, newest.all(), "lacking")
    withdraw(session, mailbox)


def withdraw(session: Session, mailbox: Mailbox) -> None:
    """Owe the mailbox the posts alone that it should no longer have."""
    is_told = _is_told(session, mailbox)
    told = exists().where(Activity.id == Link.local_id, is_told, _of_company(()))
    superfluous = select(Link.local_id).where(*_mine(mailbox), Link.gone_at.is_(None), ~told.correlate(Link))
    outbox.owe(session, mailbox.id, outbox.POST, session.scalars(superfluous.limit(MOST)).all(), outbox.WITHDRAWN)


def wanted(session: Session, stream: Stream, activity_ids: Collection[int]) -> set[int]:
    """Those of these activities of which there is to be a post, and was none yet: one that was deleted stays so."""
    is_told = _is_told(session, stream.mailbox), _is_new(stream, utcnow())
    query = select(Activity.id).where(Activity.id.in_(activity_ids), *is_told, ~_linked(stream.mailbox))
    return set(session.scalars(query))


def may_stay(session: Session, mailbox: Mailbox, activity_ids: Collection[int]) -> set[int]:
    """Those of these activities whose post may still be told: as others may read it, and of a company."""
    is_told = _is_told(session, mailbox), _of_company(())
    return set(session.scalars(select(Activity.id).where(Activity.id.in_(activity_ids), *is_told)))


def companies_of(
    session: Session, stream: Stream, lies_in: Mapping[int, MirrorFolder | None]
) -> dict[int, tuple[Company, bool]]:
    """The company whose folder the post of each activity belongs in, and whether that is the folder that it lies in.

    It is that of this folder, or what that became, while the activity is its; else the oldest. Left out is what is
    nobody's: a company whose folder a person deleted gets no posts any more.
    """
    owners = _owners(session, [folder for folder in lies_in.values() if folder is not None])
    companies = _companies(session, lies_in)
    deleted = _deleted(stream)
    found: dict[int, tuple[Company, bool]] = {}
    for activity_id, folder in lies_in.items():
        here = owners[folder.id] if folder is not None else set()
        stays = next((company for company in companies[activity_id] if company.id in here), None)
        chosen = stays or next((company for company in companies[activity_id] if company.id not in deleted), None)
        if chosen is not None:
            found[activity_id] = chosen, stays is not None
    return found


def role_of(company: Company) -> str:
    """The role of a company's folder: so it stays the company's, whatever either is called later."""
    return f"p{company.id}"


def top_name(settings: Settings, mailbox: Mailbox) -> str:
    """What the folder of all posts is called when it is made."""
    return _fit(mirror_folders.posts_folder(settings, language_of(settings, mailbox.user))) or "TerraCRM"


def folder_names(session: Session, stream: Stream, companies: Collection[Company]) -> dict[int, str]:
    """What the folder of each company is called when it is made; with its number where another one has that name."""
    keys = {company.name_key for company in companies}
    oldest = select(Company.name_key, func.min(Company.id)).where(Company.name_key.in_(keys)).group_by(Company.name_key)
    first = dict(session.execute(oldest).all()) if keys else {}
    there = [row for row in stream.folders if row.gone_at is None]
    names = {}
    for company in companies:
        name = _fit(company.name) or str(company.id)
        others = {row.path.rpartition("/")[2].casefold() for row in there if row.role != role_of(company)}
        is_taken = name.casefold() in others or first[company.name_key] < company.id
        names[company.id] = f"{name} ({company.id})" if is_taken else name
    return names


def records(
    session: Session, settings: Settings, mailbox: Mailbox, companies: Mapping[int, Company]
) -> dict[int, PostRecord]:
    """The posts of activities, each with the company in whose folder it lies, in the mailbox owner's language."""
    writer = Writer(language_of(settings, mailbox.user), ZoneInfo(settings.web.time_zone))
    address = settings.web.address
    links = {activity_id: f"{address}/companies/{company.id}" for activity_id, company in companies.items()}
    return post_texts.posts(session, writer, links)


def make_folders_again(session: Session, stream: Stream) -> bool:
    """Let the next run make the folders again that a person deleted; what lay in them stays away. Whether any was."""
    roles = {row.role for row in stream.folders if row.role}
    made = [role_folders.make_again(session, stream, role) for role in sorted(roles)]
    return any(made)


def returned(session: Session, folder: MirrorFolder) -> None:
    """A folder that a person had deleted is there again, with the posts that went with it: nobody reads it to tell."""
    if folder.gone_at is not None:
        went = Link.folder_id == folder.id, Link.entity == outbox.POST, Link.gone_at >= folder.gone_at
        session.execute(update(Link).where(*went).values(gone_at=None))


def _is_told(session: Session, mailbox: Mailbox) -> ColumnElement[bool]:
    """What may be told in a mailbox at all: shared with everybody, and read by the people of the mailbox."""
    cancelled = exists().where(Task.activity_id == Activity.id, Task.cancelled_at.is_not(None)).correlate(Activity)
    readers = access.readable_activities(access.viewer_of_mailbox(session, mailbox))
    return and_(Activity.sharing == Sharing.EVERYONE, Activity.kind.in_(KINDS), ~cancelled, readers)


def _is_new(stream: Stream, now: datetime) -> ColumnElement[bool]:
    """What has happened, since the day from which the stream writes."""
    if stream.posts_since is None:
        return false()
    return and_(Activity.occurred_at >= stream.posts_since, Activity.occurred_at <= now)


def _of_company(but: Collection[int]) -> ColumnElement[bool]:
    company = select(CompanyTimeline.activity_id).join(Company, Company.id == CompanyTimeline.company_id)
    return (
        company.where(
            CompanyTimeline.activity_id == Activity.id,
            access.is_live(Company),
            CompanyTimeline.company_id.not_in(but),
            ~_is_blind(),
        )
        .correlate(Activity)
        .exists()
    )


def _is_blind() -> ColumnElement[bool]:
    """Whether the people of a company got a mail as blind copies only: its folder would tell of them."""
    mine = (
        Participant.activity_id == CompanyTimeline.activity_id,
        Participant.company_id == CompanyTimeline.company_id,
    )
    blindly, openly = (
        exists().where(*mine, Participant.role == Role.BCC),
        exists().where(*mine, Participant.role != Role.BCC),
    )
    return and_(blindly, ~openly)


def _mine(mailbox: Mailbox) -> tuple[ColumnElement[bool], ...]:
    return Link.mailbox_id == mailbox.id, Link.entity == outbox.POST, Link.rule == RULE


def _linked(mailbox: Mailbox) -> ColumnElement[bool]:
    return exists().where(*_mine(mailbox), Link.local_id == Activity.id).correlate(Activity)


def _owed(mailbox: Mailbox) -> ColumnElement[bool]:
    mine = OutboxItem.mailbox_id == mailbox.id, OutboxItem.entity == outbox.POST
    return exists().where(*mine, OutboxItem.local_id == Activity.id).correlate(Activity)


def _deleted(stream: Stream) -> set[int]:
    """The companies whose folder a person deleted."""
    return {
        int(found[1])
        for row in stream.folders
        if (found := _COMPANY_ROLE.fullmatch(row.role)) and role_folders.is_deleted(stream, row.role)
    }


def _companies(session: Session, activity_ids: Collection[int]) -> defaultdict[int, list[Company]]:
    """The companies of each activity, the oldest first."""
    rows = (
        select(CompanyTimeline.activity_id, Company)
        .join(Company, CompanyTimeline.company_id == Company.id)
        .where(CompanyTimeline.activity_id.in_(activity_ids), access.is_live(Company), ~_is_blind())
    )
    found: defaultdict[int, list[Company]] = defaultdict(list)
    for activity_id, company in session.execute(rows.order_by(Company.id)):
        found[activity_id].append(company)
    return found


def _owners(session: Session, folders: Collection[MirrorFolder]) -> dict[int, set[int]]:
    """The company that each folder was made for, and what it is now."""
    made_for = {folder.id: int(found[1]) for folder in folders if (found := _COMPANY_ROLE.fullmatch(folder.role))}
    rows = session.scalars(select(Company).where(Company.id.in_(made_for.values())))
    now = {company.id: merged.survivor(session, company) for company in rows.all()}
    owners: dict[int, set[int]] = {folder.id: set() for folder in folders}
    for folder_id, company_id in made_for.items():
        survivor = now.get(company_id)
        owners[folder_id] = {company_id} | ({survivor.id} if survivor else set())
    return owners


def _fit(name: str) -> str:
    return " ".join(_UNFIT.sub(" ", name).split())[:_LONGEST_NAME].strip(" .")
