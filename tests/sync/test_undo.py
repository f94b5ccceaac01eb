"""Undoing a run: what it changed in the CRM is taken back, what was worked with since stays (Y3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.records import LabelledAddress, Phone
from terracrm.errors import Forbidden, NotFound
from terracrm.models import (
    Activity,
    AuditEntry,
    Company,
    Contact,
    FieldChange,
    Link,
    Mailbox,
    Meeting,
    SkippedItem,
    Stream,
    SyncRun,
    utcnow,
)
from terracrm.services import access, contact_data, topics, undo
from terracrm.services.access import Viewer
from terracrm.services.field_history import PORTAL, Origin
from tests.sync.conftest import DOMAIN, Office
from tests.sync.items import contact, mail, meeting
from tests.sync.undoing import compare, dump, gone, kept, last_run, put_back, undone

SQLITE_FIRST = True

OLGA = "olga@lavka.example"
TITLE = "Закупщик"


def put(office: Office, path: str, record: Any, name: str = "anna") -> str:
    """An item in a folder of a mailbox."""
    return office.server.put(office.folder(name, path), record)


def rows(office: Office, model: Any) -> list[Any]:
    with office.sessions() as session:
        return list(session.scalars(select(model)))


def work_at(office: Office, **values: Any) -> None:
    """Somebody changes the only contact in the portal."""
    with office.sessions.begin() as session:
        found = session.scalars(select(Contact)).one()
        contact_data.change(session, Origin(PORTAL), policy(office), found, values)


def policy(office: Office) -> DomainPolicy:
    return DomainPolicy.of(office.settings.mirror.internal_domains, office.settings.mirror.free_mail_domains)


def stays_so(office: Office, *kinds: str, names: tuple[str, ...] = ("anna",)) -> None:
    """Neither the next runs nor a lost cursor bring anything back, and nothing is written."""
    before, writes = dump(office), office.server.writes
    for is_lost in (False, True):
        if is_lost:
            office.server.expire_cursors()
        for name in names:
            for kind in kinds:
                summary = office.run(name, kind)
                assert (summary.counts.created, summary.counts.updated, summary.error) == (0, 0, "")
        compare(before, dump(office))
    assert office.server.writes == writes


# What a run took in


def an_address_book(office: Office) -> str:
    put(office, "Contacts", contact())
    put(office, "Contacts", contact("Иван Петров", "ivan@opt.example", company_name=""))
    return "contacts"


def mail_of_strangers(office: Office) -> str:
    put(office, "Inbox", mail())
    put(office, "Inbox", mail("Ответ", references=("<Цены@test>",)))
    return "mail"


def mail_to_strangers(office: Office) -> str:
    put(office, "Sent Items", mail("Прайс", "anna@office.test", OLGA))
    put(office, "Inbox", mail())
    return "mail"


def a_calendar(office: Office) -> str:
    put(office, "Calendar", meeting())
    put(office, "Calendar", meeting("Планёрка", "boris@office.test"))
    return "calendar"


def nothing(office: Office) -> None:
    """An empty CRM."""


def known_people(office: Office) -> None:
    """Boris' mailbox has told of the same people, mail and meeting before."""
    put(office, "Contacts", contact(job_title=TITLE), "boris")
    put(office, "Inbox", mail(), "boris")
    put(office, "Calendar", meeting(), "boris")
    for kind in ("contacts", "mail", "calendar"):
        office.run("boris", kind)


def earlier_mail(office: Office) -> None:
    """Mail of nobody known is there already."""
    put(office, "Inbox", mail("Раньше"), "boris")
    put(office, "Sent Items", mail("Ему", "boris@office.test", "petr@opt.example"), "boris")
    office.run("boris", "mail")


@pytest.mark.parametrize("before", [nothing, known_people, earlier_mail])
@pytest.mark.parametrize("fill", [an_address_book, mail_of_strangers, mail_to_strangers, a_calendar])
def test_all_that_a_run_took_in_is_out_again_and_stays_out(
    office: Office, before: Callable[[Office], None], fill: Callable[[Office], str]
) -> None:
    before(office)
    kind = fill(office)
    office.run(*("anna", "calendar" if kind == "contacts" else "contacts"))
    was = dump(office)
    office.run("anna", kind)
    assert dump(office) != was
    effect = undone(office)
    compare(was, dump(office))
    assert not effect.kept
    stays_so(office, kind)


