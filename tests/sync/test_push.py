"""Writing into Outlook: once, safely, and nothing that nobody wants (W1, W4, W5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from connectors.base import Account, Connector
from sync import kinds, push
from sync.engine import run_stream
from sync.outbound import Create, Remove, Write
from sync.schedule import chosen_streams, due_streams
from terracrm.domain.records import Body, ContactRecord, StreamKind
from terracrm.errors import AuthFailed, ConnectorError, ItemRejected, Temporary
from terracrm.models import Contact, Link, Mailbox, OutboxItem, Stream, SyncRunItem, User, utcnow
from terracrm.services import client_writes, mailboxes, merges, outbox
from terracrm.services.access import operator
from tests.sync.clients_office import CLIENTS, ClientsOffice, stream_of
from tests.sync.conftest import DOMAIN, Office

SQLITE_FIRST = True

OLGA = "Olga Petrova"
PAGE = '<html><body><p class="MsoNormal">Her own <b>words</b> &amp; more</p></body></html>'


class Killed(BaseException):
    """Stands for a process that ends at once: no code of ours may catch it."""


class Watched:
    """A connector of which some calls are preceded or followed by something else."""

    def __init__(self, inner: Connector, before: dict[str, Callable[[], None]], after: dict[str, Callable[[], None]]):
        self._inner, self._before, self._after = inner, before, after

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)

        def watched(*args: Any, **options: Any) -> Any:
            self._before.get(name, lambda: None)()
            found = call(*args, **options)
            self._after.get(name, lambda: None)()
            return found

        return watched if name in self._before or name in self._after else call


def once(act: Callable[[], None]) -> Callable[[], None]:
    left = [act]
    return lambda: left.pop()() if left else None


def die() -> None:
    raise Killed


def refuse(error: ConnectorError) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.fixture
def crm(office: Office) -> ClientsOffice:
    """Anna's mailbox with the clients' folder switched on."""
    return ClientsOffice(office)


def run_with(crm: ClientsOffice, **acts: Callable[[], None]) -> Any:
    """Run Anna's contacts with something happening `before_update`, `after_create`, ..."""
    before = {name.removeprefix("before_"): act for name, act in acts.items() if name.startswith("before_")}
    after = {name.removeprefix("after_"): act for name, act in acts.items() if name.startswith("after_")}
    connect = lambda account: Watched(crm.office.connect(account), before, after)  # noqa: E731
    return crm.office.run("anna", "contacts", connect)


def bury_the_worker(crm: ClientsOffice) -> None:
    """The process that has the claim is no more."""
    with crm.crm() as session:
        session.execute(update(Stream).values(claim="", claimed_until=None))


