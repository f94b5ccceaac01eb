"""A plan of a mailbox in both directions that touches nothing, and a run that does just that (Y1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from connectors.base import Account, Connector
from connectors.memory import MemoryConnector
from sync.planning import PlanOutcome, plan_mailbox, run_plan
from terracrm.domain.records import Change, Folder, Page, StreamKind
from terracrm.errors import InvalidInput, Temporary
from terracrm.models import Base, Contact, utcnow
from terracrm.services import access, mailboxes, plans
from terracrm.services.plans import Step
from tests.sync.clients_office import CLIENTS, ClientsOffice, stream_of
from tests.sync.conftest import Office
from tests.sync.items import contact, mail, meeting

SQLITE_FIRST = True

ANNA = "anna@office.test"
ACCOUNT = Account(ANNA, "", ANNA, "secret")


def planned(office: Office, *wanted: str, connect: Any = None) -> list[Step]:
    with office.sessions() as session:
        mailbox_id = mailboxes.get(session, ANNA).id
    return plan_mailbox(office.settings, office.sessions, connect or office.connect, mailbox_id, wanted or None)


def stored(office: Office, steps: Sequence[Step]) -> int:
    with office.sessions.begin() as session:
        return plans.store(session, mailboxes.get(session, ANNA).id, None, plans.COMMAND, steps).id


def run(office: Office, plan_id: int) -> PlanOutcome:
    return run_plan(office.settings, office.sessions, office.connect, plan_id)


def facts(steps: Sequence[Step]) -> list[tuple[str, str, str]]:
    return sorted((step.direction, step.act, step.entity) for step in steps)


def everything(session: Session) -> dict[str, list[Any]]:
    """All rows of all tables."""
    session.rollback()
    names = [table.name for table in Base.metadata.sorted_tables]
    return {name: sorted(map(repr, session.execute(text(f"SELECT * FROM {name}")).all())) for name in names}


def fill(office: Office) -> dict[str, list[str]]:
    server = office.server
    return {
        "contacts": [
            server.put(office.folder("anna", "Contacts"), contact(f"Клиент {n}", f"k{n}@lavka.example"))
            for n in range(4)
        ],
        "mail": [server.put(office.folder("anna", "Inbox"), mail(f"Письмо {n}")) for n in range(3)],
        "calendar": [server.put(office.folder("anna", "Calendar"), meeting("Встреча"))],
    }


def rename(office: Office, remote_id: str, name: str) -> None:
    record = office.server._item(remote_id).record
    office.server.change(remote_id, replace(record, display_name=name))  # type: ignore[call-arg]


def test_a_mailbox_that_was_never_read_is_planned_and_nothing_is_touched(office: Office, session: Session) -> None:
    office.settings.mirror.page_size = 2
    fill(office)
    before, writes = everything(session), office.server.writes
    steps = planned(office)
    assert facts(steps) == [
        *[("in", "create", "contact")] * 4,
        ("in", "create", "meeting"),
        *[("in", "create", "message")] * 3,
    ]
    assert (everything(session), office.server.writes) == (before, writes)
    one = next(step for step in steps if step.entity == "contact")
    assert ("display_name", "", "Клиент 0") in [(f.field, f.old, f.new) for f in one.fields]
    assert (one.folder_id, one.local_id, one.rule != "") == (None, None, True)
    assert not any("Письмо" in field.new for step in steps for field in step.fields)
    assert facts(planned(office, "mail")) == [("in", "create", "message")] * 3


def test_a_plan_is_run_and_nothing_is_left_of_it(office: Office, session: Session) -> None:
    fill(office)
    plan_id = stored(office, planned(office))
    done = run(office, plan_id)
    assert [(s.stream, s.counts.created, s.state) for s in done.summaries] == [
        ("contacts", 4, "ok"), ("calendar", 1, "ok"), ("mail", 3, "ok")
    ]  # fmt: skip
    assert (bool(done.moved), done.busy) == (False, ())
    assert planned(office) == []


def test_changes_and_removals_are_told_field_by_field_and_done(office: Office) -> None:
    items = fill(office)
    for kind in ("contacts", "calendar", "mail"):
        office.run("anna", kind)
    rename(office, items["contacts"][0], "Ольга Петрова")
    office.server.change(items["calendar"][0], meeting("Встреча", location="Кафе"))
    office.server.delete(items["contacts"][1])
    office.server.delete(items["mail"][0])
    steps = planned(office)
    assert facts(steps) == [
        ("in", "change", "contact"), ("in", "change", "meeting"),
        ("in", "remove", "contact"), ("in", "remove", "message"),
    ]  # fmt: skip
    told = {step.entity: [(f.field, f.old, f.new) for f in step.fields] for step in steps if step.act == "change"}
    assert told == {
        "contact": [("display_name", "Клиент 0", "Ольга Петрова")],
        "meeting": [("location", "", "Кафе")],
    }
    assert all(step.local_id and step.folder_id and step.remote_id for step in steps)
    assert planned(office) == steps
    done = run(office, stored(office, steps))
    assert (bool(done.moved), planned(office)) == (False, [])
    assert sum(s.counts.deleted for s in done.summaries) == 2


def test_what_has_moved_since_is_said_and_left(office: Office, session: Session) -> None:
    items = fill(office)
    other = office.server.add_folder(ANNA, "Contacts/Neu", StreamKind.CONTACTS)
    office.run("anna", "contacts")
    rename(office, items["contacts"][0], "Первая")
    rename(office, items["contacts"][1], "Вторая")
    planned_new = office.server.put(other, contact("Новый", "new@lavka.example"))
    plan_id = stored(office, planned(office, "contacts"))
    rename(office, items["contacts"][0], "Другая")  # changed
    rename(office, items["contacts"][2], "Третья")  # new
    done = run(office, plan_id)
    moved = done.moved
    assert [(old.fields[0].new, new.fields[0].new) for old, new in moved.changed] == [("Первая", "Другая")]
    assert [step.fields[0].new for step in moved.new] == ["Третья"]
    assert moved.gone == ()
    # Nothing of the page that has moved was done, and the other folder was.
    names = {c.display_name for c in session.query(Contact)}
    assert names == {"Клиент 0", "Клиент 1", "Клиент 2", "Клиент 3", "Новый"}
    assert planned_new
    office.run("anna", "contacts")
    session.rollback()
    assert {"Другая", "Вторая", "Третья"} <= {c.display_name for c in session.query(Contact)}


def test_what_is_no_longer_due_is_said(office: Office) -> None:
    items = fill(office)
    office.run("anna", "contacts")
    rename(office, items["contacts"][0], "Первая")
    plan_id = stored(office, planned(office, "contacts"))
    rename(office, items["contacts"][0], "Клиент 0")
    done = run(office, plan_id)
    assert [step.fields[0].new for step in done.moved.gone] == ["Первая"]
    assert done.summaries[0].state == "ok"


def test_a_move_is_in_no_plan_and_is_done_all_the_same(office: Office, session: Session) -> None:
    items = fill(office)
    other = office.server.add_folder(ANNA, "Contacts/Zulu", StreamKind.CONTACTS)
    office.run("anna", "contacts")
    for remote_id in items["contacts"]:
        office.server.move(remote_id, other)
    steps = planned(office, "contacts")
    assert facts(steps) == [("in", "create", "contact")] * 4
    assert not run(office, stored(office, steps)).moved
    assert planned(office, "contacts") == []


def test_what_is_private_is_told_and_needs_no_plan(office: Office) -> None:
    items = fill(office)
    office.run("anna", "contacts")
    record = office.server._item(items["contacts"][0]).record
    steps_before = planned(office, "contacts")
    plan_id = stored(office, steps_before)
    office.server.change(items["contacts"][0], replace(record, is_private=True))  # type: ignore[call-arg]
    assert [(s.act, s.rule, s.fields) for s in planned(office, "contacts")] == [("remove", "private", ())]
    done = run_plan(office.settings, office.sessions, office.connect, plan_id)
    assert done.summaries == ()  # the plan has no steps: there is nothing to run
    office.run("anna", "contacts")
    assert office.stats()["contacts"] == 3


def test_a_lost_cursor_and_a_lost_folder_are_planned(office: Office) -> None:
    items = fill(office)
    other = office.server.add_folder(ANNA, "Contacts/Zulu", StreamKind.CONTACTS)
    office.server.put(other, contact("Новый", "new@lavka.example"))
    office.run("anna", "contacts")
    office.server.lose(items["contacts"][0])
    office.server.expire_cursors()
    office.server.remove_folder(other)
    steps = planned(office, "contacts")
    assert sorted((step.act, step.rule) for step in steps) == [("remove", "folder_gone"), ("remove", "left_folder")]
    assert not run(office, stored(office, steps)).moved
    assert planned(office, "contacts") == []


def test_more_than_the_brake_lets_through_is_done_by_a_plan(office: Office) -> None:
    items = fill(office)
    office.settings.sync.brake_items = 1
    office.run("anna", "contacts")
    for remote_id in items["contacts"]:
        office.server.delete(remote_id)
    plan_id = stored(office, planned(office, "contacts"))
    [summary] = run(office, plan_id).summaries
    assert (summary.state, summary.counts.deleted) == ("ok", 4)


def test_a_plan_says_what_goes_out_and_writes_just_that(office: Office) -> None:
    clients = ClientsOffice(office)
    first, second = clients.client("Anna Client"), clients.client("Bella Client")
    clients.settled()
    clients.change(first, job_title="Director")
    clients.change(second, archived_at=utcnow())
    third = clients.client("Clara Client")
    steps = planned(office, "contacts")
    assert sorted((s.direction, s.act, s.local_id, s.rule) for s in steps) == [
        ("out", "change", first, "in_scope"),
        ("out", "create", third, "in_scope"),
        ("out", "remove", second, "archived"),
    ]
    plan_id = stored(office, steps)
    clients.change(third, job_title="Buyer")  # has moved since
    done = run(office, plan_id)
    assert [new.local_id for _, new in done.moved.changed] == [third]
    assert {name: card.job_title for name, card in clients.cards().items()} == {"Anna Client": "Director"}
    assert clients.settled().counts.written == 1


def test_the_folder_of_the_clients_is_made_by_a_plan_only_when_it_says_so(office: Office) -> None:
    office.server.put(office.folder("anna", "Contacts"), contact("Nobody", ""))
    without = stored(office, planned(office, "contacts"))
    clients = ClientsOffice(office)
    done = run(office, without)
    assert ("out", "create", "folder") in facts(done.moved.new)
    assert CLIENTS not in [folder.path for folder in office.connect(ACCOUNT).folders()]
    number = clients.client("Anna Client")
    steps = planned(office, "contacts")
    assert [(step.act, step.entity) for step in steps] == [("create", "folder"), *[("create", "contact")] * 2]
    assert steps[-1].local_id == number
    assert [(each.field, each.new) for each in steps[0].fields] == [("name", "TerraCRM Clients")]
    done = run(office, stored(office, steps))
    assert (bool(done.moved), sorted(clients.cards())) == (False, ["Anna Client", "Nobody"])
    assert planned(office, "contacts") == []
    assert clients.settled().counts.written == 0


def captures(office: Office, mode: str) -> None:
    with office.sessions.begin() as session:
        mailboxes.get(session, ANNA).capture = mode


@pytest.mark.parametrize("page_size", [1, 100])
@pytest.mark.parametrize("is_read", [False, True], ids=["never read", "mail read before"])
def test_mail_of_people_whom_the_same_plan_brings_is_in_it(office: Office, page_size: int, is_read: bool) -> None:
    captures(office, "known")
    office.settings.mirror.page_size = page_size
    senders = ["colleague@lavka.example", "olga@lavka.example", "who@mail.ru"]
    items = [office.server.put(office.folder("anna", "Inbox"), mail(sender, sender)) for sender in senders]
    if is_read:
        office.run("anna", "mail")
    office.server.put(office.folder("anna", "Contacts"), contact())
    assert facts(planned(office, "mail")) == []  # nobody is known by that alone
    steps = planned(office)
    assert facts(steps) == [("in", "create", "contact"), *[("in", "create", "message")] * 2]
    assert {step.remote_id for step in steps if step.entity == "message"} == set(items[:2])
    done = run(office, stored(office, steps))
    assert (bool(done.moved), planned(office)) == (False, [])
    assert sum(summary.counts.created for summary in done.summaries) == 3


@pytest.mark.parametrize("page_size", [1, 100])
def test_an_answer_to_what_a_later_page_tells_we_sent_is_in_the_plan(office: Office, page_size: int) -> None:
    captures(office, "replies")
    office.settings.mirror.page_size = page_size
    inbox = office.folder("anna", "Inbox")
    answer = office.server.put(inbox, mail("Re: Цены", in_reply_to="<Цены@test>"))
    office.server.put(inbox, mail("Реклама"))
    ours = office.server.put(inbox, mail("Цены", sender="anna@office.test", to="olga@lavka.example"))
    steps = planned(office)
    assert sorted(step.remote_id for step in steps) == sorted([answer, ours])
    done = run(office, stored(office, steps))
    assert (bool(done.moved), planned(office)) == (False, [])


def test_a_plan_that_waits_for_a_person_or_is_done_is_not_run(office: Office) -> None:
    fill(office)
    plan_id = stored(office, planned(office))
    with office.sessions.begin() as session:
        stream_of(session).state = "approval"
        stream_of(session).last_error = "it waits"
    with pytest.raises(InvalidInput, match="is not run: it waits"):
        run(office, plan_id)
    with office.sessions.begin() as session:
        stream_of(session).state = "ok"
        mailboxes.pause(session, mailboxes.get(session, ANNA))
    with pytest.raises(InvalidInput, match="is paused"):
        run(office, plan_id)
    with office.sessions.begin() as session:
        plans.finish(session, access.operator(), plan_id)
    with pytest.raises(InvalidInput, match="is done"):
        run(office, plan_id)


def test_a_stream_that_fails_or_is_busy_tells_nothing_of_its_steps(office: Office) -> None:
    fill(office)
    office.run("anna", "calendar")  # the account is let in
    plan_id = stored(office, planned(office, "contacts", "mail"))

    class Broken(MemoryConnector):
        def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Iterator[Page]:
            if folder.kind is StreamKind.CONTACTS:
                raise Temporary("The server is busy.")
            return super().changes(folder, cursor, page_size)

    def connect(account: Account) -> Connector:
        return Broken(account, office.server)

    with office.sessions.begin() as session:
        stream_of(session, kind="mail").claim = "elsewhere|1|1|x"
        stream_of(session, kind="mail").claimed_until = utcnow().replace(year=2100)
    done = run_plan(office.settings, office.sessions, connect, plan_id)
    assert ([s.state for s in done.summaries], bool(done.moved), done.busy) == (["backoff"], False, ("mail",))


def test_planning_asks_nothing_inside_a_transaction(office: Office) -> None:
    """SQLite has one writer: who held a transaction over a request would lock out everybody."""
    fill(office)

    class Writing(MemoryConnector):
        def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Iterator[Page]:
            for page in super().changes(folder, cursor, page_size):
                touch(office)
                yield page

        def get(self, folder: Folder, remote_ids: Sequence[str]) -> list[Change]:
            touch(office)
            return super().get(folder, remote_ids)

    steps = planned(office, connect=lambda account: Writing(account, office.server))
    assert len(steps) == 8


def touch(office: Office) -> None:
    with office.sessions.begin() as session:
        stream_of(session, "boris").due_at = utcnow()
