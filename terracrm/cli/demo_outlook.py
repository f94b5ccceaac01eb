"""What the demo writes into the mailboxes: the clients of each person with their history, and some tasks (W1-W3)."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from terracrm.cli.demo_office import Mailboxes
from terracrm.config import Settings
from terracrm.domain.outlook_rules import ON, OutlookRules
from terracrm.models import Contact, ContactTimeline, Mailbox, utcnow
from terracrm.services import access, mailboxes, outlook_rules, tasks

CLIENTS_WITH_TASKS = 2


def fill(settings: Settings, sessions: sessionmaker[Session], office: Mailboxes) -> None:
    """Switch it on for every mailbox: the daemon writes with its next runs."""
    with sessions() as session:
        addresses = [mailbox.address for mailbox in mailboxes.every(session)]
    for number, address in enumerate(addresses):
        with sessions.begin() as session:
            rules = OutlookRules(clients=ON, tasks=ON)
            outlook_rules.apply(session, settings, mailboxes.get(session, address), rules, None)
            _add_tasks(session, mailboxes.get(session, address), office.to_do, number)


def _add_tasks(session: Session, mailbox: Mailbox, to_do: tuple[str, ...], number: int) -> None:
    """Something to do for the clients whom the owner of a mailbox was last in touch with."""
    user = mailbox.user
    if user is None or not to_do:
        return
    viewer = access.viewer_of(session, user)
    if not viewer.decides:
        return
    latest = func.max(ContactTimeline.occurred_at)
    clients = session.scalars(
        select(ContactTimeline.contact_id)
        .join(Contact, Contact.id == ContactTimeline.contact_id)
        .where(Contact.owner_id == user.id, access.contacts(viewer), ContactTimeline.occurred_at <= utcnow())
        .group_by(ContactTimeline.contact_id)
        .order_by(latest.desc())
        .limit(CLIENTS_WITH_TASKS)
    )
    for position, contact_id in enumerate(clients.all(), number * CLIENTS_WITH_TASKS):
        due_on = (utcnow() + timedelta(days=1 + position % 7)).date()
        tasks.add(session, viewer, tasks.Draft(to_do[position % len(to_do)], due_on=due_on), contact_id=contact_id)
