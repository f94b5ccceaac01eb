"""Records to put into a mailbox."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from terracrm.domain.records import (
    ContactRecord,
    LabelledAddress,
    MeetingRecord,
    MessageRecord,
    Participant,
    Phone,
    Role,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def mail(
    subject: str = "Цены",
    sender: str = "olga@lavka.example",
    to: str = "anna@office.test",
    message_id: str | None = None,
    **changes: object,
) -> MessageRecord:
    """A mail; its Message-ID comes from its subject unless one is given."""
    made = MessageRecord(
        message_id=f"<{subject}@test>" if message_id is None else message_id,
        subject=subject,
        sent_at=NOON,
        received_at=NOON + timedelta(seconds=5),
        participants=(
            Participant(Role.FROM, sender),
            *(Participant(Role.TO, address) for address in to.split(",") if address),
        ),
        body_text=f"Текст: {subject}",
    )
    return replace(made, **changes)


def contact(name: str = "Ольга Лаврова", email: str = "olga@lavka.example", **changes: object) -> ContactRecord:
    """A contact of a company."""
    made = ContactRecord(
        display_name=name,
        company_name="ООО «Лавка»",
        emails=(LabelledAddress("1", email),) if email else (),
        phones=(Phone("business", "+7 495 555-01-02"),),
    )
    return replace(made, **changes)


def meeting(subject: str = "Встреча", guest: str = "olga@lavka.example", **changes: object) -> MeetingRecord:
    """A meeting that Anna organises."""
    made = MeetingRecord(
        uid=f"uid-{subject}",
        subject=subject,
        start=NOON,
        end=NOON + timedelta(hours=1),
        participants=(
            Participant(Role.ORGANIZER, "anna@office.test"),
            Participant(Role.REQUIRED, guest),
        ),
        is_organizer=True,
        is_meeting=True,
    )
    return replace(made, **changes)
