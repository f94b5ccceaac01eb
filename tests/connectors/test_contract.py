"""What the sync engine may rely on, held against every connector: in memory, and Exchange over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Protocol

import exchangelib
import pytest
from exchangelib import items as ews
from exchangelib.recurrence import DailyPattern, Recurrence

from connectors.base import Account, Connector
from connectors.exchange_ews import ExchangeEWS
from connectors.exchange_ews.connect import connect
from connectors.memory import MemoryConnector, MemoryServer
from connectors.simulator.server import Handler
from connectors.simulator.simulator import Simulator
from terracrm.domain.records import (
    AttachmentInfo,
    Change,
    ChangeKind,
    ContactRecord,
    Folder,
    LabelledAddress,
    MeetingKind,
    MeetingRecord,
    MessageRecord,
    Page,
    Participant,
    Role,
    StreamKind,
)
from terracrm.errors import AuthFailed, CursorExpired, ItemGone, ItemRejected, Temporary, TooLarge

ANNA = "anna@example.test"
NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
TEN = datetime(2026, 3, 2, 10, tzinfo=UTC)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class File:
    """What hangs on a mail; a mail inside the mail where it is a message, private where it says so."""

    name: str
    content: bytes = b"content"
    content_type: str = "application/pdf"
    content_id: str = ""
    is_private: bool = False


class Office(Protocol):
    """A server with Anna's mailbox, and a person who works in it; items are named by their subject."""

    sign_ins: int

    def connector(self, *, password: str = "secret", address: str = ANNA, service: bool = False) -> Connector:
        """A new connector to a mailbox, as Anna or as the service account that may impersonate everybody."""

    def receive(self, subject: str, *, is_private: bool = False) -> None:
        """A mail from bob@client.test arrives in Anna's inbox."""

    def receive_files(self, subject: str, *files: File) -> None:
        """A mail with these attachments arrives in Anna's inbox."""

    def detach(self, subject: str, name: str) -> None:
        """Remove an attachment from an inbox item."""

    def add_contact(self, name: str, email: str) -> None:
        """Anna saves a contact."""

    def add_list(self, name: str) -> None:
        """Anna saves a distribution list among her contacts, which is no contact."""

    def add_meeting(self, subject: str) -> None:
        """Anna enters an appointment from nine to ten in UTC."""

    def add_series(self, subject: str) -> None:
        """Anna enters a daily appointment at nine, moves the second occurrence to noon and deletes the third."""

    def rename_occurrence(self, subject: str, to: str) -> None:
        """Change the subject of the first occurrence of a series."""

    def rename(self, subject: str, to: str) -> None:
        """Change an inbox item's subject."""

    def make_private(self, subject: str) -> None:
        """Change an inbox item's sensitivity."""

    def read(self, subject: str) -> None:
        """Mark an inbox item as read."""

    def delete(self, subject: str) -> None:
        """Delete an inbox item for good."""

    def move(self, subject: str) -> None:
        """Move an item from the inbox to Sent Items."""

    def break_item(self, subject: str) -> None:
        """Let the server fail whenever it shows this item."""

    def expire_cursors(self) -> None:
        """Let the server forget every cursor."""

    def be_busy(self, seconds: float) -> None:
        """Refuse the next request and name a time."""

    def add_and_remove_folder(self) -> Folder:
        """A mail folder that is no longer there."""


