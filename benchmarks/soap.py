"""EWS requests written by hand: what the hand-written clients send, and what is recorded of the simulator.

The shape of a GetItem is the connector's own, so that every client asks for the same fields.
"""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from connectors.exchange_ews.elements import MESSAGES, TYPES
from connectors.exchange_ews.messages import SHAPE
from connectors.exchange_ews.services import shape_element

_OPENING = (
    "<?xml version='1.0' encoding='utf-8'?>\n"
    f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="{MESSAGES}" xmlns:t="{TYPES}">'
    '<s:Header><t:RequestServerVersion Version="Exchange2016"/><t:TimeZoneContext><t:TimeZoneDefinition Id="UTC"/>'
    "</t:TimeZoneContext></s:Header><s:Body>"
)
_CLOSING = "</s:Body></s:Envelope>"
_ITEM_SHAPE = etree.tostring(shape_element("m:ItemShape", SHAPE)).decode()
_IDS_ONLY = "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"


def get_folder(name: str, address: str) -> bytes:
    """GetFolder for the id of a distinguished folder of a mailbox."""
    return _request(
        "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds>"
        f'<t:DistinguishedFolderId Id="{name}"><t:Mailbox><t:EmailAddress>{address}</t:EmailAddress></t:Mailbox>'
        "</t:DistinguishedFolderId></m:FolderIds></m:GetFolder>"
    )


def sync_items(folder_id: str, state: str, most: int) -> bytes:
    """SyncFolderItems for the next page of ids; `state` is "" at the first."""
    said = f"<m:SyncState>{state}</m:SyncState>" if state else ""
    return _request(
        f'<m:SyncFolderItems>{_IDS_ONLY}<m:SyncFolderId><t:FolderId Id="{folder_id}"/></m:SyncFolderId>{said}'
        f"<m:MaxChangesReturned>{most}</m:MaxChangesReturned></m:SyncFolderItems>"
    )


def get_items(item_ids: Sequence[str]) -> bytes:
    """GetItem with the connector's shape of mail."""
    ids = "".join(f'<t:ItemId Id="{each}"/>' for each in item_ids)
    return _request(f"<m:GetItem>{_ITEM_SHAPE}<m:ItemIds>{ids}</m:ItemIds></m:GetItem>")


def find_items(folder_id: str, offset: int, most: int) -> bytes:
    """FindItem for a page of the ids of a folder."""
    return _request(
        f'<m:FindItem Traversal="Shallow">{_IDS_ONLY}'
        f'<m:IndexedPageItemView MaxEntriesReturned="{most}" Offset="{offset}" BasePoint="Beginning"/>'
        f'<m:ParentFolderIds><t:FolderId Id="{folder_id}"/></m:ParentFolderIds></m:FindItem>'
    )


def _request(payload: str) -> bytes:
    return f"{_OPENING}{payload}{_CLOSING}".encode()
