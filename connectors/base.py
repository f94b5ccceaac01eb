"""The connector boundary: what every remote system looks like to the sync engine (design, section 3).

Errors are those of `terracrm.errors`, named by what the caller does about them. A connector knows no tables and
never retries by itself: the schedule of retries is in the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from terracrm.domain.records import AttachmentInfo, Change, Folder, Page, StreamKind


@dataclass(frozen=True, slots=True)
class Account:
    """What it takes to open one mailbox.

    `address` is the mailbox's SMTP address, `server` the URL of the service, `username` and `password` the
    account that signs in; `impersonate` when that account acts in the name of the mailbox, otherwise it opens
    its own mailbox or one it was given access to (delegate).
    """

    address: str
    server: str
    username: str
    password: str
    impersonate: bool = False
    verify_tls: bool = True

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


class Connector(Protocol):
    """One open mailbox of a remote system. Not thread-safe: one connector per job."""

    def test(self) -> Capabilities:
        """Sign in and look round, changing nothing; raises AuthFailed, Temporary or Unsupported."""

    def folders(self) -> list[Folder]:
        """Every folder of the mailbox that holds contacts, calendar items or mail."""

    def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Iterator[Page]:
        """The changes since `cursor`, one page at a time, resumable after each page.

        None reads the folder from the start. At most one page is fetched ahead of what was consumed. An item
        that cannot be read arrives as a Change with `error`; the rest of its page is not lost.
        Raises CursorExpired when the server no longer knows the cursor, ItemGone when the folder is gone.
        """

    def get(self, folder: Folder, remote_ids: Sequence[str]) -> list[Change]:
        """These items as they are now, in the same order: UPDATED with record or error, or DELETED when gone."""

    def attachment(self, info: AttachmentInfo, max_bytes: int) -> bytes:
        """The content of an attachment as `get` has just listed it: its id holds only while its item is unchanged.

        An item inside the item comes as a file, such as .eml. Raises ItemGone when it is no longer there, TooLarge
        when it has more than `max_bytes` (where the list says so without reading it), ItemRejected when there is
        no content to be had: of a link into the cloud, of a private item, of what the server cannot convert.
        """

    def close(self) -> None:
        """Give the connections back."""
