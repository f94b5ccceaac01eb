"""Which connector opens a mailbox."""

from __future__ import annotations

from connectors.base import Account, Connector
from connectors.exchange_ews import ExchangeEWS


def connect(account: Account) -> Connector:
    """The connector of a mailbox, ready but not yet signed in."""
    return ExchangeEWS(account)
