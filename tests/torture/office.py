"""A small office with everything in it that the sync has a case for, and three days of its life.

Each day somebody does something, in Outlook (through exchangelib, as themselves) or in the CRM, and then the streams
are run one by one: these runs are what is killed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import exchangelib
from exchangelib import items as ews
from exchangelib.folders import Contacts, Messages
from exchangelib.indexed_properties import EmailAddress
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from connectors.base import Account
from connectors.exchange_ews.connect import connect as sign_in
from sync.connecting import connect
from sync.engine import run_stream
from sync.run import Summary
from terracrm import db
from terracrm.config import Settings
from terracrm.domain.addresses import DomainPolicy
from terracrm.models import (
    Activity,
    CompanyTimeline,
    Contact,
    Mailbox,
    Note,
    OutboxItem,
    Stream,
    User,
    utcnow,
)
from terracrm.services import contact_edits, mailboxes, tasks, teams, touches
from terracrm.services.access import operator, viewer_of
from tests.torture.exchange import DOMAIN, PASSWORD, Exchange

PEOPLE = ("anna", "boris")
SHARED = "history"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MOST_ROUNDS = 12


def address_of(name: str) -> str:
    """The mailbox of somebody of the office."""
    return f"{name}@{DOMAIN}"


# What lies in the mailboxes before anything is mirrored.


def mail(number: str, sender: str, to: str, subject: str, text: str, *headers: str) -> bytes:
    """A letter as it is on the wire."""
    lines = [
        f"Message-ID: <{number}@mail.test>", f"From: {sender}", f"To: {to}", f"Subject: {subject}",
        f"Date: Mon, 02 Mar 2026 12:{int(number):02}:00 +0000", "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8", *headers, "", text,
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


_PICTURE = (
    b"Message-ID: <90@mail.test>\r\nFrom: olga@lavka.example\r\nTo: anna@office.test\r\nSubject: Shelf\r\n"
    b"Date: Mon, 02 Mar 2026 13:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/related; boundary="b"\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n'
    b'<p>Look <img src="cid:shelf"></p>\r\n--b\r\nContent-Type: image/png; name="shelf.png"\r\n'
    b"Content-Transfer-Encoding: base64\r\nContent-ID: <shelf>\r\nContent-Disposition: inline; filename=shelf.png\r\n"
    b"\r\niVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==\r\n--b--\r\n"
)
_OLGA, _PETR = "Olga Lavrova <olga@lavka.example>", "Petr Volkov <petr@vesna.example>"
_ANNA, _BORIS = "Anna <anna@office.test>", "Boris <boris@office.test>"
MAIL = {
    "anna/inbox": [
        mail("1", _OLGA, _ANNA, "Prices", "What does kefir cost?\r\n\r\n--\r\nOlga Lavrova\r\n+7 495 555-01-02"),
        mail("2", _PETR, f"{_ANNA}, {_BORIS}", "Delivery", "Both of you: when is it?"),
        mail("3", "Stranger <who@nowhere.example>", _ANNA, "Hello", "Nobody knows me"),
        mail("4", _BORIS, _ANNA, "Among us", "Internal, not mirrored"),
        mail("5", _OLGA, _ANNA, "My health", "Private words", "Sensitivity: Private"),
        mail("6", _OLGA, _ANNA, "Re: Prices", "Thanks", "In-Reply-To: <10@mail.test>", "References: <1@mail.test>"),
        _PICTURE,
    ],
    "anna/inbox/Clients": [mail("7", _PETR, _ANNA, "Contract", "The contract, please")],
    "anna/sent": [
        mail("10", _ANNA, _OLGA, "Re: Prices", "80 roubles", "In-Reply-To: <1@mail.test>"),
        mail("11", _ANNA, "Ivan New <ivan@novy.example>", "Offer", "We have kefir"),
    ],
    "boris/inbox": [
        mail("2", _PETR, f"{_ANNA}, {_BORIS}", "Delivery", "Both of you: when is it?"),
        mail("12", "ivan@novy.example", _BORIS, "Re: Offer", "Let us talk", "In-Reply-To: <11@mail.test>"),
    ],
}  # fmt: skip
CARDS = {
    "anna": [("Olga Lavrova", "olga@lavka.example", "OOO Lavka"), ("Petr Volkov", "petr@vesna.example", "Vesna Ltd")],
    "boris": [("Petr Volkov", "petr@vesna.example", "Vesna Ltd"), ("Vera Own", "vera@secret.example", "")],
}
_MEETING = """BEGIN:VEVENT\r
UID:{uid}\r
DTSTAMP:20260301T000000Z\r
SUMMARY:{title}\r
DTSTART:20260310T{hour}0000Z\r
DTEND:20260310T{hour}3000Z\r
ORGANIZER:mailto:anna@office.test\r
ATTENDEE;PARTSTAT=ACCEPTED:mailto:boris@office.test\r
ATTENDEE:mailto:{guest}\r
{more}END:VEVENT\r
"""


def _event(uid: str, title: str, hour: str, guest: str, more: str = "") -> str:
    return _MEETING.format(uid=uid, title=title, hour=hour, guest=guest, more=more)


CALENDARS = {
    "anna": [
        _event("tasting", "Tasting", "09", "olga@lavka.example"),
        _event("weekly", "Weekly call", "10", "petr@vesna.example", "RRULE:FREQ=WEEKLY;COUNT=4\r\n"),
        _event("doctor", "Doctor", "11", "doc@clinic.example", "CLASS:PRIVATE\r\n"),
    ],
    "boris": [
        _event("tasting", "Tasting", "09", "olga@lavka.example"),
        _event("visit", "Visit", "12", "petr@vesna.example"),
    ],
}


def fill(exchange: Exchange, folder: Path) -> None:
    """Put all that into the mailboxes."""
    for name in PEOPLE:
        exchange.add_mailbox(name)
    exchange.add_mailbox(SHARED)
    for path, letters in MAIL.items():
        for number, letter in enumerate(letters):
            _put(folder / "mail" / path / f"{number}.eml", letter)
    for name, cards in CARDS.items():
        vcards = [
            f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:{title}\r\nN:{title.split()[1]};{title.split()[0]};;;\r\n"
            f"EMAIL:{email}\r\nORG:{company}\r\nTEL;TYPE=CELL:+7 495 555-01-0{number}\r\nEND:VCARD\r\n"
            for number, (title, email, company) in enumerate(cards)
        ]
        _put(folder / "vcards" / f"{name}.vcf", "".join(vcards).encode())
    for name, events in CALENDARS.items():
        text = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//EN\r\n{''.join(events)}END:VCALENDAR\r\n"
        _put(folder / "calendars" / f"{name}.ics", text.encode())
    exchange.load(folder / "mail", folder / "vcards", folder / "calendars")


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


# The CRM. Everything below runs in a child process, which opens what it needs.


@dataclass(frozen=True)
class Place:
    """Where everything is: what a child needs to know."""

    folder: Path
    database: str
    exchange: str

    @property
    def settings(self) -> Settings:
        """Small pages, so that there is much to be killed between; nothing waits."""
        return Settings(
            paths={"data_dir": self.folder / "data"},  # type: ignore[arg-type]
            database={"url": self.database},  # type: ignore[arg-type]
            mirror={"internal_domains": [DOMAIN], "page_size": 3},  # type: ignore[arg-type]
            outlook={"write_delay_seconds": 0},  # type: ignore[arg-type]
        )

    @contextmanager
    def crm(self) -> Any:
        """Sessions on the database, closed at the end."""
        engine = db.make_engine(self.database)
        try:
            yield db.session_factory(engine)
        finally:
            engine.dispose()

    def person(self, name: str) -> exchangelib.Account:
        """Somebody at their own Outlook."""
        return sign_in(Account(address_of(name), self.exchange, address_of(name), PASSWORD))


def install(place: Place) -> None:
    """The people and mailboxes of the CRM, enabled, nothing mirrored yet."""
    password = place.folder / "password"
    password.write_text(f"{PASSWORD}\n")
    with place.crm() as sessions, sessions.begin() as session:
        for name in PEOPLE:
            team = teams.named(session, "North")
            session.add(User(name=name, email=address_of(name), role_code="manager", language="en", team=team))
        session.flush()
        for name in (*PEOPLE, SHARED):
            address = address_of(name)
            box = mailboxes.add(session, address, place.exchange, address, password_file=password)
            if name == SHARED:
                box.streams = [Stream(kind="posts", direction="off", posts_since=NOON - timedelta(days=60))]
            mailboxes.enable(session, box)


def outlook_day(place: Place) -> None:
    """Edits, moves, deletions, a private mark, read flags, a new folder and one that goes."""
    anna = place.person("anna")
    by_subject = {item.subject: item for item in anna.inbox.all().only("subject", "sensitivity", "is_read")}
    by_subject["Hello"].delete()
    prices = by_subject["Prices"]
    prices.is_read = not prices.is_read
    prices.save(update_fields=["is_read"])
    shelf = by_subject["Shelf"]
    shelf.sensitivity = "Private"
    shelf.save(update_fields=["sensitivity"])
    projects = Messages(parent=anna.inbox, name="Projects")
    projects.save()
    by_subject["Delivery"].move(projects)
    (anna.inbox / "Clients").delete()
    olga = anna.contacts.all().get(display_name="Olga Lavrova")
    olga.job_title, olga.department = "Buyer", "Dairy"
    olga.save(update_fields=["job_title", "department"])
    partners = Contacts(parent=anna.contacts, name="Partners")
    partners.save()
    anna.contacts.all().get(display_name="Petr Volkov").move(partners)
    address = EmailAddress(email="nina@lavka.example", label="EmailAddress1")
    names = {"display_name": "Nina Fresh", "given_name": "Nina", "surname": "Fresh"}
    ews.Contact(account=anna, folder=anna.contacts, **names, job_title="Clerk", email_addresses=[address]).save()
    tasting = anna.calendar.all().get(subject="Tasting")
    tasting.location, tasting.subject = "Room 4", "Tasting of cheeses"
    tasting.save(update_fields=["location", "subject"], send_meeting_invitations="SendToNone")
    anna.protocol.close()
    boris = place.person("boris")
    visit = boris.calendar.all().get(subject="Visit")
    visit.delete(send_meeting_cancellations="SendToNone")
    offer = boris.inbox.all().get(subject="Re: Offer")
    offer.is_read = not offer.is_read
    offer.save(update_fields=["is_read"])
    boris.inbox.all().get(subject="Delivery").delete()
    vera = boris.contacts.all().get(display_name="Vera Own")
    vera.sensitivity = "Private"
    vera.save(update_fields=["sensitivity"])
    boris.protocol.close()


def switch_on(place: Place) -> None:
    """From now on something is written: Anna's clients and tasks, posts into the shared mailbox."""
    with place.crm() as sessions, sessions.begin() as session:
        stream_of(session, "anna", "contacts").direction = "both"
        box = mailboxes.get(session, address_of("anna"))
        box.streams.append(Stream(kind="tasks", direction="both"))
        stream_of(session, SHARED, "posts").direction = "out"
        people = {user.name: user for user in session.scalars(select(User))}
        for contact in session.scalars(select(Contact)):
            contact.owner_id, contact.team_id = people["anna"].id, people["anna"].team_id
        session.flush()
        viewer = viewer_of(session, people["anna"])
        olga = _contact(session, "Olga Lavrova")
        for number, subject in enumerate(("Call Olga", "Send prices", "Old idea")):
            draft = tasks.Draft(subject, f"Ask about {subject}", date(2027, 12, 1 + number))
            tasks.add(session, viewer, draft, contact_id=olga.id)
        note = Activity(kind="note", occurred_at=NOON, is_matched=True, snippet="Olga rang")
        session.add(note)
        session.flush()
        session.add(Note(activity_id=note.id, text="Olga rang, wants a discount"))
        session.add(CompanyTimeline(company_id=olga.company_id, occurred_at=NOON, activity_id=note.id, kind="note"))


