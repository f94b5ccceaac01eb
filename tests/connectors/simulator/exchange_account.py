"""exchangelib accounts on a simulator, for tests that act as an ordinary EWS client."""

from __future__ import annotations

from exchangelib import DELEGATE, Account, Configuration, Credentials, EWSTimeZone, FailFast
from exchangelib.version import EXCHANGE_2016, Version

from connectors.simulator.simulator import Simulator

MOSCOW = EWSTimeZone("Europe/Moscow")


def account(simulator: Simulator, address: str, zone: EWSTimeZone = MOSCOW) -> Account:
    """The mailbox as its owner opens it, in a time zone of his."""
    configuration = Configuration(
        service_endpoint=simulator.url,
        credentials=Credentials(address, simulator.password),
        auth_type="basic",
        retry_policy=FailFast(),
        version=Version(EXCHANGE_2016),
    )
    return Account(address, config=configuration, autodiscover=False, access_type=DELEGATE, default_timezone=zone)
