"""SyncFolderItems and SyncFolderHierarchy tell exactly what has changed."""

from __future__ import annotations

from collections import Counter

import pytest
from lxml import etree

from connectors.simulator.rows import FolderRow
from connectors.simulator.schema import add, make, put
from connectors.simulator.simulator import Simulator
from tests.connectors.simulator.soap_client import NS, Client, codes

SYNC = """<m:SyncFolderItems><m:ItemShape><t:BaseShape>{base}</t:BaseShape></m:ItemShape><m:SyncFolderId>
<t:FolderId Id="{folder}"/></m:SyncFolderId>{state}{ignore}<m:MaxChangesReturned>{most}</m:MaxChangesReturned>
{scope}</m:SyncFolderItems>"""


class Folder:
    """A folder of Anna's, and a client's view of it that is kept up to date by sync alone."""

    def __init__(self, client: Client, row: FolderRow) -> None:
        self.client, self.row, self.store = client, row, client.simulator.store
        self.state, self.last = "", False
        self.known: dict[str, str] = {}

    def add(self, subject: str, **options) -> object:
        element = make("Message")
        add(element, "Subject", subject)
        with self.store.transaction():
            return self.store.items.create(self.row, element, **options)

    def change(self, row, subject: str) -> object:
        with self.store.transaction():
            element = self.store.items.element(row)
            put(element, "Subject", subject)
            return self.store.items.rewrite(row, element)

    def sync(
        self, most: int = 512, *, base: str = "AllProperties", ignore: str = "", scope: str = ""
    ) -> list[tuple[str, str]]:
        """One page: the changes as (kind, id); `known` follows them."""
        state = f"<m:SyncState>{self.state}</m:SyncState>" if self.state else ""
        body = SYNC.format(folder=self.row.ews_id, state=state, most=most, base=base, ignore=ignore, scope=scope)
        answer = self.client(body)
        assert codes(answer) == ["NoError"], etree.tostring(answer)
        self.state = answer.findtext(".//m:SyncState", namespaces=NS)
        self.last = answer.findtext(".//m:IncludesLastItemInRange", namespaces=NS) == "true"
        changes = []
        for change in answer.find(".//m:Changes", NS):
            kind, named = etree.QName(change).localname, change.find(".//t:ItemId", NS)
            changes.append((kind, named.get("Id")))
            if kind == "Delete":
                assert self.known.pop(named.get("Id"), None) is not None
            else:
                assert (kind == "Create") == (named.get("Id") not in self.known)
                self.known[named.get("Id")] = named.get("ChangeKey")
        return changes

    def truth(self) -> dict[str, str]:
        return {row.ews_id: row.change_key for row in self.store.items.in_folder(self.row)}


@pytest.fixture
def folder(simulator: Simulator, anna: Client, request: pytest.FixtureRequest) -> Folder:
    box = simulator.store.mailboxes.find("anna@example.test")
    with simulator.store.transaction():
        inbox = simulator.store.folders.distinguished(box, "inbox")
        return Folder(anna, simulator.store.folders.create(inbox, request.node.name))


def test_the_first_sync_tells_everything_and_the_next_only_what_changed(folder: Folder) -> None:
    rows = [folder.add(str(number)) for number in range(5)]
    assert [kind for kind, _ in folder.sync()] == ["Create"] * 5
    assert folder.sync() == []
    changed = folder.change(rows[0], "new")
    with folder.store.transaction():
        folder.store.items.delete(rows[1])
        read = folder.store.items.set_read(rows[2], True)
    new = folder.add("six")
    assert sorted(folder.sync()) == sorted(
        [
            ("Update", changed.ews_id),
            ("Delete", rows[1].ews_id),
            ("ReadFlagChange", read.ews_id),
            ("Create", new.ews_id),
        ]
    )
    assert folder.known == folder.truth()


def test_pages_are_exact_while_the_folder_changes_between_them(folder: Folder) -> None:
    rows = [folder.add(str(number)) for number in range(10)]
    folder.sync(3)
    rows[0] = folder.change(rows[0], "told already, changed since")
    rows[8] = folder.change(rows[8], "changed before it is told")
    with folder.store.transaction():
        folder.store.items.delete(rows[1])
        folder.store.items.delete(rows[9])
    folder.add("new in between")
    kinds = Counter()
    for _ in range(20):
        kinds.update(kind for kind, _ in folder.sync(3))
        if folder.last:
            break
    assert folder.known == folder.truth()
    assert kinds["Delete"] == 1
    assert folder.sync() == []


def test_what_came_and_went_between_two_syncs_is_never_told(folder: Folder) -> None:
    folder.sync()
    row = folder.add("short")
    with folder.store.transaction():
        folder.store.items.delete(row)
    assert folder.sync() == []


