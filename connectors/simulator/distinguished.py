"""The folders that every mailbox has from its first day, under Exchange's own names."""

from __future__ import annotations

from typing import NamedTuple


class Default(NamedTuple):
    """One default folder: its distinguished id (or ""), where it hangs, its name, class and element."""

    key: str
    parent: str
    name: str
    folder_class: str = "IPF.Note"
    kind: str = "Folder"


DEFAULTS = (
    Default("root", "", "root", ""),
    Default("msgfolderroot", "root", "Top of Information Store", "IPF"),
    Default("inbox", "msgfolderroot", "Inbox"),
    Default("drafts", "msgfolderroot", "Drafts"),
    Default("sentitems", "msgfolderroot", "Sent Items"),
    Default("deleteditems", "msgfolderroot", "Deleted Items"),
    Default("outbox", "msgfolderroot", "Outbox"),
    Default("junkemail", "msgfolderroot", "Junk Email"),
    Default("calendar", "msgfolderroot", "Calendar", "IPF.Appointment", "CalendarFolder"),
    Default("contacts", "msgfolderroot", "Contacts", "IPF.Contact", "ContactsFolder"),
    Default("tasks", "msgfolderroot", "Tasks", "IPF.Task", "TasksFolder"),
    Default("notes", "msgfolderroot", "Notes", "IPF.StickyNote"),
    Default("journal", "msgfolderroot", "Journal", "IPF.Journal"),
    Default("conversationhistory", "msgfolderroot", "Conversation History"),
    Default("syncissues", "msgfolderroot", "Sync Issues"),
    Default("conflicts", "syncissues", "Conflicts"),
    Default("localfailures", "syncissues", "Local Failures"),
    Default("serverfailures", "syncissues", "Server Failures"),
    Default("recipientcache", "contacts", "Recipient Cache", "IPF.Contact.RecipientCache", "ContactsFolder"),
    Default(
        "quickcontacts",
        "contacts",
        "{A9E2BC46-B3A0-4243-B315-60D991004455}",
        "IPF.Contact.MOC.QuickContacts",
        "ContactsFolder",
    ),
    Default(
        "imcontactlist",
        "contacts",
        "{06967759-274D-40B2-A3EB-D7F9E73727D7}",
        "IPF.Contact.MOC.ImContactList",
        "ContactsFolder",
    ),
    Default("", "contacts", "GAL Contacts", "IPF.Contact.GalContacts", "ContactsFolder"),
    Default(
        "",
        "contacts",
        "PeopleCentricConversation Buddies",
        "IPF.Contact.PeopleCentricConversationBuddies",
        "ContactsFolder",
    ),
    Default("peopleconnect", "contacts", "PeopleConnect", "", "ContactsFolder"),
    Default("searchfolders", "root", "Finder", ""),
    Default("voicemail", "searchfolders", "Voice Mail", "IPF.Note.Microsoft.Voicemail", "SearchFolder"),
    Default("mycontacts", "searchfolders", "MyContacts", "IPF.Note", "SearchFolder"),
    Default("todosearch", "root", "To-Do Search", "IPF.Task", "SearchFolder"),
    Default("favorites", "root", "Favorites"),
    Default("personmetadata", "root", "PersonMetadata", "IPF.Contact", "ContactsFolder"),
    Default("mecontact", "root", "MeContact", "IPF.Contact", "ContactsFolder"),
    Default("recoverableitemsroot", "root", "Recoverable Items", ""),
    Default("recoverableitemsdeletions", "recoverableitemsroot", "Deletions", ""),
    Default("recoverableitemsversions", "recoverableitemsroot", "Versions", ""),
    Default("recoverableitemspurges", "recoverableitemsroot", "Purges", ""),
    Default("recoverableitemsdiscoveryholds", "recoverableitemsroot", "DiscoveryHolds", ""),
    Default("", "root", "Common Views", ""),
    Default("", "root", "Shortcuts", ""),
    Default("", "root", "Spooler Queue", ""),
    Default("", "root", "Views", ""),
)

# Known to some version of Exchange, but a mailbox of this server has none of them.
ABSENT = frozenset(
    {
        "archiveroot",
        "archivemsgfolderroot",
        "archivedeleteditems",
        "archiveinbox",
        "archiverecoverableitemsroot",
        "archiverecoverableitemsdeletions",
        "archiverecoverableitemsversions",
        "archiverecoverableitemspurges",
        "archiverecoverableitemsdiscoveryholds",
        "adminauditlogs",
        "directory",
    }
)
DEFAULT_KEYS = frozenset(default.key for default in DEFAULTS if default.key)

KIND_BY_CLASS = {
    "IPF.Appointment": "CalendarFolder",
    "IPF.Contact": "ContactsFolder",
    "IPF.Task": "TasksFolder",
}
# A plain folder that is made without a class has none; Outlook shows it as mail.
CLASS_BY_KIND = {
    "Folder": "",
    "SearchFolder": "IPF.Note",
    "CalendarFolder": "IPF.Appointment",
    "ContactsFolder": "IPF.Contact",
    "TasksFolder": "IPF.Task",
}


def kind_of(folder_class: str) -> str:
    """The element that shows a folder of this class; subclasses follow their class (IPF.Contact.GalContacts)."""
    for known, kind in KIND_BY_CLASS.items():
        if folder_class == known or folder_class.startswith(known + "."):
            return kind
    return "Folder"
