"""The whole way back: what comes to one person's mailbox shows in another person's Outlook, among their own words."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from exchangelib import Account, Body, HTMLBody
from exchangelib.extended_properties import ExtendedProperty
from exchangelib.indexed_properties import EmailAddress
from exchangelib.items import Contact

from connectors.simulator.simulator import Simulator
from tests.cli.conftest import Terracrm, as_before, folder, terracrm
from tests.connectors.simulator.exchange_account import account

__all__ = ["as_before", "folder", "terracrm"]
PASSWORD = "milk and cheese"
WRITES = {"CreateItem", "UpdateItem", "DeleteItem", "MoveItem", "CreateFolder"}
ELENA, OLGA = "elena@romashka.example", "olga@romashka.example"


class NextStep(ExtendedProperty):  # type: ignore[misc]
    """What Outlook shows in a column that somebody has added."""

    distinguished_property_set_id = "PublicStrings"
    property_name = "TerraCRM Next Step"
    property_type = "String"


class LastContact(ExtendedProperty):  # type: ignore[misc]
    """The same, of another column."""

    distinguished_property_set_id = "PublicStrings"
    property_name = "TerraCRM Last Contact"
    property_type = "SystemTime"


class Office:
    """Elena and Olga with their Outlooks, and TerraCRM, which writes Olga's clients into hers."""

    def __init__(self, folder: Path, simulator: Simulator, terracrm: Terracrm) -> None:
        self.simulator, self.terracrm = simulator, terracrm
        (folder / "password").write_text(PASSWORD + "\n")
        (folder / "config.toml").write_text(
            '[mirror]\ninternal_domains = ["romashka.example"]\n[web]\nbase_url = "https://crm.romashka.example"\n'
        )
        for address in (ELENA, OLGA):
            simulator.add_mailbox(address, address.partition("@")[0].capitalize())
        self.olga: Account = account(simulator, OLGA)
        self.letters = 0

    def start(self) -> None:
        """Take both mailboxes under sync, and let Olga's clients be written into hers."""
        for address in (ELENA, OLGA):
            name = address.partition("@")[0]
            words = ("--full-name", name.capitalize(), "--email", address, "--password-file", "password")
            self.run("user", "add", name, "--role", "manager", "--team", "North", "--language", "en", *words)
            server = ("--server", self.simulator.url, "--username", address, "--password-file", "password")
            self.run("mailbox", "add", address, *server, "--enable")
        self.run("mailbox", "outlook", OLGA, "--clients", "on", "--apply")

    def run(self, *words: str) -> str:
        """What a command of TerraCRM prints."""
        done = self.terracrm(*words)
        assert done.code == 0, done.err
        return done.out

    def write_to_elena(self, subject: str, text: str = "Ten boxes, please.") -> None:
        """A mail of the client comes to Elena."""
        self.letters += 1
        lines = [
            "From: Maria Ivanova <maria@market.example>",
            f"To: Elena <{ELENA}>",
            f"Message-ID: <{self.letters}@market.example>",
            f"Date: Mon, 02 Mar 2026 10:00:{self.letters:02} +0300",
            f"Subject: {subject}",
            "Content-Type: text/plain; charset=utf-8",
            "",
            text,
        ]
        self.simulator.deliver("\r\n".join(lines).encode(), [ELENA])

    def sync(self) -> set[str]:
        """Run Elena's mail, then Olga's contacts; the operations that write."""
        before = len(self.simulator.requests)
        for address, stream in ((ELENA, "mail"), (OLGA, "contacts")):
            line = json.loads(self.run("sync", "run", "--mailbox", address, "--stream", stream, "--json"))
            assert line["state"] == "ok", line
        return WRITES.intersection(self.simulator.requests[before:])

    def card(self) -> Contact:
        """The client as Olga sees it in her Outlook."""
        (found,) = (self.olga.contacts / "TerraCRM Clients").all()
        assert isinstance(found, Contact)
        return found