class TestCards:
    def test_a_client_of_the_owner_gets_a_card_with_the_history(self, crm: ClientsOffice) -> None:
        olga = crm.client(OLGA, phone="+7 495 000-00-01", job_title="Buyer", notes="Likes mountains.")
        crm.client("Boris Client", owner="boris")
        crm.client("Nobody's", owner=None)
        assert crm.settled().counts.written == 1
        assert set(crm.cards()) == {OLGA}
        card = crm.cards()[OLGA]
        assert (card.job_title, card.emails[0].address, card.phones[0].label) == ("Buyer", "olga@client.test", "mobile")
        assert card.notes.startswith("Likes mountains.\r\n\r\n[TerraCRM:history]")
        assert card.card.client_id == str(olga)

    def test_a_change_here_reaches_the_card_and_leaves_the_rest_as_it_is(self, crm: ClientsOffice) -> None:
        olga = crm.client(OLGA)
        crm.settled()
        crm.edit(crm.item(OLGA), categories=("VIP",))
        crm.change(olga, job_title="Director", department="Sales")
        assert crm.settled().counts.written == 1
        card = crm.cards()[OLGA]
        assert (card.job_title, card.department, card.categories) == ("Director", "Sales", ("VIP",))

    def test_what_is_written_already_is_not_even_asked_for(self, crm: ClientsOffice) -> None:
        olga = crm.client(OLGA)
        crm.settled()
        idle = requests_of(crm)
        with crm.crm() as session:
            outbox.touch_contacts(session, [olga], "changed")
        assert requests_of(crm) == idle
        assert not crm.owed()

    def test_a_page_stays_byte_for_byte_around_the_history(self, crm: ClientsOffice) -> None:
        olga = crm.client(OLGA, owner=None)
        with crm.crm() as session:
            session.get_one(Contact, olga).owner_id = session.query(User).filter_by(name="anna").one().id
        crm.settled()
        card = crm.item(OLGA)
        crm.edit(card, body=Body(PAGE, is_html=True), notes="Her own words & more")
        crm.run()
        with crm.crm() as session:  # the history changes, and nothing else
            session.get_one(Contact, olga).stage = "Won"
            outbox.touch_contacts(session, [olga], "changed")
        crm.settled()
        body = crm.cards()[OLGA].body
        assert body is not None
        assert body.content == PAGE  # the block was deleted with the rest: that is for good
        assert crm.cards()[OLGA].card.stage == "Won"
        assert crm.links()[0].block_removed_at is not None

    def test_notes_that_change_here_take_the_place_of_the_text_and_the_history_stays(self, crm: ClientsOffice) -> None:
        olga = crm.client(OLGA, notes="One")
        crm.settled()
        crm.change(olga, notes="Two")
        crm.settled()
        notes = crm.cards()[OLGA].notes
        assert notes.startswith("Two\r\n\r\n[TerraCRM:history]")
        assert notes.count("[TerraCRM:history]") == 1

    def test_without_entries_the_notes_are_left_alone_and_the_old_history_goes(self, crm: ClientsOffice) -> None:
        olga = crm.client(OLGA, notes="One")
        crm.settled()
        with crm.crm() as session:
            stream_of(session).history_entries = 0
            outbox.touch_contacts(session, [olga], "changed")
        crm.settled()
        assert crm.cards()[OLGA].notes == "One"

    @pytest.mark.parametrize("direction", ["in", "off"])
    def test_a_field_that_does_not_go_out_is_not_written(self, crm: ClientsOffice, direction: str) -> None:
        with crm.crm() as session:
            stream_of(session).field_directions = {"job_title": direction, "notes": direction}
        olga = crm.client(OLGA, job_title="Buyer", notes="Ours")
        crm.settled()
        crm.change(olga, job_title="Director", notes="Ours still", department="Sales")
        crm.settled()
        card = crm.cards()[OLGA]
        assert (card.job_title, card.department) == ("", "Sales")
        assert card.notes.startswith("[TerraCRM:history]")


def requests_of(crm: ClientsOffice) -> int:
    before = crm.server.requests
    crm.run()
    return crm.server.requests - before


class TestLeaving:
    def test_who_leaves_the_scope_leaves_the_folder_and_nothing_else(self, crm: ClientsOffice) -> None:
        olga = crm.client(OLGA)
        crm.settled()
        with crm.crm() as session:
            session.get_one(Contact, olga).owner_id = None
        assert crm.settled().counts.written == 1
        assert crm.cards() == {}
        assert crm.links() == []
        with crm.crm() as session:
            assert session.get_one(Contact, olga).archived_at is None
            (note,) = session.query(SyncRunItem).filter_by(outcome="removed")
            assert note.rule == "left_scope"
        trash = crm.folder("Deleted Items")
        assert trash.item_count == 1

    def test_who_comes_back_gets_a_card_again(self, crm: ClientsOffice) -> None:
        olga = crm.client(OLGA)
        crm.settled()
        crm.change(olga, archived_at=utcnow())
        crm.settled()
        assert crm.cards() == {}
        crm.change(olga, archived_at=None)
        crm.settled()
        assert set(crm.cards()) == {OLGA}

    def test_no_scope_takes_all_cards_away(self, crm: ClientsOffice) -> None:
        for name in ("Anna A", "Bella B", "Clara C"):
            crm.client(name)
        crm.settled()
        with crm.crm() as session:
            stream_of(session).client_scope = "none"
        crm.settled()
        assert crm.cards() == {}


