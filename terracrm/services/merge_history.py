"""The relationship history of two clients in a merge: whose it was, row by row, so that it can return (M4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, insert, or_, select, update
from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.topics import OWN, TOKEN, tokens
from terracrm.models import (
    Activity,
    ActivityTopic,
    Base,
    Company,
    CompanyDomain,
    Contact,
    ContactAddress,
    Merge,
    MergeMove,
)
from terracrm.models import Participant as P
from terracrm.services import history, merged
from terracrm.services.matching import chunks


def forget_inherited(session: Session, merge: Merge) -> set[int]:
    """The activities that are about either of the two. What they inherited is forgotten: `give` and `take_back` have
    it worked out anew (M3)."""
    both = and_(ActivityTopic.entity == merge.entity, ActivityTopic.entity_id.in_([merge.winner_id, merge.loser_id]))
    about = set(session.scalars(select(ActivityTopic.activity_id).where(both)))
    session.execute(delete(ActivityTopic).where(both, ActivityTopic.method.not_in(OWN)))
    return about


def give(session: Session, merge: Merge, about: set[int], company_changed: bool) -> None:
    """Let the winner have the history of the loser, with what was nobody's because both have the address."""
    mine = P.company_id == merge.loser_id if merge.entity == "company" else P.contact_id == merge.loser_id
    if company_changed:
        mine = or_(mine, P.contact_id == merge.winner_id)
    columns = (P.activity_id, P.position, P.address, P.contact_id, P.company_id, P.match_method)
    moves = [_move(merge, row) for row in session.execute(select(*columns).where(mine))]
    if moves:
        session.execute(insert(MergeMove), moves)
    if merge.entity == "company":
        session.execute(update(P).where(mine).values(company_id=merge.winner_id))
    else:
        session.execute(update(P).where(mine).values(contact_id=merge.winner_id))
        company_id = session.scalar(select(Contact.company_id).where(Contact.id == merge.winner_id))
        if company_id is not None:
            session.execute(update(P).where(P.contact_id == merge.winner_id).values(company_id=company_id))
    for addresses in chunks(_addresses(session, merge.entity, merge.winner_id)):
        history.unlink_addresses(session, addresses)
    _refresh(session, merge, about)


def take_back(
    session: Session, policy: DomainPolicy, merge: Merge, about: set[int], given_since: Iterable[str]
) -> None:
    """Let the loser have its history again, and match anew what came to the winner since.

    `given_since` are addresses of the loser's that came after the merge: all mail that they brought goes along.
    """
    _restore(session, merge)
    session.flush()
    later = exists().where(Activity.id == P.activity_id, Activity.created_at >= merge.merged_at)
    if merge.entity == "contact":
        own = select(ContactAddress.address).where(ContactAddress.contact_id == merge.loser_id)
        since = or_(and_(later, P.address.in_(own)), P.address.in_(list(given_since)))
        history.rematch(session, policy, P.contact_id == merge.winner_id, since)
    else:
        people = select(Contact.id).where(Contact.company_id == merge.loser_id)
        of_people = and_(P.company_id == merge.winner_id, P.contact_id.in_(people))
        touched = list(session.scalars(select(P.activity_id).where(of_people).distinct()))
        session.execute(update(P).where(of_people).values(company_id=merge.loser_id))
        for ids in chunks(touched):
            history.refresh(session, ids)
        domains = select(CompanyDomain.domain).where(CompanyDomain.company_id == merge.loser_id)
        nobody = and_(P.company_id == merge.winner_id, P.contact_id.is_(None))
        history.rematch(session, policy, nobody, P.domain.in_(domains), later)
    for client_id in (merge.winner_id, merge.loser_id):
        for addresses in chunks(_addresses(session, merge.entity, client_id)):
            history.link_addresses(session, addresses)
    _move_later_tokens(session, merge)
    _refresh(session, merge, about)


