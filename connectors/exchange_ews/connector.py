"""One mailbox of an on-premises Exchange (2013 and later, best effort for 2010), over EWS."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from datetime import timedelta
from typing import cast

from connectors.base import Account, Capabilities, Listed, Version
from connectors.exchange_ews import writes
from connectors.exchange_ews.attachments import read_attachment
from connectors.exchange_ews.changes import read_changes, read_items, read_listing, read_present
from connectors.exchange_ews.connect import connect, server_version
from connectors.exchange_ews.folders import read_folders
from connectors.exchange_ews.protocol import OneAttempt
from connectors.exchange_ews.sending import SendMail
from terracrm.domain.records import AttachmentInfo, Body, Change, Folder, Page, StreamKind, Writable


class ExchangeEWS:
    """The Connector of Exchange; `connectors.base.Connector` says what each method promises.

    Nothing is sent before the first call. Changes whose items are of another kind than their folder are left out.
    """

    def __init__(self, account: Account) -> None:
        self._account = connect(account)
        self._requests_in_flight = account.requests_in_flight

    def test(self) -> Capabilities:
        """Sign in, find the version and list the folders."""
        folders = self.folders()
        version = server_version(self._account)
        return Capabilities(
            server_version=f"{version.fullname} ({version.build})",
            server_time=self._policy.server_time,
            kinds=frozenset(folder.kind for folder in folders),
            folders=len(folders),
        )

    def folders(self) -> list[Folder]:
        """The folders of mail, contacts, appointments and tasks, sorted by path."""
        return read_folders(self._account)

    def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Generator[Page, None, None]:
        """Pages of at most 512 changes, whatever `page_size` asks for."""
        return read_changes(self._account, folder, cursor, page_size, self._requests_in_flight)

    def get(self, folder: Folder, remote_ids: Sequence[str]) -> list[Change]:
        """These items as they are now."""
        return read_items(self._account, folder.kind, remote_ids)

    def present(self, folder: Folder, remote_ids: Sequence[str]) -> set[str]:
        """GetItem for the folder alone, a hundred items at a time."""
        return read_present(self._account, folder, remote_ids)

    def listing(self, folder: Folder) -> Iterator[Listed]:
        """A thousand items at a time."""
        return read_listing(self._account, folder)

    def attachment(self, info: AttachmentInfo, max_bytes: int) -> bytes:
        """The content of one attachment; Exchange answers it in one piece, so its listed size is asked first."""
        return read_attachment(self._account, info, max_bytes)

    def ensure_folder(self, parent: str | Folder, name: str, kind: StreamKind) -> Folder:
        """A folder in a well-known one, or in any other."""
        return writes.ensure_folder(self._account, parent, name, kind)

    def create(self, folder: Folder, record: Writable, key: str) -> Version:
        """A new contact, task or post."""
        return writes.create(self._account, folder, record, key)

    def find_by_key(self, folder: Folder, key: str) -> Version | None:
        """What was created with this key."""
        return writes.find_by_key(self._account, folder, key)

    def read_body(self, remote_id: str) -> tuple[Body, Version]:
        """The notes as the mailbox keeps them."""
        return writes.read_body(self._account, remote_id)

    def update(self, remote_id: str, record: Writable, fields: Collection[str], version: str, key: str = "") -> Version:
        """Write these fields of an item."""
        return writes.update(self._account, remote_id, record, fields, version, key)

    def delete(self, remote_id: str, version: str) -> None:
        """Move an item to Deleted Items."""
        writes.delete(self._account, remote_id, version)

    def clock_skew(self) -> timedelta | None:
        """From the Date of the last answer."""
        return self._policy.clock_skew

    def send_mail(self, to: Sequence[str], subject: str, text: str) -> None:
        """One request that sends and keeps nothing."""
        SendMail(account=self._account).call(self._account.primary_smtp_address, to, subject, text)

    def close(self) -> None:
        """Close the connections; the object is of no use afterwards."""
        self._account.protocol.close()

    @property
    def _policy(self) -> OneAttempt:
        return cast(OneAttempt, self._account.protocol.retry_policy)
