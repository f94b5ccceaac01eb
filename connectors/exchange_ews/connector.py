"""One mailbox of an on-premises Exchange (2013 and later, best effort for 2010), read over EWS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from connectors.base import Account, Capabilities
from connectors.exchange_ews.attachments import read_attachment
from connectors.exchange_ews.changes import read_changes, read_items
from connectors.exchange_ews.connect import connect, server_version
from connectors.exchange_ews.folders import read_folders
from connectors.exchange_ews.protocol import OneAttempt
from terracrm.domain.records import AttachmentInfo, Change, Folder, Page


class ExchangeEWS:
    """The Connector of Exchange; `connectors.base.Connector` says what each method promises.

    Nothing is sent before the first call. Changes whose items are of another kind than their folder are left out.
    """

    def __init__(self, account: Account) -> None:
        self._account = connect(account)

    def test(self) -> Capabilities:
        """Sign in, find the version and list the folders."""
        folders = self.folders()
        version = server_version(self._account)
        policy = cast(OneAttempt, self._account.protocol.retry_policy)
        return Capabilities(
            server_version=f"{version.fullname} ({version.build})",
            server_time=policy.server_time,
            kinds=frozenset(folder.kind for folder in folders),
            folders=len(folders),
        )

    def folders(self) -> list[Folder]:
        """The folders of mail, contacts and appointments, sorted by path."""
        return read_folders(self._account)

    def changes(self, folder: Folder, cursor: str | None, page_size: int) -> Iterator[Page]:
        """Pages of at most 512 changes, whatever `page_size` asks for."""
        return read_changes(self._account, folder, cursor, page_size)

    def get(self, folder: Folder, remote_ids: Sequence[str]) -> list[Change]:
        """These items as they are now."""
        return read_items(self._account, folder.kind, remote_ids)

    def attachment(self, info: AttachmentInfo, max_bytes: int) -> bytes:
        """The content of one attachment; Exchange answers it in one piece, so its listed size is asked first."""
        return read_attachment(self._account, info, max_bytes)

    def close(self) -> None:
        """Close the connections; the object is of no use afterwards."""
        self._account.protocol.close()
