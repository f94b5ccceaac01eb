"""An undone merge was never there: two offices live through the same, and one of them merges and undoes it (M4)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm import db
from terracrm.config import Settings
from terracrm.domain.records import ContactRecord, LabelledAddress, Phone
from terracrm.models import Base, Company, Contact, ContactAddress, ContactPhone, Link, Participant
from terracrm.services import merge_fields, merges
from terracrm.services.access import operator
from tests.sync.conftest import DOMAIN, Office
from tests.sync.items import mail

EXAMPLES = int(os.environ.get("OFFICE_WALKS", "10"))
NAMES = ("anna", "boris")
FREE = tuple(f"{name}@mail.ru" for name in ("olga", "lavrova", "ivan", "petr"))
CLIENTS = (*FREE, "olga@lavka.example", "ivan@lavka.example", "petr@opt.example")
COMPANIES = ("", "ООО «Лавка»", "Лавка Плюс", "Опт Торг")
TEXTS = ("", "один", "два", "три")
PHONES = ("+7 916 555-01-01", "8 916 555 01 01", "+7 916 555-01-02")
# What tells when, or who did it, is not compared; nor is what only the merge itself is.
NOT_COMPARED = {"merges", "merge_moves", "audit_log", "sync_runs", "sync_run_items", "streams", "folders"}
TIMES = {"created_at", "updated_at", "changed_at", "found_at", "decided_at", "merged_at", "skipped_at", "due_at"}


@dataclass(frozen=True)
class Put:
    """A new entry in somebody's contacts folder."""

    owner: str
    record: ContactRecord


@dataclass(frozen=True)
class Edit:
    """The entry with this number says something else."""

    number: int
    record: ContactRecord


@dataclass(frozen=True)
class Delete:
    """The entry with this number is deleted."""

    number: int


@dataclass(frozen=True)
class Mail:
    """A mail from a client, or one of ours to a client."""

    owner: str
    client: str
    is_sent: bool


@dataclass
class World:
    """One of the two offices."""

    office: Office
    items: list[tuple[str, str]] = field(default_factory=list)
    mails: int = 0

    def live(self, steps: list[Any]) -> None:
        """Let these things happen, each with a run after it."""
        for step in steps:
            kind = "mail" if isinstance(step, Mail) else "contacts"
            for owner in self.happen(step):
                assert self.office.run(owner, kind).state == "ok"

    def happen(self, step: Any) -> list[str]:
        server = self.office.server
        match step:
            case Put(owner, record):
                self.items.append((owner, server.put(self.office.folder(owner, "Contacts"), record)))
                return [owner]
            case Edit(number, record) if number < len(self.items) and self.items[number][1]:
                server.change(self.items[number][1], record)
                return [self.items[number][0]]
            case Delete(number) if number < len(self.items) and self.items[number][1]:
                owner, remote_id = self.items[number]
                server.delete(remote_id)
                self.items[number] = (owner, "")
                return [owner]
            case Mail(owner, client, is_sent):
                self.mails += 1
                ours = f"{owner}@{DOMAIN}"
                record = mail(str(self.mails), *((ours, client) if is_sent else (client, ours)))
                server.put(self.office.folder(owner, "Sent Items" if is_sent else "Inbox"), record)
                return [owner]
        return []


def cards(addresses: tuple[str, ...], companies: tuple[str, ...]) -> st.SearchStrategy[ContactRecord]:
    """Entries of few words, so that they often say the same."""
    return st.builds(
        lambda emails, phones, **said: ContactRecord(
            emails=tuple(LabelledAddress(str(n), address) for n, address in enumerate(emails, 1)),
            phones=tuple(Phone("mobile", number) for number in phones),
            **said,
        ),
        st.lists(st.sampled_from(addresses), unique=True, max_size=2),
        st.lists(st.sampled_from(PHONES), unique=True, max_size=1),
        display_name=st.sampled_from(("Ольга", "Olga", "Иван")),
        company_name=st.sampled_from(companies),
        job_title=st.sampled_from(TEXTS),
        department=st.sampled_from(TEXTS),
        notes=st.sampled_from(TEXTS),
    )


def mails(addresses: tuple[str, ...]) -> st.SearchStrategy[Mail]:
    return st.builds(Mail, st.sampled_from(NAMES), st.sampled_from(addresses), st.booleans())


def puts(addresses: tuple[str, ...], companies: tuple[str, ...]) -> st.SearchStrategy[Put]:
    return st.builds(Put, st.sampled_from(NAMES), cards(addresses, companies))


BEGINNINGS = st.lists(st.one_of(puts(CLIENTS, COMPANIES), mails(CLIENTS)), min_size=3, max_size=7)
SIDES = st.sampled_from(["winner", "loser"])


