"""What an undone run had brought of mail and meetings leaves the CRM (Y3).

A run brought what the mailbox did not hold before: a mail that was only moved, or met in another folder, was here. What
another mailbox holds stays with it, and only this mailbox's copies go. What a person has worked with stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, and_, exists, select
from sqlalchemy.orm import Session

from terracrm.domain.capture import Detail
from terracrm.domain.records import Role
from terracrm.models import (
    Activity,
    ActivityTopic,
    AuditEntry,
    ContactSuggestion,
    Link,
    Meeting,
    Message,
    MessageAttachment,
    Participant,
)
from terracrm.services import attachments, kept_out, mirror_attachments, mirror_calendar, mirror_mail, suggestions
from terracrm.services.matching import chunks
from terracrm.services.undo_act import BY_HAND, MAIL, MEETING, Act, Thing


class _Item(NamedTuple):
    """What is to be known of a link: rows, because all Links that a session holds are looked at with each deletion."""

    id: int
    folder_id: int
    remote_id: str
    run_id: int | None


def take_out_mail(act: Act) -> None:
    """The mail that the run brought into the mailbox, the newest first."""
    session = act.session
    mine = select(Activity.id).where(
        Activity.kind == "mail", Activity.run_id == act.run.id, Activity.mailbox_id == act.mailbox.id
    )
    credited = set(session.scalars(mine))
    linked = set(session.scalars(_of_run(act, mirror_mail.ENTITY)))
    by_mail = _links(act, mirror_mail.ENTITY, linked | credited)
    brought = {id_ for id_, links in by_mail.items() if id_ in credited or links[0].run_id == act.run.id}
    elsewhere = _held_elsewhere(act, mirror_mail.ENTITY, brought)
    touched = _worked_with(session, brought - elsewhere)
    rows = {
        row.id: row
        for ids in chunks(sorted(brought))
        for row in session.execute(
            select(Activity.id, Activity.occurred_at, Message.message_id, Message.message_key)
            .join(Message, Message.activity_id == Activity.id)
            .where(Activity.id.in_(ids))
        )
    }
    going = sorted(brought - touched, reverse=True)
    said_by = _speakers(session, going)
    act.leave_out(
        (item.folder_id, item.remote_id, kept_out.of_mail(rows[id_].message_id, rows[id_].message_key))
        for id_ in going
        for item in by_mail[id_]
    )
    default = Detail(act.settings.mirror.detail)
    mirror_mail.withdraw_all(session, default, [item.id for id_ in going for item in by_mail[id_]])
    for id_ in going:
        if id_ in elsewhere:
            act.effect.copies += 1
        else:
            act.effect.gone.append(Thing(MAIL, id_, at=rows[id_].occurred_at))
    for id_ in sorted(touched):
        act.keep(Thing(MAIL, id_, at=rows[id_].occurred_at), BY_HAND)
    for address in sorted(said_by):
        suggestions.collect_past(session, act.policy, address)  # what earlier mail said, which theirs had replaced


def take_out_meetings(act: Act) -> None:
    """The meetings that the run brought into the mailbox, each with all its occurrences."""
    session = act.session
    linked = set(session.scalars(_of_run(act, mirror_calendar.ENTITY)))
    uids = {uid for ids in chunks(sorted(linked)) for uid in session.scalars(_uids(Meeting.id.in_(ids)))}
    for uid in sorted(uids):
        family = session.scalars(select(Meeting).where(Meeting.uid == uid).order_by(Meeting.id)).all()
        ids = [row.id for row in family]
        links = [link for found in _links(act, mirror_calendar.ENTITY, ids).values() for link in found]
        links.sort(key=lambda link: link.id)
        if links[0].run_id != act.run.id:
            continue
        is_elsewhere = bool(_held_elsewhere(act, mirror_calendar.ENTITY, ids))
        entries = {row.activity_id for row in family if row.activity_id is not None}
        thing = Thing(MEETING, family[0].id, at=family[0].start_at)
        if not is_elsewhere and _worked_with(session, entries):
            act.keep(thing, BY_HAND)
            continue
        act.leave_out((link.folder_id, link.remote_id, kept_out.of_meeting(uid)) for link in links)
        _withdraw(act, links)
        if is_elsewhere:
            act.effect.copies += 1
        else:
            act.effect.gone.append(thing)


def _of_run(act: Act, entity: str) -> Select[int]:
    mine = Link.mailbox_id == act.mailbox.id, Link.entity == entity, Link.run_id == act.run.id
    return select(Link.local_id).where(*mine)


def _uids(which: ColumnElement[bool]) -> Select[str]:
    return select(Meeting.uid).where(which).distinct()


def _links(act: Act, entity: str, local_ids: Iterable[int]) -> dict[int, list[_Item]]:
    """The items of the mailbox that are these things, those that left included, the oldest first."""
    found: dict[int, list[_Item]] = defaultdict(list)
    columns = select(Link.local_id, *(getattr(Link, name) for name in _Item._fields))
    mine = columns.where(Link.mailbox_id == act.mailbox.id, Link.entity == entity)
    for ids in chunks(sorted(set(local_ids))):
        for local_id, *link in act.session.execute(mine.where(Link.local_id.in_(ids)).order_by(Link.id)):
            found[local_id].append(_Item(*link))
    return found


def _held_elsewhere(act: Act, entity: str, local_ids: Collection[int]) -> set[int]:
    """Those of these things that another mailbox holds or held."""
    others = select(Link.local_id).where(Link.entity == entity, Link.mailbox_id != act.mailbox.id)
    return {
        found
        for ids in chunks(sorted(local_ids))
        for found in act.session.scalars(others.where(Link.local_id.in_(ids)).distinct())
    }


def _worked_with(session: Session, activity_ids: Collection[int]) -> set[int]:
    """Those of these entries on which something of a person hangs.

    What it is about, a file that was asked for or taken, or what its signature said and a person decided about.
    """
    is_asked_for = and_(
        MessageAttachment.state == mirror_attachments.WANTED, MessageAttachment.requested_at.is_not(None)
    )
    taken = AuditEntry.entity == "message", AuditEntry.action == attachments.DOWNLOAD
    queries = (
        select(ActivityTopic.activity_id).where(ActivityTopic.user_id.is_not(None)),
        select(ActivityTopic.activity_id).where(ActivityTopic.method == "manual"),
        select(MessageAttachment.activity_id).where(is_asked_for),
        select(ContactSuggestion.activity_id).where(ContactSuggestion.state != suggestions.OPEN),
        select(AuditEntry.entity_id).where(*taken),
    )
    return {
        found
        for ids in chunks(sorted(activity_ids))
        for query in queries
        for found in session.scalars(query.where(query.selected_columns[0].in_(ids)))
        if found is not None
    }


def _speakers(session: Session, activity_ids: Collection[int]) -> set[str]:
    """Who said something of themselves in these mails that only the newest of a person's mails is believed about."""
    said = exists().where(
        ContactSuggestion.activity_id == Participant.activity_id,
        ContactSuggestion.field.in_(suggestions.SINGLE),
    )
    wrote = select(Participant.address).where(Participant.role == Role.FROM, said)
    return {
        address
        for ids in chunks(sorted(activity_ids))
        for address in session.scalars(wrote.where(Participant.activity_id.in_(ids)))
    }


def _withdraw(act: Act, meetings: Iterable[_Item]) -> None:
    for item in meetings:
        link = act.session.get(Link, item.id, populate_existing=True)
        if link is not None:  # what a move left behind goes with the item itself
            mirror_calendar.withdraw(act.session, act.source(item.folder_id), link)
            act.session.flush()
