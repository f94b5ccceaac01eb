"""Conflicts: who sees them, and taking the value that lost (W1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from terracrm.domain.addresses import DomainPolicy
from terracrm.errors import Forbidden, NotFound
from terracrm.models import (
    AuditEntry,
    Conflict,
    Contact,
    ContactAddress,
    FieldChange,
    Link,
    MirrorFolder,
    OutboxItem,
    Stream,
)
from terracrm.services import access, conflicts, merges, outbox, tasks
from terracrm.services.conflicts import ConflictChanged
from tests.office import NOW, OURS, Office, make_office
from tests.services.conftest import Viewers

SQLITE_FIRST = True

MARIA = "maria@market.example"
POLICY = DomainPolicy.of([OURS], ["gmail.com"])
Clash = Callable[..., Conflict]


@pytest.fixture
def clash(office: Office) -> Clash:
    """`clash("job_title", "Закупщик", "Директор")`: both sides changed that of Мария, and ours won."""

    def made(field: str, crm: Any, outlook: Any, winner: str = "crm", **values: Any) -> Conflict:
        row = Conflict(
            **{"entity": "contact", "entity_id": office.contacts[MARIA].id, "rule": "latest"} | values,
            field=field,
            crm_value=crm,
            outlook_value=outlook,
            winner=winner,
            mailbox_id=office.mailboxes["anna"].id,
        )
        office.add(row)
        return row

    return made


def take(office: Office, viewer: access.Viewer, conflict: Conflict, seal: str | None = None) -> conflicts.ConflictRow:
    return conflicts.take(office.session, POLICY, viewer, conflict.id, seal)


def card_of(office: Office, name: str, address: str) -> None:
    """A card of this client in that mailbox."""
    stream = Stream(kind="contacts", direction="both")
    office.mailboxes[name].streams.append(stream)
    stream.folders.append(MirrorFolder(remote_id="clients", path="Contacts/Clients", role="clients"))
    office.session.flush()
    link = Link(entity="contact", local_id=office.contacts[address].id, remote_id="card", rule=outbox.CLIENTS)
    link.mailbox_id, link.folder_id = stream.mailbox_id, stream.folders[0].id
    office.add(link)


def test_the_other_value_is_written_noted_and_owed_to_all_cards(office: Office, viewer: Viewers, clash: Clash) -> None:
    card_of(office, "galina", MARIA)
    row = take(office, viewer("anna"), clash("job_title", "Закупщик", "Директор"))
    assert office.contacts[MARIA].job_title == "Директор"
    assert (row.state, row.who, row.now, row.has_changed) == ("taken", "Anna Sokolova", "Директор", True)
    change = office.session.scalars(select(FieldChange).order_by(FieldChange.id.desc())).first()
    assert change
    assert (change.field, change.old, change.new) == ("job_title", "Закупщик", "Директор")
    assert (change.source, change.user_id) == ("conflict", office.users["anna"].id)
    owed = office.session.scalars(select(OutboxItem)).one()
    assert (owed.mailbox_id, owed.local_id) == (office.mailboxes["galina"].id, office.contacts[MARIA].id)
    acts = office.session.scalars(select(AuditEntry.action)).all()
    assert acts == ["conflict.take"]


def test_the_value_of_the_crm_comes_back_where_outlook_won(office: Office, viewer: Viewers, clash: Clash) -> None:
    take(office, viewer("anna"), clash("job_title", "Повар", "Закупщик", winner="outlook"))
    assert office.contacts[MARIA].job_title == "Повар"


def test_an_entry_of_a_list_is_taken_for_the_other_one(office: Office, viewer: Viewers, clash: Clash) -> None:
    maria = office.contacts[MARIA]
    mobile = {"label": "mobile", "number": "+7 495 123-45-67"}
    take(office, viewer("anna"), clash("phones", mobile, {"label": "home", "number": "+7 812 765-43-21"}))
    assert [(row.label, row.number, row.e164) for row in maria.phones] == [("home", "+7 812 765-43-21", "+78127654321")]
    take(office, viewer("anna"), clash("phones", None, mobile))
    assert [row.label for row in maria.phones] == ["home", "mobile"]
    take(office, viewer("anna"), clash("phones", mobile, None))
    assert [row.label for row in maria.phones] == ["home"]


def test_mail_and_company_follow_the_value_that_is_taken(office: Office, viewer: Viewers, clash: Clash) -> None:
    gone = {"label": "1", "address": MARIA}
    vesna = {"label": "1", "address": "maria@vesna.example"}
    take(office, viewer("anna"), clash("emails", gone, vesna))
    assert [row.address for row in office.contacts[MARIA].addresses] == ["maria@vesna.example"]
    row = clash("company_name", office.contacts[MARIA].company_name, "Vesna Stores")
    take(office, viewer("anna"), row)
    assert office.contacts[MARIA].company_id == office.companies["vesna.example"].id


def test_what_was_changed_since_is_shown_and_not_overwritten_unseen(
    office: Office, viewer: Viewers, clash: Clash
) -> None:
    conflict = clash("job_title", "Закупщик", "Директор")
    anna = viewer("anna")
    before = conflicts.get(office.session, anna, conflict.id)
    assert (before.has_changed, before.won, before.other) == (False, "Закупщик", "Директор")
    office.contacts[MARIA].job_title = "Владелец"
    office.session.flush()
    now = conflicts.get(office.session, anna, conflict.id)
    assert (now.has_changed, now.now) == (True, "Владелец")
    with pytest.raises(ConflictChanged, match="changed since"), office.session.begin_nested():
        take(office, anna, conflict, before.seal)
    assert office.contacts[MARIA].job_title == "Владелец"
    take(office, anna, conflict, now.seal)
    assert office.contacts[MARIA].job_title == "Директор"


def test_keeping_changes_nothing_and_is_remembered(office: Office, viewer: Viewers, clash: Clash) -> None:
    conflict = clash("job_title", "Закупщик", "Директор")
    row = conflicts.keep(office.session, viewer("galina"), conflict.id)
    assert (row.state, row.who) == ("kept", "Galina Smirnova")
    assert office.contacts[MARIA].job_title == "Закупщик"
    assert conflicts.listing(office.session, viewer("anna")).total == 0
    [decided] = conflicts.listing(office.session, viewer("anna"), "decided").rows
    assert (decided.name, decided.mailbox, decided.decided_at is not None) == ("Мария Иванова", f"anna@{OURS}", True)
    for act in (conflicts.keep, lambda *told: conflicts.take(told[0], POLICY, *told[1:])):
        with pytest.raises(ConflictChanged, match="already"):
            act(office.session, viewer("anna"), conflict.id)


def test_a_conflict_is_seen_by_who_sees_the_client(office: Office, viewer: Viewers, clash: Clash) -> None:
    old = clash("job_title", "Закупщик", "Директор", found_at=NOW - timedelta(days=1))
    new = clash("department", "", "Склад")
    theirs = clash("notes", "a", "b", entity_id=office.contacts["peter@vesna.example"].id)
    seen = {
        name: [row.id for row in conflicts.listing(office.session, viewer(name)).rows]
        for name in ("anna", "galina", "boris", "viktor", "admin")
    }
    everything = [theirs.id, new.id, old.id]
    assert seen == {
        "anna": [new.id, old.id], "galina": [new.id, old.id], "boris": [theirs.id],
        "viktor": everything, "admin": everything,
    }  # fmt: skip
    counts = {name: conflicts.count(office.session, viewer(name)) for name in ("anna", "boris", "viktor", "admin")}
    assert counts == {"anna": 2, "boris": 1, "viktor": 0, "admin": 0}
    of_maria = conflicts.of_contact(office.session, viewer("anna"), office.contacts[MARIA].id)
    assert [row.id for row in of_maria] == [old.id, new.id]
    assert conflicts.of_contact(office.session, viewer("boris"), office.contacts[MARIA].id) == []


def test_who_may_not_decide(office: Office, viewer: Viewers, clash: Clash) -> None:
    conflict = clash("job_title", "Закупщик", "Директор")
    for name, error in (("viktor", Forbidden), ("admin", Forbidden), ("boris", NotFound)):
        with pytest.raises(error), office.session.begin_nested():
            take(office, viewer(name), conflict)
        with pytest.raises(error), office.session.begin_nested():
            conflicts.keep(office.session, viewer(name), conflict.id)
    assert conflict.state == "open"


def test_after_a_merge_the_value_goes_to_who_it_is_now(office: Office, viewer: Viewers, clash: Clash) -> None:
    igor = office.contacts["igor@harbour.example"]
    conflict = clash("job_title", "", "Директор", entity_id=igor.id)
    first = office.contact("Мария И.", "m@market.example")
    merges.merge(office.session, viewer("anna"), "contact", first.id, igor.id, {})
    merges.merge(office.session, viewer("anna"), "contact", office.contacts[MARIA].id, first.id, {})
    [row] = conflicts.of_contact(office.session, viewer("anna"), office.contacts[MARIA].id)
    assert (row.id, row.name) == (conflict.id, "Мария Иванова")
    assert [row.id for row in conflicts.listing(office.session, viewer("anna")).rows] == [conflict.id]
    assert conflicts.listing(office.session, viewer("boris")).rows == []
    take(office, viewer("anna"), conflict)
    assert office.contacts[MARIA].job_title == "Директор"


@pytest.mark.parametrize(
    ("field", "crm", "outlook", "says"),
    [
        ("subject", "Call", "Call again", lambda task: task.activity.subject == "Call again"),
        ("due_on", "2026-12-01", "2026-12-24", lambda task: task.due_on.isoformat() == "2026-12-24"),
        ("due_on", "2026-12-01", "", lambda task: task.due_on is None),
        (
            "remind_at",
            "",
            "2026-12-24T09:30+00:00",
            lambda task: task.remind_at.isoformat(timespec="minutes") == "2026-12-24T09:30+00:00",
        ),
        ("importance", "normal", "high", lambda task: task.importance == "high"),
        ("done_on", "", "2026-11-23", lambda task: task.done_at is not None),
    ],
)
def test_a_field_of_a_task_is_taken_alike(
    office: Office, viewer: Viewers, clash: Clash, field: str, crm: str, outlook: str, says: Callable[[Any], bool]
) -> None:
    anna = viewer("anna")
    task = tasks.add(office.session, anna, tasks.Draft("Call"), contact_id=office.contacts[MARIA].id)
    conflict = clash(field, crm, outlook, entity="task", entity_id=task.activity_id)
    assert [row.name for row in conflicts.listing(office.session, anna).rows] == ["Call"]
    assert conflicts.listing(office.session, viewer("admin")).rows == []
    take(office, anna, conflict)
    assert says(task)


def test_what_became_private_is_forgotten(office: Office, viewer: Viewers, clash: Clash) -> None:
    secret, other = clash("job_title", "a", "b"), clash("notes", "a", "b")
    theirs = clash("job_title", "a", "b", entity_id=office.contacts["peter@vesna.example"].id)
    conflicts.forget(office.session, "contact", secret.entity_id, ["job_title"])
    assert set(office.session.scalars(select(Conflict.id))) == {other.id, theirs.id}
    conflicts.forget(office.session, "contact", secret.entity_id)
    assert set(office.session.scalars(select(Conflict.id))) == {theirs.id}
    with pytest.raises(NotFound):
        conflicts.get(office.session, viewer("anna"), other.id)


def test_a_contact_that_is_gone_leaves_a_conflict_that_nobody_sees(
    office: Office, viewer: Viewers, clash: Clash
) -> None:
    clash("job_title", "a", "b", entity_id=987654)
    assert conflicts.listing(office.session, viewer("viktor")).rows == []


def test_of_two_who_decide_the_second_is_told(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        office = make_office(session)
        maria = office.contacts[MARIA]
        row = Conflict(entity="contact", entity_id=maria.id, field="notes", crm_value="", outlook_value="x")
        row.winner, row.rule = "crm", "crm"
        office.add(row)
        anna = access.viewer_of(session, office.users["anna"])
    with sessions() as slow:
        conflicts.get(slow, anna, row.id)
        with sessions.begin() as fast:
            conflicts.take(fast, POLICY, anna, row.id)
        with pytest.raises(ConflictChanged):
            conflicts.keep(slow, anna, row.id)
    with sessions() as session:
        assert session.get_one(Contact, maria.id).notes == "x"
        assert session.get_one(Conflict, row.id).state == "taken"
        assert session.scalars(select(ContactAddress.address).where(ContactAddress.contact_id == maria.id)).all()
