"""Where a fact comes from, and by which rules it is taken in (invariant 11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain.addresses import DomainPolicy, normalise
from terracrm.models import Mailbox, MirrorFolder

CreateContacts = Literal["off", "sent", "all"]


@dataclass(frozen=True)
class Source:
    """The mailbox, folder and run that bring an item, and what the settings say about taking it in.

    `owner_id` and `team_id` are whose clients the mailbox's contacts become.
    """

    mailbox_id: int
    folder_id: int
    run_id: int
    address: str
    in_sent_items: bool
    owner_id: int | None
    team_id: int | None
    sharing: int
    policy: DomainPolicy
    create_contacts: CreateContacts
    full_text_chars: int


def source_of(settings: Settings, mailbox: Mailbox, folder: MirrorFolder, run_id: int) -> Source:
    """The source that a run over one folder of a mailbox is."""
    mirror = settings.mirror
    user = mailbox.user
    return Source(
        mailbox_id=mailbox.id,
        folder_id=folder.id,
        run_id=run_id,
        address=normalise(mailbox.address),
        in_sent_items=folder.well_known == "sentitems",
        owner_id=user.id if user else None,
        team_id=mailbox.team_id or (user.team_id if user else None),
        sharing=mailbox.sharing,
        policy=DomainPolicy.of(mirror.internal_domains, mirror.free_mail_domains),
        create_contacts=mailbox.create_contacts or mirror.create_contacts,  # type: ignore[arg-type]
        full_text_chars=mirror.full_text_chars,
    )


def lock_directory(session: Session, *, for_writing: bool) -> None:
    """Let only one transaction at a time add people and companies, and none that matches them meanwhile.

    So two mailboxes never add the same person, and no mail misses the person that another mailbox is adding.
    SQLite has one writer anyway (`db.begin_write`); PostgreSQL gets a lock that ends with the transaction.
    """
    if session.get_bind().dialect.name == "postgresql":
        name = "pg_advisory_xact_lock" if for_writing else "pg_advisory_xact_lock_shared"
        session.connection().exec_driver_sql(f"SELECT {name}(7205001)")