class TestRest:
    """Where nothing is written, cards stay as they are."""

    def rests(self, crm: ClientsOffice, rest: Callable[[Stream], None], wake: Callable[[Stream], None]) -> None:
        olga = crm.client(OLGA)
        crm.settled()
        with crm.crm() as session:
            rest(stream_of(session))
        crm.change(olga, job_title="Director")
        crm.client("Petr Petrov")
        before = crm.server.writes
        crm.run()
        assert crm.server.writes == before
        with crm.crm() as session:
            assert stream_of(session).id not in due_streams_later(session, crm)
            wake(stream_of(session))
            client_writes.owe_all(session, stream_of(session))
        crm.settled()
        assert crm.cards()[OLGA].job_title == "Director"
        assert set(crm.cards()) == {OLGA, "Petr Petrov"}

    def test_when_the_direction_is_in_again(self, crm: ClientsOffice) -> None:
        self.rests(crm, lambda s: setattr(s, "direction", "in"), lambda s: setattr(s, "direction", "both"))

    def test_when_the_owner_may_not_sign_in_any_more(self, crm: ClientsOffice) -> None:
        self.rests(
            crm,
            lambda s: setattr(s.mailbox.user, "is_active", False),
            lambda s: setattr(s.mailbox.user, "is_active", True),
        )

    def test_when_the_mailbox_is_off(self, crm: ClientsOffice) -> None:
        self.rests(
            crm, lambda s: setattr(s.mailbox, "is_enabled", False), lambda s: setattr(s.mailbox, "is_enabled", True)
        )

    def test_a_stream_that_is_off_does_not_even_sign_in(self, crm: ClientsOffice) -> None:
        with crm.crm() as session:
            stream_of(session).direction = "off"
            assert stream_of(session).id not in chosen_streams(session, f"anna@{DOMAIN}", None)
        before = crm.server.requests
        crm.run()
        assert crm.server.requests == before


def due_streams_later(session: Any, crm: ClientsOffice) -> list[int]:
    """What would be due if only the outbox counted, when every wait is over."""
    session.execute(update(Stream).values(due_at=utcnow() + timedelta(days=1)))
    session.execute(update(OutboxItem).values(next_try_at=utcnow() - timedelta(days=1)))
    return due_streams(session, crm.office.settings)


class TestCrashes:
    """A process that ends at any point: the next one comes to the same end (invariant 2)."""

    @pytest.mark.parametrize(
        "acts", ["before_create", "after_create", "before_get", "after_get", "after_ensure_folder"]
    )
    def test_while_a_card_is_made(self, crm: ClientsOffice, acts: str) -> None:
        olga = crm.client(OLGA)
        with pytest.raises(Killed):
            run_with(crm, **{acts: die})
        bury_the_worker(crm)
        crm.settled()
        assert set(crm.cards()) == {OLGA}
        (link,) = crm.links()
        assert (link.local_id, link.match_method, bool(link.key)) == (olga, "written", True)  # and nobody else's

    @pytest.mark.parametrize("acts", ["before_read_body", "before_update", "after_update", "after_get"])
    def test_while_a_card_is_changed(self, crm: ClientsOffice, acts: str) -> None:
        olga = crm.client(OLGA)
        crm.settled()
        crm.change(olga, job_title="Director", notes="New")
        with pytest.raises(Killed):
            run_with(crm, **{acts: die})
        bury_the_worker(crm)
        crm.settled()
        assert crm.cards()[OLGA].job_title == "Director"
        with crm.crm() as session:
            assert session.get_one(Contact, olga).job_title == "Director"

    @pytest.mark.parametrize("on_delete", ["unlink", "archive"])
    @pytest.mark.parametrize("acts", ["before_delete", "after_delete"])
    def test_while_a_card_is_removed_it_is_nobodys_deletion(
        self, crm: ClientsOffice, acts: str, on_delete: str
    ) -> None:
        olga = crm.client(OLGA)
        with crm.crm() as session:
            stream_of(session).on_delete = on_delete
        crm.settled()
        with crm.crm() as session:
            session.get_one(Contact, olga).owner_id = None
        with pytest.raises(Killed):
            run_with(crm, **{acts: die})
        bury_the_worker(crm)
        with crm.crm() as session:  # meanwhile the client is Anna's again
            session.get_one(Contact, olga).owner_id = session.query(User).filter_by(name="anna").one().id
        crm.settled()
        assert set(crm.cards()) == {OLGA}
        with crm.crm() as session:
            assert session.get_one(Contact, olga).archived_at is None

    @pytest.mark.parametrize("call", ["create", "update", "delete"])
    def test_an_answer_that_got_lost(self, crm: ClientsOffice, call: str) -> None:
        olga = crm.client(OLGA)
        if call != "create":
            crm.settled()
            crm.change(olga, **({"job_title": "Director"} if call == "update" else {"archived_at": utcnow()}))
        run_with(crm, **{f"before_{call}": once(crm.server.lose_answers)})
        assert crm.owed()
        crm.later()
        crm.settled()
        assert set(crm.cards()) == (set() if call == "delete" else {OLGA})

    def test_a_change_while_it_is_written_is_written_with_the_next_run(self, crm: ClientsOffice) -> None:
        olga = crm.client(OLGA)
        run_with(crm, after_create=once(lambda: crm.change(olga, job_title="Director")))
        crm.settled()
        assert crm.cards()[OLGA].job_title == "Director"

    def test_a_second_process_leaves_the_stream_to_the_first(self, crm: ClientsOffice) -> None:
        crm.client(OLGA)
        others: list[Any] = []

        def second() -> None:
            with crm.office.sessions() as session:
                stream_id = stream_of(session).id
            others.append(run_stream(crm.office.settings, crm.office.sessions, stream_id, crm.office.connect))

        run_with(crm, before_create=once(second))
        assert others == [None]
        crm.settled()
        assert set(crm.cards()) == {OLGA}

    def test_who_has_lost_the_claim_notes_nothing_and_the_next_one_doubles_nothing(self, crm: ClientsOffice) -> None:
        crm.client(OLGA)

        def take_over() -> None:
            bury_the_worker(crm)

        run_with(crm, after_create=once(take_over))
        assert crm.links() == []
        crm.settled()
        assert set(crm.cards()) == {OLGA}


