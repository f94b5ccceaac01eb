"""Where a fact comes from, and by which rules it is taken in (invariant 11)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain.addresses import DomainPolicy, normalise
from terracrm.domain.attachments import AttachmentPolicy
from terracrm.domain.capture import CaptureRules, Detail, Mode
from terracrm.domain.mailbox_rules import Rules
from terracrm.models import Mailbox, MirrorFolder

CreateContacts = Literal["off", "sent", "all"]
MEGABYTE = 1024 * 1024
SENT_ITEMS = "sentitems"


@dataclass(frozen=True)
class Source:
    """The mailbox, folder and run that bring an item, and what the settings say about taking it in.

    `owner_id` and `team_id` are whose clients the mailbox's contacts become: a shared mailbox has no owner, so that
    they belong to its team (S16). `default_detail` is that of the mailboxes that choose none. `goes` is the direction
    of the stream, `conflict` its rule for what both sides changed, `client_scope` whose clients have a card there,
    `time_zone` that of the office's days (W1, W3).
    """

    mailbox_id: int
    folder_id: int
    run_id: int
    rules: CaptureRules
    owner_id: int | None
    team_id: int | None
    sharing: int
    create_contacts: CreateContacts
    default_detail: Detail
    full_text_chars: int
    calendar_past_days: int
    calendar_future_days: int
    attachments: AttachmentPolicy
    attachment_max_bytes: int
    goes: str
    conflict: str
    client_scope: str
    time_zone: str

    @property
    def address(self) -> str:
        """The mailbox's own address."""
        return self.rules.address

    @property
    def in_sent_items(self) -> bool:
        """Whether all that is in the folder was sent."""
        return self.rules.in_sent_items

    @property
    def policy(self) -> DomainPolicy:
        """Which domains are our own, and which are anybody's."""
        return self.rules.policy


def source_of(settings: Settings, mailbox: Mailbox, folder: MirrorFolder, run_id: int) -> Source:
    """The source that a run over one folder of a mailbox is."""
    mirror = settings.mirror
    user = mailbox.user
    return Source(
        mailbox_id=mailbox.id,
        folder_id=folder.id,
        run_id=run_id,
        rules=replace(
            rules_of(settings, mailbox.address, mailbox, "" if folder.role else folder.stream.only_category),
            in_sent_items=folder.well_known == SENT_ITEMS,
        ),
        owner_id=user.id if user else None,
        team_id=mailbox.team_id or (user.team_id if user else None),
        sharing=mailbox.sharing,
        create_contacts=mailbox.create_contacts or mirror.create_contacts,  # type: ignore[arg-type]
        default_detail=Detail(mirror.detail),
        full_text_chars=mirror.full_text_chars,
        calendar_past_days=mirror.calendar_past_days,
        calendar_future_days=mirror.calendar_future_days,
        attachments=mailbox.attachments or mirror.attachments,  # type: ignore[arg-type]
        attachment_max_bytes=mirror.attachment_max_mb * MEGABYTE,
        goes=folder.stream.direction,
        conflict=folder.stream.conflict_rule or settings.outlook.conflict,
        client_scope=folder.stream.client_scope or settings.outlook.scope,
        time_zone=settings.web.time_zone,
    )


def rules_of(settings: Settings, address: str, own: Mailbox | Rules, only_category: str) -> CaptureRules:
    """By which rules a stream of a mailbox takes items in: the mailbox's own choice, or else the settings'."""
    mirror = settings.mirror
    return CaptureRules(
        mode=Mode(own.capture or mirror.capture),
        detail=Detail(own.detail or mirror.detail),
        tracking_category=own.tracking_category or mirror.tracking_category,
        only_category=only_category,
        policy=DomainPolicy.of(mirror.internal_domains, mirror.free_mail_domains),
        address=normalise(address),
    )


def lock_directory(session: Session, *, for_writing: bool) -> None:
    """Let only one transaction at a time add people and companies, and none that matches them meanwhile.

    So two mailboxes never add the same person, and no mail misses the person that another mailbox is adding.
    SQLite has one writer anyway (`db.begin_write`); PostgreSQL gets a lock that ends with the transaction.
    """
    if session.get_bind().dialect.name == "postgresql":
        name = "pg_advisory_xact_lock" if for_writing else "pg_advisory_xact_lock_shared"
        session.connection().exec_driver_sql(f"SELECT {name}(7205001)")
