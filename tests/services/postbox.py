"""Mail that arrives in mailboxes, page by page, through the service that takes it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain.capture import Decision
from terracrm.domain.records import MessageRecord, Participant, Role
from terracrm.models import Link, Mailbox, Message, MirrorFolder, Stream, SyncRun
from terracrm.services import mirror_mail
from terracrm.services.mail_text import MailText
from terracrm.services.mirror_mail import Arrival
from terracrm.services.sources import Source, source_of

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
OURS = "office.test"


def letter(
    name: str,
    subject: str = "Договор поставки",
    sender: str = "olga@lavka.example",
    to: str = "anna@office.test",
    day: float = 0,
    answers: str = "",
    names: str = "",
    **changes: object,
) -> MessageRecord:
    """A mail whose Message-ID is <name@x>; `answers` and `names` are such names, `day` is when it was sent."""
    values: dict[str, object] = {
        "message_id": f"<{name}@x>",
        "subject": subject,
        "sent_at": START + timedelta(days=day),
        "received_at": START + timedelta(days=day, seconds=5),
        "participants": (Participant(Role.FROM, sender), *(Participant(Role.TO, a) for a in to.split(",") if a)),
        "in_reply_to": f"<{answers}@x>" if answers else "",
        "references": tuple(f"<{each}@x>" for each in names.split()),
        "body_text": f"Текст письма {name}",
    }
    return MessageRecord(**(values | changes))  # type: ignore[arg-type]


@dataclass
class Postbox:
    """Mailboxes of an office and what arrives in them."""

    session: Session
    sources: dict[str, Source] = field(default_factory=dict)
    items: int = 0

    def source(self, name: str = "anna", well_known: str = "") -> Source:
        """The mail folder of name@office.test; made when it is first asked for."""
        key = f"{name}/{well_known}"
        if key not in self.sources:
            self.sources[key] = self._source(name, well_known)
        return self.sources[key]

    def arrive(self, *records: MessageRecord, mailbox: str = "anna", folder: str = "") -> None:
        """One page of mail."""
        source = self.source(mailbox, folder)
        arrivals = []
        for record in records:
            self.items += 1
            text = MailText(record, source.full_text_chars)
            arrivals.append(Arrival(f"item-{self.items}", "v1", record, Decision(True, "mail"), text))
        mirror_mail.store(self.session, source, arrivals)
        self.session.flush()

    def withdraw(self, name: str) -> None:
        """The mail became private in every mailbox."""
        links = self.session.scalars(
            select(Link).where(Link.entity == "message", Link.local_id == self.id_of(name), Link.gone_at.is_(None))
        )
        for link in links.all():
            mirror_mail.withdraw(self.session, self.source(), link)
        self.session.flush()

    def id_of(self, name: str) -> int:
        """The activity of the mail <name@x>."""
        return self.session.scalars(select(Message.activity_id).where(Message.message_key == f"{name}@x")).one()

    def threads(self) -> set[frozenset[str]]:
        """The names of the mails of each thread."""
        found: dict[int, set[str]] = {}
        for key, thread in self.session.execute(select(Message.message_key, Message.thread_id)):
            found.setdefault(thread, set()).add(key.removesuffix("@x"))
        return {frozenset(names) for names in found.values()}

    def _source(self, name: str, well_known: str) -> Source:
        address = f"{name}@{OURS}"
        mailbox = self.session.scalar(select(Mailbox).where(Mailbox.address == address))
        if mailbox is None:
            mailbox = Mailbox(address=address, server="https://mail.test", username=name)
            mailbox.streams = [Stream(kind="mail")]
            self.session.add(mailbox)
            self.session.flush()
        stream = next(stream for stream in mailbox.streams if stream.kind == "mail")
        folder = MirrorFolder(remote_id=f"{name}/{well_known}", path=well_known or "Inbox", well_known=well_known)
        stream.folders.append(folder)
        run = SyncRun(stream_id=stream.id)
        self.session.add(run)
        self.session.flush()
        settings = Settings(mirror={"internal_domains": [OURS], "create_contacts": "off"})
        return source_of(settings, mailbox, folder, run.id)


def pages(records: Sequence[MessageRecord], size: int) -> list[Sequence[MessageRecord]]:
    """The records in pages of that size."""
    return [records[start : start + size] for start in range(0, len(records), size)]
