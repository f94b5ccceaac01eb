"""The brake outbound: what a run may take out of Outlook and change there before a person is asked (Y2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from connectors.base import Account, Connector
from connectors.memory import MemoryConnector
from terracrm.models import Contact, Link, Plan, Segment, User, utcnow
from terracrm.services import access, mailboxes, outbox, plans
from tests.sync.clients_office import CARDS, CLIENTS, ClientsOffice, stream_of
from tests.sync.conftest import DOMAIN
from tests.sync.items import contact

SQLITE_FIRST = True

ACCOUNT = Account(f"anna@{DOMAIN}", "", f"anna@{DOMAIN}", "secret")


@pytest.fixture
def clients(braked: ClientsOffice) -> ClientsOffice:
    """Anna's mailbox with eight cards, and a brake that lets three things happen."""
    return braked


def ids(clients: ClientsOffice) -> list[int]:
    with clients.crm() as session:
        return list(session.scalars(select(Contact.id).order_by(Contact.id)))


def narrowed(clients: ClientsOffice) -> None:
    """The scope becomes a segment that holds nobody of whom Anna has a card."""
    with clients.crm() as session:
        segment = Segment(name="Empty", conditions=[{"field": "stage", "operator": "is", "value": "never"}])
        session.add(segment)
        session.flush()
        stream = stream_of(session)
        stream.client_scope, stream.segment_id = "segment", segment.id


def handed_over(clients: ClientsOffice) -> None:
    """All of Anna's clients are Boris's now."""
    with clients.crm() as session:
        boris = session.scalars(select(User.id).where(User.name == "boris")).one()
        for contact in session.scalars(select(Contact)):
            contact.owner_id = boris
        outbox.touch_contacts(session, [contact.id for contact in session.scalars(select(Contact))], "changed")


def archived(clients: ClientsOffice) -> None:
    for contact_id in ids(clients):
        clients.change(contact_id, archived_at=utcnow())


def renamed(clients: ClientsOffice) -> None:
    for contact_id in ids(clients):
        clients.change(contact_id, job_title="Director")


def emptied(clients: ClientsOffice) -> None:
    """The segment of the scope loses all its clients at once."""
    everybody = ids(clients)
    for contact_id in everybody:
        clients.change(contact_id, stage="never")
    narrowed(clients)
    assert clients.settled().state == "ok"
    for contact_id in everybody:
        clients.change(contact_id, stage="")


def the_plan(clients: ClientsOffice) -> tuple[Plan, list[plans.Step]]:
    with clients.crm() as session:
        plan = session.scalars(select(Plan).where(Plan.state == "open")).one()
        return plan, plans.steps(session, plan.id)


def decide(clients: ClientsOffice, decision: Callable[..., object]) -> None:
    with clients.crm() as session:
        decision(session, access.operator(), session.scalars(select(Plan.id).where(Plan.state == "open")).one())


@pytest.mark.parametrize(
    ("happen", "removals", "changes"),
    [
        pytest.param(narrowed, CARDS, 0, id="a narrower scope"),
        pytest.param(handed_over, CARDS, 0, id="clients handed over"),
        pytest.param(archived, CARDS, 0, id="clients archived"),
        pytest.param(emptied, CARDS, 0, id="a segment that became empty"),
        pytest.param(renamed, 0, CARDS, id="a mass edit here"),
    ],
)
def test_nothing_is_written_until_it_is_approved_and_then_all_of_it(
    clients: ClientsOffice, happen: Callable[[ClientsOffice], None], removals: int, changes: int
) -> None:
    happen(clients)
    before = clients.server.writes
    summary = clients.run()
    plan, steps = the_plan(clients)
    assert (summary.state, summary.counts.written, clients.server.writes) == ("approval", 0, before)
    assert (plan.removals, plan.changes, len(clients.cards())) == (removals, changes, CARDS)
    assert f"{removals or changes} {'removed' if removals else 'changed'} in Outlook" in summary.error
    assert {(step.direction, step.entity) for step in steps} == {("out", "contact")}
    assert all(step.remote_id and step.version and step.rule for step in steps)
    decide(clients, plans.approve)
    assert clients.settled().counts.written == CARDS
    cards = clients.cards() if not removals else {}
    assert {card.job_title for card in cards.values()} == ({"Director"} if changes else set())
    with clients.crm() as session:
        assert session.scalars(select(Plan.state)).all() == ["done"]


