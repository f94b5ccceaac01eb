"""The forms of clients in a browser: with the keyboard, without scripts, on a phone, for a screen reader (P6, P7)."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.test_portal import is_too_wide, violations


@pytest.mark.parametrize("path", ["/contacts/1/edit", "/contacts/new", "/companies/1/edit", "/contacts/1/changes"])
def test_the_forms_are_accessible_and_fit_a_phone(open_page: OpenPage, path: str) -> None:
    page = open_page(path, phone=True)
    assert violations(page) == []
    assert not is_too_wide(page)


def test_a_number_is_added_without_scripts_and_enter_saves(open_page: OpenPage) -> None:
    page = open_page("/contacts/1/edit", scripts=False)
    page.locator("[name=more][value=phones]").click()
    expect(page.locator("[name^=phones-][name$=-number]")).to_have_count(6)
    page.get_by_label("Phone 2").fill("+7 916 555-03-04")
    page.get_by_label("Position").fill("Директор")
    page.get_by_label("Position").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Мария Иванова")
    expect(page.get_by_role("link", name="+7 916 555-03-04")).to_be_visible()
