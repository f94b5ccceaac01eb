"""Signing in: whose mailbox, as whom, and what two open mailboxes share (nothing)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from exchangelib.protocol import CachingProtocol, FailFast

from connectors.base import Account
from connectors.exchange_ews import ExchangeEWS
from connectors.exchange_ews.connect import connect
from connectors.simulator.simulator import Simulator
from terracrm.errors import AuthFailed, InvalidInput, Unsupported


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(password="пароль: секрет") as simulator:
        simulator.add_mailbox("anna@example.test")
        simulator.add_mailbox("info@example.test", shared=True)
        yield simulator


def connector(simulator: Simulator, address: str, username: str, *, impersonate: bool = False) -> ExchangeEWS:
    return ExchangeEWS(Account(address, simulator.url, username, "пароль: секрет", impersonate=impersonate))


def test_a_password_in_cyrillic_signs_in(simulator: Simulator) -> None:
    assert connector(simulator, "anna@example.test", "anna@example.test").folders()


def test_a_shared_mailbox_is_opened_with_the_rights_on_it(simulator: Simulator) -> None:
    simulator.grant("info@example.test", "anna@example.test")
    simulator.deliver(b"From: b@c.test\r\nTo: info@example.test\r\nSubject: x\r\n\r\nHello", ["info@example.test"])
    opened = connector(simulator, "info@example.test", "anna@example.test")
    inbox = next(folder for folder in opened.folders() if folder.well_known == "inbox")
    assert inbox.item_count == 1
    (page,) = opened.changes(inbox, None, 10)
    assert len(page.changes) == 1


def test_a_shared_mailbox_without_rights_stays_closed(simulator: Simulator) -> None:
    with pytest.raises(AuthFailed, match=r"info@example\.test"):
        connector(simulator, "info@example.test", "anna@example.test").folders()


def test_impersonation_without_the_right_to_it_is_refused(simulator: Simulator) -> None:
    with pytest.raises(AuthFailed, match="ApplicationImpersonation"):
        connector(simulator, "info@example.test", "anna@example.test", impersonate=True).folders()


def test_a_connection_is_found_out_once(simulator: Simulator) -> None:
    opened = connector(simulator, "anna@example.test", "anna@example.test")
    opened.folders()
    opened.folders()
    assert simulator.requests == ["ConvertId", "GetFolder", "FindFolder", "GetFolder", "FindFolder"]


def test_a_closed_connector_leaves_nothing_behind(simulator: Simulator) -> None:
    before = len(CachingProtocol._protocol_cache)
    opened = connector(simulator, "anna@example.test", "anna@example.test")
    opened.folders()
    opened.close()
    assert len(CachingProtocol._protocol_cache) == before


def test_mailboxes_of_one_service_account_share_no_sessions_and_never_retry() -> None:
    accounts = [
        connect(Account(address, "https://mail.example.test/EWS/Exchange.asmx", "service", "secret", impersonate=True))
        for address in ("anna@example.test", "boris@example.test", "anna@example.test")
    ]
    protocols = [account.protocol for account in accounts]
    assert len({id(protocol) for protocol in protocols}) == 3
    assert len({id(protocol.retry_policy) for protocol in protocols}) == 3
    assert all(isinstance(protocol.retry_policy, FailFast) for protocol in protocols)


@pytest.mark.parametrize(
    ("address", "server"),
    [("anna", "https://mail.example.test/EWS/Exchange.asmx"), ("anna@example.test", "mail.example.test")],
)
def test_an_account_that_cannot_be_one_is_refused_at_once(address: str, server: str) -> None:
    with pytest.raises(InvalidInput):
        ExchangeEWS(Account(address, server, "anna", "secret"))


def test_a_url_without_a_host_is_refused() -> None:
    with pytest.raises(Unsupported):
        ExchangeEWS(Account("anna@example.test", "https://", "anna", "secret")).folders()
