"""An office that does anything in any order, and what holds of its mirror afterwards (invariants 1-6, S1-S5, S9, S13).

The machine works on a memory server and runs streams in any order; at the end everything is mended and read, and the
database must say what the mailboxes hold. Where an order of arrival matters it is meant to, and said at the check.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from connectors.base import Account
from connectors.memory import MemoryConnector
from terracrm import db
from terracrm.config import Settings
from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.capture import NOTHING, CaptureRules, decide, message_key
from terracrm.domain.records import (
    ContactRecord,
    Folder,
    LabelledAddress,
    MeetingKind,
    MeetingRecord,
    MessageRecord,
    Participant,
    Record,
    Role,
    StreamKind,
)
from terracrm.models import (
    Activity,
    Base,
    Company,
    CompanyTimeline,
    Contact,
    ContactTimeline,
    FieldChange,
    Link,
    Meeting,
    Message,
    QuarantinedItem,
    Thread,
    ThreadKey,
    utcnow,
)
from terracrm.models import Participant as ParticipantRow
from terracrm.services.matching import match
from tests.sync.conftest import DOMAIN, Office
from tests.sync.items import NOON

# A few walks, the same each time; OFFICE_WALKS=1000 looks for something new, without shrinking what it finds.
EXAMPLES = int(os.environ.get("OFFICE_WALKS", "12"))
STEPS = 25
NAMES = ("anna", "boris")
KINDS = ("contacts", "calendar", "mail")
OURS = tuple(f"{name}@{DOMAIN}" for name in NAMES)
CLIENTS = (
    "olga@lavka.example",
    "Ivan@Lavka.example",
    "petr@opt.example",
    "olga@mail.ru",
)
ODD = ("", "no address", "EX:/o=Office/cn=petr")
COMPANIES = ("", "ООО «Лавка»", "Опт Торг", "«»")
PATHS = {"mail": "Inbox", "contacts": "Contacts", "calendar": "Calendar"}
BOOKKEEPING = {"sync_runs", "sync_run_items", "streams", "folders", "links"}

names = st.sampled_from(NAMES)
kinds = st.sampled_from(KINDS)
anybody = st.sampled_from(OURS + CLIENTS + ODD)
clients = st.lists(st.sampled_from(CLIENTS), unique=True, max_size=2)
rarely = st.sampled_from([False, False, False, True])
mailboxes = st.lists(names, min_size=1, unique=True)


@dataclass
class Item:
    """One item of a mailbox as its owner knows it, through moves. `token` is a word that nothing else says."""

    owner: str
    folder: Folder
    remote_id: str
    record: Record
    token: str
    is_deleted: bool = False

    @property
    def kind(self) -> StreamKind:
        return self.folder.kind


def has_room(machine: OfficeMachine) -> bool:
    """Few items, so that much happens to each."""
    return len(machine.present()) < 8


class OfficeMachine(RuleBasedStateMachine):
    """Everything that people, servers and schedules do to mailboxes."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.home = TemporaryDirectory()
        path = Path(self.home.name)
        shutil.copy(self.template, path / "terracrm.db")
        (path / "password").write_text("secret")
        self.engine = db.make_engine(f"sqlite:///{path / 'terracrm.db'}")
        mirror = {"internal_domains": [DOMAIN]}
        config = Settings(paths={"data_dir": path / "data"}, mirror=mirror)  # type: ignore[arg-type]
        self.office = Office(config, db.session_factory(self.engine), password_file=path / "password")
        for name in NAMES:
            self.office.add(name)
        self.items: list[Item] = []
        self.extra: list[tuple[str, Folder]] = []
        self.count = 0
        for kind in KINDS:
            self.add_folder("anna", kind, "Архив")
        self.loose: set[str] = set()  # addresses whose person depends on the order of arrival
        self.was_private = False
        self.secrets: set[str] = set()  # what only private occurrences say

    @initialize(page_size=st.sampled_from([1, 3, 50]))
    def choose_page_size(self, page_size: int) -> None:
        self.office.settings.mirror.page_size = page_size

    # People and servers

    @precondition(has_room)
    @rule(
        owners=mailboxes,
        sender=anybody,
        recipients=st.lists(anybody, max_size=3),
        answers=st.lists(st.integers(0, 5), max_size=2),
        has_id=st.booleans(),
        is_private=rarely,
        sent=st.booleans(),
    )
    def put_mail(
        self,
        owners: list[str],
        sender: str,
        recipients: list[str],
        answers: list[int],
        has_id: bool,
        is_private: bool,
        sent: bool,
    ) -> None:
        token = self.token()
        record = MessageRecord(
            message_id=f"<{self.count}@test>" if has_id else "",
            subject=f"Письмо {token}",
            sent_at=NOON + timedelta(minutes=self.count),
            received_at=NOON + timedelta(minutes=self.count, seconds=5),
            participants=(Participant(Role.FROM, sender), *(Participant(Role.TO, to) for to in recipients)),
            references=tuple(f"<{number}@test>" for number in answers),
            body_text=f"Текст {token}",
            is_private=is_private,
        )
        for owner in owners:
            self.put(owner, self.office.folder(owner, "Sent Items" if sent else "Inbox"), record, token)

    @precondition(has_room)
    @rule(owner=names, emails=clients, company=st.sampled_from(COMPANIES), is_private=rarely)
    def put_contact(self, owner: str, emails: list[str], company: str, is_private: bool) -> None:
        token = self.token()
        record = ContactRecord(
            display_name=f"Человек {token}",
            company_name=company,
            emails=labelled(emails),
            job_title=token,
            notes=f"Заметка {token}",
            is_private=is_private,
        )
        self.put(owner, self.office.folder(owner, "Contacts"), record, token)

    @precondition(has_room)
    @rule(owners=mailboxes, guests=st.lists(anybody, max_size=2), is_private=rarely, repeats=st.booleans())
    def put_meeting(self, owners: list[str], guests: list[str], is_private: bool, repeats: bool) -> None:
        """A meeting, or a series of three with a private occurrence."""
        token, secret = self.token(), self.token()
        for owner in owners:
            record = MeetingRecord(
                uid=f"uid{self.count}",
                subject=f"Встреча {token}",
                start=NOON,
                end=NOON + timedelta(hours=1),
                participants=(
                    Participant(Role.ORGANIZER, OURS[0]),
                    *(Participant(Role.REQUIRED, guest) for guest in guests),
                ),
                is_organizer=owner == "anna",
                is_private=is_private,
            )
            if repeats:
                self.secrets.add(secret)
                record = weekly(record, f"Тайна {secret}")
            self.put(owner, self.office.folder(owner, "Calendar"), record, token)

    @precondition(lambda self: self.present("contacts"))
    @rule(data=st.data(), emails=clients, company=st.sampled_from(COMPANIES))
    def change_contact(self, data: st.DataObject, emails: list[str], company: str) -> None:
        item = self.choose(data, "contacts")
        assert isinstance(item.record, ContactRecord)
        self.leave_addresses(item.record, labelled(emails))
        self.change(item, replace(item.record, emails=labelled(emails), company_name=company))

    @precondition(lambda self: self.present("calendar"))
    @rule(data=st.data(), guests=st.lists(anybody, max_size=2), later=st.integers(0, 3))
    def change_meeting(self, data: st.DataObject, guests: list[str], later: int) -> None:
        """The organizer's server tells all copies of an update."""
        chosen = self.choose(data, "calendar")
        people = (Participant(Role.ORGANIZER, OURS[0]), *(Participant(Role.REQUIRED, guest) for guest in guests))
        for item in self.present("calendar"):
            if item.token == chosen.token:
                assert isinstance(item.record, MeetingRecord)
                self.change(item, replace(item.record, participants=people, start=NOON + timedelta(hours=later)))

    @precondition(lambda self: self.present())
    @rule(data=st.data(), is_private=st.sampled_from([True, True, False]))
    def mark(self, data: st.DataObject, is_private: bool) -> None:
        item = self.choose(data)
        self.change(item, replace(item.record, is_private=is_private))

    @precondition(lambda self: self.present("mail"))
    @rule(data=st.data(), is_read=st.booleans())
    def read(self, data: st.DataObject, is_read: bool) -> None:
        item = self.choose(data, "mail")
        assert isinstance(item.record, MessageRecord)
        item.record = replace(item.record, is_read=is_read)
        self.office.server.set_read(item.remote_id, is_read)

    @precondition(lambda self: self.present())
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        item = self.choose(data)
        item.is_deleted = True
        self.office.server.delete(item.remote_id)

    @precondition(lambda self: self.present())
    @rule(data=st.data())
    def move(self, data: st.DataObject) -> None:
        item = self.choose(data)
        places = [self.office.folder(item.owner, PATHS[item.kind])]
        places += [folder for owner, folder in self.extra if owner == item.owner and folder.kind == item.kind]
        target = data.draw(st.sampled_from(places))
        if target.remote_id != item.folder.remote_id:
            # What was changed and moved between two runs cannot be told from a new item.
            self.office.run(item.owner, item.kind)
            item.remote_id, item.folder = self.office.server.move(item.remote_id, target), target

    @precondition(lambda self: self.present())
    @rule(data=st.data(), is_broken=st.booleans())
    def break_or_mend(self, data: st.DataObject, is_broken: bool) -> None:
        item = self.choose(data)
        if is_broken:
            self.office.server.break_item(item.remote_id)
        else:
            self.office.server.mend_item(item.remote_id)

    @rule(owner=names, kind=kinds, title=st.sampled_from(["Другое", "Яма"]))
    def add_folder(self, owner: str, kind: str, title: str) -> None:
        folder = self.office.server.add_folder(f"{owner}@{DOMAIN}", f"{title} {kind}", StreamKind(kind))
        self.extra.append((owner, folder))

    @precondition(lambda self: self.extra)
    @rule(data=st.data())
    def remove_folder(self, data: st.DataObject) -> None:
        _, folder = self.extra.pop(data.draw(st.integers(0, len(self.extra) - 1)))
        for item in self.items:
            if item.folder.remote_id == folder.remote_id:
                item.is_deleted = True
        self.office.server.remove_folder(folder)

    @rule()
    def expire_cursors(self) -> None:
        self.office.server.expire_cursors()

    @rule(owner=names, kind=kinds)
    def run(self, owner: str, kind: str) -> None:
        assert self.office.run(owner, kind).state in ("ok", "degraded")

    @rule()
    def run_everything(self) -> None:
        for owner in NAMES:
            for kind in KINDS:
                self.run(owner, kind)

    # The truth at the end

    def teardown(self) -> None:
        try:
            self.settle()
            with self.office.sessions() as session:
                holds_timelines(session)
                holds_search(session)
                holds_no_dangling_rows(session)
                self.holds_matches(session)
                self.holds_copies(session)
                self.holds_messages(session)
                self.holds_threads(session)
                self.holds_privacy(session)
            self.holds_still()
        finally:
            self.engine.dispose()
            self.home.cleanup()

    def settle(self) -> None:
        for item in self.items:
            if not item.is_deleted:
                self.office.server.mend_item(item.remote_id)
        for _ in range(2):
            with self.office.sessions.begin() as session:
                session.execute(update(QuarantinedItem).values(next_try_at=utcnow() - timedelta(minutes=1)))
            for owner in NAMES:
                for kind in KINDS:
                    self.run(owner, kind)

    def holds_matches(self, session: Session) -> None:
        """Each participant is whom a fresh match finds, but for addresses that somebody gave up."""
        policy = DomainPolicy.of([DOMAIN], self.office.settings.mirror.free_mail_domains)
        rows = [row for row in session.scalars(select(ParticipantRow)) if "@" in row.address]
        fresh = match(session, policy, {row.address for row in rows})
        for row in rows:
            if row.address not in self.loose:
                found = fresh[row.address]
                assert (row.contact_id, row.company_id) == (found.contact_id, found.company_id), row.address
                assert row.match_method == found.method, row.address

    def holds_copies(self, session: Session) -> None:
        """The links that are there are the items that are there and may be mirrored."""
        rules = CaptureRules(policy=DomainPolicy.of([DOMAIN], []))
        for owner in NAMES:
            expected = {
                remote_id for remote_id, record in self.remote(owner) if decide(record, rules, NOTHING).is_taken
            }
            mine = select(Link.remote_id).join_from(Link, Base.metadata.tables["mailboxes"])
            found = session.scalars(
                mine.where(text("mailboxes.address = :address"), Link.gone_at.is_(None)).params(
                    address=f"{owner}@{DOMAIN}"
                )
            ).all()
            assert Counter(found) == Counter(expected), owner

    def holds_messages(self, session: Session) -> None:
        expected = {
            message_key(record)
            for owner in NAMES
            for remote_id, record in self.remote(owner)
            if isinstance(record, MessageRecord) and self.is_linked(session, remote_id)
        }
        keys = session.scalars(select(Message.message_key)).all()
        assert len(keys) == len(set(keys))
        assert expected <= set(keys)
        assert session.scalars(select(QuarantinedItem)).all() == []

    def holds_threads(self, session: Session) -> None:
        """The threads of what is stored are those of its references read in another order.

        A mail that was withdrawn may have joined two threads before: then there is nothing to compare with.
        """
        if self.was_private:
            return
        stored = dict(
            session.execute(select(Message.message_id, Message.thread_id).where(Message.message_id != "")).all()
        )
        groups: list[set[str]] = []
        records = {item.record.message_id: item.record for item in self.items if isinstance(item.record, MessageRecord)}
        for message_id in sorted(stored, reverse=True):
            keys = {message_id, *records[message_id].references}
            touched = [group for group in groups if group & keys]
            groups = [group for group in groups if not group & keys] + [keys.union(*touched)]
        expected = {frozenset(group & stored.keys()) for group in groups}
        found: dict[int, set[str]] = {}
        for message_id, thread_id in stored.items():
            found.setdefault(thread_id, set()).add(message_id)
        assert {frozenset(group) for group in found.values()} == expected

    def holds_privacy(self, session: Session) -> None:
        """Nothing that only private items say is anywhere, in any text of any table."""
        tokens = {item.token for item in self.items}
        public = {item.token for item in self.items if item.is_deleted or not item.record.is_private}
        for name in session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'")).all():
            for row in session.execute(text(f"SELECT * FROM {name}")):
                said = {token for token in (tokens - public) | self.secrets for value in row if token in str(value)}
                assert not said, (name, row)

    def holds_still(self) -> None:
        before = self.dump()
        for owner in NAMES:
            for kind in KINDS:
                counts = self.office.run(owner, kind).counts
                assert (counts.created, counts.updated, counts.deleted, counts.skipped, counts.quarantined) == (0,) * 5
        assert self.dump() == before

    # Small things

    def token(self) -> str:
        self.count += 1
        return f"т{self.count}знак"

    def put(self, owner: str, folder: Folder, record: Record, token: str) -> None:
        self.was_private |= record.is_private and isinstance(record, MessageRecord)
        self.items.append(Item(owner, folder, self.office.server.put(folder, record), record, token))

    def change(self, item: Item, record: Record) -> None:
        self.was_private |= record.is_private and isinstance(record, MessageRecord)
        item.record = record
        self.office.server.change(item.remote_id, record)

    def present(self, kind: str = "") -> list[Item]:
        return [item for item in self.items if not item.is_deleted and (not kind or item.kind == kind)]

    def choose(self, data: st.DataObject, kind: str = "") -> Item:
        found = self.present(kind)
        return found[data.draw(st.integers(0, len(found) - 1))]

    def leave_addresses(self, record: ContactRecord, emails: tuple[LabelledAddress, ...]) -> None:
        """An address that a person gave up still names the person in what was written with it."""
        self.loose |= {entry.address.lower() for entry in set(record.emails) - set(emails)}

    def remote(self, owner: str) -> Iterator[tuple[str, Record]]:
        connector = MemoryConnector(Account(f"{owner}@{DOMAIN}", "", f"{owner}@{DOMAIN}", "secret"), self.office.server)
        for folder in connector.folders():
            if folder.well_known not in ("drafts", "deleteditems"):
                for page in connector.changes(folder, None, 1000):
                    for change in page.changes:
                        if change.record is not None:
                            yield change.remote_id, change.record

    def is_linked(self, session: Session, remote_id: str) -> bool:
        return session.scalar(select(Link.id).where(Link.remote_id == remote_id)) is not None

    def dump(self) -> dict[str, list[Any]]:
        with self.office.sessions() as session:
            return {
                table.name: sorted(map(repr, session.execute(select(table)).all()))
                for table in Base.metadata.sorted_tables
                if table.name not in BOOKKEEPING
            }


