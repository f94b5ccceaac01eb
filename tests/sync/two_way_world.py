"""An office whose clients are in Outlook: runs that may be cut off anywhere, and what the people of the CRM do."""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog
from sqlalchemy import Engine, event, select, update
from sqlalchemy.orm import Session

from connectors.base import Account, Connector
from sync.engine import run_stream
from sync.outcomes import UNEXPECTED
from sync.run import Summary
from terracrm import db
from terracrm.config import Settings
from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.records import Folder, Page
from terracrm.errors import InvalidInput
from terracrm.models import (
    Base,
    Contact,
    Link,
    Mailbox,
    MirrorFolder,
    OutboxItem,
    QuarantinedItem,
    Stream,
    User,
    utcnow,
)
from terracrm.services import (
    contact_data,
    contact_edits,
    field_history,
    mailboxes,
    merges,
    outbox,
    outlook_rules,
    teams,
)
from terracrm.services.access import operator
from terracrm.services.field_history import Origin
from tests.sync.conftest import DOMAIN
from tests.sync.two_way_outlook import Entry, Outlook, address_of

NAMES = ("anna", "boris", "vera")
TEAMS = {"anna": "North", "boris": "North", "vera": "South"}
BOOKKEEPING = {"sync_runs", "sync_run_items", "streams", "folders"}


class Crash(BaseException):
    """The process was killed here."""


@dataclass
class Points:
    """Every remote call and every commit, counted: before and after each."""

    crash_at: int = 0
    passed: int = 0
    log: list[str] = field(default_factory=list)
    hooks: list[tuple[int, str, Callable[[], None]]] = field(default_factory=list)
    is_on: bool = False

    def reach(self, what: str) -> None:
        if not self.is_on:
            return
        self.passed += 1
        self.log.append(what)
        if self.passed == self.crash_at:
            raise Crash(f"killed at point {self.passed}: {what}")
        self._meet(what)

    def _meet(self, what: str) -> None:
        for number, (left, where, act) in enumerate(self.hooks):
            if what.startswith(where):
                if left:
                    self.hooks[number] = (left - 1, where, act)
                else:
                    del self.hooks[number]
                    self.is_on = False
                    try:
                        act()
                    finally:
                        self.is_on = True
                return


class Watched:
    """A connector whose every call is a point where the process may be killed or somebody be quicker."""

    WRITES = ("ensure_folder", "create", "update", "delete")

    def __init__(self, connector: Connector, points: Points) -> None:
        self._connector = connector
        self._points = points

    def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Iterator[Page]:
        self._points.reach("read: before changes")
        for page in self._connector.changes(folder, cursor, page_size):
            self._points.reach("read: after a page")
            yield page

    def close(self) -> None:
        self._connector.close()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._connector, name)
        kind = "write" if name in self.WRITES else "read"

        def watched(*given: Any, **named: Any) -> Any:
            self._points.reach(f"{kind}: before {name}")
            found = call(*given, **named)
            self._points.reach(f"{kind}: after {name}")
            return found

        return watched


@dataclass
class Person:
    """Whose mailbox it is, by id."""

    user_id: int
    team_id: int
    mailbox_id: int
    stream_id: int