class TestEchoes:
    def test_a_server_that_changes_each_item_once_more_causes_no_echo(self, crm: ClientsOffice) -> None:
        crm.server.second_change = True
        olga = crm.client(OLGA, notes="One")
        crm.settled()
        crm.change(olga, job_title="Director", notes="Two")
        crm.settled()
        assert crm.cards()[OLGA].job_title == "Director"

    def test_a_version_that_only_the_server_changed_does_not_stop_a_write(self, crm: ClientsOffice) -> None:
        olga = crm.client(OLGA)
        crm.settled()
        crm.change(olga, job_title="Director")
        card = crm.item(OLGA)
        readings: list[int] = []
        run_with(
            crm,
            before_update=once(lambda: crm.edit(card)),
            before_changes=lambda: readings.append(1),
        )
        assert crm.cards()[OLGA].job_title == "Director"
        assert len(readings) == 2  # both folders once: nothing had to be read again
        crm.settled()

    def test_a_foreign_change_meanwhile_is_read_and_merged_in_the_same_run(self, crm: ClientsOffice) -> None:
        olga = crm.client(OLGA)
        crm.settled()
        crm.change(olga, job_title="Director")
        card = crm.item(OLGA)
        run_with(crm, before_update=once(lambda: crm.edit(card, department="Sales")))
        found = crm.cards()[OLGA]
        assert (found.job_title, found.department) == ("Director", "Sales")
        with crm.crm() as session:
            assert session.get_one(Contact, olga).department == "Sales"
        crm.settled()

    def test_one_that_changes_all_the_time_does_not_hold_up_the_run(self, crm: ClientsOffice) -> None:
        olga = crm.client(OLGA)
        crm.client("Petr Petrov")
        crm.settled()
        crm.change(olga, job_title="Director")
        card, turns = crm.item(OLGA), iter(range(100))
        run_with(crm, before_update=lambda: crm.edit(card, department=f"Sales {next(turns)}"))
        (item,) = crm.owed()
        assert (item.attempts, item.state) == (1, "owed")
        assert item.next_try_at > utcnow()
        crm.later()
        crm.settled()
        assert crm.cards()[OLGA].job_title == "Director"


