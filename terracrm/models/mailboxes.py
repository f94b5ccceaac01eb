"""What is mirrored: mailboxes, their streams and folders, and the links between here and there."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from terracrm.models.activities import Sharing
from terracrm.models.base import Base, utcnow
from terracrm.models.users import Team, User

# Links to what we wrote ourselves.
WRITTEN = text("key <> ''")
# What was left out and is to be read again.
DUE = text("is_due")
# Streams that somebody runs.
CLAIMED = text("claim <> ''")
# Streams that are on the queue, or were not long ago.
QUEUED = text("queued_until IS NOT NULL")
# Links to what a reading from the start has not met yet.
UNMET = text("is_unmet")


class StreamState(StrEnum):
    """The health of a stream (Y5)."""

    NEW = "new"
    OK = "ok"
    DEGRADED = "degraded"
    BACKOFF = "backoff"
    CREDENTIALS = "credentials"
    PAUSED = "paused"
    APPROVAL = "approval"


# These wait for a person, whatever the clock says.
STOPPED = (StreamState.CREDENTIALS, StreamState.PAUSED, StreamState.APPROVAL)
# Of these nothing is read; of a stream that waits for approval still what became private (S4).
UNREAD = (StreamState.CREDENTIALS, StreamState.PAUSED)


class Mailbox(Base):
    """One Exchange mailbox. It belongs to a person or, when shared, to a team (S16).

    The password is kept encrypted, or read from `password_file` each time. `create_contacts` (S7), `capture`,
    `detail`, `tracking_category` (S6, S8) and `attachments` (S12) are this mailbox's own choice, or "", which means
    the setting of the same name in `[mirror]`. `let_in_at` is when the server last let its account in, with the
    password of now (`sync.accounts`).
    """

    __tablename__ = "mailboxes"
    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(unique=True)
    server: Mapped[str]
    username: Mapped[str]
    password_encrypted: Mapped[str] = mapped_column(Text, default="")
    password_file: Mapped[str] = mapped_column(default="")
    impersonate: Mapped[bool] = mapped_column(default=False)
    verify_tls: Mapped[bool] = mapped_column(default=True)
    is_enabled: Mapped[bool] = mapped_column(default=False)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"), index=True)
    sharing: Mapped[int] = mapped_column(default=Sharing.EVERYONE)
    create_contacts: Mapped[str] = mapped_column(String(5), default="")
    capture: Mapped[str] = mapped_column(String(10), default="")
    detail: Mapped[str] = mapped_column(String(10), default="")
    tracking_category: Mapped[str] = mapped_column(default="")
    attachments: Mapped[str] = mapped_column(String(10), default="")
    let_in_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    user: Mapped[User | None] = relationship()
    team: Mapped[Team | None] = relationship()
    streams: Mapped[list[Stream]] = relationship(
        back_populates="mailbox", order_by="Stream.id", cascade="all, delete-orphan"
    )


class Stream(Base):
    """One kind of data of one mailbox: its schedule, claim and state.

    `claim` names the worker that runs it until `claimed_until`; whoever sets it by compare-and-set has it.
    `include_folders` (empty: all) and `exclude_folders` are paths, each with what is below it; `only_category` is
    the category an item needs to be mirrored, or "" (S1).

    `direction` is off, in, out or both; what goes out of a contacts stream are the clients in Outlook (W1): those of
    `client_scope` ("mine", "team", "region" or "segment": `segment_id`), in the folder `clients_folder`, each with
    `history_entries` entries. `field_directions` holds the fields whose direction is not "both", `conflict_rule` is
    "crm", "outlook" or "latest", `on_delete` is "unlink" or "archive" (S9). "" and None mean the setting in
    `[outlook]`. A posts stream writes the entries since `posts_since` (W3).

    `is_refused` is set when the server refused the account itself, which other mailboxes may share: nobody tries it
    again until a person has mended it (`sync.accounts`).

    `woken_at` is when it was last woken, because its mailbox told of a change or may have missed to; `reconciled_at`
    when the items here and there were last counted, and `gaps` how many were then found on one side only, and not
    mended (S14). `moved_at` is set from when the mailbox was met on another server until a run got through.
    `clock_skew` is by how many seconds the server's clock was ahead of ours in the last run, None where it told none.
    `queued_until`: it was put on the queue of the distributed engine (`sync.scheduler`) or found its server busy
    (`sync.servers`), and is not handed out again before that.
    """

    __tablename__ = "streams"
    __table_args__ = (
        UniqueConstraint("mailbox_id", "kind"),
        Index("ix_streams_claimed", "mailbox_id", sqlite_where=CLAIMED, postgresql_where=CLAIMED),
        Index("ix_streams_queued", "queued_until", sqlite_where=QUEUED, postgresql_where=QUEUED),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(10))
    direction: Mapped[str] = mapped_column(String(5), default="in")
    is_enabled: Mapped[bool] = mapped_column(default=True)
    interval_minutes: Mapped[int | None]
    client_scope: Mapped[str] = mapped_column(String(10), default="", server_default="")
    segment_id: Mapped[int | None]
    clients_folder: Mapped[str] = mapped_column(default="", server_default="")
    field_directions: Mapped[dict[str, str]] = mapped_column(JSON, default=dict, server_default="{}")
    conflict_rule: Mapped[str] = mapped_column(String(8), default="", server_default="")
    on_delete: Mapped[str] = mapped_column(String(8), default="", server_default="")
    history_entries: Mapped[int | None]
    posts_since: Mapped[datetime | None]
    include_folders: Mapped[list[str]] = mapped_column(JSON, default=list)
    exclude_folders: Mapped[list[str]] = mapped_column(JSON, default=list)
    only_category: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(String(12), default=StreamState.NEW)
    is_refused: Mapped[bool] = mapped_column(default=False, server_default=false())
    due_at: Mapped[datetime] = mapped_column(default=utcnow, index=True)
    failures: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(Text, default="")
    last_run_at: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]
    woken_at: Mapped[datetime | None]
    reconciled_at: Mapped[datetime | None]
    gaps: Mapped[int] = mapped_column(default=0, server_default="0")
    moved_at: Mapped[datetime | None]
    clock_skew: Mapped[int | None]
    claim: Mapped[str] = mapped_column(default="")
    claimed_until: Mapped[datetime | None]
    queued_until: Mapped[datetime | None]
    mailbox: Mapped[Mailbox] = relationship(back_populates="streams")
    folders: Mapped[list[MirrorFolder]] = relationship(
        back_populates="stream", order_by="MirrorFolder.path", cascade="all, delete-orphan"
    )


class MirrorFolder(Base):
    """A remote folder of a stream with its cursor; `revision` is the fence of the compare-and-set (invariant 1).

    `role` is "clients", "tasks" or "posts" for a folder that we write into, whatever it is called now (W1, W3); "p" and
    the id of a company for that of its posts. `private_cursor`: how far it was read for what became private, while its
    stream waits for approval (`sync.waiting`).
    """

    __tablename__ = "folders"
    __table_args__ = (UniqueConstraint("stream_id", "remote_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    stream_id: Mapped[int] = mapped_column(ForeignKey("streams.id", ondelete="CASCADE"))
    remote_id: Mapped[str]
    path: Mapped[str] = mapped_column(default="")
    well_known: Mapped[str] = mapped_column(default="")
    is_excluded: Mapped[bool] = mapped_column(default=False)
    gone_at: Mapped[datetime | None]
    role: Mapped[str] = mapped_column(String(10), default="", server_default="")
    cursor: Mapped[str | None] = mapped_column(Text)
    private_cursor: Mapped[str | None] = mapped_column(Text)
    revision: Mapped[int] = mapped_column(default=0)
    stream: Mapped[Stream] = relationship(back_populates="folders")


class Link(Base):
    """Local id <-> remote id in one mailbox, with the remote version and the last agreed state.

    `entity` is "contact", "message", "meeting", "task" or "post". `base` is the snapshot for the per-field merge,
    `content_hash` tells a real change from a new version of the same content. `gone_at`: the remote item left; the row
    stays as a tombstone so that a move (delete and create) is told from a deletion. `untracked_at`: the tracking
    category was removed in Outlook, so what changes there is no longer followed; the record stays (S8). `is_unmet`: the
    server forgot how far the folder was read, and since it is read anew the item has not been met (S13).

    Of an item that we write (W1-W3): `key` is the idempotency key it was created with, `sent` what our side said when
    both last agreed (`base` is what the mailbox said then), `told` what this mailbox's own people said, `written` the
    text of the history block, `block_removed_at` when its owner took that out, for good, and `card` what its properties
    of our own say.
    """

    __tablename__ = "links"
    __table_args__ = (
        UniqueConstraint("mailbox_id", "remote_id"),
        Index("ix_links_entity", "entity", "local_id"),
        Index("ix_links_key", "mailbox_id", "key", sqlite_where=WRITTEN, postgresql_where=WRITTEN),
        Index("ix_links_unmet", "folder_id", sqlite_where=UNMET, postgresql_where=UNMET),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"))
    folder_id: Mapped[int] = mapped_column(ForeignKey("folders.id", ondelete="CASCADE"), index=True)
    entity: Mapped[str] = mapped_column(String(10))
    local_id: Mapped[int]
    remote_id: Mapped[str]
    version: Mapped[str] = mapped_column(default="")
    content_hash: Mapped[str] = mapped_column(String(40), default="")
    base: Mapped[dict[str, object] | None] = mapped_column(JSON)
    run_id: Mapped[int | None]
    rule: Mapped[str] = mapped_column(String(30), default="")
    match_method: Mapped[str] = mapped_column(String(12), default="")
    gone_at: Mapped[datetime | None]
    untracked_at: Mapped[datetime | None]
    is_unmet: Mapped[bool] = mapped_column(default=False, server_default=false())
    key: Mapped[str] = mapped_column(String(64), default="", server_default="")
    sent: Mapped[dict[str, object] | None] = mapped_column(JSON)
    told: Mapped[dict[str, object] | None] = mapped_column(JSON)
    written: Mapped[str] = mapped_column(Text, default="", server_default="")
    block_removed_at: Mapped[datetime | None]
    card: Mapped[dict[str, object] | None] = mapped_column(JSON)


class SkippedItem(Base):
    """A remote item that is there and not mirrored, with the rule that says so (Y4, S14).

    No content of it is kept: only hashes, of its Message-ID and of the outside addresses (`SkippedAddress`), so that
    it can be asked for and be taken in when the rule or what is known of people changes. `is_due`: read it again.
    """

    __tablename__ = "skipped_items"
    __table_args__ = (
        UniqueConstraint("folder_id", "remote_id"),
        Index("ix_skipped_items_due", "folder_id", sqlite_where=DUE, postgresql_where=DUE),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    folder_id: Mapped[int] = mapped_column(ForeignKey("folders.id", ondelete="CASCADE"))
    remote_id: Mapped[str] = mapped_column(index=True)
    run_id: Mapped[int | None]
    rule: Mapped[str] = mapped_column(String(40), index=True)
    message_hash: Mapped[str] = mapped_column(String(64), default="", index=True)
    is_due: Mapped[bool] = mapped_column(default=False)
    skipped_at: Mapped[datetime] = mapped_column(default=utcnow)


class SkippedAddress(Base):
    """The hash of what a skipped mail waits for: when that becomes known, the mail is read again.

    An outside address; "@" and the domain of a company; the Message-ID, in angle brackets, of what it may answer.
    """

    __tablename__ = "skipped_addresses"
    __table_args__ = ({"sqlite_with_rowid": False},)
    skipped_id: Mapped[int] = mapped_column(ForeignKey("skipped_items.id", ondelete="CASCADE"), primary_key=True)
    address_hash: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)


class QuarantinedItem(Base):
    """One remote item that could not be processed: the error, the attempts and the next try."""

    __tablename__ = "quarantined_items"
    __table_args__ = (UniqueConstraint("folder_id", "remote_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    folder_id: Mapped[int] = mapped_column(ForeignKey("folders.id", ondelete="CASCADE"))
    remote_id: Mapped[str]
    error: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(default=1)
    first_seen_at: Mapped[datetime] = mapped_column(default=utcnow)
    next_try_at: Mapped[datetime] = mapped_column(index=True)
    folder: Mapped[MirrorFolder] = relationship()