def test_what_comes_in_is_done_although_what_goes_out_waits(clients: ClientsOffice) -> None:
    archived(clients)
    clients.server.put(clients.folder("Contacts"), clients.cards()["Anna Client"].__class__(display_name="New"))
    summary = clients.run()
    assert (summary.state, summary.counts.created, summary.counts.written) == ("approval", 1, 0)


def test_new_cards_and_their_history_are_never_held_back(clients: ClientsOffice) -> None:
    for number in range(CARDS):
        clients.client(f"New{number} Client")
    with clients.crm() as session:
        for link in session.scalars(select(Link).where(Link.rule == outbox.CLIENTS)):
            link.written = "as it was told by another version"
        outbox.touch_contacts(session, list(session.scalars(select(Contact.id))), "history")
    assert clients.run().state == "ok"


def test_the_history_on_cards_does_not_wait_for_a_decision_about_others(clients: ClientsOffice) -> None:
    renamed(clients)
    mine, *others = ids(clients)
    clients.change(mine, job_title="")
    with clients.crm() as session:
        session.scalars(select(User).where(User.name == "anna")).one().full_name = "Anna Petrova"
    before = clients.server.writes
    summary = clients.run()
    plan, steps = the_plan(clients)
    assert (summary.state, summary.counts.written, clients.server.writes) == ("approval", 1, before + 1)
    assert (plan.changes, {step.local_id for step in steps}) == (CARDS - 1, set(others))
    assert ["Anna Petrova" in clients.cards()[name].notes for name in ("Anna Client", "Bnna Client")] == [True, False]
    decide(clients, plans.approve)
    assert clients.settled().counts.written == CARDS - 1


def test_within_the_limit_nothing_waits(clients: ClientsOffice) -> None:
    for contact_id in ids(clients)[:3]:
        clients.change(contact_id, archived_at=utcnow())
    assert (clients.settled().counts.written, len(clients.cards())) == (3, CARDS - 3)


def test_a_brake_that_is_off_holds_nothing_back(clients: ClientsOffice) -> None:
    clients.office.settings.sync.brake_items = 0
    archived(clients)
    assert (clients.settled().counts.written, len(clients.cards())) == (CARDS, 0)


def test_more_than_was_approved_waits_again(clients: ClientsOffice) -> None:
    everybody = ids(clients)
    for contact_id in everybody[:4]:
        clients.change(contact_id, archived_at=utcnow())
    assert clients.run().state == "approval"
    decide(clients, plans.approve)
    for contact_id in everybody[4:]:
        clients.change(contact_id, archived_at=utcnow())
    assert (clients.run().state, len(clients.cards())) == ("approval", CARDS)
    assert the_plan(clients)[0].removals == CARDS


def test_what_was_rejected_stays_and_goes_on_when_its_cause_is_mended(clients: ClientsOffice) -> None:
    narrowed(clients)
    clients.run()
    decide(clients, plans.reject)
    with clients.crm() as session:
        stream = stream_of(session)
        assert stream.state == "paused"
        stream.client_scope = "mine"
        mailboxes.enable(session, stream.mailbox)
    assert (clients.settled().state, len(clients.cards())) == ("ok", CARDS)


