"""Streaming notifications: many mailboxes of one account tell of their changes over one connection.

After Microsoft's "Maintain affinity between a group of subscriptions and the Mailbox server": one subscription for each
mailbox, all made over the one HTTP session whose X-BackEndOverrideCookie leads to the server that keeps them, anchored
at the first mailbox. The connection is opened in the name of a mailbox among them where the account impersonates: its
budget, of which every mailbox has one, is charged then, and the 3 (Exchange Online: 10) hanging connections that one
account may hold are no limit.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

import exchangelib
import requests
from exchangelib import errors as ews
from exchangelib.util import DummyResponse
from lxml import etree
from lxml.etree import _Element as Element

from connectors.base import Account, Told
from connectors.exchange_ews import errors
from connectors.exchange_ews.connect import connect, server_version
from connectors.exchange_ews.elements import M, T
from connectors.exchange_ews.services import Operation, distinguished, element
from terracrm.errors import ConnectorError, Forgotten, Temporary

CAPACITY: Final = 200
"""The subscriptions that one GetStreamingEvents may name (the same document)."""
MINUTES = 30
"""How long one connection is held at most: the longest that EWS allows."""
EVENTS = ("CopiedEvent", "CreatedEvent", "DeletedEvent", "ModifiedEvent", "MovedEvent")
"""New mail is also a CreatedEvent, a changed time of a meeting also a ModifiedEvent."""
FORGOTTEN = (
    ews.ErrorSubscriptionNotFound,
    ews.ErrorExpiredSubscription,
    ews.ErrorInvalidSubscription,
    ews.ErrorReadEventsFailed,
    ews.ErrorMissedNotificationEvents,
    ews.ErrorSubscriptionAccessDenied,
    ews.ErrorInvalidWatermark,
    ews.ErrorProxyRequestNotAllowed,
)
"""Make a new subscription ("Handling notification-related errors in EWS in Exchange")."""
END_OF_DOCUMENT = re.compile(rb"</(?:[\w.-]+:)?Envelope\s*>")


class WatchEWS:
    """The Watch of Exchange; `connectors.base.Watch` says what each method promises."""

    def __init__(self, account: Account) -> None:
        self._anchor = connect(account)
        self._mailboxes: dict[str, tuple[exchangelib.Account, str]] = {}
        self._line: Listening | None = None
        self._lock = threading.Lock()
        self._is_interrupted = False

    def sign_in(self) -> None:
        """Ask for the version, which needs no mailbox."""
        server_version(self._anchor)

    def subscribe(self, account: Account, folder_ids: Collection[str]) -> None:
        """One Subscribe request, over the session that all share."""
        opened = connect(account)
        opened.protocol = self._anchor.protocol
        try:
            identifier = Subscribe(account=opened, anchor=account_address(self._anchor)).call(folder_ids)
        except ConnectorError as error:
            if isinstance(error.__cause__, FORGOTTEN):
                raise Forgotten(str(error), frozenset([account.address])) from error
            raise
        self._mailboxes[account.address] = (opened, identifier)

    def unsubscribe(self, address: str) -> None:
        """One Unsubscribe request; that it fails matters to nobody."""
        opened, identifier = self._mailboxes.pop(address)
        try:
            Unsubscribe(account=opened, anchor=account_address(self._anchor)).call(identifier)
        except ConnectorError:
            return

    def listen(self) -> Iterator[Collection[Told]]:
        """One GetStreamingEvents request for all subscriptions."""
        addresses = {identifier: address for address, (_, identifier) in self._mailboxes.items()}
        opened = next(opened for opened, _ in self._mailboxes.values())
        line = Listening(account=opened, anchor=account_address(self._anchor))
        with self._lock:
            if self._is_interrupted:
                self._is_interrupted = False
                return
            self._line = line
        try:
            for notifications in line.call(list(addresses)):
                yield [told for note in notifications if (told := _told(note, addresses)) is not None]
            if not line.is_closed and not line.is_interrupted:
                raise Temporary(f"{self._anchor.protocol.server} ended the connection without a word.")
        except ConnectorError as error:
            if not line.is_interrupted:
                raise self._named(error, line, addresses) from error
        finally:
            line.end()
            with self._lock:
                self._line = None

    def interrupt(self) -> None:
        """Shut the socket that `listen` reads from."""
        with self._lock:
            if self._line is None:
                self._is_interrupted = True
            else:
                self._line.interrupt()

    def close(self) -> None:
        """Close the session."""
        self._anchor.protocol.close()

    def _named(self, error: ConnectorError, line: Listening, addresses: dict[str, str]) -> ConnectorError:
        if not isinstance(error.__cause__, FORGOTTEN):
            return error
        named = frozenset(addresses[each] for each in line.lost if each in addresses) or frozenset(addresses.values())
        for address in named:
            del self._mailboxes[address]
        return Forgotten("The server no longer watches the mailbox.", named)


def account_address(account: exchangelib.Account) -> str:
    """The mailbox that an account opens."""
    return str(account.primary_smtp_address)


class Affine(Operation):
    """An operation about a subscription: it is led to the server that keeps those of the anchor."""

    prefer_affinity = True

    def __init__(self, *, anchor: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._anchor = anchor

    def _extra_headers(self) -> dict[str, str]:
        headers: dict[str, str] = super()._extra_headers()
        return headers | {"X-AnchorMailbox": self._anchor}


class Subscribe(Affine):
    """A streaming subscription to folders of one mailbox."""

    SERVICE_NAME = "Subscribe"

    def call(self, folder_ids: Collection[str]) -> str:
        """The subscription's id. The top of the mailbox tells of new folders."""
        request = element("m:Subscribe")
        wanted = etree.SubElement(request, f"{M}StreamingSubscriptionRequest")
        folders = distinguished("t:FolderIds", ["msgfolderroot"], self.account.primary_smtp_address)
        for folder_id in sorted(folder_ids):
            etree.SubElement(folders, f"{T}FolderId", Id=folder_id)
        wanted.append(folders)
        events = etree.SubElement(wanted, f"{T}EventTypes")
        for event in EVENTS:
            etree.SubElement(events, f"{T}EventType").text = event
        with errors.translated(self.protocol.server):
            (answer,) = self._get_elements(payload=request)
            if isinstance(answer, Exception):
                raise answer
        return str(answer.text)

    @classmethod
    def _get_elements_in_container(cls, container: Element) -> list[Element]:
        identifier = container.find(f"{M}SubscriptionId")
        if identifier is None or not identifier.text:
            raise ews.MalformedResponseError("a subscription without its id")
        return [identifier]


