"""Purging a mailbox is as if it had never been read, whatever it shares with others (S15)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sync import claims
from terracrm import db
from terracrm.config import Settings
from terracrm.domain.records import LabelledAddress
from terracrm.services import purges
from tests.sync.conftest import DOMAIN, Office
from tests.sync.items import contact, mail, meeting
from tests.sync.test_mailbox_endings import everything, mailbox_id, story

# A few offices, the same each time; PURGES=300 looks for something new, without shrinking what it finds.
EXAMPLES = int(os.environ.get("PURGES", "1"))
NAMES = ("anna", "boris")
PEOPLE = ("olga@lavka.example", "petr@opt.example", "ivan@lavka.example")

people = st.sampled_from(PEOPLE)
received = st.builds(lambda number, who: ("Inbox", f"Письмо {number}", who), st.integers(0, 3), people)
sent = st.builds(lambda number, who: ("Sent Items", f"Ответ {number}", who), st.integers(0, 3), people)
cards = st.builds(lambda number, who: ("Contacts", f"Заметка {number}", who), st.integers(0, 3), people)
dates = st.builds(lambda number, who: ("Calendar", f"Встреча {number}", who), st.integers(0, 2), people)
items = st.lists(st.tuples(st.sampled_from(NAMES), st.one_of(received, sent, cards, dates)), max_size=8, unique=True)


def put(office: Office, owner: str, path: str, subject: str, who: str) -> None:
    """One item; mail and meetings of one subject and person are the same thing in each mailbox."""
    folder = office.folder(owner, path)
    us = f"{owner}@{DOMAIN}"
    if path == "Inbox":
        office.server.put(folder, mail(subject, who, "anna@office.test,boris@office.test", f"<{subject}{who}@test>"))
    elif path == "Sent Items":
        office.server.put(folder, mail(subject, us, who, f"<{subject}{who}{owner}@test>"))
    elif path == "Contacts":
        name, firm = who.partition("@")[0], who.partition("@")[2].partition(".")[0]
        card = contact(name, notes=subject, company_name=firm, emails=(LabelledAddress("1", who),))
        office.server.put(folder, card)
    else:
        office.server.put(folder, meeting(subject, who, uid=f"{subject}{who}", is_organizer=owner == "anna"))


def walk(template: Path, chosen: list[tuple[str, tuple[str, str, str]]], order: tuple[str, ...]) -> None:
    """What Boris' mailbox tells alone is what is left once Anna's is purged."""
    with TemporaryDirectory() as home:
        path = Path(home)
        shutil.copy(template, path / "terracrm.db")
        (path / "password").write_text("secret")
        engine = db.make_engine(f"sqlite:///{path / 'terracrm.db'}")
        config = Settings(paths={"data_dir": path / "data"}, mirror={"internal_domains": [DOMAIN]})  # type: ignore[arg-type]
        office = Office(config, db.session_factory(engine), password_file=path / "password")
        try:
            for name in NAMES:
                office.add(name)
            for owner, (folder, subject, who) in chosen:
                put(office, owner, folder, subject, who)
            everything(office, *order)
            told = purges.preview(config, office.sessions, mailbox_id(office))
            done = purges.purge(config, office.sessions, mailbox_id(office), None, claims.is_free)
            assert done == told
            left = story(office)
            purges.purge(config, office.sessions, mailbox_id(office, "boris"), None, claims.is_free)
            assert not any(story(office).values())
        finally:
            engine.dispose()
        shutil.copy(template, path / "alone.db")
        engine = db.make_engine(f"sqlite:///{path / 'alone.db'}")
        alone = Office(config, db.session_factory(engine), password_file=path / "password")
        try:
            for name in NAMES:
                alone.add(name)
            for owner, (folder, subject, who) in chosen:
                put(alone, owner, folder, subject, who)
            everything(alone, "boris")
            assert left == story(alone)
        finally:
            engine.dispose()


def test_what_is_left_is_as_if_the_mailbox_had_never_been_read(migrated_sqlite: Path) -> None:
    phases = [Phase.explicit, Phase.reuse, Phase.generate] + ([Phase.shrink] if "PURGES" not in os.environ else [])

    @settings(max_examples=EXAMPLES, phases=phases)
    @given(items, st.permutations(NAMES))
    def hold(chosen: list[tuple[str, tuple[str, str, str]]], order: list[str]) -> None:
        walk(migrated_sqlite, chosen, tuple(order))

    hold()
