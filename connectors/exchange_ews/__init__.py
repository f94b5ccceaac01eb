"""Exchange on-premises over EWS."""

from connectors.exchange_ews.connector import ExchangeEWS

__all__ = ["ExchangeEWS"]
