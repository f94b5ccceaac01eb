"""What people do to the cards of clients in their Outlook, and what it does in the CRM (W1, S4, S9)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete, select

from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.records import ContactRecord, LabelledAddress, Phone, StreamKind
from terracrm.errors import Temporary
from terracrm.models import Conflict, Contact, FieldChange, Link, OutboxItem, SkippedItem, User
from terracrm.services import (
    client_writes,
    contact_data,
    field_history,
    gone_cards,
    merges,
    mirror_folders,
    role_folders,
)
from terracrm.services.access import OPERATOR, Viewer
from terracrm.services.field_history import PORTAL, Origin
from tests.sync.clients_office import CLIENTS, ClientsOffice, stream_of

SQLITE_FIRST = True

CONTACTS = "Contacts"
OTHERS = "Contacts/Others"


def archive(clients: ClientsOffice, contact_id: int) -> None:
    """Somebody archives a client in the portal."""
    with clients.crm() as session:
        contact = session.get_one(Contact, contact_id)
        with field_history.recording(session, Origin(PORTAL), contact):
            contact.archived_at = datetime.now(UTC)


def contact(clients: ClientsOffice, contact_id: int) -> Contact:
    """A client as it is now."""
    with clients.office.sessions() as session:
        found = session.get_one(Contact, contact_id)
        _ = found.phones, found.addresses
        return found


def everybody(clients: ClientsOffice) -> list[str]:
    """The names of all contacts."""
    with clients.office.sessions() as session:
        return list(session.scalars(select(Contact.display_name).order_by(Contact.id)))


def rows(clients: ClientsOffice, model: Any) -> list[Any]:
    """All rows of a table."""
    with clients.office.sessions() as session:
        return list(session.scalars(select(model).order_by(model.id)))


def conflicts(clients: ClientsOffice) -> list[tuple[str, Any, Any, str, str]]:
    """What both sides said, and who won."""
    return [(c.field, c.crm_value, c.outlook_value, c.winner, c.rule) for c in rows(clients, Conflict)]


def changes(clients: ClientsOffice, contact_id: int, field: str) -> list[tuple[str, str, str]]:
    """What the history of a field says: old, new, source."""
    mine = [row for row in rows(clients, FieldChange) if (row.entity_id, row.field) == (contact_id, field)]
    return [(row.old, row.new, row.source) for row in mine]


def put(clients: ClientsOffice, path: str = CLIENTS, name: str = "anna", key: str = "", **fields: Any) -> str:
    """A person makes an entry in a folder."""
    return clients.server.put(clients.folder(path, name), ContactRecord(**fields), key)


def address(text: str) -> tuple[LabelledAddress, ...]:
    return (LabelledAddress("1", text),)


# Edits


def test_an_edit_in_outlook_comes_in_with_its_history_and_is_no_echo(clients: ClientsOffice, vera: int) -> None:
    clients.edit(clients.item("Vera Orlova"), job_title="CTO", phones=(Phone("business", "8 (495) 000 00 01"),))
    summary = clients.settled()
    assert (summary.counts.updated, summary.counts.created) == (1, 0)
    found = contact(clients, vera)
    assert found.job_title == "CTO"
    assert [(phone.label, phone.number) for phone in found.phones] == [("business", "8 (495) 000 00 01")]
    assert changes(clients, vera, "job_title") == [("CEO", "CTO", "mailbox")]
    assert clients.cards()["Vera Orlova"].job_title == "CTO"
    assert conflicts(clients) == []


def test_an_edit_comes_to_the_cards_of_colleagues(clients: ClientsOffice, vera: int) -> None:
    clients.choose("boris", direction="both", client_scope="team")
    clients.become_a_team()
    clients.settled("boris")
    clients.edit(clients.item("Vera Orlova"), notes=clients.cards()["Vera Orlova"].notes + "\nCall on Monday")
    clients.run()
    clients.settled("boris")
    assert "Call on Monday" in contact(clients, vera).notes
    assert "Call on Monday" in clients.cards(name="boris")["Vera Orlova"].notes


def test_a_new_version_of_the_same_content_is_adopted_silently(clients: ClientsOffice, vera: int) -> None:
    clients.edit(clients.item("Vera Orlova"), categories=("Blue",))
    writes = clients.server.writes
    assert clients.settled().counts.updated == 0
    assert clients.server.writes == writes
    (link,) = clients.links()
    assert link.version == clients.server._item(link.remote_id).version


@pytest.mark.parametrize(
    ("rule", "local_first", "winner"),
    [
        ("crm", True, "crm"),
        ("outlook", False, "outlook"),
        ("latest", True, "outlook"),
        ("latest", False, "crm"),
    ],
)
def test_both_changed_the_same_field(
    clients: ClientsOffice, vera: int, rule: str, local_first: bool, winner: str
) -> None:
    clients.choose(conflict_rule=rule)
    if local_first:
        clients.work_at(vera, job_title="CFO")
    clients.edit(clients.item("Vera Orlova"), job_title="CTO")
    if not local_first:
        clients.work_at(vera, job_title="CFO")
    clients.settled()
    expected = {"crm": "CFO", "outlook": "CTO"}[winner]
    assert contact(clients, vera).job_title == clients.cards()["Vera Orlova"].job_title == expected
    assert conflicts(clients) == [("job_title", "CFO", "CTO", winner, rule)]


def test_a_field_that_does_not_come_in_is_set_back_and_its_value_kept(clients: ClientsOffice, vera: int) -> None:
    clients.choose(field_directions={"job_title": "out"})
    clients.edit(clients.item("Vera Orlova"), job_title="CTO", department="Sales")
    clients.settled()
    assert clients.cards()["Vera Orlova"].job_title == contact(clients, vera).job_title == "CEO"
    assert contact(clients, vera).department == "Sales"
    assert conflicts(clients) == [("job_title", "CEO", "CTO", "crm", "direction")]


def test_a_program_that_sets_a_field_again_and_again_fills_no_list_of_conflicts(
    clients: ClientsOffice, vera: int
) -> None:
    clients.choose(field_directions={"job_title": "out"})
    for title in ("CTO", "CTO", "CTO", "Boss"):
        clients.edit(clients.item("Vera Orlova"), job_title=title)
        clients.settled()
    assert [theirs for _, _, theirs, _, _ in conflicts(clients)] == ["CTO", "Boss"]


def test_the_block_that_its_owner_took_out_is_noted_when_it_is_read(clients: ClientsOffice, vera: int) -> None:
    clients.edit(clients.item("Vera Orlova"), notes="Likes the sea", body=None)
    clients.settled()
    (link,) = clients.links()
    assert link.block_removed_at is not None
    assert link.written == "", "the history that stood there is kept for nobody"
    assert contact(clients, vera).notes == "Likes the sea"
    assert clients.cards()["Vera Orlova"].notes == "Likes the sea"


def test_the_block_is_never_taken_for_notes(clients: ClientsOffice, vera: int) -> None:
    assert "[TerraCRM:history]" in clients.cards()["Vera Orlova"].notes
    clients.edit(clients.item("Vera Orlova"), job_title="CTO")
    clients.settled()
    assert contact(clients, vera).notes == "Likes mountains"


# What people put there


def test_a_new_entry_among_the_cards_becomes_a_client_with_a_card(clients: ClientsOffice, vera: int) -> None:
    item = put(clients, display_name="Nina Berg", emails=address("nina@new.test"), notes="Met at the fair")
    summary = clients.settled()
    assert summary.counts.created == 1
    assert everybody(clients) == ["Vera Orlova", "Nina Berg"]
    link = next(link for link in clients.links() if link.remote_id == item)
    assert link.key == clients.server._item(item).key != ""
    assert "[TerraCRM:history]" in clients.cards()["Nina Berg"].notes
    found = contact(clients, link.local_id)
    assert (found.notes, found.owner_id is not None) == ("Met at the fair", True)


def test_an_entry_of_a_client_that_lacks_its_card_becomes_the_card(clients: ClientsOffice) -> None:
    clients.choose(direction="in")
    olga = clients.client("Olga", job_title="CEO")
    clients.run()
    clients.choose(direction="both", client_scope="none")
    clients.run()
    clients.choose(client_scope="mine")
    item = put(clients, display_name="Olga", emails=address("OLGA@client.test"), website="client.test")
    with clients.crm() as session:
        session.execute(delete(OutboxItem))
    clients.settled()
    (link,) = clients.links()
    assert (link.remote_id, link.local_id) == (item, olga)
    assert (contact(clients, olga).website, clients.cards()["Olga"].job_title) == ("client.test", "CEO")


def test_a_clients_entry_in_the_persons_own_contacts_stays_as_it_is(clients: ClientsOffice, vera: int) -> None:
    item = put(clients, CONTACTS, display_name="V.", emails=address("vera@client.test"), job_title="Boss")
    before = clients.server._item(item).record
    clients.settled()
    clients.work_at(vera, job_title="CFO")
    clients.settled()
    assert clients.server._item(item).record == before
    assert [link.rule for link in rows(clients, Link)] == ["clients", "contacts_folder"]


def test_a_strangers_entry_among_the_cards_stays_ordinary_until_it_comes_into_scope(clients: ClientsOffice) -> None:
    clients.choose(client_scope="mine")
    clients.settled()
    igor = clients.client("Igor", owner="boris")
    item = put(clients, display_name="Igor", emails=address("igor@client.test"))
    clients.settled()
    assert clients.links() == []
    with clients.crm() as session:
        session.get_one(Contact, igor).owner_id = session.scalars(select(User.id).where(User.name == "anna")).one()
    clients.settled()
    (link,) = clients.links()
    assert (link.remote_id, link.local_id) == (item, igor)


def test_on_a_persons_own_card_nothing_more_is_told_of_a_client_whom_they_do_not_see_any_more(
    clients: ClientsOffice,
) -> None:
    def give(contact_id: int, owner: str) -> None:
        with clients.crm() as session:
            user = select(User.id).where(User.name == owner)
            session.get_one(Contact, contact_id).owner_id = session.scalars(user).one()

    clients.run()
    igor = clients.client("Igor", owner="boris")
    item = put(clients, display_name="Igor", emails=address("igor@client.test"))
    clients.settled()
    give(igor, "anna")
    clients.settled()
    clients.work_at(igor, department="Dairy")
    clients.settled()
    assert clients.cards()["Igor"].department == "Dairy"
    give(igor, "boris")
    clients.settled()
    before = clients.server._item(item).record
    clients.work_at(igor, department="Bakery")
    clients.settled()
    assert clients.server._item(item).record == before


# Moves and copies


@pytest.mark.parametrize("path", [CONTACTS, OTHERS])
def test_a_card_that_is_moved_stays_the_card(clients: ClientsOffice, vera: int, path: str) -> None:
    if path == OTHERS:
        clients.server.add_folder("anna@office.test", OTHERS, StreamKind.CONTACTS)
    moved = clients.server.move(clients.item("Vera Orlova"), clients.folder(path))
    clients.edit(moved, job_title="CTO")
    clients.settled()
    (link,) = clients.links()
    assert (link.remote_id, link.gone_at, link.local_id) == (moved, None, vera)
    assert contact(clients, vera).job_title == "CTO"
    assert clients.cards() == {}
    back = clients.server.move(moved, clients.folder())
    clients.work_at(vera, job_title="CFO")
    clients.settled()
    assert clients.server._item(back).record.job_title == "CFO"  # type: ignore[union-attr]
    assert rows(clients, SkippedItem) == []
    assert everybody(clients) == ["Vera Orlova"]


@pytest.mark.parametrize("path", [CLIENTS, CONTACTS])
def test_a_copy_is_no_second_card(clients: ClientsOffice, vera: int, path: str) -> None:
    original = clients.item("Vera Orlova")
    copy = clients.server.copy(original, clients.folder(path))
    clients.server.change(copy, ContactRecord(display_name="A copy", job_title="CTO"))
    clients.settled()
    assert [skip.rule for skip in rows(clients, SkippedItem)] == ["copy"]
    assert contact(clients, vera).job_title == "CEO"
    assert [link.remote_id for link in rows(clients, Link)] == [original]


def test_a_copy_whose_original_is_deleted_is_the_card(clients: ClientsOffice, vera: int) -> None:
    copy = clients.server.copy(clients.item("Vera Orlova"), clients.folder(CONTACTS))
    clients.settled()
    (link,) = clients.links()
    clients.server.delete(link.remote_id)
    clients.settled()
    (link,) = clients.links()
    assert (link.remote_id, link.gone_at) == (copy, None)


def test_a_card_that_is_moved_is_told_from_a_copy_that_was_there_before(clients: ClientsOffice, vera: int) -> None:
    clients.server.add_folder("anna@office.test", OTHERS, StreamKind.CONTACTS)
    clients.server.copy(clients.item("Vera Orlova"), clients.folder(CONTACTS))
    clients.settled()
    moved = clients.server.move(clients.item("Vera Orlova"), clients.folder(OTHERS))
    clients.settled()
    (link,) = clients.links()
    assert link.remote_id == moved


def test_a_copy_is_not_taken_for_the_card_while_a_folder_is_read_anew(clients: ClientsOffice, vera: int) -> None:
    original = clients.item("Vera Orlova")
    copy = clients.server.copy(original, clients.folder(CONTACTS))
    clients.settled()
    with clients.crm() as session:
        row = role_folders.of(stream_of(session), "clients")
        assert row is not None
        mirror_folders.forget(session, row)  # the worker was killed while it read the cards anew
    clients.edit(copy, job_title="CTO")
    clients.settled()
    (link,) = clients.links()
    assert (link.remote_id, link.gone_at) == (original, None)


def test_a_lost_cursor_changes_nothing(clients: ClientsOffice, vera: int) -> None:
    before = [(link.remote_id, link.base, link.sent) for link in clients.links()]
    clients.server.expire_cursors()
    summary = clients.settled()
    assert (summary.counts.created, summary.counts.updated, summary.counts.deleted) == (0, 0, 0)
    assert [(link.remote_id, link.base, link.sent) for link in clients.links()] == before


# Deletions


def test_a_deleted_card_leaves_the_client_and_stays_away(clients: ClientsOffice, vera: int) -> None:
    clients.server.delete(clients.item("Vera Orlova"))
    clients.settled()
    assert contact(clients, vera).archived_at is None
    clients.work_at(vera, job_title="CFO")
    clients.settled()
    assert clients.cards() == {}
    with clients.crm() as session:
        client_writes.put_back(session, stream_of(session), [vera])
    clients.settled()
    assert clients.cards()["Vera Orlova"].job_title == "CFO"


def test_a_deletion_archives_where_the_rule_says_so(clients: ClientsOffice, vera: int) -> None:
    clients.choose(on_delete="archive")
    clients.server.delete(clients.item("Vera Orlova"))
    clients.settled()
    assert contact(clients, vera).archived_at is not None
    assert [source for _, _, source in changes(clients, vera, "archived")] == ["mailbox"]
    assert clients.links() == []


def test_a_folder_that_is_cleared_at_once_archives_nobody(
    clients: ClientsOffice, vera: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gone_cards, "MOST_ARCHIVED", 1)
    clients.choose(on_delete="archive")
    other = clients.client("Olga Berg")
    clients.settled()
    for name in ("Vera Orlova", "Olga Berg"):
        clients.server.delete(clients.item(name))
    clients.settled()
    assert [contact(clients, each).archived_at for each in (vera, other)] == [None, None]
    assert all(link.gone_at and link.untracked_at for link in clients.links())
    assert clients.cards() == {}


def test_a_deletion_archives_nobody_who_is_among_the_persons_own_contacts(clients: ClientsOffice, vera: int) -> None:
    clients.choose(on_delete="archive")
    put(clients, CONTACTS, display_name="Vera Orlova", emails=address("vera@client.test"))
    clients.settled()
    clients.server.delete(clients.item("Vera Orlova"))
    clients.settled()
    assert contact(clients, vera).archived_at is None


def test_an_edit_here_beats_the_deletion_there(clients: ClientsOffice, vera: int) -> None:
    clients.choose(on_delete="archive")
    clients.server.delete(clients.item("Vera Orlova"))
    clients.work_at(vera, job_title="CFO")
    clients.settled()
    assert clients.cards()["Vera Orlova"].job_title == "CFO"
    assert contact(clients, vera).archived_at is None
    assert len(clients.links()) == 1


def test_an_edit_there_beats_the_archive_here(clients: ClientsOffice, vera: int) -> None:
    clients.edit(clients.item("Vera Orlova"), job_title="CTO")
    archive(clients, vera)
    clients.settled()
    found = contact(clients, vera)
    assert (found.archived_at, found.job_title) == (None, "CTO")
    assert [new == "" for _, new, _ in changes(clients, vera, "archived")] == [False, True]
    assert list(clients.cards()) == ["Vera Orlova"]


def test_an_archived_client_that_nobody_edits_leaves_outlook(clients: ClientsOffice, vera: int) -> None:
    clients.edit(clients.item("Vera Orlova"), categories=("Blue",))
    archive(clients, vera)
    clients.settled()
    assert contact(clients, vera).archived_at is not None
    assert (clients.cards(), clients.links()) == ({}, [])


def test_deleting_the_whole_folder_archives_nobody_and_it_is_not_made_again(clients: ClientsOffice, vera: int) -> None:
    clients.choose(on_delete="archive")
    other = clients.client("Olga")
    clients.settled()
    clients.server.remove_folder(clients.folder())
    clients.work_at(vera, job_title="CFO")
    clients.settled()
    clients.settled()
    assert contact(clients, vera).archived_at is None
    assert contact(clients, other).archived_at is None
    assert all(link.gone_at and link.untracked_at for link in clients.links())
    with pytest.raises(StopIteration):
        clients.folder()
    with clients.crm() as session:
        assert client_writes.make_folder_again(session, stream_of(session))
    clients.settled()
    assert clients.cards()["Vera Orlova"].job_title == "CFO"
    assert list(clients.cards()) == ["Vera Orlova", "Olga"]


def test_nothing_is_settled_while_a_folder_could_not_be_read(clients: ClientsOffice, vera: int) -> None:
    clients.choose(on_delete="archive")
    clients.server.expire_cursors()
    connect, failing = clients.office.connect, {"left": 3}

    def broken(account: Any) -> Any:
        made = connect(account)
        changes = made.changes

        def one_page(*args: Any, **options: Any) -> Any:
            if failing["left"] == 0:
                raise Temporary("The server is busy.")
            failing["left"] -= 1
            return changes(*args, **options)

        made.changes = one_page  # type: ignore[method-assign]
        return made

    for left in range(4):
        failing["left"] = left
        clients.office.run("anna", "contacts", broken)
        assert contact(clients, vera).archived_at is None
    clients.settled()
    (link,) = clients.links()
    assert link.gone_at is None


def test_a_card_that_cannot_be_read_is_not_gone(clients: ClientsOffice, vera: int) -> None:
    clients.choose(on_delete="archive")
    item = clients.item("Vera Orlova")
    clients.server.break_item(item)
    clients.server.expire_cursors()
    clients.run()
    clients.run()
    assert contact(clients, vera).archived_at is None


# Private


def test_a_private_mark_takes_back_what_only_this_mailbox_said(clients: ClientsOffice, vera: int) -> None:
    item = clients.item("Vera Orlova")
    clients.edit(item, job_title="CTO", phones=(Phone("mobile", "+7 495 000-00-01"), Phone("home", "+7 495 000-00-09")))
    clients.settled()
    clients.edit(item, is_private=True, department="Secret service")
    clients.work_at(vera, website="client.test")
    clients.settled()
    found = contact(clients, vera)
    assert (found.job_title, found.website, found.notes) == ("CEO", "client.test", "Likes mountains")
    assert [phone.number for phone in found.phones] == ["+7 495 000-00-01"]
    assert changes(clients, vera, "job_title") == []
    (link,) = clients.links()
    assert (link.base, link.sent, link.told, link.gone_at) == (None, None, None, None)
    assert clients.server._item(item).record.job_title == "CTO"  # type: ignore[union-attr]
    assert "Secret" not in str(rows(clients, Conflict)) + str([row.__dict__ for row in rows(clients, Link)])


def test_a_card_is_a_card_again_when_the_mark_goes(clients: ClientsOffice, vera: int) -> None:
    item = clients.item("Vera Orlova")
    clients.edit(item, is_private=True)
    clients.settled()
    clients.work_at(vera, website="client.test")
    clients.edit(item, is_private=False, department="Sales")
    clients.settled()
    assert contact(clients, vera).department == "Sales"
    assert clients.cards()["Vera Orlova"].website == "client.test"


def test_a_client_that_only_a_private_entry_told_of_is_forgotten_everywhere(clients: ClientsOffice) -> None:
    clients.choose("boris", direction="both", client_scope="mine")
    clients.settled("boris")
    clients.settled()
    item = put(clients, display_name="Nina Berg", emails=address("nina@new.test"))
    clients.settled()
    (link,) = clients.links()
    with clients.crm() as session:
        boris = session.scalars(select(User.id).where(User.name == "boris")).one()
        nina = session.get_one(Contact, link.local_id)
        with field_history.recording(session, Origin(PORTAL), nina):
            nina.owner_id = boris
    clients.run("boris")
    clients.settled()
    assert list(clients.cards(name="boris")) == ["Nina Berg"]
    clients.edit(item, is_private=True)
    clients.run()
    assert everybody(clients) == []
    clients.settled("boris")
    assert clients.cards(name="boris") == {}
    assert rows(clients, Link) == []
    assert [skip.rule for skip in rows(clients, SkippedItem)] == ["private"]


def test_a_deleted_card_remembers_neither_the_history_nor_what_became_private_elsewhere(clients: ClientsOffice) -> None:
    item = put(clients, CONTACTS, display_name="Nina Berg", emails=address("nina@new.test"), job_title="Secret agent")
    clients.settled()
    with clients.crm() as session:
        nina = session.scalars(select(Contact)).one()
        contact_data.change(session, Origin(PORTAL), DomainPolicy.of([], []), nina, {"department": "Sales"})
    clients.settled()
    clients.server.delete(clients.item("Nina Berg"))
    clients.settled()
    (link,) = clients.links()
    assert (link.written, link.card) == ("", None)
    clients.edit(item, is_private=True)
    clients.settled()
    assert "Secret" not in str([row.__dict__ for model in (Contact, Link, OutboxItem) for row in rows(clients, model)])


def test_a_private_entry_elsewhere_takes_nothing_from_a_card_that_said_it_too(clients: ClientsOffice) -> None:
    item = put(clients, CONTACTS, display_name="Nina Berg", emails=address("nina@new.test"), job_title="CEO")
    clients.settled()
    assert list(clients.cards()) == ["Nina Berg"]
    clients.edit(clients.item("Nina Berg"), department="Sales")
    clients.settled()
    clients.edit(item, is_private=True)
    clients.settled()
    (nina,) = rows(clients, Contact)
    assert (nina.department, nina.job_title) == ("Sales", "")
    assert clients.cards()[nina.display_name].job_title == ""


def test_a_card_that_says_only_our_own_words_keeps_nobody(clients: ClientsOffice) -> None:
    """The private entry was the only source: our own card of it is none, and goes."""
    item = put(clients, CONTACTS, display_name="Nina Berg", emails=address("nina@new.test"))
    clients.settled()
    clients.edit(item, is_private=True)
    clients.settled()
    assert (everybody(clients), clients.cards()) == ([], {})


# Links that were lost or went over


def test_a_card_of_our_own_whose_answer_was_lost_is_found_by_its_key(clients: ClientsOffice) -> None:
    clients.settled()
    olga = clients.client("Olga", job_title="CEO")
    clients.server.lose_answers()
    clients.run()
    item = clients.item("Olga")
    clients.edit(item, department="Sales")
    clients.later()
    clients.settled()
    (link,) = clients.links()
    assert (link.remote_id, link.local_id) == (item, olga)
    assert contact(clients, olga).department == "Sales"
    assert list(clients.cards()) == ["Olga"]
    assert conflicts(clients) == []


def test_a_card_whose_link_was_lost_is_met_anew(clients: ClientsOffice, vera: int) -> None:
    item = clients.item("Vera Orlova")
    with clients.crm() as session:
        session.delete(session.scalars(select(Link)).one())
    clients.edit(item, department="Sales")
    clients.settled()
    (link,) = clients.links()
    assert (link.remote_id, link.local_id) == (item, vera)
    assert (contact(clients, vera).department, contact(clients, vera).notes) == ("Sales", "Likes mountains")
    assert everybody(clients) == ["Vera Orlova"]


def test_an_edit_of_the_card_of_a_merged_client_is_the_winners(clients: ClientsOffice, vera: int) -> None:
    other = clients.client("Vera O.")
    clients.settled()
    item = clients.item("Vera O.")
    viewer = Viewer(user_id=0, role=OPERATOR)
    with clients.crm() as session:
        merges.merge(session, viewer, "contact", vera, other)
    clients.edit(item, department="Sales")
    clients.settled()
    assert contact(clients, vera).department == "Sales"
    assert len(clients.cards()) == len(clients.links()) == 1