def test_a_moved_item_is_deleted_here_and_created_there_under_a_new_id(folder: Folder) -> None:
    row = folder.add("moving")
    folder.sync()
    with folder.store.transaction():
        target = folder.store.folders.create(folder.row, "elsewhere")
        moved = folder.store.items.move(row, target)
    assert folder.sync() == [("Delete", row.ews_id)]
    assert moved.ews_id != row.ews_id
    assert moved.search_key == row.search_key
    assert Folder(folder.client, target).sync() == [("Create", moved.ews_id)]


def test_many_changes_come_in_pages_and_each_once(folder: Folder) -> None:
    rows = [folder.add(str(number)) for number in range(7)]
    folder.sync()
    for row in rows:
        folder.change(row, "again")
    seen = []
    for _ in range(5):
        seen += folder.sync(2)
        if folder.last:
            break
    assert sorted(seen) == sorted(("Update", row.ews_id) for row in rows)


def test_ignored_items_and_hidden_items_are_left_out(folder: Folder) -> None:
    one, _ = folder.add("one"), folder.add("two", associated=True)
    ignore = f'<m:Ignore><t:ItemId Id="{one.ews_id}"/></m:Ignore>'
    assert folder.sync(ignore=ignore) == []
    other = Folder(folder.client, folder.row)
    assert len(other.sync(scope="<m:SyncScope>NormalAndAssociatedItems</m:SyncScope>")) == 2


@pytest.mark.parametrize("state", ["rubbish", "SDRzSUE=", "H4sIAAA="])
def test_a_state_that_is_none_is_refused(folder: Folder, state: str) -> None:
    body = SYNC.format(
        folder=folder.row.ews_id,
        state=f"<m:SyncState>{state}</m:SyncState>",
        most=10,
        base="IdOnly",
        ignore="",
        scope="",
    )
    answer = folder.client(body)
    assert codes(answer) == ["ErrorInvalidSyncStateData"]
    assert answer.find(".//m:SyncState", NS) is not None


def test_the_state_of_one_folder_is_refused_by_another(folder: Folder) -> None:
    folder.sync()
    with folder.store.transaction():
        other = folder.store.folders.create(folder.row, "other")
    body = SYNC.format(
        folder=other.ews_id,
        state=f"<m:SyncState>{folder.state}</m:SyncState>",
        most=9,
        base="IdOnly",
        ignore="",
        scope="",
    )
    assert codes(folder.client(body)) == ["ErrorInvalidSyncStateData"]


def test_no_page_is_larger_than_512(folder: Folder) -> None:
    body = SYNC.format(folder=folder.row.ews_id, state="", most=513, base="IdOnly", ignore="", scope="")
    assert codes(folder.client(body)) == ["ErrorSchemaValidation"]


def hierarchy(client: Client, root: FolderRow, state: str = "") -> tuple[list[tuple[str, str]], str]:
    given = f"<m:SyncState>{state}</m:SyncState>" if state else ""
    answer = client(
        "<m:SyncFolderHierarchy><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape></m:FolderShape><m:SyncFolderId>"
        f'<t:FolderId Id="{root.ews_id}"/></m:SyncFolderId>{given}</m:SyncFolderHierarchy>'
    )
    assert codes(answer) == ["NoError"]
    changes = [
        (etree.QName(change).localname, change.find(".//t:FolderId", NS).get("Id"))
        for change in answer.find(".//m:Changes", NS)
    ]
    return changes, answer.findtext(".//m:SyncState", namespaces=NS)


def test_folders_are_told_as_created_changed_moved_and_deleted(folder: Folder) -> None:
    folders, store = folder.store.folders, folder.store
    first, state = hierarchy(folder.client, folder.row)
    assert first == []
    with store.transaction():
        one, two = folders.create(folder.row, "one"), folders.create(folder.row, "two")
    changes, state = hierarchy(folder.client, folder.row, state)
    assert changes == [("Create", one.ews_id), ("Create", two.ews_id)]
    folder.add("an item is no change of the folders")
    assert hierarchy(folder.client, folder.row, state)[0] == []
    with store.transaction():
        folders.move(two, one)
    changes, state = hierarchy(folder.client, folder.row, state)
    assert changes == [("Update", two.ews_id)]
    with store.transaction():
        folders.rewrite(folders.get(one.number), name="renamed", folder_class="IPF.Note", element=folders.element(one))
        folders.delete(folders.get(two.number))
    changes, state = hierarchy(folder.client, folder.row, state)
    assert changes == [("Update", one.ews_id), ("Delete", two.ews_id)]
    assert hierarchy(folder.client, folder.row, state)[0] == []
