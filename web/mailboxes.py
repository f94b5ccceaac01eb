"""Mailboxes under sync: their state and last runs."""

from __future__ import annotations

from flask import Blueprint, render_template

from terracrm.models import Mailbox, utcnow
from terracrm.services import (
    capture_rules,
    mailbox_health,
    outlook_rules,
    plan_list,
    reconciliations,
    run_list,
    watches,
)
from web.configured import settings
from web.database import session
from web.signed_in import viewer

pages = Blueprint("mailboxes", __name__, url_prefix="/mailboxes")


@pages.get("")
def index() -> str:
    """All mailboxes that the viewer sees."""
    return render_template(
        "mailboxes/index.html", mailboxes=mailbox_health.all_mailboxes(session(), viewer(), utcnow())
    )


@pages.get("/<int(max=2147483647):mailbox_id>")
def show(mailbox_id: int) -> str:
    """One mailbox with its last runs."""
    page = mailbox_health.page(session(), viewer(), mailbox_id, utcnow())
    stream_ids = [found.stream.id for found in page.health.streams]
    own = capture_rules.of(page.health.mailbox)
    rules = capture_rules.in_force(settings(), own)
    return render_template(
        "mailboxes/show.html",
        page=page,
        rules=rules,
        streams=own.streams,
        outlook=outlook_of(page.health.mailbox),
        plans=plan_list.of_streams(session(), stream_ids),
        counts=reconciliations.latest(session(), stream_ids),
        listening=watches.of(session(), mailbox_id, utcnow()),
        changing=run_list.that_changed(session(), settings(), viewer(), utcnow(), mailbox_id),
    )


def outlook_of(mailbox: Mailbox) -> dict[str, object]:
    """What is written into a mailbox, for the macro `outlook_rules`."""
    own = outlook_rules.of(mailbox)
    return {
        "address": mailbox.address,
        "rules": own,
        "in_force": outlook_rules.in_force(session(), settings(), mailbox, own),
        "cards": outlook_rules.cards(session(), mailbox),
    }
