"""The boxes that say why something is here (Y4)."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.models import Company, Contact, Link
from tests.office import NOW
from tests.web.conftest import SignIn


def test_a_message_says_why_it_is_here(signed_in: SignIn, ids: dict[str, int]) -> None:
    page = signed_in("anna").get(f"/messages/{ids['question']}").text
    box = page[page.index("Why this is here") :]
    for text in ("anna@romashka.example", "mail with clients is mirrored", "known by the address", "our own domain"):
        assert text in box
    assert "anna@romashka.example · Inbox · run 1" in " ".join(box.split())


def test_each_copy_of_a_message_says_how_it_was_found(signed_in: SignIn, ids: dict[str, int], rows: Session) -> None:
    copy = rows.scalars(select(Link).where(Link.entity == "message", Link.local_id == ids["question"])).one()
    columns = {name: getattr(copy, name) for name in ("mailbox_id", "folder_id", "entity", "local_id")}
    rows.add(Link(**columns, remote_id="moved", run_id=1, match_method="message_id", gone_at=NOW))
    rows.commit()
    page = signed_in("anna").get(f"/messages/{ids['question']}").text
    box = page[page.index("Why this is here") :]
    assert box.count("Item in anna@romashka.example") == 2
    assert "the same by its Message-ID" in box
    assert "no longer there since" in box


def test_a_meeting_says_why_it_is_here(signed_in: SignIn, ids: dict[str, int]) -> None:
    page = signed_in("anna").get(f"/meetings/{ids['tasting']}").text
    box = page[page.index("Why this is here") :]
    assert "meetings with people from outside are mirrored" in box
    assert "anna@romashka.example" in box


@pytest.mark.parametrize("name", ["anna", "viktor", "admin"])
def test_clients_say_why_they_are_here(signed_in: SignIn, rows: Session, ids: dict[str, int], name: str) -> None:
    contact = rows.get_one(Contact, ids["maria@market.example"])
    contact.created_by_mailbox_id, contact.created_by_run_id = ids["anna@romashka.example"], 1
    contact.created_by_rule = "sent_mail"
    rows.get_one(Company, ids["market.example"]).created_by_rule = "mail_domain"
    rows.commit()
    page = signed_in(name).get(f"/contacts/{contact.id}").text
    box = page[page.index("Why is this here?") :]
    assert "anna@romashka.example · run 1" in " ".join(box.split())
    assert "we wrote to this person" in box
    page = signed_in(name).get(f"/companies/{ids['market.example']}").text
    assert "we wrote to somebody of its domain" in page[page.index("Why is this here?") :]


def test_an_administrator_may_not_open_the_box_of_a_message(signed_in: SignIn, ids: dict[str, int]) -> None:
    assert signed_in("admin").get(f"/messages/{ids['question']}").status_code == 404
