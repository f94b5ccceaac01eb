"""The portal as a person meets it: in a browser, on a desk and on a phone, in both languages."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage

PAGES = {
    "home": "/",
    "companies": "/companies",
    "company": "/companies/1",
    "contacts": "/contacts",
    "contact": "/contacts/1",
    "message": "/messages/2",
    "html message": "/messages/3",
    "tray": "/tray",
    "sender": "/tray/senders/who@nowhere.example",
    "meeting": "/meetings/9",
    "search": "/search?q=договор",
    "mailboxes": "/mailboxes",
    "mailbox": "/mailboxes/1",
    "missing": "/nothing",
}
SERIOUS = ("serious", "critical")


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {node['html'][:120]}" for v in found if v["impact"] in SERIOUS for node in v["nodes"]]


def is_too_wide(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES.keys())
def test_pages_are_accessible_and_fit_a_phone_in_both_languages(open_page: OpenPage, path: str) -> None:
    page = open_page(path, who="viktor", phone=True)
    page.locator("button[value=ru]").click()
    expect(page.locator("html")).to_have_attribute("lang", "ru")
    assert violations(page) == []
    assert not is_too_wide(page)
    page.locator("button[value=en]").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert not is_too_wide(page)


def test_the_sign_in_page_is_accessible_and_fits(open_page: OpenPage) -> None:
    page = open_page("/sign-in", who="", phone=True)
    assert violations(page) == []
    assert not is_too_wide(page)


@pytest.mark.parametrize(
    "path", ["/", "/companies/1", "/messages/2", "/tray", "/tray/senders/who@nowhere.example?q=market"]
)
def test_pages_are_accessible_on_a_desk(open_page: OpenPage, path: str) -> None:
    assert violations(open_page(path)) == []


def test_a_wrong_password_is_told(open_page: OpenPage) -> None:
    page = open_page("/sign-in", who="")
    page.get_by_label("Name").fill("viktor")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is wrong")
    expect(page.get_by_label("Name")).to_have_value("viktor")


def test_older_entries_come_while_scrolling(open_page: OpenPage) -> None:
    page = open_page("/companies/1")
    entries = page.locator("#timeline .entry")
    expect(entries).to_have_count(30)
    for count in (60, 79):
        page.locator("#timeline > li").last.scroll_into_view_if_needed()
        expect(entries).to_have_count(count)
    expect(page.locator("#timeline .more")).to_have_count(0)
    headings = page.locator("#timeline h3").all_inner_texts()
    assert len(headings) == len(set(headings))


def test_without_scripts_the_history_is_read_page_by_page(open_page: OpenPage) -> None:
    page = open_page("/companies/1", scripts=False)
    first = page.locator("#timeline .entry-title").first.inner_text()
    page.get_by_role("link", name="Show older entries").click()
    expect(page.locator("#timeline .entry")).to_have_count(30)
    assert page.locator("#timeline .entry-title").first.inner_text() != first
    page.get_by_role("link", name="To the newest entries").click()
    assert page.locator("#timeline .entry-title").first.inner_text() == first


def test_filters_work_at_once_and_stay_in_the_address(open_page: OpenPage) -> None:
    page = open_page("/companies/1")
    page.locator("label[for=kind-meeting]").click()
    expect(page.locator("#timeline .entry")).to_have_count(1)
    expect(page).to_have_url(re.compile("kind=meeting"))
    page.reload()
    expect(page.locator("#timeline .entry")).to_have_count(1)
    page.locator("label[for=kind-all]").click()
    expect(page.locator("#timeline .entry")).to_have_count(30)
    page.get_by_label("From", exact=True).fill("2001-01-01")
    page.get_by_label("To", exact=True).fill("2001-01-02")
    page.get_by_label("To", exact=True).blur()
    expect(page.get_by_text("Nothing fits these filters")).to_be_visible()


def test_the_list_is_filtered_while_typing(open_page: OpenPage) -> None:
    page = open_page("/companies")
    expect(page.locator("table tbody tr")).to_have_count(2)
    page.get_by_placeholder("Name of the company").press_sequentially("harb")
    expect(page.locator("table tbody tr")).to_have_count(1)
    expect(page.locator("table tbody tr")).to_contain_text("Free Harbour")


def test_the_language_is_switched_on_the_page(open_page: OpenPage) -> None:
    page = open_page("/companies", who="galina")
    page.get_by_role("button", name="Русский").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Компании")
    expect(page).to_have_url(re.compile("/companies"))
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Companies")


def test_the_frame_of_a_mail_is_as_tall_as_the_mail(open_page: OpenPage) -> None:
    page = open_page("/messages/3")
    expect(page.frame_locator("iframe").get_by_text("готова")).to_be_visible()
    expect(page.locator("iframe")).not_to_have_css("height", "480px")
    frame = page.locator("iframe").bounding_box()
    assert frame is not None
    assert 20 < frame["height"] < 300


def test_images_are_asked_for_only_after_the_button(open_page: OpenPage) -> None:
    page = open_page("/messages/3")
    asked: list[str] = []
    page.route("https://evil.example/**", lambda route: (asked.append(route.request.url), route.abort()))
    page.reload()
    expect(page.frame_locator("iframe").get_by_text("готова")).to_be_visible()
    assert asked == []
    with page.expect_request("https://evil.example/p.gif"):
        page.get_by_role("button", name="Show images this once").click()
    expect(page.get_by_role("button", name="Show images this once")).to_have_count(0)


def test_the_keyboard_reaches_the_content_and_the_menu(open_page: OpenPage) -> None:
    page = open_page("/companies")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator("details.account summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out everywhere")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out everywhere")).to_be_hidden()


def test_signing_out_leads_to_the_sign_in(open_page: OpenPage) -> None:
    page = open_page("/", who="boris")
    page.locator("details.account summary").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/companies")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
