"""Figures 10 and 11: the data of a contact's profile among a million activities, and later pages of its history.

The yardstick is SQL written by hand for the same rows, through the driver alone (`benchmarks.raw_profile`).
"""

from __future__ import annotations

import statistics
from random import Random

from sqlalchemy import select
from sqlalchemy.orm import Session

from benchmarks.raw_profile import RawProfile
from benchmarks.reading import Seeded, databases, milliseconds, p95
from benchmarks.report import Bench, Figure
from terracrm.models import Contact
from terracrm.services import access, contacts, timeline
from terracrm.services.access import Viewer

CONTACTS = 100
HOTTEST = 3
LATER_PAGE = 60
READERS = ("manager1", "controller")


def measure(bench: Bench) -> None:
    """Tell figures 10 and 11 for each database."""
    for database in databases(bench):
        for name in READERS:
            viewer = database.viewer(name)
            typical, hottest = _contacts(database, viewer)
            ours, raw = _profiles(database, viewer, typical)
            told = f"{CONTACTS} contacts; p95 {p95(ours):.2f} ms against {p95(raw):.2f} ms"
            title = f"profile data, {database.name}, {name.rstrip('1')}"
            bench.tell(Figure(10, title, p95(ours), "ms", p95(ours) / p95(raw), "<= 2.5 x", told))
            hot, _ = _profiles(database, viewer, hottest)
            ratio = max(hot) / statistics.median(ours)
            told = f"the slowest of the {HOTTEST} with the longest histories against the median"
            bench.tell(Figure(10, f"hottest {title}", max(hot), "ms", ratio, "<= 2 x", told))
        _tell_pages(bench, database)


def _contacts(database: Seeded, viewer: Viewer) -> tuple[list[int], list[int]]:
    """Some of the contacts that the viewer sees, and those of them with the longest histories: the first."""
    with Session(database.engine) as session:
        seen = session.scalars(select(Contact.id).where(access.contacts(viewer)).order_by(Contact.id)).all()
    return Random(10).sample(seen, CONTACTS), list(seen[:HOTTEST])


def _profiles(database: Seeded, viewer: Viewer, ids: list[int]) -> tuple[list[float], list[float]]:
    """Milliseconds of the product and of the yardstick for each contact, turn and turn about."""
    ours, raw = [], []
    with Session(database.engine) as session, RawProfile(database.engine, viewer) as yardstick:
        for contact_id in ids:
            ours.append(milliseconds(lambda id_=contact_id: _profile(session, viewer, id_)))
            raw.append(milliseconds(lambda id_=contact_id: yardstick.read(id_)))
    return ours, raw


def _profile(session: Session, viewer: Viewer, contact_id: int) -> None:
    session.expunge_all()
    contacts.profile(session, viewer, contact_id)
    timeline.of_client(session, viewer, "contact", contact_id, timeline.Filters())


def _tell_pages(bench: Bench, database: Seeded) -> None:
    viewer = database.viewer("controller")
    (hottest,) = _contacts(database, viewer)[1][:1]
    with Session(database.engine) as session:
        first = timeline.of_client(session, viewer, "contact", hottest, timeline.Filters())
        later, pages = first.next, 1
        while later and pages < LATER_PAGE - 1:
            found = timeline.of_client(session, viewer, "contact", hottest, timeline.Filters(), later)
            later, pages = found.next or later, pages + 1
        times: dict[timeline.Cursor | None, list[float]] = {None: [], later: []}
        for _ in range(CONTACTS):
            for after, taken in times.items():
                session.expunge_all()
                taken.append(
                    milliseconds(
                        lambda at=after: timeline.of_client(session, viewer, "contact", hottest, timeline.Filters(), at)
                    )
                )
    value, ratio = statistics.median(times[later]), statistics.median(times[later]) / statistics.median(times[None])
    title = f"page {pages + 1} of a timeline, {database.name}"
    bench.tell(Figure(11, title, value, "ms", ratio, "<= 1.5 x", "against page 1 of the same"))
