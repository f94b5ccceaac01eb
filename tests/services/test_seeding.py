"""The seeded office: whole, of the size asked for, with all that the access policy tells apart, and always the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session, sessionmaker

from terracrm import db
from terracrm.errors import InvalidInput
from terracrm.models import (
    Activity,
    ActivityKind,
    Base,
    CompanyTimeline,
    Contact,
    ContactTimeline,
    Participant,
    Sharing,
    Team,
    User,
)
from terracrm.services import contacts, search, timeline
from terracrm.services.access import viewer_of
from terracrm.services.seeding import seed

UNTIL = datetime(2026, 6, 1, tzinfo=UTC)
ACTIVITIES = 400


@pytest.fixture
def seeded(engine: Engine) -> Engine:
    seed(engine, ACTIVITIES, until=UNTIL)
    return engine


def test_all_that_was_asked_for_is_there_and_whole(seeded: Engine) -> None:
    with Session(seeded) as session:
        kinds = dict(session.execute(select(Activity.kind, func.count()).group_by(Activity.kind)).all())
        assert sum(kinds.values()) == ACTIVITIES
        assert set(kinds) == {ActivityKind.MAIL, ActivityKind.MEETING, ActivityKind.NOTE}
        assert session.scalar(select(func.count()).select_from(Participant)) == 3 * ACTIVITIES
        assert set(session.scalars(select(Activity.sharing).distinct())) >= {Sharing.EVERYONE, Sharing.TEAM}
        if seeded.dialect.name == "sqlite":
            assert session.execute(text("PRAGMA foreign_key_check")).all() == []
    assert db.check(seeded) == []


def test_timelines_are_what_the_participants_say_and_the_first_contact_is_the_hottest(seeded: Engine) -> None:
    with Session(seeded) as session:
        for model, column in ((ContactTimeline, "contact_id"), (CompanyTimeline, "company_id")):
            person = getattr(Participant, column)
            said = select(person, Participant.activity_id).where(person.is_not(None)).distinct()
            shown = select(getattr(model, column), model.activity_id)
            assert sorted(session.execute(said).all()) == sorted(session.execute(shown).all())
        counted = select(ContactTimeline.contact_id, func.count()).group_by(ContactTimeline.contact_id)
        length = dict(session.execute(counted).all())
        assert max(length, key=lambda contact: length[contact]) == 1


def test_it_is_read_as_any_office(seeded: Engine) -> None:
    with Session(seeded) as session:
        manager, controller = (
            session.scalars(select(User).where(User.name == n)).one() for n in ("manager1", "controller")
        )
        everything = timeline.of_client(session, viewer_of(session, controller), "contact", 1, timeline.Filters())
        found = search.find(session, viewer_of(session, controller), everything.entries[0].subject).history.entries
        assert everything.entries[0].id in [entry.id for entry in found]
        all_of = contacts.profile(session, viewer_of(session, controller), 1).counts
        some_of = timeline.everywhere(session, viewer_of(session, manager), limit=ACTIVITIES).entries
        assert 0 < len(some_of) < ACTIVITIES
        assert sum(all_of.of.values()) > len(everything.entries)


def test_people_can_be_added_to_it(seeded: Engine, sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        session.add(Contact(display_name="Anna", name_key="anna"))
        session.add(Activity(kind=ActivityKind.NOTE, occurred_at=UNTIL))
        session.commit()


def test_the_same_number_makes_the_same_office(tmp_path: Path) -> None:
    told = [_all_rows(tmp_path / f"{n}.db", number) for n, number in enumerate((7, 7, 8))]
    assert told[0] == told[1]
    assert told[0] != told[2]


def _all_rows(path: Path, number: int) -> list[str]:
    engine = db.make_engine(f"sqlite:///{path}")
    db.upgrade(engine)
    seed(engine, 200, number, until=UNTIL)
    times = {"created_at", "updated_at", "due_at"}
    with engine.connect() as connection:
        return [
            f"{table.name} {dict(row)}"
            for table in Base.metadata.sorted_tables
            for row in connection.execute(select(*(c for c in table.columns if c.name not in times))).mappings()
        ]


def test_it_may_end_at_any_moment(engine: Engine) -> None:
    seed(engine, 20, until=UNTIL.replace(microsecond=123_456))
    with Session(engine) as session:
        moments = session.scalars(select(Activity.occurred_at).where(Activity.kind == ActivityKind.MAIL)).all()
    assert {moment.microsecond for moment in moments} == {123_456}


def test_only_an_empty_database_is_seeded(seeded: Engine) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        seed(seeded, ACTIVITIES)


@pytest.mark.parametrize("make", [lambda: Contact(display_name="Anna", name_key="anna"), lambda: Team(name="Sales")])
def test_a_database_with_anything_in_it_is_not_seeded(engine: Engine, make: Callable[[], Base]) -> None:
    with Session(engine) as session:
        session.add(make())
        session.commit()
    with pytest.raises(InvalidInput, match="empty"):
        seed(engine, ACTIVITIES)
