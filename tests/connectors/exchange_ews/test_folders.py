"""Which folders count, whatever a mailbox keeps for itself and in whatever language."""

from __future__ import annotations

import pytest

from connectors.exchange_ews.folders import WELL_KNOWN, WELL_KNOWN_SINCE_2013
from terracrm.domain.records import Folder, StreamKind
from terracrm.errors import AuthFailed, Temporary
from tests.connectors.exchange_ews.script import ScriptedServer, answered, failure, success


def folder(
    folder_id: str, name: str, parent: str = "msgfolderroot", kind: str = "Folder", of_class: str = "IPF.Note",
    hidden: bool = False, count: int = 0,
) -> str:  # fmt: skip
    """A folder element."""
    class_element = f"<t:FolderClass>{of_class}</t:FolderClass>" if of_class else ""
    attribute = (
        '<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="0x10f4" PropertyType="Boolean"/><t:Value>true</t:Value>'
        "</t:ExtendedProperty>"
    )
    return (
        f'<t:{kind}><t:FolderId Id="{folder_id}"/><t:ParentFolderId Id="{parent}"/>{class_element}'
        f"<t:DisplayName>{name}</t:DisplayName><t:TotalCount>{count}</t:TotalCount>{attribute if hidden else ''}"
        f"</t:{kind}>"
    )


def read(
    server: ScriptedServer, *folders: str, missing: str = "", code: str = "ErrorFolderNotFound"
) -> dict[str, Folder]:
    """The folders by path; distinguished folders have their name as id."""
    known = [
        failure("GetFolder", code, content="<m:Folders/>")
        if name == missing
        else success("GetFolder", f'<m:Folders><t:Folder><t:FolderId Id="{name}"/></t:Folder></m:Folders>')
        for name in WELL_KNOWN + WELL_KNOWN_SINCE_2013
    ]
    server.on("GetFolder", answered("GetFolder", *known))
    page = (
        f'<m:RootFolder TotalItemsInView="{len(folders)}" IncludesLastItemInRange="true">'
        f"<t:Folders>{''.join(folders)}</t:Folders></m:RootFolder>"
    )
    server.on("FindFolder", answered("FindFolder", success("FindFolder", page)))
    return {found.path: found for found in server.connector().folders()}


def test_localised_folders_are_known_by_their_id(server: ScriptedServer) -> None:
    found = read(
        server,
        folder("inbox", "Входящие", count=7),
        folder("clients", "Клиенты", "inbox"),
        folder("contacts", "Контакты", kind="ContactsFolder", of_class="IPF.Contact"),
        folder("calendar", "Календарь", kind="CalendarFolder", of_class="IPF.Appointment"),
    )
    assert found == {
        "Входящие": Folder("inbox", "Входящие", StreamKind.MAIL, "inbox", 7),
        "Входящие/Клиенты": Folder("clients", "Входящие/Клиенты", StreamKind.MAIL),
        "Контакты": Folder("contacts", "Контакты", StreamKind.CONTACTS, "contacts"),
        "Календарь": Folder("calendar", "Календарь", StreamKind.CALENDAR, "calendar"),
    }
    assert server.requests == ["anonymous", "ConvertId", "GetFolder", "FindFolder"]


def test_folders_inside_sync_issues_and_deleted_items_are_like_them(server: ScriptedServer) -> None:
    found = read(
        server,
        folder("syncissues", "Sync Issues"),
        folder("x1", "Conflicts", "syncissues"),
        folder("deleteditems", "Deleted Items"),
        folder("x2", "Old", "deleteditems"),
        folder("x3", "Older", "x2"),
    )
    assert {path: each.well_known for path, each in found.items()} == {
        "Sync Issues": "syncissues",
        "Sync Issues/Conflicts": "syncissues",
        "Deleted Items": "deleteditems",
        "Deleted Items/Old": "deleteditems",
        "Deleted Items/Old/Older": "deleteditems",
    }


def test_what_exchange_keeps_for_itself_is_left_out(server: ScriptedServer) -> None:
    found = read(
        server,
        folder("contacts", "Contacts", kind="ContactsFolder", of_class="IPF.Contact"),
        folder("recipientcache", "Recipient Cache", "contacts", "ContactsFolder", "IPF.Contact.RecipientCache"),
        folder("peopleconnect", "PeopleConnect", "contacts", "ContactsFolder", "IPF.Contact"),
        folder("gal", "GAL Contacts", "contacts", "ContactsFolder", "IPF.Contact.GalContacts"),
        folder("suggested", "Suggested Contacts", kind="ContactsFolder", of_class="IPF.Contact"),
        folder("search", "Unread Mail", kind="SearchFolder"),
        folder("hidden", "Quick Step Settings", hidden=True),
        folder("below", "Below", "hidden"),
        folder("notes", "Notes", of_class="IPF.StickyNote"),
        folder("journal", "Journal", of_class="IPF.Journal"),
        folder("birthdays", "Birthdays", kind="CalendarFolder", of_class="IPF.Appointment.Birthday"),
        folder("feeds", "RSS Feeds", of_class="IPF.Note.OutlookHomepage"),
    )
    assert list(found) == ["Contacts"]


def test_a_folder_without_a_class_holds_mail(server: ScriptedServer) -> None:
    found = read(server, folder("imap", "From the phone", of_class=""))
    assert found["From the phone"].kind is StreamKind.MAIL


@pytest.mark.parametrize("code", ["ErrorFolderNotFound", "ErrorAccessDenied", "ErrorInvalidOperation"])
def test_a_mailbox_without_one_of_the_default_folders_is_read(server: ScriptedServer, code: str) -> None:
    found = read(server, folder("inbox", "Inbox"), missing="syncissues", code=code)
    assert list(found) == ["Inbox"]


@pytest.mark.parametrize("code", ["ErrorFolderNotFound", "ErrorAccessDenied", "ErrorNonExistentMailbox"])
def test_a_mailbox_without_its_root_is_not_ours_to_open(server: ScriptedServer, code: str) -> None:
    with pytest.raises(AuthFailed):
        read(server, missing="msgfolderroot", code=code)


@pytest.mark.parametrize("code", ["ErrorServerBusy", "ErrorMailboxMoveInProgress", "ErrorInternalServerError"])
def test_a_folder_that_cannot_be_told_at_the_moment_is_no_missing_one(server: ScriptedServer, code: str) -> None:
    with pytest.raises(Temporary):
        read(server, missing="deleteditems", code=code)