class TestFailures:
    def test_what_is_refused_is_given_up_with_the_reason_and_the_others_are_written(self, crm: ClientsOffice) -> None:
        olga = crm.client(OLGA, website="x")
        crm.client("Petr Petrov")
        refused = refuse(ItemRejected("The website is too long for Outlook."))
        summary = run_with(crm, before_create=once(refused))
        assert summary.counts.written == 1
        assert summary.state == "degraded"
        (item,) = crm.owed()
        assert (item.local_id, item.state, item.attempts) == (olga, "given_up", 1)
        assert item.error == "The website is too long for Outlook."
        before = crm.server.requests
        crm.run()
        assert set(crm.cards()) == {"Petr Petrov"}  # it is not tried again by itself
        assert crm.server.requests - before < 10
        with crm.crm() as session:
            outbox.owe(session, item.mailbox_id, item.entity, [olga], "retried")
        assert crm.settled().state == "ok"
        assert set(crm.cards()) == {OLGA, "Petr Petrov"}

    def test_a_server_that_is_away_stops_the_stream_and_nothing_is_lost(self, crm: ClientsOffice) -> None:
        crm.client(OLGA)
        crm.client("Petr Petrov")
        summary = run_with(crm, before_create=refuse(Temporary("The server is busy.", retry_after=60)))
        assert summary.state == "backoff"
        assert [item.attempts for item in crm.owed()] == [0, 0]  # the server's trouble is not theirs
        crm.later()
        crm.settled()
        assert set(crm.cards()) == {OLGA, "Petr Petrov"}

    def test_an_account_that_may_not_write_waits_for_a_person(self, crm: ClientsOffice) -> None:
        crm.client(OLGA)
        summary = run_with(crm, before_create=refuse(AuthFailed("The account may not write here.")))
        assert (summary.state, summary.error) == ("credentials", "The account may not write here.")

    def test_one_that_fails_again_and_again_is_given_up_and_lets_others_go_first(self, crm: ClientsOffice) -> None:
        crm.office.settings.outlook.give_up_after = 3
        olga = crm.client(OLGA)
        for attempt in (1, 2):
            run_with(crm, before_create=once(refuse(Temporary("The connection broke off."))))
            (item,) = [item for item in crm.owed() if item.local_id == olga]
            assert (item.attempts, item.state) == (attempt, "owed")
            crm.later()
        crm.client("Petr Petrov")
        crm.office.settings.outlook.give_up_after = 3
        run_with(crm, before_create=once(refuse(Temporary("The connection broke off."))))
        (item,) = [item for item in crm.owed() if item.local_id == olga]
        assert (item.state, item.error) == ("given_up", "The connection broke off.")
        crm.run()
        assert set(crm.cards()) == {"Petr Petrov"}

    def test_a_slip_of_ours_is_that_items_alone(self, crm: ClientsOffice) -> None:
        crm.client(OLGA)
        crm.client("Petr Petrov")

        def slip() -> None:
            raise KeyError("surname")

        summary = run_with(crm, before_create=once(slip))
        assert (summary.counts.written, summary.state) == (1, "ok")
        (item,) = crm.owed()
        assert item.attempts == 1
        assert "surname" not in item.error  # it may say anything: the log has it
        crm.later()
        crm.settled()
        assert len(crm.cards()) == 2

    def test_a_plan_that_fails_is_that_items_alone(self, crm: ClientsOffice, monkeypatch: pytest.MonkeyPatch) -> None:
        olga = crm.client(OLGA)
        crm.client("Petr Petrov")
        whole = client_writes.local

        def local(contact: Contact) -> Any:
            if contact.id == olga:
                raise ValueError("no such date")
            return whole(contact)

        monkeypatch.setattr(client_writes, "local", local)
        assert crm.run().counts.written == 1
        assert [item.attempts for item in crm.owed()] == [1]


class TestSchedule:
    def test_a_stream_is_due_when_a_change_has_waited_for_others(self, crm: ClientsOffice) -> None:
        olga = crm.client(OLGA)
        crm.settled()
        crm.change(olga, job_title="Director")
        with crm.office.sessions() as session:
            anna = stream_of(session).id
            assert anna not in due_streams(session, crm.office.settings)
        crm.office.settings.outlook.write_delay_seconds = 0
        with crm.office.sessions() as session:
            assert anna in due_streams(session, crm.office.settings)
        crm.run()
        with crm.office.sessions() as session:
            assert anna not in due_streams(session, crm.office.settings)

    def test_nothing_hurries_a_stream_that_backs_off(self, crm: ClientsOffice) -> None:
        crm.client(OLGA)
        run_with(crm, before_create=refuse(Temporary("The connection broke off.")))
        with crm.crm() as session:
            anna = stream_of(session).id
            session.execute(update(OutboxItem).values(next_try_at=utcnow() - timedelta(days=1)))
            assert anna not in due_streams(session, crm.office.settings)


