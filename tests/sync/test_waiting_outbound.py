"""While a stream waits for approval, what became private elsewhere leaves Outlook, and nothing else is written (S4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from connectors.base import Account, Version
from connectors.memory import MemoryConnector
from sync import kinds
from sync.engine import run_stream
from sync.outcomes import Stopped
from terracrm.domain.records import ContactRecord, LabelledAddress
from terracrm.models import Conflict, Contact, FieldChange, OutboxItem, Plan, Stream, StreamState, User, utcnow
from terracrm.services import mailboxes, outbox, plans
from tests.sync.clients_office import CARDS, CLIENTS, ClientsOffice, stream_of
from tests.sync.conftest import Office
from tests.sync.items import mail
from tests.sync.test_brake_outbound import decide, ids, renamed
from tests.sync.test_posts import History
from tests.sync.test_waiting import Waiting

SQLITE_FIRST = True

SECRET = "Secret agent"


def entry(clients: ClientsOffice, name: str, **fields: object) -> str:
    """Boris has an entry of somebody among his own contacts; its remote id."""
    emails = (LabelledAddress("1", f"{name.split()[0].lower()}@client.test"),)
    record = ContactRecord(display_name=name, emails=emails, **fields)  # type: ignore[arg-type]
    remote_id = clients.server.put(clients.folder("Contacts", "boris"), record)
    assert clients.run("boris").state == "ok"
    return remote_id


def make_private(clients: ClientsOffice, remote_id: str) -> None:
    """Boris marks it, and his mailbox is read."""
    clients.edit(remote_id, is_private=True)
    assert clients.run("boris").state == "ok"


def wait(clients: ClientsOffice) -> None:
    """Anna's contacts wait for approval: all her cards are to be renamed."""
    clients.later()
    summary = clients.run()
    assert (summary.state, summary.counts.written) == ("approval", 0)


@pytest.fixture
def clients(braked: ClientsOffice) -> ClientsOffice:
    """Anna's mailbox with eight cards, and a brake that lets three things happen."""
    return braked


def test_a_field_that_became_private_leaves_the_card_and_all_others_wait(clients: ClientsOffice) -> None:
    item = entry(clients, "Anna Client", department=SECRET)
    clients.settled()
    assert clients.cards()["Anna Client"].department == SECRET
    renamed(clients)
    wait(clients)
    make_private(clients, item)
    clients.later()
    before = clients.server.writes
    summary = clients.run()
    cards = clients.cards()
    assert (summary.state, summary.counts.written, clients.server.writes) == ("approval", 1, before + 1)
    assert (cards["Anna Client"].department, SECRET in str(cards)) == ("", False)
    assert [card.job_title for name, card in cards.items() if name != "Anna Client"] == [""] * (CARDS - 1)
    decide(clients, plans.approve)
    assert clients.settled().counts.written == CARDS - 1


def test_a_client_that_only_a_private_entry_told_of_leaves_the_mailbox_that_waits(clients: ClientsOffice) -> None:
    item = entry(clients, "Nina Berg")
    with clients.crm() as session:
        nina = session.scalars(select(Contact).where(Contact.display_name == "Nina Berg")).one()
        nina.owner_id = session.scalars(select(User.id).where(User.name == "anna")).one()
    clients.settled()
    assert "Nina Berg" in clients.cards()
    renamed(clients)
    wait(clients)
    make_private(clients, item)
    summary = clients.run()
    assert (summary.state, summary.counts.written, len(clients.cards())) == ("approval", 1, CARDS)
    assert "Nina Berg" not in clients.cards()


def test_a_post_that_became_private_leaves_the_folder_that_waits(office: Office) -> None:
    crm = History(office)
    item = crm.mail("Тайна")
    crm.mail("Договор")
    crm.settled()
    assert len(crm.posts()) == 2
    with crm.crm() as session:
        session.execute(update(Stream).where(Stream.kind == "posts").values(state=StreamState.APPROVAL))
    office.server.change(item, replace(mail("Тайна"), is_private=True))
    office.run("anna", "mail")
    summary = office.run("history", "posts")
    assert (summary.state, summary.counts.written) == ("approval", 1)
    assert ["Договор" in subject for subject in crm.posts()] == [True]


def test_why_it_is_owed_is_remembered_until_it_is_written(clients: ClientsOffice) -> None:
    item = entry(clients, "Anna Client", department=SECRET)
    clients.settled()
    renamed(clients)
    wait(clients)
    make_private(clients, item)
    clients.change(ids(clients)[0], website="client.test")
    clients.later()
    assert (clients.run().counts.written, SECRET in str(clients.cards())) == (1, False)
    assert "withdrawn" not in {owed.reason for owed in clients.owed()}