def test_what_was_left_out_is_taken_in_again_when_somebody_says_so(office: Office) -> None:
    put(office, "Inbox", mail())
    put(office, "Contacts", contact())
    office.run("anna", "contacts")
    people = last_run(office)
    office.run("anna", "mail")
    was = dump(office)
    letters = last_run(office)
    undone(office, letters)
    undone(office, people)
    assert not rows(office, Contact)
    assert not rows(office, Activity)
    for run_id, kind in ((people, "contacts"), (letters, "mail")):
        with office.sessions.begin() as session:
            assert undo.take_again(session, access.operator(), run_id) == 1
        assert office.run("anna", kind).counts.created == 1
    assert [each.display_name for each in rows(office, Contact)] == ["Ольга Лаврова"]
    now = dump(office)
    assert {name: len(found) for name, found in now.items()} == {name: len(found) for name, found in was.items()}
    assert not rows(office, SkippedItem)


def test_an_item_that_is_out_stays_out_wherever_it_goes(office: Office) -> None:
    inbox = put(office, "Inbox", mail())
    office.run("anna", "mail")
    undone(office)
    other = office.server.add_folder(f"anna@{DOMAIN}", "Другое", office.folder("anna", "Inbox").kind)
    moved = office.server.move(inbox, other)
    office.run("anna", "mail")
    office.server.set_read(moved, True)
    office.run("anna", "mail")
    office.server.delete(moved)
    office.run("anna", "mail")
    put(office, "Inbox", mail())
    office.run("anna", "mail")
    assert not rows(office, Activity)
    assert {row.rule for row in rows(office, SkippedItem)} == {"undone"}


def test_a_mail_that_was_only_moved_was_there_before(office: Office) -> None:
    inbox = put(office, "Inbox", mail())
    put(office, "Inbox", mail("Новое"))
    office.server.delete(put(office, "Inbox", mail("Прочее")))
    office.run("anna", "mail")
    other = office.server.add_folder(f"anna@{DOMAIN}", "Другое", office.folder("anna", "Inbox").kind)
    office.server.move(inbox, other)
    put(office, "Inbox", mail("Ещё"))
    office.run("anna", "mail")
    effect = undone(office)
    assert [thing.entity for thing in effect.gone] == ["mail"]
    assert sorted(row.subject for row in rows(office, Activity)) == ["Новое", "Цены"]
    stays_so(office, "mail")


def test_what_was_brought_goes_also_when_it_was_moved_since(office: Office) -> None:
    inbox = put(office, "Inbox", mail())
    office.run("anna", "mail")
    first = last_run(office)
    other = office.server.add_folder(f"anna@{DOMAIN}", "Другое", office.folder("anna", "Inbox").kind)
    office.server.move(inbox, other)
    office.run("anna", "mail")
    assert len(undone(office, first).gone) == 1
    assert not rows(office, Activity)
    assert not rows(office, Link)
    stays_so(office, "mail")


def test_what_another_mailbox_holds_stays_with_it(office: Office) -> None:
    for name in ("anna", "boris"):
        put(office, "Inbox", mail(), name)
        put(office, "Calendar", meeting(), name)
    office.run("anna", "mail")
    letters = last_run(office)
    office.run("anna", "calendar")
    dates = last_run(office)
    for kind in ("mail", "calendar"):
        office.run("boris", kind)
    assert (undone(office, letters).copies, undone(office, dates).copies) == (1, 1)
    assert len(rows(office, Activity)) == 2
    with office.sessions() as session:
        boxes = session.scalars(select(Mailbox.address).join(Link, Link.mailbox_id == Mailbox.id).distinct())
        assert list(boxes) == [f"boris@{DOMAIN}"]
    stays_so(office, "mail", "calendar", names=("anna", "boris"))


# What was worked with since


def test_an_entry_that_somebody_worked_with_stays(office: Office) -> None:
    put(office, "Inbox", mail())
    office.run("anna", "mail")
    letters = last_run(office)
    put(office, "Calendar", meeting())
    office.run("anna", "calendar")
    dates = last_run(office)
    with office.sessions.begin() as session:
        company = Company(name="Опт", name_key="опт")
        session.add(company)
        session.flush()
        for activity in session.scalars(select(Activity)).all():
            topics.set_topic(session, access.operator(), activity.id, "company", company.id)
    before = dump(office)
    for run_id, kind in ((letters, "mail"), (dates, "meeting")):
        with office.sessions() as session:
            effect = undo.preview(session, office.settings, access.operator(), run_id)
        assert kept(effect) == [(kind, "", "by_hand")]
        with pytest.raises(undo.UndoRefused, match="nothing to undo"), office.sessions.begin() as session:
            undo.undo(session, office.settings, access.operator(), run_id)
    compare(before, dump(office))


