"""Exchange on-premises over EWS."""

from connectors.exchange_ews.connector import ExchangeEWS
from connectors.exchange_ews.watching import CAPACITY, WatchEWS

__all__ = ["CAPACITY", "ExchangeEWS", "WatchEWS"]
