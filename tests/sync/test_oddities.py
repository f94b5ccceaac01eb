"""Odd records, which no server should send and some do: no stream stops, and what can be kept is kept (invariant 5)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from terracrm.domain.records import Participant, Role
from terracrm.models import (
    Contact,
    Meeting,
    Message,
    QuarantinedItem,
    SyncRun,
    utcnow,
)
from tests.sync.conftest import Office
from tests.sync.items import contact, mail, meeting


def test_a_mail_without_people_subject_text_and_times_is_kept(office: Office) -> None:
    empty = mail("", participants=(), sent_at=None, received_at=None, body_text="", message_id="")
    office.server.put(office.folder("anna", "Inbox"), empty)
    office.server.put(office.folder("anna", "Inbox"), mail())
    summary = office.run("anna", "mail")
    assert (summary.counts.created, summary.state) == (2, "ok")


@pytest.mark.parametrize("odd", ["NUL \x00 inside", "half \ud83d a pair"])
def test_what_no_database_stores_is_replaced(office: Office, session: Session, odd: str) -> None:
    people = (Participant(Role.FROM, "olga@lavka.example", odd), Participant(Role.TO, "anna@office.test"))
    office.server.put(office.folder("anna", "Inbox"), mail(odd, participants=people, body_html=f"<p>{odd}"))
    office.server.put(office.folder("anna", "Contacts"), contact(odd, notes=odd))
    office.server.put(office.folder("anna", "Calendar"), meeting(odd))
    for kind in ("mail", "contacts", "calendar"):
        summary = office.run("anna", kind)
        assert (summary.counts.created, summary.counts.quarantined) == (1, 0)
        assert office.run("anna", kind).counts.created == 0
    assert "\ufffd" in session.scalars(select(Message.message_id)).one()


def test_very_long_texts_are_kept(office: Office, session: Session) -> None:
    long = "очень длинно " * 20_000
    wide = "".join(chr(0x4E00 + number % 20_000) for number in range(60_000))
    people = (Participant(Role.FROM, f"{wide}@lavka.example", long), Participant(Role.TO, "anna@office.test"))
    record = mail(long, participants=people, message_id=f"<{wide}@x>", body_text=wide, references=(f"<{wide}@x>",))
    office.server.put(office.folder("anna", "Inbox"), record)
    office.server.put(office.folder("boris", "Inbox"), record)
    office.server.put(office.folder("anna", "Contacts"), contact(wide, company_name=wide, notes=long))
    office.server.put(office.folder("anna", "Calendar"), meeting(long, location=wide, uid="long"))
    for name, kind in (("anna", "mail"), ("boris", "mail"), ("anna", "contacts"), ("anna", "calendar")):
        summary = office.run(name, kind)
        assert (summary.counts.created, summary.counts.quarantined, summary.error) == (1, 0, "")
    assert session.scalars(select(func.count()).select_from(Message)).one() == 1


@pytest.mark.parametrize("kind", ["mail", "calendar"])
def test_an_item_that_no_database_takes_is_quarantined_alone(office: Office, session: Session, kind: str) -> None:
    naive = datetime(2026, 3, 2, 12)  # noqa: DTZ001 - the mistake that is tested
    path, sick, sound = {
        "mail": ("Inbox", mail("Больное", sent_at=naive, received_at=naive), mail("Здоровое")),
        "calendar": ("Calendar", meeting("Больное", start=naive), meeting("Здоровое")),
    }[kind]
    for record in (sick, sound):
        office.server.put(office.folder("anna", path), record)
    summary = office.run("anna", kind)
    assert (summary.counts.created, summary.counts.quarantined, summary.state) == (1, 1, "degraded")
    run = session.scalars(select(SyncRun)).one()
    assert (run.created, run.quarantined) == (1, 1)


def test_a_uid_that_is_too_long_for_an_index_stops_no_stream(office: Office) -> None:
    wide = "".join(chr(0x4E00 + number % 20_000) for number in range(9_000))
    office.server.put(office.folder("anna", "Calendar"), meeting("Больное", uid=wide))
    office.server.put(office.folder("anna", "Calendar"), meeting("Здоровое"))
    summary = office.run("anna", "calendar")
    assert summary.counts.created + summary.counts.quarantined == 2
    assert summary.counts.created >= 1
    assert summary.state in ("ok", "degraded")


def test_a_mail_to_very_many_makes_no_contacts_and_fits_into_a_statement(office: Office, session: Session) -> None:
    many = ",".join(f"p{number}@firm{number}.example" for number in range(11_000))
    office.server.put(office.folder("anna", "Sent Items"), mail("Всем", "anna@office.test", many))
    summary = office.run("anna", "mail")
    assert (summary.counts.created, summary.error) == (1, "")
    assert session.scalars(select(func.count()).select_from(Contact)).one() == 0


def test_a_quarantined_item_that_is_deleted_is_forgotten(office: Office) -> None:
    item = office.server.put(office.folder("anna", "Inbox"), mail())
    office.server.break_item(item)
    assert office.run("anna", "mail").state == "degraded"
    office.server.delete(item)
    assert office.run("anna", "mail").state == "ok"
    assert office.stats()["quarantined"] == 0


def test_a_quarantined_item_that_did_not_change_is_released(office: Office, session: Session) -> None:
    item = office.server.put(office.folder("anna", "Inbox"), mail())
    office.run("anna", "mail")
    office.server.break_item(item)
    office.server.expire_cursors()
    assert office.run("anna", "mail").state == "degraded"
    office.server.mend_item(item)
    session.scalars(select(QuarantinedItem)).one().next_try_at = utcnow() - timedelta(seconds=1)
    session.commit()
    assert office.run("anna", "mail").state == "ok"
    assert (office.stats()["quarantined"], office.stats()["copies"]) == (0, 1)


def test_a_folder_that_is_gone_takes_its_quarantine_along(office: Office) -> None:
    folder = office.server.add_folder("anna@office.test", "Клиенты")
    office.server.break_item(office.server.put(folder, mail()))
    assert office.run("anna", "mail").state == "degraded"
    office.server.remove_folder(folder)
    assert office.run("anna", "mail").state == "ok"


def test_what_left_while_the_cursor_was_lost_is_gone_and_the_rest_is_not_news(office: Office) -> None:
    items = [office.server.put(office.folder("anna", "Inbox"), mail(f"Письмо {number}")) for number in range(5)]
    office.run("anna", "mail")
    office.server.delete(items[0])
    office.server.expire_cursors()
    counts = office.run("anna", "mail").counts
    assert (counts.created, counts.updated) == (0, 0)
    assert (office.stats()["messages"], office.stats()["copies"]) == (5, 4)


def test_a_server_that_shows_no_folder_at_all_is_not_believed(office: Office, session: Session) -> None:
    office.server.put(office.folder("anna", "Contacts"), contact())
    office.run("anna", "contacts")
    office.server.remove_folder(office.folder("anna", "Contacts"))
    assert office.run("anna", "contacts").state == "backoff"
    assert office.stats()["links"] == 1


def test_a_future_meeting_that_left_every_calendar_is_cancelled_but_not_one_that_moved(
    office: Office, session: Session
) -> None:
    extra = office.server.add_folder("anna@office.test", "А", office.folder("anna", "Calendar").kind)
    soon = utcnow() + timedelta(days=2)
    moved, left = (meeting(name, start=soon, end=soon + timedelta(hours=1)) for name in ("Перенос", "Отмена"))
    ids = [office.server.put(office.folder("anna", "Calendar"), record) for record in (moved, left)]
    office.run("anna", "calendar")
    office.server.move(ids[0], extra)
    office.server.delete(ids[1])
    office.run("anna", "calendar")
    cancelled = dict(session.execute(select(Meeting.subject, Meeting.is_cancelled)).all())
    assert cancelled == {"Перенос": False, "Отмена": True}
