"""People in their Outlooks and in the CRM, servers on bad days and killed workers, in any order (W1-W5, S9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sqlalchemy import select

from terracrm.domain.contact_merge import SCALARS
from terracrm.domain.records import ContactRecord, Folder, LabelledAddress, Phone
from terracrm.models import Contact, Link, Stream
from terracrm.services import contact_data
from tests.sync import two_way_edits as edits
from tests.sync.two_way_ledger import CRM, Ledger, kept, words, words_of
from tests.sync.two_way_outlook import Entry, Outlook
from tests.sync.two_way_truth import Doings, holds_of_run, holds_when_settled, look
from tests.sync.two_way_world import NAMES, Crash, World

names = st.sampled_from(NAMES)
fields = st.sampled_from(edits.FIELDS)
acts = st.sampled_from(edits.ACTS)
SCOPES = ("mine", "team")
DIRECTIONS: tuple[dict[str, str], ...] = ({}, {"notes": "in", "phones": "out"}, {"job_title": "out", "emails": "in"})
OTHER = "Другие"


class TwoWayMachine(RuleBasedStateMachine):
    """Everything that happens to clients on both sides."""

    template: Path
    make_outlook: Callable[[], Outlook]
    observes = True
    """Whether each run is looked at; the end always is."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.template, type(self).make_outlook())
        self.ledger = Ledger()
        self.doings = Doings()
        self.merges: list[int] = []
        self.trash: list[tuple[str, str]] = []
        self.cards: dict[tuple[str, str], int] = {}
        self.others = {name: self.world.outlook.add_folder(name, OTHER) for name in NAMES}

    @initialize(
        page_size=st.sampled_from([1, 50]),
        owners=st.lists(names, min_size=1, max_size=3),
        is_synced=st.booleans(),
        turn=st.integers(0, 2),
    )
    def begin(self, page_size: int, owners: list[str], is_synced: bool, turn: int) -> None:
        self.world.settings.mirror.page_size = page_size
        for number, name in enumerate(NAMES):
            self.world.choose(
                name,
                scope=("mine", "team", "mine")[number],
                conflict=("latest", "crm", "outlook")[(number + turn) % 3],
                on_delete=("unlink", "archive", "unlink")[(number + turn) % 3],
                directions=DIRECTIONS[1] if name == "vera" else {},
            )
        for owner in owners:
            self.create(owner)
        if is_synced:
            self.run_everything()

    # In Outlook

    @precondition(lambda self: self.entries())
    @rule(data=st.data(), field=fields, act=acts)
    def type_in_outlook(self, data: st.DataObject, field: str, act: str) -> None:
        self.type_on(self.choose_entry(data), data, field, act)

    @precondition(lambda self: self.entries())
    @rule(data=st.data(), field=fields, act=acts)
    def type_on_a_card(self, data: st.DataObject, field: str, act: str) -> None:
        cards = self.live()
        entries = [entry for entry in self.entries() if entry.remote_id in cards]
        if entries:
            self.type_on(data.draw(st.sampled_from(entries)), data, field, act)

    @precondition(lambda self: self.entries())
    @rule(data=st.data(), act=st.sampled_from(edits.NOTE_ACTS))
    def type_notes(self, data: st.DataObject, act: str) -> None:
        entry = self.choose_entry(data)
        body = edits.notes_edit(entry.body, act, self.ledger.word("notes"))
        self.change(entry, replace(entry.record, body=body), "notes")
        is_gone = edits.BLOCK.search(entry.body.content) and "[TerraCRM:" not in body.content
        if is_gone and entry.remote_id in self.live():
            self.doings.unblocked.add(entry.remote_id)

    @precondition(lambda self: self.entries())
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        entry = self.choose_entry(data)
        contact_id = self.live().get(entry.remote_id)
        if contact_id:
            self.doings.declined.add((entry.owner, contact_id))
        self.forget_words(words_of(entry))
        self.trash.append((entry.owner, self.world.outlook.delete(entry)))

    @precondition(lambda self: self.trash)
    @rule(data=st.data(), into_clients=st.booleans())
    def take_out_of_the_trash(self, data: st.DataObject, into_clients: bool) -> None:
        name, remote_id = self.trash.pop(data.draw(st.integers(0, len(self.trash) - 1)))
        target = self.world.clients_folder(name) if into_clients else self.others[name]
        if target is not None:
            made = self.world.outlook.move(name, remote_id, target)
            self.moved(remote_id, made)
            self.doings.theirs.add(made)

    @precondition(lambda self: self.entries())
    @rule(data=st.data())
    def move(self, data: st.DataObject) -> None:
        entry = self.choose_entry(data)
        target = data.draw(st.sampled_from(self.places(entry.owner)))
        if target.remote_id != entry.folder.remote_id:
            made = self.world.outlook.move(entry.owner, entry.remote_id, target)
            if entry.remote_id not in self.live():
                self.doings.theirs.add(entry.remote_id)
            self.moved(entry.remote_id, made)

    @precondition(lambda self: self.has_room())
    @rule(data=st.data())
    def copy(self, data: st.DataObject) -> None:
        entries = self.entries()
        if entries:
            entry = data.draw(st.sampled_from(entries))
            made = self.world.outlook.copy(entry, data.draw(st.sampled_from(self.places(entry.owner))))
            if entry.key:
                self.doings.copied.add(entry.key)
            else:
                self.doings.theirs.add(made)

    @precondition(lambda self: self.entries())
    @rule(data=st.data(), is_private=st.sampled_from([True, False]))
    def mark(self, data: st.DataObject, is_private: bool) -> None:
        entry = self.choose_entry(data)
        if entry.record.is_private != is_private:
            self.is_about_private(entry)
            self.world.outlook.edit(entry, replace(entry.record, is_private=is_private), {"is_private"})

    @precondition(lambda self: self.entries())
    @rule(data=st.data(), categories=st.sampled_from([(), ("Синяя",), ("Синяя", "VIP")]))
    def categorise(self, data: st.DataObject, categories: tuple[str, ...]) -> None:
        entry = self.choose_entry(data)
        self.world.outlook.edit(entry, replace(entry.record, categories=categories), {"categories"})

    @precondition(lambda self: self.has_room())
    @rule(
        data=st.data(),
        name=names,
        among_clients=st.booleans(),
        whose=st.sampled_from(["nobody's", "new", "client's"]),
        is_private=st.sampled_from([False, False, False, True]),
    )
    def put_in(self, data: st.DataObject, name: str, among_clients: bool, whose: str, is_private: bool) -> None:
        """A new entry of a person: without an address, with a new one, or with that of a client."""
        folder = self.world.clients_folder(name) if among_clients else self.contacts_folder(name)
        if folder is None:
            return
        address = f"{self.ledger.word('emails')}@firm.example" if whose == "new" else ""
        if whose == "client's":
            known = self.addresses()
            address = data.draw(st.sampled_from(known)) if known else ""
        word = self.ledger.word("display_name")
        record = ContactRecord(
            display_name=f"Имя {word}",
            given_name="Имя",
            surname=word,
            job_title=f"Поле {self.ledger.word('job_title')}",
            emails=(LabelledAddress("1", address),) if address else (),
            phones=(Phone("mobile", f"+{self.ledger.word('phones')}"),),
            notes=f"Заметка {self.ledger.word('notes')}",
            is_private=is_private,
        )
        made = self.world.outlook.put(name, folder, record)
        self.doings.theirs.add(made)
        self.ledger.note(record, name, item=made)
        if is_private:
            self.ledger.let_go(words(record))

    @precondition(lambda self: not self.doings.folder_gone)
    @rule(name=names, really=st.sampled_from([False, False, True]))
    def delete_the_clients_folder(self, name: str, really: bool) -> None:
        folder = self.world.clients_folder(name) if really else None
        if folder is None:
            return
        for entry in self.world.outlook.entries(name):
            if entry.folder.remote_id == folder.remote_id:
                self.forget_words(words_of(entry))
        self.doings.folder_gone.add(name)
        self.world.outlook.remove_folder(name, folder)

    # In the CRM

    @precondition(lambda self: self.contacts())
    @rule(data=st.data(), field=fields, act=acts)
    def type_in_the_crm(self, data: st.DataObject, field: str, act: str) -> None:
        self.type_about(self.choose_contact(data), data, field, act)

    def type_about(self, contact_id: int, data: st.DataObject, field: str, act: str) -> None:
        with self.world.sessions() as session:
            contact = session.get_one(Contact, contact_id)
            value = self.typed_value(contact, data, field, act)
        if self.world.edit(contact_id, {field: value}):
            self.ledger.note(value, CRM, about=contact_id)

    def typed_value(self, contact: Contact, data: st.DataObject, field: str, act: str) -> Any:
        word = self.ledger.word(field)
        if field == "birthday":
            day = data.draw(st.sampled_from(edits.DAYS))
            return day.isoformat() if day else ""
        if field in SCALARS:
            return "" if act == "remove" and field != "display_name" else edits.text_of(field, word)
        entries = contact_data.entries(contact, field)
        return edits.list_edit(field, entries, act, self.pick(data), word)

    @precondition(lambda self: self.contacts())
    @rule(data=st.data(), is_archived=st.booleans())
    def archive(self, data: st.DataObject, is_archived: bool) -> None:
        self.world.archive(self.choose_contact(data), is_archived)

    @precondition(lambda self: self.contacts())
    @rule(data=st.data(), name=names)
    def assign(self, data: st.DataObject, name: str) -> None:
        self.world.assign(self.choose_contact(data), name)

    @precondition(lambda self: self.has_room())
    @rule(owner=names)
    def create(self, owner: str) -> None:
        values: dict[str, Any] = {
            "display_name": f"Имя {self.ledger.word('display_name')}",
            "job_title": f"Поле {self.ledger.word('job_title')}",
            "notes": f"Заметка {self.ledger.word('notes')}",
            "emails": [edits.entry_of("emails", self.ledger.word("emails"), "1")],
            "phones": [edits.entry_of("phones", self.ledger.word("phones"), "mobile")],
        }
        self.ledger.note(values, CRM, about=self.world.create(owner, values))

    @precondition(lambda self: len(self.contacts()) > 1)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        winner, loser = data.draw(st.permutations(self.contacts()))[:2]
        self.merges.append(self.world.merge(winner, loser))

    @precondition(lambda self: self.merges)
    @rule()
    def undo_merge(self) -> None:
        self.world.undo_merge(self.merges.pop())

    @precondition(lambda self: self.addresses())
    @rule(data=st.data(), name=names)
    def write_a_mail(self, data: st.DataObject, name: str) -> None:
        self.world.outlook.deliver(name, data.draw(st.sampled_from(self.addresses())), "Вопрос")
        self.world.outlook.mend()
        self.world.run(name, "mail")

    @rule(
        name=names,
        scope=st.sampled_from(SCOPES),
        conflict_rule=st.sampled_from(["crm", "outlook", "latest"]),
        directions=st.sampled_from(DIRECTIONS),
    )
    def change_settings(self, name: str, scope: str, conflict_rule: str, directions: dict[str, str]) -> None:
        self.world.choose(name, scope=scope, conflict=conflict_rule, directions=directions)

    @precondition(lambda self: self.doings.folder_gone)
    @rule()
    def let_the_folder_be_made_again(self) -> None:
        name = min(self.doings.folder_gone)
        self.doings.folder_gone.discard(name)
        self.world.run(name)
        self.world.choose(name, make_folder=True)

    # Servers, workers, and runs

    @rule(what=st.sampled_from(["answer", "cursors", "busy", "once more", "no more"]))
    def have_a_bad_day(self, what: str) -> None:
        match what:
            case "answer":
                self.world.outlook.lose_answer()
            case "cursors":
                self.world.outlook.expire_cursors()
            case "busy":
                self.world.outlook.fail_next()
            case _:
                self.world.outlook.change_once_more(what == "once more")

    @rule(name=names)
    def run(self, name: str) -> None:
        self.watched_run(name)

    @rule()
    def run_everything(self) -> None:
        for name in NAMES:
            self.watched_run(name)

    @rule(name=names, point=st.integers(1, 60))
    def run_and_be_killed(self, name: str, point: int) -> None:
        points = self.world.points
        points.passed, points.crash_at = 0, point
        try:
            self.watched_run(name)
        except Crash:
            self.world.bury_the_worker()
        points.crash_at = 0

    @rule(
        data=st.data(),
        name=names,
        where=st.sampled_from(["write: before", "write: after", "read: before", "read: after", "commit: after"]),
        after=st.integers(0, 6),
        field=fields,
        act=acts,
        who=st.sampled_from(["outlook", "crm", "another run", "takes over"]),
    )
    def run_while_others_work(
        self, data: st.DataObject, name: str, where: str, after: int, field: str, act: str, who: str
    ) -> None:
        """Somebody is quicker, between any two steps of a run."""

        def work() -> None:
            match who:
                case "outlook":
                    mine = self.world.outlook.entries(name)
                    if mine:
                        self.type_on(data.draw(st.sampled_from(mine)), data, field, act)
                case "crm":
                    if self.contacts():
                        self.type_about(self.choose_contact(data), data, field, act)
                case "another run":
                    for other in NAMES:
                        assert (self.world.run(other) is None) == (other == name)
                        self.note_cards()
                case _:
                    self.world.bury_the_worker()
                    self.world.run(name)

        # Who is too late to be stopped at a write may still do it: see docs, a lease is longer than any write.
        where = "read: after" if who == "takes over" else where
        if where == "commit: after" and who != "outlook":
            where = "read: after"  # within the session's own commit nobody else can write to SQLite
        self.world.points.hooks = [(after, where, work)]
        self.world.now()
        self.world.run(name)
        self.world.points.hooks = []
        self.note_cards()

    def teardown(self) -> None:
        try:
            self.world.settle()
            holds_when_settled(self.world, self.ledger, self.doings)
        finally:
            self.world.close()

    # Small things

    def watched_run(self, name: str) -> None:
        self.world.now()
        before = look(self.world, name) if self.observes else None
        summary = self.world.run(name)
        assert summary is not None
        assert summary.state in ("ok", "degraded", "backoff"), (summary.state, summary.error)
        if before:
            holds_of_run(self.world, name, before, look(self.world, name), self.doings)
        self.note_cards()

    def note_cards(self) -> None:
        """Whose card each item is, also for when it no longer is, and whom its words are about."""
        with self.world.sessions() as session:
            for link in session.scalars(select(Link).where(Link.entity == "contact")):
                self.cards[link.remote_id, link.key] = link.local_id
                self.ledger.tell(link.remote_id, link.local_id)

    def type_on(self, entry: Entry, data: st.DataObject, field: str, act: str) -> None:
        word = self.ledger.word(field)
        record = entry.record
        if field == "notes":
            kind = data.draw(st.sampled_from(edits.NOTE_ACTS[:3]))
            record = replace(record, body=edits.notes_edit(entry.body, kind, word))
        elif field == "birthday":
            record = replace(record, birthday=data.draw(st.sampled_from(edits.DAYS)))
        elif field in SCALARS:
            is_removed = act == "remove" and field != "display_name"
            record = replace(record, **{field: "" if is_removed else edits.text_of(field, word)})
        else:
            entries = edits.list_edit(field, edits.entries_of(record, field), act, self.pick(data), word)
            record = edits.with_entries(record, field, entries)
        self.change(entry, record, field)

    def change(self, entry: Entry, record: ContactRecord, field: str) -> None:
        """An edit in Outlook, and what it means for the words."""
        self.world.outlook.edit(entry, record, {field})
        said = record.body.content if field == "notes" and record.body else getattr(record, field)
        contact_id = self.live().get(entry.remote_id, 0)
        self.ledger.note(said, entry.owner, about=contact_id, item=entry.remote_id)
        self.forget_words(words_of(entry) - words_of(replace(entry, record=record)))
        is_copy = entry.key in self.doings.copied and not contact_id
        if is_copy or entry.record.is_private or self.is_off(entry.owner, field):
            self.ledger.let_go(words(said) - words_of(entry))

    def forget_words(self, gone: set[str]) -> None:
        """A person took words away that the CRM had not heard of."""
        if gone:
            with self.world.sessions() as session:
                self.ledger.let_go(gone - kept(session))

    def is_about_private(self, entry: Entry) -> None:
        self.ledger.let_go(self.ledger.typed_on(entry.remote_id))
        with self.world.sessions() as session:
            links = session.scalars(select(Link.local_id).where(Link.remote_id == entry.remote_id))
            self.doings.was_private |= set(links)
        for (remote_id, key), contact_id in self.cards.items():
            if remote_id == entry.remote_id or (entry.key and key == entry.key):
                self.doings.was_private.add(contact_id)

    def is_off(self, name: str, field: str) -> bool:
        with self.world.sessions() as session:
            stream = session.get_one(Stream, self.world.people[name].stream_id)
            return stream.field_directions.get(field) == "off"

    def moved(self, old: str, new: str) -> None:
        self.doings.moved(old, new)
        self.ledger.moved(old, new)

    def live(self) -> dict[str, int]:
        """The items that are linked as cards, with their contacts."""
        with self.world.sessions() as session:
            links = [link for name in NAMES for link in self.world.links(session, name)]
            return {link.remote_id: link.local_id for link in links}

    def entries(self) -> list[Entry]:
        return [entry for name in NAMES for entry in self.world.outlook.entries(name)]

    def choose_entry(self, data: st.DataObject) -> Entry:
        return data.draw(st.sampled_from(self.entries()))

    def contacts(self) -> list[int]:
        return self.world.contact_ids(Contact.merged_into_id.is_(None))

    def choose_contact(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(self.contacts()))

    def has_room(self) -> bool:
        return len(self.contacts()) < 5 and len(self.entries()) < 12

    def addresses(self) -> list[str]:
        with self.world.sessions() as session:
            contacts = session.scalars(select(Contact).order_by(Contact.id)).all()
            return [row.address for contact in contacts for row in contact.addresses if row.address]

    def places(self, name: str) -> list[Folder]:
        clients = self.world.clients_folder(name)
        return [self.contacts_folder(name), self.others[name], *([clients] if clients else [])]

    def contacts_folder(self, name: str) -> Folder:
        return next(folder for folder in self.world.outlook.folders(name) if folder.well_known == "contacts")

    @staticmethod
    def pick(data: st.DataObject) -> Callable[[int], int]:
        return lambda below: data.draw(st.integers(0, below - 1))