class MemoryOffice:
    """In memory."""

    def __init__(self) -> None:
        self.server = MemoryServer()
        self.server.add_mailbox(ANNA)
        self.server.add_mailbox("boris@example.test")
        self.server.add_service("service@example.test")
        self._inbox, self._sent, self._contacts, self._calendar = (
            self._folder(name) for name in ("inbox", "sentitems", "contacts", "calendar")
        )
        self._ids: dict[str, str] = {}

    @property
    def sign_ins(self) -> int:
        return self.server.sign_ins

    @sign_ins.setter
    def sign_ins(self, count: int) -> None:
        self.server.sign_ins = count

    def connector(self, *, password: str = "secret", address: str = ANNA, service: bool = False) -> Connector:
        user = "service@example.test" if service else ANNA
        return MemoryConnector(Account(address, "memory:", user, password, impersonate=service), self.server)

    def receive(self, subject: str, *, is_private: bool = False) -> None:
        bob = Participant(Role.FROM, "bob@client.test", "Bob")
        record = MessageRecord(subject=subject, participants=(bob,), is_read=False, is_private=is_private)
        self._ids[subject] = self.server.put(self._inbox, record)

    def receive_files(self, subject: str, *files: File) -> None:
        self.receive(subject)
        for file in files:
            info = AttachmentInfo("", file.name, file.content_type, len(file.content), bool(file.content_id))
            info = replace(info, content_id=file.content_id)
            private = ItemRejected("The attached item is marked private.")
            self.server.attach(self._ids[subject], info, private if file.is_private else file.content)

    def detach(self, subject: str, name: str) -> None:
        (change,) = self.connector().get(self._inbox, [self._ids[subject]])
        assert isinstance(change.record, MessageRecord)
        kept = tuple(each for each in change.record.attachments if each.name != name)
        self._change(subject, attachments=kept)

    def add_contact(self, name: str, email: str) -> None:
        emails = (LabelledAddress("1", email),)
        self.server.put(self._contacts, ContactRecord(display_name=name, emails=emails))

    def add_list(self, name: str) -> None:
        self.server.put(self._contacts, MessageRecord(subject=name))

    def add_meeting(self, subject: str) -> None:
        self.server.put(self._calendar, MeetingRecord(subject=subject, start=NINE, end=TEN))

    def add_series(self, subject: str) -> None:
        moved = MeetingRecord(
            kind=MeetingKind.EXCEPTION,
            original_start=NINE + DAY,
            subject=subject,
            start=NOON + DAY,
            end=NOON + DAY + HOUR,
            is_organizer=True,
        )
        series = MeetingRecord(
            kind=MeetingKind.MASTER,
            subject=subject,
            start=NINE,
            end=TEN,
            recurrence="FREQ=DAILY",
            exceptions=(moved,),
            deleted_occurrences=(NINE + 2 * DAY,),
            is_organizer=True,
        )
        self._ids[subject] = self.server.put(self._calendar, series)

    def rename_occurrence(self, subject: str, to: str) -> None:
        (change,) = self.connector().get(self._calendar, [self._ids[subject]])
        assert isinstance(change.record, MeetingRecord)
        first = replace(change.record.exceptions[0], original_start=NINE, start=NINE, end=TEN, subject=to)
        series = replace(change.record, exceptions=(first, *change.record.exceptions))
        self.server.change(self._ids[subject], series)

    def rename(self, subject: str, to: str) -> None:
        self._ids[to] = self._ids[subject]
        self._change(to, subject=to)

    def make_private(self, subject: str) -> None:
        self._change(subject, is_private=True)

    def read(self, subject: str) -> None:
        self.server.set_read(self._ids[subject], True)

    def delete(self, subject: str) -> None:
        self.server.delete(self._ids[subject])

    def move(self, subject: str) -> None:
        self.server.move(self._ids[subject], self._sent)

    def break_item(self, subject: str) -> None:
        self.server.break_item(self._ids[subject])

    def expire_cursors(self) -> None:
        self.server.expire_cursors()

    def be_busy(self, seconds: float) -> None:
        self.server.fail_next(Temporary("The server is busy.", seconds))

    def add_and_remove_folder(self) -> Folder:
        folder = self.server.add_folder(ANNA, "Old")
        self.server.remove_folder(folder)
        return folder

    def _folder(self, well_known: str) -> Folder:
        folders = MemoryConnector(Account(ANNA, "memory:", ANNA, "secret"), self.server).folders()
        return next(folder for folder in folders if folder.well_known == well_known)

    def _change(self, name: str, **values: object) -> None:
        (change,) = self.connector().get(self._inbox, [self._ids[name]])
        assert isinstance(change.record, MessageRecord)
        self.server.change(self._ids[name], replace(change.record, **values))


