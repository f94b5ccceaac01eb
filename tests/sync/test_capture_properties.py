"""Rules, people, categories and mail in any order: in the end the mirror holds what the rules say (S6, S8, M2, S14).

An office does anything and runs its streams whenever it likes. Then rules are chosen and applied, all is read, and each
item that is in Outlook is followed, or no longer followed, or left out by the rule that `decide` names.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm import db
from terracrm.config import Settings
from terracrm.domain.capture import CaptureRules, decide
from terracrm.domain.mailbox_rules import Rules
from terracrm.domain.records import MessageRecord, Participant, Role
from terracrm.models import Link, Mailbox, Message, MessageCopy, SkippedItem
from terracrm.services import capture_rules, known
from terracrm.services.sources import rules_of
from tests.sync.conftest import DOMAIN, Office
from tests.sync.items import NOON, contact

EXAMPLES = int(os.environ.get("CAPTURE_WALKS", "10"))
NAMES = ("anna", "boris")
CLIENTS = ("olga@lavka.example", "ivan@lavka.example", "petr@opt.example", "mama@mail.ru")
CATEGORIES: tuple[tuple[str, ...], ...] = ((), ("TerraCRM",), ("Red",), ("клиент", "Red"))
PATHS = ("Inbox", "Sent Items", "Архив")

name = st.sampled_from(NAMES)
rules = st.builds(
    Rules,
    capture=st.sampled_from(["known", "replies", "category", "all", "none", ""]),
    detail=st.sampled_from(["headers", "full", ""]),
    tracking_category=st.sampled_from(["", "Клиент"]),
)
put = st.tuples(
    st.just("put"), st.lists(name, min_size=1, unique=True), st.sampled_from(PATHS), st.sampled_from(CLIENTS),
    st.booleans(), st.integers(-1, 6), st.booleans(), st.sampled_from(CATEGORIES),
)  # fmt: skip
person = st.tuples(st.just("person"), name, st.sampled_from(CLIENTS))
step = st.one_of(
    st.tuples(st.just("run"), name, st.sampled_from(["mail", "contacts"])),
    st.tuples(st.just("categories"), st.integers(0, 9), st.sampled_from(CATEGORIES)),
    st.tuples(st.just("run"), name, st.sampled_from(["mail", "contacts"])),
    st.tuples(st.just("rules"), name, rules),
    st.tuples(st.just("delete"), st.integers(0, 9)),
    st.tuples(st.just("move"), st.integers(0, 9), st.sampled_from(PATHS)),
    st.tuples(st.just("private"), st.integers(0, 9)),
    st.tuples(st.just("expire")),
)


@dataclass
class Item:
    """One item of a mailbox as it is in Outlook."""

    owner: str
    path: str
    remote_id: str
    record: MessageRecord


@dataclass
class Walk:
    """An office, and what its people do."""

    office: Office
    items: list[Item] = field(default_factory=list)
    count: int = 0

    def do(self, words: tuple[object, ...]) -> None:
        """One step."""
        getattr(self, str(words[0]))(*words[1:])

    def put(
        self,
        owners: list[str],
        path: str,
        client: str,
        from_us: bool,
        answers: int,
        by_name: bool,
        tags: tuple[str, ...],
    ) -> None:
        self.count += 1
        us, both = f"{owners[0]}@{DOMAIN}", (Role.FROM, Role.TO)
        people = (us, client) if from_us else (client, us)
        named = f"<{answers}@test>" if answers >= 0 else ""
        record = MessageRecord(
            message_id=f"<{self.count}@test>",
            subject=f"Письмо {self.count}",
            sent_at=NOON,
            received_at=NOON,
            participants=tuple(Participant(role, address) for role, address in zip(both, people, strict=True)),
            in_reply_to=named if by_name else "",
            references=() if by_name or not named else (named, "<lost@test>"),
            body_text=f"Текст {self.count}",
        )
        for owner in owners:
            tagged = replace(record, categories=tags if owner == owners[0] else ())
            folder = self.office.folder(owner, "Inbox" if path == "Sent Items" and not from_us else path)
            self.items.append(Item(owner, folder.path, self.office.server.put(folder, tagged), tagged))

    def person(self, owner: str, address: str) -> None:
        self.office.server.put(self.office.folder(owner, "Contacts"), contact(address, address, company_name=""))

    def categories(self, number: int, tags: tuple[str, ...]) -> None:
        if item := self.item(number):
            item.record = replace(item.record, categories=tags)
            self.office.server.change(item.remote_id, item.record)

    def delete(self, number: int) -> None:
        if item := self.item(number):
            self.office.server.delete(item.remote_id)
            self.items.remove(item)

    def move(self, number: int, path: str) -> None:
        item = self.item(number)
        if item and path != item.path and "Sent Items" not in (path, item.path):
            item.remote_id = self.office.server.move(item.remote_id, self.office.folder(item.owner, path))
            item.path = path

    def private(self, number: int) -> None:
        """A mail that was not ours: what answers ours stays when ours is withdrawn."""
        item = self.item(number)
        if item and not item.record.participants[0].address.endswith(DOMAIN):
            item.record = replace(item.record, is_private=not item.record.is_private)
            self.office.server.change(item.remote_id, item.record)

    def rules(self, owner: str, chosen: Rules) -> None:
        with self.office.sessions.begin() as session:
            mailbox = session.scalars(select(Mailbox).where(Mailbox.address == f"{owner}@{DOMAIN}")).one()
            wanted = replace(chosen, streams=capture_rules.of(mailbox).streams)
            told = capture_rules.preview(session, self.office.settings, mailbox, wanted)
            assert capture_rules.apply(session, self.office.settings, mailbox, wanted, None) == told

    def run(self, owner: str, kind: str) -> None:
        assert self.office.run(owner, kind).state == "ok"

    def expire(self) -> None:
        self.office.server.expire_cursors()

    def item(self, number: int) -> Item | None:
        return self.items[number % len(self.items)] if self.items else None

    def settle(self) -> None:
        """Read all until nothing is left that could come in."""
        for _ in range(2):
            for owner in NAMES:
                for kind in ("contacts", "mail"):
                    self.run(owner, kind)

    def holds(self) -> None:
        """Each item is what the rules make of it."""
        with self.office.sessions() as session:
            for item in self.items:
                link = session.scalar(select(Link).where(Link.remote_id == item.remote_id))
                skips = session.scalars(select(SkippedItem).where(SkippedItem.remote_id == item.remote_id)).all()
                here = self.rules_for(session, item)
                decision = decide(item.record, here, known.lookup(session, here, [item.record]))
                if decision.is_taken:
                    assert link is not None, (item, decision)
                    assert (link.gone_at, link.untracked_at, skips) == (None, None, []), (item, decision)
                elif link is not None:
                    assert (link.untracked_at is not None, skips) == (True, []), (item, decision)
                else:
                    assert [(skip.rule, skip.is_due) for skip in skips] == [(decision.rule, False)], item
            present = {item.remote_id for item in self.items}
            assert set(session.scalars(select(SkippedItem.remote_id))) <= present
            self.holds_detail(session)

    def holds_detail(self, session: Session) -> None:
        """The content of a mail is here when a mailbox that keeps all holds it."""
        rows = session.execute(
            select(Message, Mailbox.detail, Link)
            .select_from(MessageCopy)
            .join(Message, Message.activity_id == MessageCopy.message_id)
            .join(Link, Link.id == MessageCopy.link_id)
            .join(Mailbox, Mailbox.id == MessageCopy.mailbox_id)
        ).all()
        keepers = {row.Message.message_key for row in rows if row.detail != "headers"}
        live = {
            row.Message.message_key
            for row in rows
            if row.detail != "headers" and row.Link.gone_at is None and row.Link.untracked_at is None
        }
        for row in rows:
            key = row.Message.message_key
            assert row.Message.detail == "headers" or key in keepers
            assert row.Message.detail == "full" or key not in live

    def rules_for(self, session: Session, item: Item) -> CaptureRules:
        mailbox = session.scalars(select(Mailbox).where(Mailbox.address == f"{item.owner}@{DOMAIN}")).one()
        return replace(
            rules_of(self.office.settings, mailbox.address, mailbox, ""), in_sent_items=item.path == "Sent Items"
        )

    def still(self) -> None:
        """Another round does nothing."""
        for owner in NAMES:
            counts = self.office.run(owner, "mail").counts
            assert (counts.created, counts.updated, counts.deleted, counts.skipped) == (0,) * 4


@contextmanager
def walk(template: Path) -> Iterator[Walk]:
    """An office that nothing has happened to."""
    with TemporaryDirectory() as home:
        path = Path(home)
        shutil.copy(template, path / "terracrm.db")
        (path / "password").write_text("secret")
        engine = db.make_engine(f"sqlite:///{path / 'terracrm.db'}")
        mirror = {"internal_domains": [DOMAIN], "create_contacts": "off", "page_size": 3}
        config = Settings(paths={"data_dir": path / "data"}, mirror=mirror)  # type: ignore[arg-type]
        office = Office(config, db.session_factory(engine), password_file=path / "password")
        for each in NAMES:
            office.add(each)
            office.server.add_folder(f"{each}@{DOMAIN}", "Архив")
        yield Walk(office)
        engine.dispose()


@settings(max_examples=EXAMPLES, derandomize="CAPTURE_WALKS" not in os.environ, database=None, phases=[Phase.generate])
@given(
    first=st.tuples(rules, rules),
    mails=st.lists(put, min_size=6, max_size=9),
    people=st.lists(person, min_size=1, max_size=2),
    steps=st.lists(step, min_size=6, max_size=14),
    shuffle=st.randoms(use_true_random=False),
    last=st.none() | st.tuples(rules, rules),
)
def test_in_the_end_the_mirror_holds_what_the_rules_say(
    migrated_sqlite: Path,
    first: tuple[Rules, Rules],
    mails: list[tuple[object, ...]],
    people: list[tuple[object, ...]],
    steps: list[tuple[object, ...]],
    shuffle: Random,
    last: tuple[Rules, Rules] | None,
) -> None:
    with walk(migrated_sqlite) as office:
        for owner, chosen in zip(NAMES, first, strict=True):
            office.rules(owner, chosen)
        all_steps = [*mails, *people, *steps]
        shuffle.shuffle(all_steps)
        for words in all_steps:
            office.do(words)
        for owner, chosen in zip(NAMES, last or (), strict=bool(last)):
            office.rules(owner, chosen)
        office.settle()
        office.holds()
        office.still()