def both_days(place: Place) -> None:
    """Both sides change what is written: cards, tasks and posts are updated and removed."""
    with place.crm() as sessions, sessions.begin() as session:
        db.begin_write(session)
        people = {user.name: user for user in session.scalars(select(User))}
        viewer = viewer_of(session, people["anna"])
        policy = DomainPolicy.of([DOMAIN], place.settings.mirror.free_mail_domains)
        olga, petr = _contact(session, "Olga Lavrova"), _contact(session, "Petr Volkov")
        contact_edits.edit(
            session, policy, operator(), olga.id, {"job_title": "Head buyer", "website": "lavka.example"}
        )
        contact_edits.assign(session, operator(), petr.id, people["boris"].id, people["boris"].team_id)
        contact_edits.add(session, policy, viewer, {"display_name": "Zoya Quick", "department": "Sales"})
        mine = {task.activity.subject: task for task in session.scalars(select(tasks.Task))}
        tasks.change(session, viewer, mine["Call Olga"].activity_id, {"text": "Ask again", "importance": "high"})
        tasks.cancel(session, viewer, mine["Old idea"].activity_id)
        note = session.scalars(select(Note)).one()
        note.text = "Olga rang, wants a bigger discount"
        touches.activities(session, [note.activity_id])
        told = session.scalars(select(Activity).where(Activity.subject == "Delivery")).one()
        told.sharing = 1
        touches.activities(session, [told.id])
    anna = place.person("anna")
    folder = next(folder for folder in anna.contacts.walk() if folder.name == "TerraCRM Clients")
    card = folder.all().get(display_name="Olga Lavrova")
    card.department = "Cheese"
    card.save(update_fields=["department"])
    folder.all().get(display_name="Ivan New").move_to_trash()
    done = next(item for item in anna.tasks.all() if item.subject.startswith("Send prices"))
    done.status, done.percent_complete = "Completed", Decimal(100)
    done.save(update_fields=["status", "percent_complete"])
    anna.protocol.close()


