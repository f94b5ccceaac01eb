"""What a message says, and what tells its parts apart: who wrote it, and whether it quotes to say something (S11)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.domain.records import Role
from terracrm.domain.replies import says_quoted
from terracrm.models import Activity, MessageBody, Participant
from terracrm.services import messages
from terracrm.services.access import Viewer


@dataclass(frozen=True, slots=True)
class Letter:
    """The body of a message; `sender` are the writer's name and address as the mail gives them."""

    body: MessageBody
    sender: tuple[str, ...]
    says_quoted: bool


def letter(session: Session, viewer: Viewer, message_id: int) -> Letter:
    """The letter of a message; NotFound when there is none or the viewer may not read it."""
    body = messages.body(session, viewer, message_id)
    rows = session.execute(
        select(Activity.subject, Participant.name, Participant.address)
        .join(Participant, Participant.activity_id == Activity.id)
        .where(Activity.id == message_id, Participant.role == Role.FROM)
    ).all()
    sender = tuple(name for row in rows for name in (row.name, row.address) if name)
    return Letter(body, sender, any(says_quoted(row.subject, body.unique_text) for row in rows))
