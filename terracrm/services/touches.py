"""Which client cards and posts in Outlook are owed when the history, or who may read it, changes (W2, W3, W5).

Whoever changes what is told of an activity says so here, within the same transaction, before the activity leaves a
timeline and after it has come to one. Where no mailbox has any it costs two queries for all activities together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session, aliased

from terracrm.models import CompanyTimeline, ContactTimeline, Link, Mailbox, MirrorFolder, Stream, User
from terracrm.services import outbox
from terracrm.services.matching import chunks

HISTORY = "history"
ACCESS = "access"


def activities(session: Session, activity_ids: Collection[int]) -> None:
    """What is told of these activities, or who may read them, changed: the cards of all whose history it is; posts."""
    for ids in chunks(sorted(set(activity_ids))):
        _touch(session, HISTORY, ContactTimeline.activity_id.in_(ids))
        _touch_posts(session, ids)


def around(session: Session, contact_ids: Collection[int], company_ids: Collection[int]) -> None:
    """These clients came to other people of the office, who read their history now: the cards of all who share it."""
    shared = aliased(ContactTimeline)
    for ids in chunks(sorted(set(contact_ids))):
        of_contacts = select(shared.activity_id).where(shared.contact_id.in_(ids))
        _touch(session, ACCESS, ContactTimeline.activity_id.in_(of_contacts))
    for ids in chunks(sorted(set(company_ids))):
        of_companies = select(CompanyTimeline.activity_id).where(CompanyTimeline.company_id.in_(ids))
        _touch(session, ACCESS, ContactTimeline.activity_id.in_(of_companies))


def mailboxes(session: Session, mailbox_ids: Collection[int], reason: str = ACCESS) -> None:
    """Who reads these mailboxes, or what is told there, changed: all of their cards."""
    cards = (
        select(Link.mailbox_id, Link.local_id)
        .join(MirrorFolder, MirrorFolder.id == Link.folder_id)
        .join(Stream, Stream.id == MirrorFolder.stream_id)
        .where(Link.entity == outbox.CONTACT, Link.rule == outbox.CLIENTS, Link.mailbox_id.in_(mailbox_ids))
        .where(Stream.direction.in_(("both", "out")))
    )
    found: dict[int, set[int]] = defaultdict(set)
    for mailbox_id, contact_id in session.execute(cards):
        found[mailbox_id].add(contact_id)
    for mailbox_id in sorted(found):
        outbox.owe(session, mailbox_id, outbox.CONTACT, found[mailbox_id], reason)


def of_user(session: Session, user: User) -> None:
    """What a person may see, or the language they read, changed: all cards of their mailboxes."""
    mailboxes(session, session.scalars(select(Mailbox.id).where(Mailbox.user_id == user.id)).all())


def everything(session: Session) -> None:
    """Who is in which team changed, and so who sees what: all cards of all mailboxes."""
    mailboxes(session, session.scalars(select(Mailbox.id)).all())


def _touch_posts(session: Session, activity_ids: Collection[int]) -> None:
    """What is told there of these activities; those that lack a post are found when the mailbox settles."""
    there = select(Link.mailbox_id, Link.local_id).where(
        Link.entity == outbox.POST, Link.local_id.in_(activity_ids), Link.gone_at.is_(None)
    )
    found: dict[int, set[int]] = defaultdict(set)
    for mailbox_id, activity_id in session.execute(there):
        found[mailbox_id].add(activity_id)
    for mailbox_id in sorted(found):
        outbox.owe(session, mailbox_id, outbox.POST, found[mailbox_id], HISTORY)


def _touch(session: Session, reason: str, which: ColumnElement[bool]) -> None:
    has_card = exists().where(
        Link.entity == outbox.CONTACT, Link.local_id == ContactTimeline.contact_id, Link.rule == outbox.CLIENTS
    )
    found = select(ContactTimeline.contact_id).where(which, has_card).distinct()
    outbox.touch_contacts(session, session.scalars(found).all(), reason)
