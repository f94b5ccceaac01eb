"""Mail: one message per Message-ID, a copy per mailbox that holds it, and its thread (S2)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from terracrm.models.activities import Activity
from terracrm.models.base import Base, utcnow


class Thread(Base):
    """A conversation, or a strand of one: messages that name each other (`services.threads`)."""

    __tablename__ = "threads"
    id: Mapped[int] = mapped_column(primary_key=True)


class ThreadKey(Base):
    """What makes messages one strand: every Message-ID that they name, and the server's conversation ids."""

    __tablename__ = "thread_keys"
    __table_args__ = ({"sqlite_with_rowid": False},)
    key: Mapped[str] = mapped_column(primary_key=True)
    thread_id: Mapped[int] = mapped_column(ForeignKey("threads.id"), index=True)


class Message(Base):
    """A mail. `message_key` is the normalised Message-ID, or a hash of the content where it has none.

    `subject_key` is the hash of what a thread is found by where a reply names no message: the subject without its
    prefixes, and the outside people; "" where the subject says nothing. `is_reply` when the subject says it is one.
    `in_reply_to` is the key of the message that it answers, or the last that it names; "" where it names none.
    `detail` is "full", or "headers" when only the headers were captured (S6).
    """

    __tablename__ = "messages"
    activity_id: Mapped[int] = mapped_column(ForeignKey("activities.id", ondelete="CASCADE"), primary_key=True)
    message_key: Mapped[str] = mapped_column(unique=True)
    message_id: Mapped[str] = mapped_column(default="")
    in_reply_to: Mapped[str] = mapped_column(default="")
    thread_id: Mapped[int] = mapped_column(ForeignKey("threads.id"), index=True)
    sent_at: Mapped[datetime | None]
    importance: Mapped[str] = mapped_column(String(10), default="normal")
    item_class: Mapped[str] = mapped_column(default="IPM.Note")
    is_bulk: Mapped[bool] = mapped_column(default=False)
    subject_key: Mapped[str] = mapped_column(String(64), default="", index=True)
    is_reply: Mapped[bool] = mapped_column(default=False)
    detail: Mapped[str] = mapped_column(String(10), default="full")
    activity: Mapped[Activity] = relationship()


class MessageBody(Base):
    """The body, aside from the rows that lists read. One of `html` and `text` is filled."""

    __tablename__ = "message_bodies"
    activity_id: Mapped[int] = mapped_column(ForeignKey("messages.activity_id", ondelete="CASCADE"), primary_key=True)
    unique_text: Mapped[str] = mapped_column(Text, default="")
    text: Mapped[str] = mapped_column(Text, default="")
    html: Mapped[str] = mapped_column(Text, default="")


class MessageAttachment(Base):
    """What a message had attached (S12).

    `state` is "" while the content stays in the mailbox, then "wanted", "stored" (`content_hash` names it), "failed",
    "too_large" or "gone"; `error` says why. "link" is a link into the cloud: it has no content, and `content_id` is
    its address; of others that is what the text may call them, Content-ID and Content-Location, a line each.
    `requested_at` is when somebody asked for it, of a failed one when it is tried again. `danger` is "" or why the
    file is flagged: "program", "macro", "disguised"... (`terracrm.domain.file_danger`).
    """

    __tablename__ = "message_attachments"
    __table_args__ = ({"sqlite_with_rowid": False},)
    activity_id: Mapped[int] = mapped_column(ForeignKey("messages.activity_id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="")
    content_type: Mapped[str] = mapped_column(default="")
    size: Mapped[int] = mapped_column(default=0)
    is_inline: Mapped[bool] = mapped_column(default=False)
    content_id: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(String(10), default="", index=True)
    content_hash: Mapped[str] = mapped_column(String(64), default="", index=True)
    danger: Mapped[str] = mapped_column(String(12), default="")
    error: Mapped[str] = mapped_column(Text, default="")
    requested_at: Mapped[datetime | None]


class AttachmentContent(Base):
    """The bytes of an attachment, once for each content however many messages carry it; `hash` is SHA-256 in hex."""

    __tablename__ = "attachment_contents"
    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int]
    content_type: Mapped[str] = mapped_column(default="")
    stored_at: Mapped[datetime] = mapped_column(default=utcnow)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class MessageCopy(Base):
    """One mailbox's copy. It outlives the Outlook item: `Link.gone_at` says since when that is not there (S9).

    `flag_version` is the version that the last change of the read flag left behind: nothing else of the item is new in
    it, beside `Link.version`, which is what was read (S14).
    """

    __tablename__ = "message_copies"
    __table_args__ = (Index("ix_message_copies_message_mailbox", "message_id", "mailbox_id"),)
    link_id: Mapped[int] = mapped_column(ForeignKey("links.id", ondelete="CASCADE"), primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.activity_id", ondelete="CASCADE"))
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailboxes.id"), index=True)
    is_read: Mapped[bool] = mapped_column(default=True)
    categories: Mapped[str] = mapped_column(Text, default="")
    received_at: Mapped[datetime | None]
    flag_version: Mapped[str] = mapped_column(default="", server_default="")