def edited(office: Office, contact_id: int) -> None:
    """Somebody changes the contact in the portal."""
    with office.sessions.begin() as session:
        found = session.get_one(Contact, contact_id)
        contact_data.change(session, Origin(PORTAL), policy(office), found, {"job_title": "Директор"})


def mailed(office: Office, contact_id: int) -> None:
    """The contact writes."""
    put(office, "Inbox", mail())
    office.run("anna", "mail")


def told_elsewhere(office: Office, contact_id: int) -> None:
    """Somebody else has the contact, too."""
    put(office, "Contacts", contact(), "boris")
    office.run("boris", "contacts")


def edited_in_outlook(office: Office, contact_id: int) -> None:
    """The entry is changed, and read by another run."""
    with office.sessions() as session:
        remote_id = session.scalars(select(Link.remote_id).where(Link.local_id == contact_id)).one()
    office.server.change(remote_id, contact(job_title=TITLE))
    office.run("anna", "contacts")


@pytest.mark.parametrize(
    ("event", "reason"),
    [(edited, "by_hand"), (mailed, "history"), (told_elsewhere, "told"), (edited_in_outlook, "changed")],
)
def test_a_contact_to_which_something_came_since_stays(
    office: Office, event: Callable[[Office, int], None], reason: str
) -> None:
    put(office, "Contacts", contact())
    put(office, "Contacts", contact("Иван Петров", "ivan@opt.example", company_name="Опт"))
    office.run("anna", "contacts")
    run_id = last_run(office)
    with office.sessions() as session:
        olga = session.scalars(select(Contact.id).where(Contact.display_name == "Ольга Лаврова")).one()
    event(office, olga)
    effect = undone(office, run_id)
    assert gone(effect) == [("company", "Опт"), ("contact", "Иван Петров")]
    assert kept(effect) == [("company", "", "people"), ("contact", "", reason)]
    stays_so(office, "contacts", "mail", names=("anna", "boris"))


def test_runs_are_undone_one_after_the_other_to_the_very_beginning(office: Office) -> None:
    was = dump(office)
    put(office, "Contacts", contact())
    office.run("anna", "contacts")
    put(office, "Inbox", mail())
    office.run("anna", "mail")
    item = rows(office, Link)[0].remote_id
    office.server.change(item, contact(job_title=TITLE))
    office.run("anna", "contacts")
    for run_id in (3, 2, 1):
        assert not undone(office, run_id).kept
    compare(was, dump(office))
    stays_so(office, "contacts", "mail")


# Fields


def test_an_edit_in_an_address_book_is_taken_back_and_does_not_return(office: Office) -> None:
    card = put(office, "Contacts", contact(job_title=TITLE))
    office.run("anna", "contacts")
    was = dump(office)
    edit = contact(job_title="Директор", phones=(Phone("mobile", "+7 900 000-00-01"),), notes="Новое")
    office.server.change(card, edit)
    office.run("anna", "contacts")
    effect = undone(office)
    assert [field for field, _, _ in put_back(effect)] == ["job_title", "notes", "phones"]
    compare(was, dump(office))
    with office.sessions() as session:
        told = session.scalars(select(FieldChange).where(FieldChange.source == "undo")).all()
        assert sorted((row.field, row.run_id, row.mailbox_id) for row in told) == [
            ("job_title", effect.run_id, None),
            ("notes", effect.run_id, None),
            ("phones", effect.run_id, None),
        ]
    stays_so(office, "contacts")
    office.server.change(card, replace(edit, department="Закупки"))
    office.run("anna", "contacts")
    (found,) = rows(office, Contact)
    assert (found.job_title, found.department) == (TITLE, "Закупки")


def test_what_was_edited_since_stays_and_is_told(office: Office) -> None:
    card = put(office, "Contacts", contact(job_title=TITLE, notes="Было"))
    office.run("anna", "contacts")
    numbers = {"business": "+7 495 555-01-02", "mobile": "+7 900 000-00-01", "home": "+7 900 000-00-02"}
    phones = tuple(Phone(label, number) for label, number in numbers.items())
    office.server.change(card, contact(job_title="Директор", notes="Стало", phones=phones))
    office.run("anna", "contacts")
    run_id = last_run(office)
    with office.sessions() as session:
        there = contact_data.entries(session.scalars(select(Contact)).one(), "phones")
    now = [entry | {"label": "car"} if entry["label"] == "home" else entry for entry in there]
    work_at(office, job_title="Владелец", phones=now)
    effect = undone(office, run_id)
    assert kept(effect) == [("contact", "job_title", "changed"), ("contact", "phones", "changed")]
    (found,) = rows(office, Contact)
    assert (found.job_title, found.notes) == ("Владелец", "Было")
    with office.sessions() as session:
        left = contact_data.entries(session.scalars(select(Contact)).one(), "phones")
    assert [entry["label"] for entry in left] == ["business", "car"]
    stays_so(office, "contacts")


