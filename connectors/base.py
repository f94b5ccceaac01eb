"""The connector boundary: what every remote system looks like to the sync engine (design, section 3).

Errors are those of `terracrm.errors`, named by what the caller does about them. A connector knows no tables and
never retries by itself: the schedule of retries is in the database.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from terracrm.domain.records import AttachmentInfo, Body, Change, Folder, Page, StreamKind, Writable


@dataclass(frozen=True, slots=True)
class Account:
    """What it takes to open one mailbox.

    `address` is the mailbox's SMTP address, `server` the URL of the service, `username` and `password` the
    account that signs in; `impersonate` when that account acts in the name of the mailbox, otherwise it opens
    its own mailbox or one it was given access to (delegate). `requests_in_flight` may be on their way at a time, once
    a first one was answered.
    """

    address: str
    server: str
    username: str
    password: str
    impersonate: bool = False
    verify_tls: bool = True
    requests_in_flight: int = 1

    def __repr__(self) -> str:
        """Leave the password out of every log and error."""
        return f"Account({self.address!r}, server={self.server!r}, username={self.username!r})"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a test of the connection found: `server_time` shows the difference of the clocks."""

    server_version: str
    server_time: datetime | None
    kinds: frozenset[StreamKind]
    folders: int


@dataclass(frozen=True, slots=True)
class Version:
    """Which state of which remote item a write left behind; `change_key` is what `Change.version` says of it."""

    remote_id: str
    change_key: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One item that is in a folder now, and its version; `is_other`: of another kind than the folder's.

    Such is a distribution list among contacts: `changes` never tells of it.
    """

    remote_id: str
    version: str
    is_other: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What a server tells by itself: something has changed in these folders of a mailbox."""

    address: str
    folder_ids: frozenset[str]


class Watch(Protocol):
    """Mailboxes that tell of their changes over one held connection: those of one sign-in on one server.

    A wake-up, never data: what happens while no connection is held may never be told. Every method belongs to the
    thread of the watch, but for `interrupt`. After Temporary the subscriptions may still be good: `listen` says.
    """

    def sign_in(self) -> None:
        """Find out whether the account may come in at all, before any mailbox is asked for. Raises AuthFailed."""

    def subscribe(self, account: Account, folder_ids: Collection[str]) -> None:
        """Be told of these folders of a mailbox, and of new ones below the top, from the next `listen` on.

        Raises AuthFailed, Unsupported or ItemGone for this mailbox alone; SignInRefused for all; Forgotten when the
        server cannot keep this one with the others.
        """

    def unsubscribe(self, address: str) -> None:
        """Be told of a mailbox no more. Never raises: a subscription that nobody listens to ends by itself."""

    def listen(self) -> Iterator[Collection[Told]]:
        """What the server tells, as it tells it; the first, maybe empty, says that the connection stands.

        Ends when the server closes the connection in its own time, or after `interrupt`. Raises Forgotten, and
        Temporary when the connection broke off.
        """

    def interrupt(self) -> None:
        """End a `listen` that waits, or the next one; may be called from any thread."""

    def close(self) -> None:
        """Give the connection back."""


