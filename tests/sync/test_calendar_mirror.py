"""What becomes of series in the history as calendars change and time goes by (S3, S4, S9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from types import ModuleType

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from terracrm.domain.records import MeetingKind, MeetingRecord, Participant, Response, Role, StreamKind
from terracrm.models import (
    Activity,
    ActivityMailbox,
    ActivityTopic,
    Base,
    CompanyTimeline,
    Link,
    Mailbox,
    Meeting,
    MeetingCopy,
    User,
)
from terracrm.services import links, mirror_calendar
from tests.sync.calendar_items import BORIS, MOSCOW, all_day, at, exception, meeting, series, theirs
from tests.sync.conftest import Office
from tests.sync.items import contact

WEEKLY = series()
# What is no matter of the database is tried on the fast one.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
MONDAYS = ["2026-03-02 10:00", "2026-03-09 10:00", "2026-03-16 10:00", "2026-03-23 10:00"]


class Calendar:
    """The calendars of the office on Thursday 12 March 2026 at noon, mirrored 14 days ahead."""

    def __init__(self, office: Office, session: Session, set_clock: Callable[[datetime], None]) -> None:
        office.settings.mirror.calendar_future_days = 14
        self.office = office
        self.session = session
        self.set_clock = set_clock
        self.items: dict[str, str] = {}

    def put(self, owner: str, record: MeetingRecord) -> None:
        """Enter an item and mirror the calendar."""
        self.items[owner] = self.office.server.put(self.office.folder(owner, "Calendar"), record)
        self.run(owner)

    def change(self, owner: str, record: MeetingRecord) -> None:
        """Change the item that was entered last and mirror the calendar."""
        self.office.server.change(self.items[owner], record)
        self.run(owner)

    def delete(self, owner: str) -> None:
        """Delete it and mirror the calendar."""
        self.office.server.delete(self.items[owner])
        self.run(owner)

    def run(self, *owners: str) -> None:
        for owner in owners:
            assert self.office.run(owner, "calendar").state == "ok"
        self.session.expire_all()

    def history(self) -> list[str]:
        """The entries of the history: when, what, where, and whether it is cancelled."""
        rows = self.session.execute(
            select(Activity.occurred_at, Activity.subject, Meeting.location, Meeting.is_cancelled)
            .join(Meeting, Meeting.activity_id == Activity.id)
            .order_by(Activity.occurred_at)
        )
        return [
            " ".join(
                part
                for part in (
                    f"{when.astimezone(MOSCOW):%Y-%m-%d %H:%M}",
                    "" if subject == WEEKLY.subject else subject,
                    place,
                    "cancelled" if is_cancelled else "",
                )
                if part
            )
            for when, subject, place, is_cancelled in rows
        ]

    def ids(self) -> set[int]:
        return set(self.session.scalars(select(Activity.id)))


@pytest.fixture
def calendar(office: Office, session: Session, monkeypatch: pytest.MonkeyPatch) -> Calendar:
    def set_clock(moment: datetime) -> None:
        modules: list[ModuleType] = [mirror_calendar, links]
        for module in modules:
            monkeypatch.setattr(module, "utcnow", lambda: moment)

    set_clock(at("2026-03-12 12:00"))
    return Calendar(office, session, set_clock)


def test_the_occurrences_of_a_series_are_the_history_and_not_the_series(calendar: Calendar, session: Session) -> None:
    calendar.office.server.put(calendar.office.folder("anna", "Contacts"), contact())
    calendar.office.run("anna", "contacts")
    calendar.put("anna", WEEKLY)
    assert calendar.history() == MONDAYS
    master = session.scalars(select(Meeting).where(Meeting.recurrence != "")).one()
    rows = session.scalars(select(Meeting).where(Meeting.series_id == master.id)).all()
    assert (master.activity_id, master.occurrence, len(rows)) == (None, "", 4)
    assert {row.kind for row in rows} == {MeetingKind.OCCURRENCE}
    assert session.scalar(select(func.count()).select_from(CompanyTimeline)) == 4


def test_the_window_moves_on_by_itself_and_old_occurrences_stay(calendar: Calendar) -> None:
    calendar.office.settings.mirror.calendar_past_days = 30
    calendar.put("anna", WEEKLY)
    before = calendar.ids()
    calendar.set_clock(at("2026-04-30 12:00"))
    summary = calendar.office.run("anna", "calendar")
    calendar.session.expire_all()
    assert (summary.counts.created, summary.counts.updated) == (0, 0)
    shown = calendar.history()
    assert (shown[0], shown[-1], len(shown)) == ("2026-03-02 10:00", "2026-05-11 10:00", 11)
    assert before < calendar.ids()


@on_sqlite
def test_a_window_that_is_wide_enough_is_left_alone(calendar: Calendar, session: Session) -> None:
    calendar.put("anna", WEEKLY)
    was = session.scalars(select(Meeting.updated_at)).all()
    calendar.set_clock(at("2026-03-12 20:00"))
    calendar.run("anna")
    assert session.scalars(select(Meeting.updated_at)).all() == was


@on_sqlite
def test_a_series_that_has_ended_is_not_looked_at_again(calendar: Calendar, session: Session) -> None:
    calendar.put("anna", replace(WEEKLY, recurrence="FREQ=WEEKLY;BYDAY=MO;COUNT=2"))
    assert calendar.history() == MONDAYS[:2]
    calendar.set_clock(at("2027-03-12 12:00"))
    with calendar.office.sessions() as other:
        source = type("Source", (), {"mailbox_id": 1, "calendar_future_days": 14})()
        assert mirror_calendar.due(other, source) == []


@on_sqlite
def test_a_series_without_an_occurrence_in_the_window_stands_for_itself(calendar: Calendar) -> None:
    calendar.put("anna", series("FREQ=DAILY;COUNT=3", "2026-06-01 10:00"))
    assert calendar.history() == ["2026-06-01 10:00"]
    calendar.set_clock(at("2026-05-25 12:00"))
    calendar.run("anna")
    assert calendar.history() == ["2026-06-01 10:00", "2026-06-02 10:00", "2026-06-03 10:00"]


@on_sqlite
def test_a_change_of_the_series_changes_all_but_its_exceptions(calendar: Calendar) -> None:
    own = exception(WEEKLY, "2026-03-09 10:00", "2026-03-10 15:00", location="Офис")
    calendar.put("anna", replace(WEEKLY, exceptions=(own,)))
    before = calendar.ids()
    calendar.change("anna", replace(WEEKLY, location="Склад", exceptions=(own,)))
    assert calendar.history() == [
        "2026-03-02 10:00 Склад",
        "2026-03-10 15:00 Офис",
        "2026-03-16 10:00 Склад",
        "2026-03-23 10:00 Склад",
    ]
    assert calendar.ids() == before


@on_sqlite
def test_an_occurrence_that_is_reset_follows_the_series_again(calendar: Calendar) -> None:
    own = exception(WEEKLY, "2026-03-16 10:00", "2026-03-17 15:00", subject="Другое")
    calendar.put("anna", replace(WEEKLY, exceptions=(own,)))
    before = calendar.ids()
    calendar.change("anna", WEEKLY)
    assert calendar.history() == MONDAYS
    assert calendar.ids() == before


@on_sqlite
def test_a_series_at_another_hour_has_the_same_occurrences(calendar: Calendar) -> None:
    calendar.put("anna", WEEKLY)
    before = calendar.ids()
    calendar.change("anna", series(start="2026-03-02 12:30"))
    assert calendar.history() == [day.replace("10:00", "12:30") for day in MONDAYS]
    assert calendar.ids() == before


def test_another_rule_changes_what_is_planned_and_not_what_was(calendar: Calendar) -> None:
    calendar.put("anna", WEEKLY)
    calendar.change("anna", replace(WEEKLY, recurrence="FREQ=WEEKLY;BYDAY=WE", sequence=1))
    changed = [*MONDAYS[:2], "2026-03-18 10:00", "2026-03-25 10:00"]
    assert calendar.history() == changed
    calendar.set_clock(at("2026-03-20 12:00"))
    calendar.run("anna")
    assert calendar.history() == [*changed, "2026-04-01 10:00"]


@on_sqlite
def test_what_was_planned_and_linked_by_a_person_is_cancelled_instead_of_removed(
    calendar: Calendar, session: Session
) -> None:
    calendar.put("anna", WEEKLY)
    planned = session.scalars(select(Activity.id).order_by(Activity.occurred_at.desc())).first()
    topic = ActivityTopic(activity_id=planned, entity="company", entity_id=1, method="manual", user_id=_user(session))
    session.add(topic)
    session.commit()
    calendar.change("anna", replace(WEEKLY, recurrence="FREQ=WEEKLY;BYDAY=MO;COUNT=2"))
    assert calendar.history() == [*MONDAYS[:2], f"{MONDAYS[3]} cancelled"]


def test_a_deleted_occurrence_is_cancelled(calendar: Calendar, session: Session) -> None:
    calendar.put("anna", WEEKLY)
    gone = at("2026-03-16 10:00")
    calendar.change("anna", replace(WEEKLY, deleted_occurrences=(gone,)))
    assert calendar.history() == [*MONDAYS[:2], f"{MONDAYS[2]} cancelled", MONDAYS[3]]
    master = session.scalars(select(Meeting).where(Meeting.recurrence != "")).one()
    assert master.deleted_occurrences == [gone.isoformat()]


@on_sqlite
def test_only_the_occurrence_with_a_client_is_client_history(calendar: Calendar) -> None:
    inside = (Participant(Role.ORGANIZER, "anna@office.test"), Participant(Role.REQUIRED, BORIS))
    guest = exception(WEEKLY, "2026-03-16 10:00")
    calendar.put("anna", replace(WEEKLY, participants=inside, exceptions=(guest,)))
    assert calendar.history() == ["2026-03-16 10:00"]
    room = Participant(Role.RESOURCE, "room@elsewhere.example")
    calendar.change("anna", replace(WEEKLY, participants=(*inside, room)))
    assert calendar.history() == []


def everything(session: Session) -> str:
    """All that is in any table."""
    return "\n".join(str(row) for table in Base.metadata.sorted_tables for row in session.execute(select(table)))


@on_sqlite
def test_an_occurrence_that_is_made_private_is_withdrawn_alone(calendar: Calendar, session: Session) -> None:
    own = exception(WEEKLY, "2026-03-09 10:00", subject="Слово-тайна", location="Тайник", body_text="Секрет")
    calendar.put("anna", replace(WEEKLY, exceptions=(own,)))
    calendar.change("anna", replace(WEEKLY, exceptions=(replace(own, is_private=True),)))
    assert calendar.history() == [MONDAYS[0], *MONDAYS[2:]]
    assert not any(word in everything(session) for word in ("тайна", "Тайник", "Секрет"))
    calendar.change("anna", replace(WEEKLY, exceptions=(own,)))
    assert calendar.history() == [MONDAYS[0], "2026-03-09 10:00 Слово-тайна Тайник", *MONDAYS[2:]]


def test_when_the_organizers_copy_is_made_private_the_attendees_tells_at_once(
    calendar: Calendar, session: Session
) -> None:
    secret = exception(WEEKLY, "2026-03-16 10:00", subject="Тайна")
    calendar.put("anna", replace(WEEKLY, location="Тайник", body_text="Секрет", exceptions=(secret,)))
    calendar.put("boris", theirs(replace(WEEKLY, location="Склад")))
    calendar.change("anna", replace(WEEKLY, is_private=True))
    assert calendar.history() == [f"{day} Склад" for day in MONDAYS]
    assert not any(word in everything(session) for word in ("Тайник", "Секрет", "Тайна"))
    boris = session.scalars(select(Mailbox.id).where(Mailbox.address == BORIS)).one()
    assert set(session.scalars(select(ActivityMailbox.mailbox_id))) == {boris}


@on_sqlite
def test_an_attendees_private_copy_withdraws_theirs_alone(calendar: Calendar, session: Session) -> None:
    calendar.put("anna", WEEKLY)
    calendar.put("boris", theirs(WEEKLY))
    assert session.scalar(select(func.count()).select_from(ActivityMailbox)) == 8
    calendar.change("boris", replace(theirs(WEEKLY), is_private=True))
    assert calendar.history() == MONDAYS
    assert session.scalar(select(func.count()).select_from(ActivityMailbox)) == 4


@on_sqlite
def test_a_series_that_nobody_holds_any_more_leaves_nothing_when_it_is_made_private(calendar: Calendar) -> None:
    calendar.put("anna", WEEKLY)
    calendar.change("anna", replace(WEEKLY, is_private=True))
    found = calendar.office.stats()
    assert (found["meetings"], found["links"], found["activities"]) == (0, 0, {})


def test_a_series_that_is_deleted_everywhere_is_cancelled_from_then_on(calendar: Calendar) -> None:
    calendar.put("anna", WEEKLY)
    calendar.delete("anna")
    cancelled = [*MONDAYS[:2], *(f"{day} cancelled" for day in MONDAYS[2:])]
    assert calendar.history() == cancelled
    calendar.set_clock(at("2026-06-12 12:00"))
    calendar.run("anna")
    assert calendar.history() == cancelled


@on_sqlite
def test_after_the_organizer_deletes_it_a_series_is_told_by_an_attendee(calendar: Calendar) -> None:
    calendar.put("boris", theirs(replace(WEEKLY, location="Склад")))
    calendar.put("anna", replace(WEEKLY, location="Офис"))
    assert calendar.history() == [f"{day} Офис" for day in MONDAYS]
    calendar.delete("anna")
    assert calendar.history() == [f"{day} Склад" for day in MONDAYS]


@on_sqlite
def test_a_deleted_series_that_comes_back_goes_on(calendar: Calendar) -> None:
    calendar.put("anna", WEEKLY)
    calendar.delete("anna")
    calendar.put("anna", WEEKLY)
    assert calendar.history() == MONDAYS


def test_who_is_invited_to_one_occurrence_shares_the_organizers(calendar: Calendar, session: Session) -> None:
    invited = theirs(exception(WEEKLY, "2026-03-16 10:00", kind=MeetingKind.SINGLE, location="не там"))
    calendar.put("boris", invited)
    assert calendar.history() == ["2026-03-16 10:00 не там"]
    calendar.put("anna", WEEKLY)
    assert calendar.history() == MONDAYS
    shared = session.scalars(select(Meeting).join(MeetingCopy).where(MeetingCopy.response == Response.ACCEPTED)).one()
    assert shared.start_at == at("2026-03-16 10:00")
    holders = select(ActivityMailbox.activity_id).group_by(ActivityMailbox.activity_id).having(func.count() == 2)
    assert session.scalars(holders).all() == [shared.activity_id]
    calendar.delete("boris")
    assert calendar.history() == MONDAYS


@on_sqlite
def test_an_item_that_was_copied_to_another_day_is_a_meeting_of_its_own(calendar: Calendar) -> None:
    calendar.put("anna", meeting())
    first = calendar.items["anna"]
    calendar.put("anna", meeting("2026-03-05 10:00"))
    assert calendar.history() == ["2026-03-02 10:00", "2026-03-05 10:00"]
    calendar.office.server.delete(first)
    calendar.run("anna")
    calendar.change("anna", meeting("2026-03-05 12:00"))
    assert calendar.history() == ["2026-03-02 10:00", "2026-03-05 12:00"]


@on_sqlite
def test_an_item_that_moves_to_another_calendar_and_day_is_the_same_meeting(calendar: Calendar) -> None:
    calendar.put("anna", meeting("2026-03-16 10:00"))
    other = calendar.office.server.add_folder("anna@office.test", "Работа", StreamKind.CALENDAR)
    moved = calendar.office.server.move(calendar.items["anna"], other)
    calendar.run("anna")
    calendar.office.server.change(moved, meeting("2026-03-17 10:00"))
    calendar.run("anna")
    assert calendar.history() == ["2026-03-17 10:00"]


@on_sqlite
def test_items_without_an_id_are_each_their_own(calendar: Calendar) -> None:
    for _ in range(2):
        calendar.put("anna", replace(WEEKLY, uid=""))
    assert calendar.history() == sorted(MONDAYS * 2)
    calendar.change("anna", replace(meeting(), uid=""))
    assert calendar.history() == sorted([*MONDAYS, *MONDAYS[:2]])


@on_sqlite
def test_an_all_day_event_of_vladivostok_is_on_its_day(calendar: Calendar) -> None:
    calendar.put("anna", all_day(date(2026, 3, 16), zone="Vladivostok Standard Time"))
    assert [line[:10] for line in calendar.history()] == ["2026-03-16"]


@on_sqlite
def test_the_text_of_a_series_is_kept_once(calendar: Calendar, session: Session) -> None:
    calendar.put("anna", replace(WEEKLY, body_text="Длинный текст"))
    assert sorted(session.scalars(select(Meeting.body_text))) == ["", "", "", "", "Длинный текст"]
    assert set(session.scalars(select(Activity.snippet))) == {"Длинный текст"}


@on_sqlite
def test_what_was_mirrored_before_copies_were_kept_is_left_until_it_is_read_again(
    calendar: Calendar, session: Session
) -> None:
    calendar.put("anna", meeting("2026-03-16 10:00"))
    session.execute(update(Link).values(base=None))
    session.commit()
    calendar.delete("anna")
    assert calendar.history() == ["2026-03-16 10:00"]


def _user(session: Session) -> int:
    user = User(name="kate", full_name="Kate", email="kate@office.test", role_code="manager", password_hash="")
    session.add(user)
    session.flush()
    return user.id