class TestFolder:
    def test_it_is_made_although_there_is_no_client_yet(self, crm: ClientsOffice) -> None:
        crm.settled()
        assert crm.cards() == {}

    def test_it_is_called_as_the_mailbox_or_the_settings_or_the_owners_language_say(self, crm: ClientsOffice) -> None:
        crm.office.settings.outlook.clients_folder = "Наши клиенты"
        crm.client(OLGA)
        crm.settled()
        assert set(crm.cards("Contacts/Наши клиенты")) == {OLGA}

    def test_renamed_or_moved_it_stays_the_clients_folder(self, crm: ClientsOffice) -> None:
        crm.client(OLGA)
        crm.settled()
        box = crm.server._box(crm.folder())
        box.folder = replace(box.folder, path="Contacts/Kunden")
        crm.client("Petr Petrov")
        crm.settled()
        assert set(crm.cards("Contacts/Kunden")) == {OLGA, "Petr Petrov"}

    def test_deleted_it_is_not_made_again_until_somebody_says_so(self, crm: ClientsOffice) -> None:
        olga = crm.client(OLGA)
        crm.client("Petr Petrov")
        crm.settled()
        crm.server.delete(crm.item("Petr Petrov"))
        crm.run()
        crm.server.remove_folder(crm.folder())
        crm.change(olga, job_title="Director")
        crm.client("Nina New")
        crm.run()
        crm.settled()
        assert not any("Clients" in folder.path for folder in folders_of(crm))
        with crm.crm() as session:
            assert session.get_one(Contact, olga).archived_at is None
            assert client_writes.make_folder_again(session, stream_of(session))
            assert not client_writes.make_folder_again(session, stream_of(session))
        crm.settled()
        assert set(crm.cards()) == {OLGA, "Nina New"}  # Petr was taken out on purpose before

    def test_thrown_into_deleted_items_it_is_deleted(self, crm: ClientsOffice) -> None:
        crm.client(OLGA)
        crm.settled()
        box = crm.server._box(crm.folder())
        box.folder = replace(box.folder, path="Deleted Items/TerraCRM Clients", well_known="deleteditems")
        crm.settled()
        assert not any(folder.path == CLIENTS for folder in folders_of(crm))
        box.folder = replace(box.folder, path=CLIENTS, well_known="")
        crm.settled()
        assert set(crm.cards()) == {OLGA}

    def test_no_rule_about_folders_or_categories_leaves_it_out(self, crm: ClientsOffice) -> None:
        with crm.crm() as session:
            stream = stream_of(session)
            stream.include_folders, stream.exclude_folders = ["Contacts/Own"], ["Contacts"]
            stream.only_category = "Business"
        olga = crm.client(OLGA)
        crm.settled()
        crm.edit(crm.item(OLGA), job_title="Director")
        crm.settled()
        with crm.crm() as session:
            assert session.get_one(Contact, olga).job_title == "Director"

    def test_something_else_of_that_name_is_said_and_the_rest_is_read_all_the_same(self, crm: ClientsOffice) -> None:
        crm.server.add_folder(f"anna@{DOMAIN}", CLIENTS, StreamKind.MAIL)
        crm.server.put(crm.folder("Contacts"), ContactRecord(display_name="Own Friend"))
        crm.client(OLGA)
        summary = crm.run()
        assert summary.counts.created == 1
        assert summary.state == "degraded"
        assert "rename it or choose another name" in summary.error

    def test_of_a_folder_that_was_there_nothing_is_removed(self, crm: ClientsOffice) -> None:
        own = crm.server.add_folder(f"anna@{DOMAIN}", CLIENTS, StreamKind.CONTACTS)
        crm.server.put(own, ContactRecord(display_name="Own Friend"))
        crm.server.put(own, ContactRecord(display_name="Olga P."))
        with crm.crm() as session:
            stream_of(session).direction = "in"
        crm.run()
        with crm.crm() as session:
            stream_of(session).direction = "both"
        crm.run()
        crm.run()
        with crm.crm() as session:
            stream_of(session).client_scope = "none"
        crm.settled()
        assert set(crm.cards()) == {"Own Friend", "Olga P."}

    def test_what_only_goes_out_reads_no_other_folder(self, crm: ClientsOffice) -> None:
        with crm.crm() as session:
            stream_of(session).direction = "out"
        crm.server.put(crm.folder("Contacts"), ContactRecord(display_name="Own Friend"))
        crm.client(OLGA)
        assert crm.settled().counts.created == 0
        crm.edit(crm.item(OLGA), job_title="Typed in Outlook")
        crm.run()
        crm.settled()
        assert crm.cards()[OLGA].job_title == ""


