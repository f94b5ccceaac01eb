"""The first mirror of a mailbox into SQLite, by each side in a process of its own.

    python -m benchmarks.first_mirror product|limit|limit-unsplit|stock URL DATABASE

prints one JSON line (`Told`). `prepared` makes the database that each begins with: migrated, with the mailbox, and with
a contact and a company here and there whom the letters name.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import select, update

from benchmarks import letters
from benchmarks.letters import OWNER
from benchmarks.recording import PASSWORD
from sync.connecting import connect
from sync.engine import run_stream
from sync.pool import keep_what_is_loaded
from sync.run import Summary
from terracrm import db
from terracrm.config import Settings
from terracrm.models import Company, CompanyDomain, Contact, ContactAddress, Mailbox, Stream
from terracrm.services import mailboxes

SIDES = ("product", "limit", "limit-unsplit", "stock")


@dataclass(frozen=True, slots=True)
class Told:
    """What a run took: seconds of wall-clock time and of CPU, and the most memory its process ever had, in MB."""

    messages: int
    seconds: float
    cpu: float
    peak_mb: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


def prepared(folder: Path) -> Path:
    """A database, made once in this folder, in which a first mirror may begin; to be copied."""
    path = folder / "prepared.db"
    if not path.exists():
        prepare(f"sqlite:///{path}", folder)
    return path


def prepare(database: str, folder: Path) -> None:
    """Make an empty database one in which a first mirror may begin; the password is put into the folder.

    Every second company is known by its domain, and half of these have one known contact. Those who write are known by
    their companies alone: so no signature suggests anything, which the hand-written side would have to do as well.
    """
    engine = db.make_engine(database)
    db.upgrade(engine)
    password = folder / "password"
    password.write_text(PASSWORD)
    with db.session_factory(engine).begin() as session:
        box = mailboxes.add(session, OWNER, "http://127.0.0.1/", OWNER, password_file=password, streams=["mail"])
        mailboxes.enable(session, box)
        for number in range(0, letters.COMPANIES, 2):
            domain = letters.company_domain(number)
            company = Company(name=domain, name_key=domain, domains=[CompanyDomain(domain=domain)])
            session.add(company)
            if number % 4 == 0:
                person = letters.in_copy(number)
                address = ContactAddress(address=person.address, domain=domain)
                session.add(
                    Contact(display_name=person.name, name_key=person.name, company=company, addresses=[address])
                )
    engine.dispose()


def run(side: str, url: str, database: Path, template: Path | None = None) -> Told:
    """Let a side mirror the mailbox at this address in a process of its own, into a copy of the template, if any."""
    if template is not None:
        shutil.copy(template, database)
    command = [sys.executable, "-m", "benchmarks.first_mirror", side, url, str(database)]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    return Told(**json.loads(told.splitlines()[-1]))


def run_here(side: str, url: str, database: Path) -> Told:
    """The same in this process."""
    chosen = _sides()[side]
    cpu, started = time.process_time(), time.monotonic()
    messages = chosen(url, database)
    seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    return Told(messages, seconds, cpu, _peak_mb())


def _peak_mb() -> float:
    """The most memory that this process ever had; what getrusage says counts that of its parent, too."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def remove(database: Path) -> None:
    """Make room for another one in its place."""
    for path in database.parent.glob(f"{database.name}*"):
        path.unlink()


def product(url: str, database: Path) -> int:
    """What a user runs, into a file of SQLite."""
    return mirror(url, f"sqlite:///{database}", database.parent).counts.created


def mirror(url: str, database: str, folder: Path) -> Summary:
    """What a user runs: the stream of the mailbox, with the settings that come with TerraCRM."""
    settings = Settings.model_validate({"database": {"url": database}, "paths": {"data_dir": str(folder)}})
    keep_what_is_loaded()  # as each process that runs streams
    engine = db.make_engine(settings.database.url)
    sessions = db.session_factory(engine)
    with sessions.begin() as session:
        session.execute(update(Mailbox).values(server=url))
        stream_id = session.scalars(select(Stream.id)).one()
    summary = run_stream(settings, sessions, stream_id, connect)
    if summary is None or summary.error:
        raise SystemExit(f"the run failed: {summary and summary.error}")
    engine.dispose()
    return summary


def _sides() -> dict[str, Callable[[str, Path], int]]:
    """Imported here, so that no side's process carries what only another one needs."""
    from benchmarks import limit_store, stock

    return {
        "product": product,
        "limit": limit_store.mirror,
        "limit-unsplit": lambda url, database: limit_store.mirror(url, database, splits=False),
        "stock": stock.mirror,
    }


def main() -> None:
    """Run one side once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_mirror", description=__doc__.partition("\n")[0])
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("url")
    parser.add_argument("database", type=Path)
    asked = parser.parse_args()
    print(json.dumps(asdict(run_here(asked.side, asked.url, asked.database))))


if __name__ == "__main__":
    main()