def weekly(record: MeetingRecord, secret: str) -> MeetingRecord:
    """The series of three that begins with this meeting; its second occurrence is private."""
    week = timedelta(weeks=1)
    second = replace(record, kind=MeetingKind.EXCEPTION, original_start=NOON + week, start=NOON + week, subject=secret)
    return replace(
        record,
        kind=MeetingKind.MASTER,
        recurrence="FREQ=WEEKLY;COUNT=3",
        exceptions=(replace(second, is_private=True),),
    )


def labelled(emails: list[str]) -> tuple[LabelledAddress, ...]:
    return tuple(LabelledAddress(str(number), address) for number, address in enumerate(emails, 1))


def holds_timelines(session: Session) -> None:
    """The timelines and `is_matched` say what the participants say."""
    for timeline, owner, person in (
        (ContactTimeline, ContactTimeline.contact_id, ParticipantRow.contact_id),
        (CompanyTimeline, CompanyTimeline.company_id, ParticipantRow.company_id),
    ):
        expected = session.execute(
            select(person, Activity.occurred_at, Activity.id, Activity.kind)
            .join(Activity, Activity.id == ParticipantRow.activity_id)
            .where(person.is_not(None))
            .distinct()
        ).all()
        found = session.execute(select(owner, timeline.occurred_at, timeline.activity_id, timeline.kind)).all()
        assert sorted(map(tuple, found)) == sorted(map(tuple, expected))
    known = select(ParticipantRow.activity_id).where(
        ParticipantRow.contact_id.is_not(None) | ParticipantRow.company_id.is_not(None)
    )
    matched = session.scalars(select(Activity.id).where(Activity.is_matched)).all()
    assert set(matched) == set(session.scalars(known))