def folders_of(crm: ClientsOffice) -> Sequence[Any]:
    return crm.office.connect(Account(f"anna@{DOMAIN}", "", f"anna@{DOMAIN}", "secret")).folders()


class TestMerges:
    """Two clients that are found to be one, and two again (M4)."""

    @pytest.mark.parametrize("adopted", ["", OLGA, "Olga P."])
    def test_one_card_is_kept_and_undoing_it_makes_two_again(self, crm: ClientsOffice, adopted: str) -> None:
        olga = crm.client(OLGA, job_title="Buyer", phone="+7 495 000-00-01")
        crm.settled()
        twin = crm.client("Olga P.", department="Sales", phone="+7 495 000-00-02")
        crm.settled()
        with crm.crm() as session:
            for link in session.query(Link).join(Contact, Contact.id == Link.local_id):
                if session.get_one(Contact, link.local_id).display_name == adopted:
                    link.match_method = "address"  # a person had made this one
            made = merges.merge(session, operator(), "contact", olga, twin, {})
        crm.settled()
        (card,) = crm.cards().values()
        assert (card.display_name, card.job_title, card.department) == (OLGA, "Buyer", "Sales")
        assert {phone.number for phone in card.phones} == {"+7 495 000-00-01", "+7 495 000-00-02"}
        (link,) = crm.links()
        assert (link.local_id, link.match_method) == (olga, "address" if adopted else "written")
        with crm.crm() as session:
            merges.undo(session, crm.office.settings, operator(), made.id)
        crm.settled()
        cards = crm.cards()
        assert {(card.display_name, card.job_title, card.department) for card in cards.values()} == {
            (OLGA, "Buyer", ""),
            ("Olga P.", "", "Sales"),
        }
        assert [phone.number for phone in cards[OLGA].phones] == ["+7 495 000-00-01"]
        assert {link.local_id for link in crm.links()} == {olga, twin}

    def test_what_was_typed_on_the_card_that_goes_is_not_lost(self, crm: ClientsOffice) -> None:
        olga, twin = crm.client(OLGA), crm.client("Olga P.")
        crm.settled()
        with crm.crm() as session:
            merges.merge(session, operator(), "contact", olga, twin, {})
        crm.edit(crm.item("Olga P."), department="Typed there")
        crm.settled()
        (card,) = crm.cards().values()
        assert card.department == "Typed there"


class TestPlan:
    def test_it_says_what_would_be_written_and_touches_nothing(self, crm: ClientsOffice) -> None:
        olga, petr = crm.client(OLGA), crm.client("Petr Petrov")
        crm.settled()
        crm.change(olga, job_title="Director")
        with crm.crm() as session:
            session.get_one(Contact, petr).owner_id = None
        nina = crm.client("Nina New")
        before, requests = [item.revision for item in crm.owed()], crm.server.requests
        with crm.office.sessions() as session:
            mailbox: Mailbox = mailboxes.get(session, f"anna@{DOMAIN}")
            steps = {found.local_id: found.step for found in kinds.planned(session, crm.office.settings, mailbox)}
            session.rollback()
        change = steps[olga]
        assert isinstance(change, Write)
        assert (change.differences[0].field, change.differences[0].new) == ("job_title", "Director")
        assert isinstance(steps[petr], Remove)
        assert steps[petr].why == "left_scope"
        assert isinstance(steps[nina], Create)
        assert steps[nina].why == "in_scope"
        assert ([item.revision for item in crm.owed()], crm.server.requests) == (before, requests)
        crm.settled()


def test_batches_are_bounded(crm: ClientsOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "BATCH", 3)
    for number in range(8):
        crm.client(f"C{number} Client")
    assert crm.settled().counts.written == 8
    assert len(crm.cards()) == 8
