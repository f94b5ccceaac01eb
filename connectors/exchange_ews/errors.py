"""The one translation of what goes wrong with Exchange into errors named by what the caller does about them.

What comes in: exceptions of exchangelib (one class per EWS response code), requests and lxml, and HTTP answers.
Sources: Microsoft's ResponseCode list and its throttling guide. A code that is not named here stops nothing for
good: it counts as temporary, because the schedule of retries slows down by itself and shows the text.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests
from exchangelib import errors as ews
from lxml import etree
from urllib3.exceptions import NameResolutionError

from terracrm.errors import (
    AuthFailed,
    ConnectorError,
    CursorExpired,
    ItemGone,
    ItemRejected,
    SignInRefused,
    Temporary,
    Unsupported,
    VersionConflict,
)

PROVIDER_ERRORS = (
    ews.EWSError,
    requests.RequestException,
    etree.LxmlError,
    OSError,
    NotImplementedError,
    ValueError,
    KeyError,
    AttributeError,
    TypeError,
)
"""What exchangelib lets out of a call, its own slips on answers that it does not expect among them."""

DENIED = {
    "ErrorAccessDenied": "The account has no right to open this mailbox.",
    "ErrorImpersonateUserDenied": "The account may not impersonate this mailbox: grant it ApplicationImpersonation.",
    "ErrorImpersonationDenied": "The account may not impersonate this mailbox: grant it ApplicationImpersonation.",
    "ErrorImpersonationFailed": "Exchange could not impersonate this mailbox: check its address and the rights.",
    "ErrorInvalidExchangeImpersonationHeaderData": "Exchange knows no mailbox with this address to impersonate.",
    "ErrorNonExistentMailbox": "There is no mailbox with this address on the server.",
    "ErrorMissingEmailAddress": "There is no mailbox behind this account.",
    "ErrorMailboxLogonFailed": "Exchange refused to open this mailbox.",
    "ErrorNotDelegate": "The account is no delegate of this mailbox.",
    "ErrorPasswordExpired": "The account's password has expired.",
    "ErrorPasswordChangeRequired": "The account must change its password first.",
    "ErrorAccountDisabled": "The account is disabled.",
    "ErrorSendAsDenied": "The account may not send mail from this mailbox.",
    "ErrorUserNotAllowedByPolicy": "A policy of the server forbids EWS to this account.",
}
REFUSED_ACCOUNT = frozenset({"ErrorPasswordExpired", "ErrorPasswordChangeRequired", "ErrorAccountDisabled"})
"""Those that are about the account, whichever mailbox it opens."""
CURSOR_EXPIRED = frozenset({"ErrorInvalidSyncStateData"})
GONE = frozenset({"ErrorItemNotFound", "ErrorFolderNotFound", "ErrorSyncFolderNotFound", "ErrorInvalidFolderId"})
CHANGED = frozenset(
    {
        "ErrorIrresolvableConflict",
        "ErrorStaleObject",
        "ErrorInvalidChangeKey",
        "ErrorChangeKeyRequired",
        "ErrorChangeKeyRequiredForWriteOperations",
    }
)
CHANGED_SINCE = "The item has changed in the mailbox since it was read."
UNSUPPORTED = {
    "ErrorInvalidServerVersion": "The server speaks no version of EWS since Exchange 2010.",
    "ErrorInvalidSchemaVersionForMailboxVersion": "This mailbox lives on a server of another Exchange version.",
    "ErrorIncorrectSchemaVersion": "The server does not understand this version of EWS.",
    "ErrorSubscriptionDelegateAccessNotSupported": "The server tells delegates of no changes.",
    "ErrorSchemaValidation": "The server does not understand the request.",
    "ErrorInvalidRequest": "The server does not understand the request.",
}
BUSY = frozenset({"ErrorServerBusy", "ErrorExceededConnectionCount", "ErrorTooManyObjectsOpened"})
PLAIN = {
    "ErrorMailboxMoveInProgress": "The mailbox is being moved to another server.",
    "ErrorMailboxStoreUnavailable": "The mailbox database is not available.",
    "ErrorMailboxFailover": "The mailbox database is switching servers.",
    "ErrorInternalServerTransientError": "Exchange had a passing trouble.",
    "ErrorInternalServerError": "Exchange had an internal error.",
    "ErrorTimeoutExpired": "Exchange did not manage the request in time.",
    "ErrorADUnavailable": "Exchange cannot reach its directory.",
    "ErrorADOperation": "Exchange cannot read its directory.",
    "ErrorConnectionFailed": "Exchange cannot connect to the mailbox.",
    "ErrorInsufficientResources": "Exchange is short of resources.",
    "ErrorNotEnoughMemory": "Exchange is short of memory.",
    "ErrorNoRespondingCASInDestinationSite": "The Exchange server of this mailbox does not respond.",
    "ErrorQuotaExceeded": "The mailbox is full: its owner must make room.",
}
EVERYTHING = frozenset({*DENIED, *UNSUPPORTED, *BUSY, *PLAIN})
"""Codes that mean the mailbox or the server, whatever they are reported for."""

SICK_ITEM = {
    "ErrorContentConversionFailed": "Exchange cannot convert the content of this item",
    "ErrorMimeContentInvalid": "The MIME content of this item is invalid",
    "ErrorMimeContentConversionFailed": "Exchange cannot convert the MIME content of this item",
    "ErrorItemPropertyRequestFailed": "Exchange cannot read a property of this item",
    "ErrorPropertyValidationFailure": "A property of this item is invalid",
    "ErrorItemCorrupt": "This item is corrupt",
    "ErrorCorruptData": "This item is corrupt",
    "ErrorAccessDenied": "The account may not read this item",
    "ErrorInternalServerError": "Exchange fails on this item",
    "ErrorMessageSizeExceeded": "This item is larger than the server hands out",
    "ErrorInvalidIdMalformed": "The id of this item is malformed",
    "ErrorInvalidId": "The id of this item is malformed",
    "ErrorInvalidIdEmpty": "The id of this item is malformed",
}
"""Codes that one item can cause. Exchange reports them for the item, or (rarely) fails the whole batch with them."""

REFUSED = {
    "ErrorPropertyUpdate": "Exchange refuses a value, most likely because it is too long",
    "ErrorInvalidPropertySet": "Exchange does not let a property of this item be set",
    "ErrorInvalidPropertyDelete": "Exchange does not let a property of this item be taken off",
    "ErrorInvalidPropertyAppend": "Exchange does not let a property of this item be added to",
    "ErrorInvalidExtendedPropertyValue": "Exchange refuses the value of a named property",
    "ErrorInvalidRecipients": "Exchange refuses a recipient",
    "ErrorInvalidSmtpAddress": "Exchange refuses an e-mail address",
    "ErrorIncorrectUpdatePropertyCount": "Exchange does not understand a change of this item",
    "ErrorUpdatePropertyMismatch": "Exchange does not understand a change of this item",
    "ErrorItemSave": "Exchange cannot save this item",
    "ErrorItemSavePropertyError": "Exchange cannot save a property of this item",
    "ErrorFolderSave": "Exchange cannot save this folder",
    "ErrorFolderSavePropertyError": "Exchange cannot save a property of this folder",
    "ErrorFolderExists": "There is a folder of that name already",
    "ErrorObjectTypeChanged": "The item is of another kind",
    "ErrorCannotCreateContactInNonContactFolder": "The folder is not for contacts",
    "ErrorCannotCreateCalendarItemInNonCalendarFolder": "The folder is not a calendar",
    "ErrorCannotCreateTaskInNonTaskFolder": "The folder is not for tasks",
    "ErrorInvalidCompleteDate": "Exchange refuses the day on which the task was done",
    "ErrorSentTaskRequestUpdate": "Exchange does not let a task be changed that was assigned to somebody",
    "ErrorCannotDeleteObject": "Exchange does not let this item be deleted",
    "ErrorCannotDeleteTaskOccurrence": "Exchange does not let this task be deleted",
}
"""Codes that a write of one item or folder can cause."""


@contextmanager
def translated(server: str) -> Iterator[None]:
    """Let only ConnectorErrors out of a call of exchangelib to `server`."""
    try:
        yield
    except PROVIDER_ERRORS as error:
        raise translate(error, server) from error


def translate(error: Exception, server: str) -> ConnectorError:
    """The ConnectorError that tells the caller what to do about `error`; `server` is the host that was asked."""
    if isinstance(error, ConnectorError):
        return error
    if isinstance(error, ews.ErrorTimeoutExpired | ews.TransportError):
        root = next(_network_causes(error), None)
        if root is not None:
            return _network_error(root, server)
    if isinstance(error, ews.UnauthorizedError):
        return SignInRefused(f"{server} refused the user name or the password.")
    if isinstance(error, ews.ResponseMessageError):
        return _response_code(error)
    if isinstance(error, ews.TransportError) and isinstance(error.__context__, ews.ResponseMessageError):
        return _response_code(error.__context__)  # to the first request of all, which finds out the version
    if isinstance(error, ews.TransportError | etree.LxmlError):
        return Temporary(f"{server} answered something that is not a complete EWS answer: {_short(error)}")
    if isinstance(error, requests.exceptions.InvalidURL):
        return Unsupported(f"The address of the server is no URL that works: {_short(error)}")
    if isinstance(error, requests.RequestException | OSError):
        return _network_error(error, server)
    if isinstance(error, NotImplementedError):
        return Unsupported(f"The Exchange version of {server} is too old: {_short(error)}")
    return Temporary(f"The answer of {server} could not be understood ({type(error).__name__}: {_short(error)})")


def item_error(error: Exception) -> str:
    """One item's error in plain words, its code in brackets."""
    code = type(error).__name__
    words = SICK_ITEM.get(code)
    return f"{words} ({code})." if words else f"Exchange cannot hand out this item ({code}: {_short(error)})."