class Unsubscribe(Affine):
    """The end of a subscription."""

    SERVICE_NAME = "Unsubscribe"
    returns_elements = False

    def call(self, identifier: str) -> None:
        """End it."""
        request = element("m:Unsubscribe")
        etree.SubElement(request, f"{M}SubscriptionId").text = identifier
        with errors.translated(self.protocol.server):
            list(self._get_elements(payload=request))


class Listening(Affine):
    """GetStreamingEvents: one answer that goes on for minutes.

    exchangelib reads such an answer byte by byte, and waits half an hour for a connection that is dead. A healthy
    server says something every 45 s, whatever happens, so the usual timeout is enough.
    """

    SERVICE_NAME = "GetStreamingEvents"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.streaming = True
        self.lost: list[str] = []
        self.is_closed = self.is_interrupted = False
        self._response: requests.Response | None = None
        self._lock = threading.Lock()

    def call(self, identifiers: Iterable[str]) -> Iterator[list[Element]]:
        """The Notification elements of each part; a part without any says that the connection stands."""
        request = element("m:GetStreamingEvents")
        ids = etree.SubElement(request, f"{M}SubscriptionIds")
        for identifier in identifiers:
            etree.SubElement(ids, f"{T}SubscriptionId").text = identifier
        etree.SubElement(request, f"{M}ConnectionTimeout").text = str(MINUTES)
        with errors.translated(self.protocol.server):
            yield from self._get_elements(payload=request)

    def interrupt(self) -> None:
        """Shut the socket, if there is one yet; the reader then finds its end."""
        with self._lock:
            self.is_interrupted = True
            if self._response is not None:
                _shut(self._response)

    def end(self) -> None:
        """Give the session back."""
        with self._lock:
            self._response = None
        self.stop_streaming()

    @classmethod
    def _get_soap_parts(cls, response: requests.Response) -> tuple[None, requests.Response]:
        return None, response

    def _get_soap_messages(self, body: requests.Response) -> Iterator[Element]:
        with self._lock:
            self._response = body
            if self.is_interrupted:
                return
        for document in _documents(body):
            _, soap_body = super()._get_soap_parts(response=DummyResponse(content=document))
            yield from super()._get_soap_messages(body=soap_body)
            if self.is_closed:
                return

    def _get_elements_in_response(self, response: Iterable[Element]) -> Iterator[list[Element]]:
        for message in response:
            lost = message.find(f"{M}ErrorSubscriptionIds")
            self.lost = [each.text or "" for each in lost] if lost is not None else []
            answer = super()._get_element_container(message=message)
            if isinstance(answer, Exception):
                raise answer
            self.is_closed = message.findtext(f"{M}ConnectionStatus") == "Closed"
            notifications = message.find(f"{M}Notifications")
            yield list(notifications) if notifications is not None else []


def _documents(response: requests.Response) -> Iterator[bytes]:
    """The SOAP envelopes of an answer, each as soon as it is complete."""
    buffer = b""
    for part in response.iter_content(chunk_size=None):
        buffer += part
        while end := END_OF_DOCUMENT.search(buffer):
            yield buffer[: end.end()].lstrip()
            buffer = buffer[end.end() :]


def _shut(response: requests.Response) -> None:
    try:
        response.raw.shutdown()
    except (OSError, RuntimeError, ValueError, AttributeError):
        return  # it has come to its end by itself


def _told(notification: Element, addresses: dict[str, str]) -> Told | None:
    """Which folders of which mailbox a notification is about; None for a mere sign of life."""
    address = addresses.get(notification.findtext(f"{T}SubscriptionId") or "")
    folders: set[str] = set()
    for event in notification:
        folder = event.find(f"{T}FolderId")
        if folder is not None:
            folders.add(folder.get("Id", ""))
        else:
            parents = (event.find(f"{T}{name}") for name in ("ParentFolderId", "OldParentFolderId"))
            folders |= {parent.get("Id", "") for parent in parents if parent is not None}
    return Told(address, frozenset(folders)) if address and folders else None
