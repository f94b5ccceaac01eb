"""Our reading of an item says field by field what exchangelib's own says, of all that the simulator has to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, formataddr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml.etree import _Element as Element

from connectors.base import Account
from connectors.exchange_ews import ExchangeEWS, meetings
from connectors.exchange_ews.changes import READERS
from connectors.exchange_ews.elements import Item
from connectors.exchange_ews.services import GetItems
from connectors.simulator.icalendar_files import read_calendar
from connectors.simulator.office.office import make_office
from connectors.simulator.office.populate import populate
from connectors.simulator.simulator import Simulator
from terracrm.domain.records import (
    ClientCard,
    ContactRecord,
    Folder,
    LabelledAddress,
    Phone,
    PostalAddress,
    PostRecord,
    Record,
    StreamKind,
    TaskRecord,
    Writable,
)
from tests.connectors.exchange_ews import theirs

ANNA = "anna@example.test"
OFFICE = make_office(7)
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
THEIRS: dict[StreamKind, Callable[..., Record]] = {
    StreamKind.MAIL: theirs.message,
    StreamKind.CONTACTS: theirs.contact,
    StreamKind.CALENDAR: theirs.meeting,
    StreamKind.TASKS: theirs.task,
    StreamKind.POSTS: theirs.post,
}
MANY = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))


@dataclass
class Desk:
    """A mailbox on a simulator, and what is read of it."""

    simulator: Simulator
    address: str

    def __post_init__(self) -> None:
        login = Account(self.address, self.simulator.url, self.address, self.simulator.password)
        self.connector = ExchangeEWS(login)
        self.folders = self.connector.folders()

    def folder(self, kind: StreamKind) -> Folder:
        """The folder that its kind of items is in."""
        wanted = "inbox" if kind in (StreamKind.MAIL, StreamKind.POSTS) else kind
        return replace(next(each for each in self.folders if each.well_known == wanted), kind=kind)

    def elements(self, kind: StreamKind, ids: Sequence[str]) -> list[Element]:
        """These items as they are asked for, and those of the exceptions of series among them."""
        service = GetItems(account=self.connector._account)
        found = service.call(ids, READERS[kind].shape)
        if kind is StreamKind.CALENDAR:
            exceptions = [each for element in found for each in meetings.exception_ids(Item(element))]
            found += service.call(exceptions, READERS[kind].shape)
        return found

    def compare(self, kind: StreamKind, ids: Sequence[str]) -> int:
        """How many items were held against exchangelib's reading of them."""
        found = self.elements(kind, ids)
        for element in found:
            ours = READERS[kind].record(Item(element))
            if kind is StreamKind.CALENDAR:
                ours = replace(ours, exceptions=())  # each was read for itself
            other = THEIRS[kind](element, self.connector._account)
            differing = [one.name for one in fields(ours) if getattr(ours, one.name) != getattr(other, one.name)]
            assert [(name, getattr(ours, name), getattr(other, name)) for name in differing] == []
        return len(found)

    def all(self, folder: Folder) -> list[str]:
        """All items of a folder."""
        return [change.remote_id for page in self.connector.changes(folder, None, 512) for change in page.changes]

    def compare_written(self, kind: StreamKind, records: Sequence[Writable]) -> None:
        """Write records, and compare what is read of them."""
        folder = self.folder(kind)
        ids = [self.connector.create(folder, record, f"key{number}").remote_id for number, record in enumerate(records)]
        assert self.compare(kind, ids) == len(records)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(domain=OFFICE.domain) as simulator:
        populate(simulator.store, OFFICE, NOW, days=3)
        simulator.add_mailbox(ANNA)
        yield simulator


@pytest.fixture(scope="module")
def anna(simulator: Simulator) -> Desk:
    return Desk(simulator, ANNA)


@pytest.mark.parametrize("kind", [StreamKind.MAIL, StreamKind.CONTACTS, StreamKind.CALENDAR])
def test_the_items_of_an_office_are_what_exchangelib_reads(simulator: Simulator, kind: StreamKind) -> None:
    seen = 0
    for person in OFFICE.people:
        desk = Desk(simulator, person.address)
        for folder in desk.folders:
            if folder.kind is kind:
                seen += desk.compare(kind, desk.all(folder))
    assert seen > 50