def test_what_is_owed_while_it_is_written_is_weighed_too(
    clients: ClientsOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scope is narrowed between two batches: what was to be changed is now to be removed."""
    monkeypatch.setattr("sync.push.BATCH", 2)
    for contact_id in ids(clients):
        clients.change(contact_id, stage="lead")  # no field of people's

    class Watched(MemoryConnector):
        def update(self, *args: object, **options: object) -> object:  # type: ignore[override]
            narrowed_once()
            return super().update(*args, **options)  # type: ignore[arg-type]

    done: list[bool] = []

    def narrowed_once() -> None:
        if not done:
            done.append(True)
            narrowed(clients)

    def connect(account: Account) -> Connector:
        return Watched(account, clients.server)  # type: ignore[return-value]

    summary = clients.office.run("anna", "contacts", connect)
    left = len(clients.cards(CLIENTS))
    assert (summary.state, done) == ("approval", [True])
    assert left >= CARDS - 3


# What people do with the cards


def test_cards_that_were_moved_to_another_folder_are_no_removal(clients: ClientsOffice) -> None:
    for name in clients.cards():
        clients.server.move(clients.item(name), clients.folder("Contacts"))
    assert clients.settled().state == "ok"
    assert (len(clients.cards("Contacts")), len(clients.cards())) == (CARDS, 0)
    assert all(link.gone_at is None for link in clients.links())


def test_cards_that_were_all_deleted_wait_and_then_stay_out(clients: ClientsOffice) -> None:
    for name in clients.cards():
        clients.server.delete(clients.item(name))
    summary = clients.run()
    assert (summary.state, summary.counts.written, the_plan(clients)[0].removals) == ("approval", 0, CARDS)
    assert all(link.gone_at is None for link in clients.links())
    decide(clients, plans.approve)
    assert (clients.settled().state, clients.cards()) == ("ok", {})


def test_the_folder_of_the_cards_is_not_made_again_while_its_deletion_waits(clients: ClientsOffice) -> None:
    clients.server.remove_folder(clients.folder())
    summary = clients.run()
    assert (summary.state, summary.counts.written, the_plan(clients)[0].removals) == ("approval", 0, CARDS)
    decide(clients, plans.approve)
    assert (clients.settled().state, len(clients.links())) == ("ok", CARDS)
    assert all(folder.path != CLIENTS for folder in clients.office.connect(ACCOUNT).folders())


def test_what_we_removed_ourselves_before_a_crash_is_no_removal_of_people(
    clients: ClientsOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients.office.settings.sync.brake_items = 0
    archived(clients)

    class Killed(BaseException):
        """Stands for a process that ends at once."""

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("sync.push.Push._note", die)
        with pytest.raises(Killed):
            clients.run()
    with clients.crm() as session:
        stream_of(session).claim = ""
    clients.office.settings.sync.brake_items = 3
    assert (clients.settled().state, clients.cards(), clients.links()) == ("ok", {}, [])


def entries(clients: ClientsOffice) -> list[str]:
    """Anna keeps an entry of her own of each client, beside our card; their remote ids."""
    folder, sync = clients.office.folder("anna", "Contacts"), clients.office.settings.sync
    made, sync.brake_items = [], 0
    for number in range(CARDS):
        name = f"{chr(ord('A') + number)}nna Client"
        made.append(clients.server.put(folder, contact(name, f"{name.split()[0].lower()}@client.test")))
    assert clients.settled().state == "ok"
    sync.brake_items = 3
    return made


def test_a_card_of_ours_is_no_other_place_of_an_entry_that_its_owner_deletes(clients: ClientsOffice) -> None:
    for remote_id in entries(clients):
        clients.server.delete(remote_id)
    assert clients.office.run("anna", "contacts").state == "approval"
    with clients.crm() as session:
        assert session.scalars(select(Plan.removals)).one() == CARDS


def test_an_entry_of_the_owner_s_is_no_other_place_of_a_card(clients: ClientsOffice) -> None:
    entries(clients)
    with clients.crm() as session:
        ours = list(session.scalars(select(Link.remote_id).where(Link.key != "")))
    assert len(ours) == CARDS
    for remote_id in ours:
        clients.server.delete(remote_id)
    assert clients.office.run("anna", "contacts").state == "approval"
