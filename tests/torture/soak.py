"""A daemon at work for some minutes while everything around it fails and is killed; in the end both sides are equal.

    python -m tests.torture.soak [--minutes 3] [--mailboxes 50] [--seed N] [--database URL]

People work in Outlook and in the CRM, the server has random faults, workers and the daemon are killed with SIGKILL.
Then the faults end, everything settles, and each mailbox is compared with the CRM, item by item.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from exchangelib.items import Contact as Card
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker

from terracrm import db
from terracrm.domain.addresses import DomainPolicy
from terracrm.models import Contact, Link, Mailbox, OutboxItem, QuarantinedItem, Stream, SyncRun, User, utcnow
from terracrm.services import contact_edits, mailboxes
from terracrm.services.access import operator
from tests.torture.databases import Database, PostgreSQL, SQLite
from tests.torture.exchange import DOMAIN, PASSWORD, Exchange
from tests.torture.office import Place, address_of, mail

FAULTS = ("server_busy", "unavailable", "internal", "slow", "drop", "cut", "truncated", "invalid_sync_state",
          "second_change", "empty_folder", "unauthorized")  # fmt: skip
MIRRORED = ("/Inbox/", "/Sent Items/", "/Contacts/", "/Calendar/")
CLIENTS_EACH = 2
SETTLE_SECONDS = 600


@dataclass
class Soak:
    """One soak: where everything is, and what was done."""

    place: Place
    exchange: Exchange
    names: list[str]
    random: random.Random
    sessions: sessionmaker[Session]
    config: Path
    done: Counter[str] = field(default_factory=Counter)
    daemon: subprocess.Popen[bytes] | None = None
    letters: int = 0

    def set_up(self) -> None:
        """A user with a mailbox and some clients for each name."""
        password = self.place.folder / "password"
        password.write_text(PASSWORD)
        with self.sessions.begin() as session:
            for name in self.names:
                self.exchange.add_mailbox(name)
                address = address_of(name)
                user = User(name=name, email=address, role_code="manager", language="en")
                session.add(user)
                session.flush()
                box = mailboxes.add(session, address, self.place.exchange, address, password_file=password)
                next(stream for stream in box.streams if stream.kind == "contacts").direction = "both"
                mailboxes.enable(session, box)
                for number in range(CLIENTS_EACH):
                    title = f"Client {name} {number}"
                    session.add(Contact(display_name=title, name_key=title.lower(), owner_id=user.id))

    def start(self) -> None:
        """The daemon, in a group of its own with its workers."""
        command = [sys.executable, "-m", "terracrm", "--config", str(self.config), "daemon"]
        log = (self.place.folder / "daemon.log").open("ab")
        self.daemon = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        log.close()

    def kill_daemon(self) -> None:
        """SIGKILL to the daemon and all its workers."""
        if self.daemon is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.daemon.pid, signal.SIGKILL)
            self.daemon.wait()

    def step(self) -> None:
        """One random thing happens."""
        acts = [self.letter] * 6 + [self.outlook] * 4 + [self.crm] * 3 + [self.fault] * 2 + [self.mend] * 2
        acts += [self.kill_worker] * 2 + [self.restart] + [self.all_due] * 4
        act = self.random.choice(acts)
        act()
        self.done[act.__name__] += 1

    def letter(self) -> None:
        self.letters += 1
        to = self.random.sample(self.names, min(len(self.names), self.random.choice((1, 1, 2))))
        number = self.letters
        text = mail(
            "1", f"c{number % 9}@client{number % 5}.example", ", ".join(map(address_of, to)), f"L{number}", "Hi"
        )
        self.exchange.deliver(text.replace(b"<1@mail.test>", f"<{number}@soak.test>".encode()), *to)

    def outlook(self) -> None:
        """Somebody edits, deletes or reads in Outlook, as a person meets faults, too: then not."""
        person = self.place.person(self.random.choice(self.names))
        try:
            letters, cards = list(person.inbox.all()[:20]), list(person.contacts.all()[:20])
            kind = self.random.choice(("read", "delete", "contact", "edit"))
            if kind == "contact":
                self.letters += 1
                title = f"Own {self.letters}"
                Card(account=person, folder=person.contacts, display_name=title, given_name=title).save()
            elif kind == "edit" and cards:
                card = self.random.choice(cards)
                card.job_title = f"Job {self.random.randrange(99)}"
                card.save(update_fields=["job_title"])
            elif letters:
                letter = self.random.choice(letters)
                if kind == "delete":
                    letter.delete()
                else:
                    letter.is_read = not letter.is_read
                    letter.save(update_fields=["is_read"])
        except Exception:  # noqa: BLE001 - a fault met the person
            self.done["people met a fault"] += 1
        finally:
            person.protocol.close()

    def crm(self) -> None:
        """Somebody edits a client in the CRM."""
        policy = DomainPolicy.of([DOMAIN], self.place.settings.mirror.free_mail_domains)
        with suppress(Exception), self.sessions() as session:
            db.begin_write(session)
            ids = list(session.scalars(select(Contact.id).where(Contact.owner_id.is_not(None))))
            wanted = {"job_title": f"Title {self.random.randrange(99)}"}
            contact_edits.edit(session, policy, operator(), self.random.choice(ids), wanted)
            session.commit()

    def fault(self) -> None:
        kind = self.random.choice(FAULTS)
        settings: dict[str, object] = {"probability": 0.2, "seed": self.random.randrange(1 << 30)}
        if kind == "unauthorized":
            settings |= {"mailbox": address_of(self.random.choice(self.names)), "count": 1}
        self.exchange.fault(kind, milliseconds=200, **settings)

    def mend(self) -> None:
        self.exchange.mend()

    def kill_worker(self) -> None:
        assert self.daemon is not None
        with suppress(OSError, ValueError, IndexError):
            children = Path(f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children").read_text().split()
            os.kill(int(self.random.choice(children)), signal.SIGKILL)

    def restart(self) -> None:
        self.kill_daemon()
        self.start()

    def all_due(self) -> None:
        with self.sessions.begin() as session:
            db.begin_write(session)
            session.execute(update(Stream).values(due_at=utcnow()))

    def settle(self) -> None:
        """The faults are over: wait until all that was owed is done, and every stream was read twice since."""
        self.exchange.mend()
        self.restart()
        for _ in range(2):
            since = utcnow()
            with self.sessions.begin() as session:
                db.begin_write(session)
                for box in session.scalars(select(Mailbox)).unique():
                    mailboxes.enable(session, box)
                session.execute(update(QuarantinedItem).values(next_try_at=since))
                session.execute(update(OutboxItem).values(next_try_at=since - timedelta(seconds=1)))
            deadline = time.monotonic() + SETTLE_SECONDS
            while not self._is_settled(since):
                assert time.monotonic() < deadline, f"it does not settle: {self._states()}"
                time.sleep(1)
        self.kill_daemon()

    def _is_settled(self, since: object) -> bool:
        with self.sessions() as session:
            done = Stream.last_success_at > since
            left = session.scalar(select(func.count()).select_from(Stream).where(done.is_not(True)))
            owed = session.scalar(select(func.count()).select_from(OutboxItem).where(OutboxItem.reason != "time"))
            return not left and not owed

    def _states(self) -> object:
        with self.sessions() as session:
            return list(session.execute(select(Stream.state, Stream.last_error, func.count()).group_by(*_STATE)))

    def problems(self) -> list[str]:
        """How the CRM and the mailboxes differ."""
        contents = self.exchange.contents()
        found = [f"somebody was mailed: {contents.outbound}"] if contents.outbound else []
        there = {
            remote_id: item
            for remote_id, item in contents.items.items()
            if any(part in f"{item.name}/" for part in MIRRORED)
        }
        with self.sessions() as session:
            live = {link.remote_id: link for link in session.scalars(select(Link).where(Link.gone_at.is_(None)))}
            found += [f"missing here: {there[each].name}" for each in there.keys() - live.keys()]
            found += [
                f"no longer there: {live[each].entity} {live[each].local_id}" for each in live.keys() - there.keys()
            ]
            cards: Counter[tuple[int, int]] = Counter()
            for remote_id in live.keys() & there.keys():
                link, item = live[remote_id], there[remote_id]
                if link.rule == "clients":
                    cards[link.mailbox_id, link.local_id] += 1
                    title = session.get_one(Contact, link.local_id).job_title
                    if title and f"JobTitle[]={title} " not in f"{item.line} ":
                        found.append(f"{item.name} does not say {title}")
            owner = select(Mailbox.id, Contact.id).join(User, User.id == Mailbox.user_id).join(Contact)
            wanted = {tuple(row) for row in session.execute(owner.where(Contact.owner_id == User.id, _LIVE))}
            found += [f"a card is there {count} times: {card}" for card, count in cards.items() if count > 1]
            found += [f"a card is missing: {card}" for card in wanted - cards.keys()]
            states = session.execute(select(Stream.state, Stream.last_error).where(Stream.state != "ok")).all()
            found += [f"a stream is not well: {row}" for row in states]
            self.done["runs"] = session.scalar(select(func.count()).select_from(SyncRun)) or 0
            self.done["items there and here"] = len(there)
            self.done["cards"] = len(cards)
        return found


_STATE = (Stream.state, Stream.last_error)
_LIVE = Contact.archived_at.is_(None) & Contact.merged_into_id.is_(None)


def main() -> int:
    """Soak, print the numbers, and 1 when the two sides differ."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--mailboxes", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database", default="")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Exchange() as exchange:
        folder = Path(name)
        database: Database = PostgreSQL(asked.database) if asked.database else SQLite(folder)
        config = folder / "config.toml"
        config.write_text(
            f'[database]\nurl = "{database.url}"\n[paths]\ndata_dir = "{folder / "data"}"\n'
            f'[mirror]\ninternal_domains = ["{DOMAIN}"]\n[outlook]\nwrite_delay_seconds = 0\n'
            "[sync]\nworkers = 2\nretry_base_seconds = 1\nretry_max_seconds = 5\nbrake_items = 0\n"
        )
        names = [f"u{number}" for number in range(asked.mailboxes)]
        engine = db.make_engine(database.url)
        place = Place(folder, database.url, exchange.url)
        sessions = db.session_factory(engine)
        soak = Soak(place, exchange, names, random.Random(asked.seed), sessions, config)
        try:
            problems = _soak(soak, asked.minutes)
        except BaseException:
            print((folder / "daemon.log").read_text(errors="replace")[-3000:], file=sys.stderr)
            raise
        finally:
            soak.kill_daemon()
            engine.dispose()
            database.close()
    print("\n".join(problems[:30]))
    told = ", ".join(f"{count} {what}" for what, count in sorted(soak.done.items()))
    print(f"soak of {asked.mailboxes} mailboxes for {asked.minutes:g} min: {told}; {len(problems)} differences")
    return bool(problems)


def _soak(soak: Soak, minutes: float) -> list[str]:
    soak.set_up()
    soak.start()
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        soak.step()
        time.sleep(soak.random.uniform(0, 0.5))
    soak.settle()
    return soak.problems()


if __name__ == "__main__":
    sys.exit(main())
