"""Alerts to admins: the one mail that leaves a mailbox, and the skew of the server's clock (Y5)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import exchangelib
import pytest
import requests

from connectors.base import Account, Connector
from connectors.exchange_ews import ExchangeEWS
from connectors.exchange_ews.connect import connect
from connectors.memory import MemoryConnector, MemoryServer
from connectors.simulator import delivery
from connectors.simulator.simulator import Simulator
from terracrm.errors import AuthFailed, ConnectorError, ItemRejected, Temporary
from tests.connectors.exchange_ews.script import ScriptedServer, answered, failure

CRM, ADMIN, OUTSIDE = "crm@example.test", "admin@example.test", "duty@elsewhere.test"
TEXT = "anna@example.test: the server refused.\n\nhttps://crm.example.test/alerts\n"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        running.add_mailbox(CRM, "CRM")
        running.add_mailbox(ADMIN, "Admin")
        yield running


@pytest.fixture
def opened(simulator: Simulator) -> Iterator[Connector]:
    connector = ExchangeEWS(Account(CRM, simulator.url, CRM, "secret"))
    yield connector
    connector.close()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    running = ScriptedServer()
    running.start()
    yield running
    running.stop()


def inbox(simulator: Simulator, address: str) -> list[exchangelib.Message]:
    """What lies in somebody's inbox, as they read it."""
    account = connect(Account(address, simulator.url, address, "secret"))
    try:
        return list(account.inbox.all())
    finally:
        account.protocol.close()


def kept(simulator: Simulator) -> int:
    """How many mails lie anywhere in the mailbox that sends."""
    box = simulator.store.mailboxes.find(CRM)
    return len(simulator.store.items.where("mailbox = ? AND kind LIKE 'Me%'", box.number))


def test_a_mail_arrives_with_its_text_and_nothing_stays_behind(opened: Connector, simulator: Simulator) -> None:
    opened.send_mail([ADMIN, OUTSIDE], "TerraCRM: не входит", TEXT)
    (mail,) = inbox(simulator, ADMIN)
    assert (mail.subject, mail.sender.email_address) == ("TerraCRM: не входит", CRM)
    assert mail.text_body.replace("\r\n", "\n").strip() == TEXT.strip()
    assert [sent["recipients"] for sent in delivery.outbound(simulator.store)] == [[OUTSIDE]]
    assert kept(simulator) == 0


def test_a_service_account_sends_in_the_name_of_the_mailbox(simulator: Simulator) -> None:
    connector = ExchangeEWS(Account(CRM, simulator.url, "service@example.test", "secret", impersonate=True))
    connector.send_mail([ADMIN], "TerraCRM", TEXT)
    connector.close()
    assert [mail.sender.email_address for mail in inbox(simulator, ADMIN)] == [CRM]


def test_a_wrong_password_is_tried_once(simulator: Simulator) -> None:
    connector = ExchangeEWS(Account(CRM, simulator.url, CRM, "wrong"))
    with pytest.raises(AuthFailed):
        connector.send_mail([ADMIN], "TerraCRM", TEXT)
    connector.close()
    assert inbox(simulator, ADMIN) == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ErrorSendAsDenied", AuthFailed),
        ("ErrorInvalidRecipients", ItemRejected),
        ("ErrorServerBusy", Temporary),
        ("ErrorQuotaExceeded", Temporary),
    ],
)
def test_what_exchange_refuses_says_what_to_do(server: ScriptedServer, code: str, error: type[ConnectorError]) -> None:
    server.on("CreateItem", answered("CreateItem", failure("CreateItem", code, content="<m:Items/>")))
    connector = server.connector()
    with pytest.raises(error):
        connector.send_mail([ADMIN], "TerraCRM", TEXT)
    connector.close()
    assert (server.requests.count("CreateItem"), server.invalid) == (1, [])


@pytest.mark.parametrize("seconds", [0, -3600, 86400])
def test_the_skew_of_the_servers_clock_is_known_after_any_answer(
    opened: Connector, simulator: Simulator, seconds: int
) -> None:
    assert opened.clock_skew() is None
    requests.post(f"{simulator.control_url}/clock", json={"seconds": seconds}, timeout=5)
    opened.folders()
    skew = opened.clock_skew()
    assert skew is not None
    assert abs(skew - timedelta(seconds=seconds)) < timedelta(seconds=30)


def test_the_server_in_memory_notes_what_was_sent() -> None:
    server = MemoryServer()
    server.add_mailbox(CRM)
    MemoryConnector(Account(CRM, "", CRM, "secret"), server).send_mail([ADMIN], "TerraCRM", TEXT)
    assert server.mails == [(CRM, (ADMIN,), "TerraCRM", TEXT)]
    with pytest.raises(AuthFailed):
        MemoryConnector(Account(CRM, "", CRM, "wrong"), server).send_mail([ADMIN], "TerraCRM", TEXT)