def test_an_address_that_a_run_brought_gives_its_mail_back(office: Office) -> None:
    card = put(office, "Contacts", contact())
    put(office, "Inbox", mail("Личное", "olga@mail.ru"))
    office.run("anna", "contacts")
    office.run("anna", "mail")
    was = dump(office)
    both = (LabelledAddress("1", OLGA), LabelledAddress("2", "olga@mail.ru"))
    office.server.change(card, contact(emails=both))
    office.run("anna", "contacts")
    assert dump(office)["contact_timeline"] != was["contact_timeline"]
    undone(office)
    compare(was, dump(office))


def test_what_a_run_told_of_companies_is_taken_back(office: Office) -> None:
    """A company that was known by its domain gets a name, another one's employee, and a phone."""
    put(office, "Sent Items", mail("Прайс", "anna@office.test", OLGA))
    office.run("anna", "mail")
    was = dump(office)
    put(office, "Contacts", contact("Иван", "ivan@lavka.example", phones=(Phone("company_main", "+7 495 555-01-02"),)))
    office.run("anna", "contacts")
    assert [company.name for company in rows(office, Company)] == ["ООО «Лавка»"]
    effect = undone(office)
    assert gone(effect) == [("contact", "Иван")]
    compare(was, dump(office))
    stays_so(office, "contacts", "mail")


def test_a_company_is_called_as_those_say_who_stay(office: Office) -> None:
    put(office, "Sent Items", mail("Прайс", "anna@office.test", OLGA))
    office.run("anna", "mail")
    put(office, "Contacts", contact("Иван", "ivan@lavka.example", job_title=TITLE))
    put(office, "Contacts", contact("Пётр", "petr@lavka.example"))
    office.run("anna", "contacts")
    run_id = last_run(office)
    put(office, "Inbox", mail("От Ивана", "ivan@lavka.example"))
    office.run("anna", "mail")
    effect = undone(office, run_id)
    assert gone(effect) == [("contact", "Пётр")]
    assert kept(effect) == [("company", "name", "people"), ("contact", "", "history")]
    assert [company.name for company in rows(office, Company)] == ["ООО «Лавка»"]


def test_a_company_that_became_another_one_is_made_anew(office: Office) -> None:
    put(office, "Contacts", contact("Пётр", "", company_name="ООО «Лавка»"), "boris")
    office.run("boris", "contacts")
    put(office, "Sent Items", mail("Прайс", "anna@office.test", OLGA))
    office.run("anna", "mail")
    assert sorted(company.name for company in rows(office, Company)) == ["lavka.example", "ООО «Лавка»"]
    put(office, "Contacts", contact("Иван", "ivan@lavka.example"))
    office.run("anna", "contacts")
    assert [company.name for company in rows(office, Company)] == ["ООО «Лавка»"]
    undone(office)
    with office.sessions() as session:
        found = {each.display_name: each.company.name for each in session.scalars(select(Contact))}
        domains = {each.name: [owned.domain for owned in each.domains] for each in session.scalars(select(Company))}
    assert found == {"Пётр": "ООО «Лавка»", OLGA: "lavka.example"}
    assert domains == {"ООО «Лавка»": [], "lavka.example": ["lavka.example"]}


# Privacy


def test_what_became_private_is_never_restored(office: Office) -> None:
    card = put(office, "Contacts", contact(job_title="Тайна"))
    letter = put(office, "Inbox", mail())
    office.run("anna", "contacts")
    office.run("anna", "mail")
    put(office, "Contacts", contact("Другой", "other@opt.example"))
    for item, record in ((card, contact(job_title="Тайна", is_private=True)), (letter, mail(is_private=True))):
        office.server.change(item, record)
    office.run("anna", "mail")
    office.run("anna", "contacts")
    effect = undone(office)
    assert gone(effect) == [("contact", "Другой")]
    assert not rows(office, Activity)
    assert not rows(office, Contact)
    assert "Тайна" not in repr([vars(row) for row in rows(office, AuditEntry) + rows(office, FieldChange)])
    stays_so(office, "contacts", "mail")


