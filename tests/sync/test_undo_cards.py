"""Undoing what people did in Outlook to cards of clients and to tasks, and what is written there then (Y3, W1, W3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

from sqlalchemy import select

from terracrm.domain.records import ContactRecord, LabelledAddress, TaskRecord
from terracrm.models import Conflict, Contact, Link, Task
from terracrm.services import access, field_history, undo
from terracrm.services.conflicts import TAKEN
from terracrm.services.field_history import PORTAL, Origin
from tests.sync.clients_office import ClientsOffice
from tests.sync.conftest import Office
from tests.sync.items import contact, mail
from tests.sync.test_races import at_once
from tests.sync.test_tasks import Desk, desk  # noqa: F401  (a fixture)
from tests.sync.undoing import compare, dump, gone, kept, last_run, put_back, undone

SQLITE_FIRST = True


def one(clients: ClientsOffice, contact_id: int) -> Contact:
    with clients.office.sessions() as session:
        return session.get_one(Contact, contact_id)


def test_an_edit_on_a_card_is_taken_back_on_all_cards(clients: ClientsOffice, vera: int) -> None:
    clients.choose("boris", direction="both", client_scope="team")
    clients.become_a_team()
    clients.settled("boris")
    was = dump(clients.office)
    clients.edit(clients.item("Vera Orlova"), job_title="CTO", department="Sales")
    clients.run()
    run_id = last_run(clients.office)
    clients.run("boris")
    assert clients.cards(name="boris")["Vera Orlova"].job_title == "CTO"
    assert put_back(undone(clients.office, run_id)) == [("department", "Sales", ""), ("job_title", "CTO", "CEO")]
    compare(was, dump(clients.office))
    clients.run("boris")
    for name in ("anna", "boris"):
        clients.settled(name)
        card = clients.cards(name=name)["Vera Orlova"]
        assert (card.job_title, card.department) == ("CEO", "")
    compare(was, dump(clients.office))
    with clients.office.sessions() as session:
        assert not session.scalars(select(Conflict)).all()
        told = [link.told for link in session.scalars(select(Link).where(Link.rule == "clients"))]
    assert "CTO" not in repr(told)


def test_a_conflict_that_outlook_won_is_settled_by_it(clients: ClientsOffice, vera: int) -> None:
    clients.choose(conflict_rule="outlook")
    with clients.crm() as session:
        found = session.get_one(Contact, vera)
        with field_history.recording(session, Origin(PORTAL), found):
            found.job_title = "CFO"
    clients.edit(clients.item("Vera Orlova"), job_title="CTO")
    clients.run()
    effect = undone(clients.office)
    assert (put_back(effect), effect.conflicts) == ([("job_title", "CTO", "CFO")], 1)
    with clients.office.sessions() as session:
        assert [row.state for row in session.scalars(select(Conflict))] == [TAKEN]
    clients.settled()
    assert clients.cards()["Vera Orlova"].job_title == "CFO"


def test_a_client_that_a_deleted_card_archived_is_there_again(clients: ClientsOffice, vera: int) -> None:
    clients.choose(on_delete="archive")
    was = dump(clients.office)
    clients.server.delete(clients.item("Vera Orlova"))
    clients.run()
    assert one(clients, vera).archived_at is not None
    effect = undone(clients.office)
    assert [field for field, _, _ in put_back(effect)] == ["archived"]
    compare(was, dump(clients.office))
    clients.settled()
    assert list(clients.cards()) == ["Vera Orlova"]


def test_who_was_put_among_the_cards_leaves_them_again(clients: ClientsOffice, vera: int) -> None:
    was = dump(clients.office)
    record = ContactRecord(display_name="Nina Kim", emails=(LabelledAddress("1", "nina@client.test"),))
    clients.server.put(clients.folder(), record)
    clients.run()
    assert sorted(clients.cards()) == ["Nina Kim", "Vera Orlova"]
    assert gone(undone(clients.office)) == [("contact", "Nina Kim")]
    compare(was, dump(clients.office))
    clients.settled()
    assert list(clients.cards()) == ["Vera Orlova"]
    clients.server.expire_cursors()
    clients.run()
    compare(was, dump(clients.office))


def test_the_card_of_a_contact_that_goes_is_taken_out(clients: ClientsOffice, vera: int) -> None:
    """The person's own entry is not touched, and brings nothing back."""
    was = dump(clients.office)
    clients.server.put(clients.folder("Contacts"), contact())
    clients.run()
    run_id = last_run(clients.office)
    clients.settled()
    assert sorted(clients.cards()) == ["Vera Orlova", "Ольга Лаврова"]
    assert ("contact", "Ольга Лаврова") in gone(undone(clients.office, run_id))
    clients.settled()
    assert list(clients.cards()) == ["Vera Orlova"]
    assert list(clients.cards("Contacts")) == ["Ольга Лаврова"]
    clients.server.expire_cursors()
    clients.settled()
    compare(was, dump(clients.office))


