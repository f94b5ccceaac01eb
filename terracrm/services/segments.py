"""Segments: saved conditions over clients (K1). What they say of a contact is SQL, so that a scope can be one (W1)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Executable, String, and_, exists, func, not_, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased
from sqlalchemy.sql.functions import GenericFunction

from terracrm.domain.addresses import normalise
from terracrm.domain.names import company_key
from terracrm.domain.names import folded as folded_text
from terracrm.domain.segments import Condition, Operator, name_of, of
from terracrm.errors import InvalidInput, NotFound
from terracrm.models import (
    ActivityKind,
    Company,
    Contact,
    ContactAddress,
    ContactPostalAddress,
    ContactTimeline,
    Mailbox,
    Region,
    Segment,
    Stream,
    Team,
    User,
    utcnow,
)
from terracrm.services import access, audit
from terracrm.services.access import Viewer

Holds = ColumnElement[bool]
Compare = Callable[[Any], Holds]

UPPER = "АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯё"
LOWER = "абвгдеежзийклмнопрстуфхцчшщъыьэюяе"
# Aliases, because the conditions also stand inside queries of these tables.
_Employer = aliased(Company, name="segment_employer")
_Owner = aliased(User, name="segment_owner")
_Team = aliased(Team, name="segment_team")
_Region = aliased(Region, name="segment_region")


class folded(GenericFunction[str]):
    """A text in lower case with ё as е, whatever the database and its locale: `domain.names.folded` in SQL."""

    type = String()
    inherit_cache = True


@compiles(folded, "postgresql")
def _folded_by_postgresql(element: folded, compiler: Any, **kw: Any) -> str:
    return f"translate(lower({compiler.process(element.clauses, **kw)}), '{UPPER}', '{LOWER}')"


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A segment with what it asks, and how many clients it holds now."""

    id: int
    name: str
    conditions: tuple[Condition, ...]
    members: int
    used_by: tuple[str, ...]


def condition(session: Session, segment_id: int) -> Holds:
    """Which contacts a segment holds, to be used in queries of Contact; archived and merged ones are not asked about.

    Raises NotFound where there is no such segment.
    """
    segment = session.get(Segment, segment_id)
    if segment is None:
        raise NotFound(f"there is no segment {segment_id}; `terracrm segment list` shows them")
    return holds(_conditions(segment))


def holds(conditions: Iterable[Condition]) -> Holds:
    """Which contacts meet all conditions, as SQL over Contact."""
    return and_(*(_holds(one) for one in conditions))


def add(session: Session, name: str, conditions: Sequence[Condition], user_id: int | None) -> Segment:
    """Save conditions under a name; raises InvalidInput where the name is taken or a condition names nobody."""
    found = name_of(name)
    if not conditions:
        raise InvalidInput('a segment needs a condition; an example: "city is Kazan"')
    if _named(session, found) is not None:
        raise InvalidInput(f"the segment {found} is there already; `terracrm segment list` shows them")
    for one in conditions:
        _check_names(session, one)
    segment = Segment(name=found, conditions=[one.stored() for one in conditions], user_id=user_id)
    session.add(segment)
    session.flush()
    _record(session, user_id, "segment.add", segment)
    return segment


def get(session: Session, name: str) -> Segment:
    """The segment of a name, in whatever case; raises NotFound."""
    segment = _named(session, name)
    if segment is None:
        raise NotFound(f"there is no segment {name}; `terracrm segment list` shows them")
    return segment


def every(session: Session) -> list[Segment]:
    """All segments by name."""
    return list(session.scalars(select(Segment).order_by(Segment.name)))


def row(session: Session, viewer: Viewer, segment: Segment) -> SegmentRow:
    """What a segment asks, how many clients of this viewer it holds now, and the mailboxes whose scope it is."""
    conditions = _conditions(segment)
    members = session.scalar(select(func.count()).select_from(Contact).where(_members(viewer, conditions))) or 0
    return SegmentRow(segment.id, segment.name, conditions, members, tuple(_used_by(session, segment.id)))


def names(session: Session, viewer: Viewer, segment: Segment, limit: int) -> list[str]:
    """The first clients of a segment by name, of those that this viewer sees."""
    query = select(Contact.display_name).where(_members(viewer, _conditions(segment)))
    return list(session.scalars(query.order_by(Contact.name_key, Contact.id).limit(limit)))


def remove(session: Session, segment: Segment, user_id: int | None) -> None:
    """Forget a segment; raises InvalidInput where a mailbox still has it as its scope."""
    if users := _used_by(session, segment.id):
        raise InvalidInput(
            f"the segment {segment.name} is what {', '.join(users)} keeps in Outlook: "
            f"give it another scope first, with terracrm mailbox outlook {users[0]} --scope mine"
        )
    _record(session, user_id, "segment.remove", segment)
    session.delete(segment)
    session.flush()


def _conditions(segment: Segment) -> tuple[Condition, ...]:
    return tuple(of(stored) for stored in segment.conditions)


