"""Suggestions on a contact's profile: named with their source, accepted or dismissed without a script (S11)."""

from __future__ import annotations

import re

import pytest
from sqlalchemy.orm import Session

from terracrm.models import Contact, ContactSuggestion, FieldChange
from tests.web.conftest import SignIn, token

PHONE = "+7 916 123-45-67"


@pytest.fixture
def suggested(rows: Session, ids: dict[str, int]) -> str:
    """A mobile number for Мария from the question that she sent; the path of her profile."""
    contact_id = ids["maria@market.example"]
    rows.add(
        ContactSuggestion(
            contact_id=contact_id,
            field="phones",
            value=PHONE,
            value_key="+79161234567",
            label="mobile",
            activity_id=ids["question"],
            mailbox_id=ids["anna@romashka.example"],
        )
    )
    rows.commit()
    return f"/contacts/{contact_id}"


def press(signed_in: SignIn, path: str, button: str) -> int:
    anna = signed_in("anna")
    action = re.search(rf'formaction="([^"]+/{button})"', anna.get(path).text)
    assert action
    return anna.post(action[1], data={"csrf_token": token(anna, path)}).status_code


def test_a_suggestion_names_the_mail_it_was_read_in(signed_in: SignIn, suggested: str, ids: dict[str, int]) -> None:
    page = signed_in("anna").get(suggested).text
    assert PHONE in page
    assert "Договор поставки сметаны" in page
    assert f'href="/messages/{ids["question"]}"' in page


def test_accepting_puts_it_into_the_profile(signed_in: SignIn, suggested: str, rows: Session) -> None:
    assert press(signed_in, suggested, "accept") == 302
    page = signed_in("anna").get(suggested).text
    assert "Found in signatures" not in page
    assert "tel:+79161234567" in page
    change = rows.query(FieldChange).filter_by(field="phones").one()
    assert change.user_id == rows.query(ContactSuggestion).one().user_id is not None


def test_dismissing_takes_it_away_and_changes_nothing(signed_in: SignIn, suggested: str, rows: Session) -> None:
    assert press(signed_in, suggested, "dismiss") == 302
    assert PHONE not in signed_in("anna").get(suggested).text
    assert [phone.number for phone in rows.query(Contact).filter_by(display_name="Мария Иванова").one().phones] == [
        "+7 495 123-45-67"
    ]


def test_who_changes_nothing_gets_no_buttons_and_an_admin_sees_nothing(signed_in: SignIn, suggested: str) -> None:
    controller = signed_in("viktor").get(suggested).text
    assert PHONE in controller
    assert "formaction" not in controller
    assert PHONE not in signed_in("admin").get(suggested).text