def stream_of(session: Session, name: str, kind: str) -> Stream:
    box = mailboxes.get(session, address_of(name))
    return next(stream for stream in box.streams if stream.kind == kind)


def _contact(session: Session, name: str) -> Contact:
    return session.scalars(select(Contact).where(Contact.display_name == name).order_by(Contact.id).limit(1)).one()


# Running.


@dataclass(frozen=True)
class Unit:
    """Streams that are run one after the other, by mailbox and kind; what happens before, if anything does."""

    name: str
    streams: tuple[tuple[str, str], ...]
    before: Callable[[Place], None] | None = None


_READ = tuple((name, kind) for name in PEOPLE for kind in ("contacts", "calendar", "mail"))
_WRITTEN = (("anna", "contacts"), ("anna", "tasks"), (SHARED, "posts"))


def _each(phase: str, streams: Sequence[tuple[str, str]], before: Callable[[Place], None] | None) -> list[Unit]:
    names = [f"{phase}: {name} {kind}" for name, kind in streams]
    return [
        Unit(title, (stream,), before if number == 0 else None)
        for number, (title, stream) in enumerate(zip(names, streams, strict=True))
    ]


UNITS = (
    *_each("first mirror", _READ, None),
    *_each("incremental", _READ, outlook_day),
    *_each("push: new", _WRITTEN, switch_on),
    *_each("push: changed", _WRITTEN, both_days),
    Unit("all streams", (*_READ, *_WRITTEN[1:])),
)