def holds_search(session: Session) -> None:
    """What can be found is what is there."""
    session.execute(text("INSERT INTO activity_search (activity_search, rank) VALUES ('integrity-check', 1)"))
    for numbers, model in (
        ("activity_id FROM activity_search_rows", Activity),
        ("rowid FROM contact_search", Contact),
        ("rowid FROM company_search", Company),
    ):
        found = session.scalars(text(f"SELECT {numbers}")).all()
        assert sorted(found) == sorted(session.scalars(select(model.id)))


def holds_no_dangling_rows(session: Session) -> None:
    """Nothing names what is not there."""
    assert session.execute(text("PRAGMA foreign_key_check")).all() == []
    for entity, ids in (
        ("message", select(Message.activity_id)),
        ("contact", select(Contact.id)),
        ("meeting", select(Meeting.id)),
    ):
        assert set(session.scalars(select(Link.local_id).where(Link.entity == entity))) <= set(session.scalars(ids))
    for entity, ids in (("contact", select(Contact.id)), ("company", select(Company.id))):
        changed = select(FieldChange.entity_id).where(FieldChange.entity == entity)
        assert set(session.scalars(changed)) <= set(session.scalars(ids))
    held = set(session.scalars(select(Link.local_id).where(Link.entity == "message")))
    assert set(session.scalars(select(Message.activity_id))) == held
    held = set(session.scalars(select(Link.local_id).where(Link.entity == "meeting")))
    rows = session.execute(select(Meeting.id, Meeting.series_id)).all()
    assert held <= {row.id for row in rows}
    assert all(row.id in held or row.series_id in held for row in rows)
    threads = set(session.scalars(select(Thread.id)))
    assert threads == set(session.scalars(select(Message.thread_id)))
    assert threads == set(session.scalars(select(ThreadKey.thread_id)))


def test_whatever_happens_the_mirror_says_what_the_mailboxes_hold(migrated_sqlite: Path) -> None:
    machine = type("Machine", (OfficeMachine,), {"template": migrated_sqlite})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize="OFFICE_WALKS" not in os.environ,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
