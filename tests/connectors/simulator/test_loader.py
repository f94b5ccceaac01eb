"""Folders of mail, vCards and calendars on disk as the mailboxes of the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.simulator.loader import load
from connectors.simulator.schema import text_of
from connectors.simulator.store import Store
from tests.connectors.simulator.item_schema import shared


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store()
    yield made
    made.close()


def put(path: Path, content: str | bytes = "Subject: x\nMessage-ID: <x@y>\n\ntext") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def counts(store: Store, address: str) -> dict[str, int]:
    """Path of folder -> number of items, for every folder with items."""
    mailbox = store.mailboxes.find(address)
    assert mailbox is not None
    root = store.folders.distinguished(mailbox, "msgfolderroot")
    found = {}
    for folder in store.folders.children(root, deep=True):
        names, parent = [folder.name], folder.parent
        while parent != root.number:
            above = store.folders.get(parent or 0)
            names.insert(0, above.name)
            parent = above.parent
        if store.folders.counts(folder)[0]:
            found["/".join(names)] = store.folders.counts(folder)[0]
    return found


def subjects(store: Store, address: str, key: str) -> list[str]:
    mailbox = store.mailboxes.find(address)
    assert mailbox is not None
    folder = store.folders.distinguished(mailbox, key)
    return sorted(store.items.subject(row) for row in store.items.in_folder(folder))


def test_a_mail_without_a_message_id_has_the_same_in_every_mailbox(store: Store, tmp_path: Path) -> None:
    head, text = "From: olga@lavka.test\r\nTo: anna@x.test, boris@x.test\r\nSubject: One\r\n", "\r\ntext\r\n"
    put(tmp_path / "anna" / "inbox" / "1.", f"Received: from a.test\r\n{head}{text}")
    put(tmp_path / "boris" / "inbox" / "1.", f"Received: from b.test\r\n{head}{text}")
    put(tmp_path / "boris" / "inbox" / "2.", f"{head}{text}and more")
    load(store, mail=tmp_path)
    ids = [row[0] for row in store.rows("SELECT message_id FROM item ORDER BY number")]
    assert ids[0] == ids[1] != ids[2]


def test_the_fixed_names_are_the_distinguished_folders(store: Store, tmp_path: Path) -> None:
    for name in ("inbox", "sent", "sent_items", "_sent_mail", "deleted_items", "drafts", "Straw", "Sent Items"):
        put(tmp_path / "allen-p" / name / "1.")
    done = load(store, mail=tmp_path)
    assert (done.mailboxes, done.messages) == (1, 8)
    assert counts(store, "allen-p@example.test") == {
        "Inbox": 1,
        "Sent Items": 4,
        "Deleted Items": 1,
        "Drafts": 1,
        "Straw": 1,
    }


def test_a_name_of_another_kind_of_folder_gets_mail_beside_it(store: Store, tmp_path: Path) -> None:
    for name in ("contacts", "Calendar", "tasks", "notes", "journal"):
        put(tmp_path / "ann" / name / "1.eml")
    load(store, mail=tmp_path)
    assert sorted(counts(store, "ann@example.test")) == [
        "Calendar (mail)",
        "contacts (mail)",
        "journal (mail)",
        "notes (mail)",
        "tasks (mail)",
    ]


def test_folders_within_folders(store: Store, tmp_path: Path) -> None:
    put(tmp_path / "ann" / "inbox" / "Clients" / "North" / "1.eml")
    put(tmp_path / "ann" / "Projects" / "contacts" / "1.eml")
    put(tmp_path / "ann" / "loose.eml")
    load(store, mail=tmp_path)
    assert counts(store, "ann@example.test") == {
        "Inbox": 1,
        "Inbox/Clients/North": 1,
        "Projects/contacts": 1,
    }


def test_a_user_may_be_a_whole_address(store: Store, tmp_path: Path) -> None:
    put(tmp_path / "Ann@Other.test" / "inbox" / "1.")
    load(store, mail=tmp_path)
    assert counts(store, "ann@other.test") == {"Inbox": 1}


def test_what_is_no_mail_is_passed_over(store: Store, tmp_path: Path) -> None:
    for name in ("LICENSE", ".git/config", "ann/.hidden", "ann/inbox/.DS_Store", "ann/inbox/Thumbs.db"):
        put(tmp_path / name)
    put(tmp_path / "ann" / "inbox" / "empty", b"")
    put(tmp_path / "ann" / "inbox" / "1.")
    assert load(store, mail=tmp_path).messages == 1
    assert [box.address for box in store.mailboxes.all()] == ["ann@example.test"]


MBOX = b"""From ann@x Mon Jan  1 10:00:00 2024
Subject: one

body
>From the beginning

From bob@x Tue Jan  2 11:00:00 2024
Subject: two
Date: Wed, 3 Jan 2024 00:00:00 +0000