@pytest.fixture
def office(folder: Path, terracrm: Terracrm) -> Iterator[Office]:
    Contact.register("next_step", NextStep)
    Contact.register("last_contact", LastContact)
    try:
        with Simulator(domain="romashka.example", password=PASSWORD) as simulator:
            yield Office(folder, simulator, terracrm)
    finally:
        Contact.deregister("next_step")
        Contact.deregister("last_contact")


def around(text: str) -> tuple[str, str]:
    """What stands above the block, and below it."""
    above, _, rest = text.partition("[TerraCRM:history]")
    end = rest.index("]", rest.index("[TerraCRM:end:")) + 1
    return above, rest[end:]


def test_what_comes_to_elena_shows_in_olga_s_outlook_among_her_own_words(office: Office) -> None:
    Contact(
        account=office.olga,
        folder=office.olga.contacts,
        display_name="Maria Ivanova",
        given_name="Maria",
        surname="Ivanova",
        email_addresses=[EmailAddress(email="maria@market.example", label="EmailAddress1")],
    ).save()
    office.start()
    office.sync()  # her contact comes in, and its card is made
    office.write_to_elena("Order of milk")
    office.sync()

    card = office.card()
    assert "mail received → Elena: Order of milk — Ten boxes, please." in card.text_body
    assert "https://crm.romashka.example/contacts/1" in card.text_body
    assert card.last_contact is not None
    assert office.sync() == set(), "nothing has changed"

    # Her own words above and below stay byte for byte, in plain notes ...
    above, below = "Likes  cheese.\r\n\r\n", "\r\n\r\nHer birthday:\tin May \r\n"
    block = card.text_body[card.text_body.index("[TerraCRM:history]") :].rstrip()
    card.body = Body(above + block + below)
    card.save(update_fields=["body"])
    assert office.sync() == set(), "her own words are nothing for us to write"
    office.write_to_elena("Order of kefir")
    assert office.sync() == {"UpdateItem"}
    assert "Order of kefir" in office.card().text_body
    assert around(office.card().text_body) == (above, below)
    assert office.sync() == set()

    # ... and in formatted ones.
    card = office.card()
    block = "<br>\r\n".join(line for line in block_of(card.text_body).splitlines() if line)
    above = "<html><body><p style='color:red'>Likes <b>cheese</b>.</p>"
    below = "<p>Her birthday:&nbsp;<i>in May</i></p></body></html>"
    card.body = HTMLBody(f"{above}<div>{block.replace('<br>', '<br>')}</div>{below}")
    card.save(update_fields=["body"])
    office.write_to_elena("Order of cheese")
    office.sync()
    html = str(office.card().body)
    assert "Order of cheese" in html
    assert html.startswith(above)
    assert html.endswith(below)
    assert html.count("[TerraCRM:history]") == 1
    assert office.sync() == set()


def block_of(text: str) -> str:
    start = text.index("[TerraCRM:history]")
    return text[start : text.index("]", text.index("[TerraCRM:end:")) + 1]


def test_a_block_that_she_deletes_never_comes_back_and_the_columns_stay(office: Office) -> None:
    Contact(
        account=office.olga,
        folder=office.olga.contacts,
        display_name="Maria Ivanova",
        email_addresses=[EmailAddress(email="maria@market.example", label="EmailAddress1")],
    ).save()
    office.start()
    office.sync()  # her contact comes in, and its card is made
    office.write_to_elena("Order of milk")
    office.sync()
    card = office.card()
    before = card.last_contact
    assert "[TerraCRM:history]" in card.text_body

    card.body = Body("Only mine.")
    card.save(update_fields=["body"])
    time.sleep(1.1)  # the next mail is of another second
    for subject in ("Order of kefir", "Order of cheese"):
        office.write_to_elena(subject)
        office.sync()

    card = office.card()
    assert card.text_body.rstrip() == "Only mine."
    assert card.last_contact > before
    assert office.sync() == set()
