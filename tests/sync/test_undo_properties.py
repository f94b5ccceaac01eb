"""After an undo all is as it was before the run, whatever runs and in whatever order; and it stays so (Y3)."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from terracrm import db
from terracrm.config import Settings
from terracrm.domain.records import ContactRecord, LabelledAddress, Phone, Record
from terracrm.services import access, undo
from tests.sync.conftest import DOMAIN, Office
from tests.sync.items import contact, mail, meeting
from tests.sync.undoing import compare, dump, last_run

SQLITE_FIRST = True

# A few offices, the same each time; UNDOS=300 looks for something new, without shrinking what it finds.
EXAMPLES = int(os.environ.get("UNDOS", "2"))
NAMES = ("anna", "boris")
OURS = [f"{name}@{DOMAIN}" for name in NAMES]
KINDS = ("contacts", "mail", "calendar")
PEOPLE = ("olga@lavka.example", "petr@opt.example", "ivan@lavka.example", "olga@mail.ru")
FIRMS = ("", "ООО «Лавка»", "Опт")

people, numbers = st.sampled_from(PEOPLE), st.integers(0, 3)
owners = st.sampled_from(NAMES)
put_mail = st.tuples(st.just("mail"), owners, numbers, people)
put_sent = st.tuples(st.just("sent"), owners, numbers, people)
put_meeting = st.tuples(st.just("meeting"), owners, numbers, people)
put_card = st.tuples(st.just("card"), owners, numbers, people, st.sampled_from(FIRMS))
edit_card = st.tuples(st.just("edit"), owners, numbers, people, st.sampled_from(FIRMS))
delete = st.tuples(st.just("delete"), owners, numbers)
acts = st.lists(st.one_of(put_mail, put_sent, put_meeting, put_card, edit_card, delete), min_size=1, max_size=4)
steps = st.lists(st.tuples(acts, owners, st.sampled_from(KINDS)), min_size=1, max_size=5)


class Desk:
    """What is in the mailboxes of an office, to be worked with."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.cards: dict[str, list[tuple[str, ContactRecord]]] = {name: [] for name in NAMES}
        self.mails: dict[str, list[str]] = {name: [] for name in NAMES}

    def put(self, name: str, path: str, record: Record) -> str:
        return self.office.server.put(self.office.folder(name, path), record)

    def do(self, act: tuple) -> None:  # type: ignore[type-arg]
        what, name, number, *more = act
        us = f"{name}@{DOMAIN}"
        match what:
            case "mail":
                letter = mail(
                    f"Письмо {number}", more[0], "anna@office.test,boris@office.test", f"<{number}{more[0]}@x>"
                )
                self.mails[name].append(self.put(name, "Inbox", letter))
            case "sent":
                self.put(name, "Sent Items", mail(f"Ответ {number}", us, more[0], f"<{number}{more[0]}{name}@x>"))
            case "meeting":
                self.put(name, "Calendar", meeting(f"Встреча {number}", more[0], uid=f"{number}{more[0]}"))
            case "card":
                card = contact(f"Имя {number}", more[0], company_name=more[1], notes=f"Заметка {number}")
                self.cards[name].append((self.put(name, "Contacts", card), card))
            case "edit" if self.cards[name]:
                place = number % len(self.cards[name])
                remote_id, card = self.cards[name][place]
                addresses = (*card.emails, LabelledAddress("2", more[0]))
                phones = (Phone("mobile", f"+7 900 000-00-0{number}"),)
                card = replace(card, job_title=f"Роль {number}", company_name=more[1], emails=addresses, phones=phones)
                self.cards[name][place] = remote_id, card
                self.office.server.change(remote_id, card)
            case "delete" if self.mails[name]:
                self.office.server.delete(self.mails[name].pop(number % len(self.mails[name])))


def walk(template: Path, chosen: list) -> None:  # type: ignore[type-arg]
    """Run after run, then undone one after the other, the last one first."""
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
            desk, done = Desk(office), []
            # In the end all is read, so that what comes later would be what came back.
            for acts, name, kind in [*chosen, *(((), name, kind) for name in NAMES for kind in KINDS)]:
                for act in acts:
                    desk.do(act)
                before = dump(office)
                assert office.run(name, kind).error == ""
                done.append((last_run(office), before))
            for run_id, before in reversed(done):
                undo_one(office, run_id)
                compare(before, dump(office))
            for is_lost in (False, True):
                if is_lost:
                    office.server.expire_cursors()
                for name in NAMES:
                    for kind in KINDS:
                        office.run(name, kind)
                compare(done[0][1], dump(office))
            assert office.server.writes == 0
        finally:
            engine.dispose()


def undo_one(office: Office, run_id: int) -> None:
    with office.sessions() as session:
        effect = undo.preview(session, office.settings, access.operator(), run_id)
    assert not effect.kept
    if not effect.is_nothing:
        with office.sessions.begin() as session:
            undo.undo(session, office.settings, access.operator(), run_id)


def test_runs_that_are_undone_leave_nothing_behind(migrated_sqlite: Path) -> None:
    phases = [Phase.explicit, Phase.reuse, Phase.generate] + ([Phase.shrink] if "UNDOS" not in os.environ else [])

    @settings(max_examples=EXAMPLES, phases=phases)
    @given(steps)
    def hold(chosen: list) -> None:  # type: ignore[type-arg]
        walk(migrated_sqlite, chosen)

    hold()
