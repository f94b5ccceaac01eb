"""From our Account to exchangelib's: who signs in, whose mailbox it is, and how."""

from __future__ import annotations

import exchangelib
from exchangelib.credentials import DELEGATE, IMPERSONATION
from exchangelib.protocol import Protocol
from exchangelib.version import Version

from connectors.base import Account
from connectors.exchange_ews import errors
from connectors.exchange_ews.protocol import MailboxCredentials, MailboxProtocol, OneAttempt, UnverifiedProtocol
from terracrm.errors import InvalidInput


def connect(account: Account) -> exchangelib.Account:
    """An exchangelib account that has not sent anything yet; its first call finds out sign-in and version.

    Raises InvalidInput for an address or a server that cannot be one.
    """
    if "@" not in account.address:
        raise InvalidInput(f"{account.address!r} is no e-mail address: give the mailbox as anna@example.com.")
    if not account.server.lower().startswith(("https://", "http://")):
        raise InvalidInput(f"{account.server!r} is no URL: give it as https://mail.example.com/EWS/Exchange.asmx.")
    config = exchangelib.Configuration(
        credentials=MailboxCredentials(account.username, account.password, account.address),
        service_endpoint=account.server,
        retry_policy=OneAttempt(),
        max_connections=account.requests_in_flight,
    )
    opened = exchangelib.Account(
        account.address,
        config=config,
        access_type=IMPERSONATION if account.impersonate else DELEGATE,
        default_timezone=exchangelib.UTC,
    )
    del Protocol[config]  # what Account() has put into the cache of the process
    protocol = MailboxProtocol if account.verify_tls else UnverifiedProtocol
    opened.protocol = type.__call__(protocol, config=config)  # a protocol of its own, past that cache
    return opened


def server_version(account: exchangelib.Account) -> Version:
    """The version of the server, found out at the first call with one request and one that asks how to sign in."""
    with errors.translated(account.protocol.server):
        return account.version