class Connector(Protocol):
    """One open mailbox of a remote system. Not thread-safe: one connector per job."""

    def test(self) -> Capabilities:
        """Sign in and look round, changing nothing; raises AuthFailed, Temporary or Unsupported."""

    def folders(self) -> list[Folder]:
        """Every folder of the mailbox that holds contacts, calendar items, mail or tasks.

        A folder of posts is one of mail to the system, and listed as such: who knows better asks with kind POSTS.
        """

    def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Generator[Page, None, None]:
        """The changes since `cursor`, one page at a time, resumable after each page.

        None reads the folder from the start. With several requests in flight pages are read ahead, in threads: what
        fails is raised where its page would come, and nothing is under way any more once the generator is closed. With
        one, nothing is read before it is asked for. An item that cannot be read arrives as a Change with `error`; the
        rest of its page is not lost. Of a task without a key of ours nothing is read: its record is empty.
        Raises CursorExpired when the server no longer knows the cursor, ItemGone when the folder is gone.
        """

    def get(self, folder: Folder, remote_ids: Sequence[str]) -> list[Change]:
        """These items as they are now, in the same order: UPDATED with record or error, or DELETED when gone."""

    def present(self, folder: Folder, remote_ids: Sequence[str]) -> set[str]:
        """Those of these items that are in this folder now. Where they are is all that is asked of them.

        An item that the server cannot show, and an id that means nothing to it, is not among them. May raise ItemGone
        when the folder is gone.
        """

    def listing(self, folder: Folder) -> Iterator[Listed]:
        """Every item that is in a folder now, in no order that is promised; nothing but ids is read.

        A second opinion beside `changes`, and made otherwise. Where the folder changes meanwhile an item may be missing
        or come twice: ask `get` before anything is believed of one. Raises ItemGone when the folder is gone, Temporary
        when the list has no end.
        """

    def attachment(self, info: AttachmentInfo, max_bytes: int) -> bytes:
        """The content of an attachment as `get` has just listed it: its id holds only while its item is unchanged.

        An item inside the item comes as a file, such as .eml. Raises ItemGone when it is no longer there, TooLarge
        when it has more than `max_bytes` (where the list says so without reading it), ItemRejected when there is
        no content to be had: of a link into the cloud, of a private item, of what the server cannot convert.
        """

    # Writing. Nobody is ever mailed. Each call is one attempt: after Temporary it may have got through all the same,
    # so a creation is looked up by its key before it is tried again. A record with what no item of Outlook can keep
    # is refused with ItemRejected before anything is sent. AuthFailed when the account may not write.

    def ensure_folder(self, parent: str | Folder, name: str, kind: StreamKind) -> Folder:
        """The folder of that name in another one, made when there is none; the answer is of the kind asked for.

        `parent` is a folder or the name of a well-known one ("msgfolderroot" for the top). Names are compared without
        regard to case. Raises ItemRejected when a folder of another kind has the name, ItemGone without the parent.
        """

    def create(self, folder: Folder, record: Writable, key: str) -> Version:
        """A new item in a folder: a contact, a task or a post.

        `key` is kept on it, whatever happens to the item later; `Change.key` tells it. Raises ItemGone when the folder
        is gone.
        """

    def find_by_key(self, folder: Folder, key: str) -> Version | None:
        """The item of a folder that was created with this key; the oldest, where the server tells, if it was copied."""

    def read_body(self, remote_id: str) -> tuple[Body, Version]:
        """The notes as the mailbox keeps them, and the version that says so. Raises ItemGone."""

    def update(self, remote_id: str, record: Writable, fields: Collection[str], version: str, key: str = "") -> Version:
        """Set these fields of an item to what the record says, leaving all others as they are, byte for byte.

        `fields` are names of the record's fields; a `key` is kept on an item that a person made, as `create` does.
        Of an entry of a list (a phone, an address) nothing is written that already is as the record says; when nothing
        differs nothing is written and the version stays. "notes" writes `record.body` where there is one, else
        `record.notes` as plain text, in place of any HTML. A task is never assigned to anybody; of "completed_on" only
        whether it is done is written: the day is the server's to say, at least when that is today.
        Raises VersionConflict unless the item still is at `version`, ItemGone when it is not there.
        """

    def delete(self, remote_id: str, version: str) -> None:
        """Move an item to Deleted Items; never for good. Raises VersionConflict and ItemGone as `update` does."""

    def clock_skew(self) -> timedelta | None:
        """By how much the server's clock was ahead of ours at its last answer; None when none named a time."""

    def send_mail(self, to: Sequence[str], subject: str, text: str) -> None:
        """Send a mail of plain text from this mailbox; no copy stays in it.

        The one exception to "nobody is ever mailed": for alerts to admins, and called by `sync.alerting` alone
        (invariant 8). Raises ItemRejected for an address that the server refuses; after Temporary it may have left.
        """

    def close(self) -> None:
        """Give the connections back."""