def test_a_plan_says_so_too(clients: ClientsOffice) -> None:
    item = entry(clients, "Anna Client", department=SECRET)
    clients.settled()
    renamed(clients)
    make_private(clients, item)
    with clients.crm() as session:
        mailbox = mailboxes.get(session, clients.office.address("anna"))
        found = {each.local_id: each.step for each in kinds.planned(session, clients.office.settings, mailbox)}
    whys = [step.why for step in found.values()]
    assert (found[ids(clients)[0]].why, whys.count("withdrawn"), len(whys)) == ("withdrawn", 1, CARDS)


@pytest.mark.parametrize("is_through", [True, False])
def test_who_dies_while_it_is_taken_out_does_it_once_and_reads_no_change_in_it(
    clients: ClientsOffice, is_through: bool
) -> None:
    class Dies(MemoryConnector):
        def update(self, *arguments: Any) -> Version:
            if is_through:
                super().update(*arguments)
            raise KeyboardInterrupt

    item = entry(clients, "Anna Client", department=SECRET)
    clients.settled()
    renamed(clients)
    wait(clients)
    make_private(clients, item)
    clients.later()
    before = clients.server.writes
    with pytest.raises(KeyboardInterrupt):
        clients.office.run("anna", "contacts", lambda account: Dies(account, clients.server))
    with clients.crm() as session:
        session.execute(update(Stream).values(claim="", claimed_until=None))
    clients.change(ids(clients)[0], job_title="Owner")
    assert clients.run().state == "approval"
    assert (clients.server.writes, SECRET in str(clients.cards())) == (before + 1, False)
    decide(clients, plans.approve)
    clients.settled()
    with clients.crm() as session:
        assert session.get_one(Contact, ids(clients)[0]).job_title == "Owner"
        assert not session.scalars(select(Conflict)).all()
        assert SECRET not in str(session.scalars(select(FieldChange.new)).all())
    assert [card.job_title for card in clients.cards().values()] == ["Owner"] + ["Director"] * (CARDS - 1)


def test_who_is_told_to_stop_takes_out_one_batch_more(clients: ClientsOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [entry(clients, f"{letter}nna Client", department=SECRET) for letter in "AB"]
    clients.settled()
    renamed(clients)
    wait(clients)
    for item in items:
        make_private(clients, item)
    monkeypatch.setattr("sync.push.BATCH", 1)

    def stop(what: str, *_: object) -> None:
        if what == "to Outlook":
            raise Stopped

    with clients.crm() as session:
        stream_id = stream_of(session).id
    clients.later()
    counts, office = [], clients.office
    for progress in (stop, stop, None):
        summary = run_stream(office.settings, office.sessions, stream_id, office.connect, progress)
        assert summary is not None
        assert summary.state == "approval"
        counts.append((summary.counts.written, str(clients.cards()).count(SECRET)))
    assert counts == [(1, 1), (1, 0), (0, 0)]


def test_what_became_private_weighs_nothing(clients: ClientsOffice) -> None:
    items = [entry(clients, f"{chr(ord('A') + number)}nna Client", department=SECRET) for number in range(CARDS)]
    clients.office.settings.sync.brake_items = 0
    clients.settled()
    clients.office.settings.sync.brake_items = 3
    for item in items:
        make_private(clients, item)
    assert (clients.settled().counts.written, SECRET in str(clients.cards())) == (CARDS, False)


def test_what_its_owner_changed_meanwhile_is_left_until_it_is_read(clients: ClientsOffice) -> None:
    item = entry(clients, "Anna Client", department=SECRET)
    clients.settled()
    renamed(clients)
    wait(clients)
    make_private(clients, item)
    clients.edit(clients.item("Anna Client"), website="client.test")
    clients.server.delete(clients.item("Bnna Client"))
    with clients.crm() as session:
        outbox.owe(session, stream_of(session).mailbox_id, outbox.CONTACT, ids(clients)[1:2], outbox.WITHDRAWN)
    clients.later()
    summary = clients.run()
    assert (summary.state, summary.error, summary.counts.written) == ("approval", "", 0)
    assert all(link.gone_at is None for link in clients.links())
    assert clients.cards()["Anna Client"].website == "client.test"
    decide(clients, plans.approve)
    clients.run()
    assert SECRET not in str(clients.cards())


def test_nothing_is_made_while_the_stream_waits(clients: ClientsOffice) -> None:
    clients.server.remove_folder(clients.folder())
    assert clients.run().state == "approval"
    clients.client("New Client")
    with clients.crm() as session:
        session.execute(update(OutboxItem).values(next_try_at=utcnow() - timedelta(days=1)))
    before = clients.server.writes
    assert (clients.run().state, clients.server.writes) == ("approval", before)
    with clients.crm() as session:
        assert session.scalars(select(Plan.state)).all() == ["open"]


def test_no_folder_is_made_while_the_stream_waits(office: Office) -> None:
    clients = ClientsOffice(office)
    clients.choose(direction="in")
    anna = Waiting(office).begin()
    clients.choose(direction="both")
    assert anna.run().state == "approval"
    account = Account(office.address("anna"), "", office.address("anna"), "secret")
    assert CLIENTS not in {folder.path for folder in office.connect(account).folders()}
