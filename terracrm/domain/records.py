"""What crosses the connector boundary: provider-neutral, frozen snapshots of remote items (design, section 2).

Times are aware datetimes in UTC. Addresses are as the mailbox shows them; `addresses.normalise` makes them
comparable. Empty text is "", a missing date is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class StreamKind(StrEnum):
    """One kind of data of a mailbox."""

    CONTACTS = "contacts"
    CALENDAR = "calendar"
    MAIL = "mail"
    TASKS = "tasks"
    POSTS = "posts"


class Role(StrEnum):
    """How a person takes part in a message or a meeting."""

    FROM = "from"
    TO = "to"
    CC = "cc"
    BCC = "bcc"
    ORGANIZER = "organizer"
    REQUIRED = "required"
    OPTIONAL = "optional"
    RESOURCE = "resource"


class Response(StrEnum):
    """An attendee's answer to a meeting request."""

    UNKNOWN = "unknown"
    ORGANIZER = "organizer"
    ACCEPTED = "accepted"
    TENTATIVE = "tentative"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Participant:
    """A person of a message or meeting, as the item names them; `responded_at` where the organizer knows it."""

    role: Role
    address: str
    name: str = ""
    response: Response = Response.UNKNOWN
    responded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LabelledAddress:
    """An e-mail address of a contact; `label` is "1", "2", "3" as Outlook numbers them."""

    label: str
    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone number of a contact; `label` is one of Outlook's kinds in lower case: business, mobile, home..."""

    label: str
    number: str


@dataclass(frozen=True, slots=True)
class PostalAddress:
    """A postal address of a contact; `label` is business, home or other."""

    label: str
    street: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class AttachmentInfo:
    """What is known of an attachment without reading it; `size` in bytes.

    `content_id` and `location` (Content-Location) are what the body may call it. `is_link` when it is only a link to
    a file in the cloud: `location` is its URL, and there is no content.
    """

    remote_id: str
    name: str
    content_type: str = ""
    size: int = 0
    is_inline: bool = False
    content_id: str = ""
    location: str = ""
    is_link: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """The text of an item as the mailbox keeps it: plain, or HTML."""

    content: str = ""
    is_html: bool = False


@dataclass(frozen=True, slots=True)
class ClientCard:
    """What the CRM says of a client on its Outlook contact, in properties of its own (W2); empty where unknown."""

    client_id: str = ""
    owner: str = ""
    stage: str = ""
    last_contact: datetime | None = None
    next_step: str = ""
    profile_link: str = ""


@dataclass(frozen=True, slots=True)
class ContactRecord:
    """One entry of an Outlook contacts folder; its field names are those of every write (`Connector.update`).

    `notes` is plain text. `body` says the same as the mailbox keeps it: it is not read with the rest, and where it is
    given it is what a write of the notes writes. `card` is what we wrote on the contact of a client, else empty.
    """

    display_name: str = ""
    given_name: str = ""
    middle_name: str = ""
    surname: str = ""
    company_name: str = ""
    department: str = ""
    job_title: str = ""
    emails: tuple[LabelledAddress, ...] = ()
    phones: tuple[Phone, ...] = ()
    postal_addresses: tuple[PostalAddress, ...] = ()
    website: str = ""
    birthday: date | None = None
    notes: str = ""
    categories: tuple[str, ...] = ()
    is_private: bool = False
    card: ClientCard = ClientCard()
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """One mail. `unique_text` is the text that is new in it, without what it quotes, where the server tells.

    `body_html` is "" for a plain-text mail and `body_text` is "" for an HTML one: the body has one form.
    """

    message_id: str = ""
    subject: str = ""
    sent_at: datetime | None = None
    received_at: datetime | None = None
    participants: tuple[Participant, ...] = ()
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    conversation_id: str = ""
    body_text: str = ""
    body_html: str = ""
    unique_text: str = ""
    importance: str = "normal"
    is_read: bool = True
    is_draft: bool = False
    is_bulk: bool = False
    item_class: str = "IPM.Note"
    categories: tuple[str, ...] = ()
    attachments: tuple[AttachmentInfo, ...] = ()
    is_private: bool = False


