"""Whatever is written into Outlook, nobody is mailed (design, invariant 8).

An office on the simulator: the clients have the addresses of its own mailboxes, so that whatever is sent would arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import exchangelib
import pytest
from lxml import etree
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from connectors.base import Account
from connectors.exchange_ews import ExchangeEWS
from connectors.exchange_ews.connect import connect
from connectors.simulator import delivery
from connectors.simulator.simulator import Simulator
from sync.engine import run_stream
from terracrm.config import Settings
from terracrm.domain.names import name_key
from terracrm.models import (
    Activity,
    Company,
    Contact,
    ContactAddress,
    Link,
    OutboxItem,
    Sharing,
    Stream,
    Task,
    User,
    utcnow,
)
from terracrm.services import access, mailboxes, merges, outbox, tasks, touches, users
from terracrm.services.tasks import Draft
from tests.sync.conftest import DOMAIN

SQLITE_FIRST = True

ANNA, BORIS, HISTORY, VERA = (f"{name}@{DOMAIN}" for name in ("anna", "boris", "history", "vera"))
READ = {
    "ConvertId",
    "GetFolder",
    "FindFolder",
    "SyncFolderItems",
    "GetItem",
    "FindItem",
    "GetAttachment",
    "ResolveNames",
}
WRITTEN = {"CreateItem", "UpdateItem", "DeleteItem", "CreateFolder"}
HARMLESS = {"SendToNone", "SaveOnly"}
ITEMS = {"Contact", "Task", "PostItem"}
PEOPLE = {
    "ToRecipients", "CcRecipients", "BccRecipients", "ReplyTo", "From", "Sender", "RequiredAttendees",
    "OptionalAttendees", "Resources", "IsReadReceiptRequested", "IsDeliveryReceiptRequested",
}  # fmt: skip


class Watch:
    """What we ask of the server: everything that could be a mail, and which writes there were."""

    def __init__(self, simulator: Simulator) -> None:
        self.is_on = False
        self.bad: list[str] = []
        self.seen: set[tuple[str, str]] = set()
        self._kinds: dict[str, str] = {}
        self._simulator, serve = simulator, simulator.serve

        def watched(body: bytes, *args: Any, **options: Any) -> Any:
            if self.is_on:
                self._look(etree.fromstring(body).find("{*}Body")[0])
            return serve(body, *args, **options)

        simulator.serve = watched  # type: ignore[method-assign]

    def _look(self, request: Any) -> None:
        name = etree.QName(request).localname
        if name not in READ | WRITTEN:
            self.bad.append(f"{name} is no operation of ours")
        sent = {key: value for key, value in request.attrib.items() if key.startswith(("Send", "MessageDisposition"))}
        self.bad += [f"{name} {key}={value}" for key, value in sent.items() if value not in HARMLESS]
        if name not in WRITTEN:
            return
        if name in ("CreateItem", "UpdateItem") and sent.get("MessageDisposition") != "SaveOnly":
            self.bad.append(f"{name} does not say that nothing is sent")
        if name == "DeleteItem" and sent.get("SendMeetingCancellations") != "SendToNone":
            self.bad.append("DeleteItem does not say that nothing is sent")
        tags = {etree.QName(each).localname for each in request.iter(etree.Element)}
        self.bad += [f"{name} names {tag}" for tag in tags & PEOPLE]
        self.bad += [f"{name} of a {tag}" for tag in tags & {"Message", "CalendarItem", "MeetingRequest"}]
        kinds = tags & ITEMS
        if name == "DeleteItem":
            kinds = {self._kind(each.get("Id")) for each in request.iter("{*}ItemId")}
        self.seen |= {(name, kind) for kind in kinds}

    def _kind(self, remote_id: str) -> str:
        rows = self._simulator.store.items.where("kind IN ('Contact', 'Task', 'PostItem')")
        return next((row.kind for row in rows if row.ews_id == remote_id), "")


class Mailed:
    """An office on the simulator, its CRM, and what would tell that somebody was mailed."""

    def __init__(self, simulator: Simulator, sessions: sessionmaker[Session], password_file: Path) -> None:
        self.simulator, self.sessions, self.settings = simulator, sessions, Settings()
        self.watch = Watch(simulator)
        for address in (ANNA, BORIS, HISTORY, VERA):
            simulator.add_mailbox(address, address.partition("@")[0].title())
        with self.crm() as session:
            for name in ("anna", "boris"):
                users.add(session, name, "manager", "correct horse", email=f"{name}@{DOMAIN}", language="ru")
            for address in (ANNA, BORIS, HISTORY):
                mailbox = mailboxes.add(session, address, simulator.url, address, password_file=password_file)
                mailboxes.enable(session, mailbox)
                next(stream for stream in mailbox.streams if stream.kind == "contacts").direction = "both"
                mailbox.streams.append(Stream(kind="tasks", direction="both"))
            since = datetime(2020, 1, 1, tzinfo=UTC)
            mailbox.streams.append(Stream(kind="posts", direction="out", posts_since=since))
        self.deliver()
        self.before = self.mail()

    @contextmanager
    def crm(self) -> Iterator[Session]:
        """A transaction of somebody in the CRM."""
        with self.sessions.begin() as session:
            yield session

    def deliver(self) -> None:
        """A client writes to Anna: the one mail that there is."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "olga@lavka.example", ANNA, "Заказ"
        message["Date"], message["Message-ID"] = "Mon, 02 Nov 2026 10:00:00 +0300", "<order@lavka.example>"
        message.set_content("Нужен сыр.")
        self.simulator.deliver(message.as_bytes(), [ANNA])

    def mail(self) -> dict[str, int]:
        """How many items lie where mail lies, in every mailbox, and how many left the office."""
        store = self.simulator.store
        found: dict[str, int] = {"outside": len(delivery.outbound(store))}
        for address in (ANNA, BORIS, HISTORY, VERA):
            box = store.mailboxes.find(address)
            for name in ("inbox", "outbox", "sentitems", "drafts", "junkemail", "calendar"):
                found[f"{address} {name}"] = len(store.items.in_folder(store.folders.distinguished(box, name)))
            found[f"{address} mail"] = len(store.items.where("mailbox = ? AND kind LIKE 'Me%'", box.number))
        return found

    def run(self, *kinds: str) -> None:
        """Run the streams of these kinds (all), with all that is owed."""
        wanted = kinds or ("contacts", "mail", "tasks", "posts")
        for _ in range(2):
            with self.crm() as session:
                session.execute(update(OutboxItem).values(next_try_at=utcnow() - timedelta(seconds=1)))
                ids = [session.scalars(select(Stream.id).where(Stream.kind == kind)).all() for kind in wanted]
            self.watch.is_on = True
            for stream_id in (each for some in ids for each in some):
                summary = run_stream(self.settings, self.sessions, stream_id, ExchangeEWS)
                assert summary is not None
            self.watch.is_on = False

    def viewer(self, session: Session, name: str) -> access.Viewer:
        """Somebody of the office."""
        return access.viewer_of(session, session.scalars(select(User).where(User.name == name)).one())

    def nobody_was_mailed(self) -> None:
        """Nothing was sent, delivered, or left anywhere to be sent; and nothing that was asked could have done it."""
        assert self.watch.bad == []
        assert self.mail() == self.before
        arrived = [e for e in self.simulator.store.journal.since(0) if e.kind == "NewMailEvent"]
        assert len(arrived) == 1

    @contextmanager
    def outlook(self, address: str = ANNA) -> Iterator[exchangelib.Account]:
        """Somebody at work in their Outlook."""
        account = connect(Account(address, self.simulator.url, address, "secret"))
        yield account
        account.protocol.close()


