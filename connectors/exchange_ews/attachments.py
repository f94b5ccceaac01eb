"""Attachments over EWS: what an item lists, and GetAttachment for the content of one of them.

Exchange answers a whole attachment in one piece, so the size that the item lists is asked first, and one is fetched
at a time. Sources: Microsoft's GetAttachment and [MS-OXWSATT].
"""

from __future__ import annotations

import base64
import binascii

import exchangelib
from exchangelib.errors import (
    ErrorAttachmentSizeLimitExceeded,
    ErrorInvalidAttachmentId,
    ErrorItemNotFound,
    MalformedResponseError,
    ResponseMessageError,
)
from lxml import etree
from lxml.etree import _Element as Element

from connectors.exchange_ews import errors
from connectors.exchange_ews.elements import Item, M, T
from connectors.exchange_ews.services import Operation, element, field
from terracrm.domain.file_types import MAIL
from terracrm.domain.records import AttachmentInfo
from terracrm.errors import ItemGone, ItemRejected, TooLarge

_GONE = (ErrorItemNotFound, ErrorInvalidAttachmentId)
_ITEM, _LINK = "ItemAttachment", "ReferenceAttachment"


def attachment_info(entry: Item) -> AttachmentInfo:
    """What an item says of one of its attachments: a file, an item inside the item, or a link into the cloud."""
    content_type = entry.text("ContentType")
    return AttachmentInfo(
        remote_id=entry.id("AttachmentId"),
        name=entry.text("Name"),
        content_type=content_type or (MAIL if entry.type == _ITEM else ""),
        size=entry.number("Size"),
        is_inline=entry.flag("IsInline"),
        content_id=entry.text("ContentId"),
        location=entry.text("AttachLongPathName" if entry.type == _LINK else "ContentLocation"),
        is_link=entry.type == _LINK,
    )


def read_attachment(account: exchangelib.Account, info: AttachmentInfo, max_bytes: int) -> bytes:
    """The content of a file; an item inside an item as the file that Exchange makes of it (.eml, .ics, .vcf)."""
    if info.is_link:
        raise ItemRejected("This attachment is a link: it has no content.")
    if info.size > max_bytes:
        raise TooLarge("The attachment is larger than what is fetched.")
    answer = Item(GetAttachment(account=account).call(info.remote_id))
    if answer.type == _LINK:
        raise ItemRejected("This attachment is a link: it has no content.")
    content = _decoded(_of_item(answer) if answer.type == _ITEM else answer.child("Content"))
    if len(content) > max_bytes:
        raise TooLarge("The attachment is larger than what is fetched.")
    return content


class GetAttachment(Operation):
    """GetAttachment for one attachment."""

    SERVICE_NAME = "GetAttachment"
    element_container_name = f"{M}Attachments"
    ERRORS_TO_CATCH_IN_RESPONSE = ()  # all of them are raised

    def call(self, attachment_id: str) -> Element:
        """Its element with the content, and of an attached item the sensitivity."""
        request = element("m:GetAttachment")
        shape = etree.SubElement(request, f"{M}AttachmentShape")
        etree.SubElement(shape, f"{T}IncludeMimeContent").text = "true"
        properties = etree.SubElement(shape, f"{T}AdditionalProperties")
        name, attributes = field("item:Sensitivity")
        etree.SubElement(properties, T + name, dict(attributes))
        ids = etree.SubElement(request, f"{M}AttachmentIds")
        etree.SubElement(ids, f"{T}AttachmentId", Id=attachment_id)
        with errors.translated(self.protocol.server):
            try:
                answers = list(self._get_elements(payload=request))
            except _GONE as error:
                raise ItemGone("The attachment is no longer there.") from error
            except ErrorAttachmentSizeLimitExceeded as error:
                raise TooLarge("The attachment is larger than what Exchange hands out.") from error
            except ResponseMessageError as error:
                if errors.concerns_one_item(error):
                    raise ItemRejected(errors.item_error(error)) from error
                raise
            if len(answers) != 1:
                raise MalformedResponseError(f"{len(answers)} attachments when asked for one")
        return answers[0]


def _of_item(attachment: Item) -> Element | None:
    """The MIME content of the item that is attached; a private one is never read (S4)."""
    found = None
    for part in attachment.parts():
        if part.is_private:
            raise ItemRejected("The attached item is marked private: it stays in the mailbox.")
        found = part.child("MimeContent") if found is None else found
    return found


def _decoded(content: Element | None) -> bytes:
    if content is None:
        raise ItemRejected("Exchange makes no file of this attachment: open it in Outlook.")
    try:
        return base64.b64decode(content.text or "")
    except (binascii.Error, ValueError) as error:
        raise ItemRejected("The content of this attachment cannot be read.") from error
