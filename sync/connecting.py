"""Which connector opens a mailbox, and what tells of changes in it."""

from __future__ import annotations

from connectors.base import Account, Connector, Watch
from connectors.exchange_ews import CAPACITY, ExchangeEWS, WatchEWS

__all__ = ["CAPACITY", "connect", "watch"]


def connect(account: Account) -> Connector:
    """The connector of a mailbox, ready but not yet signed in."""
    return ExchangeEWS(account)


def watch(account: Account) -> Watch:
    """What listens to mailboxes that this account opens, CAPACITY at most; not yet signed in."""
    return WatchEWS(account)