class MeetingKind(StrEnum):
    """What a calendar item is in its series."""

    SINGLE = "single"
    MASTER = "master"
    OCCURRENCE = "occurrence"
    EXCEPTION = "exception"


@dataclass(frozen=True, slots=True)
class MeetingRecord:
    """One calendar item.

    `uid` is the iCalendar UID; `original_start` tells the occurrences of one series apart. For an all-day event
    `start_date`/`end_date` hold the dates (the end exclusive) and `start`/`end` the same in UTC of `zone`.
    `zone` is the zone as the item names it; `zone_rule` describes in POSIX's TZ form one that has no known name.
    `sequence` counts what the organizer changed, `changed_at` is when that was last.

    A master has a `recurrence`, iCalendar's RRULE; `exceptions` are its occurrences that differ, whole records of
    kind EXCEPTION, and `deleted_occurrences` the original starts of those that were taken out.
    """

    uid: str = ""
    kind: MeetingKind = MeetingKind.SINGLE
    original_start: datetime | None = None
    subject: str = ""
    start: datetime | None = None
    end: datetime | None = None
    is_all_day: bool = False
    start_date: date | None = None
    end_date: date | None = None
    zone: str = ""
    zone_rule: str = ""
    location: str = ""
    participants: tuple[Participant, ...] = ()
    my_response: Response = Response.UNKNOWN
    is_organizer: bool = False
    is_cancelled: bool = False
    is_meeting: bool = False
    sequence: int = 0
    changed_at: datetime | None = None
    recurrence: str = ""
    exceptions: tuple[MeetingRecord, ...] = ()
    deleted_occurrences: tuple[datetime, ...] = ()
    body_text: str = ""
    categories: tuple[str, ...] = ()
    is_private: bool = False


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One task of an Outlook tasks folder; its field names are those of every write (`Connector.update`).

    `due_on` is a day without a zone, as in Outlook; `remind_at` None where nobody is reminded; `completed_on` is the
    day it was done, None while it is not. `importance` is low, normal or high. `body` is plain text.
    """

    subject: str = ""
    body: str = ""
    due_on: date | None = None
    remind_at: datetime | None = None
    completed_on: date | None = None
    importance: str = "normal"
    is_private: bool = False


@dataclass(frozen=True, slots=True)
class PostRecord:
    """One entry of the history as an item of a folder that people share; `body` is plain text (W3)."""

    subject: str = ""
    body: str = ""


Record = ContactRecord | MessageRecord | MeetingRecord | TaskRecord | PostRecord
Writable = ContactRecord | TaskRecord | PostRecord


class ChangeKind(StrEnum):
    """What happened to a remote item since the cursor."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    READ_FLAG = "read_flag"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a folder: `record` for created and updated items, `error` where the item cannot be read.

    `version` is the provider's change key or etag. A READ_FLAG change carries only `is_read`
    and the version that it left behind. `key` is what we created
    the item with; a copy that the user makes of it has the same. `changed_at` is when the item was last changed by the
    clock of the server, for contacts and tasks.
    """

    kind: ChangeKind
    remote_id: str
    version: str = ""
    record: Record | None = None
    is_read: bool | None = None
    error: str = ""
    key: str = ""
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A batch of changes and the cursor after it; `is_last` when the folder has nothing more at the moment.

    `expected` is the number of items in the folder where the server said it, for progress bars.
    """

    changes: tuple[Change, ...]
    cursor: str
    is_last: bool = True
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """A remote folder. `path` is its names from the mailbox root joined by "/".

    `well_known` is the name Exchange gives to its distinguished folders (inbox, sentitems, drafts, ...), or "".
    Folders inside syncissues, deleteditems, junkemail, drafts and outbox carry the same name as these.
    """

    remote_id: str
    path: str
    kind: StreamKind
    well_known: str = ""
    item_count: int = 0
