"""`terracrm mailbox attachments`, and from an attached file to its download over real EWS."""

from __future__ import annotations

import sqlite3
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from connectors.simulator.simulator import Simulator

from .conftest import Terracrm

ANNA = "anna@romashka.example"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 30


@pytest.fixture
def mirrored(terracrm: Terracrm, simulator: Simulator, password_file: Path) -> None:
    """Anna's mailbox with a mail that shows an image, carries a file and another mail, and one marked private."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "igor@market.example", ANNA, "Документы"
    message["Message-ID"] = "<files@market.example>"
    message.set_content('<p>See <img src="cid:logo@x"></p>', subtype="html")
    message.add_related(PNG, "image", "png", cid="<logo@x>", filename="logo.png", disposition="inline")
    message.add_attachment(b"%PDF-1.7 contract", "application", "pdf", filename="договор № 5.pdf")
    for subject, sensitivity in (("Inside", ""), ("Secret", "Private")):
        inner = EmailMessage()
        inner["From"], inner["Subject"] = "olga@market.example", subject
        if sensitivity:
            inner["Sensitivity"] = sensitivity
        inner.set_content("Words of the inner mail")
        message.add_attachment(inner)
    simulator.deliver(message.as_bytes(policy=SMTP), [ANNA])
    add = ("mailbox", "add", ANNA, "--server", simulator.url, "--username", "service@romashka.example")
    assert terracrm(*add, "--password-file", password_file, "--impersonate", "--enable", "--streams", "mail").code == 0


def kept(folder: Path) -> dict[str, tuple[str, str]]:
    """The attachments by name: the state, and the beginning of the content or the error."""
    with sqlite3.connect(folder / "var" / "terracrm.db") as database:
        rows = database.execute(
            "SELECT name, state, coalesce(substr(data, 1, 8), error) FROM message_attachments"
            " LEFT JOIN attachment_contents ON hash = content_hash"
        )
        return {
            name: (state, found if isinstance(found, str) else found.decode("latin-1")) for name, state, found in rows
        }


def test_images_of_the_text_come_by_themselves_and_the_rest_by_another_policy(
    terracrm: Terracrm, mirrored: None, folder: Path
) -> None:
    assert terracrm("sync", "run").code == 0
    assert kept(folder) == {
        "logo.png": ("stored", PNG[:8].decode("latin-1")),
        "договор № 5.pdf": ("", ""),
        "Inside": ("", ""),
        "Secret": ("", ""),
    }
    changed = terracrm("mailbox", "attachments", ANNA, "all")
    assert changed.out.splitlines() == [
        f"{ANNA} fetches attachments: all (its own choice).",
        "To be fetched with its next runs, of the mail that is here: 3.",
    ]
    assert terracrm("sync", "run").code == 0
    found = kept(folder)
    assert found["договор № 5.pdf"] == ("stored", "%PDF-1.7")
    assert found["Inside"][0] == "stored"
    assert found["Secret"] == ("failed", "The attached item is marked private: it stays in the mailbox.")
    assert terracrm("mailbox", "attachments", ANNA, "default").out == (
        f"{ANNA} fetches attachments: on_demand (the setting mirror.attachments).\n"
    )


def test_a_policy_that_there_is_not_is_refused(terracrm: Terracrm, mirrored: None) -> None:
    refused = terracrm("mailbox", "attachments", ANNA, "everything")
    assert refused.code == 2
    assert "on_demand, all, none or default" in refused.err
    assert terracrm("mailbox", "attachments", ANNA).out.startswith(f"{ANNA} fetches attachments: on_demand")
