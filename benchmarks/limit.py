"""The limit of reading: requests and lxml, by hand, into plain records of the same fields.

What a field says where that takes a rule (whether a mail is bulk) is asked of terracrm.domain, as the product does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import requests
from lxml import etree

from benchmarks import soap
from benchmarks.letters import OWNER
from benchmarks.recording import PASSWORD
from connectors.exchange_ews.elements import TYPES
from terracrm.domain.automatic import is_automatic
from terracrm.domain.file_types import MAIL
from terracrm.domain.records import Role

BATCH = 100
_T = f"{{{TYPES}}}"
_MESSAGE, _NAME, _ADDRESS, _VALUE = f"{_T}Message", f"{_T}Name", f"{_T}EmailAddress", f"{_T}Value"
_ITEM_ID, _CLASS, _SUBJECT, _SENSITIVITY = f"{_T}ItemId", f"{_T}ItemClass", f"{_T}Subject", f"{_T}Sensitivity"
_BODY, _UNIQUE_BODY, _ATTACHMENTS, _CATEGORIES = f"{_T}Body", f"{_T}UniqueBody", f"{_T}Attachments", f"{_T}Categories"
_RECEIVED, _SENT, _IMPORTANCE = f"{_T}DateTimeReceived", f"{_T}DateTimeSent", f"{_T}Importance"
_IS_DRAFT, _IS_READ, _HEADERS = f"{_T}IsDraft", f"{_T}IsRead", f"{_T}InternetMessageHeaders"
_MESSAGE_ID, _IN_REPLY_TO, _REFERENCES = f"{_T}InternetMessageId", f"{_T}InReplyTo", f"{_T}References"
_CONVERSATION, _EXTENDED, _FROM, _SENDER = f"{_T}ConversationId", f"{_T}ExtendedProperty", f"{_T}From", f"{_T}Sender"
_RECIPIENTS = ((f"{_T}ToRecipients", Role.TO), (f"{_T}CcRecipients", Role.CC), (f"{_T}BccRecipients", Role.BCC))
_IN_ANGLES = re.compile(r"<[^<>\s]+>")


class Person(NamedTuple):
    """Who takes part in a mail, and how."""

    role: Role
    address: str
    name: str


class File(NamedTuple):
    """What is known of an attachment."""

    remote_id: str
    name: str
    content_type: str
    size: int
    is_inline: bool
    content_id: str
    location: str


@dataclass(slots=True)
class Mail:
    """A mail, its fields named as those of a MessageRecord, so that the rules can read it."""

    remote_id: str = ""
    version: str = ""
    message_id: str = ""
    subject: str = ""
    sent_at: datetime | None = None
    received_at: datetime | None = None
    participants: list[Person] = field(default_factory=list)
    in_reply_to: str = ""
    references: list[str] = field(default_factory=list)
    conversation_id: str = ""
    body_text: str = ""
    body_html: str = ""
    unique_text: str = ""
    importance: str = "normal"
    is_read: bool = True
    is_draft: bool = False
    is_bulk: bool = False
    item_class: str = "IPM.Note"
    categories: list[str] = field(default_factory=list)
    attachments: list[File] = field(default_factory=list)
    is_private: bool = False


class Exchange:
    """One mailbox, over one connection."""

    def __init__(self, url: str, address: str = OWNER) -> None:
        self._url, self._address = url, address
        self._session = requests.Session()
        self._session.auth = (address, PASSWORD)
        self._session.headers["Content-Type"] = "text/xml; charset=utf-8"

    def inbox(self) -> str:
        """The id of the inbox."""
        (folder,) = etree.fromstring(self._ask(soap.get_folder("inbox", self._address))).iter(f"{_T}FolderId")
        return str(folder.get("Id"))

    def pages(self, folder_id: str, size: int) -> Iterator[tuple[list[str], str]]:
        """The ids of a folder's items, page by page, each with the state behind it."""
        state, is_last = "", False
        while not is_last:
            answer = etree.fromstring(self._ask(soap.sync_items(folder_id, state, size)))
            state = answer.findtext(".//{*}SyncState") or ""
            is_last = answer.findtext(".//{*}IncludesLastItemInRange") == "true"
            yield [str(each.get("Id")) for each in answer.iter(f"{_T}ItemId")], state

    def mails(self, item_ids: Sequence[str]) -> list[Mail]:
        """These mails."""
        found: list[Mail] = []
        for start in range(0, len(item_ids), BATCH):
            found += parse(self._ask(soap.get_items(item_ids[start : start + BATCH])))
        return found

    def close(self) -> None:
        """Give the connection back."""
        self._session.close()

    def _ask(self, request: bytes) -> bytes:
        with self._session.post(self._url, request, stream=True) as answer:
            answer.raise_for_status()
            return bytes(answer.raw.read(decode_content=True))  # requests itself reads 10 KB at a time


