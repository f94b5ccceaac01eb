"""The one operation that mails somebody: an alert to the admins (Y5, design, invariant 8)."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree
from lxml.etree import _Element as Element

from connectors.exchange_ews.elements import M, T
from connectors.exchange_ews.services import element
from connectors.exchange_ews.write_services import OneAnswer

# PidTagAutoResponseSuppress, [MS-OXCMAIL]: no receipts, no out-of-office answers, no automatic replies.
_NO_ANSWERS = ("0x3FDF", "Integer", "-1")


class SendMail(OneAnswer):
    """CreateItem for one message of plain text that is sent and not kept."""

    SERVICE_NAME = "CreateItem"
    returns_elements = False

    def call(self, sender: str, to: Sequence[str], subject: str, text: str) -> None:
        """One attempt. `sender` is named, because a delegate would otherwise send from a mailbox of its own."""
        request = element("m:CreateItem", MessageDisposition="SendOnly")
        message = etree.SubElement(etree.SubElement(request, f"{M}Items"), f"{T}Message")
        etree.SubElement(message, f"{T}Subject").text = subject
        etree.SubElement(message, f"{T}Body", BodyType="Text").text = text
        tag, kind, value = _NO_ANSWERS
        extended = etree.SubElement(message, f"{T}ExtendedProperty")
        etree.SubElement(extended, f"{T}ExtendedFieldURI", PropertyTag=tag, PropertyType=kind)
        etree.SubElement(extended, f"{T}Value").text = value
        recipients = etree.SubElement(message, f"{T}ToRecipients")
        for address in to:
            recipients.append(_mailbox(address))
        etree.SubElement(message, f"{T}From").append(_mailbox(sender))
        self._only(request)


def _mailbox(address: str) -> Element:
    mailbox = element("t:Mailbox")
    etree.SubElement(mailbox, f"{T}EmailAddress").text = address
    return mailbox