class World:
    """Three mailboxes of two teams, their server, and the CRM's database."""

    def __init__(self, template: Path, outlook: Outlook) -> None:
        self.outlook = outlook
        path, self.engine = database(template)
        (path / "password").write_text("secret")
        self.sessions = db.session_factory(self.engine)
        self.settings = Settings(
            paths={"data_dir": path / "data"},  # type: ignore[arg-type]
            mirror={"internal_domains": [DOMAIN]},  # type: ignore[arg-type]
            outlook={"write_delay_seconds": 0},  # type: ignore[arg-type]
        )
        self.policy = DomainPolicy.of([DOMAIN], self.settings.mirror.free_mail_domains)
        self.points = Points()
        event.listen(self.sessions, "before_commit", lambda _: self.points.reach("commit: before"))
        event.listen(self.sessions, "after_commit", lambda _: self.points.reach("commit: after"))
        self.errors: list[str] = []
        structlog.configure(processors=[self._note_error], logger_factory=structlog.ReturnLoggerFactory())
        self.people: dict[str, Person] = {}
        for name in NAMES:
            self._add(name, path / "password")

    def _add(self, name: str, password_file: Path) -> None:
        self.outlook.add_mailbox(name)
        address = address_of(name)
        with self.sessions.begin() as session:
            # Without a password: hashing one takes longer than all the rest.
            user = User(name=name, email=address, role_code="manager", team=teams.named(session, TEAMS[name]))
            session.add(user)
            session.flush()
            mailbox = mailboxes.add(session, address, self.outlook.server, address, password_file=password_file)
            mailboxes.enable(session, mailbox)
            stream = next(stream for stream in mailbox.streams if stream.kind == "contacts")
            stream.direction = "both"
            assert user.team_id
            self.people[name] = Person(user.id, user.team_id, mailbox.id, stream.id)

    def close(self) -> None:
        self.outlook.close()
        self.engine.dispose()

    def _note_error(self, _: Any, __: str, event_dict: Any) -> str:
        if event_dict.get("exc_info"):
            self.errors.append(traceback.format_exc())
        return str(event_dict)

    # Running

    def connect(self, account: Account) -> Connector:
        return Watched(self.outlook.connect(account), self.points)  # type: ignore[return-value]

    def run(self, name: str, kind: str = "contacts") -> Summary | None:
        """One run of a stream; None when another worker has it. Raises Crash where one was asked for."""
        stream_id = self.people[name].stream_id
        if kind != "contacts":
            with self.sessions() as session:
                mine = Stream.mailbox_id == self.people[name].mailbox_id
                stream_id = session.scalars(select(Stream.id).where(mine, Stream.kind == kind)).one()
        self.errors.clear()
        self.points.is_on = True
        try:
            summary = run_stream(self.settings, self.sessions, stream_id, self.connect)
        finally:
            self.points.is_on = False
        assert summary is None or summary.error != UNEXPECTED, "\n".join(self.errors)
        assert not self.errors, "\n".join(self.errors)
        return summary

    def bury_the_worker(self) -> None:
        """The worker was killed: its claims are free, as `claims.is_free` finds of a process that has ended."""
        with self.sessions.begin() as session:
            session.execute(update(Stream).values(claim="", claimed_until=None))

    def now(self) -> None:
        """Let all the waiting be over."""
        past = utcnow() - timedelta(minutes=1)
        with self.sessions.begin() as session:
            session.execute(update(QuarantinedItem).values(next_try_at=past))
            session.execute(update(OutboxItem).where(OutboxItem.state == "owed").values(next_try_at=past))

    def settle(self, rounds: int = 12) -> int:
        """Run everything until nothing changes any more; in how many rounds it did."""
        self.points.crash_at, self.points.hooks = 0, []
        self.outlook.mend()
        for number in range(rounds):
            before = self.dump(), self.outlook.writes()
            for name in NAMES:
                self.now()
                summary = self.run(name)
                assert summary is not None, f"somebody else still has {name}'s stream"
                assert summary.state in ("ok", "degraded"), (summary.state, summary.error)
            after = self.dump(), self.outlook.writes()
            if after == before:
                return number
        raise AssertionError(f"it does not settle: {difference(before[0], after[0])}, {after[1] - before[1]} writes")

    # The state of things

    def dump(self) -> dict[str, list[str]]:
        """All rows of all tables but for bookkeeping."""
        with self.sessions() as session:
            return {
                table.name: sorted(map(repr, session.execute(select(table)).all()))
                for table in Base.metadata.sorted_tables
                if table.name not in BOOKKEEPING
            }

    def everybodys(self) -> dict[str, list[Entry]]:
        return {name: self.outlook.entries(name) for name in NAMES}

    def links(self, session: Session, name: str, is_live: bool = True) -> list[Link]:
        """The links to client cards of a mailbox."""
        query = select(Link).where(Link.mailbox_id == self.people[name].mailbox_id, Link.rule == outbox.CLIENTS)
        return list(session.scalars(query.where(Link.gone_at.is_(None) if is_live else Link.gone_at.is_not(None))))

    def clients_folder(self, name: str) -> Folder | None:
        """The folder of client cards as its owner sees it."""
        with self.sessions() as session:
            role = MirrorFolder.role == "clients", MirrorFolder.gone_at.is_(None)
            query = select(MirrorFolder.remote_id).where(MirrorFolder.stream_id == self.people[name].stream_id, *role)
            known = set(session.scalars(query))
        return next((folder for folder in self.outlook.folders(name) if folder.remote_id in known), None)

    def contact_ids(self, *conditions: Any) -> list[int]:
        with self.sessions() as session:
            return list(session.scalars(select(Contact.id).where(*conditions).order_by(Contact.id)))

    # What the CRM's people do

    def create(self, owner: str, values: dict[str, Any]) -> int:
        person = self.people[owner]
        with self.sessions.begin() as session:
            db.begin_write(session)
            made = Contact(display_name="", name_key="", owner_id=person.user_id, team_id=person.team_id)
            made.created_by_rule = "portal"
            session.add(made)
            session.flush()
            contact_data.change(session, self.origin(owner), self.policy, made, values)
            return made.id

    def edit(self, contact_id: int, values: dict[str, Any]) -> bool:
        """Set fields as in a snapshot, texts or whole lists of entries; False where the portal refuses them."""
        with self.sessions() as session:
            db.begin_write(session)
            try:
                contact_edits.edit(session, self.policy, operator(), contact_id, values)
            except InvalidInput:
                return False
            session.commit()
            return True

    def archive(self, contact_id: int, is_archived: bool) -> None:
        with self.sessions.begin() as session:
            db.begin_write(session)
            (contact_edits.archive if is_archived else contact_edits.restore)(session, operator(), contact_id)

    def assign(self, contact_id: int, name: str) -> None:
        person = self.people[name]
        with self.sessions.begin() as session:
            db.begin_write(session)
            contact_edits.assign(session, operator(), contact_id, person.user_id, person.team_id)

    def origin(self, name: str) -> Origin:
        return Origin(field_history.PORTAL, self.people[name].user_id, self.people[name].team_id)

    def merge(self, winner_id: int, loser_id: int) -> int:
        with self.sessions.begin() as session:
            return merges.merge(session, operator(), "contact", winner_id, loser_id).id

    def undo_merge(self, merge_id: int) -> None:
        with self.sessions.begin() as session:
            try:
                merges.undo(session, self.settings, operator(), merge_id)
            except merges.MergeRefused:
                session.rollback()

    def choose(self, name: str, *, make_folder: bool = False, **values: Any) -> None:
        """Rules of a mailbox, as an admin sets them: scope, conflict, on_delete, directions."""
        with self.sessions.begin() as session:
            mailbox = session.get_one(Mailbox, self.people[name].mailbox_id)
            rules = replace(outlook_rules.of(mailbox), **values)
            outlook_rules.apply(session, self.settings, mailbox, rules, None, make_folder=make_folder)


@cache
def _home(_: Path) -> tuple[TemporaryDirectory[str], Engine]:
    """One engine for all walks: what it has compiled of SQL is half of what a new one has to do."""
    home = TemporaryDirectory()
    return home, db.make_engine(f"sqlite:///{home.name}/terracrm.db")


def database(template: Path) -> tuple[Path, Engine]:
    """A fresh copy of the template, in the place where the last one was."""
    home, engine = _home(template)
    engine.dispose()
    for leftover in Path(home.name).glob("terracrm.db*"):
        leftover.unlink()
    shutil.copy(template, Path(home.name) / "terracrm.db")
    return Path(home.name), engine


def difference(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, Collection[str]]:
    """The rows that are not the same."""
    return {
        name: sorted(set(before[name]) ^ set(after[name])) for name in before if set(before[name]) != set(after[name])
    }
