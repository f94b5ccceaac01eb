"""A small office written straight into the tables: two teams, their clients, and a history of every kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy.orm import Session

from terracrm.domain.names import company_key, e164, name_key
from terracrm.models import (
    Activity,
    ActivityMailbox,
    Company,
    CompanyDomain,
    CompanyTimeline,
    Contact,
    ContactAddress,
    ContactPhone,
    ContactPostalAddress,
    ContactTimeline,
    FieldChange,
    Link,
    Mailbox,
    Meeting,
    MeetingCopy,
    Message,
    MessageAttachment,
    MessageBody,
    MessageCopy,
    MirrorFolder,
    Participant,
    Sharing,
    Stream,
    StreamState,
    SyncRun,
    Team,
    Thread,
    User,
)
from terracrm.services import search

PASSWORD = "correct horse"
PASSWORD_HASH = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
NOW = datetime.now(UTC).replace(microsecond=0)
OURS = "romashka.example"


@dataclass
class Office:
    """The rows by name, and ways to add to the history."""

    session: Session
    teams: dict[str, Team] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    mailboxes: dict[str, Mailbox] = field(default_factory=dict)
    companies: dict[str, Company] = field(default_factory=dict)
    contacts: dict[str, Contact] = field(default_factory=dict)
    activities: dict[str, Activity] = field(default_factory=dict)
    links: int = 0

    def add(self, *rows: Any) -> None:
        """Write rows, so that they have their ids."""
        self.session.add_all(rows)
        self.session.flush()

    def user(self, name: str, role: str, team: str = "", full_name: str = "") -> User:
        """A user; a manager gets a mailbox of the same name with its streams."""
        if team and team not in self.teams:
            self.teams[team] = Team(name=team)
        user = User(
            name=name,
            full_name=full_name or name.capitalize(),
            email=f"{name}@{OURS}",
            role_code=role,
            password_hash=PASSWORD_HASH,
            team=self.teams.get(team),
        )
        self.users[name] = user
        self.add(user)
        if role == "manager":
            self.mailbox(name, user=user)
        return user

    def mailbox(self, name: str, **values: Any) -> Mailbox:
        """A mailbox with a mail stream that ran once and a calendar stream."""
        box = Mailbox(
            address=f"{name}@{OURS}",
            server="https://mail.romashka.example/EWS/Exchange.asmx",
            username=name,
            is_enabled=True,
            **values,
        )
        mail = Stream(kind="mail", state=StreamState.OK, last_success_at=NOW - timedelta(minutes=4))
        calendar = Stream(kind="calendar", state=StreamState.NEW)
        box.streams = [mail, calendar]
        mail.folders = [MirrorFolder(remote_id=f"inbox-{name}", path="Inbox")]
        self.mailboxes[name] = box
        self.add(box)
        run = SyncRun(stream_id=mail.id, finished_at=NOW, outcome="ok", created=12, updated=3, skipped=2, unmatched=1)
        self.add(run)
        return box

    def company(self, name: str, domain: str, owner: str | None = None, city: str = "") -> Company:
        """A company with a domain."""
        user = self.users[owner] if owner else None
        row = Company(name=name, name_key=company_key(name), city=city, owner=user, team=user.team if user else None)
        row.domains = [CompanyDomain(domain=domain)]
        self.companies[domain] = row
        self.add(row)
        search.index_companies(self.session, [(row.id, f"{name} {domain}")])
        return row

    def contact(self, name: str, address: str, phone: str = "", **values: Any) -> Contact:
        """A person of the company whose domain the address has, belonging to whom the company belongs."""
        company = self.companies.get(address.partition("@")[2])
        row = Contact(
            display_name=name,
            name_key=name_key(name),
            company=company,
            company_name=company.name if company else "",
            owner=company.owner if company else None,
            team=company.team if company else None,
            **values,
        )
        row.addresses = [ContactAddress(address=address, domain=address.partition("@")[2], written=address, label="1")]
        row.phones = [ContactPhone(number=phone, e164=e164(phone), label="mobile")] if phone else []
        row.postal_addresses = [
            ContactPostalAddress(label="business", street="Tverskaya 1", city="Moscow", postal_code="125009")
        ]
        self.contacts[address] = row
        self.add(row)
        search.index_contacts(self.session, [(row.id, f"{name} {address} {phone}")])
        return row

    def activity(
        self, key: str, kind: str, people: list[tuple[str, str]], holders: list[str], **values: Any
    ) -> Activity:
        """An entry with its participants (role, address), timelines and the mailboxes that hold it."""
        found = [self._whom(address) for _, address in people]
        values.setdefault("occurred_at", NOW - timedelta(hours=1))
        values.setdefault("is_matched", any(contact or company for contact, company in found))
        boxes = [self.mailboxes[name] for name in holders]
        row = Activity(kind=kind, mailbox_id=boxes[0].id if boxes else None, run_id=1, **values)
        self.activities[key] = row
        self.add(row)
        for position, ((role, address), (contact, company)) in enumerate(zip(people, found, strict=True)):
            is_ours = address.endswith(f"@{OURS}")
            self.session.add(
                Participant(
                    activity_id=row.id,
                    position=position,
                    role=role,
                    address=address,
                    name=contact.display_name
                    if contact
                    else (address.partition("@")[0].capitalize() if is_ours else ""),
                    domain="" if is_ours else address.partition("@")[2],
                    contact_id=contact.id if contact else None,
                    company_id=company.id if company else None,
                    match_method="internal" if is_ours else ("address" if contact else ("domain" if company else "")),
                )
            )
        when = {"activity_id": row.id, "occurred_at": row.occurred_at, "kind": kind}
        self.session.add_all(
            [ContactTimeline(contact_id=id_, **when) for id_ in {contact.id for contact, _ in found if contact}]
            + [CompanyTimeline(company_id=id_, **when) for id_ in {company.id for _, company in found if company}]
            + [ActivityMailbox(activity_id=row.id, mailbox_id=box.id) for box in boxes]
        )
        self.session.flush()
        search.index_activities(self.session, [(row.id, row.occurred_at, f"{row.subject} {row.snippet}")])
        return row

    def mail(
        self,
        key: str,
        sender: str,
        to: list[str],
        *,
        text: str = "",
        html: str = "",
        thread: Thread | None = None,
        cc: tuple[str, ...] = (),
        bcc: tuple[str, ...] = (),
        attachments: tuple[str, ...] = (),
        **values: Any,
    ) -> Activity:
        """A message with its body and a copy in each mailbox of ours that took part."""
        people = [("from", sender), *(("to", a) for a in to), *(("cc", a) for a in cc), *(("bcc", a) for a in bcc)]
        holders = [name for name in self.mailboxes if any(address == f"{name}@{OURS}" for _, address in people)]
        values.setdefault("direction", "out" if sender.endswith(f"@{OURS}") else "in")
        values.setdefault("snippet", " ".join(text.split())[:200])
        row = self.activity(key, "mail", people, holders, has_attachments=bool(attachments), rule="mail", **values)
        thread = thread or Thread()
        self.add(thread)
        self.add(
            Message(activity_id=row.id, message_key=key, thread_id=thread.id),
            MessageBody(activity_id=row.id, text=text, html=html, unique_text=text),
            *(
                MessageAttachment(activity_id=row.id, position=n, name=name, content_type="application/pdf", size=48213)
                for n, name in enumerate(attachments)
            ),
        )
        for name in holders:
            link = self._link(name, "message", row.id)
            self.add(MessageCopy(link_id=link.id, message_id=row.id, mailbox_id=link.mailbox_id, received_at=NOW))
        return row

    def meeting(
        self, key: str, start: datetime, people: list[tuple[str, str]], holders: list[str], **values: Any
    ) -> Activity:
        """A meeting of an hour."""
        row = self.activity(
            key, "meeting", people, holders, occurred_at=start, rule="calendar", subject=values["subject"]
        )
        meeting = Meeting(
            meeting_key=key,
            uid=key,
            kind="single",
            activity_id=row.id,
            start_at=start,
            end_at=start + timedelta(hours=1),
            **values,
        )
        self.add(meeting)
        for name in holders:
            link = self._link(name, "meeting", meeting.id)
            self.add(
                MeetingCopy(link_id=link.id, meeting_id=meeting.id, mailbox_id=link.mailbox_id, response="accepted")
            )
        return row

    def _whom(self, address: str) -> tuple[Contact | None, Company | None]:
        contact = self.contacts.get(address)
        return contact, self.companies.get(address.partition("@")[2]) or (contact.company if contact else None)

    def _link(self, mailbox: str, entity: str, local_id: int) -> Link:
        box = self.mailboxes[mailbox]
        self.links += 1
        link = Link(
            mailbox_id=box.id,
            folder_id=box.streams[0].folders[0].id,
            entity=entity,
            local_id=local_id,
            remote_id=f"item-{self.links}",
        )
        self.add(link)
        return link


def make_office(session: Session) -> Office:
    """The office that the tests know by name."""
    office = Office(session)
    office.user("anna", "manager", "North", "Anna Sokolova")
    office.user("boris", "manager", "South", "Boris Orlov")
    office.user("galina", "manager", "North", "Galina Smirnova")
    office.user("viktor", "controller", full_name="Viktor Lebedev")
    office.user("admin", "admin", full_name="Olga Administrator")
    office.mailbox("orders", team=office.teams["North"])
    office.company("ООО «Ромашка-Маркет»", "market.example", "anna", "Москва")
    office.company("Vesna Stores Ltd", "vesna.example", "boris", "Tula")
    office.company("Free Harbour", "harbour.example")
    office.contact("Мария Иванова", "maria@market.example", "+7 495 123-45-67", job_title="Закупщик")
    office.contact(
        "Peter Volkov", "peter@vesna.example", "+7 487 222-33-44", job_title="Buyer", notes="Calls on Mondays"
    )
    office.contact("Igor Lapin", "igor@harbour.example")
    _fill(office)
    return office


def _fill(office: Office) -> None:
    thread = Thread()
    office.mail(
        "question", "maria@market.example", [f"anna@{OURS}"], subject="Договор поставки сметаны", thread=thread,
        text="Добрый день!\nПришлите, пожалуйста, договоры на сметану.", attachments=("заявка.pdf",),
        occurred_at=NOW - timedelta(days=1, hours=3),
    )  # fmt: skip
    office.mail(
        "answer", f"anna@{OURS}", ["maria@market.example"], subject="RE: Договор поставки сметаны", thread=thread,
        text="Высылаю договор, см. https://romashka.example/doc\n\n> Пришлите договоры", bcc=(f"galina@{OURS}",),
        occurred_at=NOW - timedelta(hours=2),
    )  # fmt: skip
    office.mail(
        "pictures", "maria@market.example", [f"anna@{OURS}"], subject="Фото полки",
        html='<p onclick="x()">Полка <b>готова</b></p><script>alert(1)</script><img src="https://evil.example/p.gif">',
        snippet="Полка готова", occurred_at=NOW - timedelta(hours=1),
    )  # fmt: skip
    office.mail("vesna", "peter@vesna.example", [f"boris@{OURS}"], subject="Delivery of kefir", text="When is it?")
    office.mail("harbour", "igor@harbour.example", [f"boris@{OURS}"], subject="Price list", text="Send the price list.")
    office.mail(
        "secret", "maria@market.example", [f"boris@{OURS}"], subject="Only for Boris", text="Personal words",
        sharing=Sharing.PRIVATE,
    )  # fmt: skip
    office.mail(
        "team", "igor@harbour.example", [f"anna@{OURS}"], subject="For the North team", text="Team words",
        sharing=Sharing.TEAM,
    )  # fmt: skip
    office.mail("stranger", "who@nowhere.example", [f"anna@{OURS}"], subject="Unknown sender", text="Hello there")
    office.meeting(
        "tasting", NOW + timedelta(days=2),
        [("organizer", f"anna@{OURS}"), ("required", "maria@market.example")], ["anna"],
        subject="Tasting of new cheeses", location="Office, room 4", body_text="Bring samples.",
    )  # fmt: skip
    maria = office.contacts["maria@market.example"]
    office.add(
        FieldChange(entity="contact", entity_id=maria.id, field="job_title", old="Менеджер", new="Закупщик",
                    mailbox_id=office.mailboxes["anna"].id, user_id=office.users["anna"].id)
    )  # fmt: skip


def add_long_history(office: Office, entries: int) -> None:
    """Many messages with Мария Иванова, an hour apart, so that the history has several pages."""
    for number in range(entries):
        office.mail(
            f"long-{number}", "maria@market.example", [f"anna@{OURS}"], subject=f"Заказ № {number}",
            text=f"Молоко, {number} ящиков.", occurred_at=NOW - timedelta(days=3, hours=number),
        )  # fmt: skip