def concerns_one_item(error: Exception) -> bool:
    """Whether an error that a GetItem answer reports for an item says nothing about the others.

    A code that is not known does: one odd item must not stop its folder.
    """
    code = type(error).__name__
    return code in SICK_ITEM or code not in EVERYTHING


def concerns_one_folder(error: Exception) -> bool:
    """Whether an error that a GetFolder answer reports only means that this folder is not there for us."""
    code = type(error).__name__
    return code == "ErrorAccessDenied" or code not in EVERYTHING


def http_error(response: requests.Response) -> ConnectorError | None:
    """What an HTTP status means; None where the body is an EWS answer (also with status 500, a SOAP fault)."""
    status, host = response.status_code, urlsplit(response.url).netloc
    if status == 200:
        return None
    if status == 401:
        return SignInRefused(f"{host} refused the user name or the password.")
    if status == 403:
        return AuthFailed(f"{host} forbids EWS to this account (HTTP 403): it may be switched off for the mailbox.")
    if status in (301, 302, 307, 308):
        target = response.headers.get("Location", "").partition("?")[0]
        return Unsupported(f"{host} redirects EWS to {target or 'another address'}: use that address if it is right.")
    if status in (408, 429) or status >= 500:
        if status == 500 and b"Envelope" in response.content[:1000]:
            return None
        return Temporary(f"{host} cannot serve requests at the moment (HTTP {status}).", retry_after(response))
    if status in (404, 405, 410):
        return Unsupported(f"There is no EWS at {response.url} (HTTP {status}): check the address of the server.")
    return Unsupported(f"{host} answered HTTP {status} where EWS was expected: check the address of the server.")


