"""Figure 9: how long it takes until a page of the portal shows what somebody has changed in Outlook."""

from __future__ import annotations

import random
import re
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import exchangelib
import requests
from sqlalchemy import select, update

from benchmarks.office import DOMAIN, PASSWORD, SERVICE, Office, exchange, free_port, make, until
from benchmarks.report import Bench, Figure
from terracrm.models import Contact, Stream, utcnow

ADDRESS = f"anna@{DOMAIN}"
LOOK_SECONDS = 0.04
SHOWN_SECONDS = 120


def measure(bench: Bench) -> None:
    """The real daemon and the real portal; Outlook is an exchangelib that changes the job of a contact."""
    changes = 4 if bench.quick else 30
    told = "from the end of the change in Outlook to the page that shows it; 95 of 100 were faster"
    with _office(bench.folder / "told", is_watched=True) as outlook:
        seconds = [outlook.shown_after(f"Buyer {number}") for number in range(changes)]
    late = _p95(seconds)
    bench.tell(Figure(9, "a change on the page, with notifications", late, "s", late, "<= 2 s", told))
    with _office(bench.folder / "asked", is_watched=False) as outlook:
        seconds = [outlook.shown_after_due(f"Buyer {number}") for number in range(changes // 3)]
    late = _p95(seconds)
    told = "from when the stream was due, its interval after its last run, to the page that shows it"
    bench.tell(Figure(9, "a change on the page, by polling: beyond the interval", late, "s", late, "<= 1 s", told))


class Outlook:
    """A contact in the mailbox, and the page of it."""

    def __init__(self, office: Office, contact: exchangelib.Contact, page: str, browser: requests.Session) -> None:
        self._office, self._contact, self._page, self._browser = office, contact, page, browser
        self._random = random.Random(9)

    def shown_after(self, job: str) -> float:
        """Change the contact at a moment of its own, and wait for the page: how long after, in seconds."""
        time.sleep(self._random.uniform(0.2, 1.2))
        self._change(job)
        return self._shown(job, time.monotonic())

    def shown_after_due(self, job: str) -> float:
        """Change the contact while its stream waits for its time: how long after that the page shows it, in seconds."""
        wait = self._random.uniform(0.5, 1.5)
        with self._office.sessions.begin() as session:
            mine = update(Stream).where(Stream.kind == "contacts")
            session.execute(mine.values(due_at=utcnow() + timedelta(seconds=wait)))
        due = time.monotonic() + wait
        self._change(job)
        return self._shown(job, due)

    def _change(self, job: str) -> None:
        self._contact.job_title = job
        self._contact.save(update_fields=["job_title"])

    def _shown(self, job: str, since: float) -> float:
        until(lambda: f"{job}<" in self._browser.get(self._page, timeout=30).text, job, SHOWN_SECONDS, LOOK_SECONDS)
        return time.monotonic() - since


@contextmanager
def _office(folder: Path, *, is_watched: bool) -> Iterator[Outlook]:
    with exchange([ADDRESS]) as server:
        contact = exchangelib.Contact(
            folder=_account(server.url).contacts,
            given_name="Petr",
            surname="Volkov",
            display_name="Petr Volkov",
            company_name="Vesna",
            email_addresses=[
                exchangelib.indexed_properties.EmailAddress(label="EmailAddress1", email="p@vesna.example")
            ],
        )
        contact.save()
        port = free_port()
        office = make(folder, server.url, [ADDRESS], sync={"watch": is_watched}, web={"port": port})
        with office.serving("web", "daemon"):
            office.wait_until_read()
            with office.sessions() as session:
                contact_id = session.scalars(select(Contact.id)).one()
            yield Outlook(office, contact, f"http://127.0.0.1:{port}/contacts/{contact_id}", _signed_in(port))


def _account(url: str) -> exchangelib.Account:
    config = exchangelib.Configuration(
        service_endpoint=url, credentials=exchangelib.Credentials(SERVICE, PASSWORD), auth_type=exchangelib.BASIC
    )
    return exchangelib.Account(ADDRESS, config=config, access_type=exchangelib.IMPERSONATION)


def _signed_in(port: int) -> requests.Session:
    browser, form = requests.Session(), f"http://127.0.0.1:{port}/sign-in"
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(form, timeout=30).text)
    assert token
    answer = browser.post(form, {"csrf_token": token[1], "name": "boss", "password": PASSWORD}, timeout=30)
    answer.raise_for_status()
    return browser


def _p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]