# No control characters, of which XML has none, and no half of a pair.
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn", "Co")), max_size=30)
WORD = st.text("абвabcXYZ019'&<>\"ёЖ ß", min_size=1, max_size=12).map(str.strip).filter(bool)
LINES = st.lists(TEXT, max_size=4).map("\n".join)
ADDRESS = st.builds("{}@{}.test".format, st.text("abc019", min_size=1, max_size=8), st.sampled_from(["client", "x-y"]))
DAYS = st.dates(date(1990, 1, 1), date(2040, 1, 1))
MOMENTS = st.integers(631_152_000, 2_208_988_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
PEOPLE = st.lists(st.tuples(WORD, ADDRESS).map(formataddr), max_size=3)
CATEGORIES = st.lists(WORD, max_size=3, unique_by=str.casefold).map(tuple)


@st.composite
def mails(draw: st.DrawFn) -> EmailMessage:
    """A mail as it comes from outside."""
    mail = EmailMessage()
    mail["From"] = formataddr((draw(WORD), draw(ADDRESS)))
    for name in ("To", "Cc"):
        if people := draw(PEOPLE):
            mail[name] = ", ".join(people)
    mail["Subject"] = draw(TEXT.map(str.strip))
    mail["Date"] = format_datetime(draw(MOMENTS).astimezone(draw(st.sampled_from(ZONES))))
    mail["Message-ID"] = f"<{draw(ADDRESS)}>"
    if draw(st.booleans()):
        mail["In-Reply-To"] = f"<{draw(ADDRESS)}>"
        mail["References"] = " ".join(f"<{each}>" for each in draw(st.lists(ADDRESS, min_size=1, max_size=3)))
    for name, values in HEADERS.items():
        if (value := draw(st.sampled_from(["", *values]))) != "":
            mail[name] = value
    if draw(st.booleans()):
        mail.set_content(draw(LINES))
    else:
        mail.set_content(f"<html><body><p>{draw(WORD)}</p></body></html>", subtype="html")
    for name in draw(st.lists(st.sampled_from(["счёт.pdf", "price list.xlsx", "logo.png"]), max_size=2)):
        mail.add_attachment(b"content", maintype="application", subtype="octet-stream", filename=name)
    if draw(st.booleans()):
        inner = EmailMessage()
        inner["Subject"] = draw(WORD)
        inner.set_content("inside")
        mail.add_attachment(inner)
    return mail


ZONES = [UTC, *(datetime.fromisoformat(f"2026-01-01T00:00:00{offset}").tzinfo for offset in ("+03:00", "-11:30"))]
HEADERS = {
    "Importance": ["high", "low"],
    "Sensitivity": ["Private", "Company-Confidential"],
    "List-Id": ["<news.test>"],
    "Auto-Submitted": ["no", "auto-replied"],
    "Precedence": ["bulk"],
    "Keywords": ["Red, Клиент"],
}


@MANY
@given(st.lists(mails(), min_size=1, max_size=5))
def test_any_mail_is_what_exchangelib_reads(anna: Desk, made: list[EmailMessage]) -> None:
    before = set(anna.all(anna.folder(StreamKind.MAIL)))
    for mail in made:
        anna.simulator.deliver(mail.as_bytes(), [ANNA])
    new = [each for each in anna.all(anna.folder(StreamKind.MAIL)) if each not in before]
    assert anna.compare(StreamKind.MAIL, new) == len(made)


PLACES = st.builds(PostalAddress, st.sampled_from(["business", "home", "other"]), WORD, WORD, WORD, WORD, WORD)
CONTACTS = st.builds(
    ContactRecord,
    display_name=WORD,
    given_name=WORD,
    middle_name=WORD,
    surname=WORD,
    company_name=WORD,
    department=WORD,
    job_title=WORD,
    emails=st.lists(ADDRESS, max_size=3).map(
        lambda found: tuple(LabelledAddress(str(number), each, each) for number, each in enumerate(found, 1))
    ),
    phones=st.lists(st.sampled_from(["business", "business_2", "mobile", "home_fax", "other"]), unique=True).map(
        lambda labels: tuple(Phone(label, f"+7 {number}") for number, label in enumerate(labels))
    ),
    postal_addresses=st.lists(PLACES, max_size=3, unique_by=lambda each: each.label).map(tuple),
    website=st.sampled_from(["", "https://client.test/?a=1&b=2"]),
    birthday=st.none() | DAYS,
    notes=LINES,
    categories=CATEGORIES,
    is_private=st.booleans(),
    card=st.builds(ClientCard, WORD, WORD, WORD, st.none() | MOMENTS, WORD, st.just("https://crm.test/1")),
)


@MANY
@given(st.lists(CONTACTS, min_size=1, max_size=5))
def test_any_contact_is_what_exchangelib_reads(anna: Desk, made: list[ContactRecord]) -> None:
    anna.compare_written(StreamKind.CONTACTS, made)


TASKS = st.builds(
    TaskRecord,
    subject=WORD,
    body=LINES,
    due_on=st.none() | DAYS,
    remind_at=st.none() | MOMENTS,
    completed_on=st.none() | DAYS,
    importance=st.sampled_from(["low", "normal", "high"]),
    is_private=st.booleans(),
)


@MANY
@given(st.lists(TASKS, min_size=1, max_size=5))
def test_any_task_is_what_exchangelib_reads(anna: Desk, made: list[TaskRecord]) -> None:
    anna.compare_written(StreamKind.TASKS, made)


@MANY
@given(st.lists(st.builds(PostRecord, WORD, LINES), min_size=1, max_size=5))
def test_any_post_is_what_exchangelib_reads(anna: Desk, made: list[PostRecord]) -> None:
    anna.compare_written(StreamKind.POSTS, made)


RULES = [
    "FREQ=DAILY;INTERVAL=3;COUNT=5",
    "FREQ=WEEKLY;BYDAY=MO,WE;WKST=SU",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR;UNTIL=20301231T235959Z",
    "FREQ=MONTHLY;BYMONTHDAY=15;COUNT=4",
    "FREQ=MONTHLY;INTERVAL=2;BYDAY=-1FR",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=28",
    "FREQ=YEARLY;BYMONTH=5;BYDAY=2SU;UNTIL=20321231T235959Z",
]


@st.composite
def events(draw: st.DrawFn) -> str:
    """A VEVENT: an appointment, a meeting, whole days, or a series with what differs in it."""
    at = draw(MOMENTS).replace(second=0)
    hours = draw(st.integers(1, 30))
    uid = f"{draw(st.uuids())}@x.test"
    lines = ["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20260101T000000Z", f"SUMMARY:{draw(WORD)}"]
    if draw(st.booleans()):
        lines += [f"DTSTART;VALUE=DATE:{at:%Y%m%d}", f"DTEND;VALUE=DATE:{at + timedelta(days=hours):%Y%m%d}"]
    else:
        zone = draw(st.sampled_from(["Europe/Moscow", "America/New_York", "Asia/Kolkata"]))
        lines += [
            f"DTSTART;TZID={zone}:{at:%Y%m%dT%H%M%S}",
            f"DTEND;TZID={zone}:{at + timedelta(hours=hours):%Y%m%dT%H%M%S}",
        ]
        if rule := draw(st.sampled_from(["", *RULES])):
            lines.append(f"RRULE:{rule}")
    if draw(st.booleans()):
        lines.append("ORGANIZER;CN=Bob:mailto:bob@client.test")
        for number in range(draw(st.integers(1, 3))):
            role = draw(st.sampled_from(["REQ-PARTICIPANT", "OPT-PARTICIPANT", "NON-PARTICIPANT"]))
            state = draw(st.sampled_from(["ACCEPTED", "DECLINED", "TENTATIVE", "NEEDS-ACTION"]))
            lines.append(f"ATTENDEE;CN=Guest {number};ROLE={role};PARTSTAT={state}:mailto:guest{number}@client.test")
    lines += draw(st.lists(st.sampled_from(EXTRAS), unique=True))
    return "\r\n".join([*lines, "END:VEVENT"])


EXTRAS = [
    "LOCATION:Зал 1\\, второй этаж",
    "DESCRIPTION:Bring bread\\n& cheese",
    "CATEGORIES:Клиент,Red",
    "CLASS:PRIVATE",
    "STATUS:CANCELLED",
    "SEQUENCE:3",
]


@MANY
@given(st.lists(events(), min_size=1, max_size=5))
def test_any_event_is_what_exchangelib_reads(anna: Desk, made: list[str]) -> None:
    before = set(anna.all(anna.folder(StreamKind.CALENDAR)))
    store = anna.simulator.store
    calendar = "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", *made, "END:VCALENDAR", ""])
    with store.transaction():
        mailbox = store.mailboxes.find(ANNA)
        assert mailbox is not None
        folder = store.folders.distinguished(mailbox, "calendar")
        for item in read_calendar(calendar.encode()):
            store.items.create(folder, item.element, attachments=item.attachments, draft=False)
    new = [each for each in anna.all(anna.folder(StreamKind.CALENDAR)) if each not in before]
    assert anna.compare(StreamKind.CALENDAR, new) >= len(made)
