"""Stock: exchangelib as it comes and SQLAlchemy's ORM as its tutorial has it, mail by mail; full text by a trigger.

It reads the same fields and keeps the same facts in tables of its own; the rules are those of terracrm.domain here too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ForeignKey, create_engine, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from benchmarks import letters
from benchmarks.limit import BATCH, Person
from benchmarks.recording import stock_account
from terracrm.config import Settings
from terracrm.domain import replies
from terracrm.domain.addresses import DomainPolicy, normalise
from terracrm.domain.automatic import is_automatic
from terracrm.domain.capture import snippet
from terracrm.domain.records import MessageRecord, Participant, Role
from terracrm.domain.threads import named_messages
from terracrm.domain.words import stem

FIELDS = (
    "item_class", "subject", "sensitivity", "body", "attachments", "datetime_received", "categories", "importance",
    "in_reply_to", "is_draft", "headers", "datetime_sent", "conversation_id", "unique_body", "sender", "to_recipients",
    "cc_recipients", "bcc_recipients", "author", "message_id", "is_read", "references",
)  # fmt: skip
"""What the connector's shape asks for, by exchangelib's names."""
_FULL_TEXT_CHARS = Settings().mirror.full_text_chars
_POLICY = DomainPolicy.of((), Settings().mirror.free_mail_domains)


class Base(DeclarativeBase):
    """The tables of this program."""


class Folder(Base):
    """How far a folder was read."""

    __tablename__ = "folders"
    id: Mapped[int] = mapped_column(primary_key=True)
    cursor: Mapped[str | None]


class Company(Base):
    """A known company."""

    __tablename__ = "companies"
    id: Mapped[int] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(unique=True)


class Contact(Base):
    """A known person."""

    __tablename__ = "contacts"
    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(unique=True)
    company_id: Mapped[int] = mapped_column(ForeignKey("companies.id"))
    company: Mapped[Company] = relationship()


class Thread(Base):
    """A conversation."""

    __tablename__ = "threads"
    id: Mapped[int] = mapped_column(primary_key=True)
    keys: Mapped[list[ThreadKey]] = relationship(back_populates="thread")


class ThreadKey(Base):
    """What belongs to a conversation: the Message-IDs, and the server's own number."""

    __tablename__ = "thread_keys"
    key: Mapped[str] = mapped_column(primary_key=True)
    thread_id: Mapped[int] = mapped_column(ForeignKey("threads.id"), index=True)
    thread: Mapped[Thread] = relationship(back_populates="keys")


class Message(Base):
    """A mail."""

    __tablename__ = "messages"
    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[str] = mapped_column(unique=True)
    remote_id: Mapped[str] = mapped_column(unique=True)
    version: Mapped[str]
    subject: Mapped[str]
    snippet: Mapped[str]
    sent_at: Mapped[datetime] = mapped_column(index=True)
    received_at: Mapped[datetime]
    importance: Mapped[str]
    item_class: Mapped[str]
    is_read: Mapped[bool]
    is_bulk: Mapped[bool]
    categories: Mapped[str]
    thread_id: Mapped[int] = mapped_column(ForeignKey("threads.id"), index=True)
    thread: Mapped[Thread] = relationship()
    participants: Mapped[list[Participation]] = relationship(back_populates="message")
    files: Mapped[list[File]] = relationship(back_populates="message")
    body: Mapped[Body] = relationship(back_populates="message")


class Participation(Base):
    """Who took part, and whom that is known to be."""

    __tablename__ = "participants"
    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"), index=True)
    role: Mapped[str]
    address: Mapped[str] = mapped_column(index=True)
    name: Mapped[str]
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contacts.id"), index=True)
    company_id: Mapped[int | None] = mapped_column(ForeignKey("companies.id"), index=True)
    message: Mapped[Message] = relationship(back_populates="participants")
    contact: Mapped[Contact | None] = relationship()
    company: Mapped[Company | None] = relationship()


class File(Base):
    """An attachment."""

    __tablename__ = "files"
    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"), index=True)
    name: Mapped[str]
    content_type: Mapped[str]
    size: Mapped[int]
    message: Mapped[Message] = relationship(back_populates="files")


class Body(Base):
    """What a mail says."""

    __tablename__ = "bodies"
    id: Mapped[int] = mapped_column(ForeignKey("messages.id"), primary_key=True)
    unique_text: Mapped[str]
    text: Mapped[str]
    html: Mapped[str]
    words: Mapped[str]
    message: Mapped[Message] = relationship(back_populates="body")


