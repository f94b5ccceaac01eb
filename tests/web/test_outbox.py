"""What is owed to Outlook, in the portal (W5), and what is written into a mailbox (W1)."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from terracrm.models import OutboxItem, Stream
from terracrm.services import outbox
from tests.web.conftest import SignIn, token

ANNA, MARIA, PETER = "anna@romashka.example", "maria@market.example", "peter@vesna.example"


@pytest.fixture
def owed(rows: Session, ids: dict[str, int]) -> dict[str, int]:
    """Cards owed to Anna's mailbox: one on its way, one given up; and one of a client that she does not see."""
    made = {
        "waiting": OutboxItem(local_id=ids[MARIA], reason="portal"),
        "refused": OutboxItem(
            local_id=ids["igor@harbour.example"], state=outbox.GIVEN_UP, attempts=10, error="<Full>."
        ),
        "hidden": OutboxItem(local_id=ids[PETER], attempts=1, error="Later.", reason="in_scope"),
    }
    for item in made.values():
        item.mailbox_id, item.entity = ids[ANNA], outbox.CONTACT
    rows.add_all(made.values())
    rows.add(Stream(mailbox_id=ids[ANNA], kind="contacts", direction="both"))
    rows.commit()
    return {name: item.id for name, item in made.items()}


@pytest.mark.usefixtures("owed")
def test_each_role_reads_what_it_may(signed_in: SignIn) -> None:
    pages = {who: signed_in(who).get("/outbox").get_data(as_text=True) for who in ("anna", "boris", "viktor", "admin")}
    assert all("Outlook has all that it should" not in pages[who] for who in ("anna", "viktor", "admin"))
    assert "Outlook has all that it should" in pages["boris"]
    assert ("Peter Volkov" in pages["anna"], "Peter Volkov" in pages["admin"]) == (False, True)
    assert "&lt;Full&gt;." in pages["anna"]
    assert "changed in the portal" in pages["anna"]
    assert ["Try again</button>" in pages[who] for who in ("anna", "viktor", "admin")] == [True, False, True]


def test_one_and_all_are_tried_again(
    signed_in: SignIn, rows: Session, ids: dict[str, int], owed: dict[str, int]
) -> None:
    anna = signed_in("anna")
    form = {"csrf_token": token(anna, "/"), "mailbox": str(ids[ANNA])}
    answer = anna.post(f"/outbox/{owed['refused']}/retry", data=form, follow_redirects=True)
    assert "The next run tries it again." in answer.get_data(as_text=True)
    assert rows.get_one(OutboxItem, owed["refused"], populate_existing=True).state == outbox.OWED
    anna.post("/outbox/retry", data=form)
    assert rows.get_one(OutboxItem, owed["hidden"], populate_existing=True).attempts == 0
    again = anna.post(f"/outbox/{owed['refused'] + 900}/retry", data=form)
    assert again.status_code == 404


@pytest.mark.usefixtures("owed")
def test_the_mailbox_says_how_much_is_owed_and_leads_there(signed_in: SignIn, ids: dict[str, int]) -> None:
    for path in ("/mailboxes", f"/mailboxes/{ids[ANNA]}"):
        page = signed_in("admin").get(path).get_data(as_text=True)
        assert f'href="/outbox?mailbox={ids[ANNA]}"' in page
        assert "1 write into Outlook was given up" in page
        assert "2 writes are on their way into Outlook" in page
    assert "look here" in signed_in("anna").get("/").get_data(as_text=True)
    assert signed_in("anna").get(f"/outbox?mailbox={ids['boris@romashka.example']}").status_code == 404
    assert signed_in("anna").get("/outbox?mailbox=x").status_code == 400


def test_the_mailbox_says_what_is_written_into_it(signed_in: SignIn, rows: Session, ids: dict[str, int]) -> None:
    path = f"/mailboxes/{ids[ANNA]}"
    assert "nothing is written" in signed_in("anna").get(path).get_data(as_text=True)
    mine = Stream(mailbox_id=ids[ANNA], kind="contacts", direction="both", client_scope="team", conflict_rule="crm")
    mine.field_directions = {"notes": "in"}
    rows.add_all([mine, Stream(mailbox_id=ids[ANNA], kind="tasks", direction="both")])
    rows.commit()
    for page in (signed_in("anna").get(path), signed_in("admin").get(f"{path}/rules")):
        text = page.get_data(as_text=True)
        for word in (
            "kept there, both ways",
            "owner&#39;s team",
            "the CRM wins",
            "only from Outlook",
            "TerraCRM Clients",
        ):
            assert word in text, word
    assert "terracrm mailbox outlook" not in signed_in("anna").get(path).get_data(as_text=True)
    rules = signed_in("admin").get(f"{path}/rules").get_data(as_text=True)
    assert "terracrm mailbox outlook" in rules
    assert "tasks_include" not in rules