class ExchangeOffice:
    """The simulator over HTTP; Anna's own work is done with exchangelib."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.sign_ins = 0
        simulator._server.RequestHandlerClass = self._counting_handler()
        simulator.add_mailbox(ANNA, "Anna")
        simulator.add_mailbox("boris@example.test", "Boris")
        self._anna = connect(Account(ANNA, simulator.url, ANNA, "secret"))

    def connector(self, *, password: str = "secret", address: str = ANNA, service: bool = False) -> Connector:
        user = "service@example.test" if service else ANNA
        return ExchangeEWS(Account(address, self.simulator.url, user, password, impersonate=service))

    def receive(self, subject: str, *, is_private: bool = False) -> None:
        sensitivity = "Sensitivity: private\r\n" if is_private else ""
        text = f"From: Bob <bob@client.test>\r\nTo: {ANNA}\r\nSubject: {subject}\r\n{sensitivity}\r\nHello\r\n"
        self.simulator.deliver(text.encode(), [ANNA])

    def receive_files(self, subject: str, *files: File) -> None:
        made = EmailMessage()
        made["From"], made["To"], made["Subject"] = "bob@client.test", ANNA, subject
        made.set_content("Hello")
        for file in files:
            if file.content_type == "message/rfc822":
                inner = message_from_bytes(file.content, policy=SMTP)
                made.add_attachment(inner)
                continue
            main, _, sub = file.content_type.partition("/")
            made.add_attachment(file.content, main, sub, filename=file.name, cid=file.content_id or None,
                                disposition="inline" if file.content_id else "attachment")  # fmt: skip
        self.simulator.deliver(made.as_bytes(policy=SMTP), [ANNA])

    def detach(self, subject: str, name: str) -> None:
        item = self._item(subject)
        item.detach([each for each in item.attachments if each.name == name])

    def add_contact(self, name: str, email: str) -> None:
        address = exchangelib.indexed_properties.EmailAddress(label="EmailAddress1", email=email)
        ews.Contact(account=self._anna, folder=self._anna.contacts, display_name=name, email_addresses=[address]).save()

    def add_list(self, name: str) -> None:
        ews.DistributionList(account=self._anna, folder=self._anna.contacts, display_name=name).save()

    def add_meeting(self, subject: str) -> None:
        start, end = (exchangelib.EWSDateTime.from_datetime(moment) for moment in (NINE, TEN))
        ews.CalendarItem(account=self._anna, folder=self._anna.calendar, subject=subject, start=start, end=end).save()

    def add_series(self, subject: str) -> None:
        start, end = (exchangelib.EWSDateTime.from_datetime(moment) for moment in (NINE, TEN))
        recurrence = Recurrence(pattern=DailyPattern(interval=1), start=start.date())
        calendar = self._anna.calendar
        made = ews.CalendarItem(
            account=self._anna, folder=calendar, subject=subject, start=start, end=end, recurrence=recurrence
        ).save()
        moved = made.occurrence(index=2).refresh()
        moved.start, moved.end = (exchangelib.EWSDateTime.from_datetime(NOON + DAY + more) for more in (0 * HOUR, HOUR))
        moved.save(update_fields=["start", "end"])
        made.occurrence(index=3).refresh().delete()

    def rename_occurrence(self, subject: str, to: str) -> None:
        series = next(item for item in self._anna.calendar.all() if item.subject == subject)
        first = series.occurrence(index=1).refresh()
        first.subject = to
        first.save(update_fields=["subject"])

    def rename(self, subject: str, to: str) -> None:
        item = self._item(subject)
        item.subject = to
        item.save(update_fields=["subject"])

    def make_private(self, subject: str) -> None:
        item = self._item(subject)
        item.sensitivity = "Private"
        item.save(update_fields=["sensitivity"])

    def read(self, subject: str) -> None:
        item = self._item(subject)
        item.is_read = True
        item.save(update_fields=["is_read"])

    def delete(self, subject: str) -> None:
        self._item(subject).delete()

    def move(self, subject: str) -> None:
        self._item(subject).move(self._anna.sent)

    def break_item(self, subject: str) -> None:
        self.simulator.fault("conversion_failed", item=self._item(subject).id)

    def expire_cursors(self) -> None:
        self.simulator.fault("invalid_sync_state")

    def be_busy(self, seconds: float) -> None:
        self.simulator.fault("server_busy", milliseconds=int(seconds * 1000), count=1)

    def add_and_remove_folder(self) -> Folder:
        folder = exchangelib.Folder(parent=self._anna.msg_folder_root, name="Old")
        folder.save()
        folder_id = folder.id
        folder.delete()
        return Folder(folder_id, "Old", StreamKind.MAIL)

    def close(self) -> None:
        self._anna.protocol.close()

    def _item(self, subject: str) -> ews.Message:
        return self._anna.inbox.get(subject=subject)

    def _counting_handler(self) -> type[Handler]:
        office = self

        class CountingHandler(Handler):
            def do_POST(self) -> None:
                office.sign_ins += "Authorization" in self.headers
                super().do_POST()

        return CountingHandler


@pytest.fixture(params=["memory", "exchange_ews"])
def office(request: pytest.FixtureRequest) -> Iterator[Office]:
    if request.param == "memory":
        yield MemoryOffice()
        return
    with Simulator() as simulator:
        exchange = ExchangeOffice(simulator)
        yield exchange
        exchange.close()


def folder_of(connector: Connector, well_known: str) -> Folder:
    return next(folder for folder in connector.folders() if folder.well_known == well_known)


def pages(connector: Connector, cursor: str | None = None, folder: str = "inbox", size: int = 100) -> list[Page]:
    return list(connector.changes(folder_of(connector, folder), cursor, size))


def changes(connector: Connector, cursor: str | None = None, folder: str = "inbox") -> list[Change]:
    return [change for page in pages(connector, cursor, folder) for change in page.changes]


def versions(connector: Connector, folder: str = "inbox") -> dict[str, str]:
    listed = list(connector.listing(folder_of(connector, folder)))
    found = {each.remote_id: each.version for each in listed}
    assert len(found) == len(listed)
    return found


def subjects(changed: list[Change]) -> list[str]:
    return [change.record.subject for change in changed if isinstance(change.record, MessageRecord)]


def attached(connector: Connector, subject: str) -> tuple[AttachmentInfo, ...]:
    records = [change.record for change in changes(connector) if isinstance(change.record, MessageRecord)]
    return next(record.attachments for record in records if record.subject == subject)


class TestConnector:
    def test_a_test_of_the_connection_finds_what_the_mailbox_holds(self, office: Office) -> None:
        found = office.connector().test()
        assert found.kinds == set(StreamKind) - {StreamKind.POSTS}  # a folder of posts is one of mail
        assert found.folders >= 6
        assert found.server_version
        assert found.server_time is not None
        assert found.server_time.tzinfo is not None

    def test_the_distinguished_folders_are_named_and_of_their_kind(self, office: Office) -> None:
        folders = {folder.well_known: folder for folder in office.connector().folders()}
        assert folders["inbox"].kind is folders["sentitems"].kind is folders["drafts"].kind is StreamKind.MAIL
        assert folders["contacts"].kind is StreamKind.CONTACTS
        assert folders["calendar"].kind is StreamKind.CALENDAR
        assert folders["inbox"].path == "Inbox"

    def test_a_folder_tells_how_many_items_it_holds(self, office: Office) -> None:
        office.receive("one")
        office.receive("two")
        assert folder_of(office.connector(), "inbox").item_count == 2

    def test_an_empty_folder_is_one_empty_page(self, office: Office) -> None:
        (page,) = pages(office.connector())
        assert page.changes == ()
        assert page.is_last
        assert page.cursor

    def test_the_first_read_pages_through_everything(self, office: Office) -> None:
        for number in range(5):
            office.receive(f"mail {number}")
        read = pages(office.connector(), size=2)
        assert [len(page.changes) for page in read] == [2, 2, 1]
        assert [page.is_last for page in read] == [False, False, True]
        assert {page.expected for page in read} == {5}
        everything = [change for page in read for change in page.changes]
        assert sorted(subjects(everything)) == [f"mail {number}" for number in range(5)]
        assert {change.kind for change in everything} == {ChangeKind.CREATED}
        assert all(change.version and change.remote_id for change in everything)

    def test_a_new_connector_resumes_after_any_page(self, office: Office) -> None:
        for number in range(5):
            office.receive(f"mail {number}")
        read = pages(office.connector(), size=2)
        for index, page in enumerate(read):
            rest = changes(office.connector(), page.cursor)
            assert rest == [change for later in read[index + 1 :] for change in later.changes]

    def test_no_page_is_read_before_it_is_asked_for(self, office: Office) -> None:
        for number in range(3):
            office.receive(f"mail {number}")
        connector = office.connector()
        reading = connector.changes(folder_of(connector, "inbox"), None, 1)
        next(reading)
        office.be_busy(1)
        with pytest.raises(Temporary):
            next(reading)
        office.connector().folders()

    def test_the_last_cursor_yields_nothing_new(self, office: Office) -> None:
        office.receive("one")
        (page,) = pages(office.connector())
        assert changes(office.connector(), page.cursor) == []

    def test_new_mail_alone_arrives_after_the_cursor(self, office: Office) -> None:
        office.receive("old")
        (page,) = pages(office.connector())
        office.receive("new")
        (change,) = changes(office.connector(), page.cursor)
        assert change.kind is ChangeKind.CREATED
        assert subjects([change]) == ["new"]
        assert isinstance(change.record, MessageRecord)
        assert [(each.role, each.address) for each in change.record.participants][:1] == [
            (Role.FROM, "bob@client.test")
        ]

    def test_an_update_keeps_the_id_and_changes_the_version(self, office: Office) -> None:
        office.receive("draft offer")
        (page,) = pages(office.connector())
        office.rename("draft offer", "final offer")
        (change,) = changes(office.connector(), page.cursor)
        (before,) = page.changes
        assert change.kind is ChangeKind.UPDATED
        assert change.remote_id == before.remote_id
        assert change.version != before.version
        assert subjects([change]) == ["final offer"]

    def test_a_deletion_carries_the_id(self, office: Office) -> None:
        office.receive("gone")
        (page,) = pages(office.connector())
        office.delete("gone")
        (change,) = changes(office.connector(), page.cursor)
        assert change == Change(ChangeKind.DELETED, page.changes[0].remote_id)

    def test_what_came_and_went_between_two_reads_brings_no_record(self, office: Office) -> None:
        (page,) = pages(office.connector())
        office.receive("short-lived")
        office.delete("short-lived")
        assert [change for change in changes(office.connector(), page.cursor) if change.record] == []

    def test_a_move_is_a_deletion_here_and_a_new_item_there(self, office: Office) -> None:
        office.receive("filed")
        (inbox,) = pages(office.connector())
        (sent,) = pages(office.connector(), folder="sentitems")
        office.move("filed")
        (left,) = changes(office.connector(), inbox.cursor)
        (arrived,) = changes(office.connector(), sent.cursor, "sentitems")
        assert left == Change(ChangeKind.DELETED, inbox.changes[0].remote_id)
        assert arrived.kind is ChangeKind.CREATED
        assert arrived.remote_id != left.remote_id
        assert subjects([arrived]) == ["filed"]

    def test_reading_a_mail_brings_its_flag_alone(self, office: Office) -> None:
        office.receive("unread")
        (page,) = pages(office.connector())
        office.read("unread")
        (change,) = changes(office.connector(), page.cursor)
        assert (change.kind, change.is_read, change.record) == (ChangeKind.READ_FLAG, True, None)
        assert change.remote_id == page.changes[0].remote_id

    def test_what_reading_a_mail_left_behind_is_told_with_its_flag(self, office: Office) -> None:
        office.receive("unread")
        (page,) = pages(office.connector())
        office.read("unread")
        (change,) = changes(office.connector(), page.cursor)
        assert change.version not in ("", page.changes[0].version)
        assert versions(office.connector()) == {change.remote_id: change.version}

    @pytest.mark.parametrize("folder", ["inbox", "contacts", "calendar"])
    def test_a_list_names_what_is_in_a_folder_as_reading_does(self, office: Office, folder: str) -> None:
        assert versions(office.connector(), folder) == {}
        office.receive("one")
        office.receive("two")
        office.add_contact("Vera Orlova", "vera@client.test")
        office.add_series("Stand-up")
        office.add_meeting("Tasting")
        read = changes(office.connector(), folder=folder)
        assert versions(office.connector(), folder) == {change.remote_id: change.version for change in read}
        assert len(read) == {"contacts": 1}.get(folder, 2)

    def test_a_list_is_right_whatever_the_cursor_says(self, office: Office) -> None:
        for subject in ("stays", "goes", "moves"):
            office.receive(subject)
        (page,) = pages(office.connector())
        office.delete("goes")
        office.move("moves")
        (kept,) = versions(office.connector())
        assert {change.remote_id for change in page.changes} > {kept}
        assert len(versions(office.connector(), "sentitems")) == 1

    def test_a_list_tells_what_is_of_another_kind_than_its_folder(self, office: Office) -> None:
        office.add_contact("Vera Orlova", "vera@client.test")
        office.add_list("Everybody")
        connector = office.connector()
        listed = list(connector.listing(folder_of(connector, "contacts")))
        assert sorted(each.is_other for each in listed) == [False, True]
        (change,) = changes(office.connector(), folder="contacts")
        assert [each.remote_id for each in listed if not each.is_other] == [change.remote_id]

    def test_a_folder_that_is_gone_cannot_be_listed(self, office: Office) -> None:
        with pytest.raises(ItemGone):
            list(office.connector().listing(office.add_and_remove_folder()))

    def test_private_mail_says_so(self, office: Office) -> None:
        office.receive("business")
        office.receive("personal", is_private=True)
        private = {
            change.record.subject: change.record.is_private
            for change in changes(office.connector())
            if isinstance(change.record, MessageRecord)
        }
        assert private == {"business": False, "personal": True}

    def test_marking_a_mail_private_is_an_update(self, office: Office) -> None:
        office.receive("later private")
        (page,) = pages(office.connector())
        office.make_private("later private")
        (change,) = changes(office.connector(), page.cursor)
        assert change.kind is ChangeKind.UPDATED
        assert isinstance(change.record, MessageRecord)
        assert change.record.is_private

    def test_a_contact_is_read_with_its_address(self, office: Office) -> None:
        office.add_contact("Vera Orlova", "vera@client.test")
        (change,) = changes(office.connector(), folder="contacts")
        assert isinstance(change.record, ContactRecord)
        assert change.record.display_name == "Vera Orlova"
        assert [(each.label, each.address) for each in change.record.emails] == [("1", "vera@client.test")]

    def test_a_meeting_is_read_with_its_times_in_utc(self, office: Office) -> None:
        office.add_meeting("Tasting")
        (change,) = changes(office.connector(), folder="calendar")
        assert isinstance(change.record, MeetingRecord)
        assert (change.record.subject, change.record.start, change.record.end) == ("Tasting", NINE, TEN)

    def test_a_series_is_one_item_with_what_differs_in_it(self, office: Office) -> None:
        office.add_series("Stand-up")
        (change,) = changes(office.connector(), folder="calendar")
        series = change.record
        assert isinstance(series, MeetingRecord)
        assert (series.kind, series.start, series.recurrence) == (MeetingKind.MASTER, NINE, "FREQ=DAILY")
        assert series.deleted_occurrences == (NINE + 2 * DAY,)
        (moved,) = series.exceptions
        assert (moved.kind, moved.original_start) == (MeetingKind.EXCEPTION, NINE + DAY)
        assert (moved.subject, moved.start, moved.end) == ("Stand-up", NOON + DAY, NOON + DAY + HOUR)
        assert series.is_organizer
        assert moved.is_organizer
        assert series.original_start is None

    def test_a_change_of_one_occurrence_is_one_of_its_series(self, office: Office) -> None:
        office.add_series("Stand-up")
        (page,) = pages(office.connector(), folder="calendar")
        office.rename_occurrence("Stand-up", "Kick-off")
        (change,) = changes(office.connector(), page.cursor, "calendar")
        assert (change.kind, change.remote_id) == (ChangeKind.UPDATED, page.changes[0].remote_id)
        assert isinstance(change.record, MeetingRecord)
        assert change.version != page.changes[0].version
        assert [(each.original_start, each.subject) for each in change.record.exceptions] == [
            (NINE, "Kick-off"),
            (NINE + DAY, "Stand-up"),
        ]

    def test_a_forgotten_cursor_has_expired(self, office: Office) -> None:
        office.receive("one")
        (page,) = pages(office.connector())
        office.expire_cursors()
        with pytest.raises(CursorExpired):
            changes(office.connector(), page.cursor)

    def test_a_cursor_of_nonsense_has_expired(self, office: Office) -> None:
        with pytest.raises(CursorExpired):
            changes(office.connector(), "nonsense")

    def test_a_folder_that_is_gone_is_item_gone(self, office: Office) -> None:
        folder = office.add_and_remove_folder()
        with pytest.raises(ItemGone):
            list(office.connector().changes(folder, None, 10))

    def test_a_sick_item_arrives_as_an_error_among_the_healthy(self, office: Office) -> None:
        for number in range(5):
            office.receive(f"mail {number}")
        office.break_item("mail 3")
        (page,) = pages(office.connector())
        assert sorted(subjects(list(page.changes))) == ["mail 0", "mail 1", "mail 2", "mail 4"]
        (sick,) = [change for change in page.changes if change.record is None]
        assert sick.kind is ChangeKind.CREATED
        assert sick.error
        assert sick.remote_id
        assert changes(office.connector(), page.cursor) == []

    def test_it_says_which_items_are_in_a_folder_now(self, office: Office) -> None:
        for subject in ("stays", "goes", "moves"):
            office.receive(subject)
        connector = office.connector()
        inbox, sent = folder_of(connector, "inbox"), folder_of(connector, "sentitems")
        there = changes(connector)
        ids = dict(zip(subjects(there), (change.remote_id for change in there), strict=True))
        office.delete("goes")
        office.move("moves")
        assert connector.present(inbox, list(ids.values())) == {ids["stays"]}
        assert connector.present(sent, list(ids.values())) == set()
        assert connector.present(inbox, []) == set()

    def test_nothing_is_in_a_folder_that_is_gone(self, office: Office) -> None:
        office.receive("stays")
        connector = office.connector()
        (change,) = changes(connector)
        with suppress(ItemGone):
            assert connector.present(office.add_and_remove_folder(), [change.remote_id]) == set()

    def test_get_shows_items_as_they_are_now(self, office: Office) -> None:
        office.receive("stays")
        office.receive("goes")
        connector = office.connector()
        (page,) = pages(connector)
        ids = dict(zip(subjects(list(page.changes)), (change.remote_id for change in page.changes), strict=True))
        office.delete("goes")
        gone, there = connector.get(folder_of(connector, "inbox"), [ids["goes"], ids["stays"]])
        assert gone == Change(ChangeKind.DELETED, ids["goes"])
        assert there.kind is ChangeKind.UPDATED
        assert there.remote_id == ids["stays"]
        assert there.version
        assert subjects([there]) == ["stays"]
        assert connector.get(folder_of(connector, "inbox"), []) == []

    def test_a_mail_lists_its_attachments_and_hands_out_each_on_its_own(self, office: Office) -> None:
        office.receive_files(
            "offer",
            File("договор № 5.pdf", b"%PDF-1 contract"),
            File("logo.png", b"\x89PNG", "image/png", "<logo@corp>"),
        )
        connector = office.connector()
        contract, logo = attached(connector, "offer")
        assert (contract.name, contract.content_type, contract.size) == ("договор № 5.pdf", "application/pdf", 15)
        assert (contract.is_inline, contract.content_id, contract.is_link) == (False, "", False)
        assert (logo.name, logo.is_inline, logo.content_id.strip("<>")) == ("logo.png", True, "logo@corp")
        assert connector.attachment(contract, 1000) == b"%PDF-1 contract"
        assert connector.attachment(logo, 1000) == b"\x89PNG"

    def test_a_mail_inside_a_mail_comes_as_a_file(self, office: Office) -> None:
        inner = b"From: vera@client.test\r\nSubject: inner\r\nMessage-ID: <in@side>\r\n\r\nSecret words\r\n"
        office.receive_files("outer", File("inner", inner, "message/rfc822"))
        connector = office.connector()
        (info,) = attached(connector, "outer")
        assert (info.name, info.content_type) == ("inner", "message/rfc822")
        content = connector.attachment(info, 100_000)
        assert b"Secret words" in content
        assert b"Subject: inner" in content

    def test_a_private_mail_inside_a_mail_is_never_read(self, office: Office) -> None:
        inner = b"From: vera@client.test\r\nSubject: inner\r\nSensitivity: private\r\n\r\nSecret words\r\n"
        office.receive_files("outer", File("inner", inner, "message/rfc822", is_private=True))
        connector = office.connector()
        (info,) = attached(connector, "outer")
        with pytest.raises(ItemRejected, match="private"):
            connector.attachment(info, 100_000)

    def test_an_attachment_larger_than_asked_for_is_not_read(self, office: Office) -> None:
        office.receive_files("film", File("film.mp4", b"x" * 5000, "video/mp4"))
        connector = office.connector()
        (info,) = attached(connector, "film")
        office.be_busy(1)  # a request would tell
        with pytest.raises(TooLarge):
            connector.attachment(info, 4999)

    def test_an_attachment_or_a_mail_that_was_removed_is_gone(self, office: Office) -> None:
        office.receive_files("offer", File("a.pdf"), File("b.pdf"))
        connector = office.connector()
        first, second = attached(connector, "offer")
        office.detach("offer", "a.pdf")
        with pytest.raises(ItemGone):
            connector.attachment(first, 1000)
        assert [each.name for each in attached(connector, "offer")] == ["b.pdf"]
        office.delete("offer")
        with pytest.raises(ItemGone):
            connector.attachment(second, 1000)

    def test_a_link_into_the_cloud_has_no_content(self, office: Office) -> None:
        link = AttachmentInfo("id", "price.xlsx", location="https://disk.example/f", is_link=True)
        with pytest.raises(ItemRejected):
            office.connector().attachment(link, 1000)

    def test_a_wrong_password_is_tried_once(self, office: Office) -> None:
        connector = office.connector(password="wrong")
        office.sign_ins = 0
        with pytest.raises(AuthFailed):
            connector.test()
        assert office.sign_ins == 1

    def test_the_service_account_opens_a_mailbox_in_its_name(self, office: Office) -> None:
        office.receive("one")
        assert subjects(changes(office.connector(service=True))) == ["one"]

    def test_a_mailbox_without_rights_is_refused(self, office: Office) -> None:
        with pytest.raises(AuthFailed):
            office.connector(address="boris@example.test").folders()

    def test_a_mailbox_that_does_not_exist_is_refused(self, office: Office) -> None:
        with pytest.raises(AuthFailed):
            office.connector(address="nobody@example.test", service=True).folders()

    def test_a_busy_server_names_the_time_to_wait(self, office: Office) -> None:
        connector = office.connector()
        connector.folders()
        office.be_busy(7)
        with pytest.raises(Temporary) as raised:
            connector.folders()
        assert raised.value.retry_after == 7
        assert connector.folders()

    def test_no_error_shows_the_password(self, office: Office) -> None:
        connector = office.connector(password="wr0ng-pass")
        with pytest.raises(AuthFailed) as raised:
            connector.folders()
        assert "wr0ng-pass" not in str(raised.value)