def test_an_item_that_is_out_and_becomes_private_leaves_no_trace(office: Office) -> None:
    card = put(office, "Contacts", contact(job_title="Тайна"))
    put(office, "Contacts", contact("Другой", "other@opt.example"))
    office.run("anna", "contacts")
    undone(office)
    office.server.change(card, contact(job_title="Тайна", is_private=True))
    office.run("anna", "contacts")
    hashes = {row.remote_id: row.message_hash for row in rows(office, SkippedItem)}
    assert hashes.pop(card) == ""
    assert all(hashes.values())
    office.server.change(card, contact(job_title="Тайна"))
    office.run("anna", "contacts")
    assert not rows(office, Contact)
    assert not rows(office, FieldChange)


def test_what_stays_can_still_be_withdrawn(office: Office) -> None:
    """The mailbox still knows who said what stays."""
    put(office, "Contacts", contact(job_title=TITLE), "boris")
    office.run("boris", "contacts")
    card = put(office, "Contacts", contact(notes="Заметка", phones=(Phone("mobile", "+7 900 000-00-01"),)))
    office.run("anna", "contacts")
    run_id = last_run(office)
    with office.sessions() as session:
        there = contact_data.entries(session.scalars(select(Contact)).one(), "phones")
    work_at(office, phones=[entry | {"label": "home"} if entry["label"] == "mobile" else entry for entry in there])
    assert kept(undone(office, run_id)) == [("contact", "phones", "changed")]
    office.server.change(card, contact(is_private=True))
    office.run("anna", "contacts")
    assert "900 000-00-01" not in repr(dump(office)["contact_phones"])


# Refusals


def refused(office: Office, run_id: int, viewer: Viewer | None = None) -> str:
    with pytest.raises(undo.UndoRefused) as caught, office.sessions.begin() as session:
        undo.undo(session, office.settings, viewer or access.operator(), run_id)
    return caught.value.reason


def test_a_run_is_undone_once(office: Office) -> None:
    put(office, "Inbox", mail())
    office.run("anna", "mail")
    undone(office)
    assert refused(office, 1) == "undone"
    (row,) = rows(office, SyncRun)
    assert row.undone_at is not None
    with office.sessions() as session:
        told = undo.done(session, 1)
    assert told is not None
    assert (told["mails"], told["kept"]) == (1, [])


def test_a_run_at_work_and_one_of_long_ago_are_refused(office: Office) -> None:
    put(office, "Inbox", mail())
    office.run("anna", "mail")
    with office.sessions.begin() as session:
        session.execute(update(SyncRun).values(finished_at=None))
        session.execute(
            update(Stream).where(Stream.kind == "mail").values(claim="x", claimed_until=utcnow() + timedelta(minutes=1))
        )
    assert refused(office, 1) == "running"
    with office.sessions.begin() as session:
        session.execute(update(Stream).values(claim=""))
        days = office.settings.retention.runs_days
        session.execute(update(SyncRun).values(started_at=utcnow() - timedelta(days=days + 1)))
    assert refused(office, 1) == "aged"
    with pytest.raises(NotFound), office.sessions.begin() as session:
        undo.undo(session, office.settings, access.operator(), 7)


@pytest.mark.parametrize("role", ["manager", "controller"])
def test_only_admins_undo(office: Office, role: str) -> None:
    with pytest.raises(Forbidden), office.sessions.begin() as session:
        undo.undo(session, office.settings, Viewer(1, role), 1)


def test_a_run_that_changed_nothing_is_refused(office: Office) -> None:
    office.run("anna", "mail")
    assert refused(office, 1) == "nothing"
    assert rows(office, SyncRun)[0].undone_at is None


def test_nothing_but_numbers_is_told_in_the_audit_log(office: Office, session: Session) -> None:
    put(office, "Contacts", contact())
    office.run("anna", "contacts")
    undone(office)
    (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == undo.ACT)).all()
    assert "Лаврова" not in entry.detail
    assert '"contacts": 1' in entry.detail


def test_a_meeting_and_its_occurrences_go_together(office: Office) -> None:
    put(
        office, "Calendar", meeting(recurrence="FREQ=WEEKLY;COUNT=3", start=utcnow(), end=utcnow() + timedelta(hours=1))
    )
    office.run("anna", "calendar")
    effect = undone(office)
    assert [thing.entity for thing in effect.gone] == ["meeting"]
    assert not rows(office, Meeting)
    assert not rows(office, Activity)
    stays_so(office, "calendar")