def parse(answer: bytes) -> list[Mail]:
    """The mails of an answer to GetItem. lxml takes half the time for it in one piece that its iterparse takes."""
    return [_mail({child.tag: child for child in element}) for element in etree.fromstring(answer).iter(_MESSAGE)]


def _mail(said: dict[str, Any]) -> Mail:
    """The mail of an element, given the elements in it by their names."""
    item_id, body, bulk = said[_ITEM_ID], said[_BODY], said.get(_HEADERS, ())
    is_html = body.get("BodyType") == "HTML"
    participants = [_author(said)]
    for name, role in _RECIPIENTS:
        if name in said:
            participants += [_person(role, each) for each in said[name]]
    item_class = said[_CLASS].text
    return Mail(
        remote_id=item_id.get("Id"),
        version=item_id.get("ChangeKey"),
        message_id=_text(said, _MESSAGE_ID),
        subject=_text(said, _SUBJECT),
        sent_at=datetime.fromisoformat(said[_SENT].text),
        received_at=datetime.fromisoformat(said[_RECEIVED].text),
        participants=participants,
        in_reply_to=_IN_ANGLES.findall(said[_IN_REPLY_TO].text)[0] if _IN_REPLY_TO in said else "",
        references=_IN_ANGLES.findall(said[_REFERENCES].text) if _REFERENCES in said else [],
        conversation_id=said[_CONVERSATION].get("Id"),
        body_text="" if is_html else body.text or "",
        body_html=(body.text or "") if is_html else "",
        unique_text=_text(said, _UNIQUE_BODY),
        importance=said[_IMPORTANCE].text.lower(),
        is_read=said[_IS_READ].text == "true",
        is_draft=said[_IS_DRAFT].text == "true",
        is_bulk=is_automatic(((h.get("HeaderName"), h.text or "") for h in bulk), item_class, participants[0].address),
        item_class=item_class,
        categories=[each.text for each in said.get(_CATEGORIES, ())],
        attachments=[_file(each) for each in said.get(_ATTACHMENTS, ())],
        is_private=said[_SENSITIVITY].text != "Normal",
    )


def _text(said: dict[str, Any], name: str) -> str:
    return (said[name].text or "").strip() if name in said else ""


def _author(said: dict[str, Any]) -> Person:
    """Who wrote it; inside an organisation the address may be Exchange's own, and stands elsewhere."""
    author = _person(Role.FROM, said[_FROM if _FROM in said else _SENDER][0])
    if not author.address.startswith("/"):
        return author
    smtp = said[_EXTENDED].findtext(_VALUE)  # the last one: who it is from, not who sent it
    return author._replace(address=smtp or "")


def _person(role: Role, element: Any) -> Person:
    said = {child.tag: child.text for child in element}
    return Person(role, said.get(_ADDRESS) or "", said.get(_NAME) or "")


def _file(element: Any) -> File:
    said = {child.tag[len(_T) :]: child.text or "" for child in element}
    return File(
        remote_id=element.find(f"{_T}AttachmentId").get("Id"),
        name=said.get("Name", ""),
        content_type=said.get("ContentType", "") or (MAIL if element.tag == f"{_T}ItemAttachment" else ""),
        size=int(said.get("Size", "0")),
        is_inline=said.get("IsInline") == "true",
        content_id=said.get("ContentId", ""),
        location=said.get("ContentLocation", ""),
    )