def incomplete_answer(response: requests.Response) -> ConnectorError | None:
    """Whether a body is no whole SOAP envelope.

    lxml mends broken XML, so an answer cut off behind its SyncState would lose its changes without a word.
    """
    if response.content.rstrip()[-16:].endswith(b"Envelope>"):
        return None
    host = urlsplit(response.url).netloc
    if b"Envelope" in response.content[:1000]:
        return Temporary(f"The answer of {host} was cut off.")
    if b"<html" in response.content[:1000].lower() or b"<!doctype html" in response.content[:1000].lower():
        return Unsupported(f"{response.url} answers with a web page, not with EWS: check the address of the server.")
    return Temporary(f"{host} answered something that is not EWS.")


def retry_after(response: requests.Response) -> float | None:
    """The seconds that a Retry-After header asks for, as a number or as a date."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _response_code(error: ews.ResponseMessageError) -> ConnectorError:
    code = type(error).__name__
    if code in CURSOR_EXPIRED:
        return CursorExpired("Exchange no longer knows the position in this folder.")
    if code in GONE:
        return ItemGone("The item or folder is no longer there.")
    if code in CHANGED:
        return VersionConflict(CHANGED_SINCE)
    if code in REFUSED:
        return ItemRejected(f"{REFUSED[code]} ({code}: {_short(error)}).")
    if code in REFUSED_ACCOUNT:
        return SignInRefused(f"{DENIED[code]} ({code})")
    if code in DENIED:
        return AuthFailed(f"{DENIED[code]} ({code})")
    if code in UNSUPPORTED:
        return Unsupported(f"{UNSUPPORTED[code]} ({code}: {_short(error)})")
    if code in BUSY:
        return Temporary(f"Exchange is busy and asks to wait ({code}).", getattr(error, "back_off", None) or None)
    if code in SICK_ITEM and code not in PLAIN:
        return ItemRejected(item_error(error))
    return Temporary(f"{PLAIN.get(code, 'Exchange did not answer the request.')} ({code}: {_short(error)})")


def _network_causes(error: BaseException) -> Iterator[Exception]:
    """exchangelib wraps what requests raised; the class of the original says more than the wrapped text."""
    cause = error.__cause__ or error.__context__
    while cause is not None:
        if isinstance(cause, requests.RequestException):
            yield cause
        cause = cause.__cause__ or cause.__context__


def _network_error(error: Exception, server: str) -> Temporary:
    if isinstance(error, requests.exceptions.SSLError):
        return Temporary(f"The TLS certificate of {server} is not trusted: {_short(error)}")
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return Temporary(f"{server} cannot be reached: no connection in time.")
    if isinstance(error, requests.exceptions.Timeout | TimeoutError):
        return Temporary(f"{server} did not answer in time.")
    roots = list(_chain(error))
    if any(isinstance(root, NameResolutionError | socket.gaierror) for root in roots):
        return Temporary(f"The name {server} is not known: check the address of the server.")
    if any(isinstance(root, ConnectionRefusedError) for root in roots):
        return Temporary(f"{server} refuses connections: is the server running?")
    if isinstance(error, requests.exceptions.ProxyError):
        return Temporary(f"The proxy on the way to {server} does not work.")
    return Temporary(f"The connection to {server} broke off.")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception with all that lies below it: its causes, and the reasons that urllib3 keeps in arguments."""
    pending: list[BaseException] = [error]
    while pending:
        current = pending.pop()
        yield current
        below = (current.__cause__, current.__context__, getattr(current, "reason", None), *current.args)
        pending += [each for each in below if isinstance(each, BaseException)]


def _short(error: BaseException) -> str:
    """The first line of an error's text, cut so that no whole answer of a server gets into a log."""
    return (str(error).strip().splitlines() or [""])[0][:200]