def test_what_was_edited_on_a_card_after_the_undo_meets_the_old_value(clients: ClientsOffice, vera: int) -> None:
    """Nobody has read it yet when the run before is undone: both sides changed, and the rule decides."""
    clients.edit(clients.item("Vera Orlova"), job_title="CTO")
    clients.run()
    clients.edit(clients.item("Vera Orlova"), job_title="COO")
    undone(clients.office)
    clients.settled()
    with clients.office.sessions() as session:
        (conflict,) = session.scalars(select(Conflict)).all()
    assert {conflict.crm_value, conflict.outlook_value} == {"CEO", "COO"}


# Tasks


def test_what_was_done_to_a_task_in_outlook_is_taken_back(desk: Desk) -> None:  # noqa: F811
    task_id = desk.add()
    desk.run()
    desk.quiet()
    was = dump(desk.office)
    item = desk.item()
    assert isinstance(item.record, TaskRecord)
    desk.server.change(item.remote_id, replace(item.record, completed_on=date(2026, 11, 20), importance="low"))
    desk.run()
    run_id = last_run(desk.office)
    effect = undone(desk.office, run_id)
    assert sorted(each.field for each in effect.put_back) == ["done_on", "importance"]
    compare(was, dump(desk.office))
    desk.run()
    desk.quiet()
    now = desk.item().record
    assert isinstance(now, TaskRecord)
    assert (now.completed_on, now.importance) == (None, "high")
    compare(was, dump(desk.office))
    with desk.office.sessions() as session:
        assert session.get_one(Task, task_id).done_at is None


def test_what_was_changed_of_a_task_since_stays(desk: Desk) -> None:  # noqa: F811
    task_id = desk.add()
    desk.run()
    item = desk.item()
    assert isinstance(item.record, TaskRecord)
    desk.server.change(item.remote_id, replace(item.record, importance="low", due_on=date(2026, 12, 1)))
    desk.run()
    run_id = last_run(desk.office)
    desk.change(task_id, importance="normal")
    effect = undone(desk.office, run_id)
    assert [each.field for each in effect.put_back] == ["due_on"]
    assert kept(effect) == [("task", "importance", "changed")]


# At the same time as a run


def test_an_undo_while_the_mailbox_is_read_loses_and_doubles_nothing(office: Office) -> None:
    office.settings.mirror.page_size = 3
    for number in range(12):
        office.server.put(office.folder("anna", "Inbox"), mail(f"Раз {number}", f"p{number % 3}@opt.example"))
    office.run("anna", "mail")
    run_id = last_run(office)
    for number in range(12):
        office.server.put(office.folder("anna", "Inbox"), mail(f"Два {number}", f"p{number % 3}@opt.example"))
        office.server.put(office.folder("anna", "Contacts"), contact(f"P{number}", f"p{number}@opt.example"))

    def undo_it() -> Any:
        with office.sessions.begin() as session:
            return undo.undo(session, office.settings, access.operator(), run_id)

    at_once(partial(office.run, "anna", "mail"), undo_it, partial(office.run, "anna", "contacts"))  # type: ignore[arg-type]
    found = office.stats()
    assert (found["messages"], found["contacts"]) == (12, 12)
    office.server.expire_cursors()
    for kind in ("mail", "contacts"):
        assert office.run("anna", kind).counts.created == 0
    assert office.stats()["messages"] == 12


def test_of_two_who_undo_at_once_one_is_told(office: Office) -> None:
    office.server.put(office.folder("anna", "Inbox"), mail())
    office.run("anna", "mail")

    def undo_it() -> Any:
        try:
            with office.sessions.begin() as session:
                return undo.undo(session, office.settings, access.operator(), 1)
        except undo.UndoRefused as refused:
            return refused.reason

    done = at_once(undo_it, undo_it)
    assert sorted(str(each) for each in done)[1] == "undone"