@pytest.fixture(scope="module")
def worlds(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two new offices, for each example anew."""

    @contextmanager
    def make() -> Iterator[tuple[World, World]]:
        with TemporaryDirectory() as folder:
            made = [_world(Path(folder) / name, migrated_sqlite) for name in ("one", "other")]
            yield made[0], made[1]
            for world in made:
                world.office.sessions.kw["bind"].dispose()

    return make


def _world(path: Path, template: Path) -> World:
    path.mkdir()
    shutil.copy(template, path / "terracrm.db")
    (path / "password").write_text("secret")
    mirror = {"internal_domains": [DOMAIN]}
    config = Settings(paths={"data_dir": path / "data"}, mirror=mirror)  # type: ignore[arg-type]
    engine = db.make_engine(f"sqlite:///{path / 'terracrm.db'}")
    office = Office(config, db.session_factory(engine), password_file=path / "password")
    for name in NAMES:
        office.add(name)
    return World(office)


@settings(max_examples=EXAMPLES)
@given(data=st.data(), steps=BEGINNINGS, entity=st.sampled_from(["contact", "company"]))
def test_what_was_merged_and_undone_at_once_is_as_if_it_had_never_been(
    worlds: Any, data: st.DataObject, steps: list[Any], entity: merges.Entity
) -> None:
    with worlds() as (world, _):
        world.live(steps)
        with world.office.sessions.begin() as session:
            before = dump(session)
            winner, loser = choose(session, data, entity)
            if loser is None:
                return
            choices = data.draw(st.dictionaries(st.sampled_from(sorted(merge_fields.FIELDS[entity])), SIDES))
            made = merges.merge(session, operator(), entity, winner, loser, choices)
            holds(session, entity, winner, loser)
            assert merges.undo(session, world.office.settings, operator(), made.id).kept == []
            session.flush()
            assert dump(session) == before


@settings(max_examples=EXAMPLES)
@given(
    data=st.data(),
    steps=st.lists(st.one_of(puts(FREE, ("",)), mails(FREE)), min_size=3, max_size=6),
    later=st.lists(
        st.one_of(
            mails(FREE),
            st.builds(Edit, st.integers(0, 5), cards(FREE, ("",))),
            st.builds(Delete, st.integers(0, 5)),
        ),
        max_size=5,
    ),
    after=st.lists(st.builds(Edit, st.integers(0, 5), cards(FREE, ("",))), max_size=2),
)
def test_people_who_were_one_for_a_while_part_with_what_is_theirs(
    worlds: Any, data: st.DataObject, steps: list[Any], later: list[Any], after: list[Any]
) -> None:
    """What mailboxes did meanwhile is in the end as if the two had always been two."""
    with worlds() as (merging, other):
        for world in (merging, other):
            world.live(steps)
        with merging.office.sessions.begin() as session:
            winner, loser = choose(session, data, "contact")
            if loser is None:
                return
            made = merges.merge(session, operator(), "contact", winner, loser).id
        for world in (merging, other):
            world.live(later)
        with merging.office.sessions.begin() as session:
            merges.undo(session, merging.office.settings, operator(), made)
        for world in (merging, other):
            world.live(after)
        with merging.office.sessions() as one, other.office.sessions() as two:
            assert people(one) == people(two)


def choose(session: Session, data: st.DataObject, entity: str) -> tuple[int, int | None]:
    """Two to merge, or one and none where there are not two."""
    model = Contact if entity == "contact" else Company
    ids = list(session.scalars(select(model.id).order_by(model.id)))
    if len(ids) < 2:
        return 0, None
    winner, loser = data.draw(st.permutations(ids))[:2]
    return winner, loser


def holds(session: Session, entity: str, winner: int, loser: int) -> None:
    """Nothing of the history is the loser's, and nothing is lost."""
    column = Participant.contact_id if entity == "contact" else Participant.company_id
    assert session.scalars(select(Participant.activity_id).where(column == loser)).all() == []
    assert session.scalars(select(Link.id).where(Link.entity == entity, Link.local_id == loser)).all() == []


def dump(session: Session) -> dict[str, list[Any]]:
    """All tables, but for times and the ids of rows that nothing names."""
    return {
        table.name: sorted(
            repr([value for column, value in row._mapping.items() if column not in TIMES])
            for row in session.execute(select(table))
        )
        for table in Base.metadata.sorted_tables
        if table.name not in NOT_COMPARED
    }


def people(session: Session) -> dict[str, Any]:
    """Who there is, with their addresses, entries and history."""
    columns = (Contact.id, Contact.job_title, Contact.department, Contact.notes, Contact.merged_into_id)
    return {
        "contacts": session.execute(select(*columns).order_by(Contact.id)).all(),
        "addresses": sorted(session.execute(select(ContactAddress.contact_id, ContactAddress.address)).all()),
        "phones": sorted(session.execute(select(ContactPhone.contact_id, ContactPhone.e164)).all()),
        "links": sorted(session.execute(select(Link.remote_id, Link.local_id).where(Link.entity == "contact")).all()),
        "history": sorted(
            map(
                tuple,
                session.execute(
                    select(Participant.activity_id, Participant.address, Participant.contact_id.label("who"))
                    .where(Participant.match_method != "internal")
                    .order_by(Participant.activity_id)
                ),
            ),
            key=repr,
        ),
    }
