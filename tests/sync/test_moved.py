"""A mailbox that was moved to another server, where every folder and item has another id: nothing is doubled (S13)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from connectors.memory import MemoryConnector, MemoryServer
from terracrm.domain.records import Change, Folder, PostRecord, TaskRecord
from terracrm.errors import Temporary
from terracrm.models import (
    Activity,
    AuditEntry,
    Conflict,
    Contact,
    FieldChange,
    Link,
    Meeting,
    Message,
    MirrorFolder,
    OutboxItem,
    SkippedItem,
    Stream,
    User,
    utcnow,
)
from terracrm.services import mailboxes
from tests.sync.clients_office import CLIENTS, ClientsOffice, stream_of
from tests.sync.conftest import DOMAIN, Office
from tests.sync.items import contact, mail, meeting
from tests.sync.test_posts import LAVKA, History
from tests.sync.test_tasks import Desk, desk  # noqa: F401 - a fixture

SQLITE_FIRST = True

MANY = 30
"""More than a run may remove or change without being asked."""
WHAT = (Activity, Message, Meeting, Contact, FieldChange, Conflict, AuditEntry)


def moved(server: MemoryServer, first: str = "", to: str = "") -> MemoryServer:
    """A server with the same mailboxes under other ids, the folders whose path begins with `first` called otherwise."""
    made = MemoryServer()
    made._counter = itertools.count(1_000_000)
    made._passwords = dict(server._passwords)
    for address, boxes in server._folders.items():
        made._folders[address] = {}
        for box in boxes.values():
            path = to + box.folder.path.removeprefix(first) if first and box.folder.path.startswith(first) else ""
            folder = made.add_folder(address, path or box.folder.path, box.folder.kind, box.folder.well_known)
            for item in box.present():
                made.put(folder, item.record, item.key)
    return made


def _busy(*_: object) -> None:
    raise Temporary("The server is busy.")


def counts(session: Session) -> list[int]:
    """How many there are of all that must not be doubled."""
    session.rollback()
    return [session.scalar(select(func.count()).select_from(model)) or 0 for model in WHAT]


def live(session: Session, entity: str) -> int:
    """How many items are linked and there."""
    session.rollback()
    query = select(func.count()).select_from(Link).where(Link.entity == entity, Link.gone_at.is_(None))
    return session.scalar(query) or 0


def test_all_that_is_read_is_linked_again(office: Office, session: Session) -> None:
    extra = office.server.add_folder(f"anna@{DOMAIN}", "Inbox/Клиенты")
    for number in range(MANY):
        office.server.put(office.folder("anna", "Inbox"), mail(f"Письмо {number}"))
        office.server.put(extra, mail(f"Дело {number}", message_id=""))
        office.server.put(office.folder("anna", "Calendar"), meeting(f"Встреча {number}"))
        office.server.put(office.folder("anna", "Contacts"), contact(f"Клиент {number}", f"k{number}@lavka.example"))
    office.server.put(office.folder("anna", "Inbox"), mail("Личное", is_private=True))
    kinds = ("contacts", "calendar", "mail")
    for kind in kinds:
        office.run("anna", kind)
    before, links = counts(session), [live(session, kind) for kind in ("contact", "meeting", "message")]
    rows = dict(session.execute(select(MirrorFolder.path, MirrorFolder.id)).all())
    office.server = moved(office.server, "Inbox", "Входящие")
    for kind in kinds:
        summary = office.run("anna", kind)
        assert (summary.state, summary.error) == ("ok", "")
    assert counts(session) == before
    assert [live(session, kind) for kind in ("contact", "meeting", "message")] == links == [MANY, MANY, 2 * MANY]
    after = dict(session.execute(select(MirrorFolder.path, MirrorFolder.id)).all())
    assert after == {path.replace("Inbox", "Входящие"): id_ for path, id_ in rows.items()}
    assert [skip.rule for skip in session.scalars(select(SkippedItem))] == ["private"]
    for kind in kinds:
        assert office.run("anna", kind).counts.created == 0


def test_cards_are_linked_by_their_keys_and_none_is_doubled_removed_or_archived(
    office: Office, session: Session
) -> None:
    crm = ClientsOffice(office)
    with crm.crm() as writing:
        stream_of(writing).on_delete = "archive"
    ids = [crm.client(f"Client{number} Last") for number in range(MANY)]
    removed = crm.client("Removed Last")
    crm.settled()
    crm.server.delete(crm.item("Removed Last"))
    crm.server.move(crm.item("Client3 Last"), crm.folder("Contacts"))
    crm.settled()
    before = counts(session)
    crm.server = office.server = moved(office.server)
    writes = office.server.writes
    for _ in range(3):
        assert crm.run().state == "ok"
        crm.later()
    assert office.server.writes == writes
    assert counts(session) == before
    assert sorted([*crm.cards(), *crm.cards("Contacts")]) == sorted(f"Client{number} Last" for number in range(MANY))
    there = [link for link in crm.links() if link.gone_at is None]
    assert sorted(link.local_id for link in there) == ids
    assert all(session.get_one(Contact, id_).archived_at is None for id_ in ids)
    assert session.get_one(Contact, removed).archived_at is not None
    crm.change(ids[0], job_title="Buyer")
    crm.settled()
    assert crm.cards()["Client0 Last"].job_title == "Buyer"
    crm.client("New Last")
    crm.settled()
    assert "New Last" in crm.cards()


def test_what_is_still_on_its_way_is_found_when_it_comes(
    office: Office,
    desk: Desk,  # noqa: F811
    session: Session,
) -> None:
    with office.sessions.begin() as writing:
        stream = stream_of(writing)
        stream.direction, stream.on_delete = "both", "archive"
        for number in range(4):
            owner = writing.scalars(select(User.id).where(User.name == "anna")).one()
            writing.add(Contact(display_name=f"Client{number}", name_key=f"client{number}", owner_id=owner))
    for _ in range(2):
        desk.add()
    for kind in ("contacts", "tasks", "contacts", "tasks"):
        office.run("anna", kind)
    before = [live(session, "contact"), live(session, "task")]
    office.server = desk.server = moved(office.server)
    boxes = [office.server._box(office.folder("anna", path)) for path in (CLIENTS, "Tasks")]
    late = [(box, box.items.pop(key)) for box in boxes for key in list(box.items)[1:]]
    for kind in ("contacts", "tasks", "contacts", "tasks"):
        assert office.run("anna", kind).state == "ok"
    assert [live(session, "contact"), live(session, "task")] == [1, 1]
    for box, item in late:
        office.server.put(box.folder, item.record, item.key)
    for kind in ("contacts", "tasks", "contacts", "tasks"):
        assert office.run("anna", kind).state == "ok"
    assert [live(session, "contact"), live(session, "task")] == before == [4, 2]
    assert office.server.writes == 0
    assert not session.scalars(select(Contact).where(Contact.archived_at.is_not(None))).all()


def test_that_a_mailbox_has_moved_is_known_also_when_the_run_that_found_it_broke_off(
    office: Office, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    crm = ClientsOffice(office)
    with crm.crm() as writing:
        stream_of(writing).on_delete = "archive"
    for number in range(4):
        crm.client(f"Client{number} Last")
    crm.settled()
    crm.server = office.server = moved(office.server)
    box = office.server._box(office.folder("anna", CLIENTS))
    late = [box.items.pop(key) for key in list(box.items)[1:]]
    with monkeypatch.context() as busy:
        busy.setattr(MemoryConnector, "changes", _busy)
        assert crm.run().state == "backoff"
    crm.later()
    assert crm.run().state == "ok"
    assert not session.scalars(select(Contact).where(Contact.archived_at.is_not(None))).all()
    for item in late:
        office.server.put(box.folder, item.record, item.key)
    crm.settled()
    assert sorted(crm.cards()) == [f"Client{number} Last" for number in range(4)]
    session.rollback()
    assert stream_of(session).moved_at is None


def test_tasks_are_linked_by_their_keys(office: Office, desk: Desk, session: Session) -> None:  # noqa: F811
    for _ in range(3):
        desk.add()
    office.run("anna", "tasks")
    done = next(i.remote_id for i in office.server._box(office.folder("anna", "Tasks")).present())
    before = counts(session)
    office.server = desk.server = moved(office.server)
    for _ in range(3):
        assert office.run("anna", "tasks").state == "ok"
    items = office.server._box(office.folder("anna", "Tasks")).present()
    assert (len(items), office.server.writes, done in {item.remote_id for item in items}) == (3, 0, False)
    assert counts(session) == before
    assert live(session, "task") == 3
    record = items[0].record
    assert isinstance(record, TaskRecord)
    office.server.change(items[0].remote_id, replace(record, subject=record.subject.replace("Call back", "Call")))
    assert office.run("anna", "tasks").counts.updated == 1


@pytest.mark.parametrize("first", ["posts", "mail"])
def test_posts_are_found_by_their_keys_and_still_withdrawn(office: Office, session: Session, first: str) -> None:
    crm = History(office)
    with crm.crm() as writing:
        mailbox = mailboxes.get(writing, f"history@{DOMAIN}")
        assert {stream.kind for stream in mailbox.streams} >= {"mail", "posts"}
    for number in range(4):
        crm.mail(f"Письмо {number}")
    crm.settled()
    office.run("history", "mail")
    crm.server.lose(crm.posts()[next(s for s in crm.posts() if s.endswith("Письмо 3"))].remote_id)
    box = next(b for b in crm.server._folders[f"history@{DOMAIN}"].values() if b.folder.path == LAVKA)
    box.folder = replace(box.folder, path=LAVKA.replace("ООО «Лавка»", "Renamed"))
    crm.settled()
    before = counts(session)
    crm.server = office.server = moved(office.server)
    for _ in range(2):
        for kind in (first, *({"posts", "mail"} - {first})):
            assert office.run("history", kind).state == "ok"
    assert (office.server.writes, counts(session)) == (0, before)
    path = LAVKA.replace("ООО «Лавка»", "Renamed")
    assert len(crm.posts(path)) == live(session, "post") == 3
    assert office.server.put(office.folder("anna", "Inbox"), mail("Письмо 9"))
    office.run("anna", "mail")
    crm.settled()
    assert len(crm.posts(path)) == 4
    known = {
        item.record.subject: item.remote_id for item in office.server._box(office.folder("anna", "Inbox")).present()
    }
    office.server.change(known["Письмо 0"], mail("Письмо 0", is_private=True))
    office.run("anna", "mail")
    crm.settled()
    assert not [subject for subject in crm.posts(path) if "Письмо 0" in subject]
    assert all(isinstance(item.record, PostRecord) for item in crm.posts(path).values())


def test_the_claim_is_renewed_while_many_posts_are_looked_up(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.moved.BATCH", 1)
    crm = History(office)
    for number in range(3):
        crm.mail(f"Письмо {number}")
    crm.settled()
    crm.server = office.server = moved(office.server)
    is_held: list[bool] = []

    class Slow(MemoryConnector):
        def get(self, folder: Folder, remote_ids: Sequence[str]) -> Sequence[Change]:
            with crm.crm() as session:
                stream = stream_of(session, "history", "posts")
                is_held.append(stream.claimed_until is not None and stream.claimed_until > utcnow())
                stream.claimed_until = utcnow()  # it took so long
            return super().get(folder, remote_ids)

    assert office.run("history", "posts", lambda account: Slow(account, office.server)).state == "ok"
    assert is_held == [True] * 3


def test_one_folder_of_many_that_is_gone_is_no_move(office: Office, session: Session) -> None:
    crm = ClientsOffice(office)
    crm.client("Client Last")
    crm.settled()
    crm.server.remove_folder(crm.folder())
    crm.server.add_folder(f"anna@{DOMAIN}", CLIENTS, crm.folder("Contacts").kind)
    assert crm.run().state == "ok"
    assert not session.scalars(select(OutboxItem).where(OutboxItem.reason != "time")).all()
    assert crm.cards() == {}
    assert session.scalars(select(Stream)).all()


@pytest.mark.parametrize("kind", ["mail", "calendar", "contacts"])
def test_what_was_made_private_during_the_move_is_withdrawn(office: Office, session: Session, kind: str) -> None:
    items = {
        "mail": ("Inbox", mail("Больничный")),
        "calendar": ("Calendar", meeting("Врач")),
        "contacts": ("Contacts", contact("Доктор", "doctor@klinika.example")),
    }
    folder, record = items[kind]
    office.server.put(office.folder("anna", folder), record)
    office.run("anna", kind)
    assert sum(counts(session)) > 0
    office.server = moved(office.server)
    for box in office.server._folders[f"anna@{DOMAIN}"].values():
        for item in list(box.present()):
            office.server.change(item.remote_id, replace(item.record, is_private=True))
    office.run("anna", kind)
    assert (counts(session)[:4], session.scalars(select(Link)).all()) == ([0, 0, 0, 0], [])