def _members(viewer: Viewer, conditions: Iterable[Condition]) -> Holds:
    return and_(access.contacts(viewer), Contact.archived_at.is_(None), holds(conditions))


def _holds(one: Condition) -> Holds:
    if one.operator is Operator.SINCE:
        return _has_mail(one.days)
    if one.operator is Operator.NOT_SINCE:
        return not_(_has_mail(one.days))
    if one.operator is Operator.IS_NOT:
        return not_(_is(one.field, one.value))
    if one.operator is Operator.CONTAINS:
        return _contains(one.field, one.value)
    return or_(*(_is(one.field, value) for value in one.values))


def _is(field: str, value: str) -> Holds:
    if not value:
        return not_(_FIELDS[field](lambda text: text != ""))
    if field == "mail_domain":
        domain = normalise(f"x@{value.removeprefix('@')}").removeprefix("x")
        return _mail_address(lambda address: address.endswith(domain or value, autoescape=True))
    if field == "company":
        of_key = _employer(_Employer.name_key == company_key(value))
        return or_(folded(Contact.company_name) == folded_text(value), of_key)
    return _FIELDS[field](lambda text: folded(text) == folded_text(value))


def _contains(field: str, value: str) -> Holds:
    if field == "mail_domain":
        return _mail_address(lambda address: address.regexp_match(f"@[^@]*{re.escape(folded_text(value))}"))
    return _FIELDS[field](lambda text: folded(text).contains(folded_text(value), autoescape=True))


def _own(column: InstrumentedAttribute[str]) -> Callable[[Compare], Holds]:
    return lambda compare: compare(column)


def _city(compare: Compare) -> Holds:
    """A city of the contact's own, or of the company."""
    own = exists().where(ContactPostalAddress.contact_id == Contact.id, compare(ContactPostalAddress.city))
    return or_(own.correlate(Contact), _employer(compare(_Employer.city)))


def _company(compare: Compare) -> Holds:
    return or_(compare(Contact.company_name), _employer(compare(_Employer.name)))


def _employer(holds: Holds) -> Holds:
    return exists().where(_Employer.id == Contact.company_id, holds).correlate(Contact)


def _mail_address(compare: Compare) -> Holds:
    return exists().where(ContactAddress.contact_id == Contact.id, compare(ContactAddress.address)).correlate(Contact)


def _owner(compare: Compare) -> Holds:
    named = or_(compare(_Owner.name), compare(_Owner.full_name))
    return exists().where(_Owner.id == Contact.owner_id, named).correlate(Contact)


def _team(compare: Compare) -> Holds:
    """The contact's team, or its owner's."""
    return _of_team(compare(_Team.name))


def _region(compare: Compare) -> Holds:
    """The region of that team."""
    return _of_team(_Team.region_id.in_(select(_Region.id).where(compare(_Region.name))))


def _of_team(holds: Holds) -> Holds:
    own = exists().where(_Team.id == Contact.team_id, holds).correlate(Contact)
    owners = exists().where(_Owner.id == Contact.owner_id, _Team.id == _Owner.team_id, holds).correlate(Contact)
    return or_(own, owners)


def _has_mail(days: int) -> Holds:
    return (
        exists()
        .where(
            ContactTimeline.contact_id == Contact.id,
            ContactTimeline.kind == ActivityKind.MAIL,
            ContactTimeline.occurred_at >= utcnow() - timedelta(days=days),
        )
        .correlate(Contact)
    )


_FIELDS: Mapping[str, Callable[[Compare], Holds]] = {
    "stage": _own(Contact.stage),
    "city": _city,
    "company": _company,
    "department": _own(Contact.department),
    "job_title": _own(Contact.job_title),
    "mail_domain": _mail_address,
    "owner": _owner,
    "team": _team,
    "region": _region,
    "source": _own(Contact.created_by_rule),
}


def _check_names(session: Session, one: Condition) -> None:
    """Raise InvalidInput where a condition names a person, team or region that is not there."""
    known: dict[str, Executable] = {
        "owner": select(User.name).union(select(User.full_name)),
        "team": select(Team.name),
        "region": select(Region.name),
    }
    if one.field not in known:
        return
    there = {folded_text(name) for name in session.scalars(known[one.field])}
    for value in one.values:
        if value and folded_text(value) not in there:
            raise InvalidInput(f"there is no {'user' if one.field == 'owner' else one.field} {value}")


def _named(session: Session, name: str) -> Segment | None:
    return session.scalar(select(Segment).where(folded(Segment.name) == folded_text(" ".join(name.split()))))


def _used_by(session: Session, segment_id: int) -> list[str]:
    query = select(Mailbox.address).join(Stream, Stream.mailbox_id == Mailbox.id)
    query = query.where(Stream.segment_id == segment_id, Stream.client_scope == "segment")
    return list(session.scalars(query.order_by(Mailbox.address)))


def _record(session: Session, user_id: int | None, action: str, segment: Segment) -> None:
    told = {"name": segment.name, "conditions": segment.conditions}
    audit.record(session, user_id, action, "segment", segment.id, json.dumps(told, ensure_ascii=False))