_FULL_TEXT = (
    "CREATE VIRTUAL TABLE search USING fts5(words, content='bodies', content_rowid='id', tokenize='unicode61')",
    "CREATE TRIGGER body_added AFTER INSERT ON bodies BEGIN"
    " INSERT INTO search (rowid, words) VALUES (new.id, new.words); END",
)


def mirror(url: str, database: Path) -> int:
    """Mirror the inbox; how many messages."""
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        Base.metadata.create_all(connection)
        for statement in _FULL_TEXT:
            connection.execute(text(statement))
    count = 0
    with Session(engine) as session:
        _know(session)
        account = stock_account(url)
        found = [item for _, item in account.inbox.sync_items(only_fields=["id", "changekey"])]
        for start in range(0, len(found), BATCH):
            for item in fetched(account, [(each.id, each.changekey) for each in found[start : start + BATCH]]):
                _store(session, item)
                count += 1
            session.commit()
        session.add(Folder(cursor=account.inbox.item_sync_state))
        session.commit()
    engine.dispose()
    return count


def fetched(account: Any, ids: Sequence[tuple[str, str]]) -> Iterator[Any]:
    """These mails as exchangelib's objects."""
    return iter(account.fetch(ids=ids, only_fields=FIELDS, chunk_size=BATCH))


def _know(session: Session) -> None:
    """The same people and companies as in the database of the other sides."""
    for number in range(0, letters.COMPANIES, 2):
        company = Company(domain=letters.company_domain(number))
        session.add(company)
        if number % 4 == 0:
            session.add(Contact(address=letters.in_copy(number).address, company=company))
    session.commit()


def _store(session: Session, item: Any) -> None:
    if session.scalar(select(Message).where(Message.message_id == item.message_id)) is not None:
        return
    people = _people(item)
    record = _record(item, people)
    reply = replies.of_message(record)
    shown = " ".join(f"{person.name} {person.address}" for person in people)
    files = " ".join(each.name for each in item.attachments)
    searchable = f"{item.subject} {shown} {files} {reply.new[:_FULL_TEXT_CHARS]}"
    headers = [(each.name, each.value or "") for each in item.headers or ()]
    message = Message(
        message_id=item.message_id,
        remote_id=item.id,
        version=item.changekey,
        subject=item.subject or "",
        snippet=snippet(reply.new),
        sent_at=item.datetime_sent,
        received_at=item.datetime_received,
        importance=item.importance,
        item_class=item.item_class,
        is_read=item.is_read,
        is_bulk=is_automatic(headers, item.item_class, people[0].address),
        categories="\n".join(item.categories or ()),
        thread=_thread(session, item, record),
        participants=[_participation(session, person) for person in people],
        files=[File(name=each.name, content_type=each.content_type or "", size=each.size) for each in item.attachments],
        body=Body(unique_text=reply.new, text=record.body_text, html=record.body_html, words=stem(searchable)),
    )
    session.add(message)


def _people(item: Any) -> list[Person]:
    found = [Person(Role.FROM, item.author.email_address, item.author.name)]
    for role, boxes in ((Role.TO, item.to_recipients), (Role.CC, item.cc_recipients), (Role.BCC, item.bcc_recipients)):
        found += [Person(role, box.email_address, box.name) for box in boxes or ()]
    return found


def _record(item: Any, people: Sequence[Person]) -> MessageRecord:
    """The mail as the rules read it."""
    is_html = item.body is not None and item.body.body_type == "HTML"
    return MessageRecord(
        message_id=item.message_id,
        subject=item.subject or "",
        participants=tuple(Participant(person.role, person.address, person.name) for person in people),
        in_reply_to=item.in_reply_to or "",
        references=tuple((item.references or "").split()),
        body_text="" if is_html else str(item.body or ""),
        body_html=str(item.body) if is_html else "",
        unique_text=str(item.unique_body or "").strip(),
    )


def _thread(session: Session, item: Any, record: MessageRecord) -> Thread:
    keys = {item.message_id.strip("<>"), *named_messages(record), f"conversation:{item.conversation_id.id}"}
    known = session.scalars(select(ThreadKey).where(ThreadKey.key.in_(keys))).all()
    thread = known[0].thread if known else Thread()
    thread.keys += [ThreadKey(key=key) for key in sorted(keys - {each.key for each in known})]
    return thread


def _participation(session: Session, person: Person) -> Participation:
    address = normalise(person.address)
    contact = session.scalar(select(Contact).where(Contact.address == address))
    domain = _POLICY.company_domain(address)
    company = contact.company if contact else session.scalar(select(Company).where(Company.domain == domain))
    return Participation(role=person.role, address=address, name=person.name, contact=contact, company=company)