@pytest.fixture
def mailed(sessions: sessionmaker[Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailed]:
    monkeypatch.setenv("TERRACRM_PATHS__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TERRACRM_MIRROR__INTERNAL_DOMAINS", DOMAIN)
    password_file = tmp_path / "password"
    password_file.write_text("secret\n")
    with Simulator(domain=DOMAIN) as simulator:
        yield Mailed(simulator, sessions, password_file)


def client(session: Session, name: str, address: str, company: Company | None, owner: str = "anna") -> Contact:
    """A client of somebody's with an address."""
    owner_id = session.scalars(select(User.id).where(User.name == owner)).one()
    made = Contact(display_name=name, name_key=name_key(name), owner_id=owner_id, company=company)
    made.addresses.append(ContactAddress(address=address, written=address, label="1"))
    session.add(made)
    session.flush()
    return made


def card(account: exchangelib.Account, name: str) -> exchangelib.Contact:
    """The card of a client in somebody's Outlook."""
    folder = next(each for each in account.contacts.children if "TerraCRM" in each.name)
    return next(item for item in folder.all() if item.display_name == name)


def test_nobody_is_mailed_whatever_is_written(mailed: Mailed) -> None:
    with mailed.crm() as session:
        company = Company(name="Лавка", name_key="лавка")
        session.add(company)
        olga = client(session, "Ольга", "olga@lavka.example", company).id
        vera = client(session, "Вера", VERA, company).id
        boris = client(session, "Борис", BORIS, company).id
    mailed.run()
    clients_are_made_changed_conflicting_and_removed(mailed, olga, vera, boris)
    tasks_are_made_changed_handed_on_done_and_cancelled(mailed, vera)
    posts_are_made_changed_and_removed(mailed)
    mailed.nobody_was_mailed()
    written = {(operation, kind) for operation in ("CreateItem", "UpdateItem", "DeleteItem") for kind in ITEMS}
    assert mailed.watch.seen >= written, "not every way to write was gone"
    with mailed.crm() as session:
        given_up = session.scalars(select(OutboxItem.error).where(OutboxItem.state == "given_up")).all()
        assert given_up == []


def clients_are_made_changed_conflicting_and_removed(mailed: Mailed, olga: int, vera: int, boris: int) -> None:
    with mailed.crm() as session:
        session.get_one(Contact, vera).job_title = "Директор"
        outbox.touch_contacts(session, [vera], "changed")
    with mailed.outlook() as account:
        item = card(account, "Вера")
        item.job_title, item.body = "Бухгалтер", "моё"  # both sides change a field; the history is taken out
        item.save(update_fields=["job_title", "body"])
        folder = next(each for each in account.contacts.children if "TerraCRM" in each.name)
        address = exchangelib.indexed_properties.EmailAddress(email=HISTORY, label="EmailAddress1")
        exchangelib.Contact(folder=folder, display_name="Новая", email_addresses=[address]).save()  # to be adopted
        card(account, "Борис").delete()
    mailed.run()
    with mailed.crm() as session:
        viewer = access.operator()
        merges.merge(session, viewer, "contact", olga, vera)
        session.get_one(Contact, boris).archived_at = utcnow()
        outbox.touch_contacts(session, [olga, vera, boris], "changed")
    mailed.run()


def tasks_are_made_changed_handed_on_done_and_cancelled(mailed: Mailed, about: int) -> None:
    with mailed.crm() as session:
        viewer = mailed.viewer(session, "anna")
        company = session.scalars(select(Company.id)).first()
        drafts = [Draft(f"Дело {number}", "Текст", date(2026, 12, 1), utcnow(), "high") for number in range(4)]
        made = [tasks.add(session, viewer, draft, company_id=company).activity_id for draft in drafts]
        other = session.scalars(select(User.id).where(User.name == "boris")).one()
    mailed.simulator.fault("cut", operation="CreateItem", count=1)
    mailed.run("tasks")
    acts: list[Callable[[Session, access.Viewer, int], Any]] = [
        lambda session, viewer, task: tasks.change(session, viewer, task, {"subject": "Другое дело"}),
        lambda session, viewer, task: tasks.done(session, viewer, task),
        lambda session, viewer, task: tasks.reopen(session, viewer, task),
        lambda session, viewer, task: tasks.assign(session, viewer, task, other),
        lambda session, viewer, task: tasks.cancel(session, viewer, task),
    ]
    for act in acts:
        with mailed.crm() as session:
            act(session, mailed.viewer(session, "anna"), made[0])
        mailed.run("tasks")
    with mailed.outlook() as account:
        done, gone, *_ = (item for item in account.tasks.all() if item.subject.startswith("Дело"))
        done.complete()
        gone.delete(affected_task_occurrences="AllOccurrences")
    mailed.run("tasks")
    with mailed.crm() as session:
        assert len(session.scalars(select(Task).where(Task.done_at.is_not(None))).all()) == 1


def posts_are_made_changed_and_removed(mailed: Mailed) -> None:
    with mailed.crm() as session:
        posted = session.scalars(select(Link.local_id).where(Link.entity == "post")).all()
        assert posted
        session.execute(update(Activity).values(subject="Другая тема"))
        touches.activities(session, posted)
    mailed.simulator.fault("second_change", operation="UpdateItem")  # so that the removal meets another version
    mailed.run("posts")
    with mailed.crm() as session:
        session.execute(update(Activity).values(sharing=Sharing.PRIVATE))
    mailed.run("posts")
    with mailed.crm() as session:
        assert not session.scalars(select(Link.local_id).where(Link.entity == "post", Link.gone_at.is_(None))).all()


def test_what_would_be_mailed_is_noticed(mailed: Mailed) -> None:
    """The watch itself: a mail, a meeting and an answer are each seen by what they ask and by what arrives."""
    mailed.watch.is_on = True
    with mailed.outlook() as account:
        to = [exchangelib.Mailbox(email_address=VERA)]
        exchangelib.Message(account=account, folder=account.sent, subject="Oops", to_recipients=to).send_and_save()
        assert any("SendAndSaveCopy" in each for each in mailed.watch.bad)
        start = datetime(2026, 12, 1, 10, tzinfo=exchangelib.UTC)
        meeting = exchangelib.CalendarItem(
            folder=account.calendar,
            subject="Oops",
            start=exchangelib.EWSDateTime.from_datetime(start),
            end=exchangelib.EWSDateTime.from_datetime(start + timedelta(hours=1)),
            required_attendees=[BORIS],
        )
        meeting.save(send_meeting_invitations="SendToAllAndSaveCopy")
    assert any("SendToAllAndSaveCopy" in each for each in mailed.watch.bad)
    assert any("CalendarItem" in each for each in mailed.watch.bad)
    changed = {name for name, count in mailed.mail().items() if count != mailed.before[name]}
    assert {f"{VERA} inbox", f"{ANNA} sentitems", f"{BORIS} inbox", f"{ANNA} calendar"} <= changed
    with pytest.raises(AssertionError):
        mailed.nobody_was_mailed()
