"""The rules of a mailbox in the portal, and what is shown of mail whose headers only are kept (S6, Y1)."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from terracrm.models import Activity, AuditEntry, Mailbox, Message, MessageBody
from tests.web.conftest import Client, SignIn, token

ANNA = "anna@romashka.example"


@pytest.fixture
def rules(ids: dict[str, int]) -> str:
    """The address of the rules of Anna's mailbox."""
    return f"/mailboxes/{ids[ANNA]}/rules"


def filled(client: Client, path: str, **values: str) -> dict[str, str]:
    """The form with its token."""
    return {"csrf_token": token(client, path), **values}


def test_a_preview_says_what_would_change_and_changes_nothing(signed_in: SignIn, rules: str, rows: Session) -> None:
    admin = signed_in("admin")
    answer = admin.post(f"{rules}/preview", data=filled(admin, rules, capture="none"))
    said = answer.get_data(as_text=True)
    assert "entries leave the CRM" in said
    assert "no mail of this mailbox is mirrored" in said
    assert "Договор" not in said
    assert '<option value="none" selected>' in said
    assert rows.scalars(select(Mailbox.capture).where(Mailbox.address == ANNA)).one() == ""


def test_the_button_of_a_preview_puts_in_force_what_was_previewed(signed_in: SignIn, rules: str, rows: Session) -> None:
    admin = signed_in("admin")
    form = filled(admin, rules, detail="headers", mail_include="Inbox\r\nSent", calendar_category="Клиенты")
    shown = admin.post(f"{rules}/preview", data=form).get_data(as_text=True)
    card = shown[shown.index('class="form-actions"') : shown.index("Put these rules in force")]
    values = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', card))
    assert admin.post(rules, data=values).status_code == 302
    mailbox = rows.scalars(select(Mailbox).where(Mailbox.address == ANNA)).one()
    assert (mailbox.detail, mailbox.capture) == ("headers", "")
    assert {s.kind: (s.include_folders, s.only_category) for s in mailbox.streams} == {
        "mail": (["Inbox", "Sent"], ""),
        "calendar": ([], "Клиенты"),
    }


def test_what_was_previewed_is_put_in_force(signed_in: SignIn, rules: str, rows: Session) -> None:
    admin = signed_in("admin")
    form = filled(admin, rules, capture="all", detail="headers", mail_exclude="Личное\r\n\r\n/Inbox/Банк/\r\n")
    answer = admin.post(rules, data=form, follow_redirects=True)
    assert "These rules are in force" in answer.get_data(as_text=True)
    mailbox = rows.scalars(select(Mailbox).where(Mailbox.address == ANNA)).one()
    assert (mailbox.capture, mailbox.detail) == ("all", "headers")
    assert mailbox.streams[0].exclude_folders == ["Личное", "Inbox/Банк"]
    assert rows.scalars(select(AuditEntry.action)).all() == ["rules.change"]
    shown = admin.get(rules).get_data(as_text=True)
    assert "Личное\nInbox/Банк</textarea>" in shown


@pytest.mark.parametrize("wrong", [{"capture": "some"}, {"tracking_category": "a,b"}, {"mail_category": "x" * 300}])
def test_rules_that_do_not_fit_are_refused_with_a_reason(
    signed_in: SignIn, rules: str, rows: Session, wrong: dict[str, str]
) -> None:
    admin = signed_in("admin")
    for path in (rules, f"{rules}/preview"):
        answer = admin.post(path, data=filled(admin, rules, **wrong))
        assert answer.status_code == 400
        assert "a category is one name" in answer.get_data(as_text=True)
    assert rows.scalars(select(AuditEntry)).all() == []


def test_others_see_the_rules_and_cannot_change_them(signed_in: SignIn, rules: str) -> None:
    page = signed_in("anna").get(rules.removesuffix("/rules")).get_data(as_text=True)
    assert "all mail with people outside" in page
    assert "Change the rules" not in page
    assert "Change the rules" in signed_in("admin").get(rules.removesuffix("/rules")).get_data(as_text=True)


def test_a_mail_whose_headers_only_are_kept_says_so(signed_in: SignIn, ids: dict[str, int], rows: Session) -> None:
    question = ids["question"]
    rows.execute(update(Activity).where(Activity.id == question).values(subject="", snippet="", has_attachments=False))
    rows.execute(update(Message).where(Message.activity_id == question).values(detail="headers"))
    rows.delete(rows.get_one(MessageBody, question))
    rows.commit()
    anna = signed_in("anna")
    page = anna.get(f"/messages/{question}").get_data(as_text=True)
    assert "Only the headers of this mail are kept" in page
    assert "This message has no text" not in page
    profile = anna.get(f"/contacts/{ids['maria@market.example']}").get_data(as_text=True)
    assert "Mail without its content" in profile