From here on it is text
"""


def test_an_mbox_is_a_folder_of_messages(store: Store, tmp_path: Path) -> None:
    put(tmp_path / "ann" / "inbox.mbox", MBOX)
    put(tmp_path / "ann" / "Clients", MBOX)
    put(tmp_path / "bob.mbox", MBOX)
    load(store, mail=tmp_path)
    assert counts(store, "ann@example.test") == {"Inbox": 2, "Clients": 2}
    assert subjects(store, "bob@example.test", "inbox") == ["one", "two"]
    mailbox = store.mailboxes.find("bob@example.test")
    assert mailbox is not None
    rows = store.items.in_folder(store.folders.distinguished(mailbox, "inbox"))
    assert [row.received for row in rows] == ["2024-01-03T00:00:00Z", "2024-01-01T10:00:00Z"]
    assert "\r\nFrom the beginning" in text_of(store.items.element(rows[1]), "Body")


def test_a_maildir_tells_what_was_read(store: Store, tmp_path: Path) -> None:
    put(tmp_path / "ann" / "cur" / "1.host:2,RS", "Subject: read\n\n")
    put(tmp_path / "ann" / "new" / "2.host", "Subject: unread\n\n")
    put(tmp_path / "ann" / "tmp" / "3.host", "Subject: unfinished\n\n")
    put(tmp_path / "ann" / ".Clients.North" / "cur" / "4.host:2,S")
    load(store, mail=tmp_path)
    assert counts(store, "ann@example.test") == {"Inbox": 2, "Clients/North": 1}
    mailbox = store.mailboxes.find("ann@example.test")
    assert mailbox is not None
    inbox = store.folders.distinguished(mailbox, "inbox")
    assert {store.items.subject(row): row.is_read for row in store.items.in_folder(inbox)} == {
        "read": True,
        "unread": False,
    }


def test_malformed_mail_is_loaded_as_far_as_it_can_be(store: Store, tmp_path: Path) -> None:
    contents = [b"\0\xff", b"no headers", b"Subject: =?x?B?!?=\n\n\x80", b"Content-Type: multipart/mixed\n\n--"]
    for number, content in enumerate(contents):
        put(tmp_path / "ann" / "inbox" / f"{number}.", content)
    assert load(store, mail=tmp_path).messages == len(contents)


def test_a_second_load_takes_only_what_is_new(store: Store, tmp_path: Path) -> None:
    put(tmp_path / "mail" / "ann" / "inbox" / "1.")
    put(tmp_path / "cards" / "ann.vcf", "BEGIN:VCARD\nFN:Bob\nEND:VCARD\n")
    for _ in range(2):
        load(store, mail=tmp_path / "mail", vcards=tmp_path / "cards")
    put(tmp_path / "mail" / "ann" / "inbox" / "2.")
    done = load(store, mail=tmp_path / "mail", vcards=tmp_path / "cards")
    assert (done.messages, done.contacts) == (1, 0)
    assert counts(store, "ann@example.test") == {"Inbox": 2, "Contacts": 1}


def test_contacts_events_and_todos(store: Store, tmp_path: Path) -> None:
    put(tmp_path / "ann.vcf", "BEGIN:VCARD\nFN:Bob\nEND:VCARD\nBEGIN:VCARD\nFN:Eve\nEND:VCARD\n")
    put(tmp_path / "bob" / "team.vcf", "BEGIN:VCARD\nFN:Sales\nKIND:group\nEND:VCARD\n")
    event = "BEGIN:VEVENT\nUID:1\nDTSTART:20240101T100000Z\nEND:VEVENT\nBEGIN:VTODO\nSUMMARY:Call\nEND:VTODO\n"
    put(tmp_path / "bob" / "my.ics", f"BEGIN:VCALENDAR\n{event}END:VCALENDAR\n")
    done = load(store, vcards=tmp_path, calendars=tmp_path)
    assert (done.contacts, done.events) == (3, 2)
    assert counts(store, "ann@example.test") == {"Contacts": 2}
    assert counts(store, "bob@example.test") == {"Contacts": 1, "Calendar": 1, "Tasks": 1}


def test_events_that_exchange_would_refuse_do_not_stop_the_rest(store: Store, tmp_path: Path) -> None:
    events = (
        "UID:1\nDTSTART:20000101T000000Z\nDTEND:20240101T000000Z",
        "UID:2\nDTSTART:20240101T000000Z\nRRULE:FREQ=DAILY;UNTIL=20200101T000000Z",
        "UID:3\nDTSTART:20240101T000000Z\nDTEND:20230101T000000Z",
    )
    body = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    put(tmp_path / "ann.ics", f"BEGIN:VCALENDAR\n{body}END:VCALENDAR\n")
    done = load(store, calendars=tmp_path)
    assert (done.events, done.refused) == (2, 1)


def test_a_folder_that_is_not_there_is_an_error(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="nowhere"):
        load(store, mail=tmp_path / "nowhere")


def test_a_file_that_cannot_be_opened_does_not_stop_the_rest(store: Store, tmp_path: Path) -> None:
    put(tmp_path / "ann" / "inbox" / "1.")
    (tmp_path / "ann" / "inbox" / "2.").symlink_to(tmp_path / "ann" / "inbox" / "2.")
    put(tmp_path / "ann" / "inbox" / "3.")
    assert load(store, mail=tmp_path).messages == 2


def test_real_mailboxes_are_loaded_whole(store: Store) -> None:
    folder = shared("mail-samples", "enron")
    done = load(store, mail=folder)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "LICENSE"]
    assert done.messages == len(files)
    assert done.unreadable == []
    assert counts(store, "allen-p@example.test")["contacts (mail)"] == 2


def test_a_mail_that_begins_like_a_mailbox_file_is_loaded_as_far_as_it_can_be(store: Store, tmp_path: Path) -> None:
    inbox = tmp_path / "anna" / "inbox"
    inbox.mkdir(parents=True)
    (inbox / "1.").write_bytes(b"From nobody\x00\xff\r\nSubject: =?koi8-r?B?broken\r\n\r\n\xff\xfe")
    (inbox / "2.").write_bytes(b"From ")
    done = load(store, mail=tmp_path)
    assert (done.messages, done.unreadable) == (2, [])