def _refresh(session: Session, merge: Merge, about: set[int]) -> None:
    """Write the timelines anew of all that a merge moved, and of what is about the two."""
    moved = select(MergeMove.row_id).where(MergeMove.merge_id == merge.id, MergeMove.kind == "participant")
    for some in chunks(sorted(about.union(session.scalars(moved.distinct())))):
        history.refresh(session, some)


def _move_later_tokens(session: Session, merge: Merge) -> None:
    """A mail that came since and names the loser in its subject is about the loser."""
    later = (
        select(ActivityTopic, Activity.subject)
        .join(Activity, Activity.id == ActivityTopic.activity_id)
        .where(ActivityTopic.entity == merge.entity, ActivityTopic.entity_id == merge.winner_id)
        .where(ActivityTopic.method == TOKEN, Activity.created_at >= merge.merged_at)
    )
    for topic, subject in session.execute(later).all():
        named = tokens(subject)
        if (merge.entity, merge.loser_id) in named and (merge.entity, merge.winner_id) not in named:
            topic.entity_id = merge.loser_id
    session.flush()


def _addresses(session: Session, entity: str, client_id: int) -> list[str]:
    """The addresses of a contact, or of all people of a company."""
    addresses = select(ContactAddress.address).distinct()
    if entity == "company":
        people = select(Contact.id).where(Contact.company_id == client_id)
        return list(session.scalars(addresses.where(ContactAddress.contact_id.in_(people))))
    return list(session.scalars(addresses.where(ContactAddress.contact_id == client_id)))


def _move(merge: Merge, row: Any) -> dict[str, Any]:
    before = {name: getattr(row, name) for name in ("address", "contact_id", "company_id", "match_method")}
    key = {"merge_id": merge.id, "kind": "participant", "row_id": row.activity_id, "position": row.position}
    return key | {"before": before}


def _restore(session: Session, merge: Merge) -> None:
    """Give back each participant that still is who it became. It belongs to the company of its contact, if any."""
    rows = session.execute(
        select(MergeMove.before, P.activity_id, P.position, P.address, P.contact_id, P.company_id, P.match_method)
        .join(P, and_(P.activity_id == MergeMove.row_id, P.position == MergeMove.position))
        .where(MergeMove.merge_id == merge.id, MergeMove.kind == "participant")
    ).all()
    companies = _Companies(session)
    changes = []
    for row in rows:
        before = row.before or {}
        became = row.contact_id if merge.entity == "contact" else row.company_id
        if became != merge.winner_id or row.address != before["address"]:
            continue
        is_contact = merge.entity == "contact"
        contact_id = before["contact_id"] if is_contact else row.contact_id
        changes.append(
            {
                "of_activity": row.activity_id,
                "at": row.position,
                "contact_id": contact_id,
                "company_id": companies.of(contact_id) or companies.now(before["company_id"]),
                "match_method": before["match_method"] if is_contact else row.match_method,
            }
        )
    if changes:
        table = Base.metadata.tables[P.__tablename__]
        one = update(table).where(table.c.activity_id == bindparam("of_activity"), table.c.position == bindparam("at"))
        new: dict[str, Any] = {name: bindparam(name) for name in ("contact_id", "company_id", "match_method")}
        session.execute(one.values(new), changes)


class _Companies:
    """The companies of contacts, and what companies are now, asked for once each."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.of_contact: dict[int, int | None] = {}
        self.current: dict[int, int | None] = {}

    def of(self, contact_id: int | None) -> int | None:
        """The company of a contact."""
        if contact_id is None:
            return None
        if contact_id not in self.of_contact:
            found = self.session.scalar(select(Contact.company_id).where(Contact.id == contact_id))
            self.of_contact[contact_id] = found
        return self.of_contact[contact_id]

    def now(self, company_id: int | None) -> int | None:
        """What a company is now."""
        if company_id is not None and company_id not in self.current:
            company = merged.survivor(self.session, self.session.get(Company, company_id))
            self.current[company_id] = company.id if company else None
        return self.current[company_id] if company_id is not None else None
