"""In whatever order the mailboxes are mirrored, the meetings are the same (S3)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from terracrm import db
from terracrm.config import Settings
from terracrm.domain.records import MeetingKind, MeetingRecord, Participant, Response, Role
from terracrm.models import Activity, ActivityMailbox, Mailbox, Meeting
from terracrm.models import Participant as ParticipantRow
from terracrm.services import links, mirror_calendar
from tests.sync.calendar_items import OLGA, at, exception, meeting, series
from tests.sync.conftest import DOMAIN, Office

NAMES = ("anna", "boris", "vera")
MONDAYS = ("2026-03-02 10:00", "2026-03-09 10:00", "2026-03-16 10:00", "2026-03-23 10:00")
RULES = ("", "FREQ=WEEKLY;BYDAY=MO", "FREQ=WEEKLY;BYDAY=MO,WE", "FREQ=WEEKLY;BYDAY=MO;COUNT=3")

answers = st.sampled_from([Response.UNKNOWN, Response.ACCEPTED, Response.DECLINED])
places = st.sampled_from(["Склад", "Офис"])


@st.composite
def items(draw: st.DrawFn, owner: str) -> MeetingRecord:
    """One mailbox's item of a family: a single meeting, a series with exceptions, or one occurrence."""
    is_organizer = owner == "anna"
    answer = Response.ORGANIZER if is_organizer else draw(answers)
    people = (
        Participant(Role.ORGANIZER, f"anna@{DOMAIN}", "Анна", Response.ORGANIZER),
        *(
            Participant(Role.REQUIRED, f"{name}@{DOMAIN}", name, draw(answers) if is_organizer else Response.UNKNOWN)
            for name in NAMES[1:]
        ),
        *([Participant(Role.REQUIRED, OLGA)] if draw(st.booleans()) else []),
    )
    common: dict[str, Any] = {
        "participants": people,
        "is_organizer": is_organizer,
        "my_response": answer,
        "location": draw(places),
        "sequence": draw(st.integers(0, 1)),
    }
    rule = draw(st.sampled_from(RULES))
    if not is_organizer and draw(st.integers(0, 3)) == 0:
        return exception(series(**common), draw(st.sampled_from(MONDAYS)), kind=MeetingKind.SINGLE)
    if not rule:
        return meeting(draw(st.sampled_from(MONDAYS[:2])), **common)
    master = series(rule, **common)
    special = draw(st.lists(st.sampled_from(MONDAYS), unique=True, max_size=3))
    exceptions = tuple(
        exception(master, day, day.replace("10:00", "15:00"), location=draw(places), is_private=draw(st.booleans()))
        for day in special[1:]
    )
    return replace(master, exceptions=exceptions, deleted_occurrences=tuple(map(at, special[:1])))


families = st.tuples(*(st.none() | items(name) for name in NAMES))


@contextmanager
def empty_office(template: Path) -> Iterator[Office]:
    """An office of three in a database of its own."""
    with TemporaryDirectory() as home:
        path = Path(home)
        shutil.copy(template, path / "terracrm.db")
        (path / "password").write_text("secret")
        engine = db.make_engine(f"sqlite:///{path / 'terracrm.db'}")
        config = Settings(paths={"data_dir": path}, mirror={"internal_domains": [DOMAIN]})  # type: ignore[arg-type]
        office = Office(config, db.session_factory(engine), password_file=path / "password")
        office.settings.mirror.calendar_future_days = 14
        for name in NAMES:
            office.add(name)
        yield office
        engine.dispose()


def mirrored(template: Path, family: dict[str, MeetingRecord], order: tuple[str, ...]) -> list[Any]:
    """All that the CRM says after these mailboxes were mirrored in this order."""
    with empty_office(template) as office:
        for name, record in family.items():
            office.server.put(office.folder(name, "Calendar"), record)
        for name in order:
            assert office.run(name, "calendar").state == "ok"
        with office.sessions() as session:
            return [said(session, row) for row in session.scalars(select(Meeting).order_by(Meeting.meeting_key))]


def said(session: Any, row: Meeting) -> Any:
    """A meeting with its entry, without the numbers that rows get as they come."""
    activity = session.get(Activity, row.activity_id) if row.activity_id else None
    people = select(ParticipantRow.role, ParticipantRow.address, ParticipantRow.response).where(
        ParticipantRow.activity_id == row.activity_id
    )
    holders = select(Mailbox.address).join(ActivityMailbox).where(ActivityMailbox.activity_id == row.activity_id)
    teller = session.get(Mailbox, row.source_mailbox_id).address
    series_key = session.scalar(select(Meeting.meeting_key).where(Meeting.id == row.series_id))
    own = (row.meeting_key, row.kind, row.subject, row.start_at, row.end_at, row.location, row.is_cancelled)
    more = (row.recurrence, row.deleted_occurrences, row.expanded_until, row.from_organizer, teller, series_key)
    if activity is None:
        return own, more
    entry = (activity.occurred_at, activity.subject, activity.sharing, activity.is_matched)
    return own, more, entry, session.execute(people).all(), sorted(session.scalars(holders))


@pytest.fixture(autouse=True)
def _on_the_twelfth_of_march(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (mirror_calendar, links):
        monkeypatch.setattr(module, "utcnow", lambda: at("2026-03-12 12:00"))


@settings(
    max_examples=12,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(families, st.integers(0, 5))
def test_any_order_of_the_mailboxes_gives_the_same_meetings(
    migrated_sqlite: Path, family: tuple[MeetingRecord | None, ...], other: int
) -> None:
    held = {name: record for name, record in zip(NAMES, family, strict=True) if record is not None}
    orders = list(permutations(held))
    first = mirrored(migrated_sqlite, held, orders[0])
    assert mirrored(migrated_sqlite, held, orders[-1 - other % len(orders)]) == first