def run(place: Place, streams: Sequence[tuple[str, str]]) -> list[Summary]:
    """Run these streams until none of them has anything left to do, as the daemon would."""
    summaries: list[Summary] = []
    with place.crm() as sessions:
        for _ in range(MOST_ROUNDS):
            due = _due(sessions, streams)
            if not due:
                return summaries
            for stream_id in due:
                summary = run_stream(place.settings, sessions, stream_id, connect)
                assert summary is not None
                assert summary.error == "", summary
                summaries.append(summary)
    raise AssertionError(f"{streams} do not come to rest: {summaries[-3:]}")


def make_due(place: Place, streams: Sequence[tuple[str, str]]) -> None:
    """Time passes until every next try."""
    with place.crm() as sessions, sessions.begin() as session:
        past = utcnow() - timedelta(seconds=1)
        for name, kind in streams:
            stream_of(session, name, kind).due_at = past
        session.execute(update(OutboxItem).where(OutboxItem.state == "owed").values(next_try_at=past))


def settle(place: Place, streams: Sequence[tuple[str, str]]) -> None:
    """Finish what was begun; in the end another look must find nothing to do."""
    run(place, streams)
    make_due(place, streams)
    run(place, streams)
    make_due(place, streams)
    for summary in run(place, streams):
        counts = summary.counts
        assert (counts.created, counts.updated, counts.deleted, counts.written) == (0, 0, 0, 0), summary


def _due(sessions: Any, streams: Sequence[tuple[str, str]]) -> list[int]:
    with sessions() as session:
        found = [stream_of(session, name, kind) for name, kind in streams]
        owed = set(
            session.execute(
                select(Mailbox.address, OutboxItem.entity)
                .join(OutboxItem)
                .where(OutboxItem.state == "owed", OutboxItem.next_try_at <= utcnow())
            )
        )
        entities = {"contacts": "contact", "tasks": "task", "posts": "post"}
        return [
            stream.id
            for stream in found
            if stream.due_at <= utcnow() or (stream.mailbox.address, entities.get(stream.kind)) in owed
        ]
